# SPDX-License-Identifier: Apache-2.0
import os
import secrets
import signal
import time
import unittest

from harness import Client, DisplayTest, Host, Page, TestCase, wait_for


class Session(DisplayTest):
    def is_free(self):
        return "_SERVER_FREE" in self.client.xml("serverinfo", "--https")

    def test_first_picture_after_launch(self):
        report = self.client.stream(*self.stream_options("--seconds", 1))
        self.assert_clean(report)
        self.assertFalse(report["resumed"])
        self.assertIn("first_picture_ms", report)

    def test_leaving_keeps_the_application_and_resume_works(self):
        self.assert_clean(self.client.stream(*self.stream_options("--seconds", 1)))
        self.assertIn("_SERVER_BUSY", self.client.xml("serverinfo", "--https"))
        report = self.client.stream(*self.stream_options("--seconds", 1, "--decode"))
        self.assert_clean(report)
        self.assertTrue(report["resumed"])

    def test_resume_without_an_application_is_refused(self):
        reply = self.client.run("resume", "--appid", self.client.app_id())
        self.assertEqual(reply["status"], 503)
        self.assertIn("<resume>0</resume>", reply["body"])

    def test_cancel_frees_at_once(self):
        report = self.client.stream(*self.stream_options("--seconds", 1, "--quit"))
        self.assertEqual(report["cancel_status"], 200)
        self.assertTrue(self.is_free())

    def test_cancel_ends_the_stream_with_a_reason(self):
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 20)).wait_streaming()
        self.assertEqual(self.client.run("cancel")["status"], 200)
        self.assertTrue(self.is_free())
        report = stream.report()
        self.assertTrue(report["control_gone"])
        self.assertEqual(report["termination"], 0x80030023)

    def test_second_client_is_told(self):
        other = self.new_client()
        other.pair("2222")
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 6)).wait_streaming()
        report = other.stream("--launch", "--appid", self.client.app_id(), "--seconds", 1)
        self.assertNotEqual(report["exit"], 0)
        self.assertNotEqual(report["launch_status"], 200)
        report = stream.report()
        self.assert_clean(report)
        self.assertFalse(report["control_gone"])

    def test_vanished_client_is_gone_within_ten_seconds(self):
        page = Page(self.host)
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 30)).wait_streaming()
        stream.kill()
        wait_for(lambda: not page.call("GET", "status").get("sessions"), 20, "the session's end")
        self.assert_clean(self.client.stream(*self.stream_options("--seconds", 1)))

    def test_client_that_dies_without_a_goodbye_can_come_back_at_once(self):
        self.client.stream(*self.stream_options("--seconds", 1, "--die"))
        self.assert_clean(self.client.stream(*self.stream_options("--seconds", 1, "--decode")))

    def test_silent_client_loses_its_session(self):
        report = self.client.stream(*self.stream_options("--seconds", 16, "--silent"))
        self.assertLess(sum(1 for kbps in report["kbps"] if kbps > 0), 15)

    def test_unused_launch_expires(self):
        self.client.run("launch", "--appid", self.client.app_id(), "--mode", "1280x720x60")
        time.sleep(12)
        self.assert_clean(self.client.stream(*self.stream_options("--seconds", 1)))

    def test_client_that_never_pings_ends(self):
        report = self.client.stream(*self.stream_options("--seconds", 1, "--no-video-ping"))
        self.assertNotEqual(report["exit"], 0)
        self.assertEqual(report["datagrams"], 0)

    def test_a_key_is_not_used_twice(self):
        key = secrets.token_hex(16)
        self.assertEqual(self.client.run("launch", "--appid", self.client.app_id(), "--rikey", key)["status"], 200)
        self.client.run("cancel")
        self.assertNotEqual(self.client.run("launch", "--appid", self.client.app_id(), "--rikey", key)["status"], 200)

    def test_malformed_launches_are_refused(self):
        for words in (("--appid", self.client.app_id(), "--rikey", "00"), ("--appid", self.client.app_id(), "--rikey", "zz" * 16), ("--appid", 999)):
            reply = self.client.run("launch", *words)
            self.assertNotEqual(reply["status"], 200, words)
            self.assertIn("<gamesession>0</gamesession>", reply["body"])

    def test_start_and_stop_without_growth(self):
        rounds = max(4, self.soak)
        options = self.stream_options("--frames", 5, "--seconds", 2, "--quit")
        for _ in range(2):
            self.assert_clean(self.client.stream(*options))
        wait_for(self.is_free, 15, "a free host")
        time.sleep(1)
        before = (self.host.fds(), self.host.threads(), self.host.memory_kb())
        for _ in range(rounds):
            self.assert_clean(self.client.stream(*options))
        time.sleep(1)
        wait_for(lambda: self.host.fds() <= before[0] + 1, 15, f"descriptors to fall back to {before[0]}")
        wait_for(lambda: self.host.threads() <= before[1], 15, f"threads to fall back to {before[1]}")
        self.assertLess(self.host.memory_kb(), before[2] + 8192 + 100 * rounds)


class Removal(DisplayTest):
    def test_removed_client_loses_its_stream(self):
        other = self.new_client()
        other.pair("3333")
        known = Page(self.host).clients()
        stream = self.start_stream(other, *self.stream_options("--seconds", 20)).wait_streaming()
        streaming = [c for c in Page(self.host).clients() if c.get("streaming")]
        self.assertEqual(len(streaming), 1, known)
        self.host.cli("clients", "remove", streaming[0]["id"])
        self.assertTrue(stream.report()["control_gone"])


class Shutdown(TestCase):
    def test_terminated_host_says_goodbye(self):
        self.host = Host()
        self.addCleanup(self.host.stop)
        client = Client(self.host)
        self.addCleanup(client.forget)
        client.pair()
        stream = self.start_stream(client, "--seconds", 20).wait_streaming()
        os.kill(self.host.process.pid, signal.SIGTERM)
        self.assertEqual(self.host.process.wait(15), 0)
        report = stream.report()
        self.assertTrue(report["control_gone"])
        self.assertEqual(report["termination"], 0x80030023)


if __name__ == "__main__":
    unittest.main()
