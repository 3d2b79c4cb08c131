#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many connects with every kind of end, against one host: does anything leak, hang, or stay away?

    soak.py --count 200 --seed 7        (EARTHSHINE, ES_CLIENT and ES_SCENE name the programs; root)

Prints a line per failure and at last one JSON line with all figures; exit 1 when anything failed. The plan (who, how
long, which end) follows from the seed alone; what overlaps with what also depends on the machine.
"""
import argparse
import collections
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from harness import EARTHSHINE, FAULTS, Host, end_process, wait_for
from soak_rig import RULES, Desktop, Holdings, Place, PrivateDesktop, Watch, ids_of, run

INSIDE = "ES_INSIDE_SOAK"
PICTURE_LIMIT_S = 10
ANSWER_LIMIT_S = 10
GONE_LIMIT_S = 12
WARM_UP = 12        # connects before what the host holds is noted: arenas, workers and caches are made once
MEMORY_SLACK_KB = 8192  # one leaked 720p picture is 1380 kB; 1000 connects leave room for 8 kB each
PLACES = 6
LANES = 2           # clients in the foreground
SIZES = ((1280, 720), (1280, 720), (960, 540), (854, 480), (1024, 768))
# What happens to a stream, and how often in 25.
ENDS = {"quit": 3, "leave": 3, "cancel": 2, "page": 2, "kill": 3, "early": 2, "silence": 2, "cut": 2, "blip": 1,
        "xkill": 2, "xstop": 1, "mode": 2}
TERMINATED = ("cancel", "page")
# An app with a command, and all that can be done and undone around it: each writes a line.
APPS = """
[app "Desktop"]
[app "Game"]
command = exec sleep infinity
user = root
""" + "".join(f"{moment} = echo {moment} + >>{{log}}\n{moment}_undo = echo {moment} - >>{{log}}\n"
              for moment in ("connect", "first_picture", "disconnect", "quit"))
LOG_TROUBLE = re.compile(r"assert|Sanitizer|runtime error:|^ERROR ", re.I | re.M)

# What the host rightly calls an error: its X server was killed.
LOG_EXPECTED = re.compile(r"ERROR desktop: The private display ended \(X\w+, signal 9 ")


class Plan:
    """All that chance decides about one connect."""

    def __init__(self, rng, end):
        self.end = end
        self.place = rng.randrange(PLACES)
        self.overlaps = rng.random() < 0.5
        self.width, self.height = rng.choice(SIZES)
        self.fps = rng.choice((30, 60, 60, 90))
        self.seconds = rng.uniform(0.3, 1)
        self.launches = rng.random() < 0.4
        self.app = rng.randrange(2)
        self.matches = rng.random() < 0.5
        self.early_s = rng.uniform(0, 0.25)
        self.pause_s = rng.uniform(1, 3)
        self.polite = rng.random() < 0.5
        self.mode = rng.randrange(100)

    def options(self, soak):
        mine = ["--width", self.width, "--height", self.height, "--fps", self.fps, "--bitrate", 6000]
        if self.launches:
            mine += ["--launch", "--appid", soak.apps[self.app % len(soak.apps)]]
        if self.matches and (soak.private or soak.match):
            mine.append("--sops")
        if self.end in ("quit", "leave"):
            mine += ["--seconds", f"{self.seconds:.2f}"]
        else:
            mine += ["--seconds", 120]
        return mine + (["--quit"] if self.end == "quit" else [])


class Visit(threading.Thread):
    """One connect: to the first picture, its end, and what the host makes of it. The foreground is over with its end;
    what the host has to find out by itself is waited for behind."""

    def __init__(self, soak, number, plan, place):
        super().__init__(daemon=True)
        self.soak, self.number, self.plan, self.place = soak, number, plan, place
        self.failure, self.picture_ms, self.gone_s = None, None, None
        self.stream, self.before, self.mine, self.ended_s = None, set(), set(), None
        self.in_front = threading.Event()

    def __str__(self):
        return f"connect {self.number} ({self.plan.end}, place {self.plan.place})"

    def run(self):
        try:
            self.connect()
        except Exception as error:  # pylint: disable=broad-except
            self.failure = f"{self}: {type(error).__name__}: {error}"
        finally:
            if self.stream:
                self.stream.dispose()
            self.place.visits.remove(self)
            self.in_front.set()
            self.soak.over(self)

    def connect(self):
        watch, plan = self.soak.watch, self.plan
        self.place.mend()
        self.before = ids_of(watch.ask(), self.place.address)
        self.stream = self.place.stream_start(*plan.options(self.soak))
        if plan.end == "early":
            time.sleep(plan.early_s)
        else:
            self.await_picture()
        self.mine = ids_of(watch.ask(), self.place.address) - self.before
        if plan.end not in ("quit", "leave", "early"):
            time.sleep(plan.seconds)
        getattr(self, plan.end)()
        if not self.mine:
            self.mine = ids_of(watch.ask(), self.place.address) - self.before
        self.in_front.set()
        self.await_gone()
        watch.ask()

    def await_picture(self):
        wait_for(lambda: self.stream.streaming.is_set() or self.stream.process.poll() is not None,
                 PICTURE_LIMIT_S * self.soak.patience, "the first picture")
        if not self.stream.streaming.is_set():
            report = self.stream.report()
            raise AssertionError(f"no picture: {report['error']} (launch: {report['launch_status']})")
        self.picture_ms = float(next(line for line in self.stream.lines if line.startswith("STREAMING")).split()[1])

    def finish(self):
        """The client's own report, which must be clean."""
        report = self.stream.report(30)
        self.ends_now()
        bad = {field: report[field] for field in FAULTS if report[field]}
        assert report["exit"] == 0 and not bad, f"exit {report['exit']}: {report['error']} {bad}"
        terminated = self.plan.end in TERMINATED
        assert self.plan.end == "quit" or report["control_gone"] == terminated, \
            f"control stream gone: {report['control_gone']}, code {report['termination']}"
        if self.plan.end == "quit":
            assert report["cancel_status"] == 200, f"cancel: {report['cancel_status']}"

    def say_goodbye(self):
        """The client leaves by itself, now."""
        self.stream.process.send_signal(signal.SIGINT)
        self.finish()

    quit = leave = finish

    def cancel(self):
        assert self.place.run("cancel")["status"] == 200
        self.finish()

    def page(self):
        for one in self.mine:
            self.soak.watch.page.call("POST", "sessions/end", {"id": one}, expect=None)
        self.finish()

    def kill(self):
        self.stream.kill()
        self.ends_now()

    early = kill

    def ends_now(self):
        self.ended_s = time.monotonic()

    def await_gone(self):
        self.soak.watch.wait(lambda status: not self.mine & ids_of(status, self.place.address),
                             GONE_LIMIT_S * self.soak.patience, f"the end of session {self.mine}")
        if self.gone_s is None:
            self.gone_s = time.monotonic() - self.ended_s

    def give_up(self):
        """The host has to find out; then the client is killed."""
        self.ends_now()
        self.in_front.set()
        self.await_gone()

    def silence(self):
        self.stream.process.send_signal(signal.SIGSTOP)
        self.give_up()
        self.stream.kill()

    def cut(self):
        self.place.cut()
        try:
            self.give_up()
        finally:
            self.stream.kill()
            if self.place.visits[-1] is self:  # a later one has mended it and may have cut it again
                self.place.mend()

    def blip(self):
        self.place.cut()
        time.sleep(self.plan.pause_s / 2)
        self.place.mend()
        time.sleep(0.3)
        self.say_goodbye()

    def await_desktop(self, size=None):
        def is_back(status):
            display = status["display"]
            return display["capturing"] and (not size or f"{display['width']}x{display['height']}" == size)
        self.soak.watch.ask()
        self.soak.watch.wait(is_back, ANSWER_LIMIT_S * self.soak.patience, "the desktop to be streamed again")

    def xkill(self):
        with self.soak.desktop.hold:
            self.soak.desktop.kill()
            time.sleep(self.plan.pause_s / 4)
            self.soak.desktop.start()
            self.await_desktop()
        self.say_goodbye()

    def xstop(self):
        with self.soak.desktop.hold:
            self.soak.desktop.freeze()
            try:
                time.sleep(self.plan.pause_s)
                if self.plan.polite:
                    self.say_goodbye()
            finally:
                self.soak.desktop.thaw()
            if not self.plan.polite:
                self.await_desktop()
        if not self.plan.polite:
            self.say_goodbye()

    def mode(self):
        desktop = self.soak.desktop
        with desktop.hold:
            before = desktop.mode()
            wanted = desktop.modes[self.plan.mode % len(desktop.modes)]
            desktop.set_mode(wanted)
            try:
                self.await_desktop(wanted)
            finally:
                desktop.set_mode(before)
            self.await_desktop(before)
        self.say_goodbye()


def summary(values):
    if not values:
        return {}
    values = sorted(values)
    return {"n": len(values), "p50": round(values[len(values) // 2], 2),
            "p99": round(values[min(len(values) - 1, len(values) * 99 // 100)], 2), "max": round(values[-1], 2)}


class Soak:
    def __init__(self, count, seed, settings=None, verbose=False, private=False, match=False,
                 ends=tuple(ENDS)):
        self.count, self.seed, self.verbose, self.begin_s = count, seed, verbose, time.monotonic()
        self.private, self.match, self.wanted = private, match, ends
        self.rng = random.Random(seed)
        with open(EARTHSHINE, "rb") as program:
            image = program.read()
        self.sanitizer = next((name for name in ("tsan", "asan") if f"__{name}_init".encode() in image), "")
        self.patience = 3 if self.sanitizer else 1
        self.settings = {"bind": "0.0.0.0", "log_level": "info", **({"match_mode": "client"} if match else {}),
                         **(settings or {})}
        self.folder = tempfile.mkdtemp(prefix="es-soak-")
        self.lock = threading.Lock()
        self.visits, self.done, self.failures = [], [], []
        self.desktop = self.host = self.watch = None
        self.places, self.rests, self.pack = [], [], []
        self.apps, self.app_turns = [], {}

    # the parts
    def set_up(self):
        if self.sanitizer == "tsan":
            known = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tsan.supp")
            os.environ["TSAN_OPTIONS"] = f"suppressions={known} {os.environ.get('TSAN_OPTIONS', '')}"
        run("ip", "link", "set", "lo", "up")
        run("nft", RULES)
        self.app_log = os.path.join(self.folder, "apps")
        sections = APPS.format(log=self.app_log)
        if self.private:
            self.desktop = PrivateDesktop()
            self.host = Host(None, {**self.desktop.settings(), **self.settings}, sections=sections)
            self.desktop.attach(self.host)
        else:
            self.desktop = Desktop(self.folder)
            self.host = Host(self.desktop, self.settings, sections=sections)
        self.first_mode = self.desktop.mode()
        for number in range(PLACES):
            place = Place(self.host, number + 1)
            self.places.append(place)
            paired = place.pair(f"{1000 + number}")
            assert paired["result"] == "ok", f"{paired}\n{self.host.log_tail()}"
        self.apps = re.findall(r"<ID>(\d+)</ID>", self.places[0].xml("applist"))
        self.watch = Watch(self.host)
        possible = set(self.wanted)
        if self.match or not self.desktop.switches_modes:
            possible.discard("mode")
        self.ends = {end: share for end, share in ENDS.items() if end in possible}

    def tear_down(self):
        """Ends everything. What the host's end shows belongs to the result."""
        for visit in list(self.visits):
            visit.join(30)
        if self.watch:
            self.watch.stop()
        if self.host:
            code = end_process(self.host.process, limit_s=20 * self.patience)
            if code:
                self.failures.append(f"the host's exit code is {code}")
            self.check_log()
        for place in self.places:
            place.stop()
        if self.desktop:
            self.desktop.stop()

    # the run
    def over(self, visit):
        with self.lock:
            self.visits.remove(visit)
            self.done.append(visit)
        if visit.failure:
            self.failures.append(visit.failure)
            self.say(visit.failure)
        elif self.verbose:
            self.say(f"{visit}: picture after {visit.picture_ms} ms, gone after {visit.gone_s:.2f} s")

    def say(self, text):
        print(f"[{time.monotonic() - self.begin_s:.2f}] {text}", flush=True)

    def in_front(self):
        with self.lock:
            return [visit for visit in self.visits if not visit.in_front.is_set()]

    def choose_place(self, plan):
        """The wished one, or the next that nobody is at. One whose last session is still dying is fine: it comes
        back."""
        taken = {visit.place for visit in self.in_front()}
        order = [self.places[(plan.place + i) % PLACES] for i in range(PLACES)]
        return next(place for place in order if place not in taken)

    def draw_end(self):
        """From a shuffled pack, so that short runs too see every kind."""
        if not self.pack:
            self.pack = [end for end, share in self.ends.items() for _ in range(share)]
            self.rng.shuffle(self.pack)
        return self.pack.pop()

    def start_visit(self, number):
        plan = Plan(self.rng, self.draw_end())
        lanes = LANES if plan.overlaps else 1
        wait_for(lambda: len(self.in_front()) < lanes, 60 * self.patience, "a visit to leave the foreground")
        place = self.choose_place(plan)
        visit = Visit(self, number, plan, place)
        place.visits.append(visit)
        with self.lock:
            self.visits.append(visit)
        if self.verbose:
            self.say(f"{visit} starts")
        visit.start()

    def rest(self):
        """Nobody is there: what does the host hold?"""
        for visit in list(self.visits):
            visit.join(60 * self.patience)
        for place in self.places:
            place.mend()
            assert place.run("cancel")["status"] == 200
        self.watch.wait(lambda status: not status["sessions"], GONE_LIMIT_S * self.patience, "the last session's end")
        self.watch.stop()  # its own connections are not to be counted
        first = self.rests[0][0] if self.rests else None
        end = time.monotonic() + GONE_LIMIT_S * self.patience
        time.sleep(2)  # the first look has nothing to compare with
        holdings = Holdings(self.host.process.pid)
        while first and holdings.differences(first) and time.monotonic() < end:
            time.sleep(0.2)
            holdings = Holdings(self.host.process.pid)
        self.rests.append((holdings, self.host.memory_kb()))
        before = self.watch
        self.watch_error = before.error
        self.watch = Watch(self.host)
        self.watch.worst_s, self.watch.sizes = before.worst_s, before.sizes

    def go(self):
        for number in range(-WARM_UP, 0):
            self.start_visit(number)
        self.rest()
        self.done.clear()
        self.pack.clear()
        begin, cpu_s = time.monotonic(), self.host.cpu_s()
        for number in range(self.count):
            self.start_visit(number)
            if self.host.process.poll() is not None:
                raise AssertionError(f"the host ended with {self.host.process.returncode}")
            if self.count >= 100 and number % (self.count // 4) == self.count // 4 - 1:
                self.rest()
        self.rest()
        self.wall_s, self.host_cpu_s = time.monotonic() - begin, self.host.cpu_s() - cpu_s
        self.check_rest()

    # the verdict
    def check_rest(self):
        first, last = self.rests[0], self.rests[-1]
        self.failures += last[0].differences(first[0])
        if self.watch_error:
            self.failures.append(self.watch_error)
        if not self.sanitizer and last[1] > first[1] + MEMORY_SLACK_KB:
            self.failures.append(f"memory: {first[1]} kB before, {last[1]} kB after")
        if self.watch.worst_s > ANSWER_LIMIT_S * self.patience:
            self.failures.append(f"the host took {self.watch.worst_s:.1f} s to answer")
        if self.desktop.mode() != self.first_mode:
            self.failures.append(f"the display's mode is {self.desktop.mode()}, it was {self.first_mode}")
        if len(self.watch.sizes) < 2 and ("mode" in self.ends or self.match or self.private):
            self.failures.append("the desktop's mode never changed: the soak shows nothing of that")
        self.check_apps()
        self.check_returns()

    def check_apps(self):
        """What was done was undone, in turns; only `quit` may be owed an undo, until the next launch."""
        with open(self.app_log, encoding="ascii") as file:
            lines = [line.split() for line in file]
        for moment in ("connect", "first_picture", "disconnect", "quit"):
            turns = "".join(sign for name, sign in lines if name == moment)
            self.app_turns[moment] = len(turns)
            if turns.replace("+-", "") not in ("", "+" if moment == "quit" else ""):
                self.failures.append(f"app: {moment} was done (+) and undone (-) like this: {turns[:200]}")
            if not turns and self.count >= 20:
                self.failures.append(f"app: {moment} was never done")

    def check_returns(self):
        """Each X server that was killed was seen to come back."""
        killed = sum(visit.plan.end == "xkill" for visit in self.done)
        returns = self.watch.ask()["display"]["reconnects"]
        if returns < killed:
            self.failures.append(f"X was killed {killed} times, and {returns} returns were seen")

    def check_log(self):
        lines = [line for line in self.host.log().splitlines()
                 if LOG_TROUBLE.search(line) and not LOG_EXPECTED.match(line)]
        self.failures += [f"log: {line}" for line in lines[:20]]
        if len(lines) > 20:
            self.failures.append(f"log: {len(lines) - 20} more lines like these")

    def warnings(self):
        """How often the host warned of what; numbers and names are left out."""
        kinds = collections.Counter()
        for line in self.host.log().splitlines():
            if line.startswith("WARN"):
                kinds[re.sub(r"\b[0-9a-f]{16}\b|\d+", "#", line)[:120]] += 1
        return dict(kinds.most_common(12))

    def figures(self):
        first, last = self.rests[0], self.rests[-1]
        return {
            "count": self.count, "seed": self.seed, "sanitizer": self.sanitizer,
            "wall_s": round(self.wall_s, 1), "host_cpu_s": round(self.host_cpu_s, 1),
            "ends": dict(collections.Counter(v.plan.end for v in self.done)),
            "first_picture_ms": summary([v.picture_ms for v in self.done if v.picture_ms is not None]),
            "slowest": [f"{v}: {v.picture_ms:.0f} ms" for v in sorted(
                (v for v in self.done if v.picture_ms), key=lambda v: -v.picture_ms)[:5]],
            "gone_s": {end: summary([v.gone_s for v in self.done if v.plan.end == end and v.gone_s is not None])
                       for end in self.ends},
            "slowest_answer_s": round(self.watch.worst_s, 2),
            "desktop_starts": self.desktop.starts, "reconnects": self.watch.ask()["display"].get("reconnects"),
            "held_before": first[0].counts(), "held_after": last[0].counts(), "memory_kb": [kb for _, kb in self.rests],
            "private": self.private, "match": self.match,
            "desktop_sizes": sorted(self.watch.sizes), "app_turns": self.app_turns, "warnings": self.warnings(),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--private", action="store_true", help="the host's own display, in the mode clients wish")
    parser.add_argument("--match", action="store_true", help="somebody else's display, in the mode clients wish")
    parser.add_argument("--ends", default=",".join(ENDS), help="only these kinds of end")
    parser.add_argument("--verbose", action="store_true", help="a line per connect")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="setting of the host")
    arguments = parser.parse_args()
    if not os.environ.get(INSIDE):
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable,
                              "-B", *sys.argv])
    soak = Soak(arguments.count, arguments.seed, dict(word.split("=", 1) for word in arguments.set),
                arguments.verbose, arguments.private, arguments.match, arguments.ends.split(","))
    figures = {}
    try:
        soak.set_up()
        soak.go()
        figures = soak.figures()
    except BaseException as error:  # pylint: disable=broad-except
        soak.failures.append(f"the soak stopped: {type(error).__name__}: {error}")
    finally:
        soak.tear_down()
    figures["failures"] = soak.failures
    if soak.failures:
        print(f"{len(soak.failures)} failures; the host's log: {soak.host.log_path if soak.host else 'none'}")
        for failure in soak.failures:
            print(f"  {failure}")
    else:
        subprocess.run(["rm", "-rf", soak.folder, soak.host.folder], check=False)
    print(json.dumps(figures), flush=True)
    os._exit(1 if soak.failures else 0)


if __name__ == "__main__":
    main()
