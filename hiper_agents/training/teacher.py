"""How far the policy is from the same policy that knows the expert's plan, turn by turn.

For GEAR-style estimators. The plan is the subgoal that the domain's searching expert pursues in the
state that the agent has reached; the expert sees what the agent sees. The policy that knows it is
the executor with that subgoal as the running one, in place of its own. The distance is the
Jensen-Shannon divergence between the two choices of an action, over all actions that either
subgoal permits: between 0 (equal) and log 2 (nothing in common). Actions that are composed of words
count as one: which words is not compared. Nothing here knows what the divergence is used for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.compact.decisions import Decisions, Situation
from hiper_agents.compact.domain import Subgoal
from hiper_agents.compact.network import Choices
from hiper_agents.compact.player import Player
from hiper_agents.compact.slot import Slot, reference_subgoal
from hiper_agents.estimators import Needs
from hiper_agents.training.columns import ColumnProvider
from hiper_base.errors import HiperError

if TYPE_CHECKING:
    from hiper_agents.training.config import TrainConfig

Policy = tuple[Sequence[str], NDArray[np.float64]]
"""Actions [n], and the probability of each [n]."""


class DivergenceProvider(ColumnProvider):
    """Fills `divergence`."""

    with_expert: ClassVar[bool] = True

    def __init__(self, config: TrainConfig, player: Player, needs: Needs) -> None:
        if config.options == "none":
            raise HiperError(
                f"estimator {config.estimator!r} compares the agent's subgoals with the expert's, "
                "but there are none with --options none"
            )
        self._player = player
        self._turns: list[NDArray[np.float64]] = []

    def begin(
        self, slots: Sequence[Slot], groups: NDArray[np.int64], rng: np.random.Generator
    ) -> None:
        """Forgets the iteration before."""
        self._turns = []

    def decided(
        self, slots: Sequence[Slot], infos: Sequence[Mapping[str, Any]], decisions: Decisions
    ) -> None:
        """Measures the divergence of a turn; 0 where the agent wants what the expert wants."""
        measured = np.zeros(len(slots))
        references = [reference_subgoal(slot) for slot in slots]
        pairs = zip(slots, references, strict=True)
        apart = np.array([i for i, (slot, told) in enumerate(pairs) if told != slot.subgoal], int)
        if len(apart):
            chosen = [slots[i] for i in apart.tolist()]
            infos = [infos[i] for i in apart.tolist()]
            situation = decisions.after.take(apart)
            own = [slot.subgoal for slot in chosen]
            told = [references[i] for i in apart.tolist()]
            measured[apart] = [
                jensen_shannon(*policies)
                for policies in zip(
                    _policies(self._player, chosen, own, infos, situation),
                    _policies(self._player, chosen, told, infos, situation),
                    strict=True,
                )
            ]
            for slot in chosen:
                slot.memory.want(slot.subgoal)
        self._turns.append(measured)

    def annotate(
        self, buffer: OptionRolloutBuffer, decisions: Decisions, rng: np.random.Generator
    ) -> dict[str, float]:
        """Sets `divergence`."""
        divergence = np.concatenate(self._turns)
        buffer.annotate(divergence=divergence)
        return {"divergence": float(divergence.mean())}


@torch.no_grad()
def _policies(
    player: Player,
    slots: Sequence[Slot],
    subgoals: Sequence[Subgoal | None],
    infos: Sequence[Mapping[str, Any]],
    situation: Situation,
) -> list[Policy]:
    """The executor's choices in some episodes if each had the given subgoal.

    The memories are left with the subgoals as the wanted ones.
    """
    domain = player.domain
    for slot, subgoal in zip(slots, subgoals, strict=True):
        slot.memory.want(subgoal)
    told = Situation(
        situation.state,
        situation.state_types,
        np.array(
            [domain.encode_subgoal(s.memory, g) for s, g in zip(slots, subgoals, strict=True)],
            np.float32,
        ),
        np.array([domain.subgoal_types(subgoal) for subgoal in subgoals], np.int64),
    )
    rows, moves = domain.moves([slot.memory for slot in slots], subgoals, infos)
    shares = player.network.execute(*told.tensors(), Choices.of(rows)).exp().double().numpy()
    return [
        (allowed.commands, own[: len(allowed.commands)])
        for allowed, own in zip(moves, shares, strict=True)
    ]


def jensen_shannon(first: Policy, second: Policy) -> float:
    """Divergence of two distributions over possibly different actions, in nats.

    `JS(p, q) = (KL(p, m) + KL(q, m)) / 2` with `m = (p + q) / 2` (Lin, 1991), over the union of
    the actions; an action that one of them lacks has probability 0 there.

    Returns:
        Between 0 and log 2.
    """
    place = {action: number for number, action in enumerate(dict.fromkeys([*first[0], *second[0]]))}
    shares = np.zeros((2, len(place)))
    for row, (actions, probabilities) in zip(shares, (first, second), strict=True):
        row[[place[action] for action in actions]] = probabilities / probabilities.sum()
    middle = np.broadcast_to(shares.mean(0), shares.shape)
    positive = shares > 0.0
    divergence = (shares[positive] * np.log(shares[positive] / middle[positive])).sum() / 2.0
    return float(np.clip(divergence, 0.0, np.log(2.0)))
