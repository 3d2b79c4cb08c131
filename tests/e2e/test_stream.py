# SPDX-License-Identifier: Apache-2.0
import os
import random
import statistics
import time
import unittest

import xroot
from harness import DisplayTest, Picture, read_index, wait_for

MOTIONS = 20


class ShowsTheScene:
    """Mixed into one class per size."""

    def areas(self, picture):
        """(found, painted) of areas that the scene painter fills evenly."""
        width, height = self.size
        backdrop = (30 + (width - 20) * 40 // width, 60 + (height - 60) * 50 // height, 110)
        return ((picture.mean(20, height - 30, 20, 20), (0x20, 0x24, 0x28)),
                (picture.mean(62, 62, 6, 12), (0xF8, 0xF8, 0xF8)),
                (picture.mean(width - 24, height - 64, 8, 8), backdrop))

    def test_time_code_and_colours(self):
        folder = self.temporary_folder()
        last = os.path.join(folder, "last.ppm")
        report = self.client.stream(*self.stream_options("--seconds", 4, "--timecodes", "--ppm-last", last))
        self.assert_clean(report)
        decoded = report["decoded"]
        self.assertEqual((decoded["width"], decoded["height"]), self.size)
        self.assertEqual(decoded["pictures"], report["frames_delivered"])
        self.assertEqual(decoded["held_max"], 0, "the decoder holds pictures back: bitstream_restriction")
        self.assertGreaterEqual(decoded["timecodes"], 0.95 * decoded["pictures"] - 2)
        self.assertEqual(report["frames_lost"], 0)
        self.assertGreater(report["frames_delivered"], 30)
        for found, painted in self.areas(Picture(last)):
            self.assert_colour(found, painted)

    def test_rate_stays_below_the_wish(self):
        report = self.client.stream(*self.stream_options("--seconds", 5, "--bitrate", 8000))
        self.assert_clean(report)
        for kbps in report["kbps"][2:-1]:
            self.assertLessEqual(kbps, 8000 * 1.02)

    def test_encrypted_video(self):
        report = self.client.stream(*self.stream_options("--seconds", 2, "--encrypt-video", "--timecodes"))
        self.assert_clean(report)
        self.assertEqual(report["rtsp"]["encryption_enabled"] & 3, 3)
        self.assertEqual(report["rtsp"]["packet_size"], 1360)
        self.assertGreater(report["decoded"]["timecodes"], 10)


class At720(ShowsTheScene, DisplayTest):
    size = (1280, 720)

    def test_plain_rtsp_for_old_clients(self):
        report = self.client.stream(*self.stream_options("--seconds", 1, "--plain-rtsp", "--decode"))
        self.assert_clean(report)
        self.assertFalse(report["rtsp"]["sealed"])

    def test_sealed_rtsp_is_used_when_the_client_can(self):
        report = self.client.stream(*self.stream_options("--seconds", 1))
        self.assert_clean(report)
        self.assertTrue(report["rtsp"]["sealed"])
        self.assertTrue(report["rtsp"]["video_ping_keyed"] and report["rtsp"]["audio_ping_keyed"])

    def test_packet_sizes_of_remote_clients(self):
        for size in (1024, 1184):
            report = self.client.stream(*self.stream_options("--seconds", 1, "--packet-size", size, "--decode"))
            self.assert_clean(report)
            self.assertEqual(report["frames_lost"], 0)

    def test_slices_as_asked(self):
        record = os.path.join(self.temporary_folder(), "record.h264")
        report = self.client.stream(*self.stream_options("--seconds", 1, "--slices", 4, "--record", record,
                                                         "--decode"))
        self.assert_clean(report)
        with open(record, "rb") as file:
            data = file.read()
        slices = sum(data.count(b"\0\0\1" + bytes([byte])) for byte in (0x65, 0x61, 0x41, 0x25, 0x21, 0x01))
        self.assertGreaterEqual(slices, 4 * report["frames_delivered"])

    def test_colour_spaces(self):
        folder = self.temporary_folder()
        for csc, space, value_range in ((0, 6, 1), (1, 6, 2), (2, 1, 1), (3, 1, 2)):
            last = os.path.join(folder, f"{csc}.ppm")
            report = self.client.stream(*self.stream_options("--seconds", 1, "--csc", csc, "--ppm-last", last))
            self.assert_clean(report)
            self.assertEqual((report["decoded"]["colorspace"], report["decoded"]["range"]), (space, value_range))
            for found, painted in self.areas(Picture(last)):
                self.assert_colour(found, painted)

    def test_other_size_than_the_display_is_scaled_with_bars(self):
        last = os.path.join(self.temporary_folder(), "last.ppm")
        report = self.client.stream("--width", 800, "--height", 600, "--seconds", 1, "--ppm-last", last)
        self.assert_clean(report)
        picture = Picture(last)
        self.assertEqual((picture.width, picture.height), (800, 600))
        self.assert_colour(picture.mean(300, 10, 100, 40), (0, 0, 0))
        self.assert_colour(picture.mean(300, 560, 100, 30), (0, 0, 0))
        self.assertGreater(sum(picture.mean(60, 120, 300, 300)), 200)

    def test_frame_numbers_and_timestamps_rise(self):
        index = os.path.join(self.temporary_folder(), "index")
        self.assert_clean(self.client.stream(*self.stream_options("--seconds", 2, "--index", index)))
        entries = read_index(index)
        self.assertEqual([e["frame"] for e in entries], list(range(1, len(entries) + 1)))
        stamps = [e["timestamp"] for e in entries]
        self.assertEqual(stamps, sorted(stamps))
        self.assertTrue(entries[0]["idr"] and entries[0]["type"] == 2)
        self.assertTrue(any(e["latency_100us"] for e in entries))

    def test_odd_wishes_are_refused_by_announce(self):
        for more in (("--fps", 0), ("--width", 15), ("--height", 9000), ("--packet-size", 64)):
            report = self.client.stream(*self.stream_options("--seconds", 1, *more))
            self.assertNotEqual(report["exit"], 0, more)
            self.assertIn(400, (report["launch_status"], report["rtsp"]["status"]), more)

    def test_log_line_every_second(self):
        self.assert_clean(self.client.stream(*self.stream_options("--seconds", 3)))
        self.host.wait_log(r"stream .*fps.*kbit/s.*fetch")


class At1440(ShowsTheScene, DisplayTest):
    size = (2560, 1440)


class Still(DisplayTest):
    scene = None

    def test_static_screen_costs_few_frames(self):
        report = self.client.stream(*self.stream_options("--seconds", 6, "--decode"))
        self.assert_clean(report)
        self.assertLess(report["frames_delivered"], 60)
        self.assertGreaterEqual(report["frames_delivered"], 5)

    def test_change_on_a_still_screen_arrives(self):
        last = os.path.join(self.temporary_folder(), "last.ppm")
        self.display.fill(0x204060)
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 4, "--ppm-last", last))
        stream.wait_streaming()
        self.display.fill(0xC08020)
        self.assert_clean(stream.report())
        self.assert_colour(Picture(last).mean(600, 300, 40, 40), (0xC0, 0x80, 0x20))

    def test_pointer_alone_moves_and_leaves_no_trail(self):
        folder = self.temporary_folder()
        pictures = {}
        self.display.fill(0x808080)
        for name, end in (("before", (200, 200)), ("after", (900, 500))):
            self.display.xdotool("mousemove", 200, 200)
            pictures[name] = os.path.join(folder, name + ".ppm")
            stream = self.start_stream(self.client, *self.stream_options("--seconds", 3, "--ppm-last",
                                                                         pictures[name]))
            stream.wait_streaming()
            for step in range(1, 21):
                self.display.xdotool("mousemove", *(int(200 + (e - 200) * step / 20) for e in end))
            report = stream.report()
            self.assert_clean(report)
            self.client.run("cancel")
            wait_for(lambda: "_SERVER_FREE" in self.client.xml("serverinfo", "--https"), 15, "a free host")
        before, after = Picture(pictures["before"]), Picture(pictures["after"])
        grey = [(x, y) for y in range(0, 720, 3) for x in range(0, 1280, 3)
                if max(abs(v - 0x80) for v in after.pixel(x, y)) > 30]
        self.assertTrue(grey, "the pointer is not in the picture")
        self.assertTrue(all(abs(x - 900) < 48 and abs(y - 500) < 48 for x, y in grey), "a trail, or an old pointer")
        box = before.difference(after)
        self.assertIsNotNone(box)
        self.assertTrue(box[0] < 250 and box[2] > 850)


class Motion(DisplayTest):
    """Holds a time against the frame interval: runs alone."""
    scene = None

    def test_motion_alone_is_a_picture_within_an_interval(self):
        index = os.path.join(self.temporary_folder(), "index")
        self.display.fill(0x808080)
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 10, "--index", index))
        stream.wait_streaming()
        moved_ns = []
        with xroot.Root(self.display.number) as root:
            xtest = root.xtest()
            time.sleep(1)
            for step in range(MOTIONS):
                moved_ns.append(time.monotonic_ns())
                root.move_pointer(xtest, 100 + 50 * step, 100 + 20 * step)
                time.sleep(random.uniform(0.3, 0.4))  # the repeats of a picture are over, and no beat is kept
        self.assert_clean(stream.report())
        arrivals = [e["last_ns"] for e in read_index(index) if e["delivered"]]
        taken_ms = [(next(a for a in arrivals if a > moved) - moved) / 1e6 for moved in moved_ns]
        median = statistics.median(taken_ms)
        print(f"pointer motion to picture at the client: median {median:.1f} ms, longest {max(taken_ms):.1f} ms")
        self.assertLessEqual(median, 2 * 1000 / 60)


if __name__ == "__main__":
    unittest.main()
