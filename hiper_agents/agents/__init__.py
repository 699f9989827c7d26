"""Built-in agents that learn nothing: `random`, `expert` and `human`."""

from hiper_agents.agents.expert import ExpertAgent
from hiper_agents.agents.human import HumanAgent
from hiper_agents.agents.random import RandomAgent

__all__ = ["ExpertAgent", "HumanAgent", "RandomAgent"]
