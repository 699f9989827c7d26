"""What a language model remembers of an episode: it makes views of turns from what agents are told.

The module knows the `info` contract; it knows no benchmark, and nothing of prompts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from hiper_agents.llm.turns import PastTurn, TurnView

__all__ = ["MALFORMED", "EpisodeMemory"]

MALFORMED = "(an answer that broke the format)"
"""Stands for the action of a turn that had none."""


class EpisodeMemory:
    """The last turns of one episode.

    Args:
        keep: How many.
        strategy: The strategy that the whole episode follows; "" for none.

    Example:
        >>> from hiper_agents.environments import make_env
        >>> from hiper_envs.core import Episode
        >>> env = make_env("HiPER-ALFWorld-v0", "generated")
        >>> episode, memory = Episode(env.source.open(0), 50), EpisodeMemory(keep=2)
        >>> view = memory.view(episode.observation, episode.info)
        >>> view.turn, view.subgoal, view.history
        (0, '', ())
        >>> text = "<switch>SWITCH</switch><subgoal>look around</subgoal><action>look</action>"
        >>> _ = episode.step(text)
        >>> view = memory.view(episode.observation, episode.info)
        >>> view.turn, view.subgoal, view.option_step, view.history[0].action
        (1, 'look around', 1, 'look')
    """

    def __init__(self, keep: int, strategy: str = "") -> None:
        self._past: deque[PastTurn] = deque(maxlen=keep)
        self._strategy = strategy
        self._seen: str | None = None
        self._turns = 0
        self._opening: Sequence[str] | None = None

    def view(self, observation: str, info: Mapping[str, Any], *, plan: str = "") -> TurnView:
        """The next turn; to be called once a turn, with what the environment said last.

        Args:
            observation: The latest text of the world.
            info: A `HierarchicalInfo`.
            plan: What the expert pursues, for a policy that is told it.
        """
        if self._seen is not None:
            self._past.append(PastTurn(self._seen, info["subgoal"], info["action"] or MALFORMED))
            self._turns += 1
        self._seen = observation
        if self._opening is None:
            self._opening = tuple(info["admissible_actions"])
        return TurnView(
            task=info["task"],
            observation=observation,
            subgoal=info["subgoal"],
            option_step=info["option_step"] + 1 if info["option_id"] >= 0 else 0,
            turn=self._turns,
            admissible=info["admissible_actions"],
            history=tuple(self._past),
            plan=plan,
            strategy=self._strategy,
            opening=self._opening,
        )
