"""The `expert` agent: the environment's own searching demonstrator as a hierarchical agent.

It does not plan. It repeats the plan that environments made with `reference=True` put into `info`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hiper_agents.agent import AgentError
from hiper_envs.tags import render

if TYPE_CHECKING:
    from hiper_envs.core import TaskInfo


class ExpertAgent:
    """Follows the oracle: its actions, its subgoals, and its boundaries between them."""

    name = "expert"
    requires_reference = True

    def __repr__(self) -> str:
        return "ExpertAgent()"

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        """Does nothing: the plan lives in the environment."""

    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> list[str]:
        """Repeats the oracle's action, and switches to its subgoal where it begins a new one.

        Raises:
            AgentError: The environment was made without `reference=True`.
        """
        return [self._act(info) for info in infos]

    @staticmethod
    def _act(info: Mapping[str, Any]) -> str:
        if "expert_action" not in info:
            raise AgentError("the expert agent needs an environment made with reference=True")
        if info["reference_boundary"]:
            return render(info["expert_action"], subgoal=info["reference_subgoal"], switch=True)
        return render(info["expert_action"])
