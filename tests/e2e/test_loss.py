# SPDX-License-Identifier: Apache-2.0
import os
import unittest

from harness import DisplayTest, read_index


class Loss(DisplayTest):
    def stream(self, *options, seconds=3):
        report = self.client.stream(*self.stream_options("--seconds", seconds, "--timecodes", *options))
        self.assert_clean(report)
        self.assertEqual(report["decoded"]["pictures"], report["frames_delivered"])
        self.assertGreater(report["frames_delivered"], 20)
        return report

    def test_parity_replaces_as_many_packets_as_it_has(self):
        for seed in (1, 2):
            report = self.stream("--loss-per-block", "m", "--seed", seed)
            self.assertEqual((report["frames_lost"], report["idr"]), (0, 1))
            self.assertGreater(report["frames_recovered"], 10)

    def test_parity_repairs_sealed_packets(self):
        report = self.stream("--loss-per-block", "m", "--encrypt-video")
        self.assertEqual(report["frames_lost"], 0)
        self.assertGreater(report["frames_recovered"], 10)

    def test_one_more_than_parity_recovers_by_an_idr(self):
        report = self.stream("--loss-per-block", "m+1", "--every", 30, seconds=4)
        self.assertGreater(report["frames_lost"], 1)
        self.assertGreaterEqual(report["idr_requests"], 1)
        self.assertGreaterEqual(report["idr"], 2)
        self.assertGreater(report["frames_delivered"], report["frames_dropped"])

    def test_picture_is_whole_after_the_idr(self):
        index = os.path.join(self.temporary_folder(), "index")
        self.stream("--loss-per-block", "m+1", "--every", 40, "--index", index, seconds=4)
        delivered = [e for e in read_index(index) if e["delivered"]]
        for before, entry in zip(delivered, delivered[1:]):
            self.assertTrue(entry["frame"] == before["frame"] + 1 or entry["idr"], "delivered across a loss")

    def test_client_that_invalidates_gets_a_clean_frame(self):
        report = self.stream("--loss-per-block", "m+1", "--every", 30, "--invalidate", seconds=4)
        self.assertGreater(report["frames_lost"], 1)
        self.assertGreaterEqual(report["invalidations"] + report["idr_requests"], 1)
        self.assertGreater(report["frames_delivered"], report["frames_dropped"])

    def test_random_bursts(self):
        report = self.stream("--loss", 2, "--burst", 3, "--seed", 7, seconds=4)
        self.assertGreater(report["dropped_on_purpose"], 0)

    def test_reordered_and_repeated_packets_lose_nothing(self):
        report = self.stream("--reorder", 12, "--duplicate", 10)
        self.assertEqual((report["frames_lost"], report["idr"]), (0, 1))

    def test_every_request_gets_an_idr(self):
        report = self.stream("--send-idr-every", 0.5, seconds=4)
        self.assertGreaterEqual(report["idr"], report["idr_requests"])
        self.assertGreater(report["idr"], 4)


class Invalidation(DisplayTest):
    """A client that names the frames it lost (0x0301) to x264, instead of asking for an IDR."""
    settings = {"encoder": "x264"}

    def stream(self, *options):
        """(report, what arrived)"""
        index = os.path.join(self.temporary_folder(), "index")
        # Three pictures later, 100 ms, it is too late to name them
        report = self.client.stream(*self.stream_options("--fps", 30, "--seconds", 6, "--timecodes", "--loss-per-block",
                                                         "m+1", "--every", 31, "--invalidate", "--index", index,
                                                         *options))
        self.assertEqual(report["exit"], 0, report["error"])
        self.assertTrue(report["rtsp"]["invalidation_offered"])
        self.assertEqual(report["idr_requests"], 0)
        self.assertGreater(report["frames_lost"], 3)
        decoded = report["decoded"]
        self.assertEqual(decoded["errors"], 0)
        self.assertEqual(decoded["pictures"], report["frames_delivered"])
        self.assertEqual(decoded["timecodes"], decoded["pictures"], "a picture that cannot be read")
        return report, read_index(index)

    def test_what_was_lost_is_forgotten_and_no_idr_is_made(self):
        before = len(self.host.log())
        report, entries = self.stream()
        # Three losses in a row end the cutting of batches by the kernel, which is answered by an IDR
        idrs = 1 + self.host.log()[before:].count("segmentation offload is off there")
        self.assertEqual(sum(e["idr"] for e in entries), idrs)
        marked = [e for e in entries if e["type"] == 5]
        self.assertGreaterEqual(len(marked), report["frames_lost"] - idrs)
        self.assertTrue(all(e["delivered"] and not e["idr"] for e in marked))
        self.assertLess(report["frames_dropped"], 4 * report["frames_lost"])  # those under way, not until an IDR

    def test_a_loss_that_is_too_long_is_answered_by_an_idr(self):
        report, entries = self.stream("--row", 7)
        self.assertEqual([e for e in entries if e["type"] == 5], [])
        self.assertGreater(sum(e["idr"] for e in entries), 3)

    def test_with_one_reference_an_idr_is_made(self):
        report, entries = self.stream("--one-reference")
        self.assertEqual([e for e in entries if e["type"] == 5], [])
        self.assertGreaterEqual(sum(e["idr"] for e in entries), report["frames_lost"])


class LossOnAStillScreen(DisplayTest):
    scene = None

    def test_request_is_answered_although_nothing_changes(self):
        report = self.client.stream(*self.stream_options("--seconds", 4, "--send-idr-every", 1, "--decode"))
        self.assert_clean(report)
        self.assertGreaterEqual(report["idr"], 1 + report["idr_requests"] - 1)
        self.assertGreaterEqual(report["idr"], 3)


if __name__ == "__main__":
    unittest.main()
