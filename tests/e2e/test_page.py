# SPDX-License-Identifier: Apache-2.0
"""What a person does on the page, in headless Chromium, with the real host and a client that streams."""
import os
import re
import shutil
import sys
import tempfile
import unittest

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from harness import Client, Display, Host, Scene, TestCase, wait_for

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "web"))
from browser import start_browser

PASSWORD = "moon over the sea"
WAIT_LIMIT_S = 20


class FirstEvening(TestCase):
    def setUp(self):
        self.display = Display(1280, 720)
        self.addCleanup(self.display.stop)
        painter = Scene(self.display)
        self.addCleanup(painter.stop)
        self.host = Host(self.display)
        self.addCleanup(self.host.stop)
        self.client = Client(self.host)
        self.addCleanup(self.client.forget)
        profile = tempfile.mkdtemp(prefix="es-page-")
        self.addCleanup(shutil.rmtree, profile, True)
        self.browser = start_browser(profile)
        self.addCleanup(self.browser.quit)
        self.browser.get(f"https://127.0.0.1:{self.host.port('page')}/")

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def shown(self, selector):
        """The first such element once it is to be seen; the page draws lists anew at any time."""
        def look():
            try:
                return next((one for one in self.all(selector) if one.is_displayed()), None)
            except StaleElementReferenceException:
                return None

        return wait_for(look, WAIT_LIMIT_S, selector)

    def shows(self, selector, pattern):
        def look():
            try:
                return any(re.search(pattern, one.text) for one in self.all(selector))
            except StaleElementReferenceException:
                return False

        wait_for(look, WAIT_LIMIT_S, f"{pattern!r} in {selector}")

    def type(self, selector, text):
        self.shown(selector).send_keys(text)

    def set_up(self):
        self.type("#setup-code", self.host.setup_code())
        self.type("#setup-password", PASSWORD)
        self.type("#setup-again", PASSWORD + Keys.ENTER)
        self.shown("#clients-empty")

    def pair(self, pin):
        pairing = self.client.start_pairing(pin)
        self.addCleanup(pairing.dispose)
        shown = wait_for(lambda: next((line for line in pairing.lines if line.startswith("PIN")), None), WAIT_LIMIT_S,
                         "the PIN of the client")
        self.type(".pairing .name", "Study tablet")
        self.type(".pairing .pin", shown.split()[1] + Keys.ENTER)
        self.assertEqual(pairing.report(30)["result"], "ok")

    def test_set_up_pair_watch_and_remove(self):
        self.set_up()
        self.pair("0471")
        self.shows("#clients .label", "^Study tablet$")
        self.assertIn("<PairStatus>1</PairStatus>", self.client.xml("serverinfo", "--https"))

        stream = self.start_stream(self.client, "--seconds", 60).wait_streaming()
        self.shows(".session .who", "Study tablet")
        self.shows(".session .mode", r"1280 × 720 @ 60")
        self.shows(".session .fps", r"[1-9]\d* fps|[1-9]\d*\.\d+ fps")
        self.shows(".session .rate", r"[1-9].*bit/s")
        self.shows(".session .latency", r"\d+\.\d / \d+\.\d ms")
        self.shows(".session .loss", r"\d.*%")
        self.shows(".session .encoder", "x264")

        self.shown(".client .remove").click()
        self.shown("#ask-yes").click()
        self.shown("#clients-empty")
        self.shown("#sessions-empty")
        self.assertTrue(stream.report()["control_gone"])
        self.assertIn('status_code="401"', self.client.xml("serverinfo", "--https"))


if __name__ == "__main__":
    unittest.main()
