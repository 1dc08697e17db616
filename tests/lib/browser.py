# SPDX-License-Identifier: MIT
"""Debian's Chromium, headless, as a reader's browser: one for all tests of a module."""
import contextlib
import os
import shutil

try:
    from selenium import webdriver
except ImportError:
    webdriver = None

SWITCHES = ["--headless=new", "--no-first-run", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync"]


class Browser:
    """A browser window with the width and the colour scheme that a test asks for."""

    def __init__(self, driver):
        self.driver = driver

    def command(self, name, **parameters):
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def look(self, width=1280, scheme="light", medium="screen"):
        """Sets width, colour scheme and medium of the window."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.command("Emulation.setEmulatedMedia", media=medium,
                     features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, address, javascript=True):
        """Loads a page. An error message of the browser is an error of the page."""
        self.command("Emulation.setScriptExecutionDisabled", value=not javascript)
        self.driver.get(str(address))
        self.command("Emulation.setScriptExecutionDisabled", value=False)
        complaints = self.complaints()
        assert not complaints, complaints

    def complaints(self):
        messages = [entry["message"] for entry in self.driver.get_log("browser")]
        # messages about the browser's own first page
        return [message for message in messages if not message.startswith("chrome://")]


def why_impossible():
    """Returns why a browser cannot run here, or None. An installed one must start."""
    if webdriver is None:
        return "selenium is not installed (python3-selenium)"
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        return "chromium is not installed (chromium, chromium-driver)"
    return None


@contextlib.contextmanager
def browser(profile):
    """Starts a browser with its own profile and ends it."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for switch in [*SWITCHES, f"--user-data-dir={profile}"]:
        options.add_argument(switch)
    options.add_argument("--no-sandbox")  # root and containers may have no sandbox; it opens only our own pages
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.chrome.service.Service(shutil.which("chromedriver"), env={**os.environ, "HOME": str(profile)})
    driver = webdriver.Chrome(service=service, options=options)
    try:
        yield Browser(driver)
    finally:
        driver.quit()
