# SPDX-License-Identifier: Apache-2.0
"""What a client's user does reaches the desktop: real Xvfb and Xorg, a real terminal, X clients that look on."""
import os
import re
import shutil
import signal
import subprocess
import threading
import unittest

import xroot
from harness import (START_LIMIT_S, Client, Display, DisplayTest, Host, Page, TestCase, Xorg, end_process, needs_xorg,
                     wait_for)
from test_desktop import PrivateDisplay

EVDEV = 8  # an X keycode is evdev's code and this
KEY_A, KEY_B, KEY_SHIFT, KEY_CTRL = 30 + EVDEV, 48 + EVDEV, 42 + EVDEV, 29 + EVDEV
VK_A, VK_B, VK_C, VK_RETURN, VK_PLUS, VK_LSHIFT, VK_LCTRL = 0x41, 0x42, 0x43, 0x0D, 0xBB, 0xA0, 0xA2
SHIFT, CTRL = 1, 2
BUTTON_1 = 1 << 8
AUTO = "xtest" if os.path.exists("/dev/uinput") else "auto"  # these X servers see no devices of the kernel
RELEASE_LIMIT_S = 15  # a client that vanished is given up after 10 s
needs_xterm = unittest.skipUnless(shutil.which("xterm"), "needs xterm")
needs_xev = unittest.skipUnless(shutil.which("xev"), "needs xev")


class Hands:
    """A stream whose user does something whenever do() is called."""

    def __init__(self, test, client, *options):
        self.path = os.path.join(test.temporary_folder(), "hands")
        os.mkfifo(self.path)
        self.pipe = os.open(self.path, os.O_RDWR)
        test.addCleanup(os.close, self.pipe)
        self.stream = test.start_stream(client, "--fps", 30, "--seconds", 120, "--input", self.path, *options)
        self.stream.wait_streaming()

    def do(self, *lines):
        os.write(self.pipe, "".join(line + "\n" for line in lines).encode())

    def tap(self, vk, modifiers=0, flags=0):
        self.do(f"key {vk:x} down {modifiers:x} {flags:x}", f"key {vk:x} up {modifiers:x} {flags:x}")

    def type(self, text):
        for character in text:  # slower than the host types
            self.do(f"after 8 text {character}")


class Terminal:
    """An xterm over most of the desktop that runs a command; `saved` is a file for it."""

    def __init__(self, test, display, command="cat > $SAVED"):
        self.folder = test.temporary_folder()
        self.saved = os.path.join(self.folder, "saved")
        ready = os.path.join(self.folder, "ready")
        environment = {**os.environ, "DISPLAY": display, "LC_ALL": "C.UTF-8", "SAVED": self.saved, "READY": ready}
        self.process = subprocess.Popen(
            ["xterm", "-u8", "-geometry", "90x30+0+0", "-e", "sh", "-c", f"touch $READY; {command}"], env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        test.addCleanup(end_process, self.process)
        wait_for(lambda: os.path.exists(ready), START_LIMIT_S, "the terminal")

    def text(self):
        if not os.path.exists(self.saved):
            return ""
        with open(self.saved, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_text(self, test, expected, limit_s=30):
        try:
            wait_for(lambda: self.text() == expected, limit_s, "the text")
        except AssertionError:
            test.assertEqual(self.text(), expected)


class Watcher:
    """xev over most of the desktop: the events of an X client, as (kind, button or keycode)."""

    def __init__(self, test, display):
        self.process = subprocess.Popen(["xev", "-geometry", "600x400+0+0", "-event", "button", "-event", "keyboard"],
                                        env={**os.environ, "DISPLAY": display}, stdout=subprocess.PIPE, text=True)
        self.events, self.mapped = [], threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        test.addCleanup(self._stop)

    def _read(self):
        kind = ""
        for line in self.process.stdout:
            self.mapped.set()
            kind = line.split()[0] if line[:1].isalpha() else kind
            found = re.search(r"(?:button|keycode) (\d+)", line)
            if found and kind.endswith(("Press", "Release")):
                self.events.append((kind, int(found.group(1))))

    def _stop(self):
        end_process(self.process)
        self.reader.join()
        self.process.stdout.close()


class InputTest(DisplayTest):
    size, scene, settings = (640, 480), None, {"input": "xtest"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.page = Page(cls.host)

    def setUp(self):
        super().setUp()
        self.eye = xroot.Root(self.display.number)
        self.addCleanup(lambda: self.eye.link.close())

    def hands(self, *options, client=None):
        hands = Hands(self, client or self.client, *self.stream_options(*options))
        wait_for(lambda: self.page.call("GET", "status")["display"]["capturing"], START_LIMIT_S, "the desktop")
        return hands

    def await_pointer(self, x, y):
        try:
            wait_for(lambda: self.eye.pointer()[:2] == (x, y), 10, "the pointer")
        except AssertionError:
            self.assertEqual(self.eye.pointer()[:2], (x, y))

    def await_keys(self, *expected, limit_s=10):
        wait_for(lambda: self.eye.keys() == set(expected), limit_s, f"{expected} down, not {self.eye.keys()}")

    def await_buttons(self, mask, limit_s=10):
        wait_for(lambda: self.eye.pointer()[2] & 0x1F00 == mask, limit_s, f"buttons {mask:x}")

    def counters(self):
        return [session["input"] for session in self.page.call("GET", "status")["sessions"]]


@needs_xterm
class Typing(InputTest):
    texts = ["The quick brown fox, 0123456789 (+-*/=) {[~#|@]} \"'`^$%&!?", "Ünïcödé: äöüß ñ ç ø å Ł ő Ğ €£¥§",
             "Съешь же ещё этих мягких французских булок", "Ελληνικά, עברית, العربية", "敏捷的棕色狐狸。すばやい狐、 한국어", "😀🎉🦊🚀"]

    def setUp(self):
        super().setUp()
        self.display.xdotool("mousemove", 200, 150)  # without a window manager it gives the keyboard to what is below

    def test_any_script_into_a_terminal(self):
        terminal, hands = Terminal(self, self.display.name), self.hands()
        hands.do("hello")
        for text in self.texts:
            hands.type(text)
            hands.tap(VK_RETURN)
        terminal.wait_text(self, "".join(text + "\n" for text in self.texts), 60)
        counters = self.counters()[0]
        for fault in ("denied", "unplaced", "malformed", "unknown", "flooded"):
            self.assertEqual(counters[fault], 0, counters)
        self.assertGreater(counters["done"], sum(map(len, self.texts)))

    def test_line_ends_in_text(self):
        terminal, hands = Terminal(self, self.display.name), self.hands()
        hands.do("text one\\ttwo\\nthree\\n")
        terminal.wait_text(self, "one\ttwo\nthree\n")

    def test_keys_and_modifiers(self):
        terminal, hands = Terminal(self, self.display.name), self.hands()
        hands.tap(VK_A)
        hands.do(f"key {VK_LSHIFT:x} down 1")
        hands.tap(VK_A, SHIFT)
        hands.do(f"key {VK_LSHIFT:x} up")
        hands.tap(VK_PLUS, SHIFT)  # as on-screen keyboards do: Shift itself is never sent
        hands.tap(VK_PLUS)
        hands.tap(VK_B, SHIFT, 1)
        hands.tap(VK_RETURN)
        terminal.wait_text(self, "aA+=B\n")
        self.await_keys()

    def test_ctrl_c_ends_a_program(self):
        terminal = Terminal(self, self.display.name, "trap 'echo interrupted > $SAVED' INT; sleep 600")
        hands = self.hands()
        hands.do(f"key {VK_LCTRL:x} down 2")
        hands.tap(VK_C, CTRL)
        hands.do(f"key {VK_LCTRL:x} up")
        terminal.wait_text(self, "interrupted\n")


class Ends(InputTest):
    """Whatever ends a stream: what its client held is let go of."""

    def holding(self):
        hands = self.hands()
        hands.do(f"key {VK_LSHIFT:x} down 1", f"key {VK_A:x} down 1", "button 1 down")
        self.await_keys(KEY_A, KEY_SHIFT)
        self.await_buttons(BUTTON_1)
        return hands

    def assert_released(self):
        self.await_keys(limit_s=RELEASE_LIMIT_S)
        self.await_buttons(0)

    def test_a_client_that_is_killed(self):
        self.holding().stream.kill()
        self.assert_released()

    def test_a_client_that_quits(self):
        hands = self.holding()
        self.client.run("cancel")
        self.assert_released()
        hands.stream.kill()

    def test_a_client_that_leaves(self):
        self.holding().stream.process.send_signal(signal.SIGINT)
        self.assert_released()

    def test_the_page_ends_the_session(self):
        self.holding()
        session = self.page.call("GET", "status")["sessions"][0]["id"]
        self.page.call("POST", "sessions/end", {"id": session})
        self.assert_released()

    def test_the_host_is_stopped(self):
        self.holding()
        self.host.process.terminate()
        self.assertEqual(self.host.process.wait(20), 0)
        self.assert_released()
        self.assertNotIn("ERROR", self.host.log())
        self.host.start()
        type(self).page = Page(self.host)

    def test_a_client_that_is_killed_while_the_desktop_stands_still(self):
        hands = self.holding()
        self.display.freeze()
        self.addCleanup(self.display.thaw)
        hands.stream.kill()
        self.client.run("cancel")
        wait_for(lambda: not self.counters(), RELEASE_LIMIT_S, "the end of the session")
        self.display.thaw()
        self.assert_released()

    def test_the_desktop_goes_and_comes_back(self):
        """The new server has nothing down, and is typed on by the same stream."""
        hands = self.holding()
        self.display.kill()
        self.display.start()
        self.eye.link.close()
        self.eye = xroot.Root(self.display.number)
        wait_for(lambda: self.page.call("GET", "status")["display"]["reconnects"] and
                 self.page.call("GET", "status")["display"]["capturing"], START_LIMIT_S, "the new server")
        hands.do(f"key {VK_A:x} up", f"key {VK_LSHIFT:x} up", "button 1 up", f"key {VK_B:x} down")
        self.await_keys(KEY_B)
        hands.do("position 100 50 640 480")
        self.await_pointer(100, 50)
        hands.stream.kill()
        self.await_keys(limit_s=RELEASE_LIMIT_S)


class Mouse(InputTest):
    def test_positions(self):
        hands = self.hands()
        for x, y in ((0, 0), (639, 0), (0, 479), (639, 479), (320, 240), (1, 478)):
            hands.do(f"position {x} {y} 640 480")
            self.await_pointer(x, y)
        hands.do("position 1919 1079 1920 1080")  # the client draws the picture larger
        self.await_pointer(639, 479)
        hands.do("position -5 2000 640 480")
        self.await_pointer(0, 479)
        hands.do("move 7 -9", "move -2 0")
        self.await_pointer(5, 470)

    @needs_xev
    def test_buttons_and_wheels(self):
        hands = self.hands()
        hands.do("position 100 100 640 480")
        self.await_pointer(100, 100)
        watcher = Watcher(self, self.display.name)
        wait_for(watcher.mapped.is_set, START_LIMIT_S, "xev")
        for button in (1, 2, 3, 4, 5):
            hands.do(f"button {button} down", f"button {button} up")
        hands.do("wheel 120", "wheel -240", "hwheel 120", "hwheel -120")
        hands.do(*["wheel 30"] * 4)  # a touchpad
        expected = [1, 2, 3, 8, 9, 4, 5, 5, 7, 6, 4]
        events = [(kind, button) for button in expected for kind in ("ButtonPress", "ButtonRelease")]
        try:
            wait_for(lambda: watcher.events == events, 10, "the events")
        except AssertionError:
            self.assertEqual(watcher.events, events)

    def test_a_flood_is_survived(self):
        """Motion is never lost, text beyond what anybody types is, and what comes after them works."""
        hands = self.hands()
        hands.do("position 0 0 640 480")
        self.await_pointer(0, 0)
        for _ in range(59):
            hands.do(*["move 1 1"] * 50, *["move 0 -1"] * 50, *["move -1 0"] * 40)  # to the right by 10
        self.await_pointer(590, 0)
        for _ in range(20):
            hands.do("text " + "x" * 50)
        wait_for(lambda: self.counters()[0]["flooded"] > 0, 20, "refused text")
        hands.do(f"key {VK_A:x} down")
        self.await_keys(KEY_A, limit_s=30)
        counters = self.counters()[0]
        self.assertEqual(counters["messages"], 1 + 59 * 140 + 1000 + 1, counters)
        self.assertEqual(counters["done"] + counters["flooded"], counters["messages"], counters)

    def test_touch_and_pen_are_not_promised(self):
        """Then stock clients send a mouse in their place: XTEST has nothing for them."""
        report = self.client.stream(*self.stream_options("--seconds", 0.5))
        self.assertRegex(report["rtsp"]["describe"], r"a=x-ss-general\.featureFlags:0\s")

    def test_what_cannot_be_read_is_counted_and_harmless(self):
        hands = self.hands()
        hands.do("raw 3 7fffffff0700000000010001", "raw 3 000000080700000000", "raw 0 0000000877000000aabbccdd",
                 "touch 1 1 0.5 0.5 1", "raw 3 000000050800000007", "position 10 20 640 480")
        self.await_pointer(10, 20)
        counters = self.counters()[0]
        self.assertEqual((counters["messages"], counters["malformed"] + counters["unknown"]), (6, 4), counters)
        self.assertEqual((counters["unsupported"], counters["done"]), (1, 1), counters)


class Delay(InputTest):
    """Reported, not judged: what else the machine does counts in it."""
    scene = "type"

    def test_packet_arrived_to_event_written(self):
        hands = self.hands()
        for count in range(600):
            hands.do(f"at {100 + 5 * count} position {count} {count % 480} 640 480")
            if count % 10 == 0:
                hands.tap(VK_A)
        self.await_pointer(599, 599 % 480)
        delay = self.page.call("GET", "status")["input"]["delay"]
        self.assertGreaterEqual(delay["count"], 600)
        print(f"arrived to written: p50 {delay['p50_us']} us, p99 {delay['p99_us']} us, max {delay['max_us']} us "
              f"of {delay['count']}")


class Scaled(InputTest):
    """The picture has another shape than the desktop: the bars belong to its edge."""

    def assert_corners(self, width, height, left, top):
        hands = Hands(self, self.client, "--width", width, "--height", height)
        right, bottom = width - 1 - left, height - 1 - top
        far_x, far_y = self.size[0] - 1, self.size[1] - 1
        for x, y, seen in ((left, top, (0, 0)), (right, top, (far_x, 0)), (left, bottom, (0, far_y)),
                           (right, bottom, (far_x, far_y)), (0, 0, (0, 0)), (width - 1, height - 1, (far_x, far_y))):
            hands.do(f"position {x} {y} {width} {height}")
            self.await_pointer(*seen)
        hands.do(f"position {left + (right - left) // 3} {top + (bottom - top) // 4} {width} {height}")
        wait_for(lambda: abs(self.eye.pointer()[0] - far_x // 3) <= 1 and abs(self.eye.pointer()[1] - far_y // 4) <= 1, 10,
                 "a place inside")

    def test_between_bars_at_the_sides(self):
        self.assert_corners(1280, 720, 160, 0)

    def test_between_bars_above_and_below(self):
        self.assert_corners(640, 640, 0, 80)


class ScaledDown(Scaled):
    size = (1280, 720)

    def test_between_bars_at_the_sides(self):
        self.assert_corners(720, 360, 40, 0)

    def test_between_bars_above_and_below(self):
        self.assert_corners(640, 480, 0, 60)


class Shared(InputTest):
    """Keyboard and mouse are one for all clients."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = Client(cls.host)
        cls.addClassCleanup(cls.other.forget)
        assert cls.other.pair("2000")["result"] == "ok"

    def setUp(self):
        self.other.run("cancel")
        super().setUp()

    def test_a_key_held_by_both(self):
        first, second = self.hands(), self.hands(client=self.other)
        first.do(f"key {VK_A:x} down", "button 1 down")
        self.await_keys(KEY_A)
        second.do(f"key {VK_A:x} down", "button 1 down", f"key {VK_B:x} down")
        self.await_keys(KEY_A, KEY_B)
        first.do(f"key {VK_A:x} up", "button 1 up", f"key {VK_LCTRL:x} down")
        self.await_keys(KEY_A, KEY_B, KEY_CTRL)
        self.await_buttons(BUTTON_1)
        second.stream.process.send_signal(signal.SIGINT)
        self.await_keys(KEY_CTRL)
        self.await_buttons(0)
        first.do(f"key {VK_LCTRL:x} up")
        self.await_keys()


class Rights(InputTest):
    def set_rights(self, rights):
        self.page.call("POST", "clients/rights", {"id": self.page.clients()[0]["id"], "rights": rights})

    def setUp(self):
        super().setUp()
        self.addCleanup(self.set_rights, "keyboard mouse touch gamepad")

    def test_who_may_only_look_does_nothing(self):
        self.set_rights("")
        self.display.xdotool("mousemove", 300, 200)
        hands = self.hands()
        hands.do(f"key {VK_A:x} down", "text a", "button 1 down", "position 5 5 640 480", "wheel 120")
        wait_for(lambda: self.counters()[0]["denied"] == 5, 10, "5 refused")
        self.assertEqual(self.counters()[0]["done"], 0)
        self.assertEqual(self.eye.keys(), set())
        self.assertEqual(self.eye.pointer()[:2], (300, 200))
        self.await_buttons(0)

    def test_text_that_waits_is_dropped_with_the_right(self):
        """Few keycodes are spare: so much of it would take half a minute, and the key's release waited for it."""
        hands = self.hands()
        hands.do(f"key {VK_A:x} down")
        self.await_keys(KEY_A)
        for code in range(400):
            hands.do(f"after 6 text {chr(0x4E00 + code)}")
        hands.do("position 100 100 640 480")
        wait_for(lambda: self.counters()[0]["done"] >= 402, 20, "the text")
        self.set_rights("mouse")
        self.await_keys(limit_s=2)
        self.await_pointer(100, 100)

    def test_a_right_taken_away_in_mid_press(self):
        hands = self.hands()
        hands.do(f"key {VK_A:x} down", "button 1 down")
        self.await_keys(KEY_A)
        self.await_buttons(BUTTON_1)
        self.set_rights("mouse")
        self.await_keys()
        self.await_buttons(BUTTON_1)
        self.set_rights("")
        self.await_buttons(0)
        hands.do(f"key {VK_A:x} up", "button 1 up")
        self.set_rights("keyboard")
        hands.do(f"key {VK_B:x} down")
        self.await_keys(KEY_B)


@needs_xorg
class OneOfTwoOutputs(TestCase):
    """The streamed output is a part of the screen, or changes its mode."""

    def test_positions_follow_the_mode(self):
        display = Xorg(self.temporary_folder())
        self.addCleanup(display.stop)
        self.host = Host(display, {"input": AUTO, "match_mode": "always"})
        self.addCleanup(self.host.stop)
        client = self.new_client()
        client.pair()
        hands = Hands(self, client, "--width", 1280, "--height", 720)
        wait_for(lambda: "current 1280 x 720" in display.xrandr(), 20, "the client's mode")
        with xroot.Root(display.number) as eye:
            for x, y in ((1279, 719), (0, 0), (640, 100)):
                wait_for(lambda: hands.do(f"position {x} {y} 1280 720") or eye.pointer()[:2] == (x, y), 10,
                         f"the pointer at {x}, {y}")

    def test_positions_are_on_the_streamed_output(self):
        display = Xorg(self.temporary_folder())
        self.addCleanup(display.stop)
        display.xrandr("--addmode", "DUMMY1", "1024x768")
        display.xrandr("--output", "DUMMY1", "--mode", "1024x768", "--right-of", "DUMMY0")
        self.host = Host(display, {"input": AUTO, "output": "DUMMY1", "match_mode": "never"})
        self.addCleanup(self.host.stop)
        page, client = Page(self.host), self.new_client()
        client.pair()
        hands = Hands(self, client, "--width", 1024, "--height", 768)
        wait_for(lambda: page.call("GET", "status")["display"]["capturing"], START_LIMIT_S, "the desktop")
        with xroot.Root(display.number) as eye:
            for x, y in ((0, 0), (1023, 0), (0, 767), (1023, 767), (500, 300)):
                hands.do(f"position {x} {y} 1024 768")
                wait_for(lambda: eye.pointer()[:2] == (1920 + x, y), 10, f"the pointer at {x}, {y} of the output")
            display.xrandr("--output", "DUMMY1", "--mode", "1024x768", "--below", "DUMMY0")
            wait_for(lambda: hands.do("position 1023 767 1024 768") or eye.pointer()[:2] == (1023, 1080 + 767), 20,
                     "the pointer on the moved output")


@needs_xterm
class OnThePrivateDisplay(PrivateDisplay):
    settings = {"input": AUTO}

    def test_typing(self):
        folder = self.temporary_folder()
        os.chmod(folder, 0o777)
        saved = os.path.join(folder, "saved")
        self.make(f"echo painted on; exec env LC_ALL=C.UTF-8 xterm -u8 -geometry 90x30+0+0 -e 'cat > {saved}'")
        self.wait_painted()
        wait_for(lambda: os.path.exists(saved), START_LIMIT_S, "the terminal")
        hands = Hands(self, self.paired(), "--width", 1280, "--height", 720)
        hands.do("position 200 150 1280 720")
        hands.type("Grüße, привет, 你好 😀")
        hands.tap(VK_RETURN)

        def text():
            if not os.path.exists(saved):
                return ""
            with open(saved, encoding="utf-8") as file:
                return file.read()
        wait_for(lambda: text() == "Grüße, привет, 你好 😀\n", 20, "the text")
        os.unlink(saved)
        os.kill(self.server(), signal.SIGKILL)
        self.wait_desktop(lambda d: d["server_restarts"] == 1 and d["session"]["restarts"] >= 1, "a new server")
        wait_for(lambda: os.path.exists(saved), START_LIMIT_S, "the new terminal")
        wait_for(lambda: self.page.call("GET", "status")["display"]["capturing"], START_LIMIT_S, "the display captured")
        hands.do("position 200 150 1280 720")
        hands.type("wieder da: ё")
        hands.tap(VK_RETURN)
        wait_for(lambda: text() == "wieder da: ё\n", 20, "the text on the new server")


if __name__ == "__main__":
    unittest.main()
