"""The `first-result` agent: the rule that WebShop's authors compare with.

It searches for the instruction as it stands, opens the first product, and buys it without choosing
any option (Yao et al., 2022, arXiv 2207.01206, section 5.1). It writes no subgoals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hiper_agents.agent import AgentError
from webshop_server.shop import BACK_TO_SEARCH, BUY_NOW, NEXT_PAGE, PREVIOUS, SEARCH_TEMPLATE

if TYPE_CHECKING:
    from hiper_envs.core import TaskInfo

_BUY = f"click[{BUY_NOW.lower()}]"
_BACK = f"click[{BACK_TO_SEARCH.lower()}]"
_NOT_A_PRODUCT = {_BACK, *(f"click[{name.lower()}]" for name in (PREVIOUS, NEXT_PAGE))}


class FirstResultAgent:
    """Searches for the instruction and buys the first result."""

    name = "first-result"

    def __repr__(self) -> str:
        return "FirstResultAgent()"

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        """Does nothing: every turn can be told from what is admissible."""

    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> list[str]:
        """Plays one turn in every slot.

        Raises:
            AgentError: In another environment than WebShop.
        """
        return [self._act(info["task"], info["admissible_actions"]) for info in infos]

    @staticmethod
    def _act(task: str, admissible: Sequence[str]) -> str:
        if SEARCH_TEMPLATE in admissible:
            return f"search[{task}]"
        if _BUY in admissible:
            return _BUY
        if not admissible:
            return _BUY  # the episode has ended: what is said is ignored
        products = [action for action in admissible if action not in _NOT_A_PRODUCT]
        if _BACK not in admissible:
            raise AgentError("the first-result agent is for WebShop: there is nothing to search")
        return products[0] if products else _BACK
