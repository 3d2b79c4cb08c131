// The page of Earthshine: log-in, then the state the host sends once a second, shown. Nothing is kept in the browser.
"use strict";

const $ = (id) => document.getElementById(id);
const state = { csrf: "", source: null, retry: 0, skewMs: 0, status: null, pairings: [], clients: [], known: null, waiting: [], logOf: "" };

/* --- talking to the host --- */

class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function api(path, body) {
  const options = { credentials: "same-origin", cache: "no-store", headers: {} };
  if (body) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    if (state.csrf) options.headers["X-CSRF-Token"] = state.csrf;
    options.body = JSON.stringify(body);
  }
  let reply;
  try {
    reply = await fetch("/api/v1/" + path, options);
  } catch {
    throw new Refused(0, "network", "The host does not answer. Is it still running?");
  }
  const data = await reply.json().catch(() => ({}));
  if (reply.ok) return data;
  const error = data.error || {};
  if (reply.status === 401) showGate("login");
  throw new Refused(reply.status, error.code || "", error.message || "The host refused this (" + reply.status + ").");
}

/* --- which of the three faces is shown --- */

function show(name) {
  $("boot").hidden = true;
  for (const id of ["setup", "login", "open"]) $(id).hidden = id !== name;
  $("logout").hidden = $("live").hidden = name !== "open";
}

function showGate(name) {
  stopEvents();
  state.csrf = "";
  state.status = state.known = null;
  state.waiting = [];
  for (const form of ["setup-form", "login-form", "password-form"]) $(form).reset();
  for (const problem of document.querySelectorAll(".problem")) problem.textContent = "";
  for (const list of ["pairings", "sessions", "clients", "about", "findings", "encoders", "counters"]) $(list).replaceChildren();
  forgetStreaming();
  $("pairings-said").textContent = "";
  $("top-host").textContent = $("foot").textContent = "";
  document.title = "Earthshine";
  if ($("ask").open) $("ask").close();
  show(name);
  $(name === "setup" ? "setup-code" : "login-password").focus();
}

function showOpen(session) {
  state.csrf = session.csrf;
  for (const form of ["setup-form", "login-form", "password-form"]) $(form).reset();
  show("open");
  startEvents();
}

async function start() {
  try {
    const session = await api("session");
    if (session.state === "open") showOpen(session);
    else showGate(session.state);
  } catch (error) {
    $("boot").hidden = false;
    $("boot").textContent = error.message;
    setTimeout(start, 3000);
  }
}

/* --- live updates --- */

function stopEvents() {
  clearTimeout(state.retry);
  if (state.source) state.source.close();
  state.source = null;
}

function setLive(on) {
  $("live").classList.toggle("off", !on);
  $("live-text").textContent = on ? "Live" : "Reconnecting";
}

function startEvents() {
  stopEvents();
  const source = new EventSource("/api/v1/events");
  state.source = source;
  source.onmessage = (event) => {
    setLive(true);
    render(JSON.parse(event.data));
  };
  source.onerror = () => {
    setLive(false);
    if (source.readyState !== EventSource.CLOSED) return;
    // Refused: logged out meanwhile, or the host is starting. Ask which.
    state.retry = setTimeout(async () => {
      try {
        const session = await api("session");
        if (session.state === "open") showOpen(session);
        else showGate(session.state);
      } catch {
        if (!$("open").hidden) startEvents();
      }
    }, 2000);
  };
}

/* --- words --- */

const plural = (count, word) => count + " " + word + (count === 1 ? "" : "s");
const hostNow = () => Date.now() + state.skewMs;
const place = (address) => address || "unknown address";

function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return plural(seconds, "second");
  if (seconds < 3600) return plural(Math.floor(seconds / 60), "minute");
  if (seconds < 86400) return plural(Math.floor(seconds / 3600), "hour");
  return plural(Math.floor(seconds / 86400), "day");
}

const ago = (ms) => (hostNow() - ms < 5000 ? "just now" : span(hostNow() - ms) + " ago");
const groups = (hex) => (hex || "").toUpperCase().replace(/(.{4})(?=.)/g, "$1 ");
const shortPrint = (hex) => (hex ? groups(hex.slice(0, 16)) + " …" : "");
const number = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : "–");
const codecs = { h264: "H.264", hevc: "HEVC", h265: "HEVC", av1: "AV1" };
const codecName = (codec) => codecs[String(codec || "").toLowerCase()] || codec || "";

function rate(kbps) {
  if (!Number.isFinite(kbps)) return "–";
  return kbps >= 1000 ? number(kbps / 1000, 1) + " Mbit/s" : Math.round(kbps) + " kbit/s";
}

/* --- showing lists: an element per id is kept, so that what somebody types stays --- */

function sync(box, items, make, update) {
  const old = new Map();
  for (const child of box.children) old.set(child.dataset.id, child);
  let at = box.firstElementChild;
  for (const item of items) {
    let element = old.get(item.id);
    old.delete(item.id);
    if (!element) {
      element = make(item);
      element.dataset.id = item.id;
    }
    update(element, item);
    if (element === at) at = at.nextElementSibling;
    else box.insertBefore(element, at);
  }
  for (const gone of old.values()) gone.remove();
}

const copyOf = (template) => $(template).content.firstElementChild.cloneNode(true);

// An element is only written when its text is another: a selection, and what is read out, stay.
function put(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

function tie(label, input, id) {
  input.id = id;
  label.htmlFor = id;
}

function facts(box, rows) {
  const wanted = rows.filter(([, value]) => value !== undefined && value !== null && value !== "");
  if (box.children.length !== wanted.length * 2) {
    box.replaceChildren();
    for (let i = 0; i < wanted.length; i++) box.append(document.createElement("dt"), document.createElement("dd"));
  }
  wanted.forEach(([name, value], i) => {
    put(box.children[2 * i], name);
    put(box.children[2 * i + 1], value);
  });
}

/* --- waiting to pair --- */

function makePairing(item) {
  const form = copyOf("pairing-template");
  const problem = form.querySelector(".problem");
  const pin = form.querySelector(".pin");
  tie(form.querySelector(".pin-label"), pin, "pin-" + item.id);
  tie(form.querySelector(".name-label"), form.querySelector(".name"), "name-" + item.id);
  form.setAttribute("aria-label", "Device at " + place(item.address));
  pin.addEventListener("input", () => {
    pin.value = pin.value.replace(/[^0-9]/g, "");
    problem.textContent = "";
  });
  onSubmit(form, async () => {
    if (!/^[0-9]{4}$/.test(pin.value)) throw new Refused(0, "pin", "Type the four digits that Moonlight shows.");
    const name = form.querySelector(".name").value.trim();
    await api("pairings/pin", { id: item.id, pin: pin.value, name });
    state.waiting.push({ until: Date.now() + 15000 });
    form.classList.add("sent");
  });
  form.querySelector(".cancel").addEventListener("click", () =>
    attempt(async () => {
      await api("pairings/cancel", { id: item.id });
      toast("Refused.");
    }));
  return form;
}

function updatePairing(form, item) {
  put(form.querySelector(".address"), place(item.address));
  put(form.querySelector(".age"), "asked " + ago(item.since_ms));
  const print = form.querySelector(".print");
  put(print, "Certificate " + shortPrint(item.fingerprint));
  print.title = groups(item.fingerprint);
}

function renderPairings(items) {
  const before = new Set(state.pairings.map((item) => item.id));
  const fresh = items.filter((item) => !before.has(item.id));
  sync($("pairings"), items, makePairing, updatePairing);
  state.pairings = items;
  $("pairings-empty").hidden = items.length > 0;
  $("pairings-count").hidden = items.length === 0;
  put($("pairings-count"), items.length);
  document.title = (items.length ? "(" + items.length + ") " : "") + "Earthshine";
  if (!fresh.length) return;
  put($("pairings-said"), fresh.map((item) => "A device at " + place(item.address) + " asks to pair.").join(" "));
  const busy = document.activeElement && document.activeElement.matches("input");
  if (!busy && items.length === 1) $("pairings").querySelector(".pin").focus({ preventScroll: true });
}

// A right PIN shows as a client that was paired just now; a wrong one as nothing at all.
function watchPairings(clients) {
  const stamps = new Map(clients.map((client) => [client.id, client.paired_ms]));
  if (state.known) {
    for (const client of clients) {
      if (state.known.get(client.id) === client.paired_ms) continue;
      state.waiting.shift();
      toast((client.name || "A device") + " is paired.");
    }
  }
  state.known = stamps;
  const late = state.waiting.filter((one) => one.until < Date.now());
  if (!late.length) return;
  state.waiting = state.waiting.filter((one) => one.until >= Date.now());
  toast("Pairing did not finish; the PIN was probably wrong. Start again in Moonlight.", true);
}

/* --- streaming now --- */

const limitSteps = [1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000]; // kbit/s

function makeSession(item) {
  const element = copyOf("session-template");
  const limit = element.querySelector(".limit");
  limit.addEventListener("change", () => attempt(async () => {
    await api("sessions/bitrate", { id: item.id, kbps: limit.value });
  }));
  element.querySelector(".end").addEventListener("click", () => {
    const name = element.querySelector(".who").textContent;
    ask("End this stream?", "The picture on " + name + " stops. The desktop stays as it is.", "End stream", async () => {
      await api("sessions/end", { id: item.id });
    });
  });
  return element;
}

// What the device asked for, then what is below it; chosen is what is in force.
function updateLimit(select, item) {
  const most = item.bitrate_max_kbps;
  select.closest("div").hidden = most === undefined;
  if (most === undefined) return;
  const steps = [0, ...limitSteps.filter((kbps) => kbps < most).reverse()];
  if (item.bitrate_kbps < most && !steps.includes(item.bitrate_kbps)) steps.push(item.bitrate_kbps);
  if (steps.join() !== select.dataset.steps) {
    select.replaceChildren(...steps.map((kbps) => new Option(rate(kbps || most), kbps)));
    select.dataset.steps = steps.join();
  }
  if (document.activeElement !== select) select.value = item.bitrate_kbps < most ? item.bitrate_kbps : 0;
}

function updateSession(element, item) {
  const text = (name, value) => put(element.querySelector("." + name), value);
  text("who", item.client || "Unnamed device");
  text("where", [appOf(item, state.status.apps), place(item.address), item.state, item.since_ms ? "for " + span(hostNow() - item.since_ms) : ""]
    .filter(Boolean).join(" · "));
  text("mode", item.width + " × " + item.height + " @ " + number(item.fps, 0));
  text("fps", number(item.rate_fps, 1) + " fps");
  text("rate", rate(item.kbps));
  const measured = Number.isFinite(item.latency_p50_ms) && Number.isFinite(item.latency_p99_ms); // not on a still desktop
  text("latency", measured ? number(item.latency_p50_ms, 1) + " / " + number(item.latency_p99_ms, 1) + " ms" : "–");
  text("loss", number(item.loss_percent, 2) + " %");
  element.querySelector(".loss").classList.toggle("bad", item.loss_percent >= 1);
  text("encoder", [item.encoder, codecName(item.codec)].filter(Boolean).join(" · "));
  text("sound", sessionSound(item.audio));
  element.querySelector(".sound").parentElement.hidden = item.audio === undefined; // of a host that has none
  const mode = state.status.display && state.status.display.mode;
  element.querySelector(".owns").hidden = !(item.owns_mode && mode && mode.wished); // match_mode may leave it alone
  updateLimit(element.querySelector(".limit"), item);
  line(element.querySelector(".reason"), item.rate_reason);
  element.querySelector(".end").setAttribute("aria-label", "End the stream to " + (item.client || item.address));
}

function renderSessions(items) {
  sync($("sessions"), items, makeSession, updateSession);
  $("sessions-empty").hidden = items.length > 0;
  $("sessions-count").hidden = items.length === 0;
  put($("sessions-count"), items.length);
}

/* --- clients --- */

const rightNames = { keyboard: "keyboard", mouse: "mouse", touch: "touch and pen", gamepad: "gamepads" };

function rightsSentence(rights) {
  const words = Object.keys(rightNames).filter((word) => rights.includes(word));
  if (words.length === Object.keys(rightNames).length) return "May use everything";
  return words.length ? "May use " + words.map((word) => rightNames[word]).join(", ") : "May only watch";
}

// Each change is sent by itself, in turn; until the last is answered the boxes stay as they were ticked.
function tendRights(row, item) {
  const boxes = [...row.querySelectorAll(".rights input")];
  let turn = Promise.resolve();
  row.changing = 0;
  for (const box of boxes) {
    box.addEventListener("change", () => {
      row.changing++;
      turn = turn
        .then(() =>
          attempt(async () => {
            const rights = boxes.filter((one) => one.checked).map((one) => one.value);
            await api("clients/rights", { id: item.id, rights: rights.join(" ") });
            put(row.querySelector(".may summary"), rightsSentence(rights));
          }))
        .finally(() => row.changing--);
    });
  }
}

function updateRights(row, item) {
  row.querySelector(".may").hidden = item.rights === undefined;
  if (item.rights === undefined || row.changing) return;
  const rights = item.rights.split(" ");
  put(row.querySelector(".may summary"), rightsSentence(rights));
  for (const box of row.querySelectorAll(".rights input")) box.checked = rights.includes(box.value);
}

function makeClient(item) {
  const row = copyOf("client-template");
  const form = row.querySelector(".rename");
  const input = form.querySelector("input");
  const edit = row.querySelector(".edit");
  tie(form.querySelector("label"), input, "rename-" + item.id);
  const close = () => {
    form.hidden = true;
    edit.focus();
  };
  edit.addEventListener("click", () => {
    input.value = row.querySelector(".label").textContent;
    form.hidden = false;
    input.select();
  });
  form.querySelector(".back").addEventListener("click", close);
  form.addEventListener("keydown", (event) => event.key === "Escape" && close());
  onSubmit(form, async () => {
    await api("clients/rename", { id: item.id, name: input.value.trim() });
    put(row.querySelector(".label"), input.value.trim());
    close();
  });
  tendRights(row, item);
  row.querySelector(".remove").addEventListener("click", () => {
    const name = row.querySelector(".label").textContent;
    ask("Remove " + name + "?", "It must pair again before it can stream. A running stream ends.", "Remove", async () => {
      await api("clients/remove", { id: item.id });
      toast(name + " was removed.");
    });
  });
  return row;
}

function updateClient(row, item) {
  const name = item.name || "Unnamed device";
  put(row.querySelector(".label"), name);
  const seen = row.querySelector(".seen");
  put(seen, "Paired " + ago(item.paired_ms) + (item.seen_ms ? " · seen " + ago(item.seen_ms) : ""));
  seen.title = "Certificate " + groups(item.fingerprint);
  row.querySelector(".badge").hidden = !item.streaming;
  updateRights(row, item);
  row.querySelector(".edit").setAttribute("aria-label", "Rename " + name);
  row.querySelector(".remove").setAttribute("aria-label", "Remove " + name);
}

function renderClients(items) {
  watchPairings(items);
  sync($("clients"), items, makeClient, updateClient);
  state.clients = items;
  $("clients-empty").hidden = items.length > 0;
}

/* --- this host --- */

function makeEncoder() {
  const row = document.createElement("li");
  const mark = document.createElement("span");
  mark.className = "mark";
  const text = document.createElement("span");
  const why = document.createElement("span");
  why.className = "why";
  row.append(mark, text);
  text.append(document.createElement("span"), why);
  return row;
}

function updateEncoder(row, item) {
  const [mark, text] = row.children;
  row.classList.toggle("usable", item.usable);
  put(mark, item.usable ? "✓" : "–");
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", item.usable ? "usable" : "not usable");
  put(text.children[0], item.name + " · " + codecName(item.codec) + (item.hardware ? " · GPU" : " · software"));
  put(text.children[1], item.usable ? "" : item.reason || "not available");
}

/* What is wrong with the GPU, and what to do. */
function updateFinding(row, item) {
  const [mark, text] = row.children;
  put(mark, "!");
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", "problem");
  put(text.children[0], item.what);
  put(text.children[1], item.todo);
}

function renderGpu(gpu) {
  const findings = ((gpu || {}).findings || []).map((one) => ({ ...one, id: one.todo }));
  sync($("findings"), findings, makeEncoder, updateFinding);
  $("findings").hidden = findings.length === 0;
}

function renderHost(status) {
  const display = status.display || {};
  const encoders = (status.encoders || []).map((one) => ({ ...one, id: one.name + "/" + one.codec }));
  const best = encoders.find((one) => one.usable);
  const size = display.width ? display.width + " × " + display.height : "–";
  put($("top-host"), status.host || "");
  put($("hero-title"), status.host || "This host");
  put($("hero-sentence"), display.sentence || (display.capturing ? "The desktop is being captured." : "Ready."));
  $("hero").classList.toggle("trouble", !best || (display.capturing === false && !display.width && Boolean(display.sentence)));
  put($("hero-mode"), size);
  put($("hero-encoder"), best ? best.name + (best.hardware ? " (GPU)" : "") : "none");
  // Opened on the host itself, or through a tunnel: that name means nothing to a client.
  const address = /^(localhost|127\.|\[::1)/.test(location.hostname) && status.address || location.hostname;
  put($("hero-address"), address + (status.base_port && status.base_port !== 47989 ? ":" + status.base_port : ""));
  $("pairing-closed").hidden = !status.pairing_closed;
  put($("empty-host"), status.host || "this host");
  put($("empty-address"), $("hero-address").textContent);
  facts($("about"), [
    ["Name", status.host],
    ["Address", address],
    ["Ports", status.base_port ? "base " + status.base_port + ", this page " + (location.port || 443) : ""],
    ["Discovery", status.discovery],
    ["GPU", status.gpu && status.gpu.sentence],
    ["Input", inputText(status.input)],
    ["Sound", soundText(status.audio)],
    ["Health", healthFact(status.stages)],
    ["Version", status.version],
    ["Id", status.uniqueid],
  ]);
  renderGpu(status.gpu);
  sync($("encoders"), encoders, makeEncoder, updateEncoder);
  put($("certificate"), groups(status.certificate));
  const counters = Object.entries(status.counters || {});
  facts($("counters"), counters.map(([name, value]) => [name.replace(/_/g, " "), String(value)]));
  put($("foot"), "Earthshine " + (status.version || ""));
}

function render(event) {
  if (Number.isFinite(event.now_ms)) state.skewMs = event.now_ms - Date.now();
  if (event.pairings) renderPairings(event.pairings);
  if (event.clients) renderClients(event.clients);
  if (!event.status) return;
  state.status = event.status;
  renderHost(event.status);
  renderStreaming(event.status);
  renderSessions(event.status.sessions || []);
}

/* --- doing things --- */

function toast(text, bad) {
  const element = document.createElement("div");
  element.className = bad ? "toast bad" : "toast";
  element.textContent = text;
  $("toasts").append(element);
  setTimeout(() => element.remove(), bad ? 8000 : 4000);
}

async function attempt(act) {
  try {
    await act();
  } catch (error) {
    if (error.status !== 401) toast(error.message, true);
  }
}

// One submission at a time; what went wrong stands in the form's own line.
function onSubmit(form, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = form.querySelector(".problem");
    const buttons = [...form.querySelectorAll("button")];
    if (buttons.some((button) => button.disabled)) return;
    if (problem) problem.textContent = "";
    buttons.forEach((button) => (button.disabled = true));
    try {
      await act();
    } catch (error) {
      if (problem) problem.textContent = error.message;
      else toast(error.message, true);
    } finally {
      buttons.forEach((button) => (button.disabled = false));
    }
  });
}

function ask(title, text, yes, act, no) {
  put($("ask-title"), title);
  put($("ask-text"), text);
  put($("ask-yes"), yes);
  put($("ask-no"), no || "Keep");
  $("ask-yes").onclick = () => {
    $("ask").close();
    attempt(act);
  };
  $("ask").showModal();
  $("ask-no").focus();
}

function checkedPassword(first, again) {
  if ($(first).value !== $(again).value) throw new Refused(0, "again", "The two passwords are not the same.");
  const bytes = new TextEncoder().encode($(first).value).length;
  if (bytes < 8 || bytes > 256) throw new Refused(0, "length", "A password has 8 to 256 characters.");
  return $(first).value;
}

onSubmit($("setup-form"), async () => {
  const password = checkedPassword("setup-password", "setup-again");
  showOpen(await api("setup", { code: $("setup-code").value.trim(), password }));
});

onSubmit($("login-form"), async () => {
  try {
    showOpen(await api("login", { password: $("login-password").value }));
  } catch (error) {
    $("login-password").select();
    throw error;
  }
});

onSubmit($("password-form"), async () => {
  const password = checkedPassword("password-new", "password-again");
  const session = await api("password", { old: $("password-old").value, new: password });
  $("password-box").open = false;
  showOpen(session);
  toast("The password was changed.");
});

$("ask-no").addEventListener("click", () => $("ask").close());
showEnd($("desktop-output"));
$("restart-session").addEventListener("click", askRestartSession);
$("restart-display").addEventListener("click", askRestartDisplay);
for (const id of ["desktop-log", "found-log"]) $(id).addEventListener("click", openLog);
$("log-copy").addEventListener("click", copyLog);
$("log-again").addEventListener("click", reloadLog);
$("log-close").addEventListener("click", () => $("log").close());
$("log").addEventListener("close", forgetLog);
$("pairing-reopen").addEventListener("click", () => attempt(() => api("pairings/reopen", {})));
$("logout").addEventListener("click", () =>
  attempt(async () => {
    await api("logout", {});
    showGate("login");
  }));

start();
