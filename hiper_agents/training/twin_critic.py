"""An off-policy critic of turns for estimators that read Q-values: ArCHer's (arXiv 2402.19446).

Two Q(s, a) and two V(s), each with a target that follows it softly, learn from the turns of recent
iterations (section 3 of the paper):

    Q_i(s, a) -> r + gamma (1 - d) V'_i(s')        at all turns that are kept
    V_i(s)    -> Q'_i(s, a), a from the policy     at the turns of the newest iteration

with primes for targets. The newest turns are the policy's own, so that no action has to be drawn
again for V. An action here is a whole turn: the subgoal that is carried out and the move; the words
of a composed action are not read. Nothing here knows the policy or what its values are used for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.compact.decisions import Decisions
from hiper_agents.compact.domain import Sizes
from hiper_agents.compact.network import mlp
from hiper_agents.compact.player import Player
from hiper_agents.estimators import Needs
from hiper_agents.training.columns import ColumnProvider

if TYPE_CHECKING:
    from hiper_agents.training.config import TrainConfig


@dataclass(frozen=True)
class TwinCriticConfig:
    """Every number of the off-policy critic."""

    hidden: int = 64
    """Width of every hidden layer."""
    embedding: int = 16
    """Size of a type word's embedding."""
    learning_rate: float = 1e-3
    """Adam step size."""
    follow: float = 0.1
    """Share of the way that the targets go after every step."""
    kept: int = 4
    """Iterations whose turns are kept, the newest included."""
    epochs: int = 8
    """Passes over as many turns as the newest iteration has."""
    minibatch: int = 512
    """Turns in a step, of the kept ones for Q and of the newest for V."""
    warm_up: int = 2
    """First iterations in which only the critic learns: Q is given as V, all advantages are 0."""


@dataclass
class Turns:
    """Turns as the critic reads them; n rows."""

    state: Tensor
    """[n, S] float32: the situation before the turn, with the subgoal that was running."""
    state_types: Tensor
    """[n, s] int64 vocabulary numbers of it."""
    action: Tensor
    """[n, A] float32: the situation with the subgoal that is carried out, and the chosen move."""
    action_types: Tensor
    """[n, a] int64 vocabulary numbers of it."""
    reward: Tensor
    """[n] float32"""
    following: Tensor
    """[n] int64: row whose V comes after the turn; -1 where nothing does."""

    @classmethod
    def of(
        cls,
        buffer: OptionRolloutBuffer,
        decisions: Decisions,
        sizes: Sizes,
        bootstrap_truncated: bool,
    ) -> Turns:
        """Takes the turns of an iteration.

        An episode that was cut off is worth the value of its last state if `bootstrap_truncated`,
        as for the other estimators, and nothing otherwise.
        """
        before, after, moves = decisions.before, decisions.after, decisions.executed
        # A strategy's number is no vocabulary number.
        types = before.state_types[:, : sizes.state_types]
        chosen = np.flatnonzero(moves.position == 0) + decisions.action_choice
        action = [before.state, after.subgoal, moves.features[chosen]]
        action_types = [types, after.subgoal_types, moves.types[chosen]]
        return cls(
            torch.from_numpy(np.concatenate([before.state, before.subgoal], 1)),
            torch.from_numpy(np.concatenate([types, before.subgoal_types], 1)),
            torch.from_numpy(np.concatenate(action, 1)),
            torch.from_numpy(np.concatenate(action_types, 1)),
            torch.from_numpy(buffer.reward[: len(buffer)].astype(np.float32)),
            torch.from_numpy(following(buffer, bootstrap_truncated)),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Turns]) -> Turns:
        """Puts iterations one after the other."""
        sizes = [len(part.reward) for part in parts]
        offsets = np.cumsum([0, *sizes[:-1]]).tolist()
        moved = [
            torch.where(part.following < 0, part.following, part.following + offset)
            for part, offset in zip(parts, offsets, strict=True)
        ]
        columns = {name: [vars(part)[name] for part in parts] for name in vars(parts[0])}
        columns["following"] = moved
        return cls(**{name: torch.cat(column) for name, column in columns.items()})


def following(buffer: OptionRolloutBuffer, bootstrap_truncated: bool) -> NDArray[np.int64]:
    """Row of the state that comes after each turn, [len(buffer)]; -1 after an end."""
    rows = np.arange(len(buffer))
    trajectory = buffer.trajectory_id[: len(buffer)]
    order = np.lexsort((buffer.turn[: len(buffer)], trajectory))
    last = np.append(trajectory[order][1:] != trajectory[order][:-1], True)
    after = np.empty_like(rows)
    after[order] = np.where(last, -1, np.append(order[1:], -1))
    if bootstrap_truncated:
        cut = (after < 0) & ~buffer.terminated[: len(buffer)]
        after[cut] = rows[cut]
    return after


class TwinCritic(nn.Module):
    """Two Q and two V; each has embeddings of its own.

    Args:
        sizes: Widths of the inputs, as the domain gives them.
        config: Widths inside.
    """

    def __init__(self, sizes: Sizes, config: TwinCriticConfig) -> None:
        super().__init__()
        state = (sizes.state + sizes.subgoal, sizes.state_types + sizes.subgoal_types)
        action = (state[0] + sizes.move, state[1] + sizes.move_types)
        self.v = nn.ModuleList(_Head(*state, sizes.vocabulary, config) for _ in range(2))
        self.q = nn.ModuleList(_Head(*action, sizes.vocabulary, config) for _ in range(2))

    def values(self, turns: Turns, rows: Tensor) -> Tensor:
        """[2, rows] V of the states before some turns."""
        return torch.stack([v(turns.state[rows], turns.state_types[rows]) for v in self.v])

    def q_values(self, turns: Turns, rows: Tensor) -> Tensor:
        """[2, rows] Q of some turns."""
        return torch.stack([q(turns.action[rows], turns.action_types[rows]) for q in self.q])


class _Head(nn.Module):
    def __init__(self, numbers: int, types: int, vocabulary: int, config: TwinCriticConfig) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, config.embedding)
        self.out = mlp(numbers + types * config.embedding, config.hidden)

    def forward(self, numbers: Tensor, types: Tensor) -> Tensor:
        value: Tensor = self.out(torch.cat([numbers, self.embed(types).flatten(1)], 1))
        return value.squeeze(-1)


class TwinCriticProvider(ColumnProvider):
    """Trains the critic in every iteration; fills `q_value`, and `value_low` with its V."""

    def __init__(self, config: TrainConfig, player: Player, needs: Needs) -> None:
        self._config = config.twin_critic
        self._gamma = config.gamma
        self._bootstrap_truncated = config.bootstrap_truncated
        self._sizes = player.domain.sizes
        self.online = TwinCritic(self._sizes, self._config)
        self.target = deepcopy(self.online).requires_grad_(False)
        self._optimizer = torch.optim.Adam(self.online.parameters(), self._config.learning_rate)
        self._kept: list[Turns] = []
        self._iterations = 0

    def annotate(
        self, buffer: OptionRolloutBuffer, decisions: Decisions, rng: np.random.Generator
    ) -> dict[str, float]:
        """Learns from the iteration, then sets `q_value` and replaces `value_low`."""
        newest = Turns.of(buffer, decisions, self._sizes, self._bootstrap_truncated)
        self._kept = [*self._kept, newest][-self._config.kept :]
        figures = self._learn(rng)
        rows = torch.arange(len(buffer))
        with torch.no_grad():
            value = self.online.values(newest, rows).amin(0).double().numpy()
            q_value = self.online.q_values(newest, rows).amin(0).double().numpy()
        is_warming_up = self._iterations < self._config.warm_up
        self._iterations += 1
        buffer.annotate(q_value=value if is_warming_up else q_value)
        buffer.value_low[: len(buffer)] = value
        return figures

    def _learn(self, rng: np.random.Generator) -> dict[str, float]:
        """Takes the steps of one iteration; returns the mean losses."""
        turns, new = Turns.concatenate(self._kept), len(self._kept[-1].reward)
        size = min(self._config.minibatch, new)
        steps = self._config.epochs * max(1, round(new / size))
        total = np.zeros(2)
        for _ in range(steps):
            anywhere = torch.from_numpy(rng.integers(len(turns.reward), size=size))
            newest = torch.from_numpy(len(turns.reward) - new + rng.integers(new, size=size))
            losses = self._losses(turns, anywhere, newest)
            self._optimizer.zero_grad()
            torch.autograd.backward(losses.sum())
            self._optimizer.step()
            with torch.no_grad():
                pairs = zip(self.target.parameters(), self.online.parameters(), strict=True)
                for target, online in pairs:
                    target.lerp_(online, self._config.follow)
            total += losses.detach().numpy()
        return {"twin_q": float(total[0] / steps), "twin_v": float(total[1] / steps)}

    def _losses(self, turns: Turns, anywhere: Tensor, newest: Tensor) -> Tensor:
        """[2] squared errors of Q at some turns and of V at others, each summed over the twins."""
        after = turns.following[anywhere]
        with torch.no_grad():
            value = self.target.values(turns, after.clamp(min=0)) * (after >= 0)
            goal_q = turns.reward[anywhere] + self._gamma * value
            goal_v = self.target.q_values(turns, newest)
        error_q = self.online.q_values(turns, anywhere) - goal_q
        error_v = self.online.values(turns, newest) - goal_v
        return torch.stack([error.square().mean(1).sum() for error in (error_q, error_v)])

    def state(self) -> dict[str, Tensor]:
        """Networks, targets, optimizer, and the turns that are kept."""
        tensors = {"iterations": torch.tensor(self._iterations)}
        for part in ("online", "target"):
            module: TwinCritic = getattr(self, part)
            tensors |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
        for index, slots in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in slots.items()}
        for number, turns in enumerate(self._kept):
            tensors |= {f"kept.{number}.{name}": value for name, value in vars(turns).items()}
        return tensors

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from `state`."""
        self._iterations = int(state["iterations"])
        for part in ("online", "target"):
            module: TwinCritic = getattr(self, part)
            module.load_state_dict(_under(state, part))
        optimizer = self._optimizer.state_dict()
        optimizer["state"] = _numbered(_under(state, "optimizer"))
        self._optimizer.load_state_dict(optimizer)
        kept = _numbered(_under(state, "kept"))
        self._kept = [Turns(**kept[number]) for number in sorted(kept)]


def _under(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {n.removeprefix(prefix): value for n, value in state.items() if n.startswith(prefix)}


def _numbered(state: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    found: dict[int, dict[str, Tensor]] = {}
    for path, value in state.items():
        number, _, name = path.partition(".")
        found.setdefault(int(number), {})[name] = value
    return found
