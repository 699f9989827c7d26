"""What the page does in a real browser; skipped where there is none."""

from __future__ import annotations

import base64
import gzip
import re
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="pages are tested in a browser, with the extra webshop")

from selenium.webdriver.common.keys import Keys

from benchmarks.leaderboard.store import StudyFolder
from benchmarks.viewer import write_view

from .browsing import OPEN_ALL, Reader, has_browser
from .conftest import HOSTILE
from .pages import data_of

pytestmark = has_browser

DASH, MINUS = "\u2013", "\u2212"


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
