# SPDX-License-Identifier: Apache-2.0
"""A desktop at rest: its X server is asked nothing, and a pointer that is moved is shown all the same.

Between host and X server stands a proxy that counts the bytes of requests.
"""
import os
import signal
import socket
import threading
import time
import unittest

import xroot
from harness import Client, Display, Host, Picture, TestCase, display_numbers

WINDOW_S = 1.5  # a silence of a fourth of a second has the host ask whether the server lives
WINDOWS = 8  # one of them must be free of requests: a busy machine delays what the server tells by itself
START, END = (200, 200), (900, 500)


class Proxy:
    """An X display in front of another one. Hands on bytes and descriptors."""

    def __init__(self, target):
        self.target, self.asked, self.lock, self.links = target, 0, threading.Lock(), []
        self.listener = socket.socket(socket.AF_UNIX)
        self.number = next(n for n in display_numbers if not os.path.exists(f"/tmp/.X11-unix/X{n}"))
        self.listener.bind(f"/tmp/.X11-unix/X{self.number}")
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def name(self):
        return f":{self.number}"

    def accept(self):
        while True:
            try:
                client, server = self.listener.accept()[0], socket.socket(socket.AF_UNIX)
            except OSError:
                return
            server.connect(f"/tmp/.X11-unix/X{self.target}")
            self.links += [client, server]
            for ends in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.hand_on, args=ends, daemon=True).start()

    def hand_on(self, source, sink, counts):
        try:
            while True:
                data, fds, _, _ = socket.recv_fds(source, 65536, 8)
                if not data:
                    break
                with self.lock:
                    self.asked += len(data) if counts else 0
                sent = socket.send_fds(sink, [data], fds)
                for fd in fds:
                    os.close(fd)
                sink.sendall(data[sent:])
        except OSError:
            pass  # one of the two has gone
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.links:
            link.close()
        os.unlink(f"/tmp/.X11-unix/X{self.number}")


def warp_pointer(root, place):
    root.warp_pointer(*place)


def move_pointer(root, place):
    root.move_pointer(root.xtest(), *place)


class Rest(TestCase):
    def setUp(self):
        self.display = Display(1280, 720)
        self.addCleanup(self.display.stop)
        self.proxy = Proxy(self.display.number)
        self.addCleanup(self.proxy.stop)
        self.host = Host(self.proxy, {"input": "auto"})
        self.addCleanup(self.host.stop)
        self.client = Client(self.host)
        self.addCleanup(self.client.forget)
        self.client.pair()
        self.display.fill(0x808080)

    def assert_asks_nothing(self):
        asked = []
        while len(asked) < WINDOWS:
            before = self.proxy.asked
            time.sleep(WINDOW_S)
            asked.append(self.proxy.asked - before)
            if asked[-1] == 0:
                return
        self.fail(f"the X server was asked in each {WINDOW_S} s of rest: {asked} bytes")

    def assert_pointer_is_shown_at(self, path, place):
        picture = Picture(path)
        seen = [(x, y) for y in range(0, 720, 3) for x in range(0, 1280, 3)
                if max(abs(value - 0x80) for value in picture.pixel(x, y)) > 30]
        self.assertTrue(seen, "the pointer is not in the picture")
        self.assertTrue(all(abs(x - place[0]) < 48 and abs(y - place[1]) < 48 for x, y in seen), (place, seen))

    def check(self, move):
        last = os.path.join(self.temporary_folder(), "last.ppm")
        with xroot.Root(self.display.number) as root:
            move(root, START)
            stream = self.start_stream(self.client, "--seconds", 3600, "--ppm-last", last)
            stream.wait_streaming()
            self.assert_asks_nothing()
            move(root, END)
            self.assert_asks_nothing()
        stream.process.send_signal(signal.SIGINT)
        self.assert_clean(stream.report())
        self.assert_pointer_is_shown_at(last, END)

    def test_a_pointer_moved_by_a_device(self):
        self.check(move_pointer)

    def test_a_pointer_that_is_warped(self):
        self.check(warp_pointer)


if __name__ == "__main__":
    unittest.main()
