"""Tests of small houses: as small as asked, solvable, searchable, and the full ones as before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hiper_base.errors import DataError
from hiper_envs.alfworld.backends import AlfworldTasks
from hiper_envs.alfworld.data import load_tasks
from hiper_envs.alfworld.game import TASK_TYPES, parse_game
from hiper_envs.alfworld.generator import generate_game
from hiper_envs.alfworld.generator_small import MAX_RECEPTACLES, MIN_RECEPTACLES
from hiper_envs.alfworld.texts import parse_task
from hiper_envs.core import Episode

SIZES = (MIN_RECEPTACLES, 3, 6, MAX_RECEPTACLES)


@pytest.mark.parametrize("receptacles", SIZES)
def test_the_searching_expert_solves_all_of_them(receptacles: int) -> None:
    tasks = AlfworldTasks(load_tasks("generated", num=60, receptacles=receptacles), reference=True)
    for index in range(len(tasks)):
        episode = Episode(tasks.open(index), max_turns=50)
        while not episode.ended:
            episode.step(episode.info["expert_action"])
        assert episode.info["won"], episode.info["task_id"]


@pytest.mark.parametrize("receptacles", SIZES)
def test_houses_are_as_small_as_asked(receptacles: int) -> None:
    for seed in range(60):
        game = parse_game(generate_game(seed, receptacles=receptacles), "small")
        assert len(game.receptacle_names) == receptacles
        assert len(game.object_names) <= max(5, 2 * receptacles)
        locations = set(game.receptacle_locations)
        assert len(locations) == max(locations) - min(locations) + 1
        spec = parse_task(game.task)
        assert spec is not None
        assert spec.task_type == game.task_type == TASK_TYPES[seed % 6]


def test_the_same_arguments_give_the_same_game_and_others_another() -> None:
    games = [generate_game(seed, receptacles=size) for seed in range(12) for size in (None, *SIZES)]
    again = [generate_game(seed, receptacles=size) for seed in range(12) for size in (None, *SIZES)]
    assert games == again
    assert len({json.dumps(game, sort_keys=True) for game in games}) == len(games)


@pytest.mark.parametrize("receptacles", [0, 1, 11, -3, 2.0, True, "3"])
def test_there_are_no_houses_of_other_sizes(receptacles: Any) -> None:
    with pytest.raises(DataError, match="2 to 10 receptacles, not "):
        generate_game(0, receptacles=receptacles)
