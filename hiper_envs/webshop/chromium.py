"""A headless Chromium of this machine, driven through Selenium.

Finds browser and driver, starts them with a profile that is thrown away, and ends both for sure.
Nothing is ever downloaded. The module knows nothing of the shop or of environments.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.request import getproxies

from hiper_base.errors import HiperError, MissingDependencyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from selenium.webdriver import Chrome, ChromeOptions

__all__ = ["BrowserError", "Chromium", "find_browser", "find_driver"]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_BROWSER_PATHS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_DRIVERS = ("chromedriver", "chromium.chromedriver")
_DRIVER_PATHS = ("/usr/lib/chromium/chromedriver", "/usr/lib/chromium-browser/chromedriver")
_HINT = (
    "install both with `apt-get install chromium chromium-driver` (Debian, Ubuntu) or `brew "
    "install --cask chromium chromedriver` (macOS), or name them in $CHROME and $CHROMEDRIVER"
)
_FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-features=MediaRouter,OptimizationHints,Translate",
    "--force-prefers-reduced-motion",
    "--hide-scrollbars",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--password-store=basic",
)
_POLL_SECONDS = 0.01
_GRACE_SECONDS = 3.0
_PICTURES = "return [...document.images].every((image) => image.complete || !image.src)"

_Value = TypeVar("_Value")


class BrowserError(HiperError):
    """The browser, its driver or the site it shows did not do what they should."""


def find_browser() -> str:
    """Path of the browser: `$CHROME`, else Chromium or Chrome where systems install it.

    Raises:
        MissingDependencyError: If there is none.
    """
    return _find("CHROME", "Chromium", _BROWSERS, _BROWSER_PATHS)


def find_driver() -> str:
    """Path of chromedriver: `$CHROMEDRIVER`, else where systems install it.

    Raises:
        MissingDependencyError: If there is none.
    """
    return _find("CHROMEDRIVER", "chromedriver", _DRIVERS, _DRIVER_PATHS)


class Chromium:
    """One browser window.

    Args:
        window_size: Width and height of the page's area, in pixels.
        timeout: Seconds that a page, a script or a wait may take.
        only_host: The one host that the browser can reach; None for every host.

    Raises:
        MissingDependencyError: If Selenium, the browser or its driver is not installed.
        BrowserError: If they do not start.
    """

    def __init__(
        self,
        *,
        window_size: tuple[int, int] = (1280, 900),
        timeout: float = 30.0,
        only_host: str | None = None,
    ) -> None:
        self.timeout = timeout
        profile = tempfile.mkdtemp(prefix="hiper-chromium-")
        try:
            self._driver = _start(_arguments(profile, only_host))
        except BaseException:
            shutil.rmtree(profile, ignore_errors=True)
            raise
        # Runs on close, when the object is collected, or when Python ends: whichever comes first.
        self._end = weakref.finalize(self, _quit, self._driver, profile)
        try:
            self._set_up(window_size)
        except BaseException:
            self.close()
            raise

    @property
    def driver(self) -> Chrome:
        """Selenium's driver, for what this class does not offer."""
        return self._driver

    @property
    def is_open(self) -> bool:
        """Whether the browser has not been closed."""
        return bool(self._end.alive)

    def open(self, url: str) -> None:
        """Goes to an address, and waits until its document has been read.

        Raises:
            BrowserError: If there is no answer in time.
        """
        self.call(f"open {url}", lambda: self._driver.get(url))

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script in the page.

        Raises:
            BrowserError: If it fails.
        """
        return self.call("run a script", lambda: self._driver.execute_script(script, *arguments))

    def call(self, what: str, function: Callable[[], _Value]) -> _Value:
        """Calls a function that uses the driver.

        Args:
            what: What it does, for the message of an error.
            function: The function.

        Raises:
            BrowserError: In place of what Selenium raises.
        """
        from selenium.common.exceptions import WebDriverException
        from urllib3.exceptions import HTTPError

        if not self.is_open:
            raise BrowserError(f"cannot {what}: the browser has been closed")
        try:
            return function()
        except WebDriverException as error:
            raise BrowserError(f"cannot {what}: {_first_line(error)}") from error
        except (HTTPError, OSError) as error:
            raise BrowserError(f"cannot {what}: the driver does not answer: {error}") from error

    def wait(self, what: str, condition: Callable[[], _Value | None]) -> _Value:
        """Waits until a condition gives something true, and returns that.

        While a page is being replaced, scripts in it fail; such failures count as not yet.

        Args:
            what: What is waited for, for the message of an error.
            condition: Asked again and again.

        Raises:
            BrowserError: If that takes longer than the timeout.
        """
        deadline = time.monotonic() + self.timeout
        last: BrowserError | None = None
        while True:
            try:
                value = condition()
                if value:
                    return value
                last = None
            except BrowserError as error:
                last = error
            if time.monotonic() > deadline or not self.is_open:
                why = f"; the last attempt: {last}" if last else ""
                raise BrowserError(f"{what} did not happen in {self.timeout:g} s{why}") from last
            time.sleep(_POLL_SECONDS)

    def screenshot(self) -> NDArray[np.uint8]:
        """What the window shows, uint8 [height, width, 3], after its pictures have come.

        Raises:
            MissingDependencyError: If Pillow is not installed.
            BrowserError: If the browser does not give it.
        """
        import numpy as np

        try:
            from PIL import Image
        except ImportError as error:
            raise MissingDependencyError(
                "screenshots need Pillow: pip install 'hiper-gym[webshop]'"
            ) from error
        self.wait("loading the page's pictures", lambda: self.run(_PICTURES))
        png = self.call("take a screenshot", self._driver.get_screenshot_as_png)
        with Image.open(io.BytesIO(png)) as image:
            return np.asarray(image.convert("RGB"), dtype=np.uint8)

    def console(self) -> list[dict[str, Any]]:
        """What pages and browser have written to the console since the last call."""
        driver: Any = self._driver
        return self.call("read the console", lambda: list(driver.get_log("browser")))

    def close(self) -> None:
        """Ends browser and driver and removes the profile; calling it again does nothing."""
        self._end()

    def _set_up(self, window_size: tuple[int, int]) -> None:
        def set_up() -> None:
            self._driver.set_page_load_timeout(self.timeout)
            self._driver.set_script_timeout(self.timeout)
            # The size of the window would include a frame that no headless browser shows.
            self._driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {
                    "width": window_size[0],
                    "height": window_size[1],
                    "deviceScaleFactor": 1,
                    "mobile": False,
                },
            )

        self.call("set up the window", set_up)


def _find(variable: str, name: str, names: Sequence[str], paths: Sequence[str]) -> str:
    given = os.environ.get(variable)
    if given:
        found = shutil.which(given)
        if found is None:
            raise MissingDependencyError(f"${variable} is {given!r}, which is no program")
        return found
    for candidate in (*names, *paths):
        found = shutil.which(candidate)
        if found is not None:
            return found
    raise MissingDependencyError(f"this needs {name}, and none is installed; {_HINT}")


def _arguments(profile: str, only_host: str | None) -> list[str]:
    arguments = [*_FLAGS, f"--user-data-dir={profile}"]
    if _needs_no_sandbox():
        arguments.append("--no-sandbox")
    if only_host is not None:
        arguments.append(f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {only_host}")
    return arguments


def _needs_no_sandbox() -> bool:
    """Whether Chromium's sandbox cannot work: for root, and in most containers."""
    if sys.platform != "linux":
        return False
    marks = (Path("/.dockerenv"), Path("/run/.containerenv"))
    in_container = "KUBERNETES_SERVICE_HOST" in os.environ or any(mark.exists() for mark in marks)
    return os.geteuid() == 0 or in_container


def _start(arguments: Sequence[str]) -> Chrome:
    browser, driver = find_browser(), find_driver()
    try:
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver import Chrome, ChromeOptions, ChromeService
    except ImportError as error:
        raise MissingDependencyError(
            "the browser environment needs Selenium: pip install 'hiper-gym[webshop]'"
        ) from error
    options = ChromeOptions()
    options.binary_location = browser
    # Pictures may come later than the document; `screenshot` waits for them.
    options.page_load_strategy = "eager"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    _go_past_proxies(options)
    for argument in arguments:
        options.add_argument(argument)
    try:
        # A given path keeps Selenium from looking for, and downloading, a driver of its own.
        return Chrome(options=options, service=ChromeService(executable_path=driver))
    except (WebDriverException, OSError) as error:
        raise BrowserError(f"{browser} does not start: {_first_line(error)}") from error


def _go_past_proxies(options: ChromeOptions) -> None:
    """Talks to the driver, a process of this machine, directly where a proxy is set for others."""
    if getproxies():
        with warnings.catch_warnings():
            # Deprecated for a setting that Selenium's constructor for Chrome does not take.
            warnings.simplefilter("ignore", DeprecationWarning)
            options.ignore_local_proxy_environment_variables()


def _quit(driver: Chrome, profile: str) -> None:
    """Ends the processes and removes the profile, whatever state they are in."""
    from selenium.common.exceptions import WebDriverException
    from urllib3.exceptions import HTTPError

    # At the end of Python the driver may already be gone; urllib3 would warn about its retries.
    noisy = logging.getLogger("urllib3.connectionpool")
    level = noisy.level
    noisy.setLevel(logging.ERROR)
    try:
        driver.quit()
    except (WebDriverException, HTTPError, OSError):
        driver.service.stop()
    finally:
        noisy.setLevel(level)
        process = driver.service.process
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        _end_processes(profile)
        shutil.rmtree(profile, ignore_errors=True)


def _end_processes(profile: str) -> None:
    """Waits until a browser and its helpers are gone, and kills them when its driver has died.

    Args:
        profile: Their profile, which the arguments of all of them name and no other browser's.
    """
    if sys.platform != "linux":
        return
    deadline = time.monotonic() + _GRACE_SECONDS
    while running := _processes_with(profile):
        if time.monotonic() > deadline:
            for pid in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            deadline += _GRACE_SECONDS
        time.sleep(_POLL_SECONDS)


def _processes_with(argument: str) -> list[int]:
    """Processes whose command line contains a text; others' and ended ones have none."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if argument.encode() in file.read_bytes():
                found.append(int(file.parent.name))
    return found


def _first_line(error: BaseException) -> str:
    """An error without the stack trace that chromedriver appends to its messages."""
    words = getattr(error, "msg", None) or str(error) or type(error).__name__
    return str(words).strip().splitlines()[0]
