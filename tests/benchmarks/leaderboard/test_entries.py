"""The recorded entries: what the repository says of them is what playing them again gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.leaderboard.packing import is_packed, whole
from benchmarks.leaderboard.store import StudyFolder
from benchmarks.leaderboard.verification import verify_study
from benchmarks.recording import RESULTS
from hiper_base.errors import DataNotFoundError

ENTRIES = sorted(path for path in (RESULTS / "leaderboard").iterdir() if path.is_dir())


def test_there_are_entries() -> None:
    labels = {StudyFolder(path).study().agent.label for path in ENTRIES}
    assert labels >= {"random", "expert", "compact"}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda path: path.name)
def test_an_entry_is_what_it_says(entry: Path) -> None:
    assert is_packed(entry)
    try:
        with whole(entry) as study:
            assert verify_study(study) == []
            assert StudyFolder(study).result().ranked
    except DataNotFoundError as error:
        pytest.skip(f"no data: {error}")
