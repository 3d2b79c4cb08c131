# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the GPU is logged, and said on the page with what to do; on the driver double (tests/fakegpu)."""
import re
import unittest

from harness import Page, wait_for
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


class LicenceLost(DoubleTest):
    """A driver may refuse to encode then; one that only gets slower is found out by the look of each minute (unit.gpu)."""
    settings = {"encoder": "auto"}

    def test_it_is_told_while_the_stream_goes_on(self):
        page = Page(self.host)
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 8, "--decode"))
        stream.wait_streaming()
        wait_for(lambda: re.search(r"stream \w+: [1-9][\d.]* fps .*nvenc", self.log()), 20, "pictures of the GPU")
        self.assertEqual(page.call("GET", "status")["gpu"]["findings"], [])
        self.script("licence=unlicensed", "fail.EncodePicture=generic")

        def finding():  # the first word may be that it failed
            return next((f["what"] for f in page.call("GET", "status")["gpu"]["findings"]
                         if "has no licence" in f["what"]), None)
        what = wait_for(finding, 20, "a word about it")
        wait_for(lambda: "WARN gpu: " + what in self.log(), 20, "the same in the log")
        wait_for(lambda: re.search(r"stream \w+: [1-9][\d.]* fps .*x264", self.log()), 20, "pictures in software")
        self.assert_clean(stream.report())


class Silent(DoubleTest):
    """Its driver hangs from the beginning: the host starts, and says so."""
    settings = {"encoder": "auto"}
    first_script = ("hang_call=cuInit",)

    def test_software_is_used_and_the_page_says_why(self):
        self.assertIn("encoder: nvenc cannot be used for H.264: its driver has not answered for 10 s", self.host.log())
        found = Page(self.host).call("GET", "status")["gpu"]["findings"]
        self.assertEqual(len(found), 1)
        self.assertIn("NVENC cannot be used: its driver has not answered", found[0]["what"])
        self.assertIn("Restart the guest", found[0]["todo"])
        self.script(*self.first_script)
        # a launch asks the driver again, and waits for nothing
        report = self.client.stream(*self.stream_options("--seconds", 3))
        self.assert_clean(report)
        self.assertRegex(self.log(), r"stream \w+: .*x264")
        self.assertEqual(len([one for one in self.trace_lines() if one.startswith("hang call=cuInit")]), 2)
        self.assertEqual(self.new_client().pair()["result"], "ok")

    def trace_lines(self):
        with open(self.trace_path, encoding="ascii") as file:
            return file.readlines()


if __name__ == "__main__":
    unittest.main()
