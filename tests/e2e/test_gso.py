# SPDX-License-Identifier: Apache-2.0
"""A network that swallows datagrams sent by segmentation offload must not cost the stream.

Runs itself again in a network namespace of its own, where nftables drops every oversized UDP packet on lo: there a
batch of UDP_SEGMENT is one packet longer than any datagram until the receiver takes it apart.
"""
import os
import shutil
import subprocess
import sys
import unittest

from harness import DisplayTest

INSIDE = "ES_INSIDE_NETNS"
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

    def test_pictures_come_although_batches_are_dropped(self):
        report = self.client.stream(*self.stream_options("--seconds", 6, "--decode"))
        dropped = subprocess.run(["nft", "list", "table", "ip", "es"], capture_output=True, text=True).stdout
        self.assertNotIn("packets 0 ", dropped, "the host never batched: the test shows nothing")
        self.assert_clean(report)
        self.assertGreater(report["frames_delivered"], 60)
        self.host.wait_log(r"(?i)gso")
        again = self.client.stream(*self.stream_options("--seconds", 2, "--decode"))
        self.assert_clean(again)
        self.assertEqual(again["frames_lost"], 0, "it was not remembered")


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


if __name__ == "__main__":
    unittest.main()
