// What is streamed from: the display, the private one with its session, the apps, and how well the host's stages run.
// Only functions, called by app.js once it has started; what both use ($, put, sync, facts, ...) is there.
"use strict";

const RECENT_MS = 3600e3; // a hang is worth a place at the top for that long, where the host tells its time

/* --- words --- */

const times = (count) => (count === 1 ? "once" : count === 2 ? "twice" : count + " times");
const sizeText = (one) => (one.width ? one.width + " × " + one.height : "");
const inWords = (list) => [list.slice(0, -1).join(", "), ...list.slice(-1)].filter(Boolean).join(" and ");
const sentenceOf = (text) => (text && !/[.!?…]$/.test(text) ? text + "." : text || "");

function wishText(wished) {
  const parts = /^(\d+)x(\d+)(?:@([\d.]+))?$/.exec(wished);
  if (!parts) return wished;
  return parts[1] + " × " + parts[2] + (parts[3] ? " at " + Number(Number(parts[3]).toFixed(2)) + " Hz" : "");
}

// Two texts: how the mode is, and what went wrong with the one that was asked for.
function modeTexts(mode, owner) {
  const by = owner ? ", asked for by " + (owner.client || "an unnamed device") : "";
  const wish = wishText(mode.wished || "");
  const why = mode.sentence ? " " + sentenceOf(mode.sentence) : "";
  switch (mode.state) {
    case "applied":
      return [wish + by + "; put back when the last stream ends." + why, ""];
    case "pending":
      return [wish + by + "; being set now." + why, ""];
    case "refused":
      return ["as it was found", wish + by + (by ? "," : "") + " could not be set." + why];
    case "reverted":
      return ["as it was found", wish + by + (by ? "," : "") + " was set and put back again." + why];
    default:
      return [(wish ? wish + by + "; the display has it already." : "as it was found") + why, ""];
  }
}

function awakeText(display, inhibit) {
  const parts = [];
  if (display.awake) parts.push("no screen saver and no power saving while streaming");
  if (inhibit === "held") parts.push("the system does not go to sleep");
  else if (inhibit && inhibit !== "not held") parts.push("the system may go to sleep: " + inhibit);
  return parts.join("; ");
}

function sinceStart(display, mode) {
  const parts = [];
  if (mode.switches) parts.push("switched " + times(mode.switches));
  if (mode.refusals) parts.push("refused " + times(mode.refusals));
  if (mode.reverts) parts.push("put back for want of a picture " + times(mode.reverts));
  return [
    display.reconnects ? "opened again " + times(display.reconnects) : "",
    mode.refusals || mode.reverts ? "mode " + parts.join(", ") : "", // that all went well needs no figures
  ].filter(Boolean).join("; ");
}

/* --- pieces --- */

function badge(element, text, look) {
  put(element, text);
  element.hidden = !text;
  element.className = "badge" + (look ? " " + look : "");
}

function line(element, text) {
  put(element, text || "");
  element.hidden = !text;
}

// The output of a program, folded away. Who reads its end goes on reading its end.
function output(box, text, whose) {
  const pre = box.querySelector("pre");
  const atEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 4;
  box.hidden = !text;
  pre.setAttribute("aria-label", "Last output of " + whose);
  if (pre.textContent === text) return;
  put(pre, text || "");
  if (atEnd) pre.scrollTop = pre.scrollHeight;
}

function showEnd(box) {
  const pre = box.querySelector("pre");
  box.addEventListener("toggle", () => (pre.scrollTop = pre.scrollHeight));
}

/* --- the display --- */

function updateCandidate(row, item) {
  row.classList.toggle("usable", item.chosen);
  const mark = row.querySelector(".mark");
  put(mark, item.chosen ? "✓" : "–");
  mark.setAttribute("aria-label", item.chosen ? "taken" : "not taken");
  put(row.querySelector(".name"), item.name);
  put(row.querySelector(".why"), item.reason);
}

function renderCandidates(items) {
  const others = items.filter((item) => !item.chosen).length;
  $("candidates-box").hidden = others === 0;
  put($("candidates-title"), others === items.length
    ? plural(others, "display") + (others === 1 ? " was found and not taken" : " were found and not taken")
    : plural(others, "other display") + (others === 1 ? " was found" : " were found"));
  sync($("candidates"), items.map((item, i) => ({ ...item, id: i + item.name })),
    () => copyOf("candidate-template"), updateCandidate);
}

function renderDisplay(status) {
  const display = status.display || {};
  const mode = display.mode || {};
  const owner = (status.sessions || []).find((one) => one.owns_mode);
  const [how, problem] = modeTexts(mode, owner);
  badge($("display-badge"), display.capturing ? "desktop" : display.sentence ? "status picture" : "",
    display.capturing ? "on" : "warn");
  facts($("display-facts"), [
    ["Source", display.source || (display.sentence ? "none" : "opened when somebody streams")],
    ["Size", sizeText(display)],
    ["Mode", display.mode && (display.capturing || mode.state !== "as found") ? how : ""],
    ["Awake", awakeText(display, status.inhibit)],
    ["Since start", sinceStart(display, mode)],
  ]);
  line($("mode-problem"), problem);
  renderCandidates(display.candidates || []);
  renderDesktop(status.desktop);
  offerLog(status.desktop, display);
}

/* --- the private display and its session --- */

const desktopLooks = { running: "on", off: "", starting: "warn", waiting: "warn" };

function renderDesktop(desktop) {
  $("desktop").hidden = !desktop;
  if (!desktop) return;
  badge($("desktop-badge"), desktop.state, desktopLooks[desktop.state]);
  put($("desktop-where"), [desktop.server + (desktop.display ? " on " + desktop.display : ""), sizeText(desktop),
    desktop.server_restarts ? "restarted " + times(desktop.server_restarts) : ""].filter(Boolean).join(" · "));
  line($("desktop-sentence"), desktop.sentence);
  $("desktop-sentence").classList.toggle("notice", desktop.state !== "running");
  const session = desktop.session;
  $("desktop-session").hidden = !session;
  $("desktop-no-session").hidden = Boolean(session);
  if (!session) return;
  badge($("desktop-session-badge"), session.state, session.state === "running" ? "on" : "warn");
  line($("desktop-command"), session.command);
  put($("desktop-user"), [session.user ? "as user " + session.user : "",
    session.restarts ? "restarted " + times(session.restarts) : ""].filter(Boolean).join(" · "));
  line($("desktop-end"), session.last_end ? "It last ended: " + sentenceOf(session.last_end) : "");
  output($("desktop-output"), session.output, "the session");
}

function askRestartSession() {
  ask("Restart the session?",
    "All programs in it are ended: unsaved work is lost. Streams stay connected and show the new session.",
    "Restart the session", async () => {
      await api("desktop/restart-session", {});
      toast("The session is being restarted.");
    }, "Cancel");
}

function askRestartDisplay() {
  ask("Restart the display?",
    "The X server and all programs on it are ended: unsaved work is lost. Streams stay connected and show the new display.",
    "Restart the display", async () => {
      await api("desktop/restart-server", {});
      toast("The display is being restarted.");
    }, "Cancel");
}

/* --- the X server's log --- */

// For a display that was found the host cannot always read the log: asked once for each display, not offered in vain.
function offerLog(desktop, display) {
  const source = display.source || state.logOf || "none";
  if (desktop !== null) {
    $("found-log").hidden = true;
    state.logOf = "";
    return;
  }
  if (source === state.logOf) return;
  state.logOf = source;
  $("found-log").hidden = true;
  api("desktop/log").then(
    (reply) => ($("found-log").hidden = state.logOf !== source || !reply.log),
    () => {},
  );
}

async function loadLog() {
  const reply = await api("desktop/log");
  if ($("open").hidden) return false;
  put($("log-text"), reply.log || "The log is empty.");
  $("log-copy").disabled = !reply.log;
  return true;
}

function openLog() {
  attempt(async () => {
    if (!(await loadLog())) return;
    $("log").showModal();
    $("log-text").focus();
    $("log-text").scrollTop = $("log-text").scrollHeight;
  });
}

function reloadLog() {
  attempt(async () => {
    await loadLog();
    $("log-text").scrollTop = $("log-text").scrollHeight;
  });
}

async function copyLog() {
  try {
    await navigator.clipboard.writeText($("log-text").textContent);
    put($("log-copy"), "Copied");
  } catch {
    getSelection().selectAllChildren($("log-text"));
    put($("log-copy"), "Selected: press Ctrl+C");
  }
}

function forgetLog() {
  $("log-text").textContent = "";
  put($("log-copy"), "Copy");
}

/* --- apps --- */

function appOf(session, apps) {
  if (session.app) return session.app;
  const app = (apps || []).find((one) => one.id === session.app_id);
  return app ? app.name : "";
}

function makeApp() {
  const row = copyOf("app-template");
  showEnd(row.querySelector(".output"));
  return row;
}

function updateApp(row, item) {
  put(row.querySelector(".label"), item.name);
  badge(row.querySelector(".badge"), item.state === "idle" ? "" : item.state, item.state === "running" ? "on" : "");
  line(row.querySelector(".by"), item.streamers.length ? "Streamed to " + inWords(item.streamers) : "");
  line(row.querySelector(".command"), item.command);
  line(row.querySelector(".sentence"), item.sentence);
  output(row.querySelector(".output"), item.output, item.name);
}

function renderApps(apps, sessions) {
  $("apps-card").hidden = !apps || apps.length === 0;
  sync($("apps"), (apps || []).map((app) => ({
    ...app,
    id: "app-" + app.id,
    streamers: sessions.filter((one) => appOf(one, apps) === app.name).map((one) => one.client || "an unnamed device"),
  })), makeApp, updateApp);
}

/* --- health --- */

function stageText(stage, when) {
  const name = "The " + stage.name + " stage";
  if (stage.state === "hung")
    return name + " hangs" + (stage.restarts ? "; it is being restarted." : ".")
      + " Streams may stand still until it runs again.";
  const text = name + " hung " + times(stage.hangs) + " and " + (stage.restarts ? "was restarted" : "runs again");
  if (!when || !stage.last_at_ms) return text + ".";
  return text + (stage.hangs > 1 ? ", the last time " : " ") + ago(stage.last_at_ms) + ".";
}

const isRecent = (stage) => stage.hangs > 0 && (!stage.last_at_ms || stage.last_at_ms > hostNow() - RECENT_MS);

function renderHealth(stages) {
  const now = (stages || []).filter((stage) => stage.state === "hung");
  const recent = (stages || []).filter((stage) => stage.state !== "hung" && isRecent(stage));
  const shown = [...now, ...recent];
  $("health").hidden = shown.length === 0;
  $("health").classList.toggle("bad", now.length > 0);
  sync($("health-list"), shown.map((stage) => ({ ...stage, id: stage.name })), () => document.createElement("li"),
    (row, stage) => put(row, stageText(stage, true)));
  put($("health-said"), shown.map((stage) => stageText(stage, false)).join(" ")); // without the time, which moves
}

function healthFact(stages) {
  if (!stages || !stages.length) return "";
  const troubled = stages.filter((stage) => stage.hangs || stage.state === "hung").map((stage) => stage.name + " "
    + (stage.state === "hung" ? "hangs" : "hung " + times(stage.hangs))
    + (stage.last_ms ? ", for " + number(stage.last_ms / 1000, 1) + " s" : "")
    + (stage.last_at_ms && stage.state !== "hung" ? ", " + ago(stage.last_at_ms) : ""));
  return troubled.length ? troubled.join("; ") : "all stages run well";
}

/* --- input and sound --- */

const canNames = { keyboard: "keyboard", text: "text", mouse: "mouse", pointer: "mouse", touch: "touch", pen: "pen" };

function inputText(input) {
  if (!input) return "";
  const all = input.injectors || [];
  const active = all.find((one) => one.name === input.active);
  const others = all.filter((one) => !one.usable && one.reason).map((one) => one.name + ": " + sentenceOf(one.reason));
  if (!all.length) return "off: clients can only watch";
  if (!active) return ["none works, so clients can only watch.", ...others].join(" ");
  const can = [...new Set((active.can || []).map((word) => canNames[word] || word))];
  return inWords(can) + " by " + active.name + (others.length ? ". Not used, " + others.join(" ") : "");
}

const layoutNames = { 1: "mono", 2: "stereo", 6: "5.1", 8: "7.1" };
const layoutText = (count) => layoutNames[count] || (count ? plural(count, "channel") : "");

function soundText(audio) {
  if (audio === undefined) return "";
  if (audio === null) return "off";
  const what = [audio.sink || "opened when somebody listens", audio.sink ? layoutText(audio.channels) : "",
    audio.backend && audio.backend !== "pulse" ? audio.backend : "",
    audio.silenced ? "not heard on this computer" : ""].filter(Boolean).join(" · ");
  return audio.sentence ? (audio.sink ? what + ". " : "") + sentenceOf(audio.sentence) : what;
}

function sessionSound(audio) {
  if (!audio) return "none";
  return [layoutText(audio.channels), Number.isFinite(audio.packet_ms) ? audio.packet_ms + " ms" : ""]
    .filter(Boolean).join(" · ");
}

/* --- all of it --- */

function renderStreaming(status) {
  renderDisplay(status);
  renderApps(status.apps, status.sessions || []);
  renderHealth(status.stages);
}

// After a log-out nothing of it stays in the page.
function forgetStreaming() {
  state.logOf = "";
  $("found-log").hidden = true;
  if ($("log").open) $("log").close();
  forgetLog();
  renderStreaming({});
  for (const part of ["where", "sentence", "command", "user", "end"]) put($("desktop-" + part), "");
  output($("desktop-output"), "", "the session");
}
