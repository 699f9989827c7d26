"""The compact agent's options: which subgoals can be chosen, and what carrying one out permits.

An option here is a subgoal of the benchmark's vocabulary (`find a mug`, `heat the mug`, ...). The
planner chooses among the subgoals that make sense with what the hand holds; until the option ends
the executor may only search (go to, open) or do the one thing that the subgoal names. The option
ends when that was done, or when what has been seen makes it impossible, or when the switch head
says so, and then another subgoal is chosen. Which one leads to success is not known here: that is
learned.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from hiper_agents.compact.alfworld.memory import LAMP_TYPES, Memory, split_go
from hiper_envs.alfworld.subgoals import VERB_OF_KIND, Subgoal, parse_action, type_of

TRANSFORMS = ("clean", "heat", "cool")


@lru_cache(maxsize=1 << 14)
def make_subgoal(kind: str, object_type: str, receptacle_type: str = "") -> Subgoal:
    """One shared instance per subgoal."""
    return Subgoal(kind, object_type, receptacle_type)


def candidates(memory: Memory) -> list[Subgoal]:
    """The subgoals that the planner chooses from; at least one.

    With an empty hand: find an object of any type seen so far or wanted by the task. With a full
    hand: clean, heat or cool what it holds, or put it in any type of receptacle in the room. At any
    time: use a lamp of a type seen so far or wanted by the task. Those that are known to be
    impossible are left out unless nothing else remains.
    """
    if memory.held:
        held = type_of(memory.held)
        found = [make_subgoal(kind, held) for kind in TRANSFORMS]
        found += [make_subgoal("put", held, kind) for kind in dict.fromkeys(memory.types)]
    else:
        kinds = dict.fromkeys((*memory.wanted_types, *memory.seen_types))
        found = [make_subgoal("find", kind) for kind in kinds]
    found += [
        make_subgoal("use", kind)
        for kind in LAMP_TYPES
        if kind in memory.seen_types or kind == memory.lamp_type
    ]
    possible = [subgoal for subgoal in found if not memory.is_impossible(subgoal)]
    return possible or found or [make_subgoal("use", LAMP_TYPES[0])]


class Permitted(NamedTuple):
    """The admissible actions that carry out a subgoal or search for a way to do so.

    Attributes:
        commands: The actions: first those that go somewhere, then those that open, then those that
            do what the subgoal names.
        receptacles: Number of the receptacle that each one is about, -1 for none.
        num_go: How many go somewhere.
        num_open: How many open something.
        objects: Per action that does what the subgoal names, the object it does it to.
    """

    commands: list[str]
    receptacles: list[int]
    num_go: int
    num_open: int
    objects: list[str]


def permitted(memory: Memory, subgoal: Subgoal, admissible: tuple[str, ...]) -> Permitted:
    """Selects the admissible actions that a subgoal permits.

    To find an object means to find one that is not yet where the agent wanted it.
    """
    go, others = split_go(admissible)
    numbers = memory.receptacles
    commands = list(go)
    receptacles = [numbers.get(command[6:], -1) for command in go]
    verb, object_type = VERB_OF_KIND[subgoal.kind], subgoal.object_type
    opening, achieving = [], []
    for command in others:
        if command.startswith(verb):
            action = parse_action(command)
            if (
                action is not None
                and action.object_type == object_type
                and (verb != "move" or action.receptacle_type == subgoal.receptacle_type)
                and (verb != "take" or action.object not in memory.placed)
            ):
                achieving.append((command, numbers.get(action.receptacle, -1), action.object))
        elif command.startswith("open "):
            opening.append((command, numbers.get(command[5:], -1)))
    for command, number in opening:
        commands.append(command)
        receptacles.append(number)
    for command, number, _ in achieving:
        commands.append(command)
        receptacles.append(number)
    objects = [name for _, _, name in achieving]
    return Permitted(commands, receptacles, len(go), len(opening), objects)
