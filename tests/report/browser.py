"""A headless browser that can tell what went wrong on a page, and whether it asked for anything from the network."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

LONGEST_WAIT = 60  # seconds: the machine may be busy


class Browser(webdriver.Chrome):
    """A headless Chromium that waits for what it is asked for."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--window-size=1400,900",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        super().__init__(options=options, service=Service(shutil.which("chromedriver")))
        self.implicitly_wait(10)

    def errors(self) -> list[str]:
        """The errors on the console since the last call."""
        return [entry["message"] for entry in self.get_log("browser") if entry["level"] == "SEVERE"]

    def requested(self) -> set[str]:
        """The schemes of all addresses requested since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.get_log("performance")]
        sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
        return {message["params"]["request"]["url"].split(":")[0] for message in sent}

    @contextmanager
    def screen(self, width: int, *, mobile: bool = False, media: str = "screen") -> Iterator[None]:
        """Shows pages at a width in CSS pixels, on a telephone or as they are printed."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})
        try:
            yield
        finally:
            self.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
            self.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def click(self, element):
        """Clicks an element as soon as nothing covers it."""
        ignored = [ElementClickInterceptedException]
        wait = WebDriverWait(self, LONGEST_WAIT, poll_frequency=0.05, ignored_exceptions=ignored)
        wait.until(lambda _: element.click() is None)

    def wait(self, condition):
        """Waits until the condition is true, and returns its value."""
        return WebDriverWait(self, LONGEST_WAIT, poll_frequency=0.05).until(lambda _: condition())


def open_browser() -> Browser:
    """Opens a browser; skips the test where there is none."""
    if not (shutil.which("chromedriver") and (shutil.which("chromium") or shutil.which("google-chrome"))):
        pytest.skip("Chromium is not installed: no chromium or no chromedriver")
    return Browser()
