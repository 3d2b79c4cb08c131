# SPDX-License-Identifier: Apache-2.0
"""4:4:4 by libx264, in all the situations of a display, and all kinds of pictures by NVENC."""
import os
import re

from harness import Client, DisplayTest, Host, Picture, TestCase
from test_nvenc import DoubleTest


class H264(DisplayTest):
    settings = {"encoder": "x264"}
    scene = "still"

    def stream(self, *more):
        report = self.client.stream(*self.stream_options("--444", "--seconds", 2, *more))
        self.assert_clean(report)
        self.assertEqual((report["rtsp"]["codec"], report["decoded"]["chroma444"], report["decoded"]["bits"]),
                         ("h264", True, 8))
        return report

    def areas(self):
        """(x, y, width, height) and colour of what the scene painter fills evenly."""
        width, height = self.size
        return (((20, height - 30, 20, 20), (0x20, 0x24, 0x28)), ((62, 62, 6, 12), (0xF8, 0xF8, 0xF8)))

    def test_it_is_offered(self):
        bits = int(re.search(r"<ServerCodecModeSupport>(\d+)<", self.client.xml("serverinfo")).group(1))
        self.assertEqual(bits, 0x40001)

    def test_the_client_sees_the_scene_in_every_colour_space(self):
        last = os.path.join(self.temporary_folder(), "last.ppm")
        for csc, space, value_range in ((0, 6, 1), (1, 6, 2), (2, 1, 1), (3, 1, 2), (4, 1, 1)):
            decoded = self.stream("--csc", csc, "--ppm-last", last)["decoded"]
            self.assertEqual((decoded["colorspace"], decoded["range"]), (space, value_range))
            for area, painted in self.areas():
                self.assert_colour(Picture(last).mean(*area), painted)

    def test_another_size_has_bars(self):
        last = os.path.join(self.temporary_folder(), "last.ppm")
        self.stream("--width", 800, "--height", 600, "--ppm-last", last)
        picture = Picture(last)
        self.assertEqual((picture.width, picture.height), (800, 600))
        self.assert_colour(picture.mean(300, 10, 100, 40), (0, 0, 0))
        self.assert_colour(picture.mean(300, 560, 100, 30), (0, 0, 0))
        self.assertGreater(sum(picture.mean(60, 120, 300, 300)), 200)

    def test_a_loss_is_answered(self):
        report = self.client.stream(*self.stream_options("--444", "--seconds", 4, "--every", 5, "--loss-per-block",
                                                         "m+1", "--decode"))
        self.assertEqual((report["decoded"]["chroma444"], report["decoded"]["errors"]), (True, 0))
        self.assertGreater(report["frames_lost"], 0)
        self.assertGreater(report["idr"], 1)

    def test_ten_bits_are_not_offered(self):
        for more in (("--ten-bit",), ("--444", "--ten-bit")):
            report = self.client.stream(*self.stream_options("--seconds", 1, *more))
            self.assertEqual(report["rtsp"]["status"], 400)

    def test_who_does_not_ask_gets_none(self):
        report = self.client.stream(*self.stream_options("--seconds", 1, "--decode"))
        self.assert_clean(report)
        self.assertFalse(report["decoded"]["chroma444"])


class Nvenc(DoubleTest):
    """All kinds, from the driver double. BT.2020 is what ten bits are for."""
    settings = {"encoder": "nvenc"}
    codec = "hevc"
    scene = "still"

    def test_what_the_gpu_can_is_offered(self):
        bits = int(re.search(r"<ServerCodecModeSupport>(\d+)<", self.client.xml("serverinfo")).group(1))
        self.assertEqual(bits, 0x1 | 0x100 | 0x200 | 0x40000 | 0x80000 | 0x100000)

    def test_the_client_sees_the_scene(self):
        last = os.path.join(self.temporary_folder(), "last.ppm")
        for codec, more, whole, bits, space in (("h264", ("--444",), True, 8, 1), ("hevc", ("--444",), True, 8, 1),
                                                ("hevc", ("--ten-bit",), False, 10, 9),
                                                ("hevc", ("--444", "--ten-bit"), True, 10, 9)):
            report = self.client.stream("--width", self.size[0], "--height", self.size[1], "--codec", codec, "--csc", 4,
                                        "--seconds", 3, "--ppm-last", last, *more)
            self.assert_clean(report)
            decoded = report["decoded"]
            self.assertEqual((report["rtsp"]["codec"], decoded["chroma444"], decoded["bits"], decoded["colorspace"]),
                             (codec, whole, bits, space))
            picture, (width, height) = Picture(last), self.size
            self.assert_colour(picture.mean(20, height - 30, 20, 20), (0x20, 0x24, 0x28))
            backdrop = (30 + (width - 20) * 40 // width, 60 + (height - 60) * 50 // height, 110)
            self.assert_colour(picture.mean(width - 24, height - 64, 8, 8), backdrop)


class Status(TestCase):
    """The status picture, which is never fetched from a display."""

    def test_it_is_shown_in_444(self):
        self.host = Host(settings={"encoder": "x264"})
        self.addCleanup(self.host.stop)
        client = Client(self.host)
        self.addCleanup(client.forget)
        client.pair()
        lumas = []
        for more in ((), ("--444",)):
            last = os.path.join(self.temporary_folder(), "last.ppm")
            report = client.stream("--seconds", 2, "--ppm-last", last, *more)
            self.assert_clean(report)
            self.assertEqual(report["decoded"]["chroma444"], bool(more))
            picture = Picture(last)
            lumas.append([sum(picture.pixel(x, y)) for y in range(0, picture.height, 3)
                          for x in range(0, picture.width, 3)])
        self.assertGreater(max(lumas[0]) - min(lumas[0]), 300)
        apart = sum(abs(plain - whole) > 120 for plain, whole in zip(*lumas))
        self.assertLess(apart, len(lumas[0]) / 200)
