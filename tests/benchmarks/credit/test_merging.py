"""Folders of several machines: what is copied, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.credit.cells import Cell, StudyError
from benchmarks.credit.merging import check_mixture, merge
from benchmarks.credit.outcomes import Outcome, claim_folder, outcomes_in, read_outcome

MakeCell = Callable[..., Cell]
Finish = Callable[..., Outcome]
CURVE = [0.0, 0.5, 1.0]
ORIGIN: dict[str, Any] = {"versions": {"numpy": "2.0"}, "code": "a", "plugin": None}


def test_cells_of_two_machines_make_one_study(
    make_cell: MakeCell, finish: Finish, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    finish(make_cell(seed=0), CURVE, root=here)
    finish(make_cell(seed=1), CURVE, root=there)
    (make_cell(seed=1).folder(there) / "lock").touch()
    assert merge(there, here) == 1
    assert sorted(outcome.cell.seed for outcome in outcomes_in(here)) == [0, 1]
    assert not (make_cell(seed=1).folder(here) / "lock").exists()
    assert merge(there, here) == 0


def test_the_finished_cell_of_two_is_kept(
    make_cell: MakeCell, finish: Finish, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    cell, begun = make_cell(seed=0), make_cell(seed=1)
    claim_folder(cell, cell.folder(here), ORIGIN)
    (cell.folder(here) / "half.txt").touch()
    finish(cell, CURVE, root=there)
    claim_folder(begun, begun.folder(here), ORIGIN)
    (begun.folder(here) / "ours.txt").touch()
    claim_folder(begun, begun.folder(there), ORIGIN)
    assert merge(there, here) == 1
    assert read_outcome(cell.folder(here)) is not None
    assert not (cell.folder(here) / "half.txt").exists()
    assert (begun.folder(here) / "ours.txt").exists()


def test_one_cell_with_two_results_is_refused(
    make_cell: MakeCell, finish: Finish, tmp_path: Path
) -> None:
    finish(make_cell(), CURVE, root=tmp_path / "here")
    finish(make_cell(), [0.0, 0.4, 1.0], root=tmp_path / "there")
    with pytest.raises(StudyError, match="two results"):
        merge(tmp_path / "there", tmp_path / "here")


def test_a_folder_without_cells_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(StudyError, match="holds no cell"):
            merge(folder, tmp_path / "here")


def test_a_copy_that_was_not_completed_is_no_cell(
    make_cell: MakeCell, finish: Finish, tmp_path: Path
) -> None:
    folder = finish(make_cell(), CURVE).folder
    folder.rename(folder.with_name(".seed-0.1234"))
    assert outcomes_in(tmp_path) == []


def test_a_damaged_result_is_named(make_cell: MakeCell, finish: Finish) -> None:
    folder = finish(make_cell(), CURVE).folder
    for text in ("{", "[]", '{"format": 0}', '{"format": 1}'):
        (folder / "result.json").write_text(text)
        with pytest.raises(StudyError, match=r"result\.json"):
            read_outcome(folder)


def test_a_cell_is_not_gone_on_with_other_settings(make_cell: MakeCell, tmp_path: Path) -> None:
    cell = make_cell()
    claim_folder(cell, tmp_path, ORIGIN)
    assert claim_folder(cell, tmp_path, ORIGIN) == [ORIGIN]
    with pytest.raises(StudyError, match=r"plan\.turns is 1000, not 9"):
        claim_folder(replace(cell, plan=replace(cell.plan, turns=9)), tmp_path, ORIGIN)


def test_a_cell_is_not_gone_on_with_by_other_versions(make_cell: MakeCell, tmp_path: Path) -> None:
    other = {**ORIGIN, "versions": {"numpy": "3.0"}}
    claim_folder(make_cell(), tmp_path, ORIGIN)
    with pytest.raises(StudyError, match=r'versions.numpy is "2.0", not "3.0"'):
        claim_folder(make_cell(), tmp_path, other)
    # Allowed, both stand in the record.
    assert claim_folder(make_cell(), tmp_path, other, allow_mixed=True) == [ORIGIN, other]


def test_cells_that_differ_in_what_is_compared_fit(make_cell: MakeCell, finish: Finish) -> None:
    tuned = {"ppo": {"learning_rate": 3e-3}}
    cells = [
        make_cell("hae", 0),
        make_cell("gae", 1, tuned=tuned),
        make_cell("hae", 0, ablation="no-hierarchy"),
        make_cell("hae", 0, subtasks=4, plan=replace(make_cell().plan, turns=9000)),
    ]
    assert check_mixture([finish(cell, CURVE) for cell in cells]) == []


@pytest.mark.parametrize("differing", ["plan", "versions", "panel", "tuned"])
def test_cells_that_differ_in_something_else_do_not(
    make_cell: MakeCell, finish: Finish, differing: str
) -> None:
    plan = make_cell().plan
    first = finish(make_cell(seed=0), CURVE, origin=ORIGIN)
    second = finish(
        make_cell(
            seed=1,
            plan=replace(plan, turns=2000) if differing == "plan" else plan,
            tuned={"gamma": 0.9} if differing == "tuned" else {},
        ),
        CURVE,
        origin={**ORIGIN, "code": "b"} if differing == "versions" else ORIGIN,
        panel="other" if differing == "panel" else "ab" * 32,
    )
    with pytest.raises(StudyError, match="cannot be compared"):
        check_mixture([first, second])
    (note,) = check_mixture([first, second], allow_mixed=True)
    assert "hae, seed 1 against hae, seed 0" in note
