# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping, and what stands in the way of it: every reason has a message and an exit code."""
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from harness import (EARTHSHINE, TCP_OFFSETS, UDP_OFFSETS, Client, Host, Page, Picture, TestCase, free_base_port,
                     wait_for)

MACHINE_A = "0123456789abcdef0123456789abcdef"
MACHINE_B = "fedcba9876543210fedcba9876543210"


def read_state(folder):
    with open(os.path.join(folder, "state.json"), encoding="utf-8") as file:
        return json.load(file)


def fingerprints(folder):
    """Every file below the folder, but for the lock and the socket, with a hash of its content."""
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name != "lock" and os.path.isfile(path):
            with open(path, "rb") as file:
                found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


class Refusal(TestCase):
    """A host that is expected not to come up."""

    def setUp(self):
        self.folder = self.temporary_folder()
        self.state = os.path.join(self.folder, "state")
        self.base = free_base_port()
        self.path = os.path.join(self.folder, "earthshine.conf")
        self.write_config()

    def write_config(self, *more):
        lines = [f"port = {self.base}", f"state_dir = {self.state}", "bind = 127.0.0.1", "display = none",
                 "encoder = x264", "name = e2e", *more]
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    def assert_refused(self, code, *patterns, words=()):
        done = subprocess.run([EARTHSHINE, "--config", self.path, *words], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        for pattern in patterns:
            self.assertRegex(done.stderr, pattern)
        self.assertNotIn("is ready", done.stdout)
        return done.stderr


class Ports(Refusal):
    def test_each_taken_port_is_named(self):
        kinds = [(socket.SOCK_STREAM, TCP_OFFSETS), (socket.SOCK_DGRAM, UDP_OFFSETS)]
        for kind, offsets in kinds:
            for name, offset in offsets.items():
                with self.subTest(port=name), socket.socket(socket.AF_INET, kind) as other:
                    other.bind(("127.0.0.1", self.base + offset))
                    if kind == socket.SOCK_STREAM:
                        other.listen()
                    self.assert_refused(1, rf"ERROR .*\b{self.base + offset}\b.*[Aa]ddress already in use")

    def test_an_address_of_another_machine(self):
        self.write_config()
        self.assert_refused(1, r"192\.0\.2\.1.*[Cc]annot assign", words=("--set", "bind=192.0.2.1"))


class Configuration(Refusal):
    def test_file_and_line_and_what_was_expected(self):
        for line, expected in (("prot = 1", "prot"), ("port = 99999", "1029"), ("port = x", "1029"),
                               ("encoder", "key = value"), ("audio = loud", "auto"), ("idle_fps = -1", "idle_fps"),
                               ("bind = here", "bind"), ("web_allow = all", "loopback")):
            with self.subTest(line=line):
                self.write_config(line)
                self.assert_refused(2, rf"{re.escape(self.path)}:7\b", expected)
                self.assertFalse(os.path.exists(self.state), "something was written")

    def test_set(self):
        for word, expected in (("colour=blue", "colour"), ("port", "key=value"), ("port=70000", "1029"),
                               ("state_dir=here", "path")):
            with self.subTest(word=word):
                self.assert_refused(2, expected, words=("--set", word))

    def test_more_settings_than_fit(self):
        self.assert_refused(2, "at most", words=("--set", "name=x") * 100)

    def test_usage(self):
        self.assert_refused(2, "--frobnicate", words=("--frobnicate",))
        self.assert_refused(2, "frobnicate", words=("frobnicate",))
        self.assert_refused(2, "--set", words=("--set",))

    def test_missing_file(self):
        os.unlink(self.path)
        self.assert_refused(2, re.escape(self.path))


class State(TestCase):
    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.stop)
        self.folder = os.path.join(self.host.folder, "state")

    def path(self, name):
        return os.path.join(self.folder, name)

    def halt(self):
        self.host.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.host.process.wait(15), 0)

    def run_refused(self):
        done = subprocess.run(self.host.command(), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def damage(self, name, text="{ not JSON"):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def test_private(self):
        self.assertEqual(os.stat(self.folder).st_mode & 0o777, 0o700)
        for name in ("state.json", "key.pem", "web-key.pem", "control.sock"):
            self.assertEqual(os.stat(self.path(name)).st_mode & 0o077, 0, name)

    def test_previous_generation_is_used(self):
        self.new_client().pair()
        uniqueid = read_state(os.path.join(self.host.folder, "state"))["uniqueid"]
        self.halt()
        self.damage("state.json")
        self.host.start()
        self.assertIn(f"<uniqueid>{uniqueid}</uniqueid>", self.host.get_http("/serverinfo").text)
        self.assertRegex(self.host.log(), r"state\.json is damaged; going on with its previous generation")

    def test_both_generations_unreadable(self):
        self.halt()
        self.damage("state.json")
        self.damage("state.json.1")
        before = fingerprints(self.folder)
        self.assertRegex(self.run_refused(), r"neither .*state\.json nor its previous generation can be used")
        self.assertEqual(fingerprints(self.folder), before)

    def test_newer_schema(self):
        self.halt()
        self.damage("state.json", json.dumps({**read_state(os.path.join(self.host.folder, "state")), "schema": 9999}))
        before = fingerprints(self.folder)
        self.assertRegex(self.run_refused(), r"newer version of Earthshine")
        self.assertEqual(fingerprints(self.folder), before)

    def test_second_host_is_refused(self):
        before = fingerprints(self.folder)
        error = subprocess.run(self.host.command("--set", f"port={free_base_port()}"), capture_output=True, text=True,
                               timeout=60)
        self.assertEqual(error.returncode, 1)
        self.assertRegex(error.stderr, r"state is in use by another process")
        self.assertEqual(fingerprints(self.folder), before)
        self.assertEqual(self.host.get_http("/serverinfo").status, 200)
        self.assertEqual(self.host.cli("clients").returncode, 0, "the first host's socket is gone")

    def test_lost_key_is_said(self):
        self.halt()
        os.unlink(self.path("key.pem"))
        self.assertRegex(self.run_refused(), r"put back .*key\.pem .*or remove both")


class Clone(TestCase):
    def setUp(self):
        self.sysroot = self.temporary_folder()
        os.makedirs(os.path.join(self.sysroot, "etc"))
        self.become(MACHINE_A)
        self.host = Host()
        self.addCleanup(self.host.stop)
        self.restart()

    def become(self, machine):
        with open(os.path.join(self.sysroot, "etc", "machine-id"), "w", encoding="ascii") as file:
            file.write(machine + "\n")

    def restart(self, *words):
        self.host.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.host.process.wait(15), 0)
        if os.path.exists(os.path.join(self.host.folder, "state", "key.pem")) and not hasattr(self, "begun"):
            shutil.rmtree(os.path.join(self.host.folder, "state"))  # the first start looked at the real machine
            self.begun = True
        command, sysroot = type(self.host).command, self.sysroot
        self.host.command = lambda *more: command(self.host, "--sysroot", sysroot, *words, *more)
        self.host.start()

    def certificate(self):
        with open(os.path.join(self.host.folder, "state", "cert.pem"), encoding="ascii") as file:
            return file.read()

    def identity(self):
        return self.certificate(), read_state(os.path.join(self.host.folder, "state"))["uniqueid"]

    def test_same_machine_keeps_everything(self):
        self.new_client().pair()
        before = self.identity()
        self.restart()
        self.assertEqual(self.identity(), before)
        self.assertEqual(len(read_state(os.path.join(self.host.folder, "state"))["clients"]), 1)

    def test_clone_starts_anew(self):
        client = self.new_client()
        client.pair()
        Page(self.host)
        before = self.identity()
        self.become(MACHINE_B)
        self.restart()
        self.assertRegex(self.host.log(), r"this machine is a copy")
        self.assertNotEqual(self.identity()[0], before[0])
        self.assertNotEqual(self.identity()[1], before[1])
        state = read_state(os.path.join(self.host.folder, "state"))
        self.assertEqual(state["clients"], [])
        self.assertNotIn("password", state)
        self.assertTrue(self.host.setup_code())
        names = os.listdir(os.path.join(self.host.folder, "state"))
        for name in ("state.json.clone", "key.pem.clone", "cert.pem.clone", "web-key.pem.clone"):
            self.assertIn(name, names)
        self.assertEqual(client.pair()["result"], "ok")
        fresh = self.identity()
        self.restart()
        self.assertEqual(self.identity(), fresh)

    def test_machine_that_cannot_be_known_is_not_a_clone(self):
        before = self.identity()
        self.become("uninitialized")
        self.restart()
        self.assertEqual(self.identity(), before)

    def test_identity_fixed(self):
        before = self.identity()
        self.become(MACHINE_B)
        self.restart("--set", "identity=fixed")
        self.assertEqual(self.identity(), before)


class DiskFull(TestCase):
    def setUp(self):
        self.mount = tempfile.mkdtemp(prefix="es-disk-")
        self.addCleanup(os.rmdir, self.mount)
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", self.mount],
                              capture_output=True, text=True, check=False)
        if made.returncode:
            self.skipTest(f"no small file system can be mounted: {made.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", self.mount], check=True)
        self.host = Host(settings={"state_dir": self.mount})
        self.addCleanup(self.host.stop)

    def fill(self):
        previous = os.path.join(self.mount, "state.json.1")
        if os.path.exists(previous):  # else the room that the next write frees would do for its file
            os.link(previous, os.path.join(self.mount, "kept"))
        with open(os.path.join(self.mount, "filler"), "wb", buffering=0) as file:
            with self.assertRaises(OSError):
                while True:
                    file.write(b"x" * 4096)

    def free(self):
        os.unlink(os.path.join(self.mount, "filler"))

    def test_stream_goes_on_and_the_rest_says_so(self):
        client, other = self.new_client(), self.new_client()
        client.pair()
        page = Page(self.host)
        page.call("POST", "clients/rename", {"id": page.clients()[0]["id"], "name": "before"})
        stream = self.start_stream(client, "--seconds", 8, "--decode").wait_streaming()
        self.fill()

        self.assertNotEqual(other.pair("1111")["result"], "ok")
        self.assertRegex(self.host.log(), r"ERROR file: cannot write .*state\.json: No space left on device")
        self.assertEqual(len(page.clients()), 1)
        refused = page.call("POST", "clients/rename", {"id": page.clients()[0]["id"], "name": "after"}, expect=500)
        self.assertIn("could not be saved", json.dumps(refused))
        self.assertNotEqual(self.host.cli("passwd", text="another password\n", check=False).returncode, 0)
        Page(self.host)  # logs in: the old password is still the one
        self.assertGreaterEqual(page.call("GET", "status")["counters"]["state_write_failures"], 2)

        self.assert_clean(stream.report())
        self.free()
        self.assertEqual(other.pair("1111")["result"], "ok")
        self.assertEqual(len(page.clients()), 2)
        self.assertEqual(len(read_state(self.mount)["clients"]), 2)

    def test_first_password_that_cannot_be_saved_is_none(self):
        code = self.host.cli("setup-code").stdout
        self.fill()
        self.assertNotEqual(self.host.cli("passwd", text="the first password\n", check=False).returncode, 0)
        self.assertEqual(self.host.cli("setup-code").stdout, code)
        self.free()
        Page(self.host)  # by the setup code

    def test_start_on_a_full_disk(self):
        self.host.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.host.process.wait(15), 0)
        self.fill()
        done = subprocess.run(self.host.command(), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"cannot write .*state\.json: No space left on device")


class NoDisplay(TestCase):
    """Without a display, or one that does not exist, the stream is a status picture with a sentence."""

    def test_status_picture(self):
        for display in ("none", ":9876"):
            with self.subTest(display=display):
                self.host = Host(settings={"display": display})
                self.addCleanup(self.host.stop)
                client = self.new_client()
                client.pair()
                dump = os.path.join(self.temporary_folder(), "picture")
                report = client.stream("--width", 1280, "--height", 720, "--seconds", 3, "--decode", "--ppm-last",
                                       dump)
                self.assert_clean(report)
                self.assertGreater(report["decoded"]["pictures"], 2)
                picture = Picture(dump)
                colours = {picture.pixel(x, y) for x in range(0, 1280, 16) for y in range(0, 720, 16)}
                self.assertGreater(len(colours), 8, "an empty picture")
                shown = Page(self.host).call("GET", "status")["display"]
                self.assertFalse(shown["capturing"])
                self.assertTrue(shown["sentence"])


class NoEncoder(TestCase):
    def test_launch_says_so(self):
        self.host = Host(settings={"encoder": "nvenc"})
        self.addCleanup(self.host.stop)
        if re.search(r"encoder: nvenc\S* works", self.host.log()):
            self.skipTest("NVENC works on this machine")
        self.assertRegex(self.host.log(), r"encoder: none works")
        client = self.new_client()
        self.assertEqual(client.pair()["result"], "ok")
        reply = client.run("launch", "--appid", client.app_id())
        self.assertEqual(reply["status"], 503)
        self.assertIn("no working video encoder", reply["body"])
        self.assertIn("<gamesession>0</gamesession>", reply["body"])
        encoders = Page(self.host).call("GET", "status")["encoders"]
        self.assertTrue(encoders and all(not e["usable"] and e["reason"] for e in encoders), encoders)


class Commands(TestCase):
    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.stop)

    def halt(self):
        self.host.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.host.process.wait(15), 0)

    def test_passwd_with_a_running_host(self):
        self.host.cli("passwd", text="the first password\n")
        page = Page(self.host, "the first password")
        self.host.cli("passwd", text="the second password\n")
        page.call("GET", "status", expect=401)
        Page(self.host, "the second password")
        self.assertEqual(self.host.cli("setup-code", check=False).returncode, 1)
        self.halt()
        self.host.start()
        Page(self.host, "the second password")

    def test_passwd_without_a_host(self):
        self.halt()
        self.host.cli("passwd", text="set while it was off\n")
        self.host.start()
        Page(self.host, "set while it was off")

    def test_passwd_too_short(self):
        done = self.host.cli("passwd", text="short\n", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing was changed", done.stderr)
        self.assertTrue(self.host.cli("setup-code").stdout.strip())

    def test_clients_remove(self):
        client = self.new_client()
        client.pair()
        listed = self.host.cli("clients", "list").stdout.split()
        unknown = self.host.cli("clients", "remove", "nobody", check=False)
        self.assertEqual(unknown.returncode, 1)
        self.assertIn("nothing with this id", unknown.stderr)
        self.host.cli("clients", "remove", listed[0])
        self.assertIn("No client is paired", self.host.cli("clients").stdout)
        self.assertEqual(client.run("applist")["status"], 401)
        wait_for(lambda: not read_state(os.path.join(self.host.folder, "state"))["clients"], 10, "the removal on disk")

    def test_pin(self):
        self.assertEqual(self.host.cli("pin", "12345", check=False).returncode, 2)
        done = self.host.cli("pin", "1234", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no client waits for a PIN", done.stderr)
        first = self.new_client().start_pairing("1111", "--uniqueid", "a1")
        second = self.new_client().start_pairing("2222", "--uniqueid", "b2")
        self.addCleanup(first.dispose)
        self.addCleanup(second.dispose)
        page = Page(self.host)
        waiting = wait_for(lambda: len(page.pairings()) == 2 and page.pairings(), 20, "two requests")
        done = self.host.cli("pin", "1111", check=False)
        self.assertEqual(done.returncode, 2)
        for request in waiting:
            self.assertIn(request["id"], done.stderr)
        self.assertEqual(self.host.cli("pin", "--request", "nobody", "1111", check=False).returncode, 1)

    def test_without_a_host(self):
        self.halt()
        for words in (("clients",), ("pin", "1234"), ("setup-code",)):
            done = self.host.cli(*words, check=False)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("no host is running with the state folder", done.stderr)


class Stopping(TestCase):
    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.stop)

    def signal(self):
        self.host.process.send_signal(signal.SIGTERM)

    def assert_ends_well(self, limit_s=10):
        self.assertEqual(self.host.process.wait(limit_s), 0, self.host.log_tail())

    def stop_twice(self, delay_s):
        client = self.new_client()
        client.pair()
        stream = self.start_stream(client, "--seconds", 20).wait_streaming()
        stream.process.send_signal(signal.SIGSTOP)  # says goodbye to nobody
        self.signal()
        time.sleep(delay_s)
        self.signal()
        self.assert_ends_well(5)

    def test_twice_while_streaming(self):
        self.stop_twice(0.3)

    def test_twice_in_a_row_while_streaming(self):
        self.stop_twice(0.002)

    def test_with_a_client_that_does_not_answer(self):
        client = self.new_client()
        client.pair()
        stream = self.start_stream(client, "--seconds", 20).wait_streaming()
        stream.process.send_signal(signal.SIGSTOP)
        self.signal()
        self.assert_ends_well(8)

    def test_with_an_unused_launch(self):
        client = self.new_client()
        client.pair()
        self.assertEqual(client.run("launch", "--appid", client.app_id())["status"], 200)
        self.signal()
        self.assert_ends_well(5)

    def test_while_requests_wait_for_their_pin(self):
        waiting = [self.new_client().start_pairing(pin, "--uniqueid", f"id{pin}") for pin in ("1111", "2222")]
        for stream in waiting:
            self.addCleanup(stream.dispose)
        page = Page(self.host)
        wait_for(lambda: len(page.pairings()) == 2, 20, "two requests")
        self.signal()
        self.assert_ends_well(5)

    def test_right_after_the_pin(self):
        for delay_s in (0, 0.01, 0.03, 0.1):
            with self.subTest(delay=delay_s):
                pairing = self.new_client().start_pairing("1111")
                self.addCleanup(pairing.dispose)
                wait_for(lambda: self.host.cli("pin", "1111", check=False).returncode == 0, 20, "the request")
                time.sleep(delay_s)
                self.signal()
                self.assert_ends_well(5)
                self.host.start()

    def test_during_preparation(self):
        self.signal()
        self.assert_ends_well()
        for delay_s in (0.02, 0.06, 0.15, 0.3):
            with self.subTest(delay=delay_s):
                shutil.rmtree(os.path.join(self.host.folder, "state"), ignore_errors=True)
                process = subprocess.Popen(self.host.command(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                time.sleep(delay_s)
                process.send_signal(signal.SIGTERM)
                _, errors = process.communicate(timeout=15)
                # before its signal handler is in place the default applies
                self.assertIn(process.returncode, (0, -signal.SIGTERM), errors.decode())


if __name__ == "__main__":
    unittest.main()
