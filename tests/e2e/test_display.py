# SPDX-License-Identifier: Apache-2.0
import os
import time
import unittest

from harness import Client, Display, DisplayTest, Host, Scene, TestCase, read_index, wait_for


def has_code(entry):
    return "age_ms" in entry


class DisplayGoesAway(TestCase):
    """A display of its own for every test: they break it."""

    def setUp(self):
        self.display = Display(1280, 720)
        self.addCleanup(self.display.stop)
        self.host = Host(self.display)
        self.addCleanup(self.host.stop)
        self.client = self.new_client()
        self.client.pair()
        self.index = os.path.join(self.temporary_folder(), "index")

    def paint(self):
        painter = Scene(self.display)
        self.addCleanup(painter.stop)

    def begin(self, seconds):
        stream = self.start_stream(self.client, "--seconds", seconds, "--timecodes", "--index", self.index)
        stream.wait_streaming()
        time.sleep(1)
        return stream

    def entries(self, stream):
        self.assert_clean(stream.report())
        return [e for e in read_index(self.index) if e["delivered"] and "luma" in e]

    def assert_desktop_status_desktop(self, entries, gone_ns, back_ns):
        before = [e for e in entries if e["last_ns"] < gone_ns]
        between = [e for e in entries if gone_ns + 1.5e9 < e["last_ns"] < back_ns]
        after = [e for e in entries if e["last_ns"] > back_ns]
        self.assertTrue(any(map(has_code, before)), "no desktop at first")
        self.assertTrue(between, "nothing was sent while the display was away")
        self.assertFalse(any(map(has_code, between)), "the desktop is still shown while the display is away")
        self.assertTrue(any(map(has_code, after)), "the desktop did not come back")

    def test_killed_and_started_again(self):
        self.paint()
        stream = self.begin(12)
        gone_ns = time.monotonic_ns()
        self.display.kill()
        time.sleep(4)
        back_ns = time.monotonic_ns()
        self.display.start()
        self.paint()
        self.assert_desktop_status_desktop(self.entries(stream), gone_ns, back_ns)

    def test_stopped_and_continued(self):
        self.paint()
        stream = self.begin(12)
        gone_ns = time.monotonic_ns()
        self.display.freeze()
        time.sleep(4)
        back_ns = time.monotonic_ns()
        self.display.thaw()
        self.assert_desktop_status_desktop(self.entries(stream), gone_ns, back_ns)

    def test_killed_several_times(self):
        self.paint()
        stream = self.begin(16)
        for _ in range(3):
            self.display.kill()
            time.sleep(1.5)
            self.display.start()
            time.sleep(1)
        self.paint()
        entries = self.entries(stream)
        self.assertTrue(any(map(has_code, entries[-30:])), "the desktop did not come back")

    def test_session_that_starts_without_a_display(self):
        self.display.kill()
        stream = self.start_stream(self.client, "--seconds", 8, "--timecodes", "--index", self.index)
        stream.wait_streaming()
        time.sleep(2)
        self.display.start()
        self.paint()
        entries = self.entries(stream)
        self.assertFalse(has_code(entries[0]))
        self.assertTrue(any(map(has_code, entries)), "the desktop did not come")


class NoDisplayAtAll(TestCase):
    def test_status_picture(self):
        self.host = Host()
        self.addCleanup(self.host.stop)
        client = Client(self.host)
        self.addCleanup(client.forget)
        client.pair()
        report = client.stream("--seconds", 3, "--decode")
        self.assert_clean(report)
        self.assertGreater(report["decoded"]["pictures"], 1)


class Mode(DisplayTest):
    def test_display_of_another_size_after_a_restart(self):
        folder = self.temporary_folder()
        index = os.path.join(folder, "index")
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 10, "--decode", "--index", index))
        stream.wait_streaming()
        self.display.kill()
        self.display.width, self.display.height = 1024, 768
        self.display.start()
        painter = Scene(self.display)
        self.addCleanup(painter.stop)
        report = stream.report()
        self.assert_clean(report)
        self.assertEqual((report["decoded"]["width"], report["decoded"]["height"]), (1280, 720))


if __name__ == "__main__":
    unittest.main()
