# SPDX-License-Identifier: Apache-2.0
"""The soak (soak.py) as a test."""
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

from harness import DisplayTest

CLEANUP_S = 300


def obstacle():
    """Why this machine cannot run it, or None."""
    for tool in ("unshare", "nsenter", "nft", "ip"):
        if not shutil.which(tool):
            return f"no {tool}"
    probe = subprocess.run(["unshare", "--net", "--pid", "--fork", "--mount-proc", "nft", "list", "ruleset"],
                           capture_output=True, text=True, timeout=30)
    return f"namespaces or nftables are refused here: {probe.stderr.strip()[:200]}" if probe.returncode else None


class Soak(unittest.TestCase):
    """ES_SOAK connects (50), and a quarter of it, at least one pack of ends, with modes that the host changes."""

    def run_soak(self, count, *options):
        reason = obstacle()
        if reason:
            self.skipTest(reason)
        done = subprocess.run(
            [sys.executable, "-B", "soak.py", "--count", str(count), "--seed", os.environ.get("ES_SEED", "1"), *options],
            cwd=os.path.dirname(os.path.abspath(__file__)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=CLEANUP_S + 10 * count)
        print(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout)

    def count(self):
        return int(os.environ.get("ES_SOAK", "50"))

    def test_every_kind_of_end(self):
        self.run_soak(self.count())

    def test_private_display(self):
        self.run_soak(max(25, self.count() // 4), "--private")

    def test_modes_of_somebody_elses_display(self):
        self.run_soak(max(25, self.count() // 4), "--match")


class OneAddress(DisplayTest):
    """Clients behind one NAT."""
    size = (640, 480)

    def test_four_at_once(self):
        streams = []
        for _ in range(4):
            client = self.new_client()
            client.pair()
            streams.append(self.start_stream(client, *self.stream_options("--seconds", 120)).wait_streaming())
        for stream in streams:
            self.assertIsNone(stream.process.poll(), "one came only when another had left")
            stream.process.send_signal(signal.SIGINT)
        for stream in streams:
            report = stream.report()
            self.assert_clean(report)
            self.assertFalse(report["control_gone"])

    def test_back_again_and_again(self):
        """Each time before the host knows that the last one died."""
        client = self.client
        for _ in range(5):
            stream = self.start_stream(client, *self.stream_options("--seconds", 120)).wait_streaming()
            stream.kill()
        begin = time.monotonic()
        report = client.stream(*self.stream_options("--seconds", 1))
        self.assert_clean(report)
        print(f"{report['first_picture_ms']:.0f} ms, {time.monotonic() - begin:.1f} s")


if __name__ == "__main__":
    unittest.main()
