# SPDX-License-Identifier: Apache-2.0
"""Stages of a stream that hang for real: a library (tests/unit/hang.c) makes a call into x264, or a send, stand still.

HANG: that library. The host needs no test of its own time: each step waits for what the host says or the client gets.
"""
import glob
import os
import re
import shutil
import signal
import socket
import tempfile
import unittest

from harness import FAULTS, DisplayTest, Host, Page, TestCase, read_index, wait_for

HANG = os.environ.get("HANG", "")
WATCHDOG_LIMIT_MS = 2000
PATIENCE_MS = 10000  # of the client: a picture comes again long before


class HangTest(DisplayTest):
    scene = "scroll"  # small changes take no libx264

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="es-hang-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.wrapper = ("env", f"LD_PRELOAD={HANG}", *(f"HANG_{place.upper()}={os.path.join(cls.folder, place)}"
                                                     for place in ("encode", "send")))
        super().setUpClass()
        cls.page = Page(cls.host)

    def tearDown(self):
        for place in ("encode", "send"):
            self.release(place)

    def hang(self, place):
        """One call; returns when it has begun to hang."""
        path = os.path.join(self.folder, place)
        with open(path, "w", encoding="ascii"):
            pass
        wait_for(lambda: not os.path.exists(path), 20, f"a call of {place}")

    def release(self, place):
        for path in glob.glob(os.path.join(self.folder, place + ".held.*")):
            os.unlink(path)

    def log_since(self, mark):
        return self.host.log()[mark:]

    def wait_pictures(self, seconds=2):
        """Until the host has said that often that it sends pictures."""
        mark = len(self.host.log())
        wait_for(lambda: len(re.findall(r"stream \w+: [1-9][\d.]* fps", self.log_since(mark))) >= seconds, 30, "pictures")

    def stage(self, name):
        stages = {stage["name"]: stage for stage in self.page.call("GET", "status")["stages"]}
        return stages.get(name, {"hangs": 0, "state": "fine"})

    def run_hang(self, place, message, *options):
        """A stream in whose middle `place` hangs, is replaced, and comes back. (report, index)"""
        index = os.path.join(self.temporary_folder(), "index")
        before, threads = self.stage(place), 0
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 15, "--decode", "--index", index,
                                                                     *options))
        stream.wait_streaming()
        self.wait_pictures(1)
        threads, mark = self.host.threads(), len(self.host.log())
        self.hang(place)
        wait_for(lambda: message in self.log_since(mark), 20, f"the log to say {message!r}")
        self.assertRegex(self.log_since(mark), rf"watchdog: {place} \w+ has hung for 2\.\d s")
        self.wait_pictures()
        self.assertEqual(self.stage(place)["hangs"], before["hangs"] + 1)
        self.assertEqual(self.stage(place)["state"], "fine")
        self.assertGreaterEqual(self.page.call("GET", "status")["counters"]["stage_hangs"], 1)
        self.release(place)
        wait_for(lambda: self.host.threads() <= threads, 20, "the old thread to end")
        self.wait_pictures()
        report = stream.report()
        self.assertEqual(report["exit"], 0, report["error"])
        return report, [e for e in read_index(index) if e["delivered"]]

    def check_index(self, entries):
        frames = [e["frame"] for e in entries]
        self.assertEqual(frames, sorted(set(frames)), "a frame number came twice, or went back")
        gap_ms, after = max((b["first_ns"] / 1e6 - a["last_ns"] / 1e6, i + 1)
                            for i, (a, b) in enumerate(zip(entries, entries[1:])))
        print(f"longest time without a picture {gap_ms:.0f} ms, then frame {frames[after]}")
        self.assertGreater(gap_ms, WATCHDOG_LIMIT_MS - 500)
        self.assertLess(gap_ms, PATIENCE_MS)
        self.assertTrue(any(e["idr"] for e in entries[after:after + 4]), "no IDR after the hang")
        self.assertGreater(len(entries), after + 30, "the stream did not go on")


class Encoder(HangTest):
    scene = "scroll"  # libx264 is not asked for small changes

    def test_a_hung_encoder_is_replaced_in_a_running_stream(self):
        report, entries = self.run_hang("encode", "the encoder hangs and is left behind", "--encrypt-video")
        self.assert_clean(report)
        self.assertEqual(report["frames_lost"], 0)
        self.check_index(entries)

    def test_a_hung_encoder_does_not_hold_up_the_end_of_the_session_nor_of_the_host(self):
        host = Host(self.display, wrapper=self.wrapper)
        self.addCleanup(host.stop)
        client = type(self.client)(host)
        self.addCleanup(client.forget)
        self.assertEqual(client.pair()["result"], "ok")
        for last in (False, True):
            stream = self.start_stream(client, *self.stream_options("--seconds", 3, "--quit"))
            stream.wait_streaming()
            self.hang("encode")
            if not last:
                stream.report()
                wait_for(lambda: "_SERVER_FREE" in client.xml("serverinfo", "--https"), 30, "a free host")
        host.process.send_signal(signal.SIGTERM)
        self.assertEqual(host.process.wait(30), 0)


class Sender(HangTest):
    def test_a_hung_send_thread_is_replaced_in_a_running_stream(self):
        report, entries = self.run_hang("send", "sending hangs, its thread is left behind")
        for field in FAULTS:
            self.assertEqual(report[field], 0, field)
        self.assertLessEqual(report["frames_lost"], 1)
        self.check_index(entries)

    def test_the_numbers_of_sealed_packets_go_on(self):
        report, entries = self.run_hang("send", "sending hangs, its thread is left behind", "--encrypt-video")
        for field in FAULTS:
            if field != "iv_not_rising":  # what the old thread was at comes late
                self.assertEqual(report[field], 0, field)
        self.assertEqual(report["duplicates"], 0)
        self.check_index(entries)


class ServiceManager(TestCase):
    """The host under a service manager with a watchdog: a datagram socket."""

    def test_it_is_told_of_start_life_and_end(self):
        path = os.path.join(self.temporary_folder(), "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(30)
            # no WATCHDOG_PID: any process of the service is meant
            self.host = Host(wrapper=("env", f"NOTIFY_SOCKET={path}", "WATCHDOG_USEC=1000000"))
            self.addCleanup(self.host.stop)
            first = notify.recv(4096).decode()
            self.assertIn("READY=1", first)
            self.assertRegex(first, "(?m)^STATUS=.+")
            for _ in range(3):
                self.assertEqual(notify.recv(4096), b"WATCHDOG=1")
            self.host.process.send_signal(signal.SIGTERM)
            while notify.recv(4096) != b"STOPPING=1":
                pass
            self.assertEqual(self.host.process.wait(20), 0)


if __name__ == "__main__":
    unittest.main()
