# SPDX-License-Identifier: Apache-2.0
"""The whole host with `encoder = nvenc`, on the driver double (tests/fakegpu) instead of a GPU.

FAKEGPU: the folder of its libraries. What the double was asked is read from its log: see tests/fakegpu/script.h.
"""
import os
import re
import shutil
import tempfile
import time
import unittest

from harness import DisplayTest, Page, Picture, read_index, wait_for
from test_rate import after_idr, busiest_second, read_packets

FAKEGPU = os.environ.get("FAKEGPU", "")
FRAMES = 330  # of a stream with a loss every 61: at least five of them, however slow the machine


class DoubleTest(DisplayTest):
    first_script = ()  # while the host starts
    always = ()        # part of each script
    codec = "h264"

    def stream_options(self, *more):
        return super().stream_options("--codec", self.codec, *more)

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="es-fakegpu-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.script_path, cls.trace_path = (os.path.join(cls.folder, name) for name in ("script", "trace"))
        cls.script(*cls.first_script)
        cls.wrapper = ("env", f"LD_LIBRARY_PATH={FAKEGPU}", f"FAKEGPU_SCRIPT={cls.script_path}",
                       f"FAKEGPU_LOG={cls.trace_path}")
        super().setUpClass()

    @classmethod
    def script(cls, *lines):
        """Replaces the script; the double reads it at its next call."""
        with open(cls.script_path + ".new", "w", encoding="ascii") as file:
            file.write("".join(line + "\n" for line in (*cls.always, *lines)))
        os.rename(cls.script_path + ".new", cls.script_path)

    def trace(self, word):
        """What the double wrote down under this word: a list of dictionaries."""
        with open(self.trace_path, encoding="ascii") as file:
            lines = [line.split() for line in file]
        return [dict(pair.split("=", 1) for pair in words[1:] if "=" in pair) for words in lines if words[0] == word]

    def setUp(self):
        self.script("")
        super().setUp()
        self.mark = len(self.host.log())

    def log(self):
        return self.host.log()[self.mark:]


class Stream(DoubleTest):
    settings = {"encoder": "nvenc"}
    restriction = "1"  # asked for in the parameter sets
    dpb = "7"          # what is lost can be forgotten; two are kept for longer
    uploads = True     # to CUDA memory

    def test_it_is_found_and_said(self):
        self.assertEqual(set(re.findall(r"encoder: (\S+) works", self.host.log())), {self.settings["encoder"]})
        self.assertNotIn("x264", self.host.log())

    def test_time_code_and_colours(self):
        last = os.path.join(self.temporary_folder(), "last.ppm")
        report = self.client.stream(*self.stream_options("--seconds", 4, "--timecodes", "--ppm-last", last))
        self.assert_clean(report)
        decoded = report["decoded"]
        self.assertEqual((decoded["width"], decoded["height"]), self.size)
        self.assertEqual(decoded["pictures"], report["frames_delivered"])
        self.assertEqual(decoded["held_max"], 0)
        self.assertGreaterEqual(decoded["timecodes"], 0.9 * decoded["pictures"] - 2)
        self.assertGreater(report["frames_delivered"], 30)
        picture = Picture(last)
        self.assert_colour(picture.mean(20, self.size[1] - 30, 20, 20), (0x20, 0x24, 0x28))
        self.assert_colour(picture.mean(62, 62, 6, 12), (0xF8, 0xF8, 0xF8))
        asked = self.trace("initialize")[-1]
        for key, value in (("codec", self.codec), ("preset", "p4"), ("tuning", "ull"), ("width", "1280"), ("rc", "cbr"),
                           ("height", "720"), ("fps", "6000/100"), ("gop", "-1"), ("zero_reorder", "1"),
                           ("interval_p", "1"), ("dpb", self.dpb), ("restriction", self.restriction), ("vbv", str(int(asked["average"]) // 60))):
            self.assertEqual(asked[key], value, key)
        self.assertEqual(self.trace("picture")[-1]["format"], "nv12")

    def test_only_what_changes_is_uploaded(self):
        def counted():
            return sum(int(copy["bytes"]) for copy in self.trace("cuMemcpy2D")), len(self.trace("picture"))
        bytes_before, pictures_before = counted()
        self.assert_clean(self.client.stream(*self.stream_options("--seconds", 3)))
        bytes_after, pictures_after = counted()
        whole = self.size[0] * self.size[1] * 3 // 2
        copied, pictures = bytes_after - bytes_before, pictures_after - pictures_before
        print(f"{pictures} pictures of {whole} bytes: {copied} bytes uploaded")
        if self.uploads:
            self.assertGreaterEqual(copied, whole)
            self.assertLess(copied - whole, (pictures - 1) * whole / 20)
        else:
            self.assertEqual(copied, 0)

    def test_an_idr_is_made_when_a_picture_is_lost_and_at_no_other_time(self):
        def counted():
            return sum(p["type"] == "idr" for p in self.trace("picture"))
        before = counted()
        self.assert_clean(self.client.stream(*self.stream_options("--seconds", 2)))
        self.assertLessEqual(counted() - before, 2)  # the first, and the client's own request at the beginning
        before = counted()
        report = self.client.stream(*self.stream_options("--seconds", 4, "--loss-per-block", "m+1", "--every", 30, "--decode"))
        self.assertEqual(report["exit"], 0, report["error"])
        self.assertGreater(report["frames_lost"], 0)
        self.assertGreater(counted() - before, 2)

    def test_a_slow_gpu_gets_fewer_pictures_and_none_waits(self):
        self.script("ms=40")
        report = self.client.stream(*self.stream_options("--seconds", 4, "--timecodes"))
        self.assert_clean(report)
        self.assertEqual(report["frames_lost"], 0)
        self.assertGreater(report["decoded"]["timecodes"], 10)
        self.assertLess(report["frames_delivered"], 4 * 60 / 2)  # 40 ms each: 25 a second
        dropped = [int(n) for n in re.findall(rf"{self.settings['encoder']}; .*dropped (\d+)", self.log())]
        self.assertGreater(max(dropped), 10, "pictures were not dropped before the encoder")

    def test_each_session_is_given_back(self):
        wait_for(lambda: len(self.trace("destroy")) == len(self.trace("opened")), 15, "all sessions to be destroyed")
        for _ in range(2):
            opened = len(self.trace("opened"))
            self.assert_clean(self.client.stream(*self.stream_options("--seconds", 1)))
            self.client.run("cancel")
            wait_for(lambda: len(self.trace("destroy")) == len(self.trace("opened")), 15, "the session to be destroyed")
            self.assertEqual(len(self.trace("opened")), opened + 1)


class StreamHevc(Stream):
    codec = "hevc"


class StreamThroughBuffers(Stream):
    """On a driver that gives no CUDA memory."""
    always = ("fail.cuMemAllocPitch=out_of_memory",)
    uploads = False


class Parts(DoubleTest):
    """Pictures that leave slice by slice, each part as FEC blocks of its own."""
    settings = {"encoder": "nvenc"}
    always = ("ms=12",)
    scene = "video"
    kbps = 40000

    def stream(self, *more):
        """(report, index) of a stream of some seconds."""
        index = os.path.join(self.temporary_folder(), "index")
        report = self.client.stream(*self.stream_options("--seconds", 4, "--bitrate", self.kbps, "--timecodes",
                                                         "--index", index, *more))
        self.assert_clean(report)
        return report, read_index(index)

    def assert_in_parts(self, report, index):
        self.assertGreater(report["frames_delivered"], 30)
        large = [entry for entry in index if entry["packets"] >= 20 and entry["delivered"]]
        self.assertGreater(len(large), 0.8 * len(index))
        self.assertGreater(sum(entry["blocks"] > 1 for entry in large), 0.5 * len(large))  # 9 of 10 on an idle machine
        self.assertGreaterEqual(report["decoded"]["timecodes"], 0.9 * report["decoded"]["pictures"] - 2)
        self.assertEqual(self.trace("initialize")[-1]["subframe"], "1")

    def test_the_pictures_are_right_and_the_rate_is_kept(self):
        packets = os.path.join(self.temporary_folder(), "packets")
        report, index = self.stream("--encrypt-video", "--packets", packets)
        self.assert_in_parts(report, index)
        self.assertEqual(report["frames_lost"], 0)
        self.assertEqual(report["idr"], 1)
        self.assertLessEqual(busiest_second(after_idr(read_packets(packets), index))[0], self.kbps)

    def test_losses_are_recovered_from_and_end_the_parts(self):
        report, index = self.stream("--loss-per-block", "m")
        self.assertEqual(report["frames_lost"], 0)
        self.assertGreater(report["blocks_recovered"], 30)
        self.assertEqual({entry["blocks"] for entry in index[len(index) // 2:]}, {1})

    def test_a_gpu_that_shows_something_else_than_it_makes_costs_one_picture(self):
        self.script("torn=30")
        report, index = self.stream()
        self.assertIn("whole pictures from now on", self.log())
        self.assertEqual(report["idr"], 2)
        self.assertEqual({entry["blocks"] for entry in index if entry["frame"] > 40}, {1})
        self.assertGreaterEqual(report["decoded"]["timecodes"], 0.9 * report["decoded"]["pictures"] - 2)

    def test_a_small_picture_goes_as_a_whole(self):
        index = os.path.join(self.temporary_folder(), "index")
        self.assert_clean(self.client.stream(*self.stream_options("--seconds", 2, "--bitrate", 2000, "--index", index)))
        self.assertEqual({entry["blocks"] for entry in read_index(index) if not entry["idr"]}, {1})


class Rate(DoubleTest):
    """The page's limit of a stream that is under way."""
    settings = {"encoder": "nvenc"}
    scene = "video"
    idrs_of_a_change = 0
    falls = 2

    def test_the_page_lowers_the_rate_while_it_streams(self):
        index = os.path.join(self.temporary_folder(), "index")
        page = Page(self.host)
        pictures = len(self.trace("picture")) if self.is_double() else 0
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 10, "--bitrate", 16000, "--timecodes",
                                                                     "--index", index))
        stream.wait_streaming()
        time.sleep(4)
        session = page.call("GET", "status")["sessions"][0]
        self.assertEqual(session["bitrate_kbps"], session["bitrate_max_kbps"])
        limit = session["bitrate_max_kbps"] // 8  # less than a loaded machine encodes
        asked_ns = time.monotonic_ns()
        page.call("POST", "sessions/bitrate", {"id": session["id"], "kbps": str(limit)})
        changed_ns = time.monotonic_ns()
        report = stream.report()
        self.assert_clean(report)
        self.assertEqual(report["frames_lost"], 0)
        entries = read_index(index)
        before, after = (sum(e["bytes"] for e in entries if start <= e["last_ns"] - changed_ns < start + 2e9) * 4 / 1e6
                         for start in (-2e9, 1e9))
        print(f"{before:.1f} Mbit/s, then {after:.1f}, limit {limit / 1000:.1f}")
        self.assertLess(after, limit / 1000 * 1.001)
        self.assertGreater(before, self.falls * after)
        self.assertEqual(sum(e["idr"] for e in entries if e["last_ns"] > asked_ns), self.idrs_of_a_change)
        if self.is_double():
            self.assertEqual(len(self.trace("reconfigure")), 1)
            self.assertLessEqual(sum(p["type"] == "idr" for p in self.trace("picture")[pictures:]), 2)

    def is_double(self):
        return self.settings["encoder"] == "nvenc"


class RateHevc(Rate):
    codec = "hevc"
    falls = 1  # the double's HEVC does not heed the rate, the sender does


class RateInSoftware(Rate):
    settings = {"encoder": "x264"}


class RateByANewEncoder(Rate):
    settings = {"encoder": "nvenc-lavc"}
    idrs_of_a_change = 1


class Invalidation(DoubleTest):
    """A client that names the frames it lost (0x0301) instead of asking for an IDR."""
    settings = {"encoder": "nvenc"}
    stand_in = "p"

    def stream(self, *more):
        """(report, what arrived, pictures of the double, its invalidations)"""
        index = os.path.join(self.temporary_folder(), "index")
        pictures, forgotten = len(self.trace("picture")), len(self.trace("invalidate"))
        report = self.client.stream(*self.stream_options("--frames", FRAMES, "--seconds", 60, "--timecodes",
                                                         "--loss-per-block", "m+1", "--every", 61, "--invalidate",
                                                         "--index", index, *more))
        self.assertEqual(report["exit"], 0, report["error"])
        self.assertTrue(report["rtsp"]["invalidation_offered"])
        self.assertEqual(report["idr_requests"], 0)
        self.assertGreater(report["frames_lost"], 3)
        return (report, read_index(index), self.trace("picture")[pictures:], self.trace("invalidate")[forgotten:])

    def idrs_for_gso(self):
        """Three losses in a row end the cutting of batches by the kernel, which is answered by an IDR."""
        return self.log().count("segmentation offload is off there")

    def test_what_was_lost_is_forgotten_and_no_idr_is_made(self):
        report, entries, pictures, forgotten = self.stream()
        idrs = 1 + self.idrs_for_gso()
        self.assertEqual(sum(p["type"] == "idr" for p in pictures), idrs)
        self.assertEqual({p["type"] for p in pictures} - {"idr"}, {"p", self.stand_in})
        marked = [e for e in entries if e["type"] == 5]
        self.assertGreaterEqual(len(marked), report["frames_lost"] - idrs)
        self.assertGreaterEqual(len(forgotten), len(marked))
        self.assertTrue(all(e["delivered"] and not e["idr"] for e in marked))
        decoded = report["decoded"]
        # libavcodec shows nothing for some pictures where a loss spans the wrap of the double's frame_num, every 16
        self.assertEqual(decoded["errors"], 0)
        self.assertGreater(decoded["pictures"], 0.9 * report["frames_delivered"])
        self.assertEqual(decoded["timecodes"], decoded["pictures"], "a picture that cannot be read")
        self.assertLess(report["frames_dropped"], 4 * report["frames_lost"])  # those under way, not until an IDR

    def test_a_long_loss_goes_back_to_a_picture_that_the_client_has_confirmed(self):
        report, entries, pictures, _ = self.stream("--row", 7)
        self.assertGreater(report["confirmations"], 10)
        marked = [p for p in pictures if p["ltr_mark"] != "-1"]
        self.assertGreaterEqual(len(marked), report["confirmations"])
        self.assertEqual({p["ltr_mark"] for p in marked}, {"0", "1"})
        used = [p for p in pictures if p["ltr_use"] != "0"]
        self.assertGreaterEqual(len(used), 3)
        # the one that ends GSO may be lost itself, before a picture after it is confirmed; and a busy client confirms late
        self.assertLess(sum(p["type"] == "idr" for p in pictures) - 1 - 2 * self.idrs_for_gso(), len(used) / 2)
        decoded = report["decoded"]
        self.assertEqual(decoded["errors"], 0)
        self.assertEqual(decoded["timecodes"], decoded["pictures"], "a picture that cannot be read")

    def test_with_one_reference_an_idr_is_made(self):
        report, entries, pictures, forgotten = self.stream("--one-reference")
        self.assertEqual(forgotten, [])
        self.assertEqual(report["confirmations"], 0)
        self.assertEqual([e for e in entries if e["type"] == 5], [])
        self.assertGreaterEqual(sum(p["type"] == "idr" for p in pictures), report["frames_lost"])
        self.assertEqual(report["decoded"]["timecodes"], report["frames_delivered"])

    def test_a_gpu_that_cannot_makes_an_idr_although_it_was_offered(self):
        self.script("fail.InvalidateRefFrames=generic")
        report, entries, pictures, _ = self.stream()
        self.assertEqual([e for e in entries if e["type"] == 5], [])
        self.assertGreaterEqual(sum(p["type"] == "idr" for p in pictures), report["frames_lost"])
        self.assertIn("NvEncInvalidateRefFrames failed", self.log())


class InvalidationHevc(Invalidation):
    """What most desktop clients can do. In the double intra pictures stand for those that refer to older ones."""
    codec = "hevc"
    stand_in = "i"
    size = (640, 360)  # libx265 has one thread


class NoInvalidation(DoubleTest):
    settings = {"encoder": "nvenc"}
    first_script = ("cap.invalidation=0",)

    def test_it_is_not_offered(self):
        report = self.client.stream(*self.stream_options("--seconds", 1))
        self.assertFalse(report["rtsp"]["invalidation_offered"])


class TooLarge(DoubleTest):
    """More than the GPU makes."""
    settings = {"encoder": "auto"}
    first_script = ("cap.width_max=1000",)
    codec = "hevc"

    def test_software_makes_it_and_nothing_has_failed(self):
        report = self.client.stream(*self.stream_options("--seconds", 1))
        self.assert_clean(report)
        self.assertEqual(report["rtsp"]["codec"], "h264")
        self.assertIn("HEVC is not offered: the GPU does not make it in 1280x720", self.log())
        self.assertNotIn("nvenc cannot encode", self.log())

    def test_what_the_gpu_makes_is_by_the_gpu(self):
        report = self.client.stream("--codec", "hevc", "--width", 960, "--height", 540, "--seconds", 1)
        self.assert_clean(report)
        self.assertEqual(report["rtsp"]["codec"], "hevc")

    def test_what_nobody_makes_is_refused_in_words(self):
        report = self.client.stream("--codec", "hevc", "--width", 5120, "--height", 1440, "--seconds", 1)
        self.assertNotEqual(report["exit"], 0)
        self.assertIn("No encoder of this host makes pictures of this size", str(report))


class ThroughLibavcodec(Stream):
    settings = {"encoder": "nvenc-lavc"}
    restriction = "0"
    dpb = "1"
    uploads = False


class HevcThroughLibavcodec(ThroughLibavcodec):
    codec = "hevc"


class AfterFailure(DoubleTest):
    """Each test begins with a GPU that works, also after one that broke it."""
    settings = {"encoder": "auto"}
    software = "x264"

    def setUp(self):
        super().setUp()
        if self.is_broken():
            self.assertEqual(self.client.run("launch", "--appid", self.client.app_id())["status"], 200)
            wait_for(lambda: not self.is_broken(), 20, "the GPU to be found in order")
            self.mark = len(self.host.log())

    def is_broken(self):
        encoders = Page(self.host).call("GET", "status")["encoders"]
        return any(one["name"].startswith("nvenc") and not one["usable"] for one in encoders)

    def stream_through(self, event, *more, clean=True):
        """A stream in whose middle `event` happens. (report, what was delivered)"""
        index = os.path.join(self.temporary_folder(), "index")
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 8, "--timecodes", "--index", index,
                                                                     *more))
        stream.wait_streaming()
        wait_for(lambda: re.search(r"stream \w+: [1-9][\d.]* fps .*nvenc", self.log()), 20, "pictures of the GPU")
        event()
        wait_for(lambda: f"going on with {self.software}" in self.log(), 20, "the fall-back")
        report = stream.report()
        self.assertEqual(report["exit"], 0, report["error"])
        if clean:
            self.assert_clean(report)
        return report, [e for e in read_index(index) if e["delivered"]]


class FailureInAPicture(AfterFailure):
    """Of a picture whose first slices have left the rest will not come: the client misses it, and is helped at once."""
    always = ("ms=12",)
    scene = "video"

    def test_software_goes_on(self):
        for event in ("fail.LockBitstream=generic", "hang=0"):
            with self.subTest(event=event):
                self.setUp()
                report, entries = self.stream_through(lambda e=event: self.script(e), "--bitrate", 40000)
                self.assertLessEqual(report["frames_lost"], 1)
                frames = [e["frame"] for e in entries]
                at = max(i for i, e in enumerate(entries) if e["idr"])
                self.assertGreater(at, 2, "no IDR in the middle")
                self.assertGreater(len(entries), at + 30, "the stream did not go on")
                self.assertEqual(frames[at:], list(range(frames[at], frames[-1] + 1)))
                print(f"{event}: {report['frames_lost']} lost")


class Failure(AfterFailure):
    """The sessions go on in software."""
    errors = ("EncodePicture=generic", "EncodePicture=device_not_exist", "EncodePicture=out_of_memory",
              "EncodePicture=encoder_busy", "cuMemcpy2D=generic")

    def check_index(self, entries):
        frames = [e["frame"] for e in entries]
        self.assertEqual(frames, list(range(frames[0], frames[0] + len(frames))), "a frame is missing")
        at = max(i for i, e in enumerate(entries) if e["idr"])
        self.assertGreater(at, 2, "no IDR in the middle")
        self.assertGreater(len(entries), at + 30, "the stream did not go on")
        print(f"from the last picture of the GPU to the IDR in software: "
              f"{(entries[at]['last_ns'] - entries[at - 1]['last_ns']) / 1e6:.0f} ms")

    def test_each_error_is_answered_by_software_and_an_idr(self):
        for error in self.errors:
            with self.subTest(error=error):
                self.setUp()
                pictures = len(self.trace("picture"))
                report, entries = self.stream_through(lambda e=error: self.script(f"fail.{e}"))
                self.assertGreater(len(self.trace("picture")), pictures + 10)
                self.assertEqual(report["frames_lost"], 0)
                self.check_index(entries)

    def test_losses_told_while_the_encoder_is_replaced(self):
        """What is lost then was never the new encoder's: nothing but an IDR helps."""
        losses = ("--invalidate", "--loss-per-block", "m+1", "--every", 9, "--row", 7)
        for _ in range(2):
            self.setUp()
            self.stream_through(lambda: self.script("fail.EncodePicture=generic"), *losses, clean=False)

    def test_a_gpu_that_hangs_is_left_behind(self):
        report, entries = self.stream_through(lambda: self.script("hang=0"))
        self.assertEqual(report["frames_lost"], 0)
        self.check_index(entries)
        self.assertIn("watchdog: encode", self.log())

    def test_no_free_session_is_said_and_software_takes_over(self):
        self.script("sessions=0")
        self.assert_clean(self.client.stream(*self.stream_options("--seconds", 2, "--decode")))
        self.assertIn("the GPU gives no further encoder session", self.log())
        self.assertTrue(re.search(rf"stream \w+: .*{self.software}", self.log()), self.log())

    def test_the_second_of_two_sessions_is_over_the_limit(self):
        self.script("sessions=1")
        page, second = Page(self.host), self.new_client()
        self.assertEqual(second.pair()["result"], "ok")
        first = self.start_stream(self.client, *self.stream_options("--seconds", 8, "--decode"))
        first.wait_streaming()
        other = self.start_stream(second, *self.stream_options("--seconds", 4, "--decode"))
        other.wait_streaming()

        def encoders():
            return sorted(s["encoder"] for s in page.call("GET", "status")["sessions"])
        wait_for(lambda: encoders() == ["nvenc", self.software], 20, "one session by each encoder")
        for stream in (other, first):
            self.assert_clean(stream.report())


class FailureHevc(Failure):
    codec = "hevc"
    software = "x265"
    errors = ("EncodePicture=generic", "EncodePicture=device_not_exist")
    size = (640, 360)  # libx265 has one thread in the double


class Fallen(AfterFailure):
    """Software has to go on with HEVC that it cannot make as fast as was asked for."""
    codec = "hevc"
    software = "x265"

    def offered(self):
        return int(re.search(r"<ServerCodecModeSupport>(\d+)<", self.client.xml("serverinfo")).group(1))

    def test_it_makes_what_it_can_and_the_next_client_is_offered_less(self):
        page = Page(self.host)
        self.assertTrue(self.offered() & 0x100)
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 12, "--fps", 480))
        stream.wait_streaming()
        wait_for(lambda: re.search(r"stream \w+: [1-9][\d.]* fps .*nvenc", self.log()), 20, "pictures of the GPU")
        self.script("fail.EncodePicture=device_not_exist", "cuda_error=999")
        wait_for(lambda: not self.offered() & 0x100, 20, "HEVC not to be offered")

        def status():
            found = page.call("GET", "status")
            return found if found["sessions"] and found["sessions"][0]["rate_reason"] and found["gpu"]["findings"] else None
        found = wait_for(status, 20, "a word about it")
        session = found["sessions"][0]
        self.assertEqual((session["encoder"], session["codec"]), (self.software, "HEVC"))
        self.assertRegex(session["rate_reason"], r"Software holds \d+ of 480 pictures per second")
        self.assertRegex(found["gpu"]["findings"][0]["what"], r"NVENC cannot be used: cuInit failed: .*\(999\)")
        report = stream.report()
        self.assertEqual(report["exit"], 0, report["error"])
        self.assertGreater(report["frames_delivered"], 20)
        report = self.client.stream(*self.stream_options("--seconds", 1))
        self.assert_clean(report)
        self.assertEqual(report["rtsp"]["codec"], "h264")


class Licence(DoubleTest):
    """A vGPU whose licence comes when the host is running: what refused is tried again at a launch."""
    settings = {"encoder": "auto"}
    first_script = ("licence=unlicensed", "fail.OpenEncodeSessionEx=generic")

    def test_the_gpu_is_used_once_it_has_its_licence(self):
        self.script(*self.first_script)
        self.assertIn("this vGPU has no licence", self.host.log())
        self.assertFalse(self.is_found_at_a_launch())
        self.assertRegex(self.host.log(), r"stream \w+: .*x264")
        self.script("licence=licensed")
        # a launch tries it, at most every 30 s, and the next one has it
        wait_for(self.is_found_at_a_launch, 60, "a stream by NVENC")
        self.assertIn("encoder: nvenc works now", self.host.log())

    def is_found_at_a_launch(self):
        self.assert_clean(self.client.stream(*self.stream_options("--seconds", 2)))
        return re.search(r"stream \w+: .*; .*nvenc|stream \w+: .* nvenc;", self.log())


if __name__ == "__main__":
    unittest.main()
