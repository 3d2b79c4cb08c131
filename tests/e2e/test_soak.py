# SPDX-License-Identifier: Apache-2.0
"""The soak (soak.py) as a test: ES_SOAK connects, of every kind of end."""
import os
import shutil
import subprocess
import sys
import unittest

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
    def test_every_kind_of_end(self):
        reason = obstacle()
        if reason:
            self.skipTest(reason)
        count = os.environ.get("ES_SOAK", "50")
        done = subprocess.run([sys.executable, "-B", "soak.py", "--count", count, "--seed", os.environ.get("ES_SEED", "1")],
                              cwd=os.path.dirname(os.path.abspath(__file__)), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=CLEANUP_S + 10 * int(count))
        print(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
