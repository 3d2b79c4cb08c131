# SPDX-License-Identifier: Apache-2.0
"""Real sound servers for tests: PulseAudio, or PipeWire with wireplumber and pipewire-pulse. Each lives in a folder of
its own (runtime folder, home, session bus), so that several can run beside each other and beside the machine's own."""
import array
import json
import math
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from harness import end_process, wait_for

RATE = 48000
START_LIMIT_S = 30
LAYOUTS = {
    2: "front-left,front-right",
    6: "front-left,front-right,front-center,lfe,rear-left,rear-right",
    8: "front-left,front-right,front-center,lfe,rear-left,rear-right,side-left,side-right",
}


class SoundServer:
    """What both kinds share. `user`: a name, for a server of somebody else than this test."""

    def __init__(self, user=None):
        self.user = pwd.getpwnam(user) if user else None
        self.folder = tempfile.mkdtemp(prefix="es-sound-")
        self.home, self.runtime = os.path.join(self.folder, "home"), os.path.join(self.folder, "run")
        for path in (self.home, self.runtime):
            os.mkdir(path, 0o700)
        if self.user:
            for path in (self.folder, self.home, self.runtime):
                os.chown(path, self.user.pw_uid, self.user.pw_gid)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PULSE", "PIPEWIRE", "DBUS", "XDG"))}
        kept.pop("DISPLAY", None)
        self.environment = {**kept, "HOME": self.home, "XDG_RUNTIME_DIR": self.runtime}
        self.address = f"unix:{self.runtime}/pulse/native"
        self.cookie = os.path.join(self.home, ".config", "pulse", "cookie")
        self.processes, self.players = [], []
        self.log = open(os.path.join(self.folder, "log"), "ab")

    def run(self, *words):
        change = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        process = subprocess.Popen(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=self.log,
                                   stderr=self.log, cwd="/", **change)
        self.processes.append(process)

    def pactl(self, *words, check=True):
        change = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        done = subprocess.run(["pactl", "--server", self.address, *map(str, words)], env=self.environment, timeout=30,
                              capture_output=True, text=True, cwd="/", **change)
        if check and done.returncode:
            raise AssertionError(f"pactl {words}: {done.stderr}")
        return done.stdout if done.returncode == 0 else ""

    def answers(self):
        return os.path.exists(self.address[5:]) and self.info()

    def info(self):
        out = self.pactl("--format=json", "info", check=False)
        return json.loads(out) if out.strip() else {}

    @property
    def default(self):
        return self.info().get("default_sink_name")

    def sinks(self):
        return [line.split("\t")[1] for line in self.pactl("list", "short", "sinks").splitlines()]

    def add_sink(self, name, channels=2, rate=RATE):
        """The index of its module. The sink is there."""
        module = self.pactl("load-module", "module-null-sink", f"sink_name={name}", f"rate={rate}",
                            f"channels={channels}", f"channel_map={LAYOUTS[channels]}").strip()
        wait_for(lambda: name in self.sinks(), START_LIMIT_S, f"the sink {name}")
        return module

    def set_default(self, name):
        self.pactl("set-default-sink", name)
        wait_for(lambda: self.default == name, START_LIMIT_S, f"the default sink {name}")

    def play(self, tones, sink=None, rate=RATE):
        """One tone (a multiple of 100 Hz) a channel, for ever, until the server ends or stop_playing()."""
        period = array.array("h")
        for i in range(rate // 100):
            period.extend(round(8000 * math.sin(2 * math.pi * hz * i / rate)) for hz in tones)
        command = ["pacat", "--playback", "--server", self.address, "--raw", "--format=s16ne", f"--rate={rate}",
                   f"--channels={len(tones)}", f"--channel-map={LAYOUTS[len(tones)]}", "--latency-msec=50"]
        change = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        player = subprocess.Popen([*command, *([f"--device={sink}"] if sink else [])], env=self.environment,
                                  stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, cwd="/", **change)
        threading.Thread(target=feed, args=(player.stdin, period.tobytes() * 10), daemon=True).start()
        self.players.append(player)
        return player

    def stop_playing(self):
        for player in self.players:
            player.kill()
            player.wait()
            close(player.stdin)
        self.players = []

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []
        self.stop_playing()

    def freeze(self):
        for process in self.processes:
            process.send_signal(signal.SIGSTOP)

    def thaw(self):
        for process in self.processes:
            process.send_signal(signal.SIGCONT)

    def stop(self):
        self.stop_playing()
        self.thaw()
        for process in reversed(self.processes):
            end_process(process)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def close(pipe):
    try:
        pipe.close()
    except OSError: # what it holds cannot be written any more
        pass


def feed(pipe, samples):
    try:
        while True:
            pipe.write(samples)
    except (OSError, ValueError):
        pass


class PulseAudio(SoundServer):
    programs = ("pulseaudio", "pactl", "pacat")

    def start(self):
        # The modules of the usual desktop that have a say in sinks and defaults, without any hardware.
        modules = ["module-native-protocol-unix", "module-default-device-restore", "module-rescue-streams",
                   "module-always-sink"]
        self.run("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--log-level=notice",
                 *[word for module in modules for word in ("-L", module)])
        wait_for(self.answers, START_LIMIT_S, "PulseAudio")
        wait_for(lambda: self.default, START_LIMIT_S, "a default sink")


class PipeWire(SoundServer):
    programs = ("pipewire", "wireplumber", "pipewire-pulse", "dbus-daemon", "pactl", "pacat")

    def start(self, session_manager=True):
        bus = os.path.join(self.runtime, "bus")
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={bus}"
        for path in (bus, os.path.join(self.runtime, "pipewire-0"), self.address[5:]):
            if os.path.exists(path): # of servers that were killed
                os.unlink(path)
        self.run("dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address=unix:path={bus}")
        wait_for(lambda: os.path.exists(bus), START_LIMIT_S, "the session bus")
        self.run("pipewire")
        wait_for(lambda: os.path.exists(os.path.join(self.runtime, "pipewire-0")), START_LIMIT_S, "PipeWire")
        if session_manager:
            self.run("wireplumber")
        self.run("pipewire-pulse")
        wait_for(self.answers, START_LIMIT_S, "pipewire-pulse")
        if session_manager:
            wait_for(lambda: self.default in self.sinks(), START_LIMIT_S, "a default sink")


class Source:
    """audio_source_main on a server."""

    def __init__(self, program, server, left_note=None, environment=None, wrapper=()):
        self.lines, self.changed = [], threading.Condition()
        words = [*wrapper, program, server.address, *([left_note] if left_note is not None else [])]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                                        env=environment or server.environment)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append((time.monotonic(), json.loads(line)))
                self.changed.notify_all()

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def await_line(self, kind, condition, what, since=0, limit_s=30):
        """The first such line from index `since` on that fulfils the condition: its value."""
        end = time.monotonic() + limit_s
        with self.changed:
            while True:
                for _, line in self.lines[since:]:
                    if kind in line and condition(line[kind]):
                        return line[kind]
                if not self.changed.wait(max(0, end - time.monotonic())):
                    raise AssertionError(f"waited {limit_s} s in vain for {what}; the last: {self.last('status')} "
                                         f"{self.last('sound')}")

    def last(self, kind):
        with self.changed:
            return next((line[kind] for _, line in reversed(self.lines) if kind in line), None)

    def count(self):
        with self.changed:
            return len(self.lines)

    def await_status(self, condition, what, limit_s=30):
        """The newest status fulfils it."""
        return wait_for(lambda: (self.last("status") or None) and condition(self.last("status")) and
                        self.last("status"), limit_s, f"{what}; the last: {self.last('status')}")

    def await_tones(self, tones, what="the tones"):
        """From now on, a block of sound with these frequencies, None for silence."""
        def heard(sound):
            return len(sound["hz"]) == len(tones) and all(
                rms < 0.001 if tone is None else rms > 0.02 and abs(hz - tone) < 2
                for tone, hz, rms in zip(tones, sound["hz"], sound["rms"]))
        return self.await_line("sound", heard, f"{what} {tones}", self.count())

    def notes(self):
        with self.changed:
            return [line["note"] for _, line in self.lines if "note" in line]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.finish()

    def quit(self):
        """Its exit code."""
        if self.process.poll() is None:
            self.say("quit")
            self.process.wait(20)
        self.finish()
        return self.process.returncode

    def finish(self):
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()
