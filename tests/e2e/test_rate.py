# SPDX-License-Identifier: Apache-2.0
"""The rate rule: all UDP payload of the video stream, parity included, stays within the client's kbit/s over any second
that starts at least a second after an IDR; in every scene, and while windows come and go. And if the client asks for
IDRs without end, no second holds more than the rate and the 100 ms of it that one IDR may take.

Packets are recorded with the kernel's time of arrival, which over loopback is the time of sending, however late the
client reads. Bytes have no tolerance. Seconds are taken short by EDGE_NS, because two such times may be wrong against
each other: kernel stamps are wall clock, and the client's way to the monotonic one is exact to 10 us.
"""
import os
import unittest

from harness import DisplayTest, Scene, read_index

SECONDS = 6
SECOND_NS = 10**9
EDGE_NS = 50_000
USUAL_KBPS, LOW_KBPS = 15000, 3000
IDR_SHARE = 0.1  # of a second
IDRS_LEAST = 10  # of those that were asked for, however slow the machine
LEAST_SHARE = 0.1  # of the painted pictures: the stream goes on, however slow the machine


def read_packets(path):
    """(arrival ns, bytes, frame) of each, by arrival."""
    with open(path, encoding="ascii") as file:
        return sorted(tuple(map(int, line.split())) for line in file)


def busiest_second(packets):
    """(kbit, start ns) of the second that holds the most; each candidate starts with a packet."""
    most, start, held, first = 0, 0, 0, 0
    for at, size, _ in packets:
        held += size
        while at - packets[first][0] >= SECOND_NS - EDGE_NS:
            held -= packets[first][1]
            first += 1
        if held > most:
            most, start = held, packets[first][0]
    return most * 8 / 1000, start


def after_idr(packets, index):
    """Those a second and more after the last packet of any IDR."""
    frames = {entry["frame"] for entry in index if entry["idr"]}
    begin = max(at for at, _, frame in packets if frame in frames) + SECOND_NS
    return [packet for packet in packets if packet[0] >= begin]


class BusiestSecond(unittest.TestCase):
    """The measure itself, on made-up packets."""

    def test_a_second_is_open_at_its_end(self):
        steady = [(i * SECOND_NS // 100, 1250, 0) for i in range(1000)]
        self.assertEqual(busiest_second(steady)[0], 1000)

    def test_a_burst_across_two_seconds_of_a_clock_is_found(self):
        burst = [(SECOND_NS - 10**8, 1250, 0), (SECOND_NS + 10**8, 1250, 0), (2 * SECOND_NS, 125, 0)]
        self.assertEqual(busiest_second(burst), (20, SECOND_NS - 10**8))


class Rate(DisplayTest):
    scene = None

    def stream_scene(self, scene, kbps, *more):
        """(report, index, packets, painted) of a stream of that scene."""
        folder = self.temporary_folder()
        index, packets, painted = (os.path.join(folder, name) for name in ("index", "packets", "painted"))
        painter = Scene(self.display, scene, more=("--log", painted))
        try:
            report = self.client.stream(*self.stream_options(
                "--seconds", SECONDS, "--bitrate", kbps, "--index", index, "--packets", packets, "--decode", "--quit",
                *more))
        finally:
            painter.stop()
        self.assert_clean(report)
        self.assertEqual(report["frames_lost"], 0, "what is lost cannot be counted")
        with open(painted, encoding="ascii") as file:
            times = [int(line.split()[2]) for line in file if line.endswith("\n")]  # it is killed in the middle of one
        return report, read_index(index), read_packets(packets), times

    def check(self, scene, kbps):
        """(share of the rate in the busiest second, pictures a second)"""
        report, index, packets, painted = self.stream_scene(scene, kbps)
        self.assertEqual(report["idr"], 1, "an IDR nobody asked for")
        self.assertEqual(sum(size for _, size, _ in packets), report["bytes"])
        counted = after_idr(packets, index)
        kbit, start = busiest_second(counted)
        print(f"{scene} at {kbps} kbit/s: {kbit:.0f} kbit in the busiest second", flush=True)
        self.assertLessEqual(kbit, kbps, f"the second {(start - packets[0][0]) / 1e9:.3f} s after the first packet")
        self.check_goes_on(index, painted)
        return kbit / kbps, report["frames_delivered"] / report["seconds"]

    def check_storm(self, scene, kbps):
        report, index, packets, painted = self.stream_scene(scene, kbps, "--send-idr-every", 0.02)
        kbit, _ = busiest_second(packets)
        print(f"{scene} at {kbps} kbit/s, {report['idr']} IDRs: {kbit:.0f} kbit in the busiest second", flush=True)
        self.assertGreater(report["idr"], IDRS_LEAST)
        self.assertLessEqual(kbit, (1 + IDR_SHARE) * kbps)
        self.check_goes_on(index, painted)

    def check_goes_on(self, index, painted):
        times = [entry["last_ns"] for entry in index if entry["delivered"]]
        seen = sum(at >= times[0] for at in painted)  # its log ends some seconds early: it was killed
        self.assertGreater(seen, 10)
        self.assertGreater(sum(at <= painted[-1] for at in times), LEAST_SHARE * seen)
        self.assertGreater(times[-1] - times[0], (SECONDS - 1) * SECOND_NS, "no pictures at the end")

    def check_both(self, scene):
        for kbps in (USUAL_KBPS, LOW_KBPS):
            with self.subTest(kbps=kbps):
                self.check(scene, kbps)

    def test_type(self):
        self.check_both("type")

    def test_composited(self):
        self.check_both("composited")

    def test_scroll(self):
        self.check_both("scroll")

    def test_windows(self):
        self.check_both("windows")

    def test_video(self):
        self.check("video", USUAL_KBPS)
        used, fps = self.check("video", LOW_KBPS)
        if fps >= 30:  # fewer need no bound
            self.assertGreater(used, 0.5, "a rate that is not used is no test")

    def test_idrs_without_end(self):
        for scene, kbps in (("type", USUAL_KBPS), ("type", LOW_KBPS), ("video", LOW_KBPS)):
            with self.subTest(scene=scene, kbps=kbps):
                self.check_storm(scene, kbps)


if __name__ == "__main__":
    unittest.main()
