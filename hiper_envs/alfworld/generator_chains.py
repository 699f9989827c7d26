"""Generates games whose task is a chain, any number of them, from a seed.

The games have the upstream file format, domain and grammar, so that every backend plays them; only
the goal is longer than any published one's. No subtask holds at the beginning.

This module knows nothing of how a game is played, nor of splits and task ids.

Example:
    >>> game = generate_chain_game(seed=3, subtasks=2)
    >>> game["solvable"], game["walkthrough"][0]
    (True, 'go to fridge 1')
"""

from __future__ import annotations

import random
from typing import Any

from hiper_envs.alfworld import flats
from hiper_envs.alfworld import generator_pddl as pddl
from hiper_envs.alfworld import house as tables
from hiper_envs.alfworld.chain_drawing import ENDINGS, draw_chain
from hiper_envs.alfworld.chains import MAX_SUBTASKS, NO_PLACE, Chain
from hiper_envs.alfworld.flats import MAX_DISTRACTORS
from hiper_envs.alfworld.generator_grammar import grammar
from hiper_envs.alfworld.generator_walk import Walk
from hiper_envs.alfworld.house import House, IdSource

__all__ = ["ENDINGS", "generate_chain_game"]

_SPARE_SHARE = 0.3


def generate_chain_game(
    seed: int, subtasks: int, *, distractors: int = 0, ending: str | None = None
) -> dict[str, Any]:
    """Generate one game.

    Args:
        seed: Any non-negative integer; the same arguments give the same game, on any machine.
        subtasks: Length of the chain, 1 to `MAX_SUBTASKS`.
        distractors: How many objects of types that the chain does not name, and receptacles that
            it has no use for, are added to the flat, 0 to `MAX_DISTRACTORS`. They change nothing
            else: chain and flat are those of the same seed without them.
        ending: Kind of the last subtask, one of `ENDINGS`; None takes them in turn.

    Returns:
        The decoded content of a ``game.tw-pddl`` file, as `generator.generate_game` makes it.

    Raises:
        ValueError: If an argument is out of its range.
    """
    _check(seed, subtasks, distractors)
    if ending is None:
        ending = ENDINGS[seed % len(ENDINGS)]
    elif ending not in ENDINGS:
        raise ValueError(f"unknown ending {ending!r}; expected one of {ENDINGS}")
    rng = random.Random(f"chain {subtasks} {ending} {seed}")
    house, ids, chain = _draw(rng, subtasks, ending)
    _put_items(rng, house, ids, chain)
    spare = {tables.camel(item.type) for item in chain.items}
    flats.scatter(rng, house, ids, spare=spare)
    flats.distract(
        rng,
        house,
        ids,
        distractors,
        spare=spare,
        places=[tables.camel(kind) for kind in chain.places],
    )
    return {
        "pddl_domain": pddl.DOMAIN,
        "grammar": grammar(chain.sentence),
        "pddl_problem": pddl.chain_problem(house, chain, f"chain_{subtasks}_{seed}"),
        "solvable": True,
        "walkthrough": Walk(house).follow(chain),
    }


def _check(seed: int, subtasks: int, distractors: int) -> None:
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    if not 1 <= subtasks <= MAX_SUBTASKS:
        raise ValueError(f"a chain has 1 to {MAX_SUBTASKS} subtasks, not {subtasks}")
    if not 0 <= distractors <= MAX_DISTRACTORS:
        raise ValueError(f"there can be 0 to {MAX_DISTRACTORS} distractors, not {distractors}")


def _draw(rng: random.Random, subtasks: int, ending: str) -> tuple[House, IdSource, Chain]:
    """Draw an empty flat and a chain that it allows; another flat if it allows none."""
    while True:
        house, ids = flats.furnish_flat(rng)
        chain = draw_chain(rng, house, subtasks, ending)
        if chain is not None:
            return house, ids, chain


def _put_items(rng: random.Random, house: House, ids: IdSource, chain: Chain) -> None:
    """Put the items somewhere else than where they have to end, and lamps for who needs one."""
    for kind, items in chain.items_of_type.items():
        homes = [chain.places[chain.homes[i]] for i in items if chain.homes[i] != NO_PLACE]
        avoid = [tables.camel(home) for home in homes]
        for _ in range(len(items) + (rng.random() < _SPARE_SHARE)):
            tables.place(rng, house, ids, tables.camel(kind), avoid=avoid)
    if chain.lamp or rng.random() < _SPARE_SHARE:
        for _ in range(rng.randint(1, 2)):
            tables.place(rng, house, ids, tables.LAMP)
