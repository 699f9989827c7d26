"""WebShop in a real browser: the same tasks, played by typing and clicking in the site's pages.

This module puts tasks, a browser's window and the hierarchical protocol together. It knows nothing
of the site's pages (see :mod:`hiper_envs.webshop.browser_world`), of Selenium, nor of scores.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gymnasium.error import ResetNeeded

from hiper_base.errors import MissingDependencyError
from hiper_envs.contract import OpenTask
from hiper_envs.core import HierarchicalTextEnv
from hiper_envs.webshop.browser_world import BrowserWorld
from hiper_envs.webshop.chromium import Chromium, find_browser, find_driver
from hiper_envs.webshop.tasks import WebshopTasks, open_tasks
from hiper_envs.webshop.window import Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BrowserTasks", "WebshopBrowserEnv"]


class WebshopBrowserEnv(HierarchicalTextEnv):
    """WebShop played in a browser: as ``HiPER-WebShop-v0``, with pictures to look at.

    Tasks, actions, observations, rewards and ``info`` are those of
    :class:`~hiper_envs.webshop.env.WebshopEnv`; an episode takes longer, and :meth:`render` with
    ``render_mode="rgb_array"`` shows what a person would see. Browser and site start at the first
    ``reset`` and end with :meth:`close`. An action of more than 2,000 characters is not accepted
    by the site and changes nothing.

    Args:
        split: As for `WebshopEnv`, like the following ones.
        goals: "synthetic" or "human".
        observation_mode: "text" or "text_rich".
        show_attributes: Whether items have the sub page `Attributes`.
        noun_tagger: Name of the tagger that the environment's own site scores with. With `url`
            the site decides.
        data_root: Where the data lies.
        generated_products: Size of the catalogue of split "generated".
        reference: Whether ``info`` also holds the oracle's plan.
        max_turns: Number of steps after which an episode is truncated.
        render_mode: None, "ansi", or "rgb_array" for screenshots, uint8 [height, width, 3].
        url: Address of a running site that sells the same catalogue; by default the environment
            serves one itself, for this machine only.
        pictures: Whether pages load the published pictures, from other servers. Without, drawings
            stand in for them, and the browser reaches nothing but the site.
        window_size: Width and height of the window's page area, in pixels.
        timeout: Seconds that a page may take.

    Raises:
        MissingDependencyError: If Chromium, its driver, or the extra ``webshop`` is not installed.
        UnknownSplitError: If there is no such split.
        DataNotFoundError: If ``split`` was given and its data is not installed.
        DataError: If the data is damaged.

    Example::

        env = gym.make("HiPER-WebShopBrowser-v0", split="generated", render_mode="rgb_array")
        observation, info = env.reset(seed=0)
        observation, reward, terminated, truncated, info = env.step("search[red shirt]")
        picture = env.render()
        env.close()
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        split: str | None = None,
        goals: str = "synthetic",
        observation_mode: str = "text",
        show_attributes: bool = False,
        noun_tagger: str | None = None,
        data_root: str | Path | None = None,
        generated_products: int = 1000,
        reference: bool = False,
        max_turns: int = 50,
        render_mode: str | None = None,
        url: str | None = None,
        pictures: bool = False,
        window_size: tuple[int, int] = (1280, 900),
        timeout: float = 30.0,
    ) -> None:
        _check(url, noun_tagger)
        tasks = open_tasks(
            split,
            goals,
            observation_mode=observation_mode,
            show_attributes=show_attributes,
            data_root=data_root,
            generated_products=generated_products,
            reference=reference,
        )
        window = Window(
            tasks.store, url, noun_tagger, pictures=pictures, size=window_size, timeout=timeout
        )
        source = BrowserTasks(
            tasks, window, observation_mode=observation_mode, show_attributes=show_attributes
        )
        super().__init__(source, max_turns=max_turns, render_mode=render_mode)
        self._window = window
        # The split that was found, so that a copy in another process does not look for data again.
        self._constructor_kwargs = {
            "split": tasks.split,
            "goals": goals,
            "observation_mode": observation_mode,
            "show_attributes": show_attributes,
            "noun_tagger": noun_tagger,
            "data_root": data_root,
            "generated_products": generated_products,
            "reference": reference,
            "max_turns": max_turns,
            "render_mode": render_mode,
            "url": url,
            "pictures": pictures,
            "window_size": window_size,
            "timeout": timeout,
        }

    @property
    def browser(self) -> Chromium:
        """The browser, for what the environment does not offer; started if it is not running."""
        return self._window.browser

    def render(self) -> Any:
        """A screenshot of the page with "rgb_array", the episode as text with "ansi".

        Returns:
            uint8 [height, width, 3], or a text.

        Raises:
            ResetNeeded: Before the first ``reset``.
            BrowserError: If the browser does not give a screenshot.
        """
        if self.render_mode != "rgb_array":
            return super().render()
        if self._episode is None:
            raise ResetNeeded("no task has begun; call reset() before render()")
        picture: NDArray[np.uint8] = self._window.browser.screenshot()
        return picture

    def close(self) -> None:
        """End the browser and the environment's own site; calling it again does nothing."""
        super().close()
        self._window.close()


class BrowserTasks:
    """The tasks of a task source, opened in a browser.

    Args:
        tasks: The tasks; the site sells the same catalogue.
        window: Where they are played, one at a time.
        observation_mode: "text" or "text_rich".
        show_attributes: Whether items have the sub page `Attributes`.
    """

    def __init__(
        self, tasks: WebshopTasks, window: Window, *, observation_mode: str, show_attributes: bool
    ) -> None:
        self.tasks = tasks
        self._window = window
        self._mode = observation_mode
        self._show_attributes = show_attributes

    @property
    def task_types(self) -> Sequence[str]:
        """Department of the wanted product, of every task."""
        return self.tasks.task_types

    def __len__(self) -> int:
        """Number of tasks."""
        return len(self.tasks)

    def index(self, task_id: str) -> int:
        """Position of a task within the split.

        Raises:
            UnknownTaskError: If there is no such task, or it is one of another split.
        """
        return self.tasks.index(task_id)

    def open(self, index: int) -> OpenTask:
        """Open the task at a position; it takes the window over from the one before."""
        task = self.tasks.open(index)
        world = BrowserWorld(
            self._window.browser,
            self._window.url,
            task.info.task_id,
            task.info.task,
            observation_mode=self._mode,
            show_attributes=self._show_attributes,
        )
        return task._replace(world=world)


def _check(url: str | None, noun_tagger: str | None) -> None:
    """Checks what can be checked before anything is started."""
    if url is not None and urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"url is {url!r}; it has to begin with http:// or https://")
    if url is not None and noun_tagger is not None:
        raise ValueError("the site at url scores by itself; leave noun_tagger out")
    if noun_tagger is not None and not isinstance(noun_tagger, str):
        raise ValueError("noun_tagger has to be a name here; a function cannot reach the site")
    needed = ["selenium"] if url is not None else ["selenium", "flask", "waitress"]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"the browser environment needs {', '.join(missing)}: pip install 'hiper-gym[webshop]'"
        )
    find_browser()
    find_driver()
