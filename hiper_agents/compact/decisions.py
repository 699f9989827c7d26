"""What was decided in a batch of turns, and what the network saw when it did.

Arrays only: the player fills them, the update replays them. Nothing here knows how decisions are
made or what a domain's numbers mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hiper_agents.compact.network import Subgoal as EncodedSubgoal
from hiper_agents.compact.rows import BoolArray, FloatArray, IntArray, Rows


@dataclass
class Situation:
    """What the network sees of B episodes before one of its decisions."""

    state: FloatArray
    """[B, Sizes.state]"""
    state_types: IntArray
    """[B, Sizes.state_types]; with strategies one column more, the number of the episode's"""
    subgoal: FloatArray
    """[B, Sizes.subgoal]"""
    subgoal_types: IntArray
    """[B, Sizes.subgoal_types]"""

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, EncodedSubgoal]:
        """The arguments of the network's methods."""
        subgoal = EncodedSubgoal(
            torch.from_numpy(self.subgoal), torch.from_numpy(self.subgoal_types)
        )
        return torch.from_numpy(self.state), torch.from_numpy(self.state_types), subgoal

    @classmethod
    def concatenate(cls, parts: Sequence[Situation]) -> Situation:
        """Puts batches one after the other."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])))

    def take(self, turns: NDArray[Any]) -> Situation:
        """The same for some of the turns."""
        return Situation(*(array[turns] for array in vars(self).values()))


@dataclass
class Decisions:
    """Everything that was decided in one turn of B episodes, or in many turns put together.

    Where no option was running, or there was nothing to switch to, the switch head was not asked.
    Rows of `planned` belong to the boundary turns in order: their owners count boundaries. In the
    same way rows of `spelled` belong to the turns whose action is composed of words.
    """

    before: Situation
    """Before the turn, with the subgoal that was running."""
    after: Situation
    """With the subgoal that is carried out."""
    planned: Rows
    executed: Rows
    spelled: Rows
    boundary: BoolArray
    asked: BoolArray
    """[B] The switch head decided."""
    begun: BoolArray
    """[B] The turn is an episode's first, and a strategy was chosen for the episode."""
    subgoal_choice: IntArray
    """[boundaries] chosen row of `planned`, counted within its turn."""
    action_choice: IntArray
    """[B] chosen row of `executed`, counted within its turn."""
    composed: BoolArray
    """[B] The action is composed of words."""
    word_choice: BoolArray
    """[rows of `spelled`] The word was drawn."""
    log_strategy: FloatArray
    """[B] log-probability of the strategy, 0 where none was chosen."""
    log_switch: FloatArray
    """[B] log-probability of the switch decision, 0 where there was none."""
    log_subgoal: FloatArray
    """[boundaries]"""
    log_action: FloatArray
    """[B] log-probability of the action, that of its words included."""
    values: FloatArray
    """[B, 3] V_L, V_H, V_T."""

    @classmethod
    def concatenate(cls, parts: Sequence[Decisions]) -> Decisions:
        """Puts the turns of several calls one after the other."""
        turns = [len(part.boundary) for part in parts]
        boundaries = [len(part.subgoal_choice) for part in parts]
        composed = [int(part.composed.sum()) for part in parts]
        joined: dict[str, Any] = {}
        for name in vars(parts[0]):
            values = [getattr(part, name) for part in parts]
            if name == "planned":
                joined[name] = Rows.concatenate(values, boundaries)
            elif name == "executed":
                joined[name] = Rows.concatenate(values, turns)
            elif name == "spelled":
                joined[name] = Rows.concatenate(values, composed)
            elif name in ("before", "after"):
                joined[name] = Situation.concatenate(values)
            else:
                joined[name] = np.concatenate(values)
        return cls(**joined)
