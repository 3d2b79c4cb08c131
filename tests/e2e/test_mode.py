# SPDX-License-Identifier: Apache-2.0
"""A running X server switches its mode in mid-stream: Xorg with the dummy driver, which Xvfb cannot stand in for."""
import os
import unittest

from harness import Host, Picture, TestCase, Xorg, needs_xorg, wait_for


@needs_xorg
class ModeSwitch(TestCase):
    def test_switched_in_mid_stream(self):
        display = Xorg(self.temporary_folder())
        self.addCleanup(display.stop)
        output = next(line.split()[0] for line in display.xrandr().splitlines() if " connected" in line)
        self.host = Host(display)
        self.addCleanup(self.host.stop)
        client = self.new_client()
        client.pair()
        display.fill(0x2080C0)
        before, after = (os.path.join(self.temporary_folder(), name) for name in ("before.ppm", "after.ppm"))
        self.assert_clean(client.stream("--seconds", 2, "--ppm-last", before))
        self.assert_colour(Picture(before).mean(8, 350, 16, 16), (0x20, 0x80, 0xC0))  # same shape: no bars

        stream = self.start_stream(client, "--seconds", 5, "--ppm-last", after)
        stream.wait_streaming()
        display.xrandr("--output", output, "--mode", "1024x768")
        display.fill(0x2080C0)
        report = stream.report()
        self.assert_clean(report)
        self.assertEqual(report["idr"], 1)
        self.assertEqual(report["frames_lost"], 0)
        picture = Picture(after)
        for x in (0, 140, 1124, 1264):  # 1024x768 becomes 960x720 between bars of 160
            self.assert_colour(picture.mean(x, 350, 12, 12), (0, 0, 0), 6)
        for x in (168, 640, 1100):
            self.assert_colour(picture.mean(x, 350, 12, 12), (0x20, 0x80, 0xC0))


if __name__ == "__main__":
    unittest.main()
