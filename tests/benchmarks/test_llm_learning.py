from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="needs the extra agents")

from benchmarks.llm_learning import LearningArgs, main


def test_both_sides_read_the_same_turns(tmp_path: Path) -> None:
    args = LearningArgs(
        model="tiny", split="generated", turns=4, repeats=2, out=tmp_path / "record.json"
    )
    found = json.loads(main(args).read_text(encoding="utf-8"))
    results = found["results"]
    assert found["n"] == 2
    assert results["tokens"]["turn"] > results["tokens"]["prefix"] > 20
    for side in ("shared", "apart"):
        assert len(results["turns_per_second"][side]["values"]) == 2
        assert min(results["turns_per_second"][side]["values"]) > 0
    assert results["speedup"]["n"] == 2
