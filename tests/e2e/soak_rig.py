# SPDX-License-Identifier: Apache-2.0
"""What the soak does things to: a desktop that dies and comes back, clients with networks of their own, and an
observer of the host that never stops asking.

Works inside `unshare --net --pid --mount-proc` as root (soak.py goes there by itself): whatever happens to the soak,
the kernel ends all it started, and rules and interfaces are gone with the namespace.
"""
import collections
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time

from harness import ES_SCENE, RUN_LIMIT_S, START_LIMIT_S, Client, Display, Page, Scene, Xorg, end_process, wait_for

RULES = "table ip es { set cut { type ipv4_addr; }; chain in { type filter hook input priority 0; ip saddr @cut drop; }; }"
DEAF = "table ip es { chain in { type filter hook input priority 0; drop; }; }"


def run(*words, text=None):
    subprocess.run(words, check=True, timeout=30, input=text, text=True, stdout=subprocess.DEVNULL)


class Desktop(Xorg):
    """Xorg with the dummy driver, which can switch modes, else Xvfb; something moves on it. `hold` is taken by whoever
    disturbs it."""
    xorg_modes = ("1280x720", "1920x1080", "1024x768", "800x600")
    modes = xorg_modes[1:]  # what it is switched to

    def __init__(self, folder):
        self.hold, self.painter = threading.Lock(), None
        self.switches_modes = bool(shutil.which("Xorg") and shutil.which("xrandr"))
        self.starts = 0
        super().__init__(folder)

    def start(self):
        # Lock files hold process ids of this namespace, which mean nothing outside: keep away from others' numbers.
        if self.number is None:
            self.number = next(n for n in iter(lambda: random.randrange(200, 900), None)
                               if not os.path.exists(f"/tmp/.X{n}-lock"))
        if self.switches_modes:
            super().start()
        else:
            Display.start(self)
        self.starts += 1
        self.painter = Scene(self, "type", seconds=86400)

    def kill(self):
        super().kill()
        self.painter.stop()

    def stop(self):
        self.painter.stop()
        super().stop()

    def mode(self):
        """The output's present one, "1280x720"; "" where modes cannot be switched."""
        if not self.switches_modes:
            return ""
        return re.search(r" connected (?:primary )?(\d+x\d+)\+", self.xrandr()).group(1)

    def set_mode(self, mode):
        output = next(line.split()[0] for line in self.xrandr().splitlines() if " connected" in line)
        self.xrandr("--output", output, "--mode", mode)


class PrivateDesktop:
    """The host's own display (`virtual_display`) and the session in it: the host starts both again."""
    switches_modes = False  # the host does, as clients wish

    def __init__(self):
        self.hold, self.host, self.starts, self.victim = threading.Lock(), None, 1, None

    def settings(self):
        return {"display": "auto", "virtual_display": "1280x720", "session_user": "root",
                "session_command": f"exec {ES_SCENE} --fps 60 --seconds 86400 type"}

    def child(self, *names):
        """The descendant of the host of that name, or None."""
        line = pids_of(self.host.process.pid)
        while line:
            pid = line.pop()
            if comm_of(pid) in names:
                return pid
            line += pids_of(pid)
        return None

    def server(self):
        return self.child("Xorg", "Xvfb")

    def attach(self, host):
        self.host = host
        wait_for(self.server, START_LIMIT_S, "the host's X server")
        wait_for(self.mode, START_LIMIT_S, "the private desktop")

    def kill(self):
        self.victim = self.server()
        os.kill(self.victim, signal.SIGKILL)

    def start(self):
        wait_for(lambda: self.server() not in (None, self.victim), START_LIMIT_S, "another X server")
        self.starts += 1

    def freeze(self):
        self.victim = self.server()
        os.kill(self.victim, signal.SIGSTOP)

    def thaw(self):
        try:
            os.kill(self.victim, signal.SIGCONT)
        except ProcessLookupError:  # the host has had enough of it
            pass

    def mode(self):
        session = self.child(os.path.basename(ES_SCENE))
        if not session:
            return ""
        try:
            with open(f"/proc/{session}/environ", encoding="utf-8") as file:
                environment = dict(word.split("=", 1) for word in file.read().split("\0") if "=" in word)
        except OSError:
            return ""
        if "DISPLAY" not in environment:
            return ""
        done = subprocess.run(["xrandr"], env={**os.environ, **environment}, timeout=20, capture_output=True, text=True,
                              check=False)
        found = re.search(r" connected (?:primary )?(\d+x\d+)\+", done.stdout)
        return found.group(1) if found else ""

    def stop(self):
        pass


def comm_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


class Place(Client):
    """A paired client in a network namespace of its own, on a wire that can be cut."""

    def __init__(self, host, number):
        super().__init__(host)
        self.near, self.address = f"10.77.{number}.1", f"10.77.{number}.2"
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        self.visits = []  # in the foreground
        here = os.readlink("/proc/self/ns/net")
        wait_for(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != here, 10, "a network namespace")
        run("ip", "-batch", "-", text=f"link add v{number} type veth peer name eth0 netns {self.holder.pid}\n"
            f"addr add {self.near}/30 dev v{number}\nlink set v{number} up\n")
        run(*self.inside("ip", "-batch", "-"),
            text=f"addr add {self.address}/30 dev eth0\nlink set eth0 up\nlink set lo up\n")

    def inside(self, *words):
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *words]

    def command(self, command, *options):
        return self.inside(*super().command(command, "--host", self.near, *options))

    def cut(self):
        """Silently, both ways: a rule for what is sent would tell the sender."""
        run("nft", f"add element ip es cut {{ {self.address} }}")
        run(*self.inside("nft", DEAF))

    def mend(self):
        """Also right when nothing is cut."""
        run("nft", f"add element ip es cut {{ {self.address} }}; delete element ip es cut {{ {self.address} }}")
        run(*self.inside("nft", "add table ip es; delete table ip es"))

    def stop(self):
        end_process(self.holder, signal.SIGKILL)
        self.forget()


class Watch(threading.Thread):
    """Asks the host for its status without a pause longer than `period_s`, and knows how long it took to answer."""
    period_s = 0.25

    def __init__(self, host):
        super().__init__(daemon=True)
        self.host, self.page = host, Page(host)
        self.status, self.worst_s, self.error, self.sizes = {}, 0, None, set()
        self.news, self.ending = threading.Condition(), threading.Event()
        self.start()

    def ask(self):
        begin = time.monotonic()
        assert self.host.get_http("/serverinfo").status == 200
        status = self.page.call("GET", "status")
        with self.news:
            self.worst_s = max(self.worst_s, time.monotonic() - begin)
            self.status = status
            if status["display"]["capturing"]:
                self.sizes.add(f"{status['display']['width']}x{status['display']['height']}")
            self.news.notify_all()
        return status

    def run(self):
        while not self.ending.wait(self.period_s):
            try:
                self.ask()
            except Exception as error:  # pylint: disable=broad-except
                if not self.error:
                    self.error = f"the host does not answer: {error!r}"
                with self.news:
                    self.news.notify_all()

    def stop(self):
        self.ending.set()
        self.join(RUN_LIMIT_S)

    def wait(self, condition, limit_s, what):
        """Until condition(status) is true; the seconds it took."""
        begin = time.monotonic()
        with self.news:
            if not self.news.wait_for(lambda: self.error or (self.status and condition(self.status)), limit_s):
                raise AssertionError(f"waited {limit_s:.0f} s in vain for {what}")
        if self.error:
            raise AssertionError(self.error)
        return time.monotonic() - begin


def ids_of(status, address):
    return {s["id"] for s in status["sessions"] if s["address"].rsplit(":", 1)[0] == address}


class Holdings:
    """What a process holds: counted things with names, so that a difference says what it is."""

    def __init__(self, pid):
        self.fds, self.threads = collections.Counter(), collections.Counter()
        for entry in os.listdir(f"/proc/{pid}/fd"):
            try:
                self.fds[re.sub(r"\[\d+\]", "", os.readlink(f"/proc/{pid}/fd/{entry}"))] += 1
            except FileNotFoundError:
                pass
        for entry in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{entry}/comm", encoding="utf-8") as file:
                    self.threads[file.read().strip()] += 1
            except FileNotFoundError:
                pass
        self.children, self.zombies = children_of(pid)

    def counts(self):
        return {"fds": sum(self.fds.values()), "threads": sum(self.threads.values()), "children": self.children,
                "zombies": self.zombies}

    def differences(self, before):
        """Sentences; empty when the same is held."""
        found = []
        for what, now, then in (("descriptors", self.fds, before.fds), ("threads", self.threads, before.threads)):
            if sum(now.values()) != sum(then.values()):
                found.append(f"{what}: {sum(then.values())} before, {sum(now.values())} now; "
                             f"more: {dict(now - then)}, fewer: {dict(then - now)}")
        if self.children != before.children:
            found.append(f"child processes: {before.children} before, {self.children} now")
        if self.zombies:
            found.append(f"{self.zombies} zombies")
        return found


def states_of(parent):
    """{pid: state} of the children of a process."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found[int(entry)] = fields[0]
    return found


def pids_of(parent):
    return list(states_of(parent))


def children_of(pid):
    """(living, zombies)"""
    states = list(states_of(pid).values())
    return len(states) - states.count("Z"), states.count("Z")
