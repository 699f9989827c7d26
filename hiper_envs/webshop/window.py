"""What an environment in a browser needs around it: a site to play on, and a window to play in.

The module knows nothing of tasks, actions or observations.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hiper_envs.webshop.chromium import BrowserError, Chromium

if TYPE_CHECKING:
    from webshop_server.site.server import Server
    from webshop_server.store import Store

__all__ = ["LocalSite", "Window"]


class LocalSite:
    """The shop's site, served by a thread of this process to this machine only.

    Args:
        store: What is sold.
        noun_tagger: Name of the tagger that scores; the best installed one when None.
        pictures: Whether pages show the published pictures.

    Attributes:
        url: Its address.

    Raises:
        MissingDependencyError: If the extra ``webshop`` is not installed.
    """

    def __init__(
        self, store: Store, *, noun_tagger: str | None = None, pictures: bool = False
    ) -> None:
        from webshop_server.reward import Scorer
        from webshop_server.site.app import create_app
        from webshop_server.site.config import SiteConfig
        from webshop_server.site.server import Server
        from webshop_server.site.services import EXTENSION

        folder = tempfile.mkdtemp(prefix="hiper-shop-")
        try:
            config = SiteConfig(
                port=0, database=Path(folder) / "shop.sqlite3", pictures=pictures, threads=4
            )
            app = create_app(config, store=store, scorer=Scorer(noun_tagger))
            listener = socket.create_server((config.host, 0))
            server = Server(app, listener, threads=config.threads)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        thread = threading.Thread(target=server.run, name="hiper-shop", daemon=True)
        thread.start()
        self.url = server.url
        self._end = weakref.finalize(self, _stop, server, thread, app.extensions[EXTENSION], folder)

    def close(self) -> None:
        """Ends it and removes its database; calling it again does nothing."""
        self._end()


class Window:
    """Browser and site of an environment, started when they are first needed."""

    def __init__(
        self,
        store: Store,
        url: str | None,
        noun_tagger: str | None,
        *,
        pictures: bool,
        size: tuple[int, int],
        timeout: float,
    ) -> None:
        self._store = store
        self._url = url
        self._noun_tagger = noun_tagger
        self._pictures = pictures
        self._size = size
        self._timeout = timeout
        self._site: LocalSite | None = None
        self._browser: Chromium | None = None

    @property
    def url(self) -> str:
        """Address of the site."""
        if self._url is not None:
            return self._url
        if self._site is None:
            self._site = LocalSite(
                self._store, noun_tagger=self._noun_tagger, pictures=self._pictures
            )
        return self._site.url

    @property
    def browser(self) -> Chromium:
        """The browser; another one if it has died."""
        if self._browser is not None and not _is_alive(self._browser):
            self._browser.close()
            self._browser = None
        if self._browser is None:
            host = None if self._pictures else urlsplit(self.url).hostname
            self._browser = Chromium(window_size=self._size, timeout=self._timeout, only_host=host)
        return self._browser

    def close(self) -> None:
        """Ends both."""
        if self._browser is not None:
            self._browser.close()
            self._browser = None
        if self._site is not None:
            self._site.close()
            self._site = None


def _is_alive(browser: Chromium) -> bool:
    with contextlib.suppress(BrowserError):
        return bool(browser.run("return true"))
    return False


def _stop(server: Server, thread: threading.Thread, services: Any, folder: str) -> None:
    server.stop()
    thread.join(timeout=15.0)
    services.close()
    shutil.rmtree(folder, ignore_errors=True)
