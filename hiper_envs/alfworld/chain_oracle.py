"""A searching expert for chains: what `oracle` is for ALFWorld's own tasks.

It knows the task sentence and what the texts have shown. It works item by item, the one for the
lamp last: find it, give it all its states, put it where its place is or is to be. Which objects and
receptacles stand for items and places is decided anew at every turn, by what is already done.

This module knows nothing about game files or engines.
"""

from __future__ import annotations

from collections.abc import Sequence

from hiper_envs.alfworld.belief import STATE_OF_TRANSFORM
from hiper_envs.alfworld.chain_progress import Binding, Scene, bind
from hiper_envs.alfworld.chains import Chain, parse_chain
from hiper_envs.alfworld.oracle import IDLE, Oracle, Step
from hiper_envs.alfworld.subgoals import Subgoal, type_of
from hiper_envs.alfworld.texts import TOOL_OF_TRANSFORM

__all__ = ["ChainOracle"]

_TRANSFORM_OF_STATE = {state: transform for transform, state in STATE_OF_TRANSFORM.items()}


class ChainOracle(Oracle):
    """The reference plan for one episode of a chain; used like :class:`Oracle`.

    Args:
        task: The task sentence.

    Example:
        >>> oracle = ChainOracle("clean a mug, then put the mug in a cabinet.")
        >>> oracle.observe(
        ...     "You are in the middle of a room. Looking quickly around you, you see "
        ...     "a cabinet 1, and a countertop 1."
        ... )
        >>> oracle.subgoal, oracle.boundary, oracle.expert_action
        ('find a mug', True, 'go to countertop 1')
    """

    def __init__(self, task: str) -> None:
        super().__init__(task)
        self._chain = parse_chain(task)

    def _plan(self) -> Step:
        chain = self._chain
        if chain is None:
            return Step(None, IDLE)
        binding = bind(chain, self._scene(chain))
        pending = [
            item
            for item in sorted(range(len(chain.items)), key=lambda i: i == chain.looked_at)
            if not all(binding.holds[n] for n in chain.subtasks_of[item])
        ]
        if not pending:
            return Step(None, IDLE)
        if not self._belief.held:
            return self._fetch(chain, binding, pending[0])
        item = self._meant(chain, binding, pending)
        return self._put_away() if item is None else self._carry(chain, binding, item)

    def _scene(self, chain: Chain) -> Scene:
        """What is known, as a scene."""
        belief, types = self._belief, chain.types
        lit = {type_of(lamp) for lamp in belief.used if belief.where.get(lamp) in belief.here}
        return Scene(
            {name: place for name, place in belief.where.items() if type_of(name) in types},
            {
                name: [_TRANSFORM_OF_STATE[state] for state in sorted(states)]
                for name, states in belief.states.items()
            },
            belief.held,
            lit,
        )

    def _meant(self, chain: Chain, binding: Binding, pending: Sequence[int]) -> int | None:
        """The item that the held object is to be; None if it is in the way."""
        held = self._belief.held
        items = [item for item in pending if chain.items[item].type == type_of(held)]
        if len(pending) > 1:
            # What is held under the lamp has to wait until the hand is needed no more.
            items = [item for item in items if item != chain.looked_at]
        bound = [item for item in items if binding.items[item] == held]
        free = [item for item in items if not binding.items[item]]
        return next(iter([*bound, *free]), None)

    def _fetch(self, chain: Chain, binding: Binding, item: int) -> Step:
        kind = chain.items[item].type
        subgoal = Subgoal("find", kind)
        where, refused = self._belief.where, self._belief.refused
        begun = binding.items[item]
        names = [begun] if begun else [n for n in where if type_of(n) == kind]
        candidates = [
            name
            for name in names
            if (name == begun or name not in binding.items)
            and f"take {name} from {where[name]}" not in refused
        ]
        if not candidates:
            return Step(subgoal, self._search(kind))
        name = min(candidates, key=lambda n: (self._effort(where[n]), n))
        return Step(subgoal, self._reach(where[name]) or f"take {name} from {where[name]}")

    def _carry(self, chain: Chain, binding: Binding, item: int) -> Step:
        """The next step with the held object, which is to be this item."""
        states = self._belief.states.get(self._belief.held, ())
        for transform in chain.needs[item]:
            if STATE_OF_TRANSFORM[transform] not in states:
                return self._change(transform, TOOL_OF_TRANSFORM[transform])
        if item == chain.looked_at:
            return self._light(chain.lamp)
        place = chain.homes[item]
        return self._bring(chain.places[place], binding.places[place])
