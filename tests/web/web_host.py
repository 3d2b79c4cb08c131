# SPDX-License-Identifier: Apache-2.0
"""Starts and steers web_host, the page on a host in memory."""
import http.client
import json
import queue
import socket
import ssl
import subprocess
import threading

SETUP_CODE = "K7QM-X2VD"
PASSWORD = "moon over the sea"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class WebHost:
    """One running web_host; `password` None: not set up yet; `old`: one that knows nothing of desktops."""

    def __init__(self, program, password=PASSWORD, old=False):
        self.port = free_port()
        command = [program] + (["-o"] if old else []) + [str(self.port)] + ([password] if password else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
                                        bufsize=1)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.expect("ready")

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def tell_status(self, **members):
        """Its status has these members from now on."""
        self.tell("status " + json.dumps(members, ensure_ascii=False))

    def tell_log(self, text):
        self.tell("log " + json.dumps(text, ensure_ascii=False))

    def expect(self, line):
        """The next line it tells must be this one."""
        told = self.lines.get(timeout=20)
        assert told == line, f"web_host told {told!r}, expected {line!r}"

    def stop(self):
        """Ends it the way it ends itself; its exit code (a sanitizer's finding is not 0)."""
        self.process.stdin.close()
        code = self.process.wait(timeout=20)
        self.reader.join()
        self.process.stdout.close()
        return code


class Caller:
    """A plain HTTPS client with a cookie and a CSRF token."""

    def __init__(self, host):
        self.host = host
        self.cookie = None
        self.csrf = None

    def connect(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.host.port, context=context, timeout=20)

    def send(self, method, path, body=None, headers=None, raw=None):
        """(status, headers, bytes). A header given as None is left out."""
        wanted = {"Origin": f"https://127.0.0.1:{self.host.port}"} if method == "POST" else {}
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            wanted["Content-Type"] = "application/json"
        if self.cookie:
            wanted["Cookie"] = self.cookie
        if self.csrf and method == "POST":
            wanted["X-CSRF-Token"] = self.csrf
        wanted.update(headers or {})
        connection = self.connect()
        try:
            connection.request(method, path, data, {k: v for k, v in wanted.items() if v is not None})
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            connection.close()

    def get(self, route, **more):
        status, _, text = self.send("GET", "/api/v1/" + route, **more)
        return status, json.loads(text)

    def post(self, route, body, **more):
        status, _, text = self.send("POST", "/api/v1/" + route, body, **more)
        return status, json.loads(text)

    def take_login(self, headers, text):
        self.cookie = headers["Set-Cookie"].split(";")[0]
        self.csrf = json.loads(text)["csrf"]

    def log_in(self, password=PASSWORD):
        status, headers, text = self.send("POST", "/api/v1/login", {"password": password})
        assert status == 200, (status, text)
        self.take_login(headers, text)
        return headers
