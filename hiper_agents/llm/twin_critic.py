"""An off-policy critic of turns for language models: ArCHer's (arXiv 2402.19446).

Two Q(s, a) and two V(s), each with a target that follows it softly, learn from the turns of recent
iterations (section 3 of the paper):

    Q_i(s, a) -> r + gamma (1 - d) V'_i(s')        at all turns that are kept
    V_i(s)    -> Q'_i(s, a), a from the policy     at the turns of the newest iteration

with primes for targets. The newest turns are the policy's own, so that no response has to be drawn
again for V. A state is read as the hidden state at the prompt's last token, an action as the one at
the response's last token, both of the frozen start and without gradients: what was kept means the
same however the policy has changed since. The paper trains an encoder of its own instead.

Several processes that train together have one critic: each learns it anew from the turns of all.
Nothing here knows what the values are used for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.estimators import Needs
from hiper_agents.llm.columns import ColumnProvider
from hiper_agents.llm.memory import TokenBudget
from hiper_agents.llm.player import LanguagePlayer
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.scoring import hidden_states, micro_batches
from hiper_agents.llm.turns import TurnTokens
from hiper_agents.training.ranks import Ranks, join
from hiper_agents.training.state_files import optimizer_tensors, restore_optimizer
from hiper_agents.training.twin_critic import following
from hiper_base.errors import HiperError

if TYPE_CHECKING:
    from hiper_agents.llm.config import LanguageTrainConfig

__all__ = ["KeptTurns", "TwinCritic", "TwinCriticConfig", "TwinCriticProvider", "features"]


@dataclass(frozen=True)
class TwinCriticConfig:
    """Every number of the off-policy critic.

    Raises:
        HiperError: If a number is out of range.
    """

    hidden: int = 256
    """Width of the hidden layers."""
    learning_rate: float = 3e-4
    """Adam step size."""
    follow: float = 0.1
    """Share of the way that the targets go after every step."""
    kept: int = 4
    """Iterations whose turns are kept, the newest included."""
    epochs: int = 8
    """Passes over as many turns as the newest iteration has."""
    minibatch: int = 256
    """Turns in a step, of the kept ones for Q and of the newest for V."""
    warm_up: int = 2
    """First iterations in which only the critic learns: Q is given as V, all advantages are 0."""

    def __post_init__(self) -> None:
        for name in ("hidden", "kept", "epochs", "minibatch"):
            if getattr(self, name) < 1:
                raise HiperError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0.0 < self.follow <= 1.0 or self.warm_up < 0:
            raise HiperError("follow must be in (0, 1], and warm_up not negative")


@dataclass(frozen=True, eq=False)
class KeptTurns:
    """Turns as the critic reads them, n rows, on the CPU.

    Attributes:
        features: Of the state before each turn and of what was written, float16 [n, 2, H].
        reward: float32 [n].
        following: Row whose V comes after the turn, -1 where nothing does, int64 [n].
    """

    features: Tensor
    reward: Tensor
    following: Tensor

    @classmethod
    def of(
        cls,
        buffer: OptionRolloutBuffer,
        features: Tensor,
        bootstrap_truncated: bool,
        ranks: Ranks,
    ) -> KeptTurns:
        """Takes the turns of an iteration, those of all processes.

        An episode that was cut off is worth the value of its last state if `bootstrap_truncated`,
        as for the other estimators, and nothing otherwise.
        """
        counts = ranks.gather(len(buffer))
        after = following(buffer, bootstrap_truncated)
        after[after >= 0] += sum(counts[: ranks.rank])
        own = {
            "features": features.numpy(),
            "reward": buffer.reward[: len(buffer)].astype(np.float32),
            "following": after,
        }
        everyone = ranks.gather_arrays(own)
        return cls(**{name: torch.from_numpy(column) for name, column in everyone.items()})

    @classmethod
    def concatenate(cls, parts: Sequence[KeptTurns]) -> KeptTurns:
        """Puts iterations one after the other."""
        offsets = np.cumsum([0, *(len(part.reward) for part in parts)]).tolist()
        moved = [
            torch.where(part.following < 0, part.following, part.following + offset)
            for part, offset in zip(parts, offsets, strict=False)
        ]
        return cls(
            torch.cat([part.features for part in parts]),
            torch.cat([part.reward for part in parts]),
            torch.cat(moved),
        )


class TwinCritic(nn.Module):
    """Two Q and two V.

    Args:
        size: Of a hidden state that they read.
        hidden: Width inside.
    """

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.v = nn.ModuleList(_network(size, hidden) for _ in range(2))
        self.q = nn.ModuleList(_network(2 * size, hidden) for _ in range(2))

    def values(self, features: Tensor) -> Tensor:
        """[2, n] V of the states in features [n, 2, H]."""
        return torch.cat([v(features[:, 0]) for v in self.v], 1).T

    def q_values(self, features: Tensor) -> Tensor:
        """[2, n] Q of features [n, 2, H]."""
        return torch.cat([q(features.flatten(1)) for q in self.q], 1).T


def _network(size: int, hidden: int) -> nn.Sequential:
    layers = nn.Linear(size, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
    return nn.Sequential(*layers, nn.Linear(hidden, 1))


class TwinCriticProvider(ColumnProvider):
    """Trains the critic in every iteration; fills `q_value`, and `value_low` with its V."""

    def __init__(
        self,
        config: LanguageTrainConfig,
        policy: LanguagePolicy,
        player: LanguagePlayer,
        needs: Needs,
    ) -> None:
        self._config = config.twin_critic
        self._gamma, self._seed = config.gamma, config.seed
        self._bootstrap_truncated = config.bootstrap_truncated
        self._policy = policy
        self._max_tokens = config.update.micro_tokens
        self._ranks = join()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.online = TwinCritic(policy.hidden_size, self._config.hidden).to(policy.device)
        self.target = deepcopy(self.online).requires_grad_(False)
        self._optimizer = torch.optim.Adam(self.online.parameters(), self._config.learning_rate)
        self._kept: list[KeptTurns] = []
        self._iterations = 0

    def annotate(
        self, buffer: OptionRolloutBuffer, turns: Sequence[TurnTokens], rng: np.random.Generator
    ) -> dict[str, float]:
        """Learns from the iteration, then sets `q_value` and replaces `value_low`."""
        own = features(self._policy, turns, max_tokens=self._max_tokens)
        newest = KeptTurns.of(buffer, own, self._bootstrap_truncated, self._ranks)
        self._kept = [*self._kept, newest][-self._config.kept :]
        # Not the run's own numbers, which may differ between processes.
        figures = self._learn(np.random.default_rng([self._seed, self._iterations]))
        value, q_value = self._judge(own)
        is_warming_up = self._iterations < self._config.warm_up
        self._iterations += 1
        buffer.annotate(q_value=value if is_warming_up else q_value)
        buffer.value_low[: len(buffer)] = value
        return figures

    @torch.no_grad()
    def _judge(self, own: Tensor) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """[2, n] the lower V and the lower Q of turns."""
        found = torch.zeros(2, len(own))
        for rows in torch.arange(len(own)).split(4 * self._config.minibatch):
            read = self._on(own[rows])
            twins = self.online.values(read), self.online.q_values(read)
            found[:, rows] = torch.stack([pair.amin(0) for pair in twins]).cpu()
        return found.double().numpy()

    def _learn(self, rng: np.random.Generator) -> dict[str, float]:
        """Takes the steps of one iteration; returns the mean losses."""
        turns, new = KeptTurns.concatenate(self._kept), len(self._kept[-1].reward)
        size = min(self._config.minibatch, new)
        steps = self._config.epochs * max(1, round(new / size))
        total = torch.zeros(2, device=self._policy.device)
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
            total += losses.detach()
        q_loss, v_loss = (total / steps).tolist()
        return {"twin_q": q_loss, "twin_v": v_loss}

    def _losses(self, turns: KeptTurns, anywhere: Tensor, newest: Tensor) -> Tensor:
        """[2] squared errors of Q at some turns and of V at others, each summed over the twins."""
        after = turns.following[anywhere]
        goes_on = self._on(after >= 0)
        read, own = self._on(turns.features[anywhere]), self._on(turns.features[newest])
        with torch.no_grad():
            next_value = self.target.values(self._on(turns.features[after.clamp(min=0)]))
            goal_q = self._on(turns.reward[anywhere]) + self._gamma * next_value * goes_on
            goal_v = self.target.q_values(own)
        error_q = self.online.q_values(read) - goal_q
        error_v = self.online.values(own) - goal_v
        return torch.stack([error.square().mean(1).sum() for error in (error_q, error_v)])

    def _on(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._policy.device, torch.float32)

    def state(self) -> dict[str, Tensor]:
        """Networks, targets, optimizer, and the turns that are kept."""
        tensors = {"iterations": torch.tensor(self._iterations)}
        for part in ("online", "target"):
            module: TwinCritic = getattr(self, part)
            tensors |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
        tensors |= optimizer_tensors(self._optimizer)
        tensors = {name: tensor.to("cpu", copy=True) for name, tensor in tensors.items()}
        for number, turns in enumerate(self._kept):
            tensors |= {f"kept.{number}.{name}": value for name, value in vars(turns).items()}
        return tensors

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from `state`."""
        self._iterations = int(state["iterations"])
        for part in ("online", "target"):
            module: TwinCritic = getattr(self, part)
            start = f"{part}."
            own = {n.removeprefix(start): t for n, t in state.items() if n.startswith(start)}
            module.load_state_dict(own)
        restore_optimizer(self._optimizer, state)
        count = len({name.split(".")[1] for name in state if name.startswith("kept.")})
        names = [field.name for field in fields(KeptTurns)]
        self._kept = [
            KeptTurns(**{name: state[f"kept.{number}.{name}"] for name in names})
            for number in range(count)
        ]


def features(policy: LanguagePolicy, turns: Sequence[TurnTokens], *, max_tokens: int) -> Tensor:
    """What the critic reads of turns, on the CPU, float16 [turns, 2, H].

    The hidden states of the frozen start at the prompt's last token and at the response's last,
    each scaled to mean 0 and deviation 1.

    Args:
        policy: Has the frozen start.
        turns: As they were written.
        max_tokens: Tokens in a pass; fewer where memory does not suffice.

    Raises:
        DeviceMemoryError: If not even a single turn fits into memory.
    """

    def attempt(tokens: int) -> Tensor:
        found = torch.zeros(len(turns), 2, policy.hidden_size, dtype=torch.float16)
        with policy.reference():
            for batch in micro_batches(turns, tokens):
                part = [turns[row] for row in batch]
                hidden = hidden_states(policy, part)
                places = torch.tensor([[len(turn.prompt) - 1, len(turn) - 1] for turn in part])
                rows = torch.arange(len(part), device=hidden.device)[:, None]
                ends = hidden[rows, places.to(hidden.device)].float()
                ends = nn.functional.layer_norm(ends, ends.shape[-1:])
                found[torch.from_numpy(batch)] = ends.half().cpu()
        return found

    return TokenBudget(max_tokens).run(attempt, longest=max(map(len, turns), default=1))
