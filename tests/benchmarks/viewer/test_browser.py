"""The page in a real browser; skipped where Chromium or its driver is missing."""

from __future__ import annotations

import base64
import gzip
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="pages are tested in a browser, with the extra webshop")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from benchmarks.leaderboard.store import StudyFolder
from benchmarks.viewer import write_view
from hiper_base.errors import MissingDependencyError
from hiper_envs.webshop.chromium import Chromium, find_browser, find_driver

from .conftest import HOSTILE, TASKS, MakeStudy, quitter
from .pages import data_of

DASH, MINUS = "\u2013", "\u2212"
SIZES = ((360, 740), (1280, 900))


def _missing() -> str:
    """Why no page can be opened here; "" if it can."""
    try:
        find_browser()
        find_driver()
    except MissingDependencyError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing())


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.chromium.close()


@pytest.fixture
def reader(browser: Reader) -> Reader:
    browser.resize(1280, 900)
    return browser


@pytest.fixture(scope="module")
def pages(
    mixed_study: Path, expert_study: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {
        "mixed": write_view(mixed_study, out=folder / "mixed.html"),
        "expert": write_view(expert_study, out=folder / "expert.html"),
        "two": write_view(mixed_study, expert_study, out=folder / "two.html"),
    }


OPEN_ALL = """
  for (const button of document.querySelectorAll(".head[aria-expanded=false]")) button.click();
  for (const part of document.querySelectorAll("details")) part.open = true;
  return document.querySelectorAll(".turn").length;
"""


def test_what_an_agent_writes_is_text(reader: Reader, pages: dict[str, Path]) -> None:
    reader.open(pages["mixed"])
    scripts = reader.value("document.scripts.length")
    seen = ""
    for address in reader.listed:
        reader.run("location.hash = arguments[0]", address)
        place = address.rpartition("/")[2]
        reader.wait(f"document.querySelector('.id').textContent.endsWith('/{place}')")
        assert reader.run(OPEN_ALL) >= 3
        reader.wait("[...document.querySelectorAll('details')].every((d) => d.children.length > 1)")
        seen += str(reader.value("document.getElementById('reader').textContent"))
    for evil in HOSTILE:
        assert evil in seen
    assert "RuntimeError: no more" in seen
    assert HOSTILE[1] in reader.value("document.querySelector('h1').textContent")
    assert reader.value("document.querySelectorAll('img, iframe, [onload], [onerror]').length") == 0
    assert reader.value("document.scripts.length") == scripts
    reader.clean()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["mixed", "expert", "two"])
def test_pages_fit(
    reader: Reader, pages: dict[str, Path], name: str, size: tuple[int, int], scheme: str
) -> None:
    reader.resize(*size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    excess = "document.documentElement.scrollWidth - window.innerWidth"
    for fragment in ("", "#seed-1/1/3", "#seed-1/2"):
        reader.open(pages[name], fragment)
        assert reader.value(excess) == 0
        reader.run(OPEN_ALL)
        assert reader.value(excess) == 0
        # Nothing sticks out of its column either, where it could not be read.
        assert (
            reader.value(
                """[...document.querySelectorAll(".side *, #list *")].filter((each) => {
                const outer = each.closest(".side, #list").getBoundingClientRect();
                const box = each.getBoundingClientRect();
                return box.width && !each.closest("svg, .strip, .mini, .plot")
                  && box.right > outer.right + 1;
              }).map((each) => each.outerHTML.slice(0, 200))"""
            )
            == []
        )
    dark = reader.value("getComputedStyle(document.body).backgroundColor") == "rgb(16, 16, 16)"
    assert dark == (scheme == "dark")
    reader.clean()


def test_hundreds_of_options_fit(reader: Reader, expert_study: Path, tmp_path: Path) -> None:
    files = StudyFolder(shutil.copytree(expert_study, tmp_path / "long"))
    short = files.trajectory(1, 0)
    turns = [
        turn.model_copy(
            update={"info": turn.info.model_copy(update={"option_boundary": True}), "details": None}
        )
        for turn in (short.turns * 50)[:300]
    ]
    long = short.model_copy(update={"turns": tuple(turns), "failure": "why " * 5000})
    files.write_trajectory(1, 0, long.model_dump_json().encode())
    reader.resize(360, 740)
    reader.open(write_view(files.path), "#seed-1/0/299")
    assert reader.value("document.querySelectorAll('.strip button').length") == 300
    assert reader.value("document.documentElement.scrollWidth") == 360
    ends = "['.strip', '.cells'].map((s) => document.querySelector(s).lastChild)"
    right = reader.value(f"{ends}.map((each) => each.getBoundingClientRect().right)")
    assert max(right) <= 360
    assert right[0] == pytest.approx(right[1], abs=1)
    reader.clean()


def test_filters(reader: Reader, pages: dict[str, Path], mixed_study: Path) -> None:
    played = list(StudyFolder(mixed_study).trajectories())

    def count() -> int:
        said = str(reader.value("document.getElementById('count').textContent"))
        assert said.split()[0] == str(len(reader.listed))
        return len(reader.listed)

    reader.open(pages["mixed"])
    assert count() == len(played)
    for outcome in ("won", "truncated", "failed"):
        reader.choose("Outcome", outcome)
        assert count() == sum(each.outcome == outcome for each in played) > 0
    reader.choose("Outcome", "not won")
    assert count() == sum(each.outcome != "won" for each in played)
    reader.choose("Seed", "1")
    assert all(address.startswith("#seed-1/") for address in reader.listed)
    assert count() == sum(each.outcome != "won" and each.seed == 1 for each in played)
    reader.choose("Outcome", "")
    reader.choose("Seed", "")
    kind = played[0].task_type
    reader.choose("Type", kind)
    assert count() == sum(each.task_type == kind for each in played)
    reader.choose("Type", "")
    reader.choose("Search tasks and subgoals", "RUNTIMEERROR more")
    assert count() == sum("RuntimeError" in each.failure for each in played)
    reader.choose("Search tasks and subgoals", HOSTILE[0].upper())
    assert count() == sum(
        HOSTILE[0] in each.failure or any(HOSTILE[0] in t.info.subgoal for t in each.turns)
        for each in played
    )
    reader.choose("Search tasks and subgoals", "nothing has this")
    assert count() == 0
    reader.choose("Search tasks and subgoals", "Looking quickly")
    assert count() == 0
    reader.run("document.getElementById('deep').click()")
    reader.wait(f"document.querySelectorAll('#list li').length === {len(played)}")
    reader.choose("Search tasks and subgoals", "turn 2: what quickly")
    says = sum(any("Turn 2: what" in turn.output for turn in each.turns) for each in played)
    reader.wait(f"document.querySelectorAll('#list li').length === {says}")
    assert 0 < says < len(played)
    reader.choose("Search tasks and subgoals", "")
    assert count() == len(played)
    reader.choose("Search tasks and subgoals", "nothing has this")
    reader.wait("document.querySelectorAll('#list li').length === 0")
    reader.press(Keys.ESCAPE, "n", "p")
    reader.clean()


def test_a_list_grows_as_it_is_read(reader: Reader, make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(quitter, seeds=range(-1, 22))
    reader.open(write_view(study, out=tmp_path / "long.html"))
    total = 23 * TASKS
    assert len(reader.listed) < total
    assert reader.value("kept.size") == 1  # other episodes are packed until they are looked at
    reader.run("document.getElementById('more').scrollIntoView()")
    reader.wait("document.querySelectorAll('#list li').length > 60")
    last = f"#seed-21/{TASKS - 1}/2"
    reader.open(tmp_path / "long.html", last)
    assert len(reader.listed) == total
    assert reader.turn() == 2
    box = "document.querySelector('#list [aria-current]').getBoundingClientRect()"
    reader.wait(f"{box}.top >= 0 && {box}.bottom <= 900")
    reader.open(tmp_path / "long.html", "#seed--1/3")
    assert reader.value("document.getElementById('problem').textContent") == ""
    assert reader.value("location.hash") == "#seed--1/3"
    reader.clean()


def test_keys(reader: Reader, pages: dict[str, Path], expert_study: Path) -> None:
    first, second = (StudyFolder(expert_study).trajectory(1, place) for place in (0, 1))
    starts = [i + 1 for i, turn in enumerate(first.turns) if turn.info.option_boundary]
    reader.open(pages["expert"])
    assert reader.turn() == 1
    reader.press("j", "j")
    assert reader.turn() == 3
    focused = reader.value("document.activeElement.matches('.turn[aria-current] > .head')")
    assert focused
    assert reader.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reader.value("document.activeElement.getAttribute('aria-expanded')") == "true"
    reader.press(Keys.ARROW_UP)
    assert reader.turn() == 2
    reader.press(Keys.END)
    assert reader.turn() == len(first.turns)
    reader.press("j")
    assert reader.turn() == len(first.turns)
    reader.press(Keys.HOME, "J")
    assert reader.turn() == starts[1]
    reader.press("j", "K")
    assert reader.turn() == starts[1]
    reader.press("K")
    assert reader.turn() == 1
    reader.press("n")
    reader.wait(f"document.querySelector('.id').textContent === {second.task_id!r}")
    assert reader.heading() == second.task
    assert reader.value("location.hash") == "#seed-1/1"
    reader.press("p")
    reader.wait(f"document.querySelector('.id').textContent === {first.task_id!r}")
    for key, part in (("o", "output"), ("a", "admissible")):
        reader.press(key)
        shown = f".turn[aria-current] [data-part={part}]"
        assert reader.value(f"document.querySelector('{shown}').open")
    assert first.turns[0].output in reader.value("document.querySelector('pre').textContent")
    actions = reader.value("[...document.querySelectorAll('.actions li')].map((a) => a.innerText)")
    assert tuple(actions) == first.admissible[first.turns[0].admissible]
    reader.press("e")
    opened = "document.querySelectorAll('.head[aria-expanded=true]').length"
    assert reader.value(opened) == len(first.turns)
    reader.press("e")
    assert reader.value(opened) == 0
    reader.clean()


def test_search_and_help_by_keys(reader: Reader, pages: dict[str, Path]) -> None:
    reader.open(pages["expert"])
    reader.press("/")
    assert reader.value("document.activeElement.id") == "search"
    # What is typed is typed, and no command.
    reader.press("jn?")
    assert reader.value("document.activeElement.value") == "jn?"
    assert reader.turn() == 1
    reader.press(Keys.ESCAPE)
    assert reader.value("document.activeElement === document.body")
    reader.press("?")
    assert reader.value("document.getElementById('keys').open")
    reader.press("j")
    assert reader.turn() == 1
    reader.press(Keys.ESCAPE)
    assert not reader.value("document.getElementById('keys').open")
    reader.press("j")
    assert reader.turn() == 2
    reader.clean()


def test_addresses(reader: Reader, pages: dict[str, Path], mixed_study: Path) -> None:
    task = StudyFolder(mixed_study).trajectory(1, 4)
    reader.open(pages["mixed"], "#seed-1/4/5")
    assert (reader.heading(), reader.turn()) == (task.task, 5)
    top = "document.querySelector('.turn[aria-current]').getBoundingClientRect().top"
    assert 0 <= reader.value(top) <= 200
    assert reader.value("document.querySelector('#list [aria-current]').hash") == "#seed-1/4"
    reader.press("j")
    reader.wait("location.hash === '#seed-1/4/6'")
    reader.run("location.hash = '#seed-0/3'")
    reader.wait("document.querySelector('.id').textContent.endsWith('/3')")
    assert reader.turn() == 1
    reader.driver.back()
    reader.wait("document.querySelector('.id').textContent.endsWith('/4')")
    assert reader.turn() == 6
    reader.open(pages["mixed"], "#seed-1/4/99999")
    assert reader.turn() == len(task.turns)
    for wrong in ("#seed-7/0", "#nothing", "#seed-0/0/0/0", "#%3Cscript%3E"):
        reader.open(pages["mixed"], wrong)
        assert "names no episode" in reader.value("document.getElementById('problem').textContent")
    reader.clean()


def test_figures_of_a_turn(reader: Reader, pages: dict[str, Path]) -> None:
    reader.open(pages["expert"], "#seed-1/0/2")
    turns = data_of(pages["expert"].read_text(encoding="utf-8"))[1]["turns"]
    cells = (
        "[...document.querySelectorAll('.turn[aria-current] .credit td')].map((t) => t.innerText)"
    )
    shown = [cell for cell in reader.value(cells) if cell]
    values = [f"{value:.3f}" for value in turns[1]["values"]]
    assert shown[:3] == values
    low, high, switch = turns[1]["advantages"]
    assert high is None
    assert shown[4] == DASH
    for text, value in ((shown[3], low), (shown[5], switch)):
        assert float(text.replace(MINUS, "-")) == pytest.approx(value, abs=6e-4)
    facts = str(reader.value("document.querySelector('.turn[aria-current] .facts').innerText"))
    for fact in (f"tokens read\n{turns[1]['tokens'][0]:.0f}", "tokens written\n20", "250 ms"):
        assert fact in facts
    lines = "document.querySelectorAll('.curves .line').length"
    assert reader.value(lines) == 3
    buttons = "document.querySelectorAll('.choices button')"
    assert reader.value(f"[...{buttons}].map((b) => b.ariaPressed)") == ["true", "false"]
    reader.run(f"{buttons}[1].click()")
    assert reader.value(f"[...{buttons}].map((b) => b.ariaPressed)") == ["false", "true"]
    assert reader.value(lines) == 3
    reader.clean()


def test_two_runs_side_by_side(
    reader: Reader, pages: dict[str, Path], mixed_study: Path, expert_study: Path
) -> None:
    mixed = {(t.seed, t.position): t for t in StudyFolder(mixed_study).trajectories()}
    reader.open(pages["two"], "#seed-1/1/3/seed-2/4")
    assert reader.value("document.querySelectorAll('.side').length") == 2
    assert reader.heading(0) == "A" + mixed[1, 1].task
    assert reader.heading(1) == "B" + mixed[1, 1].task
    assert (reader.turn(0), reader.turn(1)) == (3, 4)
    assert len(reader.listed) == TASKS
    reader.press("j")
    assert (reader.turn(0), reader.turn(1)) == (4, 4)
    reader.press("l", "k")
    assert (reader.turn(0), reader.turn(1)) == (4, 3)
    reader.wait("location.hash === '#seed-1/1/4/seed-2/3'")
    reader.press("h", "j")
    assert (reader.turn(0), reader.turn(1)) == (5, 3)
    reader.run(
        """const select = document.querySelectorAll(".side header select")[1];
        select.selectedIndex = 0;
        select.dispatchEvent(new Event("change"));"""
    )
    reader.wait("location.hash === '#seed-1/1/5/seed-1/1'")
    assert reader.value("document.querySelectorAll('.side header select')[1].value").startswith("1")
    reader.choose("A: outcome", "failed")
    failed = {place for (_, place), each in mixed.items() if each.outcome == "failed"}
    assert len(reader.listed) == len(failed) > 0
    reader.choose("B: seed", "2")
    assert all(address.endswith("/seed-2") for address in reader.listed)
    reader.press("n")
    reader.wait("document.querySelectorAll('.failure').length === 1")
    reader.clean()


def test_a_narrow_window_shows_one_thing_at_a_time(reader: Reader, pages: dict[str, Path]) -> None:
    def seen(selector: str) -> bool:
        return bool(reader.value(f"document.querySelector('{selector}').offsetParent !== null"))

    reader.resize(360, 740)
    reader.open(pages["two"])
    assert seen("#list")
    assert not seen(".side")
    reader.run("document.querySelector('#list a').click()")
    reader.wait("document.body.classList.contains('reading')")
    assert not seen("#list")
    assert seen(".side.active .turn")
    assert reader.value("[...document.querySelectorAll('.side')].map((s) => !!s.offsetParent)") == [
        True,
        False,
    ]
    reader.run("document.querySelectorAll('.tabs button')[1].click()")
    assert reader.value("[...document.querySelectorAll('.side')].map((s) => !!s.offsetParent)") == [
        False,
        True,
    ]
    reader.run("document.getElementById('next-turn').click()")
    assert (reader.turn(0), reader.turn(1)) == (1, 2)
    reader.run("document.getElementById('back').click()")
    assert seen("#list")
    reader.clean()


def test_controls_have_names(reader: Reader, pages: dict[str, Path]) -> None:
    reader.open(pages["two"], "#seed-1/1/3")
    for control in reader.driver.find_elements("css selector", "button, select, input, a, summary"):
        if control.is_displayed():
            assert control.accessible_name.strip(), control.get_attribute("outerHTML")
    for selector in ("nav", "main", "[role=status]", "[role=alert]", "dialog"):
        assert reader.value(f"document.querySelectorAll('{selector}').length") == 1


def test_the_samples_of_a_training_run(reader: Reader, run_folder: Path) -> None:
    reader.open(write_view(run_folder), "#seed-3/1/3")
    assert reader.turn() == 3
    assert reader.heading() == "Heat a mug."
    assert "not won" in reader.value("document.querySelector('.outcome').innerText")
    buttons = reader.value(
        "[...document.querySelectorAll('.choices button')].map((b) => b.innerText)"
    )
    assert buttons == ["Values"]
    text = reader.value("document.querySelector('.turn[aria-current]').innerText")
    assert HOSTILE[2] in text
    assert "SWITCH" in text
    reader.clean()


def test_an_episode_that_cannot_be_unpacked_is_named(
    reader: Reader, pages: dict[str, Path], tmp_path: Path
) -> None:
    page = pages["expert"].read_text(encoding="utf-8")
    broken = base64.b64encode(gzip.compress(b'{"turns": [')).decode()
    spoiled = re.sub(r'(id="data-1">)[^<]*', rf"\g<1>{broken}", page)
    (tmp_path / "page.html").write_text(spoiled, encoding="utf-8")
    reader.open(tmp_path / "page.html")
    problem = "document.getElementById('problem').textContent"
    assert "cannot be shown" in reader.value(problem)
    reader.press("n")
    reader.wait("document.querySelector('.turn[aria-current]')")
    assert reader.value(problem) == ""


def test_an_old_browser_is_told(reader: Reader, pages: dict[str, Path]) -> None:
    added = reader.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"}
    )
    try:
        reader.open(pages["expert"])
        assert "too old" in reader.value("document.getElementById('problem').textContent")
    finally:
        reader.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
