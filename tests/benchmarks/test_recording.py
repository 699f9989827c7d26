"""Records: what they hold, and that a reader never sees half of one."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

from benchmarks.recording import record, summarise


def test_summary_of_known_values() -> None:
    summary = summarise([2.0, 4.0, 4.0, 6.0])
    assert (summary.n, summary.mean, summary.median) == (4, 4.0, 4.0)
    assert summary.se == pytest.approx(math.sqrt(8 / 3) / 2)
    assert summary.values == (2.0, 4.0, 4.0, 6.0)


def test_one_repeat_has_no_standard_error(tmp_path: Path) -> None:
    assert math.isnan(summarise([3.0]).se)
    path = record(
        "one", {"x": summarise([3.0])}, seeds=[], n=1, seconds=0, path=tmp_path / "a.json"
    )
    assert json.loads(path.read_text())["results"]["x"]["se"] is None


def test_nothing_to_summarise() -> None:
    with pytest.raises(ValueError, match="nothing"):
        summarise([])


def test_record_can_be_made_again_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.py", "--games", "all of them"])
    path = record(
        "demo",
        {"rate": summarise([1.0, 2.0]), "word": "é"},
        seeds=[3],
        n=2,
        seconds=1.26,
        path=tmp_path / "new" / "demo.json",
    )
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["benchmark"] == "demo"
    assert document["command"].endswith(" --games 'all of them'")
    assert document["commit"] is None or len(document["commit"]) >= 40
    assert document["versions"]["python"].startswith("3.")
    assert document["versions"]["numpy"]
    assert document["machine"]["cores"] >= 1
    assert (document["seeds"], document["n"], document["seconds"]) == ([3], 2, 1.3)
    assert document["results"]["rate"]["values"] == [1.0, 2.0]
    assert document["results"]["word"] == "é"
