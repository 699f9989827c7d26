"""Which subgoals can be chosen, and what they permit."""

from __future__ import annotations

from hiper_agents.compact.alfworld.memory import Memory
from hiper_agents.compact.alfworld.options import candidates, make_subgoal, permitted

INTRO = (
    "You are in the middle of a room. Looking quickly around you, you see a desk 1, a fridge 1, "
    "and a shelf 1.\n\nYour task is to: "
)


def memory_of(task: str) -> Memory:
    return Memory(task, INTRO + task)


def test_with_an_empty_hand_it_looks_for_what_the_task_wants_or_what_it_has_seen() -> None:
    memory = memory_of("put a mug in desk.")
    assert [goal.text for goal in candidates(memory)] == ["find a mug"]
    memory.observe(
        "You arrive at desk 1. On the desk 1, you see a pen 1, and a desklamp 1.",
        {"admissible_actions": ()},
    )
    assert [goal.text for goal in candidates(memory)] == [
        "find a mug",
        "find a pen",
        "find a desklamp",
        "use the desklamp",
    ]


def test_with_a_full_hand_it_changes_or_puts_what_it_holds() -> None:
    memory = memory_of("put a mug in desk.")
    memory.observe("You pick up the mug 1 from the shelf 1.", {"admissible_actions": ()})
    assert [goal.text for goal in candidates(memory)] == [
        "clean the mug",
        "heat the mug",
        "cool the mug",
        "put the mug in the desk",
        "put the mug in the fridge",
        "put the mug in the shelf",
    ]


def test_there_is_always_a_candidate() -> None:
    assert candidates(Memory("no such task", "no such room"))


def test_a_subgoal_permits_searching_and_what_it_names() -> None:
    memory = memory_of("put a mug in desk.")
    admissible = (
        "close fridge 1",
        "examine shelf 1",
        "go to desk 1",
        "go to fridge 1",
        "help",
        "open fridge 1",
        "take cup 1 from shelf 1",
        "take mug 1 from shelf 1",
        "take mug 2 from shelf 1",
    )
    allowed = permitted(memory, make_subgoal("find", "mug"), admissible)
    assert allowed.commands == [
        "go to desk 1",
        "go to fridge 1",
        "open fridge 1",
        "take mug 1 from shelf 1",
        "take mug 2 from shelf 1",
    ]
    assert (allowed.num_go, allowed.num_open, allowed.objects) == (2, 1, ["mug 1", "mug 2"])
    assert allowed.receptacles == [0, 1, 1, 2, 2]


def test_to_find_means_to_find_one_that_is_not_yet_placed() -> None:
    memory = memory_of("put two mug in shelf.")
    memory.observe("You pick up the mug 1 from the desk 1.", {"admissible_actions": ()})
    memory.observe("You move the mug 1 to the shelf 1.", {"admissible_actions": ()})
    admissible = ("go to desk 1", "take mug 1 from shelf 1", "take mug 2 from shelf 1")
    allowed = permitted(memory, make_subgoal("find", "mug"), admissible)
    assert allowed.objects == ["mug 2"]


def test_a_put_subgoal_names_the_kind_of_receptacle() -> None:
    memory = memory_of("put a mug in desk.")
    admissible = ("move mug 1 to desk 1", "move mug 1 to shelf 1")
    allowed = permitted(memory, make_subgoal("put", "mug", "shelf"), admissible)
    assert allowed.commands == ["move mug 1 to shelf 1"]
