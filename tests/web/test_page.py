# SPDX-License-Identifier: Apache-2.0
"""
The page in headless Chromium. usage: test_page.py WEB_HOST
With SCREENSHOTS=FOLDER in the environment pictures of it are kept there.
"""
import json
import os
import shutil
import sys
import tempfile
import unittest

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

import scenes
from browser import start_browser
from web_host import PASSWORD, SETUP_CODE, Caller, WebHost

PROGRAM = None
SHOTS = os.environ.get("SCREENSHOTS")


class PageTest(unittest.TestCase):
    password = PASSWORD
    old = False

    @classmethod
    def setUpClass(cls):
        cls.profile = tempfile.mkdtemp(prefix="earthshine-page-")
        cls.browser = start_browser(cls.profile)

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        shutil.rmtree(cls.profile, ignore_errors=True)

    def setUp(self):
        self.host = WebHost(PROGRAM, self.password, self.old)
        self.origin = f"https://127.0.0.1:{self.host.port}"
        self.addCleanup(self.stop_host)
        self.browser.delete_all_cookies()
        self.look(1200, 900, "light")
        self.browser.get(self.origin + "/")

    def tearDown(self):
        self.browser.get("about:blank")
        self.check_requests()
        self.check_console()

    def stop_host(self):
        self.assertEqual(self.host.stop(), 0)

    def check_requests(self):
        """Whatever the page did, nothing left for another host."""
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                outside = url.startswith(("http:", "https:", "ws:", "wss:"))  # chrome: is the browser itself
                self.assertTrue(not outside or url.startswith(self.origin + "/"), url)

    def check_console(self):
        for entry in self.browser.get_log("browser"):
            refused = "Failed to load resource" in entry["message"]  # an answer of 4xx that the test wanted
            self.assertTrue(refused or entry["level"] not in ("SEVERE", "WARNING"), entry)
            self.assertNotIn("Content Security Policy", entry["message"])

    def look(self, width, height, scheme):
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def shot(self, name):
        """In all four looks; the text never runs wider than the window."""
        for width, height in [(1200, 900), (390, 844), (320, 640)]:
            for scheme in ["light", "dark"]:
                self.look(width, height, scheme)
                wide = self.browser.execute_script("return document.documentElement.scrollWidth")
                self.assertLessEqual(wide, width)
                if SHOTS:
                    os.makedirs(SHOTS, exist_ok=True)
                    self.browser.save_screenshot(f"{SHOTS}/{name}-{width}-{scheme}.png")
        self.look(1200, 900, "light")

    def wait(self, what, condition):
        return WebDriverWait(self.browser, 15, 0.1, [StaleElementReferenceException]).until(lambda _: condition(), what)

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.find(selector).text

    def shown(self, selector):
        found = self.all(selector)
        return bool(found) and found[0].is_displayed()

    def type(self, selector, text):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def log_in(self, password=PASSWORD):
        self.wait("the log-in", lambda: self.shown("#login"))
        self.type("#login-password", password + Keys.ENTER)
        self.wait("the open page", lambda: self.shown("#hero-title") and self.text("#hero-title"))

    def client_names(self):
        return [one.text for one in self.all("#clients .label")]

    def click_when_there(self, selector):
        self.wait(selector, lambda: self.shown(selector))
        self.find(selector).click()


class FirstRun(PageTest):
    password = None

    def test_setup_takes_the_right_code_then_the_password_logs_in(self):
        self.wait("the setup", lambda: self.shown("#setup"))
        self.shot("setup")
        self.type("#setup-code", "WRON-GONE")
        self.type("#setup-password", PASSWORD)
        self.type("#setup-again", PASSWORD + "x" + Keys.ENTER)
        self.wait("the mismatch", lambda: "not the same" in self.text("#setup .problem"))
        self.type("#setup-again", PASSWORD + Keys.ENTER)
        self.wait("the refusal", lambda: "setup code is not right" in self.text("#setup .problem"))
        self.type("#setup-code", SETUP_CODE + Keys.ENTER)
        self.wait("the open page", lambda: self.shown("#open"))
        self.host.expect("stored")
        self.wait("the state", lambda: self.text("#hero-title") == "workstation-3")
        self.find("#logout").click()
        self.log_in()
        self.browser.refresh()
        self.wait("still open", lambda: self.shown("#open"))


class LogIn(PageTest):
    def test_wrong_passwords_are_refused_and_then_slowed_down(self):
        self.wait("the log-in", lambda: self.shown("#login"))
        self.shot("login")
        for _ in range(5):
            self.type("#login-password", "wrong" + Keys.ENTER)
            self.wait("the refusal", lambda: "password is not right" in self.text("#login .problem")
                      and self.find("#login button").is_enabled())
        self.type("#login-password", PASSWORD + Keys.ENTER)
        self.wait("the wait", lambda: "Too many attempts" in self.text("#login .problem"))
        self.assertFalse(self.shown("#open"))

    def test_a_log_in_that_ended_elsewhere_brings_back_the_log_in(self):
        self.log_in()
        other = Caller(self.host)
        other.log_in()
        headers = {"X-CSRF-Token": other.csrf}
        other.post("password", {"old": PASSWORD, "new": "a new password"}, headers=headers)
        self.wait("the log-in", lambda: self.shown("#login"))
        self.log_in("a new password")

    def test_the_password_can_be_changed(self):
        self.log_in()
        self.find("#password-box summary").click()
        self.type("#password-old", "wrong")
        self.type("#password-new", "a new password")
        self.type("#password-again", "a new password" + Keys.ENTER)
        self.wait("the refusal", lambda: "password is not right" in self.text("#password-form .problem"))
        self.type("#password-old", PASSWORD + Keys.ENTER)
        self.wait("the change", lambda: "was changed" in self.text("#toasts"))
        self.host.expect("stored")
        self.find("#logout").click()
        self.log_in("a new password")


class Open(PageTest):
    def setUp(self):
        super().setUp()
        self.log_in()

    def test_a_pin_goes_to_the_chosen_one_of_two_requests(self):
        self.shot("empty")
        self.assertTrue(self.shown("#pairings-empty"))
        self.host.tell("ask one 192.168.1.40")
        self.host.tell("stream on")
        self.wait("the first", lambda: len(self.all(".pairing")) == 1)
        self.assertIn("192.168.1.40", self.text("#pairings"))
        self.assertIn("192.168.1.40", self.find("#pairings-said").get_attribute("textContent"))
        self.host.tell("ask two 192.168.1.41")
        self.wait("the second", lambda: len(self.all(".pairing")) == 2)
        self.assertFalse(self.shown("#pairings-empty"))
        self.shot("pairing")
        second = '.pairing[data-id="two"] '
        self.type(second + ".pin", "12a34")
        self.type(second + ".name", "Study tablet")
        self.host.tell("ask three 192.168.1.42")  # an update while one types
        self.wait("the third", lambda: len(self.all(".pairing")) == 3)
        self.assertEqual(self.find(second + ".pin").get_property("value"), "1234")
        self.find(second + "button.main").click()
        self.host.expect("pin two 1234 Study tablet")
        self.wait("the client", lambda: "Study tablet" in self.client_names())
        self.wait("the word", lambda: "Study tablet is paired" in self.text("#toasts"))
        self.find('.pairing[data-id="three"] .cancel').click()
        self.host.expect("cancel three")
        self.wait("one left", lambda: [p.get_attribute("data-id") for p in self.all(".pairing")] == ["one"])
        self.host.tell("gone one")
        self.wait("none left", lambda: self.shown("#pairings-empty"))

    def test_pairing_is_opened_again_after_too_many_failures(self):
        self.assertFalse(self.shown("#pairing-closed"))
        self.host.tell("close pairing")
        self.wait("the word", lambda: self.shown("#pairing-closed"))
        self.find("#pairing-reopen").click()
        self.host.expect("reopen")
        self.wait("it is open", lambda: not self.shown("#pairing-closed"))

    def test_clients_are_renamed_and_removed_after_a_question(self):
        row = '.client[data-id="tv"] '
        self.click_when_there(row + ".edit")
        self.type(row + ".rename input", "Bedroom TV" + Keys.ENTER)
        self.host.expect("rename tv Bedroom TV")
        self.wait("the name", lambda: "Bedroom TV" in self.client_names())
        self.find(row + ".remove").click()
        self.wait("the question", lambda: "Remove Bedroom TV?" in self.text("#ask"))
        self.shot("question")
        self.find("#ask-no").click()
        self.find(row + ".remove").click()
        self.click_when_there("#ask-yes")
        self.host.expect("remove tv")
        self.wait("it is gone", lambda: self.client_names() == ["Steam Deck"])

    def test_what_a_client_may_use_is_ticked(self):
        row = '.client[data-id="tv"] '
        said = lambda: self.text(row + ".may summary")
        ticked = lambda: [one.get_attribute("value") for one in self.all(row + ".rights input") if one.is_selected()]
        self.wait("the sentence", lambda: said() == "May use everything")
        self.find(row + ".may summary").click()
        self.assertEqual(ticked(), ["keyboard", "mouse", "touch", "gamepad"])
        left = ["mouse", "touch", "gamepad"]
        self.find(row + '.rights [value="keyboard"]').click()
        self.host.expect("rights tv mouse touch gamepad")
        self.wait("the sentence", lambda: said() == "May use mouse, touch and pen, gamepads")
        self.shot("rights")
        for word in ["mouse", "touch", "gamepad"]:
            left.remove(word)
            self.find(row + f'.rights [value="{word}"]').click()
            self.host.expect("rights tv " + " ".join(left))
        self.wait("the sentence", lambda: said() == "May only watch" and ticked() == [])
        self.find(row + '.rights [value="mouse"]').send_keys(Keys.SPACE)
        self.host.expect("rights tv mouse")
        self.wait("the sentence", lambda: said() == "May use mouse" and ticked() == ["mouse"])
        self.assertEqual(self.text('.client[data-id="deck"] .may summary'), "May use everything")

    def test_a_stream_shows_its_figures_and_can_be_ended(self):
        self.assertTrue(self.shown("#sessions-empty"))
        self.host.tell("stream on")
        self.wait("the stream", lambda: self.shown(".session"))
        for part in ["Living-room TV", "2560 × 1440 @ 60", "fps", "Mbit/s", "ms", "x264 · H.264", "0.02 %"]:
            self.assertIn(part, self.text("#sessions"))
        before = self.text(".session .latency")
        self.wait("live figures", lambda: self.text(".session .latency") != before)
        self.shot("stream")
        limit = Select(self.find(".session .limit"))
        self.assertEqual([o.text for o in limit.options][:2], ["20.0 Mbit/s", "10.0 Mbit/s"])
        limit.select_by_value("5000")
        self.host.expect("bitrate s1 5000")
        self.find(".session .who").click()
        self.wait("the new rate", lambda: Select(self.find(".session .limit")).first_selected_option.text == "5.0 Mbit/s")
        Select(self.find(".session .limit")).select_by_value("0")
        self.host.expect("bitrate s1 0")
        self.find(".session .end").click()
        self.click_when_there("#ask-yes")
        self.host.expect("end s1")
        self.wait("the end", lambda: self.shown("#sessions-empty"))

    def test_this_host_tells_what_it_is(self):
        for part in ["workstation-3", "47989", "announced on the local network", "no render node"]:
            self.assertIn(part, self.text("#about") + self.text("#encoders"))
        self.assertIn("X11 :0", self.text("#display-facts"))
        self.assertIn("Ready to stream", self.text("#hero-sentence"))

    def test_what_is_wrong_with_the_gpu_is_said_with_what_to_do(self):
        self.assertFalse(self.shown("#findings"))
        gpu = {"sentence": "GRID P4-4Q, vGPU", "findings": [{"what": "This vGPU has no licence.", "todo": "Get one."},
                                                            {"what": "<b>Memory</b> is full.", "todo": "Free some."}]}
        self.host.tell_status(gpu=gpu)
        self.wait("the findings", lambda: self.shown("#findings"))
        self.assertIn("GRID P4-4Q, vGPU", self.text("#about"))
        for part in ("This vGPU has no licence.", "Get one.", "<b>Memory</b> is full."):
            self.assertIn(part, self.text("#findings"))
        self.host.tell_status(gpu={**gpu, "findings": []})
        self.wait("them to go", lambda: not self.shown("#findings"))

    def test_every_field_and_button_has_a_name(self):
        self.host.tell("ask one 192.168.1.40")
        self.host.tell_status(**scenes.private_display())
        self.wait("the request", lambda: len(self.all(".pairing")) == 1 and self.shown("#desktop"))
        for summary in self.all("summary"):
            if summary.is_displayed():
                summary.click()
        for element in self.all("input:not(.away), button, summary, pre[tabindex]"):
            if element.is_displayed():
                self.assertTrue(element.accessible_name, element.get_attribute("outerHTML"))


class Streaming(PageTest):
    """What is streamed from: display, session, apps, health."""

    def setUp(self):
        super().setUp()
        self.log_in()

    def tell(self, scene, **more):
        self.host.tell_status(**{**scene, **more})

    def see(self, selector, *parts):
        for part in parts:
            self.wait(f"{part!r} in {selector}", lambda part=part: part in self.text(selector))

    def test_a_private_display_and_its_session(self):
        self.tell(scenes.private_display())
        self.see("#desktop", "Xorg on :91", "2560 × 1440", "restarted once", "startxfce4", "as user anna", "restarted twice",
                 "signal 11 (Segmentation fault).")
        self.assertEqual(self.text("#desktop-badge"), "running")
        self.assertFalse(self.shown("#desktop-output pre"))
        self.find("#desktop-output summary").click()
        self.see("#desktop-output pre", "Unsupported GL renderer")
        self.shot("private")
        broken = {**scenes.DESKTOP, "state": "waiting", "display": "", "session": None,
                  "sentence": "Xorg ended with exit code 1. It is tried again in 8 s."}
        self.tell(scenes.private_display(), desktop=broken)
        self.see("#desktop", "tried again in 8 s", "session_command")
        self.assertEqual(self.text("#desktop-badge"), "waiting")
        self.assertFalse(self.shown("#restart-session"))
        self.assertTrue(self.shown("#restart-display"))
        self.tell(scenes.private_display(), desktop=None)
        self.wait("no private display", lambda: not self.shown("#desktop"))

    def test_output_that_is_read_stays_where_it_is(self):
        scene = scenes.private_display()
        scene["desktop"]["session"]["output"] = "".join(f"line {i}\n" for i in range(100))
        self.tell(scene)
        self.wait("the display", lambda: self.shown("#desktop"))
        self.find("#desktop-output summary").click()
        pre = self.find("#desktop-output pre")
        at = "return [arguments[0].scrollTop, arguments[0].scrollHeight - arguments[0].clientHeight]"
        self.wait("its end", lambda: self.browser.execute_script(at, pre)[0] > 500)
        scene["desktop"]["session"]["output"] += "and one more\n"
        self.tell(scene)
        self.see("#desktop-output pre", "and one more")
        top, end = self.browser.execute_script(at, pre)
        self.assertAlmostEqual(top, end, delta=2)
        self.browser.execute_script("arguments[0].scrollTop = 40", pre)
        scene["desktop"]["session"]["output"] += "and another\n"
        self.tell(scene)
        self.see("#desktop-output pre", "and another")
        self.assertEqual(self.browser.execute_script(at, pre)[0], 40)

    def test_restarts_come_after_a_question(self):
        self.tell(scenes.private_display())
        for button, told in [("#restart-session", "restart session"), ("#restart-display", "restart server")]:
            self.click_when_there(button)
            self.see("#ask", "unsaved work is lost", "Cancel")
            self.assertEqual(self.browser.switch_to.active_element.text, "Cancel")
            self.find("#ask-no").click()
            self.wait("no question", lambda: not self.shown("#ask"))
            self.click_when_there(button)
            self.shot("restart")
            self.click_when_there("#ask-yes")
            self.host.expect(told)
            self.see("#toasts", "is being restarted")
        self.assertTrue(self.host.lines.empty())

    def test_the_log_of_the_x_server(self):
        self.host.tell_log(scenes.X_LOG)
        self.tell(scenes.private_display())
        self.click_when_there("#desktop-log")
        self.see("#log-text", "X.Org X Server", "glx")
        self.assertEqual(self.find("#log-text").get_property("textContent"), scenes.X_LOG)
        self.assertEqual(self.browser.switch_to.active_element.get_attribute("id"), "log-text")
        self.shot("log")
        self.host.tell_log(scenes.X_LOG + "(EE) no more memory\n")
        self.find("#log-again").click()
        self.see("#log-text", "no more memory")
        self.find("#log-copy").click()
        self.wait("the copy", lambda: self.text("#log-copy") in ("Copied", "Selected: press Ctrl+C"))
        self.find("#log-text").send_keys(Keys.ESCAPE)
        self.wait("it is closed", lambda: not self.shown("#log"))
        self.assertEqual(self.browser.switch_to.active_element.get_attribute("id"), "desktop-log")
        self.assertEqual(self.find("#log-text").get_property("textContent"), "")

    def test_a_found_display_offers_a_log_only_where_there_is_one(self):
        self.tell(scenes.found_display())
        self.see("#display-facts", ":0 DP-1")
        self.assertFalse(self.shown("#found-log"))
        self.host.tell_log(scenes.X_LOG)
        scene = scenes.found_display()
        scene["display"]["source"] = "x11 :1 DP-1"
        self.tell(scene)
        self.click_when_there("#found-log")
        self.see("#log-text", "X.Org X Server")

    def test_a_found_display_tells_what_else_there_was(self):
        self.tell(scenes.found_display())
        self.see("#display-card", "2 other displays were found")
        self.assertNotIn("Xwayland", self.text("#display-card"))
        self.find("#candidates-box summary").click()
        self.see("#candidates", ":0", "active session of anna", ":1024", "Xwayland: shows single windows only")
        self.assertEqual([row.get_attribute("class") for row in self.all("#candidates li")], ["usable", "", ""])
        self.see("#display-facts", "no screen saver", "does not go to sleep")
        self.shot("found")
        self.tell(scenes.found_display(), display=scenes.LOST, sessions=[], inhibit="logind does not answer")
        self.see("#display-card", "status picture", "1 display was found and not taken", "opened again twice",
                 "may go to sleep: logind does not answer")
        self.see("#hero-sentence", "No desktop was found yet")
        self.shot("lost")

    def test_the_mode_in_words(self):
        rows = [
            (scenes.mode("applied", "2560x1440@60", switches=1), "#display-facts",
             "2560 × 1440 at 60 Hz, asked for by Living-room TV; put back when the last stream ends."),
            (scenes.mode("pending", "1920x1080@59.94"), "#display-facts",
             "1920 × 1080 at 59.94 Hz, asked for by Living-room TV; being set now."),
            (scenes.mode("as found", "2560x1440@60"), "#display-facts", "the display has it already."),
            (scenes.mode("refused", "3840x2160@120", "DP-1 can do 600 MHz at most, this needs 1188 MHz", refusals=2),
             "#mode-problem", "3840 × 2160 at 120 Hz, asked for by Living-room TV, could not be set. DP-1 can do 600 MHz at "
             "most, this needs 1188 MHz."),
            (scenes.mode("reverted", "3440x1440@100", "No picture came with it.", switches=1, reverts=1),
             "#mode-problem", "was set and put back again. No picture came with it."),
        ]
        for mode, place, text in rows:
            scene = scenes.found_display()
            scene["display"]["mode"] = mode
            self.tell(scene)
            self.see(place, text)
            if mode["refusals"]:
                self.see("#display-facts", "mode refused twice")
                self.shot("refused")
        scene["display"]["mode"] = scenes.mode()
        self.tell(scene)
        self.see("#display-facts", "as it was found")
        self.assertFalse(self.shown("#mode-problem"))

    def test_apps_and_several_streams(self):
        self.tell(scenes.private_display())
        self.wait("two streams", lambda: len(self.all("#sessions .session")) == 2)
        self.assertEqual(self.text("#sessions-count"), "2")
        first, second = self.all("#sessions .session")
        self.assertIn("sets the display's mode", first.text)
        self.assertIn("Steam · 192.168.1.34", first.text)
        self.assertNotIn("sets the display's mode", second.text)
        self.assertIn("At most 30 pictures a second", second.text)
        self.assertNotIn("At most", first.text)
        self.assertEqual([one.text for one in self.all("#apps .label")], ["Desktop", "Steam", "Emulator"])
        self.see("#apps", "running", "Streamed to Living-room TV and Steam Deck", "steam -bigpicture", "ended after 10 s")
        self.assertNotIn("idle", self.text("#apps"))
        self.find('.app:last-child .output summary').click()
        self.see("#apps", "waiting for bridge.local")
        row = self.find('.app:last-child')
        self.tell({"apps": [{**app, "state": "idle", "sentence": ""} for app in scenes.APPS]})
        self.tell({"sessions": [scenes.session("s3", "Tablet", app="", app_id=scenes.APPS[2]["id"])]})
        self.see("#sessions", "Emulator · 192.168.1.34")  # told by its number
        self.see("#apps", "Streamed to Tablet")
        self.tell({"sessions": []})
        self.wait("idle", lambda: "running" not in self.text("#apps") and "ended after" not in self.text("#apps"))
        self.assertTrue(row.is_displayed())  # the same rows, kept
        self.assertTrue(self.shown("#sessions-empty"))

    def test_how_input_gets_in_and_what_is_heard(self):
        xtest = {"active": "xtest", "injectors": [scenes.NO_UINPUT, scenes.XTEST]}
        uinput = {"active": "uinput", "injectors": [scenes.UINPUT, scenes.XTEST]}
        nothing = {"active": "", "injectors": [scenes.NO_UINPUT]}
        for told, shown in [(xtest, ["keyboard, text and mouse by xtest", "uinput: /dev/uinput does not exist"]),
                            (uinput, ["keyboard, text, mouse, touch and pen by uinput"]),
                            (nothing, ["clients can only watch", "load the module uinput."]),
                            ({"active": "", "injectors": []}, ["off: clients can only watch"])]:
            self.tell(scenes.found_display(), input=told)
            self.see("#about", *shown)
        for told, shown in [(scenes.sound(), ["Built-in Audio Analog Stereo · stereo"]),
                            (scenes.sound("Earthshine", channels=8, silenced=True), ["7.1 · not heard on this computer"]),
                            (scenes.sound("", "No sound server was found"), ["No sound server was found."]),
                            (scenes.sound(""), ["opened when somebody listens"]),
                            (None, ["Sound\noff"])]:
            self.tell(scenes.found_display(), audio=told)
            self.see("#about", *shown)
        self.shot("input")
        hears = {"channels": 6, "high_quality": True, "packet_ms": 5}
        self.tell(scenes.found_display(), sessions=[scenes.session("s1", "Living-room TV", audio=hears),
                                                    scenes.session("s2", "Tablet", audio=None)])
        self.wait("the sound of both", lambda: [one.text for one in self.all(".session .sound")] == ["5.1 · 5 ms", "none"])

    def test_health_shows_when_there_is_something_to_tell(self):
        self.tell({"stages": scenes.stages()})
        self.see("#about", "all stages run well")
        self.assertFalse(self.shown("#health"))
        self.tell({"stages": scenes.stages(1, 180000)})
        self.see("#health", "The encode stage hung once and was restarted 3 minutes ago.")
        self.assertEqual(self.find("#health-said").get_property("textContent"),
                         "The encode stage hung once and was restarted.")
        self.tell({"stages": scenes.stages(3, 0, "hung")})
        self.see("#health", "The encode stage hangs; it is being restarted.")
        self.assertIn("bad", self.find("#health").get_attribute("class"))
        self.shot("hung")
        self.tell({"stages": scenes.stages(3, 5 * 3600000)})
        self.wait("long ago", lambda: not self.shown("#health"))
        self.see("#about", "encode hung 3 times, for 2.4 s, 5 hours ago")
        stage = {"name": "control", "state": "fine", "hangs": 2, "last_ms": 2600}  # no time is told, nothing restarts it
        self.tell({"stages": [stage]})
        self.see("#health", "The control stage hung twice and runs again.")
        self.see("#about", "control hung twice, for 2.6 s")

    def test_whatever_the_texts_hold_is_shown_as_text(self):
        evil = "</pre></script><img src=x onerror=\"document.title='taken'\"><b class=evil>"

        def poison(value, key=""):
            if isinstance(value, dict):
                return {name: poison(one, name) for name, one in value.items()}
            if isinstance(value, list):
                return [poison(one, key) for one in value]
            return value + evil if isinstance(value, str) and key != "id" else value

        scene = poison(scenes.private_display())
        scene["display"] = poison({**scenes.FOUND, "sentence": "odd"})
        scene["display"]["mode"] = {**scenes.mode("refused"), "wished": evil, "sentence": evil}
        scene["desktop"]["state"] = scene["desktop"]["session"]["state"] = evil
        self.host.tell_log(evil)
        self.tell(scene)
        self.wait("the display", lambda: self.shown("#desktop"))
        for summary in self.all("summary"):
            if summary.is_displayed():
                summary.click()
        for place in ["#health", "#sessions", "#display-facts", "#mode-problem", "#candidates", "#desktop-where",
                      "#desktop-badge", "#desktop-sentence", "#desktop-command", "#desktop-user", "#desktop-end",
                      "#desktop-output pre", "#desktop-session-badge", "#apps", "#apps pre", "#about"]:
            self.see(place, evil)
        self.shot("evil")
        self.find("#desktop-log").click()
        self.see("#log-text", evil)
        for name in ["applied", "pending", "reverted", "as found"]:
            self.tell({"display": {**scene["display"], "mode": {**scene["display"]["mode"], "state": name}}})
            self.see("#display-card", evil)
        self.assertEqual(self.all(".evil, img[src=x], pre pre, pre *"), [])
        self.assertEqual(self.browser.title, "Earthshine")

    def test_nothing_of_it_stays_after_the_log_out(self):
        self.host.tell_log("secret log")
        self.tell(scenes.private_display())
        self.click_when_there("#desktop-log")
        self.see("#log-text", "secret log")
        self.find("#log-close").click()
        self.find("#logout").click()
        self.wait("the log-in", lambda: self.shown("#login"))
        left = self.find("body").get_property("textContent")
        for word in ["secret log", "startxfce4", "Segmentation", "anna", "bigpicture", "Living-room", "DUMMY0", "hung once"]:
            self.assertNotIn(word, left)


class OldHost(PageTest):
    old = True

    def test_a_host_without_desktops_shows_no_empty_cards(self):
        self.log_in()
        self.wait("the display", lambda: "X11 :0" in self.text("#display-facts"))
        for selector in ["#apps-card", "#desktop", "#health", "#candidates-box", "#mode-problem", "#found-log"]:
            self.assertFalse(self.shown(selector), selector)
        for word in ("Health", "Input", "Sound"):
            self.assertNotIn(word, self.text("#about"))
        self.assertFalse(any(one.is_displayed() for one in self.all(".client .may")))
        self.host.tell_status(desktop=scenes.DESKTOP)
        self.click_when_there("#restart-display")
        self.click_when_there("#ask-yes")
        self.wait("the refusal", lambda: "runs no display of its own" in self.text("#toasts"))


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
