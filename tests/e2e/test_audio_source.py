# SPDX-License-Identifier: Apache-2.0
"""The audio source with real sound servers: what is played is heard, in its channel, whatever happens to the server."""
import functools
import os
import shutil
import statistics
import subprocess
import tempfile
import unittest

import audio_rig
from harness import wait_for

PROGRAM = os.environ.get("AUDIO_SOURCE_MAIN", "")
TONES = (300, 500, 700, 900, 1100, 1300, 1500, 1700)


class Case(unittest.TestCase):
    kind = None

    def setUp(self):
        programs = getattr(self.kind, "func", self.kind).programs
        missing = [name for name in programs if not shutil.which(name)]
        if missing:
            self.skipTest(f"not installed: {' '.join(missing)}")
        self.server = self.kind()
        self.addCleanup(self.server.stop)
        self.server.start()

    def source(self, *words, **more):
        source = audio_rig.Source(PROGRAM, self.server, *words, **more)
        self.addCleanup(source.kill)
        return source

    def await_default(self, name):
        wait_for(lambda: self.server.default == name, 10, f"{name} as the default sink")

    def await_no_sink_of_ours(self):
        wait_for(lambda: "Earthshine" not in self.server.sinks(), 10, "the end of the sink Earthshine")


class Hearing:
    def test_each_channel_is_heard_in_its_place(self):
        source = self.source()
        for channels in (2, 6, 8):
            with self.subTest(channels=channels):
                self.server.add_sink(f"with{channels}", channels)
                self.server.set_default(f"with{channels}")
                source.say(f"open {channels} 0")
                self.server.play(TONES[:channels], f"with{channels}")
                source.await_status(lambda s: s["sink"] == f"with{channels}" and s["channels"] == channels, "the sink")
                source.await_tones(TONES[:channels])
                self.server.stop_playing() # the server would move it to the next default
        self.assertEqual(source.last("status")["sentence"], "")
        self.assertEqual(source.quit(), 0)

    def test_how_long_it_takes_is_measured(self):
        self.server.add_sink("one")
        self.server.set_default("one")
        self.server.play((400, 400), "one")
        source = self.source()
        source.say("open 2 0")
        source.await_tones((400, 400))
        ages = lambda: [line["sound"]["age_us"] for _, line in source.lines if "sound" in line and line["sound"]["rms"][0] > 0]
        wait_for(lambda: len(ages()) >= 30, 30, "three seconds of sound")
        print(f"{self.kind.__name__}: taken to read, median {statistics.median(ages()):.0f} us of {len(ages())} blocks")

    def test_a_channel_alone_stays_alone(self):
        self.server.add_sink("six", 6)
        self.server.set_default("six")
        source = self.source()
        source.say("open 6 0")
        for channel in range(6):
            self.server.play([TONES[c] if c == channel else 0 for c in range(6)], "six")
            source.await_tones([TONES[c] if c == channel else None for c in range(6)])
            self.server.stop_playing()

    def test_the_default_sink_is_followed(self):
        sinks = {"one": (400, 500), "two": (600, 700)}
        for name in sinks:
            self.server.add_sink(name)
        self.server.set_default("one")
        source = self.source()
        source.say("open 2 0")
        for name in ("one", "two", "one"):
            self.server.set_default(name)
            source.await_status(lambda s, name=name: s["sink"] == name, "the sink")
            self.server.stop_playing() # servers move what plays to the new default
            self.server.play(sinks[name], name)
            source.await_tones(sinks[name])
        self.assertEqual(source.notes(), [])

    def test_a_sink_that_goes_is_left_for_the_next(self):
        self.server.add_sink("one")
        module = self.server.add_sink("two")
        self.server.set_default("two")
        self.server.play((400, 400), "one")
        source = self.source()
        source.say("open 2 0")
        source.await_status(lambda s: s["sink"] == "two", "the sink")
        self.server.pactl("unload-module", module)
        source.await_status(lambda s: s["sink"] == "one", "the other sink")
        source.await_tones((400, 400))

    def test_a_sink_made_again_with_more_channels_is_heard(self):
        module = self.server.add_sink("same", 2)
        self.server.set_default("same")
        source = self.source()
        source.say("open 6 0")
        source.await_status(lambda s: s["channels"] == 2, "two channels")
        self.server.pactl("unload-module", module)
        self.server.add_sink("same", 6)
        self.server.set_default("same")
        source.await_status(lambda s: s["sink"] == "same" and s["channels"] == 6, "six channels")
        self.server.play(TONES[:6], "same")
        source.await_tones(TONES[:6])


class Server:
    def test_a_server_killed_is_waited_for_in_silence_and_found_again(self):
        self.server.add_sink("one")
        self.server.set_default("one")
        self.server.play((400, 400), "one")
        source = self.source()
        source.say("open 2 0")
        source.await_tones((400, 400))
        self.server.kill()
        source.await_status(lambda s: s["sink"] == "" and "gone" in s["sentence"], "a sentence")
        source.await_tones((None, None), "silence")
        self.server.start()
        self.server.add_sink("one")
        self.server.set_default("one")
        self.server.play((500, 500), "one")
        source.await_tones((500, 500))
        status = source.await_status(lambda s: s["sentence"] == "", "no sentence")
        self.assertEqual((status["sink"], status["reconnects"]), ("one", 1))

    def test_a_server_that_was_not_there_at_the_start_is_found(self):
        self.server.kill()
        source = self.source()
        source.say("open 2 0")
        source.await_status(lambda s: "No sound server" in s["sentence"], "a sentence")
        source.await_tones((None, None), "silence")
        self.server.start()
        self.server.add_sink("one")
        self.server.set_default("one")
        self.server.play((400, 400), "one")
        source.await_tones((400, 400))
        self.assertEqual(source.last("status")["reconnects"], 0)

    def test_a_frozen_server_holds_nothing_up(self):
        self.server.add_sink("one")
        self.server.set_default("one")
        source = self.source()
        source.say("open 2 0")
        source.await_status(lambda s: s["sink"] == "one", "the sink")
        self.server.freeze()
        source.await_tones((None, None), "silence")
        self.assertEqual(source.quit(), 0)

    def test_a_host_that_ends_without_a_server_ends(self):
        self.server.kill()
        source = self.source()
        self.assertEqual(source.quit(), 0)


class OwnSink:
    def test_without_a_device_a_sink_of_ours_is_heard_and_goes_with_us(self):
        source = self.source()
        source.say("open 6 0")
        source.await_status(lambda s: s["sink"] == "Earthshine" and s["channels"] == 6, "our sink")
        self.server.play(TONES[:6])
        source.await_tones(TONES[:6])
        self.server.stop_playing()
        self.assertEqual(source.quit(), 0)
        self.assertNotIn("Earthshine", self.server.sinks())
        self.assertEqual(source.notes(), [])

    def test_a_device_that_comes_takes_over(self):
        source = self.source()
        source.say("open 2 0")
        source.await_status(lambda s: s["sink"] == "Earthshine", "our sink")
        self.server.add_sink("plugged")
        source.await_status(lambda s: s["sink"] == "plugged", "the device")
        self.await_no_sink_of_ours()
        self.server.play((400, 400))
        source.await_tones((400, 400))

    def test_a_sink_left_by_a_crash_is_taken_over(self):
        source = self.source()
        source.say("open 2 0")
        source.await_status(lambda s: s["sink"] == "Earthshine", "our sink")
        source.kill()
        self.assertIn("Earthshine", self.server.sinks())
        again = self.source()
        again.say("open 2 0")
        again.await_status(lambda s: s["sink"] == "Earthshine", "our sink")
        self.assertEqual(self.server.sinks().count("Earthshine"), 1)
        self.assertEqual(again.quit(), 0)
        self.assertNotIn("Earthshine", self.server.sinks())


class Silenced:
    """The default sink is ours while a client wants the host silent."""

    def setUp(self):
        super().setUp()
        self.server.add_sink("other")
        self.server.add_sink("users")
        self.server.set_default("users")

    def silenced(self):
        source = self.source()
        source.say("open 2 1")
        source.await_status(lambda s: s["silenced"] and s["sink"] == "Earthshine", "silence")
        self.assertEqual(self.server.default, "Earthshine")
        self.assertEqual(source.notes(), ["pulse default-sink users"])
        return source

    def test_the_sound_comes_and_the_default_is_put_back_after_the_tap(self):
        source = self.silenced()
        self.server.play((400, 400))
        source.await_tones((400, 400))
        source.say("close")
        self.await_default("users")
        self.await_no_sink_of_ours()
        wait_for(lambda: source.notes()[-1] == "", 10, "the note's end")
        source.say("open 2 0")
        source.await_tones((400, 400), "what had been played to our sink")

    def test_the_default_is_put_back_at_the_end(self):
        source = self.silenced()
        self.assertEqual(source.quit(), 0)
        self.assertEqual(self.server.default, "users")
        self.assertNotIn("Earthshine", self.server.sinks())
        self.assertEqual(source.notes()[-1], "")

    def test_the_default_is_put_back_after_a_crash(self):
        source = self.silenced()
        source.kill()
        self.assertEqual(self.server.default, "Earthshine")
        again = self.source(source.notes()[-1])
        self.await_default("users")
        self.await_no_sink_of_ours()
        wait_for(lambda: again.notes() == [""], 10, "the note's end")

    def test_a_session_after_a_crash_goes_on_and_the_first_default_is_put_back(self):
        source = self.silenced()
        source.kill()
        again = self.source(source.notes()[-1])
        again.say("open 2 1")
        again.await_status(lambda s: s["silenced"], "silence")
        self.assertEqual(again.quit(), 0)
        self.assertEqual(self.server.default, "users")

    def test_a_users_choice_stays(self):
        source = self.silenced()
        self.server.set_default("other")
        source.await_status(lambda s: s["sink"] == "other" and not s["silenced"] and "other" in s["sentence"], "the choice")
        self.server.play((400, 400), "other")
        source.await_tones((400, 400))
        source.say("close")
        source.await_status(lambda s: s["sentence"] == "", "no sentence")
        self.assertEqual(source.quit(), 0)
        self.assertEqual(self.server.default, "other")
        self.assertEqual(source.notes()[-1], "")

    def test_a_users_choice_after_a_crash_stays(self):
        source = self.silenced()
        source.kill()
        self.server.set_default("other")
        again = self.source(source.notes()[-1])
        wait_for(lambda: again.notes() == [""], 10, "the note's end")
        self.await_no_sink_of_ours()
        self.assertEqual(self.server.default, "other")

    def test_without_a_note_the_default_stays(self):
        source = self.source()
        source.say("answer 0")
        source.say("open 2 1")
        source.await_status(lambda s: "cannot be silenced" in s["sentence"], "a sentence")
        self.assertEqual((self.server.default, source.last("status")["silenced"]), ("users", False))
        self.assertNotIn("Earthshine", self.server.sinks())

    def test_silence_comes_back_with_the_server(self):
        source = self.silenced()
        self.server.kill()
        source.await_status(lambda s: s["sink"] == "" and not s["silenced"], "the loss")
        self.server.start()
        self.server.add_sink("other")
        self.server.add_sink("users")
        source.await_status(lambda s: s["silenced"], "silence")
        wait_for(lambda: self.server.default == "Earthshine", 10, "our sink")
        self.assertEqual(source.quit(), 0)
        self.assertIn(self.server.default, ("users", "other"))
        self.assertNotIn("Earthshine", self.server.sinks())


class OfAnotherUser:
    """The host runs as root, the desktop and its sound server as somebody else."""

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        self.kind = functools.partial(self.kind, user="nobody")
        super().setUp()
        self.server.add_sink("one")
        self.server.set_default("one")
        self.server.play((400, 400)) # to the default, whichever that is
        home = tempfile.mkdtemp(prefix="es-home-")
        self.addCleanup(shutil.rmtree, home)
        self.environment = {"HOME": home, "PATH": os.environ["PATH"]}

    def test_the_users_server_is_heard_with_the_users_cookie(self):
        source = self.source(environment={**self.environment, "PULSE_COOKIE": self.server.cookie})
        source.say("open 2 1")
        source.await_status(lambda s: s["silenced"], "silence")
        source.await_tones((400, 400))
        self.assertEqual(source.quit(), 0)
        self.assertEqual(self.server.default, "one")


class PulseAudioHearing(Hearing, Case):
    kind = audio_rig.PulseAudio

    def test_another_rate_is_heard_and_told(self):
        self.server.add_sink("slow", rate=44100)
        self.server.set_default("slow")
        self.server.play((400, 400), "slow", 44100) # PulseAudio changes the rate of a sink only while it is idle
        wait_for(lambda: "RUNNING" in self.server.pactl("list", "short", "sinks"), 10, "the player")
        source = self.source()
        source.say("open 2 0")
        source.await_tones((400, 400))
        source.await_status(lambda s: "44100 Hz" in s["sentence"], "a sentence")


class PulseAudioServer(Server, Case):
    kind = audio_rig.PulseAudio


class PulseAudioOwnSink(OwnSink, Case):
    kind = audio_rig.PulseAudio


class PulseAudioSilenced(Silenced, Case):
    kind = audio_rig.PulseAudio


class PulseAudioOfAnotherUser(OfAnotherUser, Case):
    kind = audio_rig.PulseAudio

    def test_the_cookie_is_found_in_the_users_home(self):
        passwd = os.path.join(self.environment["HOME"], "passwd")
        with open("/etc/passwd", encoding="utf-8") as old, open(passwd, "w", encoding="utf-8") as new:
            for line in old: # a home for the user, seen by the source alone
                fields = line.split(":")
                if fields[0] == "nobody":
                    fields[5] = self.server.home
                new.write(":".join(fields))
        wrapper = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', passwd]
        if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
            self.skipTest("no mount namespaces here")
        source = self.source(environment=self.environment, wrapper=wrapper)
        source.say("open 2 0")
        source.await_tones((400, 400))

    def test_without_the_cookie_it_is_told_what_to_do(self):
        source = self.source(environment=self.environment)
        source.say("open 2 0")
        source.await_status(lambda s: "PULSE_COOKIE" in s["sentence"], "a sentence")
        source.await_tones((None, None), "silence")


class PipeWireHearing(Hearing, Case):
    kind = audio_rig.PipeWire


class PipeWireServer(Server, Case):
    kind = audio_rig.PipeWire

    def test_a_missing_session_manager_is_told_and_its_coming_is_seen(self):
        self.server.kill()
        self.server.start(session_manager=False)
        source = self.source()
        source.say("open 2 0")
        source.await_status(lambda s: "wireplumber" in s["sentence"], "a sentence")
        source.await_tones((None, None), "silence")
        self.server.run("wireplumber")
        source.await_status(lambda s: s["sink"] != "" and s["sentence"] == "", "a sink")
        self.server.play((400, 400))
        source.await_tones((400, 400))


class PipeWireOwnSink(OwnSink, Case):
    kind = audio_rig.PipeWire


class PipeWireSilenced(Silenced, Case):
    kind = audio_rig.PipeWire


class PipeWireOfAnotherUser(OfAnotherUser, Case):
    kind = audio_rig.PipeWire


if __name__ == "__main__":
    unittest.main()
