# SPDX-License-Identifier: Apache-2.0
"""The private display: the host makes its own X server and keeps a session in it."""
import os
import pwd
import re
import shutil
import signal
import subprocess
import unittest

from harness import START_LIMIT_S, Host, Page, Picture, TestCase, wait_for

COLOUR = (0x20, 0x80, 0xC0)
PAINT = "xsetroot -solid '#2080C0' && echo painted on $DISPLAY as $(id -un)"
SERVERS = ("Xorg", "Xvfb")
# Everything the host needs is readable for all but its own folder.
AS_NOBODY = ("sh", "-c", 'chown -R nobody "$(dirname "$3")" && exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"',
             "sh")


def children(pid):
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            found.update(map(int, file.read().split()))
    return found


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


class PrivateDisplay(TestCase):
    settings, wrapper = {}, ()

    def make(self, command=f"{PAINT}; exec sleep 600", size="1280x720", **settings):
        values = {"display": "auto", "virtual_display": size, **self.settings, **settings}
        if command:
            values["session_command"] = command
        if command and os.geteuid() == 0:
            values.setdefault("session_user", "nobody" if self.wrapper else "root")
        self.host = Host(settings=values, wrapper=self.wrapper)
        self.addCleanup(self.host.stop)
        self.page = Page(self.host)

    def desktop(self):
        return self.page.call("GET", "status")["desktop"]

    def session_output(self):
        return self.desktop()["session"]["output"]

    def wait_desktop(self, condition, what):
        def asked():
            desktop = self.desktop()
            return desktop if condition(desktop) else None
        return wait_for(asked, START_LIMIT_S, what)

    def wait_painted(self):
        self.wait_desktop(lambda d: "painted on" in d["session"]["output"], "the session")
        wait_for(lambda: self.page.call("GET", "status")["display"]["capturing"], START_LIMIT_S, "the display captured")

    def server(self):
        return next((pid for pid in children(self.host.process.pid) if name_of(pid) in SERVERS), None)

    def paired(self):
        client = self.new_client()
        client.pair()
        return client

    def last_picture(self, client, *options):
        path = os.path.join(self.temporary_folder(), "last.ppm")
        report = client.stream("--seconds", 3, "--ppm-last", path, *options)
        self.assert_clean(report)
        return Picture(path)

    def assert_painted(self, picture):
        self.assert_colour(picture.mean(100, 100, 16, 16), COLOUR)


class TheDesktop(PrivateDisplay):
    def test_is_streamed(self):
        self.make()
        self.wait_painted()
        desktop = self.desktop()
        self.assertEqual((desktop["width"], desktop["height"], desktop["state"]), (1280, 720, "running"))
        self.assertIn(f"painted on {desktop['display']} as ", desktop["session"]["output"])
        self.assert_painted(self.last_picture(self.paired()))

    def test_comes_back_in_mid_stream_when_its_server_is_killed(self):
        self.make()
        self.wait_painted()
        client = self.paired()
        path = os.path.join(self.temporary_folder(), "last.ppm")
        stream = self.start_stream(client, "--seconds", 12, "--ppm-last", path)
        stream.wait_streaming()
        os.kill(self.server(), signal.SIGKILL)  # then more than ten seconds for what takes one
        desktop = self.wait_desktop(lambda d: d["server_restarts"] == 1 and d["session"]["restarts"] >= 1, "a new server")
        self.assertEqual(desktop["state"], "running")
        self.assert_clean(stream.report())
        self.assert_painted(Picture(path))
        self.assertIn("this server ended (signal 9 (Killed))", self.page.call("GET", "desktop/log")["log"])

    def test_comes_back_when_its_server_hangs_for_good(self):
        self.make()
        self.wait_painted()
        stream = self.start_stream(self.paired(), "--seconds", 120, "--width", 640, "--height", 480)
        stream.wait_streaming()
        hung = self.server()
        os.kill(hung, signal.SIGSTOP)
        self.host.wait_log("the private display has not answered for", 60)
        wait_for(lambda: is_gone(hung), START_LIMIT_S, "the end of the server that hangs")
        self.wait_painted()
        stream.process.send_signal(signal.SIGINT)
        self.assert_clean(stream.report())

    def test_is_restarted_by_the_page(self):
        self.make()
        self.wait_painted()
        server = self.server()
        self.page.call("POST", "desktop/restart-session", {})
        self.wait_desktop(lambda d: d["session"]["restarts"] == 1 and "painted on" in d["session"]["output"], "the session")
        self.assertEqual(self.server(), server)
        self.page.call("POST", "desktop/restart-server", {})
        self.wait_desktop(lambda d: d["server_restarts"] == 1 and d["state"] == "running", "a new server")
        self.wait_painted()

    def test_a_session_that_ends_at_once_is_told(self):
        self.make("echo this fails; exit 3")
        desktop = self.wait_desktop(lambda d: d["session"]["restarts"] >= 2, "two restarts")
        self.assertIn("this fails", desktop["session"]["output"])
        self.assertEqual(desktop["session"]["last_end"], "exit code 3")
        self.assertEqual(desktop["state"], "running")

    def test_without_a_session_command(self):
        self.make("")
        self.assertIsNone(self.wait_desktop(lambda d: d["state"] == "running", "the server")["session"])

    def test_leaves_nothing_behind(self):
        self.make(f"{PAINT}; sleep 600 & echo child $!; wait")
        desktop = self.wait_desktop(lambda d: "child " in d["session"]["output"], "the session")
        processes = {int(re.search(r"child (\d+)", desktop["session"]["output"])[1]), *children(self.host.process.pid)}
        number = desktop["display"][1:]
        self.host.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.host.process.wait(START_LIMIT_S), 0)
        for pid in processes:
            wait_for(lambda pid=pid: is_gone(pid), START_LIMIT_S, f"the end of process {pid}")
        for path in (f"/tmp/.X{number}-lock", f"/tmp/.X11-unix/X{number}", os.path.join(self.host.folder, "state", "desktop")):
            self.assertFalse(os.path.exists(path), path)

    def test_ends_with_a_host_that_is_killed_and_starts_with_the_next(self):
        self.make(f"{PAINT}; sleep 600 & echo child $!; wait")
        desktop = self.wait_desktop(lambda d: "child " in d["session"]["output"], "the session")
        processes = {int(re.search(r"child (\d+)", desktop["session"]["output"])[1]), *children(self.host.process.pid)}
        self.host.process.kill()
        self.host.process.wait()
        for pid in processes:
            wait_for(lambda pid=pid: is_gone(pid), START_LIMIT_S, f"the end of process {pid}")
        self.assertFalse(os.path.exists(f"/tmp/.X11-unix/X{desktop['display'][1:]}"))
        self.host.start()
        self.page = Page(self.host)
        self.wait_painted()


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("useradd"), "needs root and useradd")
class AnotherUser(PrivateDisplay):
    """Root's host, and a session that is not root's."""
    user = "es-e2e-user"

    @classmethod
    def setUpClass(cls):
        subprocess.run(["userdel", "-r", cls.user], check=False, capture_output=True)
        subprocess.run(["useradd", "--create-home", cls.user], check=True, capture_output=True)
        cls.addClassCleanup(subprocess.run, ["userdel", "-r", cls.user], check=False, capture_output=True)

    def test_has_the_session_and_a_cookie_of_its_own(self):
        self.make(f"{PAINT}; echo in $PWD home $HOME cookie $XAUTHORITY; exec sleep 600", session_user=self.user)
        self.wait_painted()
        output = self.session_output()
        home = pwd.getpwnam(self.user).pw_dir
        self.assertIn(f"as {self.user}\n", output)
        self.assertIn(f"in {home} home {home} ", output)
        cookie = re.search(r"cookie (\S+)", output)[1]
        info = os.stat(cookie)
        self.assertEqual((info.st_uid, info.st_mode & 0o777), (pwd.getpwnam(self.user).pw_uid, 0o600))
        self.assert_painted(self.last_picture(self.paired()))

    def test_who_does_not_exist_is_told(self):
        self.make(session_user="es-e2e-missing")
        desktop = self.wait_desktop(lambda d: d["sentence"], "a sentence")
        self.assertIn("there is no user es-e2e-missing", desktop["sentence"])


@unittest.skipUnless(os.geteuid() == 0, "needs root, to be somebody else")
class XvfbInAClientsSize(PrivateDisplay):
    """A host that is not root has Xvfb."""
    wrapper = AS_NOBODY

    def test_without_windows_it_takes_the_size(self):
        self.make()
        self.wait_painted()
        client = self.paired()
        self.assert_clean(client.stream("--seconds", 1, "--width", 1600, "--height", 1000))
        desktop = self.wait_desktop(lambda d: d["width"] == 1600 and d["state"] == "running", "the size")
        self.assertEqual((desktop["server"], desktop["width"], desktop["height"]), ("Xvfb", 1600, 1000))
        self.wait_painted()
        self.assert_filled(client, 1600, 1000)
        self.assertEqual(self.desktop()["server_restarts"], 1)
        self.assertEqual(desktop["sentence"], "")

    def assert_filled(self, client, width, height):
        picture = self.last_picture(client, "--width", width, "--height", height)
        self.assertEqual((picture.width, picture.height), (width, height))
        for x in (2, width // 2, width - 10):  # no bars
            self.assert_colour(picture.mean(x, 2, 8, 8), COLOUR)

    def test_with_a_window_it_does_not_grow_and_says_so(self):
        self.make(f"{PAINT}; exec xterm -xrm 'XTerm*cursorTheme:' -geometry +600+400 -e sleep 600")
        self.wait_painted()
        self.host.wait_log("capturing x11")
        wait_for(self.has_window, START_LIMIT_S, "the window")
        client = self.paired()
        server = self.server()
        self.last_picture(client, "--width", 1600, "--height", 1000)
        desktop = self.desktop()
        self.assertEqual((desktop["width"], desktop["height"]), (1280, 720))
        self.assertIn("programs have windows open", desktop["sentence"])
        self.assert_filled(client, 800, 600)
        self.assertEqual(self.desktop()["sentence"], "")
        self.assertEqual(self.server(), server)

    def has_window(self):
        environment = {**os.environ, "DISPLAY": self.desktop()["display"],
                       "XAUTHORITY": os.path.join(self.host.folder, "state", "desktop", "Xauthority")}
        return "xterm" in subprocess.run(["xwininfo", "-root", "-tree"], env=environment, capture_output=True, text=True,
                                         check=False, timeout=20).stdout


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("Xorg"), "needs root and Xorg with the dummy driver")
class XorgInAClientsMode(PrivateDisplay):
    def test_its_mode_follows_the_client_without_a_new_server(self):
        self.make(f"{PAINT}; exec xterm -xrm 'XTerm*cursorTheme:' -geometry +600+400 -e sleep 600")
        self.wait_painted()
        self.assertEqual(self.desktop()["server"], "Xorg")
        client, server = self.paired(), self.server()
        path = os.path.join(self.temporary_folder(), "last.ppm")
        for width, height in ((1600, 900), (1080, 1920)):
            stream = self.start_stream(client, "--seconds", 3, "--width", width, "--height", height, "--ppm-last", path)
            stream.wait_streaming()
            wait_for(lambda w=width: self.page.call("GET", "status")["display"]["width"] == w, START_LIMIT_S, "the mode")
            self.assert_clean(stream.report())
            picture = Picture(path)
            for x in (2, 200, width - 10):  # no bars
                self.assert_colour(picture.mean(x, 2, 8, 8), COLOUR)
            client.run("cancel")
        self.assertEqual(self.server(), server)
        self.assertEqual(self.desktop()["sentence"], "")


if __name__ == "__main__":
    unittest.main()
