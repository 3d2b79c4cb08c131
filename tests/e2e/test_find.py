# SPDX-License-Identifier: Apache-2.0
"""display = auto, in namespaces of our own: only the X servers and sessions of the test are there.

logind's sessions are files under /run/systemd, which is where sd-login reads them; the X servers are real, run by
users of our own making.
"""
import ctypes
import os
import re
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

import xroot
from harness import START_LIMIT_S, Display, Host, Page, Picture, TestCase, Xorg, wait_for

NEW_MOUNTS, NEW_NETWORK = 0x20000, 0x40000000
USERS = {"anna": 1501, "bert": 1502, "greeter": 1503}
RED, GREEN, BLUE = 0xC02020, 0x20A020, 0x2020C0
FOLLOW_LIMIT_S = 15  # it is told in 2 s; a busy machine takes longer


def setUpModule():
    """From here on this process sees no X server, session or network but its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(NEW_MOUNTS | NEW_NETWORK) != 0:
        raise unittest.SkipTest("needs root and namespaces")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for folder, mode in (("/tmp/.X11-unix", 0o1777), ("/run/systemd", 0o755), ("/run/user", 0o755)):
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
        os.chmod(folder, mode)
    for folder in ("sessions", "seats", "users"):
        os.mkdir(f"/run/systemd/{folder}")
    with open("/etc/passwd", encoding="utf-8") as file:
        known = file.read()
    with tempfile.NamedTemporaryFile("w", prefix="es-passwd-", delete=False) as file:
        file.write(known)
        file.writelines(f"{name}:x:{uid}:{uid}::/run/user/home/{name}:/bin/sh\n" for name, uid in USERS.items())
    os.chmod(file.name, 0o644)
    subprocess.run(["mount", "--bind", file.name, "/etc/passwd"], check=True)
    os.unlink(file.name)
    for name in ("DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY"):
        os.environ.pop(name, None)


def home(user):
    return f"/run/user/home/{user}"


def write_cookie(path, owner, number, cookie):
    """An Xauthority file with one entry for whatever host (family "wild")."""
    parts = (b"", str(number).encode(), b"MIT-MAGIC-COOKIE-1", cookie)
    with open(path, "wb") as file:
        file.write(struct.pack(">H", 65535) + b"".join(struct.pack(">H", len(p)) + p for p in parts))
    os.chown(path, USERS.get(owner, 0), -1)
    os.chmod(path, 0o600)


def session(name, user, display=None, active=True, kind="x11", session_class="user", seat="seat0"):
    """As logind writes it. `display` None: it does not tell."""
    fields = {"UID": USERS[user], "USER": user, "ACTIVE": int(active), "STATE": "active" if active else "online",
              "REMOTE": 0, "TYPE": kind, "CLASS": session_class, "SEAT": seat}
    if display:
        fields["DISPLAY"] = display.name
    path = f"/run/systemd/sessions/{name}"
    with open(path + "~", "w", encoding="ascii") as file:
        file.write("".join(f"{key}={value}\n" for key, value in fields.items()))
    os.rename(path + "~", path)


def end_session(name):
    os.unlink(f"/run/systemd/sessions/{name}")


class Server(Display):
    """Xvfb as a user. With `cookie` it lets nobody in without; its file is then `auth_path`."""

    def __init__(self, user="root", cookie=None, auth_path=None, program="Xvfb", colour=RED, more=()):
        self.user, self.cookie, self.auth_path, self.program = user, cookie or b"", auth_path, program
        self.more = more
        super().__init__(640, 480)
        with xroot.Root(self.number, cookie=self.cookie) as root:
            root.fill(colour)

    def start(self):
        uid = USERS.get(self.user, 0)
        read_end, write_end = os.pipe()
        command = [self.program, "-displayfd", str(write_end), "-screen", "0", "640x480x24", "-nolisten", "tcp",
                   "-noreset", *self.more]
        if self.cookie:
            command += ["-auth", self.auth_path]
        if uid:
            command = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", *command]
        self.process = subprocess.Popen(command, pass_fds=[write_end], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            self.number = int(pipe.readline())


class Finding(TestCase):
    def setUp(self):
        for name in os.listdir("/run/systemd/sessions"):
            end_session(name)
        shutil.rmtree("/run/user/home", ignore_errors=True)
        os.mkdir("/run/user/home")
        for user, uid in USERS.items():
            os.mkdir(home(user), 0o700)
            os.chown(home(user), uid, uid)
        self.addCleanup(os.environ.pop, "DISPLAY", None)

    def serve(self, *args, **options):
        server = Server(*args, **options)
        self.addCleanup(server.kill)
        return server

    def find(self, **options):
        """The host, with a session that watches, and its page."""
        self.host = Host(settings={"display": "auto"}, **options)
        self.addCleanup(self.host.stop)
        self.client = self.new_client()
        self.client.pair()
        self.page = Page(self.host)

    def watch(self, seconds):
        self.last = os.path.join(self.temporary_folder(), "last.ppm")
        stream = self.start_stream(self.client, "--seconds", seconds, "--width", 640, "--height", 480, "--ppm-last",
                                   self.last)
        return stream.wait_streaming()

    def display(self):
        return self.page.call("GET", "status")["display"]

    def wait_source(self, server, limit_s=START_LIMIT_S):
        """Until this display is captured."""
        began = time.monotonic()
        wait_for(lambda: self.display()["source"].startswith(f"x11 {server.name} "), limit_s,
                 f"the desktop {server.name}")
        return time.monotonic() - began

    def wait_sentence(self, word):
        return wait_for(lambda: word in self.display()["sentence"] and self.display(), START_LIMIT_S, word)

    def reasons(self):
        return {c["name"]: c["reason"] for c in self.display()["candidates"]}

    def chosen(self):
        return [c["name"] for c in self.display()["candidates"] if c["chosen"]]

    def assert_shows(self, stream, colour):
        self.assert_clean(stream.report())
        expected = (colour >> 16, colour >> 8 & 0xFF, colour & 0xFF)
        self.assert_colour(Picture(self.last).mean(100, 100, 16, 16), expected, 12)


class Choice(Finding):
    def test_active_session_with_its_users_cookie(self):
        other = self.serve("bert", colour=RED)
        path, cookie = os.path.join(home("anna"), ".serverauth"), b"0123456789abcdef"
        write_cookie(path, "anna", 0, cookie)
        desktop = self.serve("anna", cookie, path, colour=GREEN)
        session("1", "bert", other, active=False)
        session("2", "anna")  # its display is not told: matched by its user
        write_cookie(path, "anna", desktop.number, cookie)
        self.find()
        stream = self.watch(3)
        self.wait_source(desktop)
        self.assertEqual(self.chosen(), [desktop.name])
        self.assertEqual(self.reasons()[desktop.name], "active session of anna")
        self.assertEqual(self.reasons()[other.name], "session of bert that is not in front")
        self.assert_shows(stream, GREEN)

    def test_cookie_in_the_places_of_login_managers(self):
        cookie = b"fedcba9876543210"
        hidden = os.path.join(home("bert"), "not-ours")  # of a user who has nothing to do with anna's server
        write_cookie(hidden, "bert", 0, cookie)
        os.chmod(home("bert"), 0o755)
        os.chmod(hidden, 0o644)
        folder = f"/run/user/{USERS['anna']}"
        desktop = self.serve("anna", cookie, hidden, colour=BLUE)
        session("1", "anna", desktop)
        self.find()
        stream = self.watch(11)
        self.wait_sentence("asks for a cookie")
        time.sleep(3)  # some rounds: an X server that writes down whom it turns away is not asked in each
        self.assertEqual(self.host.log().count("x11: " + desktop.name + ": no:"), 1)
        os.makedirs(folder)
        self.addCleanup(shutil.rmtree, folder)
        write_cookie(os.path.join(home("anna"), ".Xauthority"), "anna", desktop.number, b"wrong" * 3)
        self.wait_sentence("refused our cookie")
        write_cookie(os.path.join(folder, "xauth_abcdef"), "anna", desktop.number, cookie)
        self.wait_source(desktop)
        self.assertEqual(self.display()["sentence"], "")
        self.assert_shows(stream, BLUE)

    def test_environment_before_sockets_but_not_of_another_computer(self):
        first, second = self.serve(colour=RED), self.serve(colour=GREEN)
        os.environ["DISPLAY"] = second.name
        self.find()
        self.watch(2).report()
        self.wait_source(second)
        self.assertEqual(self.reasons()[first.name], "X server of root")
        self.host.stop()
        os.environ["DISPLAY"] = "localhost:10.0"
        self.find()
        stream = self.watch(2)
        self.wait_source(min(first, second, key=lambda s: s.number))
        self.assertIn("ssh -X", self.reasons()["localhost:10.0"])
        stream.report()

    def test_environment_with_a_cookie_file_of_its_own(self):
        path, cookie = os.path.join(home("anna"), "somewhere"), b"0123456789abcdef"
        write_cookie(path, "anna", 0, cookie)
        desktop = self.serve("anna", cookie, path, colour=GREEN)
        os.chmod(path, 0o644)
        os.chown(path, USERS["bert"], -1)  # not to be taken: only the named one is left
        named = os.path.join(self.temporary_folder(), "cookie")
        write_cookie(named, "root", desktop.number, cookie)
        os.environ["DISPLAY"], os.environ["XAUTHORITY"] = desktop.name, named
        self.addCleanup(os.environ.pop, "XAUTHORITY")
        self.find()
        stream = self.watch(2)
        self.wait_source(desktop)
        self.assert_shows(stream, GREEN)

    def test_another_users_display_is_not_for_a_normal_user(self):
        self.serve("anna")
        uid = USERS["bert"]
        drop = f'chown -R {uid}:{uid} "${{3%/*}}"; exec setpriv --reuid {uid} --regid {uid} --clear-groups "$@"'
        os.environ["HOME"], before = home("bert"), os.environ.get("HOME", "/")
        self.addCleanup(os.environ.__setitem__, "HOME", before)
        self.host = Host(settings={"display": "auto"}, wrapper=["sh", "-c", drop, "sh"])
        self.addCleanup(self.host.stop)
        self.page = Page(self.host)
        shown = self.wait_sentence("belongs to user anna")
        self.assertFalse(shown["capturing"])
        own = self.serve("bert")
        self.wait_source(own)


class Refusals(Finding):
    def test_each_is_told_and_a_server_that_does_not_answer_holds_nobody_up(self):
        folder = self.temporary_folder()
        os.chmod(folder, 0o755)
        xwayland = os.path.join(folder, "Xwayland")
        shutil.copy(shutil.which("Xvfb"), xwayland)
        wayland = self.serve("bert", program=xwayland)
        lame = self.serve(more=["-extension", "DAMAGE"])
        sham = self.serve("bert")
        stopped = self.serve("anna", colour=BLUE)
        session("1", "anna", stopped)
        session("2", "bert", kind="wayland", active=False)
        session("3", "greeter", kind="wayland", active=False, session_class="greeter")
        stopped.freeze()
        self.find()
        stream = self.watch(30)
        self.wait_sentence("does not answer")
        wait_for(lambda: self.reasons().get(stopped.name) == "does not answer", START_LIMIT_S, "the refusal")
        self.assertEqual(self.reasons()[lame.name], "lacks DAMAGE or XFIXES")
        self.assertIn("Xwayland of a Wayland session", self.reasons()[wayland.name])
        self.assertIn("login screen on Wayland", self.reasons()["session 3"])
        self.assertIn("root takes it only by name", self.reasons()[sham.name])
        time.sleep(6)  # some rounds
        self.assertLessEqual(len(re.findall("WARN.*display: .*does not answer", self.host.log())), 2)
        other = self.serve(colour=GREEN)
        self.wait_source(other)
        stopped.thaw()  # and it is in front
        self.wait_source(stopped)
        stream.kill()

    def test_nothing_is_waited_for_without_filling_the_log(self):
        self.find()
        stream = self.watch(12)
        self.assertIn("virtual_display", self.wait_sentence("No desktop")["sentence"])
        time.sleep(3)  # some rounds
        self.assertEqual(self.host.log().count("No desktop"), 1)
        server = self.serve(colour=GREEN)
        self.wait_source(server)
        server.kill()
        wait_for(lambda: not self.display()["capturing"], START_LIMIT_S, "the status picture")
        again = self.serve(colour=BLUE)
        self.wait_source(again)
        self.assert_shows(stream, BLUE)


class Following(Finding):
    def test_another_user_comes_to_the_front_and_goes_again(self):
        first, second = self.serve("anna", colour=GREEN), self.serve("bert", colour=BLUE)
        session("1", "anna", first)
        session("2", "bert", second, active=False)
        self.find()
        stream = self.watch(20)
        self.wait_source(first)
        session("1", "anna", first, active=False)
        session("2", "bert", second)
        print(f"changed over after {self.wait_source(second, FOLLOW_LIMIT_S):.1f} s")
        self.assertEqual(self.chosen(), [second.name])
        session("2", "bert", second, active=False)
        session("1", "anna", first)
        self.wait_source(first, FOLLOW_LIMIT_S)
        session("1", "anna", first, active=False)  # nobody is in front: stay
        time.sleep(5)
        self.assertTrue(self.display()["source"].startswith(f"x11 {first.name} "))
        self.assertEqual(self.host.log().count("display: leaving"), 2)
        self.assert_shows(stream, GREEN)

    def test_login_past_the_greeter_and_back_to_it(self):
        greeter = self.serve("greeter", colour=RED)
        session("c1", "greeter", greeter, session_class="greeter")
        self.find()
        stream = self.watch(20)
        self.wait_source(greeter)
        session("c1", "greeter", greeter, active=False, session_class="greeter")
        session("2", "anna")  # her X server is still starting
        desktop = self.serve("anna", colour=BLUE)
        self.wait_source(desktop, FOLLOW_LIMIT_S)
        session("2", "anna", desktop, active=False)  # locked: the login screen is in front
        session("c1", "greeter", greeter, session_class="greeter")
        self.wait_source(greeter, FOLLOW_LIMIT_S)
        session("c1", "greeter", greeter, active=False, session_class="greeter")
        session("2", "anna", desktop)
        self.wait_source(desktop, FOLLOW_LIMIT_S)
        self.assert_shows(stream, BLUE)


class Output(TestCase):
    """An output that vanishes while it is streamed, and comes back."""

    @unittest.skipUnless(shutil.which("Xorg") and shutil.which("xrandr"), "needs Xorg and xrandr")
    def test_off_and_on(self):
        screen = Xorg(self.temporary_folder())
        self.addCleanup(screen.stop)
        output = screen.xrandr().split(" connected")[0].splitlines()[-1]
        self.host = Host(screen, {"output": output, "match_mode": "never"})
        self.addCleanup(self.host.stop)
        client, page = self.new_client(), Page(self.host)
        client.pair()
        stream = self.start_stream(client, "--seconds", 60).wait_streaming()
        wait_for(lambda: page.call("GET", "status")["display"]["capturing"], START_LIMIT_S, "the desktop")
        for _ in range(2):
            screen.xrandr("--output", output, "--off")
            shown = wait_for(lambda: [d for d in [page.call("GET", "status")["display"]] if not d["capturing"]],
                             START_LIMIT_S, "the status picture")[0]
            self.assertIn(f'no active output "{output}"', shown["sentence"])
            screen.xrandr("--output", output, "--auto")
            wait_for(lambda: page.call("GET", "status")["display"]["capturing"], START_LIMIT_S, "the desktop again")
        stream.kill()


if __name__ == "__main__":
    unittest.main()
