# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the GPU is logged, and said on the page with what to do; on the driver double (tests/fakegpu)."""
import unittest

from harness import Page
from test_nvenc import DoubleTest


class Unlicensed(DoubleTest):
    settings = {"encoder": "nvenc"}
    first_script = ("licence=unlicensed",)

    def test_it_is_logged_and_on_the_page(self):
        gpu = Page(self.host).call("GET", "status")["gpu"]
        self.assertEqual((gpu["nvml"]["kind"], gpu["nvml"]["licence"]), ("vGPU", "missing"))
        self.assertEqual(len(gpu["findings"]), 1)
        self.assertIn("has no licence", gpu["findings"][0]["what"])
        self.assertIn("gridd.conf", gpu["findings"][0]["todo"])
        self.assertIn(f"gpu: {gpu['sentence']}", self.host.log())
        self.assertEqual(self.host.log().count("WARN gpu: " + gpu["findings"][0]["what"]), 1)


class Licensed(DoubleTest):
    settings = {"encoder": "nvenc"}

    def test_nothing_is_found(self):
        gpu = Page(self.host).call("GET", "status")["gpu"]
        self.assertEqual(gpu["nvml"]["licence"], "held")
        self.assertEqual(gpu["findings"], [])
        self.assertNotIn("WARN gpu", self.host.log())


if __name__ == "__main__":
    unittest.main()
