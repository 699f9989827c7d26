"""Reading run folders, whole and damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hiper_agents.training.records import read_run
from hiper_base.errors import HiperError

MakeRun = Callable[..., Path]


def test_reads_a_whole_run(make_run: MakeRun) -> None:
    records = read_run(make_run(iterations=3))
    assert records.problems == []
    assert records.config["estimator"] == "hae"
    assert records.column("turns") == [4000.0, 8000.0, 12000.0]
    assert records.column("losses", "clipped") == [0.1, 0.1, 0.1]
    assert records.column("losses", "clipped", "deeper") == [None, None, None]
    assert records.last("episodes") == 384
    assert "kl" in records.names("losses")
    assert records.results == {}


def test_half_a_last_line_is_left_out(make_run: MakeRun) -> None:
    run = make_run(iterations=3)
    path = run / "metrics.jsonl"
    path.write_text(path.read_text()[:-40])
    records = read_run(run)
    assert records.column("iteration") == [1.0, 2.0]
    assert records.problems == ["metrics.jsonl: left out 1 damaged of 3 lines."]


def test_repeated_iterations_replace_what_followed(make_run: MakeRun) -> None:
    run = make_run(iterations=4)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 3, "turns": 7}\n')
    records = read_run(run)
    assert records.column("iteration") == [1.0, 2.0, 3.0]
    assert records.last("turns") == 7


def test_results_are_told_by_their_content(make_run: MakeRun) -> None:
    run = make_run()
    (run / "sampled.json").write_text('{"success_rate": 0.5, "n": 2}')
    (run / "other.json").write_text('{"n": 2}')
    (run / "list.json").write_text("[]")
    assert list(read_run(run).results) == ["sampled.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a": 1' + b"0" * 5000 + b"}",
        b"[]",
        b"17",
        b"null",
    ],
)
@pytest.mark.parametrize("name", ["config.json", "samples.json"])
def test_damage_is_reported(make_run: MakeRun, name: str, content: bytes) -> None:
    run = make_run()
    (run / name).write_bytes(content)
    records = read_run(run)
    assert len(records.problems) == 1
    assert name in records.problems[0]
    assert (records.config, records.samples)[name == "samples.json"] in ({}, [])
    assert len(records.metrics) == 100


def test_missing_files_are_reported(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"seed": 1}))
    problems = " ".join(read_run(tmp_path).problems)
    assert "metrics.jsonl" in problems
    assert "samples.json" in problems


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"success_rate": 0.5}')
    with pytest.raises(HiperError, match="is not a run folder"):
        read_run(tmp_path)
    with pytest.raises(HiperError, match="is not a folder"):
        read_run(tmp_path / "nowhere")
