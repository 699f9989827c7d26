"""Wrappers for environments with the hierarchical contract, one per module."""

from __future__ import annotations

from hiper_envs.wrappers.invalid_action_cost import InvalidActionCost
from hiper_envs.wrappers.record_trajectory import RecordTrajectory
from hiper_envs.wrappers.structured_action import StructuredAction
from hiper_envs.wrappers.subgoal_observation import SubgoalObservation

__all__ = ["InvalidActionCost", "RecordTrajectory", "StructuredAction", "SubgoalObservation"]
