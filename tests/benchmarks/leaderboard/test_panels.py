"""Panels: what is shipped, and how other tasks are told from theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.leaderboard.panels import (
    PANELS,
    PanelError,
    differences,
    load_panel,
    make_panel,
    panel_digest,
    panel_names,
)
from benchmarks.leaderboard.schema import Panel
from hiper_base.errors import DataNotFoundError


def changed(panel: Panel, place: int, **fields: Any) -> Panel:
    """The panel with another task, and a digest that fits."""
    tasks = list(panel.tasks)
    tasks[place] = tasks[place].model_copy(update=fields)
    other = panel.model_copy(update={"tasks": tuple(tasks)})
    return other.model_copy(update={"sha256": panel_digest(other)})


@pytest.mark.parametrize("name", panel_names())
def test_shipped_panels_are_whole(name: str) -> None:
    panel = load_panel(name)
    assert panel.name == name
    assert len({task.task_id for task in panel.tasks}) == len(panel.tasks)
    # Ids and digests only: the texts are the benchmarks' own.
    assert set(json.loads((PANELS / f"{name}.json").read_text())["tasks"][0]) == {
        "task_id",
        "task_type",
        "sha256",
    }


def test_the_sizes_are_those_of_the_benchmarks() -> None:
    assert len(load_panel("alfworld-valid-seen").tasks) == 140
    shop = load_panel("webshop-1k-test")
    assert [task.task_id for task in shop.tasks] == [f"synthetic/{n}" for n in range(500)]


@pytest.mark.parametrize("name", panel_names())
def test_the_published_data_are_those_of_the_panels(name: str) -> None:
    panel = load_panel(name)
    try:
        found = differences(panel)
    except DataNotFoundError as error:
        pytest.skip(f"no data: {error}")
    assert found == []


def test_a_panel_is_the_same_when_it_is_made_again(panel: Panel) -> None:
    again = make_panel(
        panel.name,
        panel.title,
        panel.env,
        panel.split,
        data_version=panel.data_version,
        syntax=panel.syntax,
        env_options=panel.env_options,
        tasks=len(panel.tasks),
    )
    assert again == panel
    assert differences(panel) == []


def test_other_tasks_are_named(panel: Panel) -> None:
    (text,) = differences(changed(panel, 2, sha256="0" * 64))
    assert text == "another instruction or type: generated/2"
    (kind,) = differences(changed(panel, 3, task_type="juggle"))
    assert kind == "another instruction or type: generated/3"
    with pytest.raises(PanelError, match="lack tasks of tiny: generated/888888"):
        differences(changed(panel, 1, task_id="generated/888888"))


def test_data_that_differ_below_the_instructions_are_found(panel: Panel) -> None:
    other = panel.model_copy(update={"source_sha256": "1" * 64})
    (text,) = differences(other)
    assert "something else is not" in text


def test_an_edited_manifest_is_refused(panel: Panel, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(panel.model_dump_json())
    assert load_panel(path) == load_panel(str(path)) == panel
    path.write_text(panel.model_dump_json().replace('"max_turns":8', '"max_turns":80'))
    with pytest.raises(PanelError, match="was edited"):
        load_panel(path)
    path.write_text('{"name": 3}')
    with pytest.raises(PanelError, match="no panel of this version"):
        load_panel(path)


def test_an_unknown_panel_is_an_error_that_helps() -> None:
    with pytest.raises(PanelError, match="did you mean alfworld-valid-seen"):
        load_panel("alfworld-valid-sen")


def test_more_tasks_than_there_are_cannot_be_had() -> None:
    with pytest.raises(PanelError, match=r"has \d+ tasks, not 10000000"):
        make_panel(
            "big",
            "Too big",
            "HiPER-ALFWorld-v0",
            "generated",
            data_version="generated",
            syntax="alfworld 0.4",
            tasks=10_000_000,
        )
