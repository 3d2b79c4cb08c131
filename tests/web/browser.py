# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium that can reach this machine only."""
from selenium import webdriver
from selenium.webdriver.chrome.service import Service


def start_browser(profile):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for switch in ["headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
                   "disable-background-networking", "disable-component-update", "disable-dev-shm-usage",
                   "ignore-certificate-errors", "hide-scrollbars", "window-size=1200,900", "lang=en",
                   f"user-data-dir={profile}",
                   "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]:
        options.add_argument("--" + switch)
    options.set_capability("acceptInsecureCerts", True)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
