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
from selenium.webdriver.support.ui import WebDriverWait

from browser import start_browser
from web_host import PASSWORD, SETUP_CODE, Caller, WebHost

PROGRAM = None
SHOTS = os.environ.get("SCREENSHOTS")


class PageTest(unittest.TestCase):
    password = PASSWORD

    @classmethod
    def setUpClass(cls):
        cls.profile = tempfile.mkdtemp(prefix="earthshine-page-")
        cls.browser = start_browser(cls.profile)

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        shutil.rmtree(cls.profile, ignore_errors=True)

    def setUp(self):
        self.host = WebHost(PROGRAM, self.password)
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
        for width, height in [(1200, 900), (390, 844)]:
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

    def test_a_stream_shows_its_figures_and_can_be_ended(self):
        self.assertTrue(self.shown("#sessions-empty"))
        self.host.tell("stream on")
        self.wait("the stream", lambda: self.shown(".session"))
        for part in ["Living-room TV", "2560 × 1440 @ 60", "fps", "Mbit/s", "ms", "x264 · H.264", "0.02 %"]:
            self.assertIn(part, self.text("#sessions"))
        before = self.text(".session .latency")
        self.wait("live figures", lambda: self.text(".session .latency") != before)
        self.shot("stream")
        self.find(".session .end").click()
        self.click_when_there("#ask-yes")
        self.host.expect("end s1")
        self.wait("the end", lambda: self.shown("#sessions-empty"))

    def test_this_host_tells_what_it_is(self):
        for part in ["workstation-3", "47989", "X11 :0", "announced on the local network", "no render node"]:
            self.assertIn(part, self.text("#about") + self.text("#encoders"))
        self.assertIn("Ready to stream", self.text("#hero-sentence"))

    def test_every_field_and_button_has_a_name(self):
        self.host.tell("ask one 192.168.1.40")
        self.wait("the request", lambda: len(self.all(".pairing")) == 1)
        self.find("#password-box summary").click()
        for element in self.all("input:not(.away), button, summary"):
            if element.is_displayed():
                self.assertTrue(element.accessible_name, element.get_attribute("outerHTML"))


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
