# SPDX-License-Identifier: Apache-2.0
"""`earthshine bench`: its figures are there and plausible, its refusals are clear, and it leaves nothing behind."""
import glob
import json
import os
import signal
import subprocess
import unittest

from harness import EARTHSHINE, TestCase, wait_for

SCENES = ("still", "static", "type", "composited", "scroll", "video", "windows")
MOVING = ("type", "composited", "scroll", "video", "windows")
FIGURES = ("painted_fps", "received_fps", "share", "host_p50", "host_p95", "host_p99", "age_p50", "gaps", "cores",
           "memory_mb", "first_ms", "kbps", "fetch_p50", "convert_p50", "encode_p50", "send_p50", "lost")
SMALL = ("--sizes", "640x480", "--seconds", "1", "--fps", "20", "--encoder", "x264")


class BenchCommand(TestCase):
    def setUp(self):
        self.folder = self.temporary_folder()
        self.home, self.scratch = os.path.join(self.folder, "home"), os.path.join(self.folder, "tmp")
        os.mkdir(self.home)
        os.mkdir(self.scratch)
        self.environment = {**os.environ, "HOME": self.home, "TMPDIR": self.scratch}
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "DISPLAY", "XAUTHORITY"):
            self.environment.pop(name, None)
        self.config = os.path.join(self.folder, "empty.conf")
        with open(self.config, "w", encoding="ascii"):
            pass

    def command(self, *words):
        state = os.path.join(self.folder, "state")
        return [EARTHSHINE, "--config", self.config, "--set", f"state_dir={state}", "bench", *words]

    def bench(self, *words, code=0, environment=None):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=120,
                              env=environment or self.environment, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assert_nothing_left()
        return done

    def start(self, *words):
        process = subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=self.environment)
        self.addCleanup(process.kill)
        wait_for(self.x_servers, 30, "an X server of the bench")
        return process

    def x_servers(self):
        """Processes that were given a file of the bench's temporary folder: its cookie."""
        found = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as file:
                    words = file.read()
            except OSError:
                continue
            if self.scratch.encode() in words and b"Xvfb" in words:
                found.append(int(path.split("/")[2]))
        return found

    def assert_nothing_left(self):
        self.assertEqual(self.x_servers(), [])
        self.assertEqual(os.listdir(self.scratch), [])
        self.assertEqual(os.listdir(self.home), [])
        self.assertFalse(os.path.exists(os.path.join(self.folder, "state")))

    def assert_lock_gone(self, pid):
        for path in glob.glob("/tmp/.X*-lock"):
            try:
                with open(path, encoding="ascii") as file:
                    self.assertNotEqual(file.read().strip(), str(pid), path)
            except (FileNotFoundError, PermissionError):
                pass

    def test_every_figure_of_every_scene(self):
        path = os.path.join(self.folder, "new.json")
        done = self.bench(*SMALL, "--scenes", ",".join(SCENES), "--json", path)
        self.assertEqual(done.stderr, "")
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        self.assertEqual(document["machine"]["encoder"], "x264")
        self.assertGreaterEqual(document["machine"]["cores"], 1)
        self.assertRegex(done.stdout, rf"{document['machine']['cores']} cores; encoder x264; earthshine \d")
        self.assertEqual(set(document["results"]), {f"{scene} 640x480" for scene in SCENES})
        for scene in SCENES:
            self.assertRegex(done.stdout, rf"(?m)^{scene} +[\d.]+ ")
            self.assert_plausible(scene, document["results"][f"{scene} 640x480"])
        self.compare_with(path)

    def assert_plausible(self, scene, row):
        self.assertEqual(set(row), set(FIGURES))
        for figure in ("memory_mb", "first_ms", "kbps", "encode_p50"):
            self.assertGreater(row[figure], 0, f"{scene} {figure}")
        if scene == "still":
            self.assertEqual(row["painted_fps"], 0)
            self.assertIsNone(row["share"])
        if scene not in MOVING:
            return
        for figure in FIGURES:
            self.assertIsNotNone(row[figure], f"{scene} {figure}")
        self.assertGreater(row["share"], 0.5, scene)
        self.assertLess(row["share"], 1.5, scene)
        self.assertLessEqual(row["host_p50"], row["host_p95"], scene)
        self.assertLessEqual(row["host_p95"], row["host_p99"], scene)
        self.assertGreater(row["host_p50"], row["encode_p50"] / 2, scene)
        self.assertGreater(row["age_p50"], 0, scene)
        self.assertGreater(row["cores"], 0, scene)

    def compare_with(self, path):
        done = self.bench(*SMALL, "--scenes", "type,scroll", "--compare", path)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout.count("  new/old"), 2)
        done = self.bench(*SMALL, "--scenes", "type", "--bitrate", "5000", "--compare", path)
        self.assertIn("another bitrate", done.stderr)

    def test_wrong_words_are_refused(self):
        for words, message in (
                (("decode",), 'does not know "decode"'), (("--size", "640x480"), 'does not know "--size"'),
                (("--sizes",), "--sizes wants an argument"), (("--sizes", "640x"), "--sizes 640x: expected"),
                (("--sizes", "641x480"), "even"), (("--sizes", "320x200"), "384x256"), (("--sizes", ""), "expected"),
                (("--sizes", "640x480,"), "expected"), (("--scenes", "type,dance"), "names of: still"),
                (("--scenes", "type" + "e" * 100), "expected"), (("--seconds", "0"), "1 to 600"),
                (("--seconds", "5s"), "1 to 600"), (("--fps", "1000"), "1 to 240"), (("--bitrate", "1"), "500 to"),
                (("--encoder", ""), "expected")):
            with self.subTest(words=words):
                done = self.bench(*words, code=2)
                self.assertIn(message, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_help(self):
        self.assertIn("--compare FILE", self.bench("--help").stdout)

    def test_files_that_cannot_be_used_are_told_of_at_once(self):
        missing = os.path.join(self.folder, "missing", "file")
        self.assertIn("cannot write", self.bench(*SMALL, "--json", missing, code=1).stderr)
        self.assertIn("cannot compare", self.bench(*SMALL, "--compare", missing, code=1).stderr)
        self.assertIn("not written by bench", self.bench(*SMALL, "--compare", self.write("{}"), code=1).stderr)
        self.assertIn("cannot compare", self.bench(*SMALL, "--compare", self.write("[1"), code=1).stderr)

    def write(self, text):
        path = os.path.join(self.folder, "old.json")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def test_no_such_encoder(self):
        self.assertIn('no encoder "cinepak"', self.bench("--encoder", "cinepak", code=1).stderr)

    def test_no_xvfb(self):
        done = self.bench(*SMALL, code=1, environment={**self.environment, "PATH": self.home})
        self.assertIn("needs the X server Xvfb (Debian: apt install xvfb)", done.stderr)

    def test_ctrl_c(self):
        process = self.start("--sizes", "640x480", "--seconds", "60", "--encoder", "x264")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1, errors)
        self.assertIn("interrupted", errors)
        self.assert_nothing_left()
        self.assert_lock_gone(process.pid)

    def test_the_x_server_dies(self):
        process = self.start("--sizes", "640x480", "--seconds", "60", "--encoder", "x264")
        process.stdout.readline()  # the heading: it is measuring
        process.stdout.readline()
        for pid in self.x_servers():
            os.kill(pid, signal.SIGKILL)
        _, errors = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1, errors)
        self.assertIn("X server", errors)
        self.assert_nothing_left()
        self.assert_lock_gone(process.pid)


if __name__ == "__main__":
    unittest.main()
