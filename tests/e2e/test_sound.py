# SPDX-License-Identifier: Apache-2.0
"""Sound from a real server to the client's ears: every layout, encrypted or not, with losses, without a server, and
through the server's end and return. What the source does with sinks and defaults: test_audio_source.py."""
import os
import shutil
import unittest
import wave

from audio_rig import PipeWire, PulseAudio
from harness import Client, Host, Page, TestCase, wait_for

TONES = (400, 900, 1500, 200, 2200, 3000, 3900, 5000) # apart enough for a pair that is coded together
# options, bytes of a packet, whether that is encrypted
LAYOUTS = (
    (2, ("--audio-normal",), 60), (2, (), 320), (2, ("--audio-normal", "--audio-ms", 10), 120),
    (2, ("--encrypt-audio",), 336), (2, ("--audio-ms", 10), 640), (6, (), 160), (6, ("--audio-high",), 960),
    (6, ("--audio-ms", 10, "--encrypt-audio"), 336), (8, (), 281), (8, ("--encrypt-audio",), 288),
    (8, ("--audio-high", "--encrypt-audio"), 1296), (8, ("--audio-ms", 10), 562),
)


class SoundTest(TestCase):
    server_class, channels = None, 2

    def setUp(self):
        missing = [name for name in self.server_class.programs if not shutil.which(name)]
        if missing:
            self.skipTest(f"needs {', '.join(missing)}")
        self.server = self.server_class()
        self.addCleanup(self.server.stop)
        self.server.start()
        self.server.add_sink("speakers", self.channels)
        self.server.set_default("speakers")
        self.host = Host(settings={"audio": "auto"},
                         wrapper=("env", f"PULSE_SERVER={self.server.address}", f"PULSE_COOKIE={self.server.cookie}",
                                  f"HOME={self.server.home}", f"XDG_RUNTIME_DIR={self.server.runtime}"))
        self.addCleanup(self.host.stop)
        self.client = Client(self.host)
        self.addCleanup(self.client.forget)
        self.assertEqual(self.client.pair()["result"], "ok")
        self.page = Page(self.host)

    def status(self):
        return self.page.call("GET", "status")["audio"]

    def session(self):
        """The sound of the only one, once there is any."""
        sessions = self.page.call("GET", "status")["sessions"]
        return sessions[0]["audio"] if sessions else None

    def await_packets(self, count):
        """So many more are sent."""
        before = self.session()["packets"]
        wait_for(lambda: self.session()["packets"] > before + count, 60, f"{count} more packets")

    def listen(self, *options, seconds=3):
        report = self.client.stream("--listen", "--local-audio", "--width", 640, "--height", 360, "--fps", 10,
                                    "--seconds", seconds, *options)
        self.assertEqual(report["exit"], 0, report)
        self.assert_sound(report["sound"])
        return report["sound"]

    def assert_sound(self, sound):
        for fault in ("malformed", "broken", "bad_timestamps", "decode_errors", "duplicates", "fec_off"):
            self.assertFalse(sound[fault], (fault, sound))

    def assert_tones(self, sound, tones):
        self.assertEqual(len(sound["channels"]), len(tones))
        for heard, tone in zip(sound["channels"], tones):
            if tone is None:
                self.assertLess(heard["db"], -50, sound)
            else:
                self.assertAlmostEqual(heard["hz"], tone, delta=6, msg=str(sound))
                self.assertGreater(heard["tone_db"], -30, sound)


class Hearing:
    """For either server."""

    def test_a_tone_is_recognised_in_its_channel_in_every_layout(self):
        self.server.play(TONES[:8], "speakers")
        for channels, options, size in LAYOUTS:
            with self.subTest(channels=channels, options=options):
                sound = self.listen("--audio-channels", channels, *options)
                self.assertEqual(sound["payload_bytes"], size)
                self.assertEqual(sound["lost"], 0)
                if channels == 8:
                    self.assert_tones(sound, TONES)
                elif channels == 6: # the sides join the back
                    self.assert_tones(sound, [*TONES[:4], None, None][:4] + [s["hz"] for s in sound["channels"][4:]])
                    self.assertIn(round(sound["channels"][4]["hz"], -2), (TONES[4], TONES[6]))

    def test_losses_that_parity_covers_are_not_heard(self):
        self.server.play(TONES[:8], "speakers")
        sound = self.listen("--audio-channels", 8, "--audio-loss-per-block", 2, "--encrypt-audio", seconds=5)
        self.assertGreater(sound["recovered"], 50)
        self.assertEqual(sound["lost"], 0)
        self.assert_tones(sound, TONES)
        sound = self.listen("--audio-loss-per-block", 3)
        self.assertGreater(sound["lost"], 0) # beyond it they are concealed

    def test_the_server_may_end_and_come_back(self):
        self.server.play(TONES[:8], "speakers")
        stream = self.start_stream(self.client, "--listen", "--local-audio", "--audio-channels", 8, "--width", 640,
                                   "--height", 360, "--fps", 10, "--seconds", 600)
        wait_for(self.session, 30, "sound")
        self.await_packets(800) # the first samples of a server may come two seconds late
        self.server.kill()
        wait_for(lambda: self.status()["sentence"], 30, "a sentence")
        silent = self.status()["silent_frames"]
        wait_for(lambda: self.status()["silent_frames"] > silent + 3 * 48000, 30, "three seconds of silence")
        self.server.start()
        self.server.add_sink("speakers", 8)
        self.server.set_default("speakers")
        self.server.play(TONES[:8], "speakers")
        wait_for(lambda: self.status()["sink"] and not self.status()["sentence"], 60, "the sink")
        self.await_packets(800)
        stream.process.send_signal(2)
        sound = stream.report()["sound"]
        self.assert_sound(sound)
        self.assertEqual(sound["lost"], 0) # silence is sent meanwhile
        self.assertGreaterEqual(self.status()["reconnects"], 1)
        lost = sound["seconds_db"].index(min(sound["seconds_db"][1:]), 1)
        self.assertGreater(max(sound["seconds_db"][:lost]), -30)
        self.assertLess(sound["seconds_db"][lost], -60)
        self.assertGreater(sound["seconds_db"][-1], -30)
        self.assert_tones(sound, TONES)

    def test_the_host_is_silenced_only_for_those_who_want_it(self):
        self.server.play(TONES[:8], "speakers")
        stream = self.start_stream(self.client, "--listen", "--seconds", 600)
        wait_for(lambda: self.status()["silenced"], 30, "the null sink")
        self.assertNotEqual(self.server.default, "speakers")
        stream.process.send_signal(2)
        self.assertFalse(stream.report()["sound"]["fec_off"])
        wait_for(lambda: self.server.default == "speakers", 30, "the user's default sink")
        wait_for(lambda: not self.status()["silenced"], 30, "the host's word of it")

    def test_the_default_sink_comes_back_after_a_crash_of_the_host(self):
        stream = self.start_stream(self.client, "--seconds", 600)
        wait_for(lambda: self.status()["silenced"], 30, "the null sink")
        self.host.process.kill()
        self.host.process.wait()
        stream.report()
        self.host.start()
        wait_for(lambda: self.server.default == "speakers", 30, "the user's default sink")

    def test_what_was_heard_can_be_recorded(self):
        self.server.play(TONES[:8], "speakers")
        path = os.path.join(self.temporary_folder(), "heard.wav")
        self.listen("--audio-channels", 6, "--record-audio", path)
        with wave.open(path) as file:
            self.assertEqual((file.getnchannels(), file.getframerate()), (6, 48000))
            self.assertGreater(file.getnframes(), 48000)

    def test_two_clients_hear_the_same_in_their_own_layouts(self):
        self.server.play(TONES[:8], "speakers")
        other = self.new_client()
        self.assertEqual(other.pair()["result"], "ok")
        options = ("--listen", "--local-audio", "--width", 640, "--height", 360, "--fps", 10, "--seconds", 4)
        streams = [self.start_stream(self.client, *options, "--audio-channels", 8),
                   self.start_stream(other, *options, "--audio-channels", 2, "--encrypt-audio")]
        first, second = (stream.report()["sound"] for stream in streams)
        self.assert_sound(first)
        self.assert_sound(second)
        self.assert_tones(first, TONES)
        self.assertAlmostEqual(second["channels"][0]["hz"], TONES[0], delta=6)
        self.assertAlmostEqual(second["channels"][1]["hz"], TONES[1], delta=6)


class WithPulseAudio(Hearing, SoundTest):
    server_class, channels = PulseAudio, 8


class WithPipeWire(Hearing, SoundTest):
    server_class, channels = PipeWire, 8


class WithoutAServer(TestCase):
    def test_silence_is_streamed_and_the_page_says_why(self):
        folder = self.temporary_folder()
        host = Host(settings={"audio": "auto"}, wrapper=("env", f"PULSE_SERVER=unix:{folder}/none", f"HOME={folder}",
                                                         f"XDG_RUNTIME_DIR={folder}"))
        self.addCleanup(host.stop)
        client = Client(host)
        self.addCleanup(client.forget)
        self.assertEqual(client.pair()["result"], "ok")
        report = client.stream("--listen", "--seconds", 3)
        self.assertGreater(report["sound"]["played"], 200)
        self.assertLess(max(channel["db"] for channel in report["sound"]["channels"]), -100)
        self.assertTrue(Page(host).call("GET", "status")["audio"]["sentence"])

    def test_nothing_is_sent_when_sound_is_off(self):
        host = Host()
        self.addCleanup(host.stop)
        client = Client(host)
        self.addCleanup(client.forget)
        self.assertEqual(client.pair()["result"], "ok")
        report = client.stream("--listen", "--seconds", 1)
        self.assertEqual(report["exit"], 0)
        self.assertEqual(report["sound"]["packets"], 0)
        self.assertIsNone(Page(host).call("GET", "status")["audio"])


if __name__ == "__main__":
    unittest.main()
