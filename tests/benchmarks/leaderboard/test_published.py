"""The quoted figures: where they come from is always known."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from benchmarks.leaderboard.published import PublishedError, load_published


def the_file() -> dict[str, Any]:
    text = files("benchmarks.leaderboard").joinpath("published.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def test_every_figure_has_a_paper_a_place_in_it_and_a_setting() -> None:
    published = load_published()
    assert len(published.rows) == 26
    for row in published.rows:
        assert published.paper(row.arxiv).year >= 2025
        assert published.settings[row.panel]
        assert row.where
    used = {row.arxiv for row in published.rows}
    assert used == {paper.arxiv for paper in published.papers}


def test_the_figures_of_a_panel_fall() -> None:
    published = load_published()
    rows = published.rows_of("alfworld-valid-seen")
    assert [row.success for row in rows] == sorted((row.success for row in rows), reverse=True)
    assert (rows[0].method, rows[0].success) == ("HiPER", 97.4)
    assert published.rows_of("generated-smoke") == ()


def _drop_paper(data: dict[str, Any]) -> None:
    data["papers"].pop()


def _drop_setting(data: dict[str, Any]) -> None:
    data["settings"].popitem()


def _repeat(data: dict[str, Any]) -> None:
    data["rows"].append(data["rows"][0])


def _too_much(data: dict[str, Any]) -> None:
    data["rows"][0]["success"] = 101


def _not_arxiv(data: dict[str, Any]) -> None:
    data["papers"][0]["arxiv"] = "../2505.10978"


def _no_place(data: dict[str, Any]) -> None:
    data["rows"][0]["where"] = ""


def _more(data: dict[str, Any]) -> None:
    data["rows"][0]["rank"] = 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_drop_paper, "unknown paper 2605.06642"),
        (_drop_setting, "nothing says"),
        (_repeat, "twice"),
        (_too_much, r"rows\.0\.success"),
        (_not_arxiv, r"papers\.0\.arxiv"),
        (_no_place, r"rows\.0\.where"),
        (_more, r"rows\.0\.rank"),
    ],
)
def test_damage_is_found(
    damage: Callable[[dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    data = the_file()
    path = tmp_path / "published.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    assert load_published(path) == load_published()
    damage(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(PublishedError, match=message):
        load_published(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(PublishedError, match="cannot read"):
        load_published(tmp_path / "none.json")
