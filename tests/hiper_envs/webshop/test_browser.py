"""WebShop in a real browser; skipped where Chromium or its driver is missing."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("selenium", reason="the browser environment needs the extra webshop")
pytest.importorskip("flask", reason="the browser environment needs the extra webshop")

from gymnasium.error import ResetNeeded

from hiper_base.errors import DataError, MissingDependencyError
from hiper_envs.core import HierarchicalTextEnv
from hiper_envs.webshop.browser import BrowserTasks, WebshopBrowserEnv
from hiper_envs.webshop.chromium import BrowserError, find_browser, find_driver
from hiper_envs.webshop.env import WebshopEnv
from hiper_envs.webshop.window import LocalSite
from webshop_server.shop import SEARCH_TEMPLATE
from webshop_server.store import open_store

PRODUCTS = 60
WINDOW = (800, 600)
SETTINGS: dict[str, Any] = {"split": "generated", "generated_products": PRODUCTS}


def _missing() -> str:
    """Why nothing can be played in a browser here; "" if it can."""
    try:
        find_browser()
        find_driver()
    except MissingDependencyError as error:
        return str(error)
    return ""


has_browser = pytest.mark.skipif(bool(_missing()), reason=_missing())


@pytest.fixture(scope="module")
def env() -> Iterator[WebshopBrowserEnv]:
    env = WebshopBrowserEnv(render_mode="rgb_array", window_size=WINDOW, timeout=60.0, **SETTINGS)
    yield env
    env.close()


def same_steps(browser: gym.Env[str, str], process: gym.Env[str, str], actions: Any) -> None:
    """Plays the same in both, and compares everything that an agent is told."""
    task = {"task_id": "generated/7"}
    result: Any = process.reset(options=task)
    assert browser.reset(options=task) == result
    for action in actions:
        chosen = action(result[-1]) if callable(action) else action
        result = process.step(chosen)
        assert browser.step(chosen) == result, chosen
        if result[2]:
            break


def at_random(seed: int) -> Any:
    """Chooses among the admissible actions, but buys nothing."""
    chance = random.Random(seed)

    def choose(info: dict[str, Any]) -> str:
        admissible = [a for a in info["admissible_actions"] if a != "click[buy now]"]
        action = chance.choice(admissible)
        return "search[cotton shirt]" if action == SEARCH_TEMPLATE else action

    return choose


def buy(info: dict[str, Any]) -> str:
    """Buys a product in three steps at most, from wherever the shopper is."""
    admissible = info["admissible_actions"]
    if "click[buy now]" in admissible:
        return "click[buy now]"
    elsewhere = (SEARCH_TEMPLATE, "click[< prev]", "click[next >]")
    return "search[lamp]" if admissible[-1] in elsewhere else admissible[-1]


@has_browser
@pytest.mark.parametrize(
    ("mode", "show_attributes"), [("text", False), ("text_rich", True)], ids=["text", "rich"]
)
def test_an_episode_is_that_of_the_process(
    env: WebshopBrowserEnv, mode: str, show_attributes: bool
) -> None:
    changed = {"observation_mode": mode, "show_attributes": show_attributes}
    process = WebshopEnv(**SETTINGS, **changed)
    browser = HierarchicalTextEnv(BrowserTasks(process.source, env._window, **changed))
    same_steps(browser, process, ["search[shirt]", *[at_random(3)] * 6, *[buy] * 3])
    assert process._episode.terminated
    assert "r_type" in process._episode.info
    assert env.browser.console() == []


@has_browser
def test_what_nobody_can_click_or_search_changes_nothing(env: WebshopBrowserEnv) -> None:
    process = WebshopEnv(**SETTINGS)
    wrong = [
        "click[buy now]",
        "bogus",
        "search[]",
        "Search[shirt]",
        "search[a [b] c]",
        "<switch>SWITCH</switch><action>search[shirt]</action>",
        "click[search]",
        'click["]]',
    ]
    same_steps(env, process, [*wrong, "search[shirt]", "click[nothing]", "click[BACK TO search]"])


@has_browser
def test_whatever_can_be_said_can_be_typed(env: WebshopBrowserEnv) -> None:
    queries = [
        "shirt \U0001f600",
        "a\ue007b shirt",
        "\tlamp\x0b \x7f",
        " ",
        "\"'<b>&amp;",
        "x]",
        "é ß",
    ]
    actions = [f"search[{query}]" for query in queries]
    same_steps(env, WebshopEnv(**SETTINGS), [*actions, f"search[{'lamp ' * 20}]"])


@has_browser
def test_a_screenshot_shows_the_page(env: WebshopBrowserEnv) -> None:
    env.reset(seed=1)
    first = env.render()
    assert first.shape == (600, 800, 3)
    assert first.dtype == np.uint8
    env.step("search[lamp]")
    second = env.render()
    assert second.shape == first.shape
    assert (first != second).mean() > 0.02
    # The drawing of the first product lies below the heading: many colours, none of them white.
    assert len(np.unique(second[300:400, 40:200].reshape(-1, 3), axis=0)) > 50


@has_browser
def test_pages_fit_phones_and_desktops(env: WebshopBrowserEnv) -> None:
    script = """
      const wide = document.documentElement.scrollWidth - window.innerWidth;
      const small = [...document.querySelectorAll("button, a, input")].filter((element) => {
        const box = element.getBoundingClientRect();
        return element.offsetParent && !element.matches(".skip, .card-link")
          && element.type !== "hidden" && (box.width < 17 || box.height < 17);
      });
      return [wide, small.map((element) => element.outerHTML)];
    """

    def resize(width: int, height: int) -> None:
        window = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        env.browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)

    _, info = env.reset(seed=2)
    try:
        for step in ("", "search[shirt]", "open", "click[description]", "click[< prev]", "buy"):
            if step == "open":
                *_, info = env.step(info["admissible_actions"][-1])
            elif step:
                *_, info = env.step("click[buy now]" if step == "buy" else step)
            for size in ((390, 844), (1280, 900)):
                resize(*size)
                assert env.browser.run(script) == [0, []], (step, size)
    finally:
        resize(*WINDOW)


@has_browser
def test_the_keyboard_is_enough(env: WebshopBrowserEnv) -> None:
    from selenium.webdriver.common.keys import Keys

    def press(*keys: str) -> dict[str, str]:
        driver.switch_to.active_element.send_keys(*keys)
        return browser.run(
            "const e = document.activeElement;"
            "return {id: e.id, class: e.className, page: document.body.dataset.page};"
        )

    browser, driver = env.browser, env.browser.driver
    env.reset(seed=3)
    assert press(Keys.TAB)["class"] == "skip"
    assert press(Keys.ENTER)["id"] == "main"
    assert press("/")["id"] == "search_input"
    press("lamp", Keys.ENTER)
    assert browser.wait(
        "the results", lambda: browser.run("return document.body.dataset.page") == "results"
    )
    focused = press("/")
    assert focused["id"] == "search_input"
    while "card-link" not in focused["class"]:
        focused = press(Keys.TAB)
    press(Keys.ENTER)
    assert browser.wait(
        "the product", lambda: browser.run("return document.body.dataset.page") == "item"
    )


@has_browser
def test_pages_work_without_scripts(env: WebshopBrowserEnv) -> None:
    driver = env.browser.driver
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        env.reset(seed=4)
        *_, info = env.step("search[shirt]")
        while not env._episode.terminated:
            *_, info = env.step(buy(info))
        assert info["purchased"]
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@has_browser
def test_somebody_else_in_the_session_is_noticed(env: WebshopBrowserEnv) -> None:
    env.reset(seed=5)
    script = """
      const [token, done] = arguments;
      fetch(`/api/v1/sessions/${document.body.dataset.session}/actions`, {method: "POST",
        headers: {Authorization: "Bearer " + token, "Content-Type": "application/json"},
        body: JSON.stringify({action: "search[lamp]"})}).then((answer) => done(answer.status));
    """
    token = env.browser.driver.get_cookie("hiper_token")["value"]
    assert env.browser.driver.execute_async_script(script, token) == 200
    with pytest.raises(BrowserError, match="somebody else"):
        env.step("search[shirt]")


@has_browser
def test_a_browser_that_dies_is_replaced_at_the_next_reset(env: WebshopBrowserEnv) -> None:
    env.reset(seed=6)
    process = env.browser.driver.service.process
    orphan = env.browser.driver.capabilities["goog:processID"]
    profile = Path(env.browser.driver.capabilities["chrome"]["userDataDir"])
    process.kill()
    process.wait()
    with pytest.raises(BrowserError):
        env.step("search[shirt]")
    observation, _ = env.reset(seed=6)
    assert "Instruction" in observation
    assert env.browser.driver.service.process.pid != process.pid
    assert not _is_running(orphan)
    assert not profile.exists()


def _children(pid: int) -> list[int]:
    """Processes that a process has started; empty where the system does not tell."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(folder.name))
    return found


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@has_browser
def test_a_running_site_is_played_on_and_nothing_is_left_behind() -> None:
    site = LocalSite(open_store(generated=PRODUCTS), noun_tagger="textblob")
    env = WebshopBrowserEnv(url=site.url, **SETTINGS)
    try:
        _, info = env.reset(options={"task_id": "generated/1"})
        while not env._episode.terminated:
            *_, info = env.step(buy(info))
        assert info["noun_tagger"] == "textblob"
        driver_process = env.browser.driver.service.process
        profile = Path(env.browser.driver.capabilities["chrome"]["userDataDir"])
        pids = _children(driver_process.pid)
        assert profile.is_dir()
    finally:
        env.close()
        site.close()
    env.close()
    assert driver_process.poll() is not None
    assert not profile.exists()
    deadline = time.monotonic() + 10
    while any(map(_is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_is_running, pids))
    with pytest.raises(ResetNeeded):
        env.step("search[shirt]")


@has_browser
def test_a_site_with_another_catalogue_is_refused(env: WebshopBrowserEnv) -> None:
    class Elsewhere:
        """The window of the environment, at a site whose goals read otherwise."""

        browser = env.browser
        url = env._window.url

    tasks = env.source.tasks
    world = (
        type(env.source)(tasks, Elsewhere(), observation_mode="text", show_attributes=False)
        .open(0)
        .world
    )
    world._instruction = "something else"
    with pytest.raises(DataError, match="another catalogue"):
        world.reset()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"url": "file:///etc/passwd"}, "http"),
        ({"url": "http://127.0.0.1:1/", "noun_tagger": "textblob"}, "scores by itself"),
        ({"noun_tagger": str.split}, "has to be a name"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        WebshopBrowserEnv(**SETTINGS, **arguments)


def test_a_machine_without_a_browser_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("CHROME", "CHROMEDRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    for names in ("_BROWSER_PATHS", "_DRIVER_PATHS"):
        monkeypatch.setattr(f"hiper_envs.webshop.chromium.{names}", ())
    with pytest.raises(MissingDependencyError, match="apt-get install chromium chromium-driver"):
        WebshopBrowserEnv(**SETTINGS)
    monkeypatch.setenv("CHROME", str(tmp_path / "nothing"))
    with pytest.raises(MissingDependencyError, match="no program"):
        WebshopBrowserEnv(**SETTINGS)


def test_named_programs_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "browser"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("CHROME", str(program))
    monkeypatch.setenv("CHROMEDRIVER", os.fspath(program))
    assert find_browser() == find_driver() == str(program)
