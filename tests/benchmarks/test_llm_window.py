"""The window of a language model, rehearsed whole, with sittings that are too short."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

pytest.importorskip("transformers", reason="the window teaches a language model")

from benchmarks.llm_window import Args, main
from hiper_agents.training.state_files import read_checkpoint


def test_it_goes_on_where_a_sitting_ended(no_data: Path, tmp_path: Path) -> None:
    args = Args(
        out=tmp_path / "window",
        sitting_minutes=0.5,
        model="tiny",
        device="cpu",
        split="generated",
        eval_split="generated",
        tasks=2,
        sft_minutes=30.0,
        sft_options={"episodes": 2, "epochs": 1, "minibatch": 8},
        estimators=("hae",),
        minutes=0.01,
        train_options={"episodes": 4, "num_envs": 4, "max_turns": 3},
    )
    console = Console(quiet=True)
    assert main(args, console) == 3
    assert json.loads((args.out / "llm_window.json").read_text())["n"] == 0

    assert main(replace(args, sitting_minutes=9.0), console) == 0
    found = json.loads((args.out / "llm_window.json").read_text())
    results = found["results"]
    assert list(results["evaluations"]) == ["raw", "sft", "hae"]
    assert all(each["n"] == 2 for each in results["evaluations"].values())
    # The demonstrations are learned long before their minutes are up; that is no reason to wait.
    assert results["runs"]["sft"]["seconds"] < 60.0
    assert results["runs"]["hae"]["curves"]["turns"][-1] == 12
    assert (args.out / "adapter-hae").is_dir()

    before = {stage: read_checkpoint(args.out / stage) for stage in ("sft", "hae")}
    assert main(replace(args, sitting_minutes=0.5), console) == 0
    assert {stage: read_checkpoint(args.out / stage) for stage in before} == before
