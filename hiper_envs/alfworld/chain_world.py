"""A chain as a world: counts the subtasks that hold, and can pay the reward late.

It wraps an engine, whose texts and admissible actions it passes on unchanged, and knows nothing of
which engine that is.
"""

from __future__ import annotations

from collections.abc import Mapping

from hiper_envs.alfworld.chain_progress import SceneWorld, bind
from hiper_envs.alfworld.chains import TRANSFORMS, Chain
from hiper_envs.contract import WorldState

__all__ = ["ChainWorld"]

_CHANGING = frozenset({"take", "move", *TRANSFORMS, "use"})
"""Verbs of the commands after which other subtasks may hold than before."""


class ChainWorld:
    """Plays a chain on an engine.

    Success is that all subtasks hold at once. With a reward delay of d it is noted when it happens,
    and the world goes on for d more actions, admissible or not, whatever they do; the last of them
    pays the reward and ends the task. Only then is it called won: what an agent is told in between
    does not give the success away.

    Every state adds to `info`:

    * ``subtasks``: how many there are;
    * ``subtasks_done``: how many hold now, all of the same objects and receptacles.

    Args:
        engine: Plays the game.
        chain: What its task sentence asks for.
        reward_delay: Number of actions between success and reward.
    """

    def __init__(self, engine: SceneWorld, chain: Chain, reward_delay: int = 0) -> None:
        self._engine = engine
        self._chain = chain
        self._reward_delay = reward_delay
        # To arrive somewhere changes what is lit there, and nothing else that a chain asks for.
        self._counting = _CHANGING | {"go"} if chain.lamp else _CHANGING
        self._counted: Mapping[str, int] = {}
        self._remaining: int | None = None

    def reset(self) -> WorldState:
        """Go back to the first state."""
        self._remaining = None
        state = self._engine.reset()
        self._count()
        return self._told(state)

    def step(self, action: str) -> WorldState:
        """Execute one action; any string is accepted."""
        state = self._engine.step(action)
        if action.strip().partition(" ")[0] in self._counting:
            self._count()
        if self._remaining:
            self._remaining -= 1
        elif self._remaining is None and state.won:
            self._remaining = self._reward_delay
        return self._told(state)

    def _count(self) -> None:
        done = bind(self._chain, self._engine.scene(self._chain.types)).done
        self._counted = {"subtasks": len(self._chain.subtasks), "subtasks_done": done}

    def _told(self, state: WorldState) -> WorldState:
        won = self._remaining == 0
        return state._replace(
            reward=float(won),
            terminated=won,
            won=won,
            score=float(won),
            extra_info=self._counted,
        )
