# SPDX-License-Identifier: Apache-2.0
import os
import secrets
import signal
import time
import unittest

from harness import Client, DisplayTest, Host, Page, TestCase, read_index, wait_for

GONE_LIMIT_S = 11  # ten, and one for the polling
AT_ONCE_NS = 0.5e9


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

    def other_client(self):
        other = self.new_client()
        self.assertEqual(other.pair("2222")["result"], "ok")
        self.addCleanup(other.run, "cancel")
        return other

    def seconds_until_gone(self, page, limit_s=20):
        start = time.monotonic()
        wait_for(lambda: not page.call("GET", "status")["sessions"], limit_s, "the session's end")
        return time.monotonic() - start

    def assert_gone_in_time(self, vanish):
        page, other = Page(self.host), self.other_client()
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 40)).wait_streaming()
        self.assertEqual(len(page.call("GET", "status")["sessions"]), 1)
        vanish(stream.process)
        gone_s = self.seconds_until_gone(page)
        print(f"gone after {gone_s:.1f} s")
        self.assertLessEqual(gone_s, GONE_LIMIT_S)
        self.assert_clean(other.stream(*self.stream_options("--launch", "--seconds", 1, "--decode")))

    def test_killed_client_is_gone_within_ten_seconds(self):
        self.assert_gone_in_time(lambda process: process.kill())

    def test_stopped_client_is_gone_within_ten_seconds(self):
        self.assert_gone_in_time(lambda process: process.send_signal(signal.SIGSTOP))

    def test_client_that_dies_without_a_goodbye_can_come_back_at_once(self):
        self.client.stream(*self.stream_options("--seconds", 1, "--die"))
        self.assert_clean(self.client.stream(*self.stream_options("--seconds", 1, "--decode")))

    def test_client_that_only_pings_for_video_is_gone_within_ten_seconds(self):
        page = Page(self.host)
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 14, "--silent")).wait_streaming()
        self.assertLessEqual(self.seconds_until_gone(page), GONE_LIMIT_S)
        report = stream.report()
        self.assertLess(sum(1 for kbps in report["kbps"] if kbps > 0), 13)

    def test_launch_without_rtsp_expires(self):
        page, other = Page(self.host), self.other_client()
        start = time.monotonic()
        reply = self.client.run("launch", "--appid", self.client.app_id(), "--mode", "1280x720x60")
        self.assertEqual(reply["status"], 200)
        self.assert_clean(other.stream(*self.stream_options("--launch", "--seconds", 1, "--quit")))
        wait_for(lambda: not page.call("GET", "status")["sessions"], 20, "the unused launch to expire")
        taken_s = time.monotonic() - start
        print(f"expired after {taken_s:.1f} s")
        self.assertGreater(taken_s, 5)
        self.assertLessEqual(taken_s, GONE_LIMIT_S)
        self.assertIn("_SERVER_BUSY", self.client.xml("serverinfo", "--https"))  # what it launched is still its own

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
        app = self.client.app_id()
        for words in (("--appid", app, "--rikey", "00"), ("--appid", app, "--rikey", "zz" * 16), ("--appid", 999)):
            reply = self.client.run("launch", *words)
            self.assertNotEqual(reply["status"], 200, words)
            self.assertIn("<gamesession>0</gamesession>", reply["body"])


class Growth(DisplayTest):
    rounds = 50

    def one_round(self, number):
        """Launch, first picture, and away: politely or not."""
        leave = "--die" if number % 2 else "--quit"
        self.assert_clean(self.client.stream(*self.stream_options("--launch", "--frames", 1, "--seconds", 2, leave)))

    def at_rest(self):
        self.client.run("cancel")
        wait_for(lambda: not self.page.call("GET", "status")["sessions"], 15, "the last session's end")

    def test_starting_and_stopping_leaves_nothing_behind(self):
        self.page = Page(self.host)
        for number in range(4):
            self.one_round(number)
        self.at_rest()
        time.sleep(1)
        fds, threads, memory_kb = self.host.fds(), self.host.threads(), self.host.memory_kb()
        start = time.monotonic()
        for number in range(self.rounds):
            self.one_round(number)
        print(f"{(time.monotonic() - start) / self.rounds:.2f} s a round")
        self.at_rest()
        wait_for(lambda: self.host.fds() <= fds, 15, f"descriptors to fall back to {fds}")
        wait_for(lambda: self.host.threads() <= threads, 15, f"threads to fall back to {threads}")
        print(f"memory {memory_kb} kB before, {self.host.memory_kb()} kB after")
        self.assertLessEqual(self.host.memory_kb(), memory_kb + 8192)


class Removal(DisplayTest):
    def assert_removal_ends_the_stream(self, remove):
        """`remove(id)` takes the client off the list in the middle of its stream."""
        other = self.new_client()
        other.pair("3333")
        index = os.path.join(self.temporary_folder(), "index")
        stream = self.start_stream(other, *self.stream_options("--seconds", 20, "--index", index)).wait_streaming()
        streaming = [c for c in Page(self.host).clients() if c.get("streaming")]
        self.assertEqual(len(streaming), 1)
        remove(streaming[0]["id"])
        removed_ns = time.monotonic_ns()
        report = stream.report()
        self.assertTrue(report["control_gone"])
        self.assertLess(read_index(index)[-1]["last_ns"] - removed_ns, AT_ONCE_NS)
        self.assertIn('status_code="401"', other.xml("serverinfo", "--https"))

    def test_by_the_command_line(self):
        self.assert_removal_ends_the_stream(lambda known: self.host.cli("clients", "remove", known))

    def test_by_the_page(self):
        page = Page(self.host)
        self.assert_removal_ends_the_stream(lambda known: page.call("POST", "clients/remove", {"id": known}))

    def test_a_client_cannot_remove_itself(self):
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 3)).wait_streaming()
        self.assertEqual(self.client.run("unpair", "--https")["status"], 200)
        report = stream.report()
        self.assert_clean(report)
        self.assertFalse(report["control_gone"])


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
