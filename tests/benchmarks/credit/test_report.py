"""The page: it stands alone, shows what was found, and nothing in it can act."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from benchmarks.credit.analysis import analyse_settings
from benchmarks.credit.cells import Cell
from benchmarks.credit.outcomes import Outcome
from benchmarks.credit.report import POLICY, Study, render, verdict, write_page, write_plots
from benchmarks.credit.sweeps import sweeps_of
from benchmarks.credit.tuning import choices_in

MakeCell = Callable[..., Cell]
Finish = Callable[..., Outcome]
EVIL = "</td><script>alert(1)</script><img src=x onerror=alert(2)>$x_"


def study(outcomes: Iterable[Outcome], problems: tuple[str, ...] = ()) -> Study:
    found = list(outcomes)
    settings = analyse_settings(found)
    return Study(settings, sweeps_of(settings), choices_in(found), problems, "make it", "c0ffee")


class Tags(HTMLParser):
    """All tags of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(page)
    return parser.found


@pytest.fixture
def full(make_cell: MakeCell, finish: Finish) -> Study:
    """A study with everything: rivals, ablations, a sweep, tuning."""
    cells = [
        make_cell(estimator, seed, ablation=ablation, subtasks=k, env="Made-v0")
        for estimator, ablation in (("hae", ""), ("gae", ""), ("hae", "no-switch-head"))
        for seed in (0, 1)
        for k in (2, 4)
    ]
    outcomes = [
        finish(cell, [0.0, 0.3 + 0.1 * cell.seed, 0.9 - 0.1 * (cell.estimator == "gae")])
        for cell in cells
    ]
    outcomes.append(
        finish(make_cell(purpose="tuning", tuned={"gamma": 0.9}, env="Made-v0"), [0.0, 1.0])
    )
    return study(outcomes, ("gae: seed 4 is missing.",))


def test_the_page_stands_alone_and_says_what_was_found(full: Study, tmp_path: Path) -> None:
    page = write_page(full, tmp_path / "page.html").read_text(encoding="utf-8")
    assert f'http-equiv="Content-Security-Policy" content="{POLICY}"' in page
    found = tags(page)
    assert {tag for tag, _ in found} & {"script", "link", "iframe", "object", "embed"} == set()
    sources = [attributes["src"] for tag, attributes in found if tag == "img"]
    assert len(sources) >= 6
    for source in sources:
        assert source is not None
        assert source.startswith("data:image/svg+xml;base64,")
        drawing = base64.b64decode(source.partition(",")[2]).decode()
        assert not re.search(r"(href|src)=.(?!#)|<script|@import", drawing)
    assert not any(name.startswith("on") for _, attributes in found for name in attributes)
    for text in (
        "gae: seed 4 is missing.",
        "Against subtasks",
        "hae, no switch head",
        "gamma=0.9",
        "HAE minus each rival",
        "hae minus gae",
        "2 of 2 reached it",
        "make it",
        "numpy 2.0",
    ):
        assert text in page


def test_pictures_can_be_files(full: Study, tmp_path: Path) -> None:
    names = [path.name for path in write_plots(full, tmp_path / "plots", "made")]
    assert names == ["made_against_subtasks.svg", "made_subtasks_2.svg", "made_subtasks_4.svg"]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == names
    page = render(full)
    for path in (tmp_path / "plots").iterdir():
        drawing = path.read_text(encoding="utf-8")
        assert base64.b64encode(drawing.encode()).decode() in page


def test_nothing_from_data_is_markup(make_cell: MakeCell, finish: Finish) -> None:
    cells = [
        make_cell(name, seed, k=k, kind=EVIL)
        for name in ("hae", EVIL)
        for seed in (0, 1)
        for k in (1, 2)
    ]
    origin = {
        "versions": {EVIL: EVIL},
        "code": EVIL,
        "plugin": EVIL,
        "commit": EVIL,
        "cpu": EVIL,
    }
    outcomes = [finish(cell, [0.0, 0.5, 1.0], origin=origin, panel=EVIL) for cell in cells]
    page = render(study(outcomes, (EVIL,)))
    found = tags(page)
    assert not any(tag == "script" for tag, _ in found)
    assert not any(attributes.get("src") == "x" for _, attributes in found)
    assert "alert(1)" in page


def test_a_study_of_one_seed_has_no_tests(make_cell: MakeCell, finish: Finish) -> None:
    page = render(study([finish(make_cell(), [0.0, 1.0]), finish(make_cell("gae"), [0.0, 0.0])]))
    assert "HAE minus" not in page
    assert "Nothing was tuned" in page
    assert "&gt; 1000" in page
    assert "0 of 1 reached it" in page


def test_the_verdict_names_who_is_told_apart(make_cell: MakeCell, finish: Finish) -> None:
    finals = {"hae": 0.9, "gae": 0.3, "grpo": 0.9, "rloo": 1.0}
    noise = [0.0, 0.01, -0.01, 0.005, -0.005]
    outcomes = [
        finish(make_cell(name, seed), [0.0, final - (noise[seed] if name != "hae" else 0.0)])
        for name, final in finals.items()
        for seed in range(5)
    ]
    (setting,) = analyse_settings(outcomes)
    said = verdict(setting.rivals)
    assert "more than gae; less than rloo; not told apart from grpo" in said
