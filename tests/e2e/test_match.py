# SPDX-License-Identifier: Apache-2.0
"""The desktop takes the client's mode and gives it back: Xorg with the dummy driver, and Xvfb, which cannot grow."""
import os
import re
import signal
import subprocess
import unittest

from harness import Display, Host, Page, Picture, TestCase, Xorg, needs_xorg, wait_for

PAINT = (0x20, 0x80, 0xC0)
OURS = "-earthshine"


class MatchTest(TestCase):
    settings = {"match_mode": "always"}

    def start(self, display, **settings):
        self.display = display
        self.addCleanup(display.stop)
        self.host = Host(display, {**self.settings, **settings})
        self.addCleanup(self.host.stop)
        self.client = self.new_client()
        self.client.pair()
        self.page = Page(self.host)

    def pointer(self):
        place = subprocess.run(["xdotool", "getmouselocation", "--shell"], check=True, timeout=20, capture_output=True,
                               text=True, env={**os.environ, "DISPLAY": self.display.name}).stdout
        return tuple(int(re.search(rf"{axis}=(\d+)", place).group(1)) for axis in "XY")

    def mode(self):
        return self.page.call("GET", "status")["display"]["mode"]

    def current(self):
        return tuple(map(int, re.search(r"current (\d+) x (\d+)", self.display.xrandr()).groups()))

    def stream_at(self, width, height, *more, seconds=4):
        """A running stream whose desktop is painted again once it has the wished size."""
        return self.start_stream(self.client, "--width", width, "--height", height, "--seconds", seconds, *more)

    def await_state(self, state):
        return wait_for(lambda: (mode := self.mode())["state"] == state and mode, 20, f"mode state {state}")

    def await_put_back(self):
        self.client.run("cancel")
        wait_for(lambda: self.current() == (1920, 1080) and OURS not in self.display.xrandr(), 20, "the mode put back")


@needs_xorg
class Match(MatchTest):
    def setUp(self):
        self.start(Xorg(self.temporary_folder()))

    def assert_filled(self, path):
        """The whole picture is desktop: no bars."""
        picture = Picture(path)
        for x in (4, picture.width // 2, picture.width - 8):
            for y in (4, picture.height // 2, picture.height - 8):
                self.assert_colour(picture.mean(x, y, 4, 4), PAINT)

    def test_any_mode_is_taken_and_given_back(self):
        for width, height in ((2560, 1440), (1080, 1920), (2560, 1080), (1366, 768)):
            with self.subTest(width=width, height=height):
                path = os.path.join(self.temporary_folder(), "last.ppm")
                stream = self.stream_at(width, height, "--ppm-last", path)
                stream.wait_streaming()
                mode = self.await_state("applied")
                self.assertEqual(mode["wished"], f"{width}x{height}@60")
                self.assertEqual(mode["sentence"], "")
                self.assertEqual(self.current(), (width, height))
                self.display.fill(0x2080C0)
                self.assert_clean(stream.report())
                self.assert_filled(path)
                self.await_put_back()
        mode = self.await_state("as found")
        self.assertEqual(mode["switches"], 4)
        self.assertEqual(mode["reverts"], 0)

    def test_put_back_after_a_crash_of_ours(self):
        self.stream_at(2560, 1440, seconds=30).wait_streaming()
        self.await_state("applied")
        self.host.process.send_signal(signal.SIGKILL)
        self.host.process.wait()
        self.assertEqual(self.current(), (2560, 1440))
        self.host.start()
        wait_for(lambda: self.current() == (1920, 1080) and OURS not in self.display.xrandr(), 20, "the mode put back")
        self.host.wait_log("is as it was")

    def test_put_back_when_we_are_ended(self):
        self.stream_at(2560, 1440, seconds=30).wait_streaming()
        self.await_state("applied")
        self.host.process.terminate()
        self.assertEqual(self.host.process.wait(20), 0)
        self.assertNotIn("ERROR", self.host.log())
        self.assertEqual(self.current(), (1920, 1080))
        self.assertNotIn(OURS, self.display.xrandr())
        self.host.start()
        self.host.wait_log("capturing")
        self.assertEqual(self.host.log().count("is as it was"), 1)  # nothing was left to do

    def test_what_somebody_else_sets_meanwhile_stays(self):
        stream = self.stream_at(2560, 1440, seconds=8)
        stream.wait_streaming()
        self.await_state("applied")
        self.display.xrandr("--output", "DUMMY0", "--mode", "1024x768")
        self.assertIn("1024x768", self.await_state("as found")["sentence"])
        self.assert_clean(stream.report())
        self.client.run("cancel")
        wait_for(lambda: OURS not in self.display.xrandr(), 20, "our mode removed")
        self.assertEqual(self.current(), (1024, 768))

    def test_a_server_killed_while_switched(self):
        stream = self.stream_at(2560, 1440, seconds=12)
        stream.wait_streaming()
        self.await_state("applied")
        self.display.kill()
        self.display.start()
        wait_for(lambda: self.current() == (2560, 1440), 30, "the mode on the new server")
        self.assert_clean(stream.report())
        self.await_put_back()

    def test_a_server_stopped_at_the_end(self):
        stream = self.stream_at(2560, 1440, seconds=30)
        stream.wait_streaming()
        self.await_state("applied")
        self.display.freeze()
        stream.kill()
        self.client.run("cancel")
        wait_for(lambda: "_SERVER_FREE" in self.client.xml("serverinfo", "--https"), 15, "a free host")
        self.display.thaw()
        wait_for(lambda: self.current() == (1920, 1080) and OURS not in self.display.xrandr(), 20, "the mode put back")

    def test_the_pointer_stays_on_the_streamed_output(self):
        self.display.xrandr("--addmode", "DUMMY1", "1024x768")
        self.display.xrandr("--output", "DUMMY1", "--mode", "1024x768", "--right-of", "DUMMY0")
        stream = self.stream_at(1280, 720, seconds=6)
        stream.wait_streaming()
        self.await_state("applied")
        self.assertIn("1024x768+1920+0", self.display.xrandr())  # not covered, so not moved
        self.display.xdotool("mousemove", 600, 400)
        self.display.xdotool("mousemove_relative", 2000, 0)
        self.assertLess(self.pointer()[0], 1280)
        self.assert_clean(stream.report())
        self.client.run("cancel")
        wait_for(lambda: "1920x1080+0+0" in self.display.xrandr(), 20, "the mode put back")
        wait_for(lambda: self.display.xdotool("mousemove_relative", 2000, 0) or self.pointer()[0] >= 1920, 20,
                 "the pointer set free")


@needs_xorg
class MatchChoice(MatchTest):
    settings = {"match_mode": "client"}

    def setUp(self):
        self.start(Xorg(self.temporary_folder()))

    def test_only_a_client_that_asks_for_it_changes_the_mode(self):
        stream = self.stream_at(1280, 720, seconds=2)
        self.assert_clean(stream.report())
        self.client.run("cancel")
        self.assertEqual(self.mode()["switches"], 0)
        stream = self.stream_at(1280, 720, "--sops", seconds=3)
        stream.wait_streaming()
        self.await_state("applied")
        self.assertEqual(self.current(), (1280, 720))
        self.assert_clean(stream.report())
        self.await_put_back()


@needs_xorg
class MatchPrivate(MatchTest):
    """A display of our own takes the client's mode with no setting at all."""

    def test_the_private_display_takes_the_mode(self):
        self.host = Host(settings={"display": "auto", "virtual_display": "1920x1080", "session_user": "nobody",
                                   "session_command": "sleep 1000"})
        self.addCleanup(self.host.stop)
        self.client = self.new_client()
        self.client.pair()
        self.page = Page(self.host)
        stream = self.stream_at(2560, 1440)
        stream.wait_streaming()
        self.await_state("applied")
        self.assert_clean(stream.report())
        self.assertIsNone(re.search("mode_note", self.state()))  # it would end with us
        self.client.run("cancel")
        self.await_state("as found")
        self.host.wait_log("is as it was")

    def state(self):
        with open(os.path.join(self.host.folder, "state", "state.json"), encoding="utf-8") as file:
            return file.read()


class MatchRefused(MatchTest):
    def test_xvfb_is_scaled_and_says_why(self):
        self.start(Display(1280, 720))
        stream = self.stream_at(1920, 1080, seconds=3)
        stream.wait_streaming()
        mode = self.await_state("refused")
        self.assertIn("scaled instead", mode["sentence"])
        self.assertEqual(mode["switches"], 0)
        self.assert_clean(stream.report())


if __name__ == "__main__":
    unittest.main()
