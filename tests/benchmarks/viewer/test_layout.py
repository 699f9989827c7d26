"""How the page looks in a real browser, in wide and narrow windows; skipped where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="pages are tested in a browser, with the extra webshop")

from benchmarks.leaderboard.store import StudyFolder
from benchmarks.viewer import write_view

from .browsing import OPEN_ALL, Reader, has_browser
from .conftest import TASKS, MakeStudy, quitter

pytestmark = has_browser

SIZES = ((360, 740), (1280, 900))


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
    files.add_trajectories(1, [long.model_dump_json().encode()])
    files.tidy(1)
    reader.resize(360, 740)
    reader.open(write_view(files.path), "#seed-1/0/299")
    assert reader.value("document.querySelectorAll('.strip button').length") == 300
    assert reader.value("document.documentElement.scrollWidth") == 360
    ends = "['.strip', '.cells'].map((s) => document.querySelector(s).lastChild)"
    right = reader.value(f"{ends}.map((each) => each.getBoundingClientRect().right)")
    assert max(right) <= 360
    assert right[0] == pytest.approx(right[1], abs=1)
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
