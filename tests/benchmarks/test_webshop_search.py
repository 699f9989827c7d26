"""The search benchmark runs and counts what it says; its figures are not judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.webshop_search import (
    WebshopSearchArgs,
    as_shown,
    main,
    measure_recorded,
    measure_scale,
)
from hiper_base.errors import DataNotFoundError


def test_shown_scores() -> None:
    shown = as_shown([3.0, 2.00014, 2.0001, 2.00006, 1.0])
    assert shown == pytest.approx([3.0, 2.0001, 2.000099, 2.000098, 1.0], abs=2e-7)
    assert as_shown([]) == []


@pytest.mark.usefixtures("webshop_data", "webshop_recordings")
def test_recorded() -> None:
    results = measure_recorded(repeats=1)
    searches, pages = results["searches"], results["pages"]
    assert (searches, results["products"]) == (60, 1000)
    assert results["identical_order"] == results["identical_scores"] == searches
    assert results["identical_pages"] == pages > 60
    assert results["overlap_at_10"] == 1.0


def test_recordings_are_needed(no_data: Path) -> None:
    with pytest.raises(DataNotFoundError, match="no recordings"):
        measure_recorded(repeats=1)


def test_scale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    results = measure_scale(products=200, queries=20, seed=0)
    assert results["index_mib"] > 0
    assert {kind: found["queries"] for kind, found in results["searches"].items()} == {
        "instruction": 20,
        "words": 20,
    }
    assert list(tmp_path.iterdir()) == []


def test_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Targets are judged: here one is missed."""
    built = {"seconds": 601.0, "peak_mib": 1.0}
    searches = {"words": {"p99": 1.0}}
    measured = {"build": built, "open_seconds": 1.0, "searches": searches}
    monkeypatch.setattr("benchmarks.webshop_search.measure_scale", lambda *_: dict(measured))
    out = tmp_path / "record.json"
    assert main(WebshopSearchArgs(part="scale", out=out)) == 1
    results = json.loads(out.read_text())["results"]
    assert [entry["met"] for entry in results["targets"].values()] == [False, True, True, True]
