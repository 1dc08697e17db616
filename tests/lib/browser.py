# SPDX-License-Identifier: MIT
"""Debian's Chromium, headless, as a reader's browser: one for all tests of a module."""
import contextlib
import os
import shutil

import pytest

try:
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
except ImportError:
    webdriver = None

SWITCHES = ["--headless=new", "--no-first-run", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync"]


class Browser:
    """A window of the browser, as wide and as dark as a test wants it."""

    def __init__(self, driver):
        self.driver = driver

    def command(self, name, **parameters):
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def look(self, width=1280, scheme="light", medium="screen"):
        """How the reader looks at pages."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.command("Emulation.setEmulatedMedia", media=medium,
                     features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, address, javascript=True):
        """Loads a page; what the browser had to complain of is an error of the page."""
        self.command("Emulation.setScriptExecutionDisabled", value=not javascript)
        self.driver.get(str(address))
        self.command("Emulation.setScriptExecutionDisabled", value=False)
        assert self.complaints() == []

    def complaints(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextlib.contextmanager
def browser(profile):
    """Starts one with a profile of its own, and ends it. Where there is none, the test is skipped, with the reason."""
    if webdriver is None:
        pytest.skip("selenium is not installed (python3-selenium)")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("chromium is not installed (chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in [*SWITCHES, f"--user-data-dir={profile}"]:
        options.add_argument(switch)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # it refuses to make one for root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.chrome.service.Service(chromedriver, env={**os.environ, "HOME": str(profile)})
    try:
        driver = webdriver.Chrome(service=service, options=options)
    except WebDriverException as error:
        pytest.skip(f"chromium does not start here: {str(error).splitlines()[0]}")
    try:
        yield Browser(driver)
    finally:
        driver.quit()
