# SPDX-License-Identifier: Apache-2.0
"""What every client shows at rest is what the display shows, after thousands of random changes of it.

`scribble` paints and stops after each batch of operations; once the host has left every client's stream alone for REST_MS
(it repeats a still picture in doubling intervals, so one before that pause is as fine as it gets at rest), the clients'
pictures are compared with a screenshot that scribble took itself, sample by sample (picture_compare.c).
A pause is counted by the host's own time stamps and has to begin after the batch, so a busy machine only makes it longer.

ES_DAMAGE operations in all (10000), ES_SEED the first seed (1). A failure keeps its pictures and says how to repeat it.
"""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from harness import Client, DisplayTest, wait_for

SCRIBBLE = os.environ.get("SCRIBBLE", "")
PICTURE_COMPARE = os.environ.get("PICTURE_COMPARE", "")
BATCH = 250
REST_MS = 400


class Painter:
    def __init__(self, display, seed, operations, folder):
        self.process = subprocess.Popen([SCRIBBLE, display.name, str(seed), str(operations), str(BATCH), folder],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def batches(self):
        """(number, monotonic ns) of each, when the display stands still; goes on when asked for the next one."""
        for line in self.process.stdout:
            _, number, at_ns = line.split()
            yield int(number), int(at_ns)
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def join(self):
        """Its exit code, when all batches are done."""
        return self.process.wait(30)

    def dispose(self):
        if self.process.poll() is None:
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        self.process.wait()


class Viewer:
    """One client that streams in `size`."""

    def __init__(self, test, client, size, folder):
        self.size, self.folder = size, os.path.join(folder, "x".join(map(str, size)))
        os.mkdir(self.folder)
        self.stream = test.start_stream(client, "--width", size[0], "--height", size[1], "--bitrate", 60000, "--seconds",
                                        3600, "--rests", REST_MS, self.folder, "--record",
                                        os.path.join(self.folder, "stream.h264"))
        self.stream.wait_streaming()
        self.seen = 0  # lines

    def rest_after(self, at_ns):
        """The number of the first picture after a pause that began later than this."""
        while self.seen < len(self.stream.lines):
            words = self.stream.lines[self.seen].split()
            self.seen += 1
            if words[0] == "REST" and int(words[2]) >= at_ns:
                return words[1]
        if self.stream.process.poll() is not None:
            raise AssertionError(f"the stream has ended: {self.stream.report()}")
        return None

    def picture(self, number):
        return os.path.join(self.folder, f"{number}.y4m")


def compare(shown, got):
    done = subprocess.run([PICTURE_COMPARE, shown, got], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise AssertionError(f"{shown} and {got} cannot be compared: {done.stderr}")
    return json.loads(done.stdout)


class DamageTest(DisplayTest):
    """`sizes`: of the clients' pictures. `seeds`: how many; `share` of all operations for them together."""
    scene = None
    sizes, seeds, share = (), 0, 0
    offset = 0  # of this class's first seed

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clients = [cls.client]
        for number in range(1, len(cls.sizes)):
            other = Client(cls.host)
            cls.addClassCleanup(other.forget)
            paired = other.pair(f"{3000 + number}")
            assert paired["result"] == "ok", paired
            cls.clients.append(other)

    def paint_and_watch(self, seed, operations, folder):
        """[(batch, viewer, picture number)], with all pictures in the folder."""
        viewers = [Viewer(self, client, size, folder) for client, size in zip(self.clients, self.sizes)]
        painter, rests = Painter(self.display, seed, operations, folder), []
        self.addCleanup(painter.dispose)
        for number, at_ns in painter.batches():
            for viewer in viewers:
                rests.append((number, viewer, wait_for(lambda v=viewer, ns=at_ns: v.rest_after(ns), 60, "a rest")))
        self.assertEqual(painter.join(), 0, "scribble failed")
        for viewer in viewers:
            viewer.stream.process.send_signal(signal.SIGINT)
        for viewer in viewers:
            self.assert_clean(viewer.stream.report())
        return rests

    def check(self, seed, operations, folder):
        begin = time.monotonic()
        rests = self.paint_and_watch(seed, operations, folder)
        painted_s = time.monotonic() - begin
        worst, wrong = {"luma": 0, "chroma": 0}, []
        for batch, viewer, picture in rests:
            shown, got = os.path.join(folder, f"{batch}.ppm"), viewer.picture(picture)
            found = compare(shown, got)
            for kind in worst:
                worst[kind] = max(worst[kind], found[kind]["error"])
                if found[kind]["wrong_tiles"]:
                    wrong.append(f"batch {batch}, {kind}: {found[kind]}\n  {shown}\n  {got}")
        print(f"seed {seed}: {operations} operations, {len(rests)} pictures, worst sample {worst}, painted in "
              f"{painted_s:.0f} s, compared after {time.monotonic() - begin:.0f} s")
        return wrong

    def run_seed(self, seed, operations):
        folder, wrong = tempfile.mkdtemp(prefix="es-damage-"), []
        try:
            wrong = self.check(seed, operations, folder)
        finally:
            if not wrong:
                shutil.rmtree(folder)
        if wrong:
            self.fail(f"seed {seed}: {len(wrong)} pictures are wrong; pictures are kept. Repeat: {self.how_to_repeat()}\n"
                      + "\n".join(wrong[:8]))

    def how_to_repeat(self):
        return (f"ES_SEED={os.environ.get('ES_SEED', 1)} ES_DAMAGE={os.environ.get('ES_DAMAGE', 10000)} "
                f"ctest -R e2e.damage.{type(self).__name__} --verbose")

    def test_pictures_at_rest_are_right(self):
        first = int(os.environ.get("ES_SEED", "1")) * 100 + self.offset
        operations = int(os.environ.get("ES_DAMAGE", "10000")) * self.share // 100 // self.seeds
        for seed in range(first, first + self.seeds):
            with self.subTest(seed=seed):
                self.run_seed(seed, operations)


class Unscaled(DamageTest):
    sizes = ((1280, 720),)
    seeds, share, offset = 2, 50, 0


class Smaller(DamageTest):
    """Beside one in the display's size; each pixel is the mean of four others."""
    sizes = ((1280, 720), (960, 540))
    seeds, share, offset = 1, 25, 10


class Bars(DamageTest):
    """Beside one in the display's size; 800x450 between bars, by areas."""
    sizes = ((1280, 720), (800, 600))
    seeds, share, offset = 1, 25, 20


del DamageTest  # only its classes are tests

if __name__ == "__main__":
    unittest.main()
