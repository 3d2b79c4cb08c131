# SPDX-License-Identifier: Apache-2.0
"""A running X server switches its mode in mid-stream: Xorg with the dummy driver, which Xvfb cannot stand in for."""
import os
import random
import shutil
import subprocess
import unittest

from harness import START_LIMIT_S, Display, Host, Picture, TestCase, wait_for

CONFIG = """
Section "ServerFlags"
  Option "AutoAddDevices" "false"
  Option "AutoEnableDevices" "false"
  Option "DontVTSwitch" "true"
  Option "AllowMouseOpenFail" "true"
EndSection
Section "Device"
  Identifier "card"
  Driver "dummy"
  VideoRam 64000
EndSection
Section "Monitor"
  Identifier "monitor"
  HorizSync 5.0-1000.0
  VertRefresh 5.0-300.0
EndSection
Section "Screen"
  Identifier "screen"
  Device "card"
  Monitor "monitor"
  DefaultDepth 24
  SubSection "Display"
    Depth 24
    Virtual 1920 1080
    Modes "1920x1080"
  EndSubSection
EndSection
"""


class Xorg(Display):
    """Xorg with the dummy driver, 1920x1080; root only."""

    def __init__(self, folder):
        self.folder = folder
        super().__init__(1920, 1080)

    def start(self):
        path = os.path.join(self.folder, "xorg.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(CONFIG)
        if self.number is None:
            self.number = random.choice([n for n in range(300, 900) if not os.path.exists(f"/tmp/.X{n}-lock")])
        self.process = subprocess.Popen(
            ["Xorg", self.name, "-config", path, "-logfile", os.path.join(self.folder, "xorg.log"), "-noreset", "-nolisten",
             "tcp", "-novtswitch"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.answers, START_LIMIT_S, "Xorg")

    def xrandr(self, *words):
        return subprocess.run(["xrandr", *words], env={**os.environ, "DISPLAY": self.name}, check=True, timeout=20,
                              capture_output=True, text=True).stdout


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("Xorg") and shutil.which("xrandr"), "needs root, Xorg, xrandr")
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
