"""Decides whether a game's goal is met, on the arrays of the native engine.

The module knows nothing about commands or texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hiper_envs.alfworld import game as flags
from hiper_envs.alfworld.game import Game
from hiper_envs.alfworld.goals import Arranged, Carrying, Clause, Lit, Member, Placed

__all__ = ["is_met"]

_STATE_FLAGS = {
    "": 0,
    "clean": flags.CLEANABLE | flags.CLEAN,
    "hot": flags.HEATABLE | flags.HOT,
    "cool": flags.COOLABLE | flags.COOL,
}
_SHINES = flags.TOGGLEABLE | flags.TOGGLED


def is_met(
    game: Game,
    contents: Sequence[Sequence[int]],
    object_flags: Sequence[int],
    held: int,
    location: int,
) -> bool:
    """Whether all clauses of the goal hold.

    Args:
        game: What does not change.
        contents: Per receptacle the objects in it.
        object_flags: Per object its flags.
        held: The object in the hand; negative for none.
        location: Where the agent stands.
    """

    def holds(clause: Clause) -> bool:
        if isinstance(clause, Placed):
            needs = _STATE_FLAGS[clause.state]
            for inside, kind in zip(contents, game.receptacle_types, strict=True):
                if kind == clause.receptacle_type and len(inside) >= clause.number:
                    matching = sum(
                        game.object_types[o] == clause.object_type
                        and object_flags[o] & needs == needs
                        for o in inside
                    )
                    if matching >= clause.number:
                        return True
            return False
        if isinstance(clause, Lit):
            return any(
                game.object_types[o] == clause.object_type and object_flags[o] & _SHINES == _SHINES
                for r in game.receptacles_at[location]
                for o in contents[r]
            )
        if isinstance(clause, Arranged):
            return any(
                kind == clause.receptacle_type and fit(clause.members, inside)
                for inside, kind in zip(contents, game.receptacle_types, strict=True)
            )
        if held < 0 or game.object_types[held] != clause.object_type:
            return False
        return not isinstance(clause, Carrying) or is_in(held, clause.states)

    def fit(members: Sequence[Member], objects: Sequence[int]) -> bool:
        """Whether there is a distinct object for each member."""
        if not members:
            return True
        kind, states = members[0]
        return any(
            game.object_types[o] == kind
            and is_in(o, states)
            and fit(members[1:], [other for other in objects if other != o])
            for o in objects
        )

    def is_in(obj: int, states: Iterable[str]) -> bool:
        needs = [_STATE_FLAGS[state] for state in states]
        return all(object_flags[obj] & need == need for need in needs)

    return all(map(holds, game.goal))
