# SPDX-License-Identifier: Apache-2.0
"""Real parts for end-to-end tests: Xvfb, the host, the scene painter, es_client; and readers of what they leave.

Programs come by environment: EARTHSHINE, ES_CLIENT, ES_SCENE (CTest sets them). Nothing here asserts on times; waits
have limits so that a hung part ends a test instead of the machine.
"""
import http.client
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import xroot

EARTHSHINE = os.environ.get("EARTHSHINE", "")
ES_CLIENT = os.environ.get("ES_CLIENT", "")
ES_SCENE = os.environ.get("ES_SCENE", "")
VECTORS = os.environ.get("ES_VECTORS", os.path.join(os.path.dirname(__file__), "..", "vectors"))
START_LIMIT_S = 30
RUN_LIMIT_S = 180
TCP_OFFSETS = {"https": -5, "http": 0, "page": 1, "rtsp": 21}
UDP_OFFSETS = {"video": 9, "control": 10, "audio": 11}
# What es_client counts that no host may ever cause.
FAULTS = ("malformed", "refused_packets", "datagrams_broken", "datagrams_cut", "iv_not_rising", "idr_unmarked",
          "idr_unrecognised", "control_broken")


def wait_for(condition, limit_s, what):
    """The condition's first true value."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit_s} s in vain for {what}")
        time.sleep(0.02)


def port_is_free(kind, port):
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def free_base_port():
    for _ in range(200):
        base = random.randrange(20000, 32000)
        if all(port_is_free(socket.SOCK_STREAM, base + o) for o in TCP_OFFSETS.values()) and all(
                port_is_free(socket.SOCK_DGRAM, base + o) for o in UDP_OFFSETS.values()):
            return base
    raise AssertionError("no free range of ports")


def end_process(process, sig=signal.SIGTERM, limit_s=10):
    """Asks, then kills. The exit code; None when there is no process."""
    if process is None:
        return None
    if process.poll() is None:
        process.send_signal(sig)
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


# Display numbers of this process, rising: the lowest free one would be another test's as soon as our server is killed.
display_numbers = itertools.count(random.randrange(1000, 50000))


class Display:
    """One Xvfb. The same number is kept when it is started again."""

    def __init__(self, width, height):
        self.width, self.height, self.number, self.process = width, height, None, None
        self.start()

    def start(self):
        screen = f"{self.width}x{self.height}x24"
        common = ["-screen", "0", screen, "-nolisten", "tcp", "-noreset"]
        if self.number is None:
            self.number = next(n for n in display_numbers if not os.path.exists(f"/tmp/.X{n}-lock"))
        self.process = subprocess.Popen(["Xvfb", f":{self.number}", *common], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_for(self.answers, START_LIMIT_S, "Xvfb")

    def answers(self):
        return xroot.answers(self.number)

    @property
    def name(self):
        return f":{self.number}"

    def kill(self):
        self.process.kill()
        self.process.wait()
        for path in (f"/tmp/.X{self.number}-lock", f"/tmp/.X11-unix/X{self.number}"):
            if os.path.exists(path):
                os.unlink(path)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def xdotool(self, *words):
        subprocess.run(["xdotool", *map(str, words)], env={**os.environ, "DISPLAY": self.name}, check=True, timeout=20)

    def fill(self, colour):
        """The root window in one colour (0xRRGGBB), with an arrow as pointer; nothing else is painted."""
        xroot.fill(self.number, colour)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.thaw()
        end_process(self.process)


needs_xorg = unittest.skipUnless(os.geteuid() == 0 and shutil.which("Xorg") and shutil.which("xrandr"),
                                 "needs root, Xorg, xrandr")
XORG_CONFIG = """
Section "ServerFlags"
  Option "AutoAddDevices" "false"
  Option "AutoEnableDevices" "false"
  Option "DontVTSwitch" "true"
  Option "AllowMouseOpenFail" "true"
EndSection
Section "Device"
  Identifier "card"
  Driver "dummy"
  VideoRam 64000
EndSection
Section "Monitor"
  Identifier "monitor"
  HorizSync 5.0-1000.0
  VertRefresh 5.0-300.0
EndSection
Section "Screen"
  Identifier "screen"
  Device "card"
  Monitor "monitor"
  DefaultDepth 24
  SubSection "Display"
    Depth 24
    Virtual 1920 1080
    Modes {modes}
  EndSubSection
EndSection
"""


class Xorg(Display):
    """Xorg with the dummy driver, which can switch modes; root only. It starts in the first mode, 1920x1080 is the
    largest."""
    xorg_modes = ("1920x1080",)

    def __init__(self, folder):
        self.folder = folder
        super().__init__(*map(int, self.xorg_modes[0].split("x")))

    def start(self):
        path = os.path.join(self.folder, "xorg.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(XORG_CONFIG.format(modes=" ".join(f'"{mode}"' for mode in self.xorg_modes)))
        if self.number is None:
            self.number = random.choice([n for n in range(300, 900) if not os.path.exists(f"/tmp/.X{n}-lock")])
        self.process = subprocess.Popen(
            ["Xorg", self.name, "-config", path, "-logfile", os.path.join(self.folder, "xorg.log"), "-noreset", "-nolisten",
             "tcp", "-novtswitch"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.answers, START_LIMIT_S, "Xorg")

    def xrandr(self, *words):
        return subprocess.run(["xrandr", *words], env={**os.environ, "DISPLAY": self.name}, check=True, timeout=20,
                              capture_output=True, text=True).stdout


class Scene:
    def __init__(self, display, mode="type", seconds=600, fps=60, more=()):
        self.process = subprocess.Popen(
            [ES_SCENE, "--display", display.name, "--fps", str(fps), "--seconds", str(seconds), *more, mode],
            stdout=subprocess.PIPE, text=True)

    def stop(self):
        """What it printed at its end, if it came that far."""
        end_process(self.process)
        with self.process.stdout as out:
            return out.read()


class Host:
    def __init__(self, display=None, settings=None, wrapper=(), sections=""):
        self.folder = tempfile.mkdtemp(prefix="es-e2e-")
        self.base = free_base_port()
        self.config = os.path.join(self.folder, "earthshine.conf")
        self.log_path = os.path.join(self.folder, "log")
        self.process, self.wrapper = None, list(wrapper)
        values = {"port": self.base, "state_dir": os.path.join(self.folder, "state"), "bind": "127.0.0.1",
                  "display": display.name if display else "none", "encoder": "x264", "audio": "off", "input": "off",
                  "name": "e2e", "log_level": "debug", **(settings or {})}
        with open(self.config, "w", encoding="utf-8") as file:
            file.write("".join(f"{key} = {value}\n" for key, value in values.items()) + sections)
        self.start()

    def command(self, *words):
        return [EARTHSHINE, "--config", self.config, *map(str, words)]

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.wrapper, *self.command()], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        wait_for(self.is_up, START_LIMIT_S, "the host")

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the host ended with {self.process.returncode}:\n{self.log_tail()}")
        try:
            return self.get_http("/serverinfo").status == 200
        except OSError:
            return False

    def port(self, name):
        return self.base + {**TCP_OFFSETS, **UDP_OFFSETS}[name]

    def get_http(self, path, port="http", context=None):
        kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
        extra = {"context": context} if context else {}
        connection = kind("127.0.0.1", self.port(port), timeout=15, **extra)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            reply.text = reply.read().decode("utf-8", "replace")
            return reply
        finally:
            connection.close()

    def cli(self, *words, check=True, text=""):
        done = subprocess.run(self.command(*words), input=text, capture_output=True, text=True, timeout=60)
        if check and done.returncode:
            raise AssertionError(f"earthshine {words}: exit {done.returncode}: {done.stderr}")
        return done

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def log_tail(self, lines=60):
        told = [line for line in self.log().splitlines() if ": latencies us " not in line]  # long, for a bench
        return "\n".join(told[-lines:])

    def wait_log(self, pattern, limit_s=20):
        return wait_for(lambda: re.search(pattern, self.log()), limit_s, f"log line {pattern!r}")

    def setup_code(self):
        found = re.search(r"setup code[^A-Z0-9]*([A-Z0-9]{4}-?[A-Z0-9]{4})", self.log())
        return found.group(1) if found else self.cli("setup-code").stdout.split()[-1]

    # what the process holds
    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def status(self, field):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            found = re.search(rf"^{field}:\s+(\d+)", file.read(), re.M)
        return int(found.group(1)) if found else 0

    def memory_kb(self):
        return self.status("RssAnon") + self.status("RssShmem")

    def threads(self):
        return self.status("Threads")

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, sig=signal.SIGTERM):
        code = end_process(self.process, sig)
        shutil.rmtree(self.folder, ignore_errors=True)
        return code


def insecure_context(certificate=None, key=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


class Page:
    """The operator's JSON API, logged in."""

    def __init__(self, host, password="correct horse battery"):
        self.host, self.cookie, self.csrf = host, None, None
        if self.call("GET", "session")["state"] == "setup":
            self.call("POST", "setup", {"code": host.setup_code(), "password": password})
        if not self.cookie:
            self.call("POST", "login", {"password": password})
        self.csrf = self.call("GET", "session")["csrf"]

    def call(self, method, path, body=None, expect=200):
        connection = http.client.HTTPSConnection("127.0.0.1", self.host.port("page"), timeout=20,
                                                 context=insecure_context())
        headers = {"Content-Type": "application/json", "Host": f"127.0.0.1:{self.host.port('page')}",
                   "Origin": f"https://127.0.0.1:{self.host.port('page')}"}
        if self.cookie:
            headers["Cookie"] = self.cookie
        if self.csrf:
            headers["X-CSRF-Token"] = self.csrf
        try:
            connection.request(method, f"/api/v1/{path}", json.dumps(body) if body is not None else None, headers)
            reply = connection.getresponse()
            text = reply.read().decode()
        finally:
            connection.close()
        if reply.getheader("Set-Cookie"):
            self.cookie = reply.getheader("Set-Cookie").split(";")[0]
        if expect and reply.status != expect:
            raise AssertionError(f"{method} {path}: {reply.status} {text}")
        return json.loads(text) if text.startswith(("{", "[")) else {}

    def pairings(self):
        found = self.call("GET", "pairings")
        return found if isinstance(found, list) else found.get("pairings", [])

    def clients(self):
        found = self.call("GET", "clients")
        return found if isinstance(found, list) else found.get("clients", [])


class Stream:
    """A running `es_client stream`; its standard output is read by a thread so that it never blocks."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.streaming = [], threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("STREAMING"):
                self.streaming.set()

    def wait_streaming(self, limit_s=30):
        wait_for(lambda: self.streaming.is_set() or self.process.poll() is not None, limit_s, "the first picture")
        if not self.streaming.is_set():
            raise AssertionError(f"no picture: {self.report()}")
        return self

    def report(self, limit_s=RUN_LIMIT_S):
        try:
            self.process.wait(limit_s)
        except subprocess.TimeoutExpired as late:
            self.kill()
            raise AssertionError("es_client hangs") from late
        self.reader.join()
        errors = self.process.stderr.read()
        self.process.stderr.close()
        self.process.stdout.close()
        found = [line for line in self.lines if line.startswith("{")]
        if not found:
            raise AssertionError(f"es_client: exit {self.process.returncode}: {errors}")
        report = json.loads(found[-1])
        report["exit"] = self.process.returncode
        return report

    def kill(self):
        self.process.kill()
        self.process.wait()

    def dispose(self):
        if self.process.poll() is None:
            self.kill()
        self.reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()


class Client:
    def __init__(self, host, folder=None):
        self.host = host
        self.folder = folder or tempfile.mkdtemp(prefix="es-client-")

    def command(self, command, *options):
        return [ES_CLIENT, command, "--port", str(self.host.base), "--state", self.folder, *map(str, options)]

    def run(self, command, *options):
        done = subprocess.run(self.command(command, *options), capture_output=True, text=True, timeout=RUN_LIMIT_S)
        found = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if not found:
            raise AssertionError(f"es_client {command}: exit {done.returncode}: {done.stderr}")
        reply = json.loads(found[-1])
        reply["exit"] = done.returncode
        return reply

    def start_pairing(self, pin="0471", *options):
        return Stream(self.command("pair", "--pin", pin, *options))

    def pair(self, pin="0471", typed=None, *options):
        """Pairs with the PIN typed on the command line of the host."""
        pairing = self.start_pairing(pin, *options)
        try:
            wait_for(lambda: self.host.cli("pin", typed or pin, check=False).returncode == 0, START_LIMIT_S,
                     "the pairing request")
            return pairing.report(60)
        finally:
            if pairing.process.poll() is None:
                pairing.dispose()

    def stream(self, *options):
        return self.stream_start(*options).report()

    def stream_start(self, *options):
        return Stream(self.command("stream", *options))

    def xml(self, command, *options):
        return self.run(command, *options)["body"] or ""

    def app_id(self):
        return re.search(r"<ID>(\d+)</ID>", self.xml("applist")).group(1)

    def certificate(self):
        return os.path.join(self.folder, "client.pem"), os.path.join(self.folder, "client.key")

    def forget(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Picture:
    """A PPM file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        head = re.match(rb"P6\n(\d+) (\d+)\n255\n", data)
        self.width, self.height = int(head.group(1)), int(head.group(2))
        self.data = data[head.end():]

    def pixel(self, x, y):
        at = 3 * (y * self.width + x)
        return tuple(self.data[at:at + 3])

    def mean(self, x, y, width, height):
        sums, count = [0, 0, 0], 0
        for row in range(y, y + height):
            for column in range(x, x + width):
                for i, value in enumerate(self.pixel(column, row)):
                    sums[i] += value
                count += 1
        return tuple(s / count for s in sums)

    def difference(self, other, step=2):
        """Box (left, top, right, bottom) of what differs clearly, or None."""
        box = None
        for y in range(0, self.height, step):
            for x in range(0, self.width, step):
                if max(abs(a - b) for a, b in zip(self.pixel(x, y), other.pixel(x, y))) > 40:
                    box = (min(box[0], x), min(box[1], y), max(box[2], x), max(box[3], y)) if box else (x, y, x, y)
        return box


def read_index(path):
    with open(path, encoding="ascii") as file:
        return [json.loads(line) for line in file]


class TestCase(unittest.TestCase):
    """Shows the host's log when a test fails."""
    host = None

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before and self.host:
            try:
                sys.stderr.write(f"--- log of the host ---\n{self.host.log_tail()}\n-----------------------\n")
            except OSError:
                pass

    def temporary_folder(self):
        folder = tempfile.mkdtemp(prefix="es-test-")
        self.addCleanup(shutil.rmtree, folder, True)
        return folder

    def new_client(self):
        client = Client(self.host)
        self.addCleanup(client.forget)
        return client

    def start_stream(self, client, *options):
        stream = client.stream_start(*options)
        self.addCleanup(stream.dispose)
        return stream

    def assert_clean(self, report):
        """A stream without a fault of the host's making."""
        self.assertEqual(report["exit"], 0, report["error"])
        for field in FAULTS:
            self.assertEqual(report[field], 0, (field, report["malformed_reason"]))
        self.assertEqual(report["decoded"]["errors"], 0)

    def assert_colour(self, found, expected, tolerance=10):
        for a, b in zip(found, expected):
            self.assertLessEqual(abs(a - b), tolerance, f"{found} is not {expected}")


class FreshHostTest(TestCase):
    """A new host without a display for every test: for what leaves traces, like failed pairings."""
    settings = {}

    def setUp(self):
        self.host = Host(settings=self.settings)
        self.addCleanup(self.host.stop)


class DisplayTest(TestCase):
    """Xvfb, scene, host and a paired client for the class."""
    size = (1280, 720)
    scene = "type"
    settings = {}
    wrapper = ()

    @classmethod
    def setUpClass(cls):
        cls.display = Display(*cls.size)
        cls.addClassCleanup(cls.display.stop)
        cls.painter = Scene(cls.display, cls.scene) if cls.scene else None
        cls.addClassCleanup(lambda: cls.painter and cls.painter.stop())
        cls.host = Host(cls.display, cls.settings, cls.wrapper)
        cls.addClassCleanup(cls.host.stop)
        cls.client = Client(cls.host)
        cls.addClassCleanup(cls.client.forget)
        paired = cls.client.pair()
        assert paired["result"] == "ok", f"{paired}\n{cls.host.log_tail()}"

    def setUp(self):
        self.client.run("cancel")
        wait_for(lambda: "_SERVER_FREE" in self.client.xml("serverinfo", "--https"), 15, "a free host")

    def stream_options(self, *more):
        return ("--width", self.size[0], "--height", self.size[1], *more)
