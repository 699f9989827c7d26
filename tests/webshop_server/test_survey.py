"""What is said of a catalogue, with and without its cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hiper_base.errors import DataError
from webshop_server.catalog import load_catalog
from webshop_server.goals import synthetic_goals
from webshop_server.official import find_all_files, find_files
from webshop_server.survey import GoalsSurvey, survey


def test_a_survey(official: Any) -> None:
    found = survey(find_files())
    catalog = load_catalog()
    assert found.products == 5
    assert found.sha256 == catalog.sha256
    assert found.goals[0] == GoalsSurvey("synthetic", 5, 0, synthetic_goals(catalog).sha256)
    assert [goals.kind for goals in found.goals] == ["synthetic", "human"]
    assert found.difference == (
        "items_shuffle_1000.json gives 5 synthetic goals; 6,910 were published"
    )


def test_without_a_cache_nothing_is_trusted_and_nothing_is_left(official: Any) -> None:
    cache = Path(os.environ["HIPER_CACHE"])
    found = survey(find_files(), is_cached=False)
    assert not cache.exists()
    assert survey(find_files()) == found
    # A change that a cache cannot notice.
    path = official.folder / "items_shuffle_1000.json"
    times = path.stat()
    path.write_bytes(path.read_bytes().replace(b"fashion", b"passion"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert survey(find_files()) == found
    assert survey(find_files(), is_cached=False).sha256 != found.sha256
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DataError, match="no valid JSON"):
        survey(find_files(), is_cached=False)


def test_every_catalogue_of_a_folder(official: Any) -> None:
    official.human = {}
    official.write("")
    (official.folder / "items_shuffle_9.json").write_text("[]")
    surveys = [survey(files) for files in find_all_files()]
    assert [found.files.suffix for found in surveys] == ["", "_1000"]
    assert [len(found.goals) for found in surveys] == [1, 1]
    # Of other catalogues no goals were published.
    assert [found.is_published for found in surveys] == [False, True]
    assert surveys[0].difference == ""


def test_the_published_files(webshop_data: Path) -> None:
    found = survey(find_files(webshop_data.parent))
    assert found.difference == ""
    assert [(goals.kind, goals.test, goals.train) for goals in found.goals] == [
        ("synthetic", 500, 6410),
        ("human", 13, 0),
    ]
