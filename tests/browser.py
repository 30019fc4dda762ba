"""Chromium without a window, and what it did while a page was open."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


_PALE_TEXTS = r"""
const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
const luminance = (colour) => parts(colour).slice(0, 3)
  .map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
  .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (each) => {
  const own = getComputedStyle(each).backgroundColor;
  return (parts(own)[3] ?? 1) ? own : each.parentElement ? ground(each.parentElement) : "rgb(255, 255, 255)";
};
const contrast = (text, each) => {
  const [low, high] = [luminance(text), luminance(ground(each))].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const colours = [];
for (const each of document.body.querySelectorAll("*")) {
  const style = getComputedStyle(each);
  if (!each.checkVisibility() || each.closest(".heatmap-label")) continue; // those go by the colour of their cell
  if (each.placeholder) colours.push([each.placeholder, getComputedStyle(each, "::placeholder").color, each]);
  if (![...each.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())) continue;
  if (!["SCRIPT", "STYLE"].includes(each.tagName)) {
    colours.push([each.textContent, each.closest("svg") ? style.fill : style.color, each]);
  }
}
return colours.map(([text, colour, each]) => [text.slice(0, 40), contrast(colour, each)])
  .filter(([, ratio]) => ratio < 4.5);
"""


class Browser:
    """A page in Chromium."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: pathlib.Path) -> None:
        """Open a page from the file system, and wait for its tables and plots."""
        self.driver.get(page.absolute().as_uri())
        self.wait("return document.readyState === 'complete'")
        self.wait("return [...hearPages.tables.values()].every((table) => table.rows.length === table.about.count)")

    def run(self, script: str, *arguments: object) -> Any:
        """What a script gives that runs on the page."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str) -> Any:
        """What a script gives once that is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, 60, 0.02).until(lambda driver: driver.execute_script(script))

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def beyond_tab(self) -> list[str]:
        """What can be used on the page, and is not reached by going through all of it with the Tab key."""
        for number in range(self.run("return document.querySelectorAll('figure.plot').length")):  # drawn when seen
            self.run("document.querySelectorAll('figure.plot')[arguments[0]].scrollIntoView()", number)
            self.wait(f"return document.querySelectorAll('figure.plot')[{number}].querySelector('.modebar-btn')")
        self.run(
            "window.reached = new Set();"  # by their rows, too, as those out of sight are drawn anew
            "window.place = (each) => `${each.closest('tr')?.ariaRowIndex} ${each.outerHTML}`;"
            "document.addEventListener('focusin', (event) => reached.add(event.target).add(place(event.target)));"
            "document.querySelector('.skip').focus()"  # the first one
        )
        count = -1
        while count < (count := self.run("return reached.size")):
            self.press(*["\ue004"] * 10)  # a player has five places to be at
            self.run(
                "window.drawn = false; requestAnimationFrame(() => requestAnimationFrame(() => { drawn = true; }))"
            )
            self.wait("return drawn")  # rows that have come into view
        return self.run(
            "const used = [...document.querySelectorAll('a[href], button, input, audio, [tabindex], [role=button]')];"
            "const wanted = used.filter((each) => each.tabIndex >= 0 && each.checkVisibility());"
            "const isReached = (each) => reached.has(each) || reached.has(place(each));"
            "return wanted.filter((each) => !isReached(each)).map((each) => each.outerHTML)"
        )

    def pale_texts(self) -> list[list[Any]]:
        """Texts that are seen and have less contrast than WCAG 2 asks for (AA: 4.5), with their contrast."""
        return self.run(_PALE_TEXTS)

    def errors(self) -> list[str]:
        """What the console has told since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """URLs that were asked for since the last call."""
        entries = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [
            entry["params"]["request"]["url"] for entry in entries if entry["method"] == "Network.requestWillBeSent"
        ]

    def dark(self, wished: bool) -> None:
        """Have the system be dark or light."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if wished else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def resize(self, width: int, height: int) -> None:
        """Give the page another size in CSS pixels."""
        sizes = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sizes)

    def picture(self, file: pathlib.Path) -> None:
        """Write what is seen as PNG."""
        self.driver.save_screenshot(str(file))


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium, while it is needed."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        driver.set_window_size(1280, 1000)
        yield Browser(driver)
    finally:
        driver.quit()
