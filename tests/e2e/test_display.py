# SPDX-License-Identifier: Apache-2.0
import os
import time
import unittest

from harness import Client, Display, DisplayTest, Host, Picture, Scene, TestCase, read_index


GONE_LIMIT_NS = 1e9  # the status picture comes at latest that long after the display went
BACK_LIMIT_NS = 2e9  # and the desktop that long after it answers again


def has_code(entry):
    return "age_ms" in entry


def is_status(entry):
    """The test card is neither as bright as the scene nor as dark as an empty root window."""
    return not has_code(entry) and 30 < entry["luma"] < 100


def is_desktop(entry):
    return has_code(entry) or entry["luma"] < 22


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
        """`back_ns`: the X server answers again."""
        between = [e for e in entries if gone_ns < e["last_ns"] < back_ns]
        after = [e for e in entries if e["last_ns"] >= back_ns]
        self.assertTrue(all(has_code(e) for e in entries if e["last_ns"] < gone_ns), "no desktop at first")
        status = next((e for e in between if is_status(e)), None)
        self.assertIsNotNone(status, "no status picture")
        desktop = next((e for e in after if is_desktop(e)), None)
        self.assertIsNotNone(desktop, "the desktop did not come back")
        to_status_ns, to_desktop_ns = status["last_ns"] - gone_ns, desktop["last_ns"] - back_ns
        print(f"status picture after {to_status_ns / 1e6:.0f} ms, desktop after {to_desktop_ns / 1e6:.0f} ms")
        self.assertLessEqual(to_status_ns, GONE_LIMIT_NS)
        self.assertLessEqual(to_desktop_ns, BACK_LIMIT_NS)
        self.assertTrue(all(is_status(e) for e in between if e["last_ns"] >= status["last_ns"]),
                        "the desktop is still shown while the display is away")
        self.assertFalse(any(is_status(e) for e in after if e["last_ns"] > desktop["last_ns"]),
                         "the status picture came again")
        self.assertTrue(any(map(has_code, after)), "the scene did not come back")

    def test_killed_and_started_again(self):
        self.paint()
        stream = self.begin(8)
        gone_ns = time.monotonic_ns()
        self.display.kill()
        time.sleep(2)
        self.display.start()
        back_ns = time.monotonic_ns()
        self.paint()
        self.assert_desktop_status_desktop(self.entries(stream), gone_ns, back_ns)

    def test_stopped_and_continued(self):
        self.paint()
        stream = self.begin(7)
        gone_ns = time.monotonic_ns()
        self.display.freeze()
        time.sleep(2)
        back_ns = time.monotonic_ns()
        self.display.thaw()
        self.assert_desktop_status_desktop(self.entries(stream), gone_ns, back_ns)

    def test_stopped_while_nothing_changes(self):
        self.display.fill(0)
        index = os.path.join(self.temporary_folder(), "index")
        stream = self.start_stream(self.client, "--seconds", 6, "--decode", "--index", index).wait_streaming()
        time.sleep(1)
        gone_ns = time.monotonic_ns()
        self.display.freeze()
        time.sleep(2)
        self.display.thaw()
        self.assert_clean(stream.report())
        first = next((e for e in read_index(index) if e["last_ns"] > gone_ns and is_status(e)), None)
        self.assertIsNotNone(first, "no status picture")
        self.assertLessEqual(first["last_ns"] - gone_ns, GONE_LIMIT_NS)

    def test_killed_several_times(self):
        self.paint()
        stream = self.begin(10)
        for _ in range(3):
            self.display.kill()
            time.sleep(0.7)
            self.display.start()
            time.sleep(0.7)
        self.paint()
        entries = self.entries(stream)
        self.assertTrue(any(map(has_code, entries[-30:])), "the desktop did not come back")

    def test_session_that_starts_without_a_display(self):
        self.display.kill()
        stream = self.start_stream(self.client, "--seconds", 6, "--timecodes", "--index", self.index)
        stream.wait_streaming()
        time.sleep(1)
        self.display.start()
        back_ns = time.monotonic_ns()
        self.paint()
        entries = self.entries(stream)
        self.assertTrue(is_status(entries[0]))
        desktop = next(e for e in entries if is_desktop(e))
        self.assertLessEqual(desktop["last_ns"] - back_ns, BACK_LIMIT_NS)
        self.assertTrue(any(map(has_code, entries)), "the scene did not come")


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
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 6, "--decode", "--index", index))
        stream.wait_streaming()
        self.display.kill()
        self.display.width, self.display.height = 1024, 768
        self.display.start()
        painter = Scene(self.display)
        self.addCleanup(painter.stop)
        report = stream.report()
        self.assert_clean(report)
        self.assertEqual((report["decoded"]["width"], report["decoded"]["height"]), (1280, 720))


class Scaled(TestCase):
    """A client of 1280x720 on screens of another shape: the whole screen, in its proportions, between black bars."""
    client_size = (1280, 720)

    def first_column(self, picture, y, bright):
        return next(x for x in range(picture.width) if (sum(picture.pixel(x, y)) > 3 * 160) == bright)

    def assert_scaled(self, width, height):
        display = Display(width, height)
        self.addCleanup(display.stop)
        painter = Scene(display, "static")
        self.addCleanup(painter.stop)
        self.host = Host(display)
        self.addCleanup(self.host.stop)
        client = self.new_client()
        client.pair()
        last = os.path.join(self.temporary_folder(), "last.ppm")
        self.assert_clean(client.stream("--seconds", 2, "--ppm-last", last))
        picture = Picture(last)
        self.assertEqual((picture.width, picture.height), self.client_size)
        scale = 720 / height
        bar = (1280 - width * scale) / 2

        def at(x, y):
            return round(bar + x * scale), round(y * scale)

        edge = int(bar)
        for x in (0, edge - 10, 1280 - edge + 2, 1272):
            for y in (0, 350, 712):
                self.assert_colour(picture.mean(x, y, 8, 8), (0, 0, 0), 6)
        # the painted colours of the backdrop at both edges, of the panel below, of the window
        for x in (8, width - 20):
            y = height - 60
            painted = (30 + x * 40 // width, 60 + y * 50 // height, 110)
            self.assert_colour(picture.mean(*at(x, y), 4, 4), painted)
        self.assert_colour(picture.mean(*at(width // 2, height - 30), 8, 8), (0x20, 0x24, 0x28))
        self.assert_colour(picture.mean(*at(63, 64), 3, 4), (0xF8, 0xF8, 0xF8))
        # the borders of the window, and of the picture itself, are where they belong
        x, y = at(60, 66)
        self.assertLessEqual(abs(self.first_column(picture, y, True) - x), 2)
        column = at(65, 0)[0]
        top = next(y for y in range(20, 720) if sum(picture.pixel(column, y)) > 3 * 160)
        self.assertLessEqual(abs(top - 60 * scale), 2)
        row = at(0, height - 100)[1]
        left = next(x for x in range(1280) if picture.pixel(x, row)[2] > 60)
        right = max(x for x in range(1280) if picture.pixel(x, row)[2] > 60)
        self.assertLessEqual(abs(left - bar), 2)
        self.assertLessEqual(abs(right + 1 - (1280 - bar)), 2)

    def test_five_to_four(self):
        self.assert_scaled(1280, 1024)

    def test_sixteen_to_ten(self):
        self.assert_scaled(1920, 1200)


if __name__ == "__main__":
    unittest.main()
