"""What cells are called, where they are kept, and which settings their runs have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.credit.cells import (
    ABLATIONS,
    Cell,
    Panel,
    Plan,
    StudyError,
    cells_of,
    changed,
    setting_name,
)

MakeCell = Callable[..., Cell]
PLAN = Plan(
    "HiPER-ALFWorld-v0", {}, 1000, 2, "generated", Panel("generated", 12, 3), 40, {"episodes": 24}
)
K2 = replace(PLAN, env_options={"k": 2})


def test_a_cell_comes_back_from_its_identity(make_cell: MakeCell) -> None:
    cell = make_cell("gae", 3, plan=PLAN, ablation="no-hierarchy", subtasks=4)
    assert Cell.from_identity(cell.identity) == cell
    with pytest.raises(StudyError, match="not a cell"):
        Cell.from_identity({**cell.identity, "colour": "red"})
    with pytest.raises(StudyError, match="not a cell"):
        Cell.from_identity({})


def test_cells_of_one_study_have_folders_of_their_own(make_cell: MakeCell) -> None:
    cells = [
        make_cell(),
        make_cell(seed=1),
        make_cell("gae"),
        make_cell(ablation="no-switch-head"),
        make_cell(subtasks=4),
        make_cell(subtasks=4, distractors=1),
        make_cell(purpose="tuning", tuned={"ppo": {"learning_rate": 1e-3}}),
        make_cell(purpose="tuning", tuned={"ppo": {"learning_rate": 3e-3}}),
    ]
    assert len({cell.folder(Path("runs")) for cell in cells}) == len(cells)
    assert len({cell.name for cell in cells}) == len(cells)


@pytest.mark.parametrize("name", ["../../outside", "..", "a/b", ".hidden/..", "c:\\x"])
def test_no_name_leads_out_of_the_folder(make_cell: MakeCell, name: str, tmp_path: Path) -> None:
    folder = make_cell(name, kind=name).folder(tmp_path)
    assert folder.resolve().is_relative_to(tmp_path.resolve())
    assert len(folder.relative_to(tmp_path).parts) == 4


def test_a_small_study_comes_before_a_larger_one() -> None:
    cells = cells_of([PLAN, K2], ["hae", "gae"], [0, 1])
    assert len(cells) == 8
    assert [cell.seed for cell in cells] == [0] * 4 + [1] * 4
    assert {(cell.estimator, cell.plan.setting) for cell in cells[:4]} == {
        ("hae", "default"),
        ("gae", "default"),
        ("hae", "k=2"),
        ("gae", "k=2"),
    }


def test_ablations_are_done_to_those_that_are_studied() -> None:
    cells = cells_of([PLAN], ["gae", "grpo"], [0], ablations=list(ABLATIONS))
    assert {cell.variant for cell in cells} == {
        "gae",
        "grpo",
        "gae+no-hierarchy",
        "gae+fixed-options",
        "gae+oracle-subgoals",
    }
    with pytest.raises(StudyError, match="unknown ablations"):
        cells_of([PLAN], ["hae"], [0], ablations=["no-brain"])


def test_a_cell_trains_with_what_it_says(make_cell: MakeCell) -> None:
    tuned = {"ppo": {"learning_rate": 3e-3}}
    config = make_cell("hae", 7, plan=PLAN, tuned=tuned, ablation="no-boundary-bootstrap").config()
    assert (config.estimator, config.seed, config.split) == ("hae", 7, "generated")
    assert (config.turns, config.minutes, config.iterations) == (1000, None, None)
    assert (config.episodes, config.max_turns) == (24, 40)
    assert config.ppo.learning_rate == 3e-3
    assert config.ppo.clip == 0.2
    assert config.estimator_settings == {"boundary_bootstrap": False}


def test_a_setting_that_does_not_exist_is_named(make_cell: MakeCell) -> None:
    with pytest.raises(StudyError, match="'epsiodes'"):
        make_cell(plan=replace(PLAN, train_options={"epsiodes": 3})).config()
    with pytest.raises(StudyError, match="'clipp'"):
        changed(make_cell().config(), {"ppo": {"clipp": 0.1}})


@pytest.mark.parametrize("name", sorted(ABLATIONS))
def test_every_ablation_changes_something(make_cell: MakeCell, name: str) -> None:
    assert make_cell(ablation=name).config() != make_cell().config()


def test_settings_in_one_line() -> None:
    assert setting_name({}) == "default"
    assert setting_name({"b": True, "a": 1, "c": "x"}) == "a=1,b=true,c=x"


def test_marks_are_at_equal_distances() -> None:
    assert [PLAN.due(made) for made in range(5)] == [0.0, 500.0, 1000.0, 1000.0, 1000.0]
    with pytest.raises(StudyError, match="nothing to do"):
        replace(PLAN, turns=0)
