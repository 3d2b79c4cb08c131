# SPDX-License-Identifier: Apache-2.0
"""Apps with commands. What the commands do they write to a file themselves; the picture is the host's test card."""
import json
import os
import pwd
import re
import secrets
import signal
import unittest

from harness import Client, Display, Host, Page, TestCase, wait_for

SIZE = ("--width", 640, "--height", 360, "--fps", 30)
GRACEFUL = 0x80030023
IS_ROOT = os.geteuid() == 0
ME = pwd.getpwuid(os.geteuid()).pw_name


def living_in_group(group):
    """Processes of the group that are not zombies."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(entry))
    return found


class AppsTest(TestCase):
    def start_host(self, sections, settings=None, display=None):
        """$FOLDER in `sections` is a folder anybody can write to."""
        self.folder = self.temporary_folder()
        os.chmod(self.folder, 0o777)
        self.file = os.path.join(self.folder, "log")
        with open(self.file, "w", encoding="utf-8"):
            os.chmod(self.file, 0o666)
        self.host = Host(display, settings=settings, sections=self.fill(sections))
        self.addCleanup(self.host.stop)
        self.client = self.new_client()
        self.assertEqual(self.client.pair()["result"], "ok")

    def fill(self, sections):
        """As root, every app says that it may run as root, unless it names somebody."""
        text = sections.replace("$FOLDER", self.folder)
        parts = re.split(r"(?m)^(?=\[app )", text)
        return "\n".join(part if "user =" in part or not part.startswith("[app") else f"{part}\nuser = {ME}\n"
                         for part in parts)

    def lines(self):
        with open(self.file, encoding="utf-8") as file:
            return file.read().split("\n")[:-1]

    def wait_lines(self, expected, unordered=0):
        """`unordered`: so many at the end may come in any order."""
        ordered = len(expected) - unordered

        def known():
            lines = self.lines()
            return lines[:ordered] + sorted(lines[ordered:])
        wanted = expected[:ordered] + sorted(expected[ordered:])
        try:
            wait_for(lambda: known() == wanted, 30, "the commands")
        except AssertionError:
            self.assertEqual(known(), wanted)

    def clear(self):
        os.truncate(self.file, 0)

    def apps(self):
        """Name to id, in the order of the list."""
        found = re.findall(r"<AppTitle>([^<]*)</AppTitle><ID>(\d+)</ID>", self.client.xml("applist"))
        return {name: int(number) for name, number in found}

    def stream_app(self, name, *more):
        stream = self.client.stream_start(*SIZE, "--seconds", 60, "--launch", "--appid", self.apps()[name], *more)
        self.addCleanup(stream.dispose)
        return stream

    def leave(self, stream):
        stream.process.send_signal(signal.SIGINT)
        return stream.report()

    def status(self, name):
        """What the page shows of the app."""
        shown = Page(self.host).call("GET", "status")["apps"]
        return next(app for app in shown if app["name"] == name)


class List(AppsTest):
    def test_names_and_pictures_are_those_of_the_file(self):
        folder = self.temporary_folder()
        picture = os.path.join(folder, "box.png")
        with open(picture, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + secrets.token_bytes(300000))
        self.start_host(f'[app "Größe: 1"]\nimage = {picture}\n[app "Tony\'s Game"]\n[app "No picture"]\n'
                        'image = /nonexistent.png\n')
        apps = self.apps()
        self.assertEqual(len(apps), 3)
        self.assertEqual(list(apps)[0], "Größe: 1")
        fetched = os.path.join(folder, "fetched")
        with open(picture, "rb") as file:
            wanted = file.read()
        pictures = []
        for number in apps.values():
            self.assertEqual(self.client.run("appasset", "--appid", number, "--output", fetched)["exit"], 0)
            with open(fetched, "rb") as file:
                pictures.append(file.read())
        self.assertEqual(pictures[0], wanted)
        self.assertEqual(pictures[1], pictures[2])
        self.assertTrue(pictures[1].startswith(b"\x89PNG"))
        self.assertIn("image of \"No picture\"", self.host.log())

    def test_an_app_that_is_not_there_is_refused(self):
        self.start_host('[app "Game"]\n')
        reply = self.client.run("launch", "--appid", 958645192)  # "Desktop"
        self.assertEqual(reply["status"], 404)
        self.assertIn("<gamesession>0</gamesession>", reply["body"])

    def test_a_mistake_is_told_with_its_line(self):
        folder = self.temporary_folder()
        path = os.path.join(folder, "conf")
        self.start_host("")
        with open(path, "w", encoding="utf-8") as file:
            file.write('port = 40000\n[app "Game"]\ncomand = true\n')
        done = self.host.cli("--config", path, "clients", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{path}:3", done.stderr)


class Commands(AppsTest):
    def test_the_command_has_user_folder_and_environment(self):
        user = "nobody" if IS_ROOT else ME
        self.start_host(f'[app "Game"]\nuser = {user}\ndirectory = $FOLDER\nenvironment = LEVEL=3 and more\n'
                        'environment = OTHER=x\ncommand = { id -un; pwd; echo "$LEVEL|$OTHER"; echo "$EARTHSHINE_APP|'
                        '$EARTHSHINE_WIDTH|\\\n  $EARTHSHINE_HEIGHT|$EARTHSHINE_FPS"; } >> log; exec sleep 600\n')
        self.stream_app("Game").wait_streaming()
        self.wait_lines([user, self.folder, "3 and more|x", "Game|640|\\ 360|30"])
        self.assertEqual(self.status("Game")["state"], "running")

    def test_commands_run_in_order_from_launch_to_quit(self):
        moments = "".join(f"{name} = echo {name} >> $FOLDER/log\n{name}_undo = echo {name}_undo >> $FOLDER/log\n"
                          for name in ("connect", "first_picture", "disconnect", "quit"))
        self.start_host(f'[app "Game"]\ncommand = echo $$ > $FOLDER/pid; echo command >> $FOLDER/log; '
                        f'exec sleep 600\n{moments}')
        stream = self.stream_app("Game").wait_streaming()
        self.wait_lines(["connect", "command", "first_picture"], 2)  # the command is started, not waited for
        with open(os.path.join(self.folder, "pid"), encoding="ascii") as file:
            group = int(file.read())
        self.clear()
        self.leave(stream)
        self.wait_lines(["first_picture_undo", "connect_undo", "disconnect"])
        self.clear()
        stream = self.start_stream(self.client, *SIZE, "--seconds", 60).wait_streaming()
        self.wait_lines(["disconnect_undo", "connect", "first_picture"])
        self.assertTrue(living_in_group(group))
        self.clear()
        self.assertEqual(self.client.run("cancel")["status"], 200)
        self.assertEqual(stream.report()["termination"], GRACEFUL)
        self.wait_lines(["first_picture_undo", "connect_undo", "disconnect", "quit", "disconnect_undo"])
        wait_for(lambda: not living_in_group(group), 10, "the end of the command")
        self.clear()
        self.stream_app("Game").wait_streaming()
        self.wait_lines(["quit_undo", "connect", "command", "first_picture"], 2)
        self.clear()
        self.host.process.terminate()
        self.assertEqual(self.host.process.wait(20), 0)
        # the end of the session may have come in time for `disconnect`; then it is undone like all else
        self.assertIn(self.lines(), (["first_picture_undo", "connect_undo"],
                                     ["first_picture_undo", "connect_undo", "disconnect", "disconnect_undo"]))
        with open(os.path.join(self.host.folder, "state", "state.json"), encoding="utf-8") as file:
            self.assertNotIn("owed", json.load(file))

    def test_a_command_of_a_moment_that_hangs_is_killed_with_all_it_started(self):
        self.start_host('[app "Game"]\nconnect = sleep 600 & echo $$ >> $FOLDER/log; sleep 600\n'
                        'first_picture = echo picture >> $FOLDER/log\n')
        stream = self.stream_app("Game").wait_streaming()  # nothing waits for it
        group = int(wait_for(self.lines, 10, "the command")[0])
        self.assertTrue(living_in_group(group))
        wait_for(lambda: not living_in_group(group), 30, "its end")
        self.wait_lines([str(group), "picture"])
        self.assertIn("within 10 s", self.status("Game")["sentence"])
        self.assert_clean(self.leave(stream))

    def test_another_app_with_a_command_is_refused(self):
        self.start_host('[app "First"]\ncommand = exec sleep 600\n[app "Second"]\ncommand = exec sleep 600\n'
                        '[app "Plain"]\n')
        apps = self.apps()
        stream = self.stream_app("First").wait_streaming()
        other = Client(self.host)
        self.addCleanup(other.forget)
        self.assertEqual(other.pair("2222")["result"], "ok")
        reply = other.run("launch", "--appid", apps["Second"])
        self.assertEqual(reply["status"], 400)
        self.assertIn("First is running", reply["body"])
        for name in ("Plain", "First"):
            self.assertEqual(other.run("launch", "--appid", apps[name])["status"], 200)
            self.assertEqual(other.run("cancel")["status"], 200)
        self.assertEqual(self.status("First")["state"], "running")  # another client has it yet
        self.client.run("cancel")
        stream.report()
        self.assertEqual(other.run("launch", "--appid", apps["Second"])["status"], 200)
        self.assertEqual(self.status("First")["state"], "idle")

    def test_a_command_that_ends_with_its_desktop_comes_back_with_it(self):
        display = Display(640, 480)
        self.addCleanup(display.stop)
        self.start_host('[app "Game"]\ncommand = echo started >> $FOLDER/log; exec xev -root -event button\n',
                        display=display)
        self.host.wait_log(f"capturing x11 {display.name} ")
        stream = self.stream_app("Game").wait_streaming()
        self.wait_lines(["started"])
        display.kill()
        wait_for(lambda: "ended with the desktop" in self.status("Game")["sentence"], 10, "the command's end")
        display.start()
        self.wait_lines(["started", "started"])
        wait_for(lambda: self.status("Game")["state"] == "running", 10, "the command")
        report = self.leave(stream)
        self.assert_clean(report)
        self.assertFalse(report["control_gone"])

    def test_a_command_that_ends_ends_the_stream(self):
        self.start_host('[app "Game"]\ncommand = until [ -e $FOLDER/end ]; do sleep 0.1; done; echo "out of coins"; '
                        'exit 7\nquit = echo quit >> $FOLDER/log\ndisconnect = echo disconnect >> $FOLDER/log\n')
        stream = self.stream_app("Game").wait_streaming()
        self.assertEqual(self.lines(), [])
        with open(os.path.join(self.folder, "end"), "w", encoding="ascii"):
            pass
        report = stream.report()
        self.assertEqual(report["termination"], GRACEFUL)
        self.wait_lines(["disconnect", "quit"])
        shown = self.status("Game")
        self.assertEqual(shown["state"], "ended")
        self.assertIn("exit code 7: out of coins", shown["sentence"])
        self.assertIn("_SERVER_FREE", self.client.xml("serverinfo", "--https"))

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_as_root_nothing_runs_as_root_by_accident(self):
        self.start_host('[app "Game"]\nconnect = echo connect >> $FOLDER/log #user =\n'
                        'first_picture = echo picture >> $FOLDER/log\n')
        self.stream_app("Game").wait_streaming()
        wait_for(lambda: "first_picture of" in self.status("Game")["sentence"], 10, "the refusal")
        self.assertIn("set user = NAME", self.status("Game")["sentence"])
        self.assertEqual(self.lines(), [])


class Crash(AppsTest):
    def test_what_a_killed_host_owes_is_undone_at_its_next_start(self):
        self.start_host('[app "Game"]\ncommand = echo $$ > $FOLDER/pid; exec sleep 600\n'
                        'connect = echo connect >> $FOLDER/log\nconnect_undo = echo connect_undo >> $FOLDER/log\n'
                        'first_picture = echo picture >> $FOLDER/log; exec sleep 600\n'
                        'first_picture_undo = echo $EARTHSHINE_APP $EARTHSHINE_WIDTH >> $FOLDER/log\n')
        stream = self.stream_app("Game").wait_streaming()
        self.wait_lines(["connect", "picture"])
        self.host.process.kill()
        self.host.process.wait()
        stream.dispose()
        self.clear()
        with open(os.path.join(self.folder, "pid"), encoding="ascii") as file:
            group = int(file.read())
        wait_for(lambda: not living_in_group(group), 10, "the end of the command")  # it does not outlive the host
        with open(self.host.config, encoding="utf-8") as file:  # the app is no more
            text = file.read().split("[app")[0]
        with open(self.host.config, "w", encoding="utf-8") as file:
            file.write(text)
        self.host.start()
        self.wait_lines(["Game 640", "connect_undo"])
        self.assertEqual(list(self.apps()), ["Desktop"])
        self.host.process.terminate()
        self.assertEqual(self.host.process.wait(20), 0)
        self.host.start()
        self.assertEqual(list(self.apps()), ["Desktop"])
        self.assertEqual(self.lines(), ["Game 640", "connect_undo"])  # once


if __name__ == "__main__":
    unittest.main()
