# SPDX-License-Identifier: Apache-2.0
"""Software codecs beyond H.264, where the operator wants them. What is asked for is little, so that any machine holds it:
the host measures at its start whether it does."""
import os
import re

from harness import DisplayTest, Page, Picture, wait_for


class Software:
    """Mixed into one class per codec."""
    size = (640, 360)
    asked = ("--width", 480, "--height", 270, "--fps", 10, "--bitrate", 4000)
    too_much = ("--width", 2560, "--height", 1440, "--fps", 500)

    def stream(self, *more):
        return self.client.stream(*self.asked, "--codec", self.codec, *more)

    def test_serverinfo_and_page_name_it(self):
        found = re.search(r"<ServerCodecModeSupport>(\d+)<", self.client.xml("serverinfo")).group(1)
        self.assertEqual(int(found), 0x40001 | self.bits)  # and H.264, 4:4:4 of it, too
        stream = self.client.stream_start(*self.asked, "--codec", self.codec, "--seconds", 60)
        self.addCleanup(stream.dispose)
        stream.wait_streaming()
        page = Page(self.host)

        def status_of_a_second():
            status = page.call("GET", "status")
            return status if status["sessions"][0]["encoder"] else None

        status = wait_for(status_of_a_second, 10, "the encoder's name")
        self.assertIn((self.encoder, self.name, True),
                      [(one["name"], one["codec"], one["usable"]) for one in status["encoders"]])
        self.assertEqual([(one["encoder"], one["codec"]) for one in status["sessions"]], [(self.encoder, self.name)])

    def test_the_client_sees_the_scene(self):
        last = os.path.join(self.temporary_folder(), "last.ppm")
        report = self.stream("--seconds", 4, "--timecodes", "--cell", 12, "--ppm-last", last)
        self.assert_clean(report)
        decoded = report["decoded"]
        self.assertEqual(report["rtsp"]["codec"], self.codec)
        self.assertEqual((decoded["width"], decoded["height"], decoded["errors"]), (480, 270, 0))
        self.assertEqual(decoded["pictures"], report["frames_delivered"])
        self.assertEqual((decoded["colorspace"], decoded["range"]), (1, 1))
        self.assertEqual(decoded["held_max"], 0, "pictures are held back")
        self.assertGreater(decoded["timecodes"], 5)
        self.assertEqual((report["idr"], report["idr_unmarked"], report["idr_unrecognised"]), (1, 0, 0))
        self.assert_colour(Picture(last).mean(16, 248, 12, 12), (0x20, 0x24, 0x28))

    def test_finer_pictures(self):
        last = os.path.join(self.temporary_folder(), "last.ppm")
        for kind in self.kinds:
            report = self.stream("--seconds", 2, "--ppm-last", last, *kind)
            self.assert_clean(report)
            decoded = report["decoded"]
            self.assertEqual((report["rtsp"]["codec"], decoded["chroma444"], decoded["bits"]),
                             (self.codec, "--444" in kind, 10 if "--ten-bit" in kind else 8))
            self.assert_colour(Picture(last).mean(16, 248, 12, 12), (0x20, 0x24, 0x28))

    def test_an_idr_on_demand(self):
        report = self.stream("--seconds", 3, "--send-idr-every", 0.7, "--decode")
        self.assert_clean(report)
        self.assertGreaterEqual(report["idr"], 3)
        self.assertEqual((report["idr_unmarked"], report["idr_unrecognised"]), (0, 0))

    def test_a_loss_is_answered(self):
        report = self.stream("--seconds", 5, "--every", 7, "--loss-per-block", "m+1", "--decode")
        self.assertEqual((report["rtsp"]["codec"], report["decoded"]["errors"]), (self.codec, 0))
        self.assertGreater(report["frames_lost"], 0)
        self.assertGreater(report["idr"], 1)
        self.assertEqual(report["idr_unrecognised"], 0)

    def test_who_does_not_want_it_gets_h264(self):
        report = self.client.stream(*self.asked, "--seconds", 1, "--decode")
        self.assert_clean(report)
        self.assertEqual(report["rtsp"]["codec"], "h264")

    def test_it_is_not_offered_beyond_what_the_cores_hold(self):
        report = self.client.stream(*self.too_much, "--codec", self.codec, "--seconds", 1, "--frames", 1)
        self.assertEqual(report["rtsp"]["codec"], "h264")
        self.host.wait_log(rf"{self.name} is not offered: software makes [0-9.]+ million pixels of it a second")


class Hevc(Software, DisplayTest):
    settings = {"encoder": "software", "codecs": "hevc"}
    codec, name, encoder, bits = "hevc", "HEVC", "x265", 0x100 | 0x200 | 0x80000 | 0x100000
    kinds = (("--ten-bit",), ("--444",), ("--444", "--ten-bit"))


class Av1(Software, DisplayTest):
    settings = {"encoder": "software", "codecs": "av1"}
    codec, name, encoder, bits = "av1", "AV1", "aom", 0x10000 | 0x200000
    kinds = (("--444",),)

    def test_ten_bits_are_refused(self):
        self.assertEqual(self.stream("--seconds", 1, "--ten-bit")["rtsp"]["status"], 400)


class Unmet(DisplayTest):
    settings = {"encoder": "x264", "codecs": "av1"}
    scene = None

    def test_a_codec_that_nobody_makes_is_said(self):
        self.assertIn("encoder: none makes AV1: clients are offered H.264 alone", self.host.log())
        self.assertIn(f"<ServerCodecModeSupport>{0x40001}<", self.client.xml("serverinfo"))


class Unwanted(DisplayTest):
    settings = {"encoder": "software"}

    def test_software_alone_is_no_reason_for_another_codec(self):
        self.assertIn(f"<ServerCodecModeSupport>{0x40001}<", self.client.xml("serverinfo")) # with its 4:4:4
        for codec in ("hevc", "av1"):
            report = self.client.stream(*self.stream_options("--codec", codec, "--seconds", 1))
            self.assert_clean(report)
            self.assertEqual(report["rtsp"]["codec"], "h264")
