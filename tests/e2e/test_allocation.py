# SPDX-License-Identifier: Apache-2.0
"""No allocation a picture by our code: counted in the running host by a library (tests/preload/allocations.c).

ALLOCATIONS_LIBRARY: that library; ALLOCATIONS_MAIN: a program that allocates (tests/preload/allocations_main.c). What libraries allocate on the threads of a picture is printed, a picture each.
"""
import os
import shutil
import struct
import subprocess
import tempfile
import time
import unittest
from collections import Counter as Bag

from harness import EARTHSHINE, DisplayTest, Scene, TestCase, read_index

LIBRARY = os.environ.get("ALLOCATIONS_LIBRARY", "")
MAIN = os.environ.get("ALLOCATIONS_MAIN", "")
THREADS = ("capture", "encode", "send")
OURS = "program"
LIBC = "libc.so.6"  # strdup() and the like, which our code may call as well as a library
WARM_UP_S, SECONDS = 2, 3
SITES = 16
ROW = struct.Struct(f"16s32sQQ{2 * SITES}Q")


def text(field):
    return field.split(b"\0", 1)[0].decode()


def read_rows(path):
    """Bags of (thread, object, address): allocations; address None: all, -1: frees."""
    bag = Bag()
    with open(path, "rb") as file:
        rows = ROW.iter_unpack(file.read())
    for thread, name, allocations, frees, *sites in rows:
        key = text(thread), text(name)
        bag[(*key, None)] += allocations
        bag[(*key, -1)] += frees
        for offset, count in zip(sites[::2], sites[1::2]):
            bag[(*key, offset)] += count
    return +bag


def place(address):
    """Function, file and line in the host."""
    done = subprocess.run(["addr2line", "-p", "-f", "-e", EARTHSHINE, hex(address - 1)], capture_output=True, text=True,
                          check=False)
    return done.stdout.strip() or hex(address)


class Counter(TestCase):
    """The library itself."""

    def test_each_way_is_counted_where_it_comes_from(self):
        path = os.path.join(self.temporary_folder(), "rows")
        subprocess.run([MAIN], check=True, timeout=60, env={"LD_PRELOAD": LIBRARY, "ALLOCATIONS": path})
        found = {key: count for key, count in read_rows(path).items() if key[0] == "once" and key[2] in (None, -1)}
        self.assertEqual(found, {("once", OURS, None): 7, ("once", OURS, -1): 8, ("once", LIBC, None): 1})
        self.assertNotIn("again", {thread for thread, _, _ in read_rows(path)})


class Allocation(DisplayTest):
    scene = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="es-allocation-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.rows = os.path.join(cls.folder, "rows")
        cls.wrapper = ("env", f"LD_PRELOAD={LIBRARY}", f"ALLOCATIONS={cls.rows}")
        super().setUpClass()

    def stream_scene(self, scene):
        """(allocations of the steady part, those before, its pictures)"""
        index = os.path.join(self.folder, "index")
        painter = Scene(self.display, scene)
        self.addCleanup(painter.stop)
        stream = self.start_stream(self.client, *self.stream_options(
            "--seconds", WARM_UP_S + SECONDS + 1, "--index", index, "--quit")).wait_streaming()
        time.sleep(WARM_UP_S)
        before, begin = read_rows(self.rows), time.monotonic_ns()
        time.sleep(SECONDS)
        grown, end = read_rows(self.rows), time.monotonic_ns()
        self.assert_clean(stream.report())
        grown.subtract(before)
        pictures = sum(begin <= entry["last_ns"] <= end for entry in read_index(index))
        return +grown, before, pictures

    def check(self, scene):
        grown, before, pictures = self.stream_scene(scene)
        self.assertGreater(pictures, 10)
        for (thread, name, address), count in sorted(grown.items(), key=str):
            if thread in THREADS and address in (None, -1):
                what = "allocations" if address is None else "frees"
                print(f"{scene}: {thread}: {name}: {count / pictures:.2f} {what} a picture", flush=True)
        for thread in ("capture", "encode"):  # "send" has nothing to allocate at its start
            self.assertGreater(before[thread, OURS, None], 0, f"{thread}: is not counted")
        for thread in THREADS:
            ours = [f"{count}x {place(address)}" for (t, name, address), count in grown.items()
                    if t == thread and name == OURS and address not in (None, -1)]
            self.assertEqual(grown[thread, OURS, None], 0, f"{thread}: {ours}")
            self.assertEqual(grown[thread, LIBC, None], 0, f"{thread}: somebody's strdup() or the like")

    def test_type(self):
        self.check("type")

    def test_scroll(self):
        self.check("scroll")


if __name__ == "__main__":
    unittest.main()
