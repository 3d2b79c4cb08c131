# SPDX-License-Identifier: Apache-2.0
"""Several clients at once: each with its own picture, rate and end, whatever the others do."""
import os
import re
import signal
import statistics
import unittest

from harness import Client, DisplayTest, Host, Page, Picture, TestCase, Xorg, needs_xorg, read_index, wait_for

FREE, BUSY = "_SERVER_FREE", "_SERVER_BUSY"
GAP_LIMIT_NS = 1e9


class SeveralTest(DisplayTest):
    """`others`: paired clients besides `client`, for the class."""
    other_count = 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.others = []
        for number in range(cls.other_count):
            other = Client(cls.host)
            cls.addClassCleanup(other.forget)
            paired = other.pair(f"{2000 + number}")
            assert paired["result"] == "ok", paired
            cls.others.append(other)
        cls.page = Page(cls.host)

    def setUp(self):
        for client in (self.client, *self.others):
            client.run("cancel")
        wait_for(lambda: not self.sessions(), 15, "the end of the last test's sessions")

    def sessions(self):
        return self.page.call("GET", "status")["sessions"]

    def session_of_width(self, width):
        return next(session for session in self.sessions() if session["width"] == width)

    def start_indexed(self, client, *options):
        """A stream, and where its index will be."""
        index = os.path.join(self.temporary_folder(), "index")
        return self.start_stream(client, *options, "--index", index).wait_streaming(), index

    def assert_no_gap(self, index):
        arrivals = [entry["last_ns"] for entry in read_index(index)]
        gaps = [after - before for before, after in zip(arrivals, arrivals[1:])]
        print(f"longest gap {max(gaps) / 1e6:.0f} ms of {len(arrivals)} pictures")
        self.assertLess(max(gaps), GAP_LIMIT_NS)


class Pictures(SeveralTest):
    size = (1920, 1080)

    def test_each_has_its_own_size_rate_and_damage(self):
        small_last, large_last = (os.path.join(self.temporary_folder(), f"{name}.ppm") for name in ("small", "large"))
        small, small_index = self.start_indexed(self.client, "--width", 1280, "--height", 720, "--fps", 30, "--seconds", 5,
                                                "--ppm-last", small_last)
        large, large_index = self.start_indexed(self.others[0], "--width", 1920, "--height", 1080, "--fps", 60,
                                                "--seconds", 4, "--timecodes", "--ppm-last", large_last)
        small, large = small.report(), large.report()
        for report, size, last in ((small, (1280, 720), small_last), (large, self.size, large_last)):
            self.assert_clean(report)
            self.assertEqual((report["decoded"]["width"], report["decoded"]["height"]), size)
            self.assertEqual(report["frames_lost"], 0)
            self.assert_shows_the_scene(Picture(last), size[0] / self.size[0])
        self.assertGreater(large["decoded"]["timecodes"], 0.9 * large["decoded"]["pictures"])
        pace = [report["frames_delivered"] / report["seconds"] for report in (small, large)]
        print(f"{pace[0]:.1f} and {pace[1]:.1f} pictures a second")
        self.assertLess(pace[0], 33)
        self.assertGreater(pace[1], pace[0])
        for index in (small_index, large_index):  # one glyph changes: little is sent of it, to both
            sizes = [entry["bytes"] for entry in read_index(index)]
            self.assertLess(statistics.median(sizes[1:]), sizes[0] / 5)

    def assert_shows_the_scene(self, picture, scale):
        width, height = self.size
        for x, y, painted in ((30, height - 20, (0x20, 0x24, 0x28)), (63, 64, (0xF8, 0xF8, 0xF8)),
                              (width - 20, height - 60, (30 + (width - 20) * 40 // width, 60 + (height - 60) * 50 // height,
                                                         110))):
            self.assert_colour(picture.mean(round(x * scale), round(y * scale), 3, 4), painted)

    def test_a_picture_size_per_session_is_on_the_page(self):
        self.start_stream(self.client, "--width", 1280, "--height", 720, "--seconds", 30).wait_streaming()
        self.start_stream(self.others[0], "--width", 800, "--height", 600, "--seconds", 30).wait_streaming()
        first, second = self.session_of_width(1280), self.session_of_width(800)
        self.assertTrue(first["owns_mode"])
        self.assertFalse(second["owns_mode"])
        self.assertEqual(str(first["app_id"]), self.client.app_id())
        self.client.run("cancel")
        wait_for(lambda: self.session_of_width(800)["owns_mode"], 10, "the next owner of the mode")

    def test_who_comes_back_stays_the_owner_of_the_mode(self):
        self.start_stream(self.client, "--width", 1280, "--height", 720, "--seconds", 30).wait_streaming()
        self.start_stream(self.others[0], "--width", 800, "--height", 600, "--seconds", 30).wait_streaming()
        self.start_stream(self.client, "--width", 1024, "--height", 576, "--seconds", 30).wait_streaming()
        self.assertTrue(self.session_of_width(1024)["owns_mode"])
        self.assertFalse(self.session_of_width(800)["owns_mode"])


class Ends(SeveralTest):
    """However one of two ends, the other one goes on."""
    other_count = 2

    def assert_goes_on(self, end, *options):
        """`end(stream)` of the other client's stream, which runs with `options`."""
        stays, index = self.start_indexed(self.client, *self.stream_options("--seconds", 5, "--decode"))
        leaves = self.start_stream(self.others[0], *self.stream_options(*options)).wait_streaming()
        end(leaves)
        report = stays.report()
        self.assert_clean(report)
        self.assertFalse(report["control_gone"])
        self.assert_no_gap(index)

    def test_by_leaving(self):
        self.assert_goes_on(lambda stream: self.assert_clean(stream.report()), "--seconds", 1)

    def test_by_quitting(self):
        self.assert_goes_on(lambda stream: self.assert_clean(stream.report()), "--seconds", 1, "--quit")

    def test_by_being_killed(self):
        self.assert_goes_on(lambda stream: stream.kill(), "--seconds", 30)

    def test_by_being_stopped(self):
        self.assert_goes_on(lambda stream: stream.process.send_signal(signal.SIGSTOP), "--seconds", 30)

    def test_by_a_cancel_of_its_own(self):
        self.assert_goes_on(lambda stream: self.others[0].run("cancel"), "--seconds", 30)

    def test_on_the_page(self):
        def end(stream):
            session = next(s for s in self.sessions() if s["width"] == 800)
            self.page.call("POST", "sessions/end", {"id": session["id"]})
            self.assertEqual(stream.report()["termination"], 0x80030023)

        self.assert_goes_on(end, "--seconds", 30, "--width", 800, "--height", 600)

    def test_by_launching_anew(self):
        self.assert_goes_on(lambda stream: self.others[0].stream(*self.stream_options("--launch", "--seconds", 1)),
                            "--seconds", 30)

    def test_a_stopped_client_keeps_nobody_waiting(self):
        stopped = self.start_stream(self.client, *self.stream_options("--seconds", 60)).wait_streaming()
        stopped.process.send_signal(signal.SIGSTOP)
        reports = [other.stream(*self.stream_options("--launch", "--seconds", 1, "--decode")) for other in self.others]
        for report in reports:
            self.assert_clean(report)
            self.assertEqual(report["frames_lost"], 0)
        print(f"first pictures after {[round(report['first_picture_ms']) for report in reports]} ms")
        self.assertLess(max(report["first_picture_ms"] for report in reports), 3000)  # not behind the other's timeout

    def test_both_at_the_same_moment(self):
        streams = [self.start_stream(client, *self.stream_options("--launch", "--seconds", 2, "--decode"))
                   for client in (self.client, *self.others)]
        for stream in streams:
            self.assert_clean(stream.report())

    def test_old_clients_behind_one_address(self):
        streams = [self.start_stream(client, *self.stream_options("--launch", "--plain-rtsp", "--seconds", 2, "--decode"))
                   .wait_streaming() for client in (self.client, *self.others)]
        for stream in streams:
            self.assert_clean(stream.report())


class Server(SeveralTest):
    """What each client is told of the host is about itself."""
    other_count = 2

    def info(self, client):
        body = client.xml("serverinfo", "--https")
        game = re.search(r"<currentgame>(\d+)</currentgame>", body).group(1)
        return (BUSY if BUSY in body else FREE if FREE in body else body), game

    def test_per_certificate(self):
        app = self.client.app_id()
        one, two, three = self.client, *self.others
        for client in (one, two, three):
            self.assertEqual(self.info(client), (FREE, "0"))
        stream_one = self.start_stream(one, *self.stream_options("--seconds", 60)).wait_streaming()
        self.assertEqual([self.info(client) for client in (one, two, three)], [(BUSY, app), (FREE, "0"), (FREE, "0")])
        self.assertEqual(two.run("resume", "--appid", app)["status"], 503)
        stream_two, index = self.start_indexed(two, *self.stream_options("--seconds", 4, "--decode"))
        self.assertEqual([self.info(client) for client in (one, two, three)], [(BUSY, app), (BUSY, app), (FREE, "0")])
        # cancel of one does not touch the other, nor does that of one who runs nothing
        self.assertEqual(three.run("cancel")["status"], 200)
        self.assertEqual(one.run("cancel")["status"], 200)
        self.assertEqual(stream_one.report()["termination"], 0x80030023)
        self.assertEqual([self.info(client) for client in (one, two, three)], [(FREE, "0"), (BUSY, app), (FREE, "0")])
        self.assertEqual(one.run("resume", "--appid", app)["status"], 503)
        report = stream_two.report()
        self.assert_clean(report)
        self.assertFalse(report["control_gone"])
        self.assert_no_gap(index)
        # it has left: its app is still its own, and it resumes beside another one
        self.assertEqual(self.info(two), (BUSY, app))
        self.start_stream(three, *self.stream_options("--seconds", 30)).wait_streaming()
        report = two.stream(*self.stream_options("--seconds", 1, "--decode"))
        self.assert_clean(report)
        self.assertTrue(report["resumed"])
        self.assertEqual(len(self.sessions()), 1)


class Limit(SeveralTest):
    other_count = 16
    scene = None

    def test_the_seventeenth_is_told(self):
        words = ("launch", "--appid", self.client.app_id(), "--mode", "1280x720x60")
        clients = [self.client, *self.others]
        for client in clients[:16]:
            self.assertEqual(client.run(*words)["status"], 200)
        refused = clients[16].run(*words)
        self.assertEqual(refused["status"], 400)
        self.assertIn("16 devices stream from this host already", refused["body"])
        self.assertEqual(clients[3].run(*words)["status"], 200)  # takes the place of its own
        clients[5].run("cancel")
        self.assertEqual(clients[16].run(*words)["status"], 200)


@unittest.skipUnless(os.cpu_count() == 2, "says how it is on two cores")
class Cores(SeveralTest):
    size = (2560, 1440)
    scene = "video"

    def test_two_software_encodes_that_do_not_fit(self):
        first = self.start_stream(self.client, *self.stream_options("--seconds", 60)).wait_streaming()
        second, index = self.start_indexed(self.others[0], "--width", 2560, "--height", 1438, "--seconds", 60)
        reason = wait_for(lambda: self.session_of_height(1438)["rate_reason"] or self.they_fit(), 30, "the reason")
        if reason is True:
            self.skipTest("these cores carry two such encodes")
        found = re.match(r"Two software encodes do not fit 2 cores: (\d+) of 60 pictures per second\. A hardware encoder, "
                         r"or a smaller picture, would give the full rate\.", reason)
        self.assertTrue(found, reason)
        limit = int(found.group(1))
        self.assertLess(limit, 60)
        self.assertEqual(self.session_of_height(1440)["rate_reason"], "")
        wait_for(lambda: 0 < self.session_of_height(1438)["rate_fps"] < 50, 20, "the lower rate")
        rates = {height: self.session_of_height(height)["rate_fps"] for height in (1440, 1438)}
        print(f"{limit} allowed, {rates}")
        self.client.run("cancel")
        first.report()
        wait_for(lambda: not self.session_of_height(1438)["rate_reason"], 10, "the full rate again")
        second.kill()

    def they_fit(self):
        """After a while: the usual encodes of both leave room (host/encode_budget.h)."""
        usual_ms = [float(ms) for ms in re.findall(r"; ms p50/p99/max: .* encode ([\d.]+)/", self.host.log())]
        return len(usual_ms) >= 20 and sum(usual_ms[-2:]) * 60 * 1.3 < 0.7 * 2 * 1000

    def session_of_height(self, height):
        return next(session for session in self.sessions() if session["height"] == height)


@needs_xorg
class Owner(TestCase):
    """The first client's mode, then the next one's, then the old one."""

    def mode(self):
        found = re.search(r"current (\d+) x (\d+)", self.display.xrandr())
        return int(found.group(1)), int(found.group(2))

    def assert_mode(self, *size):
        wait_for(lambda: self.mode() == size, 20, f"the mode {size}; it is {self.mode()}")

    def start(self, client, size, *options):
        stream = self.start_stream(client, "--width", size[0], "--height", size[1], *options)
        return stream.wait_streaming()

    def start_host(self, match_mode):
        self.display = Xorg(self.temporary_folder())
        self.addCleanup(self.display.stop)
        self.host = Host(self.display, {"match_mode": match_mode})
        self.addCleanup(self.host.stop)
        self.first, self.second = self.new_client(), self.new_client()
        for client in (self.first, self.second):
            self.assertEqual(client.pair()["result"], "ok")
        self.display.fill(0x2080C0)

    def test_the_next_oldest_takes_over(self):
        self.start_host("always")
        last = os.path.join(self.temporary_folder(), "last.ppm")
        first = self.start(self.first, (1280, 720), "--seconds", 60)
        self.assert_mode(1280, 720)
        second = self.start(self.second, (800, 600), "--seconds", 4, "--ppm-last", last)
        self.display.fill(0x2080C0)
        report = second.report()
        self.assert_clean(report)
        self.assertEqual(self.mode(), (1280, 720))
        picture = Picture(last)  # 1280x720 becomes 800x450 between bars of 75
        for y, painted in ((60, (0, 0, 0)), (82, (0x20, 0x80, 0xC0)), (500, (0x20, 0x80, 0xC0)), (535, (0, 0, 0))):
            self.assert_colour(picture.mean(300, y, 8, 4), painted)
        second = self.start(self.second, (800, 600), "--seconds", 60)
        self.first.run("cancel")
        first.report()
        self.assert_mode(800, 600)
        self.second.run("cancel")
        second.report()
        self.assert_mode(1920, 1080)

    def test_who_does_not_ask_for_its_mode_is_scaled(self):
        self.start_host("client")
        first = self.start(self.first, (1280, 720), "--seconds", 60)
        second = self.start(self.second, (800, 600), "--seconds", 60, "--sops")
        self.assertEqual(self.mode(), (1920, 1080))
        self.first.run("cancel")
        first.report()
        self.assert_mode(800, 600)
        second.kill()
        self.assert_mode(1920, 1080)


if __name__ == "__main__":
    unittest.main()
