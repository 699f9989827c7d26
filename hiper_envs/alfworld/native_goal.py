"""Decides whether a game's goal is met, on the arrays of the native engine.

The module knows nothing about commands or texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hiper_envs.alfworld import game as flags
from hiper_envs.alfworld.game import Game
from hiper_envs.alfworld.goals import Arranged, Carrying, Lit, Member, Placed

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
    for clause in game.goal:
        if isinstance(clause, Placed):
            met = _is_placed(clause, game, contents, object_flags)
        elif isinstance(clause, Lit):
            met = _is_lit(clause, game, contents, object_flags, location)
        elif isinstance(clause, Arranged):
            met = _is_arranged(clause, game, contents, object_flags)
        elif held < 0 or game.object_types[held] != clause.object_type:
            met = False
        else:
            met = not isinstance(clause, Carrying) or _is_in(object_flags[held], clause.states)
        if not met:
            return False
    return True


def _is_placed(
    clause: Placed, game: Game, contents: Sequence[Sequence[int]], object_flags: Sequence[int]
) -> bool:
    needs = _STATE_FLAGS[clause.state]
    for receptacle, kind in enumerate(game.receptacle_types):
        inside = contents[receptacle]
        if kind == clause.receptacle_type and len(inside) >= clause.number:
            matching = sum(
                game.object_types[o] == clause.object_type and object_flags[o] & needs == needs
                for o in inside
            )
            if matching >= clause.number:
                return True
    return False


def _is_lit(
    clause: Lit,
    game: Game,
    contents: Sequence[Sequence[int]],
    object_flags: Sequence[int],
    location: int,
) -> bool:
    return any(
        game.object_types[o] == clause.object_type and object_flags[o] & _SHINES == _SHINES
        for receptacle in game.receptacles_at[location]
        for o in contents[receptacle]
    )


def _is_arranged(
    clause: Arranged, game: Game, contents: Sequence[Sequence[int]], object_flags: Sequence[int]
) -> bool:
    def fit(members: Sequence[Member], objects: Sequence[int]) -> bool:
        """Whether there is a distinct object for each member."""
        if not members:
            return True
        kind, states = members[0]
        return any(
            game.object_types[o] == kind
            and _is_in(object_flags[o], states)
            and fit(members[1:], [other for other in objects if other != o])
            for o in objects
        )

    return any(
        kind == clause.receptacle_type and fit(clause.members, inside)
        for inside, kind in zip(contents, game.receptacle_types, strict=True)
    )


def _is_in(known: int, states: Iterable[str]) -> bool:
    """Whether the flags of an object say that it is in all these states."""
    needs = [_STATE_FLAGS[state] for state in states]
    return all(known & need == need for need in needs)
