"""A browser with a page of the viewer; skipped where Chromium or its driver is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hiper_base.errors import MissingDependencyError
from hiper_envs.webshop.chromium import Chromium, find_browser, find_driver

OPEN_ALL = """
  for (const button of document.querySelectorAll(".head[aria-expanded=false]")) button.click();
  for (const part of document.querySelectorAll("details")) part.open = true;
  return document.querySelectorAll(".turn").length;
"""


def _missing() -> str:
    """Why no page can be opened here; "" if it can."""
    try:
        find_browser()
        find_driver()
    except MissingDependencyError as error:
        return str(error)
    return ""


has_browser = pytest.mark.skipif(bool(_missing()), reason=_missing())


class Reader:
    """A browser with a page of the viewer."""

    def __init__(self) -> None:
        self.chromium = Chromium(timeout=60.0)
        self.driver = self.chromium.driver

    def open(self, page: Path, fragment: str = "") -> None:
        # Going to another fragment of a page that is open would not load it again.
        self.chromium.open("about:blank")
        self.chromium.open(page.resolve().as_uri() + fragment)
        self.wait("document.body.dataset.ready || document.getElementById('problem').textContent")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.chromium.run(script, *arguments)

    def value(self, expression: str) -> Any:
        return self.run(f"return {expression}")

    def wait(self, expression: str) -> Any:
        return self.chromium.wait(expression, lambda: self.value(expression))

    def resize(self, width: int, height: int) -> None:
        window = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def choose(self, label: str, value: str) -> None:
        """Sets a filter by its label."""
        self.run(
            """
            const field = [...document.querySelectorAll("#filters .field")]
              .find((each) => each.firstChild.textContent === arguments[0]);
            const control = field.lastChild;
            control.value = arguments[1];
            if (control.value !== arguments[1]) throw new Error("no such choice");
            control.dispatchEvent(new Event(control.id === "search" ? "input" : "change"));
            """,
            label,
            value,
        )

    @property
    def listed(self) -> list[str]:
        """Addresses of the list's entries."""
        found: list[str] = self.value(
            "[...document.querySelectorAll('#list a')].map((a) => a.getAttribute('href'))"
        )
        return found

    def turn(self, side: int = 0) -> int:
        """Number of the current turn."""
        return int(
            self.run(
                "return document.querySelectorAll('.side')[arguments[0]]"
                ".querySelector('.turn[aria-current] .number').textContent",
                side,
            )
        )

    def heading(self, side: int = 0) -> str:
        return str(
            self.run("return document.querySelectorAll('.side h2')[arguments[0]].innerText", side)
        )

    def clean(self) -> None:
        """Nothing was executed, loaded or complained about."""
        assert self.value("window.hurt") is None
        assert self.value("performance.getEntriesByType('resource').length") == 0
        assert self.chromium.console() == []
