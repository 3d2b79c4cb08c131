# SPDX-License-Identifier: Apache-2.0
"""A host that is killed leaves no key down on the desktop."""
import os
import signal
import unittest

import xroot
from harness import Display, Host, TestCase, wait_for


def guards_of(pid):
    """Guards are children of the host until it ends."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        children = list(map(int, file.read().split()))
    return [child for child in children if command(child)[1:] == ["--guard-input"]]


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            return file.read().split("\0")[:-1]
    except OSError:
        return []


class Guard(TestCase):
    def setUp(self):
        self.display = Display(640, 480)
        self.addCleanup(self.display.stop)
        self.host = Host(self.display, {"input": "xtest"})
        self.addCleanup(self.host.stop)
        self.host.wait_log(f"capturing x11 {self.display.name} ")
        for _ in range(3):  # answered by the thread that hears of it before it answers
            self.host.get_http("/serverinfo")
        self.guard, = guards_of(self.host.process.pid)
        self.display.xdotool("keydown", "a", "mousedown", 3)
        self.assertEqual(len(self.keys()), 1)

    def keys(self):
        with xroot.Root(self.display.number) as root:
            return root.keys_down()

    def test_lets_go_when_the_host_is_killed(self):
        self.host.process.send_signal(signal.SIGKILL)
        wait_for(lambda: not self.keys(), 10, "the key's release")
        wait_for(lambda: not os.path.exists(f"/proc/{self.guard}"), 10, "the guard's end")
        self.assertIn("the host is gone", self.host.log())

    def test_ends_with_a_host_that_ends(self):
        self.host.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.host.process.wait(15), 0)
        self.assertFalse(os.path.exists(f"/proc/{self.guard}"))
        self.assertNotIn("the host is gone", self.host.log())


if __name__ == "__main__":
    unittest.main()
