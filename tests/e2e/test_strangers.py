# SPDX-License-Identifier: Apache-2.0
import http.client
import os
import socket
import ssl
import subprocess
import unittest

from harness import DisplayTest, Page, insecure_context

PATHS = ("/serverinfo", "/applist", "/appasset?appid=1", "/launch?appid=1&rikey=" + "00" * 16 + "&rikeyid=1",
         "/resume?rikey=" + "00" * 16 + "&rikeyid=1", "/cancel", "/pair?uniqueid=1&phrase=pairchallenge", "/unpair",
         "/", "/../etc/passwd", "/pin")


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


class Strangers(DisplayTest):
    scene = None

    def impostor(self, folder):
        """Same names, serial and dates as the paired certificate, another key."""
        certificate, key = os.path.join(folder, "i.pem"), os.path.join(folder, "i.key")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "7300",
                "-subj", "/CN=NVIDIA GameStream Client", "-set_serial", "0")
        return certificate, key

    def derived(self, folder):
        """Issued by the paired client's key."""
        issuer, issuer_key = self.client.certificate()
        certificate, key, request = (os.path.join(folder, "d." + end) for end in ("pem", "key", "csr"))
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=d")
        openssl("x509", "-req", "-in", request, "-CA", issuer, "-CAkey", issuer_key, "-set_serial", "7", "-days",
                "300", "-out", certificate)
        return certificate, key

    def assert_401_everywhere(self, context):
        for path in PATHS:
            reply = self.host.get_http(path, "https", context)
            self.assertEqual(reply.status, 200, path)
            self.assertIn('status_code="401"', reply.text, path)
            self.assertNotIn("Desktop", reply.text, path)

    def test_no_certificate(self):
        self.assert_401_everywhere(insecure_context())

    def test_impostor_certificate(self):
        self.assert_401_everywhere(insecure_context(*self.impostor(self.temporary_folder())))

    def test_certificate_derived_from_a_paired_one(self):
        self.assert_401_everywhere(insecure_context(*self.derived(self.temporary_folder())))

    def test_plain_http_offers_only_serverinfo_and_pairing(self):
        for path in PATHS[1:6] + PATHS[8:]:
            reply = self.host.get_http(path)
            self.assertEqual(reply.status, 200, path)
            self.assertIn('status_code="404"', reply.text, path)
        text = self.host.get_http("/serverinfo").text
        for part in ("<PairStatus>0</PairStatus>", "<mac>00:00:00:00:00:00</mac>", "<currentgame>0</currentgame>",
                     "<appversion>7.1.431.-1</appversion>"):
            self.assertIn(part, text)

    def test_running_session_is_hidden_on_http(self):
        stream = self.start_stream(self.client, *self.stream_options("--seconds", 2)).wait_streaming()
        self.assertIn("_SERVER_FREE", self.host.get_http("/serverinfo").text)
        self.assertEqual(stream.report()["exit"], 0)

    def test_page_shows_nothing_without_a_login(self):
        context = insecure_context()
        for path in ("status", "pairings", "clients"):
            reply = self.host.get_http(f"/api/v1/{path}", "page", context)
            self.assertIn(reply.status, (401, 403), path)

    def test_page_wants_its_csrf_token(self):
        page = Page(self.host)
        page.csrf = None
        with self.assertRaises(AssertionError):
            page.call("POST", "pairings/cancel", {"id": "x"})
        page.csrf = "0" * 32
        with self.assertRaises(AssertionError):
            page.call("POST", "pairings/cancel", {"id": "x"})

    def test_rtsp_without_a_launch_gets_no_session(self):
        request = b"SETUP streamid=video/0/0 RTSP/1.0\r\nCSeq: 1\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.host.port("rtsp")), timeout=15) as link:
            link.sendall(request)
            answer = b""
            while True:
                more = link.recv(4096)
                if not more:
                    break
                answer += more
        self.assertNotIn(b"200 OK", answer)

    def test_tls_offers_no_old_version_no_resumption_no_alpn(self):
        context = insecure_context(*self.client.certificate())
        context.set_alpn_protocols(["h2", "http/1.1"])
        with socket.create_connection(("127.0.0.1", self.host.port("https")), timeout=15) as link:
            with context.wrap_socket(link) as tls:
                self.assertIsNone(tls.selected_alpn_protocol())
                tls.sendall(b"GET /serverinfo HTTP/1.1\r\n\r\n")
                tls.recv(65536)
                self.assertFalse(tls.session and tls.session.has_ticket)
        old = insecure_context()
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, OSError, http.client.HTTPException)):
            self.host.get_http("/serverinfo", "https", old)

    def test_host_certificate_is_what_all_clients_can_read(self):
        path = os.path.join(self.client.folder, "host.pem")
        text = subprocess.run(["openssl", "x509", "-in", path, "-noout", "-text"], capture_output=True, text=True,
                              check=True).stdout
        for part in ("(2048 bit)", "sha256WithRSAEncryption", "Version: 3"):
            self.assertIn(part, text)


if __name__ == "__main__":
    unittest.main()
