"""An off-policy critic of turns, whatever it reads of them: ArCHer's (arXiv 2402.19446).

Two Q(s, a) and two V(s), each with a target that follows it softly, learn from the turns of recent
iterations (section 3 of the paper):

    Q_i(s, a) -> r + gamma (1 - d) V'_i(s')        at all turns that are kept
    V_i(s)    -> Q'_i(s, a), a from the policy     at the turns of the newest iteration

with primes for targets. The newest turns are the policy's own, so that nothing has to be drawn
again for V. How states and actions are read is the business of the network; nothing here knows the
policy or what the values are used for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import Self

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.training.state_files import optimizer_tensors, restore_optimizer
from hiper_base.errors import HiperError

__all__ = ["TwinLearner", "TwinLearnerConfig", "TwinNetwork", "TwinTurns", "following"]


@dataclass(frozen=True)
class TwinLearnerConfig:
    """Every number of the off-policy critic.

    Raises:
        HiperError: If a number is out of range.
    """

    hidden: int
    """Width of the hidden layers."""
    learning_rate: float
    """Adam step size."""
    minibatch: int
    """Turns in a step, of the kept ones for Q and of the newest for V."""
    follow: float = 0.1
    """Share of the way that the targets go after every step."""
    kept: int = 4
    """Iterations whose turns are kept, the newest included."""
    epochs: int = 8
    """Passes over as many turns as the newest iteration has."""

    def __post_init__(self) -> None:
        for name in ("hidden", "kept", "epochs", "minibatch"):
            if getattr(self, name) < 1:
                raise HiperError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0.0 < self.follow <= 1.0:
            raise HiperError(f"follow must be in (0, 1], not {self.follow}")


@dataclass(eq=False)
class TwinTurns:
    """Turns as a critic reads them, n rows, on the CPU; networks add what they read.

    Attributes:
        reward: float32 [n].
        following: Row whose V comes after the turn, -1 where nothing does, int64 [n].
    """

    reward: Tensor
    following: Tensor

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
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

    def part(self, first: int, size: int) -> Self:
        """Some rows, from the first of them; what follows their turns is not to be asked."""
        return replace(self, **{name: t[first : first + size] for name, t in vars(self).items()})


Turns = TypeVar("Turns", bound=TwinTurns)


class TwinNetwork(nn.Module, ABC, Generic[Turns]):
    """Two Q and two V."""

    @abstractmethod
    def values(self, turns: Turns, rows: Tensor) -> Tensor:
        """[2, rows] V of the states before some turns."""

    @abstractmethod
    def q_values(self, turns: Turns, rows: Tensor) -> Tensor:
        """[2, rows] Q of some turns."""


class TwinLearner(Generic[Turns]):
    """Trains a critic on the turns of recent iterations.

    Args:
        network: The critic, on its device.
        config: Its numbers.
        gamma: Discount.

    Attributes:
        online: The critic that learns.
        target: The one that follows it.
        kept: The turns of recent iterations, the newest last.
        iterations: How many it has learned from.
    """

    def __init__(
        self, network: TwinNetwork[Turns], config: TwinLearnerConfig, gamma: float
    ) -> None:
        self.online = network
        self.target = deepcopy(network).requires_grad_(False)
        self.kept: list[Turns] = []
        self.iterations = 0
        self._config, self._gamma = config, gamma
        self._optimizer = torch.optim.Adam(network.parameters(), config.learning_rate)

    def learn(self, newest: Turns, rng: np.random.Generator) -> dict[str, float]:
        """Takes the steps of one iteration; returns the mean losses."""
        self.kept = [*self.kept, newest][-self._config.kept :]
        turns, new = newest.concatenate(self.kept), len(newest.reward)
        size = min(self._config.minibatch, new)
        steps = self._config.epochs * max(1, round(new / size))
        total = torch.zeros(2)
        for _ in range(steps):
            anywhere = torch.from_numpy(rng.integers(len(turns.reward), size=size))
            latest = torch.from_numpy(len(turns.reward) - new + rng.integers(new, size=size))
            losses = self._losses(turns, anywhere, latest)
            self._optimizer.zero_grad()
            torch.autograd.backward(losses.sum())
            self._optimizer.step()
            with torch.no_grad():
                pairs = zip(self.target.parameters(), self.online.parameters(), strict=True)
                for target, online in pairs:
                    target.lerp_(online, self._config.follow)
            total = total.to(losses.device) + losses.detach()
        q_loss, v_loss = (total / steps).tolist()
        return {"twin_q": q_loss, "twin_v": v_loss}

    @torch.no_grad()
    def judge(self, turns: Turns) -> NDArray[np.float64]:
        """[2, n] the lower V and the lower Q of turns."""
        found = torch.zeros(2, len(turns.reward))
        for rows in torch.arange(len(turns.reward)).split(4 * self._config.minibatch):
            twins = self.online.values(turns, rows), self.online.q_values(turns, rows)
            found[:, rows] = torch.stack([pair.amin(0) for pair in twins]).cpu()
        return found.double().numpy()

    def fill(self, buffer: OptionRolloutBuffer, turns: Turns) -> None:
        """Ends an iteration: sets `q_value` of its turns and replaces `value_low` by V."""
        value, q_value = self.judge(turns)
        buffer.annotate(q_value=q_value)
        buffer.value_low[: len(buffer)] = value
        self.iterations += 1

    def _losses(self, turns: Turns, anywhere: Tensor, latest: Tensor) -> Tensor:
        """[2] squared errors of Q at some turns and of V at others, each summed over the twins."""
        after = turns.following[anywhere]
        with torch.no_grad():
            value = self.target.values(turns, after.clamp(min=0))
            reward, goes_on = (x.to(value.device) for x in (turns.reward[anywhere], after >= 0))
            goal_q = reward + self._gamma * (value * goes_on)
            goal_v = self.target.q_values(turns, latest)
        error_q = self.online.q_values(turns, anywhere) - goal_q
        error_v = self.online.values(turns, latest) - goal_v
        return torch.stack([error.square().mean(1).sum() for error in (error_q, error_v)])

    def state(self) -> dict[str, Tensor]:
        """Networks, targets, optimizer, and the turns that are kept."""
        tensors = {"iterations": torch.tensor(self.iterations)}
        for part, module in (("online", self.online), ("target", self.target)):
            tensors |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
        tensors |= optimizer_tensors(self._optimizer)
        tensors = {name: tensor.to("cpu", copy=True) for name, tensor in tensors.items()}
        for number, turns in enumerate(self.kept):
            tensors |= {f"kept.{number}.{name}": value for name, value in vars(turns).items()}
        return tensors

    def restore(self, state: Mapping[str, Tensor], kind: type[Turns]) -> None:
        """Goes on from `state`.

        Args:
            state: What `state` gave.
            kind: Class of the turns.
        """
        self.iterations = int(state["iterations"])
        for part, module in (("online", self.online), ("target", self.target)):
            module.load_state_dict(_under(state, part))
        restore_optimizer(self._optimizer, state)
        kept: dict[int, dict[str, Tensor]] = {}
        for path, value in _under(state, "kept").items():
            number, _, name = path.partition(".")
            kept.setdefault(int(number), {})[name] = value
        self.kept = [kind(**kept[number]) for number in sorted(kept)]


def following(buffer: OptionRolloutBuffer, bootstrap_truncated: bool) -> NDArray[np.int64]:
    """Row of the state that comes after each turn, [len(buffer)]; -1 after an end.

    An episode that was cut off is worth the value of its last state if `bootstrap_truncated`, as
    for the other estimators, and nothing otherwise.
    """
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


def _under(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {n.removeprefix(prefix): value for n, value in state.items() if n.startswith(prefix)}
