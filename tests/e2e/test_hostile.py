# SPDX-License-Identifier: Apache-2.0
import http.client
import os
import random
import resource
import socket
import time
import unittest

from harness import TCP_OFFSETS, UDP_OFFSETS, DisplayTest, read_index, wait_for

HALF_OPEN = 1000  # on each port
GAP_LIMIT_NS = 0.5e9

HEADS = (b"", b"\0", b"GET", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
         b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
         b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01",
         b"\x80\0\0\0\0\0\0\1" + b"\0" * 16, b"\xff\xff\xff\xff\0\0\0\1" + b"\0" * 40,
         b"OPTIONS x RTSP/1.0\r\nCSeq: 1\r\nContent-length: 99999999\r\n\r\n",
         b"ANNOUNCE streamid=control RTSP/1.0\r\nCSeq: 999999999999\r\n\r\n", b"SETUP streamid RTSP/1.0\r\n\r\n",
         b"GET /serverinfo HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"\r\n" * 2000)


class Hostile(DisplayTest):
    def poke(self, port, data):
        """Sends and goes away, by half-close, by close or by reset."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
                if random.random() < 0.3:
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                link.sendall(data)
                if random.random() < 0.3:
                    link.shutdown(socket.SHUT_WR)
                    link.settimeout(0.2)
                    link.recv(100)
        except OSError:
            pass

    def assert_alive(self):
        self.assertIsNone(self.host.process.poll(), "the host ended")
        wait_for(self.host.is_up, 30, "the host to answer again")  # our address may be held off for a while

    def stream_through(self, attack):
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 8, "--decode")).wait_streaming()
        attack()
        report = stream.report()
        self.assert_clean(report)
        self.assertFalse(report["control_gone"])
        self.assertEqual(report["frames_lost"], 0)
        self.assert_alive()

    def test_bytes_on_every_tcp_port(self):
        def attack():
            for offset in TCP_OFFSETS.values():
                for head in HEADS:
                    self.poke(self.host.base + offset, head)
                for _ in range(10):
                    self.poke(self.host.base + offset, random.randbytes(random.randrange(1, 3000)))

        self.stream_through(attack)

    def test_bytes_on_every_udp_port(self):
        def attack():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
                for offset in UDP_OFFSETS.values():
                    for size in (0, 1, 4, 19, 20, 21, 48, 900, 1400, 9000):
                        for _ in range(5):
                            link.sendto(random.randbytes(size), ("127.0.0.1", self.host.base + offset))
                    link.sendto(b"PING", ("127.0.0.1", self.host.base + offset))
                    for command in range(16):
                        wire = b"\x8f\xff\0\0" + bytes([0x80 | command]) + b"\xff\0\1" + random.randbytes(44)
                        link.sendto(wire, ("127.0.0.1", self.host.base + offset))

        self.stream_through(attack)

    def open_without_waiting(self, offset, count):
        """Half of them say nothing at all, the others begin a request."""
        links = []
        for number in range(count):
            link = socket.socket()
            link.setblocking(False)
            links.append(link)
            link.connect_ex(("127.0.0.1", self.host.base + offset))
            if number % 2:
                try:
                    link.send(b"GET /serverinfo HT")
                except OSError:
                    pass  # refused, or not connected yet
        return links

    def answers_from(self, source):
        """Is another address served?"""
        connection = http.client.HTTPConnection("127.0.0.1", self.host.base, timeout=5, source_address=(source, 0))
        try:
            connection.request("GET", "/serverinfo")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def test_a_thousand_half_open_connections_on_every_tcp_port(self):
        wanted = HALF_OPEN * len(TCP_OFFSETS) + 200
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
        links = []
        self.addCleanup(lambda: [link.close() for link in links])
        index = os.path.join(self.temporary_folder(), "index")
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 8, "--index", index))
        stream.wait_streaming()
        time.sleep(1.5)
        attack_ns = time.monotonic_ns()
        for offset in TCP_OFFSETS.values():
            links += self.open_without_waiting(offset, HALF_OPEN)
        wait_for(lambda: self.answers_from("127.0.0.2"), 30, "an answer to another address meanwhile")
        report = stream.report()
        self.assert_clean(report)
        self.assertFalse(report["control_gone"])
        self.assertEqual(report["frames_lost"], 0)
        arrivals = [e["last_ns"] for e in read_index(index)]
        gaps = [(after, after - before) for before, after in zip(arrivals, arrivals[1:])]
        calm_ns = max(gap for after, gap in gaps if after < attack_ns)
        worst_ns = max(gap for after, gap in gaps if after >= attack_ns)
        print(f"longest gap {calm_ns / 1e6:.0f} ms before, {worst_ns / 1e6:.0f} ms under attack")
        self.assertLess(worst_ns, calm_ns + GAP_LIMIT_NS)
        for link in links:
            link.close()
        self.assert_alive()
        self.assertIn("<PairStatus>1</PairStatus>", self.client.xml("serverinfo", "--https"))

    def test_hostile_queries_on_both_api_ports(self):
        for path in ("/serverinfo?" + "a=b&" * 3000, "/pair?uniqueid=" + "x" * 8000, "/pair?uniqueid=%00&phrase=%zz",
                     "/%2e%2e/%2e%2e/etc/passwd", "/launch?rikey=%", "//", "/serverinfo?uniqueid=<script>"):
            try:
                reply = self.host.get_http(path)
            except OSError:
                continue
            self.assertNotIn("<script>", reply.text)
            self.assertNotIn("root:", reply.text)
        self.assert_alive()


if __name__ == "__main__":
    unittest.main()
