# SPDX-License-Identifier: Apache-2.0
"""A network that swallows datagrams sent by segmentation offload must not cost the stream.

Runs itself again in a network namespace of its own, where nftables drops every oversized UDP packet on lo: there a
batch of UDP_SEGMENT is one packet longer than any datagram until the receiver takes it apart.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

from harness import DisplayTest, read_index, wait_for

INSIDE = "ES_INSIDE_NETNS"
PICTURE_LIMIT_MS = 2000
OFF_LINE = r"WARN gso: .* behind lo: segmentation offload is off"
RULES = "table ip es { chain in { type filter hook input priority 0; meta l4proto udp meta length > 1600 counter drop; }; }"


def obstacle():
    """Why this machine cannot run the test, or None."""
    for tool in ("unshare", "nft", "ip"):
        if not shutil.which(tool):
            return f"no {tool}"
    probe = subprocess.run(["unshare", "-n", "sh", "-c", f"ip link set lo up && nft '{RULES}'"], capture_output=True,
                           text=True, timeout=30)
    if probe.returncode == 0:
        return None
    refused = any(word in probe.stderr for word in ("not permitted", "not supported", "denied", "No such file"))
    if not refused:
        raise AssertionError(f"the rule is wrong: {probe.stderr}")
    return f"namespaces or nftables are refused here: {probe.stderr.strip()[:200]}"


@unittest.skipUnless(os.environ.get(INSIDE), "run by InANamespace")
class Swallowed(DisplayTest):
    scene = "video"

    @classmethod
    def setUpClass(cls):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        subprocess.run(["nft", RULES], check=True)
        super().setUpClass()

    def swallowed(self):
        """How many batches the rule has dropped so far."""
        rules = subprocess.run(["nft", "list", "table", "ip", "es"], capture_output=True, text=True, check=True).stdout
        return int(re.search(r"counter packets (\d+)", rules).group(1))

    def stream(self, seconds):
        """(report, delivered pictures); the picture has to be there in time."""
        index = os.path.join(self.folder, "index")
        report = self.client.stream(*self.stream_options("--seconds", seconds, "--decode", "--index", index))
        self.assert_clean(report)
        self.assertLessEqual(report["first_picture_ms"], PICTURE_LIMIT_MS)
        return report, [e for e in read_index(index) if e["delivered"]]

    def assert_without_batches(self):
        before = self.swallowed()
        report, delivered = self.stream(3)
        self.assertEqual(self.swallowed(), before, "batches are sent again")
        self.assertEqual((report["frames_lost"], report["idr"]), (0, 1))
        self.assertGreater(len(delivered), 30)

    def test_stream_survives_and_the_interface_is_remembered(self):
        self.folder = self.temporary_folder()
        self.assertNotRegex(self.host.log(), OFF_LINE)
        report, delivered = self.stream(6)
        self.assertGreater(self.swallowed(), 0, "the host never batched: the test shows nothing")
        arrivals = [e["last_ns"] for e in delivered]
        longest_ms = max(b - a for a, b in zip(arrivals, arrivals[1:])) / 1e6
        print(f"first picture after {report['first_picture_ms']:.0f} ms, longest gap {longest_ms:.0f} ms, "
              f"{self.swallowed()} batches swallowed, {report['idr']} IDR")
        self.assertLessEqual(longest_ms, PICTURE_LIMIT_MS)
        self.assertEqual(len(re.findall(OFF_LINE, self.host.log())), 1)
        # of what is sent by batches nothing arrives: the first picture is the IDR that follows their end
        self.assertTrue(delivered[0]["idr"] and delivered[0]["frame"] > 1)
        numbers = [entry["frame"] for entry in delivered]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))), "losses after the IDR")
        self.assertGreater(len(numbers), 60)
        self.assert_without_batches()

        path = os.path.join(self.host.folder, "state", "state.json")
        wait_for(lambda: "lo" in json.load(open(path, encoding="utf-8")).get("gso_off", []), 10, "lo in the state file")
        self.host.process.terminate()
        self.assertEqual(self.host.process.wait(20), 0)
        self.host.start()
        self.assert_without_batches()
        self.assertEqual(len(re.findall(OFF_LINE, self.host.log())), 1)


@unittest.skipIf(os.environ.get(INSIDE), "inside already")
class InANamespace(unittest.TestCase):
    def test_swallowed_batches(self):
        reason = obstacle()
        if reason:
            self.skipTest(reason)
        done = subprocess.run(["unshare", "-n", sys.executable, "-m", "unittest", "-v", "test_gso.Swallowed"],
                              env={**os.environ, INSIDE: "1"}, cwd=os.path.dirname(os.path.abspath(__file__)),
                              capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        print(done.stdout)


if __name__ == "__main__":
    unittest.main()
