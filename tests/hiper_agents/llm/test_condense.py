import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hiper_agents.environments import make_env
from hiper_agents.llm.condense import condense, fold, inline_actions
from hiper_envs.core import Episode


def unfold(lines):
    """What a reader of the lines takes them for."""
    actions = []
    for line in lines:
        match = re.fullmatch(r"([^{}]*)\{([^{}]*)\}([^{}]*)", line)
        if match is None:
            actions.append(line)
            continue
        for thing in match[2].split(", "):
            numbers = re.fullmatch(r"(.+) ([0-9]+)-([0-9]+)", thing, re.DOTALL)
            if numbers is None:
                actions.append(match[1] + thing + match[3])
                continue
            name, first, last = numbers.groups()
            actions += [f"{match[1]}{name} {n}{match[3]}" for n in range(int(first), int(last) + 1)]
    return actions


WORDS = st.sampled_from(
    ["go", "to", "take", "from", "desk", "1", "2", "3", "10", "1-2", "click[", "]", ",", ", ", " "]
)
ACTIONS = st.lists(WORDS, max_size=6).map(" ".join) | st.lists(WORDS, max_size=6).map("".join)


@given(st.lists(ACTIONS | st.text(st.characters(codec="utf-8"), max_size=12), max_size=8))
@example(["go to desk 1", "go to desk 2", "go to desk 1-2", "go to desk 3"])
@example(["click[red, blue]", "click[red]", "click[blue]"])
@example(["go to desk 1", "go to desk 1٣", "go to desk 2"])
def test_folding_loses_nothing(actions):
    if any("{" in action or "}" in action for action in actions):
        assert fold(actions) == actions
    else:
        assert unfold(fold(actions)) == actions


@pytest.mark.parametrize("index", range(6))
def test_folding_of_real_lists_is_short_and_loses_nothing(index):
    env = make_env("HiPER-ALFWorld-v0", "generated", reference=True)
    episode = Episode(env.source.open(index), 50)
    while not episode.ended:
        actions = episode.info["admissible_actions"]
        lines = fold(actions)
        assert unfold(lines) == list(actions)
        assert len("\n".join(lines)) < len("\n".join(actions)) * 0.7
        episode.step(episode.info["expert_action"])


def test_braces_of_the_world_are_not_taken_for_ours():
    assert fold(["click[{a, b}]", "click[c]", "click[d]"]) == [
        "click[{a, b}]",
        "click[c]",
        "click[d]",
    ]


def test_parts_that_only_greet_or_repeat_the_task_go():
    first = (
        "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room.\n\n"
        "Your task is to: put a mug in desk."
    )
    assert condense(first, "put a mug in desk.") == ["You are in the middle of a room."]
    assert condense("You see a mug. Say: mug", "a mug") == ["You see a mug. Say: mug"]
    assert condense("A room.", "") == ["A room."]


def test_the_manual_of_commands_is_left_out_and_nothing_else():
    env = make_env("HiPER-ALFWorld-v0", "generated")
    episode = Episode(env.source.open(0), 50)
    episode.step("help")
    assert len(episode.observation) > 500
    assert condense(episode.observation, "") == ["Available commands:"]
    assert condense(f"{episode.observation}\nA room.", "") == ["Available commands:", "A room."]
    assert condense("look: around you", "") == ["look: around you"]


@given(st.lists(st.sampled_from("ab"), max_size=5), st.lists(st.sampled_from("ABc"), max_size=5))
def test_every_action_is_in_the_text_or_left(arguments, parts):
    actions = [f"click[{argument}]" for argument in arguments] + ["look"]
    shown, left = inline_actions(parts, actions)
    assert len(shown) == len(parts)
    written = [part for part, before in zip(shown, parts, strict=True) if part != before]
    assert sorted(written + left) == sorted(actions)
    in_order = iter(actions)
    assert all(action in in_order for action in left)
