# SPDX-License-Identifier: Apache-2.0
"""`earthshine bench encode`: table and JSON say the same, figures are plausible, and a faulty encoder is told of.

FAKEGPU: the folder of the driver double's libraries (tests/fakegpu), for OnTheDouble.
"""
import json
import os
import subprocess
import unittest

from harness import EARTHSHINE, TestCase

FAKEGPU = os.environ.get("FAKEGPU", "")
SCENES = ("type", "scroll", "video")
FIGURES = ("first_ms", "p50_ms", "p95_ms", "p99_ms", "fps", "kbps", "psnr_db", "psnr_min_db")
SHORT = ("--size", "640x480,800x600", "--seconds", "1")


class BenchEncodeTest(TestCase):
    def setUp(self):
        self.folder = self.temporary_folder()
        self.json_path = os.path.join(self.folder, "report.json")
        self.environment = {**os.environ, "HOME": self.folder}
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "DISPLAY", "XAUTHORITY", "LD_LIBRARY_PATH"):
            self.environment.pop(name, None)

    def bench(self, *words, code=0):
        done = subprocess.run([EARTHSHINE, "bench", "encode", *words, "--json", self.json_path], capture_output=True,
                              text=True, timeout=120, env=self.environment, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def document(self):
        with open(self.json_path, encoding="utf-8") as file:
            return json.load(file)

    def assert_report(self, done, document):
        self.assertEqual(document["command"], "bench encode")
        self.assertGreaterEqual(document["machine"]["cores"], 1)
        for text in (document["version"], document["machine"]["cpu"], document["machine"]["kernel"],
                     *document["libraries"].values()):
            self.assertIn(text, done.stdout)
        self.assertIn("libavcodec", document["libraries"])
        self.assertIn(f"GPU: {document['gpu']['sentence']}\n", done.stdout)
        for finding in document["gpu"]["findings"]:
            self.assertIn(f"GPU: {finding['what']} {finding['todo']}\n", done.stdout)
        for encoder in document["encoders"]:
            self.assertNotEqual(encoder["usable"], bool(encoder["reason"]))
            name = f"{encoder['name']} {encoder['codec']} "
            works = "works: " + " ".join(encoder["formats"])
            self.assertIn(name + (works if encoder["usable"] else "cannot be used: " + encoder["reason"]), done.stdout)

    def assert_fine(self, done, row):
        """Plausible figures, the same in the table."""
        what = f"{row['encoder']} {row['codec']} {row['size']} {row['scene']}"
        self.assertEqual((row["outcome"], row["note"]), ("fine", ""), what)
        self.assertLessEqual(row["p50_ms"], row["p95_ms"], what)
        self.assertLessEqual(row["p95_ms"], row["p99_ms"], what)
        self.assertGreater(row["first_ms"], 0, what)
        self.assertGreater(row["fps"], 500 / row["p99_ms"], what)  # 1000 / mean
        self.assertGreater(row["kbps"], 0, what)
        self.assertGreater(row["psnr_min_db"], 12, what)
        if row["pictures"] < 61:  # on a very busy machine
            self.assertIn("time was up before all 61 pictures", done.stdout)
        else:
            self.assert_settled(row, what)
        self.assertLessEqual(row["psnr_min_db"], row["psnr_db"], what)
        cells = (row["encoder"], row["codec"], row["format"], row["size"], row["scene"], str(row["pictures"]),
                 str(row["asked_kbps"]), f"{row['first_ms']:.1f}", f"{row['p50_ms']:.2f}", f"{row['p95_ms']:.2f}",
                 f"{row['p99_ms']:.2f}", f"{row['fps']:.0f}", f"{row['kbps']:.0f}", f"{row['psnr_db']:.1f}", f"{row['psnr_min_db']:.1f}")
        self.assertIn(list(cells), [line.split() for line in done.stdout.splitlines()], what)

    def assert_settled(self, row, what):
        self.assertEqual(row["pictures"], 61, what)
        self.assertLess(row["kbps"], 1.3 * row["asked_kbps"], what)
        if row["scene"] == "video":
            self.assertGreater(row["kbps"], 0.3 * row["asked_kbps"], what)
        self.assertGreater(row["psnr_db"], 28, what)

    def assert_rows(self, done, document, encoder, sizes=("640x480", "800x600")):
        self.assertNotIn("under_way", document)
        rows = document["results"]
        self.assertEqual([(r["encoder"], r["size"], r["scene"]) for r in rows],
                         [(encoder, size, scene) for size in sizes for scene in SCENES])
        for row in rows:
            self.assertLessEqual(set(FIGURES), set(row))
            self.assert_fine(done, row)


class InSoftware(BenchEncodeTest):
    def test_what_works_is_measured_and_of_the_rest_is_said_why_not(self):
        done = self.bench(*SHORT, "--codec", "h264")
        document = self.document()
        self.assertEqual(done.stderr, "")
        self.assert_report(done, document)
        usable = [e["name"] for e in document["encoders"] if e["usable"]]
        self.assertEqual(usable[-1], "x264")
        self.assertEqual({r["encoder"] for r in document["results"]}, set(usable))
        document["results"] = [r for r in document["results"] if r["encoder"] == "x264"]
        self.assert_rows(done, document, "x264")

    def test_formats(self):
        done = self.bench("--size", "640x480", "--seconds", "1", "--encoder", "x264", "--format", "420,444,444-10")
        document = self.document()
        self.assertEqual(document["encoders"][0]["formats"], ["420", "444"])
        self.assertEqual([r["format"] for r in document["results"]], ["420"] * 3 + ["444"] * 3)
        for row in document["results"]:
            self.assert_fine(done, row)

    def test_hevc(self):
        done = self.bench("--size", "640x480", "--seconds", "1", "--encoder", "x265", "--codec", "hevc")
        document = self.document()
        self.assert_report(done, document)
        self.assert_rows(done, document, "x265", ("640x480",))
        self.assertEqual({r["codec"] for r in document["results"]}, {"hevc"})

    def test_the_time_it_may_take_is_told(self):
        done = self.bench("--encoder", "x264", "--size", "640x480", "--seconds", "1", "--codec", "h264")
        self.assertIn("3 rows, at most 45 s in all", done.stdout)

    def test_wrong_words_are_refused(self):
        for words, message in (
                (("decode",), 'does not know "decode"'), (("--sizes", "640x480"), 'does not know "--sizes"'),
                (("--size", "641x480"), "even"), (("--codec", "vp9"), "h264, hevc, av1"),
                (("--seconds", "16"), "1 to 15"), (("--bitrate", "1"), "500 to")):
            with self.subTest(words=words):
                done = self.bench(*words, code=2)
                self.assertIn(message, done.stderr)
                self.assertEqual(done.stdout, "")
        self.assertIn('no encoder "cinepak"', self.bench("--encoder", "cinepak", code=1).stderr)
        self.json_path = os.path.join(self.folder, "missing", "file")
        self.assertIn("cannot write", self.bench(*SHORT, code=1).stderr)

    def test_help(self):
        done = self.bench("--help")
        self.assertIn("--seconds N", done.stdout)
        self.assertFalse(os.path.exists(self.json_path))


class OnTheDouble(BenchEncodeTest):
    def script(self, *lines):
        path = os.path.join(self.folder, "script")
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(line + "\n" for line in lines))
        self.environment.update(LD_LIBRARY_PATH=FAKEGPU, FAKEGPU_SCRIPT=path)

    def test_both_ways_to_the_gpu(self):
        self.script()
        for encoder in ("nvenc", "nvenc-lavc"):
            with self.subTest(encoder=encoder):
                done = self.bench(*SHORT, "--encoder", encoder, "--codec", "h264")
                document = self.document()
                self.assert_report(done, document)
                self.assert_rows(done, document, encoder)

    def test_ten_bits_and_444(self):
        self.script()
        done = self.bench("--size", "640x480", "--seconds", "1", "--encoder", "nvenc", "--codec", "hevc", "--format",
                          "444,420-10,444-10")
        document = self.document()
        self.assert_report(done, document)
        self.assertEqual({r["format"] for r in document["results"]}, {"444", "420-10", "444-10"})
        for row in document["results"]:
            self.assert_fine(done, row)

    def test_the_gpu_is_described_and_what_is_wrong_with_it(self):
        self.script("driver=R550", "gpu=GRID A16-2Q", "memory_mb=2048", "licence=unlicensed", "memory_used_mb=1900")
        done = self.bench("--size", "640x480", "--seconds", "1", "--encoder", "nvenc", "--codec", "h264")
        document = self.document()
        self.assert_report(done, document)
        nvml = document["gpu"]["nvml"]
        for key, value in (("state", "works"), ("driver", "550.54.14"), ("gpu", "GRID A16-2Q"), ("kind", "vGPU"),
                           ("licence", "missing"), ("memory_mb", 2048), ("memory_free_mb", 148), ("sessions", 2)):
            self.assertEqual(nvml[key], value)
        found = [f["what"] for f in document["gpu"]["findings"]]
        self.assertEqual(len(found), 2, found)
        self.assertIn("has no licence", found[0])
        self.assertIn("148 of 2048 MB", found[1])

    def test_a_refusal_names_the_licence_or_else_the_encoder(self):
        for licence, reason, what in (("unlicensed", "this vGPU has no licence", "has no licence for"),
                                      ("licensed", "the GPU has no encoder", "NVENC cannot be used: ")):
            with self.subTest(licence=licence):
                self.script("fail.OpenEncodeSessionEx=no_encode_device", f"licence={licence}")
                self.bench(*SHORT, "--encoder", "nvenc", code=1)
                document = self.document()
                self.assertIn(reason, document["encoders"][0]["reason"])
                found = [f["what"] for f in document["gpu"]["findings"]]
                self.assertEqual(len(found), 1, found)
                self.assertIn(what, found[0])

    def test_without_an_encoder_the_reasons_are_the_report(self):
        self.script("gpu=none")
        done = self.bench(*SHORT, "--encoder", "nvenc", code=1)
        document = self.document()
        self.assertIn("no encoder works", done.stderr)
        self.assert_report(done, document)
        self.assertEqual(document["results"], [])
        self.assertEqual({e["usable"] for e in document["encoders"]}, {False})

    def test_wrong_pictures_are_found(self):
        self.script("grey=2")
        done = self.bench(*SHORT, "--encoder", "nvenc", "--codec", "h264", code=1)
        self.assertIn("an encoder is faulty", done.stderr)
        for row in self.document()["results"]:
            self.assertEqual(row["outcome"], "FAULTY")
            self.assertIn("something else than picture 3", row["note"])
            self.assertLess(row["psnr_min_db"], 15)
            self.assertIn(f"FAULTY: {row['note']}", done.stdout)

    def test_an_encoder_that_fails_keeps_what_was_measured(self):
        self.script("fail.picture.4=device_not_exist")
        self.bench(*SHORT, "--encoder", "nvenc", "--codec", "h264", code=1)
        for row in self.document()["results"]:
            self.assertEqual((row["outcome"], row["pictures"]), ("FAULTY", 4))
            self.assertIn("failed", row["note"])
            self.assertGreater(row["psnr_db"], 12)

    def test_a_driver_that_hangs_is_named(self):
        self.script("hang=5")
        done = self.bench(*SHORT, "--encoder", "nvenc", "--codec", "h264", code=1)
        self.assertIn("has not answered for 20 s", done.stderr)
        self.assertEqual(done.stdout.splitlines()[-1].split(), ["nvenc", "h264", "420", "640x480", "type"])
        self.assertEqual(self.document()["under_way"], "nvenc h264 420 640x480 type")

    def test_a_driver_that_hangs_from_the_beginning(self):
        for call in ("cuInit", "nvmlInit"):
            with self.subTest(call=call):
                self.script(f"hang_call={call}")
                done = self.bench("--size", "640x480", "--seconds", "1", "--codec", "h264")
                document = self.document()
                self.assert_report(done, document)
                usable = [e["name"] for e in document["encoders"] if e["usable"]]
                self.assertEqual({r["encoder"] for r in document["results"]}, set(usable))
                self.assertEqual(len(document["gpu"]["findings"]), 1)
                if call == "cuInit":
                    self.assertEqual(usable, ["x264"])
                    for encoder in document["encoders"][:2]:
                        self.assertEqual(encoder["reason"], "its driver has not answered for 10 s")

    def test_a_size_the_gpu_cannot_do_is_left_out(self):
        self.script("cap.width_max=700")
        done = self.bench(*SHORT, "--encoder", "nvenc", "--codec", "h264")
        rows = self.document()["results"]
        for row in rows[:3]:
            self.assert_fine(done, row)
        for row in rows[3:]:
            self.assertEqual((row["outcome"], row["pictures"], row["p50_ms"]), ("left out", 0, None))
            self.assertIn("700x4096", row["note"])
            self.assertIn(f"left out: {row['note']}", done.stdout)


if __name__ == "__main__":
    unittest.main()
