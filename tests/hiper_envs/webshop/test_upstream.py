"""Episodes recorded from the upstream environment, played again here."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import hiper_envs  # noqa: F401  (registers the ids)

DONE = ("r_type", "r_att", "r_price", "title_score")


def read(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


@pytest.fixture(scope="module")
def nouns(webshop_recordings: Path) -> Callable[[str], list[str]]:
    """The nouns that upstream's tagger found in every title."""
    recorded = {
        row["name"]: row["nouns"] for row in read(webshop_recordings / "title_nouns.jsonl.gz")
    }

    def recorded_nouns(title: str) -> list[str]:
        return list(recorded[title])

    return recorded_nouns


def listed(state: dict[str, Any]) -> tuple[str, ...]:
    """Upstream's clickables as admissible actions."""
    clicks = tuple(
        f"click[{name}]" for name in state["available"]["clickables"] if name != "search"
    )
    return ("search[<your query>]", *clicks) if state["available"]["has_search_bar"] else clicks


def without_marks(observation: str) -> str:
    """A rich text that does not say which option values were clicked."""
    lines = [line for line in observation.split("\n") if not line.startswith("You have clicked ")]
    return (
        "\n".join(lines)
        .replace("  [clicked button] ", "  [button] ")
        .replace(" [clicked button_]", " [button_]")
    )


def is_misread(observation: str) -> bool:
    """Whether upstream overlooks a chosen value: it looks for it in the address, as JSON."""
    chosen = re.findall(r"^You have clicked (.*)\.$", observation, re.MULTILINE)
    return any(json.dumps(value) != f'"{value}"' for value in chosen)


def turns(episode: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps up to the purchase: upstream lets a shopper go on, this environment does not."""
    for step in episode["steps"]:
        yield step
        if step["done"]:
            return


@pytest.mark.parametrize(("mode", "key"), [("text", "obs"), ("text_rich", "obs_rich")])
def test_recorded_episodes_are_identical(
    webshop_recordings: Path, nouns: Callable[[str], list[str]], mode: str, key: str
) -> None:
    compared = 0
    for episode in read(webshop_recordings / "episodes.jsonl.gz"):
        number = episode["goal"]
        env = gym.make(
            "HiPER-WebShop-v0",
            split="test" if number < 500 else "train",
            observation_mode=mode,
            show_attributes=episode["show_attrs"],
            noun_tagger=nouns,
        )
        observation, info = env.reset(options={"task_id": f"synthetic/{number}"})
        assert observation == episode["reset"][key]
        assert info["admissible_actions"] == listed(episode["reset"])
        for step in turns(episode):
            observation, reward, terminated, _, info = env.step(step["action"])
            where = (episode["episode"], step["action"])
            if mode == "text_rich" and is_misread(observation):
                assert without_marks(observation) == without_marks(step[key]), where
            else:
                assert observation == step[key], where
            assert info["admissible_actions"] == listed(step), where
            assert (reward, terminated) == (step["reward"], step["done"]), where
            compared += 1
        if terminated:
            recorded = step["purchase"]
            assert {name: info[name] for name in DONE} == {
                name: recorded["info"][name] for name in DONE
            }
            assert info["r_option"] == recorded["info"].get("r_option")
            assert info["purchased"] == recorded["asin"]
            assert info["won"] == (recorded["reward"] == 1.0)
    assert compared > 200
