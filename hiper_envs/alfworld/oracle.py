"""A searching expert for ALFWorld: reference subgoals, their boundaries, and the next action.

The oracle knows the task sentence and what the texts have shown, and nothing else: it looks for
what it needs, plausible places first, instead of knowing where it is. It can be asked in any state
that an agent has reached, because its plan is made afresh from its belief at every turn.

This module knows nothing about game files or engines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hiper_envs.alfworld.belief import STATE_OF_TRANSFORM, Belief
from hiper_envs.alfworld.subgoals import Subgoal, type_of
from hiper_envs.alfworld.texts import TaskSpec, parse_task
from hiper_envs.alfworld.whereabouts import DOORED, plausibility

IDLE = "look"


class Step(NamedTuple):
    """The first step of a plan: the command, and the subgoal it serves (None: all is done)."""

    subgoal: Subgoal | None
    action: str


class Oracle:
    """The reference plan for one episode.

    Call `observe` with the first observation and then after every step; read the attributes after
    it.

    Attributes:
        subgoal: what the reference pursues now, in the words of `subgoals`; "" for a task sentence
            that is not one of ALFWorld's.
        boundary: whether the reference begins a new subgoal at this turn. True on the first one.
        expert_action: the command the reference would execute now ("look" if it knows nothing to
            do).

    Args:
        task: the task sentence.

    Example:
        >>> oracle = Oracle("put a mug in desk.")
        >>> oracle.observe(
        ...     "You are in the middle of a room. Looking quickly around you, you see "
        ...     "a desk 1, and a drawer 1."
        ... )
        >>> oracle.subgoal, oracle.boundary, oracle.expert_action
        ('find a mug', True, 'go to desk 1')
    """

    def __init__(self, task: str) -> None:
        self._task = parse_task(task)
        self._belief = Belief()
        self._current: Subgoal | None = None
        self._started = False
        self.subgoal = ""
        self.boundary = False
        self.expert_action = IDLE

    def observe(self, observation: str, action: str = "", admissible: Sequence[str] = ()) -> None:
        """Take in what happened and plan again. Never raises.

        Args:
            observation: the text of the world.
            action: the command that led to it, "" at the start of the episode.
            admissible: the admissible commands now. Optional; without them the oracle finds out by
                trying which receptacles share a location.
        """
        self._belief.digest(observation, action, admissible)
        achieved = (
            self._current is not None
            and action not in self._belief.refused
            and self._current.achieved_by(action)
        )
        subgoal, self.expert_action = self._plan()
        begins = subgoal is not None and (achieved or subgoal != self._current)
        self.boundary = begins or not self._started
        self._started = True
        if subgoal is not None:
            self._current = subgoal
            self.subgoal = subgoal.text

    def _plan(self) -> Step:
        task, held = self._task, self._belief.held
        if task is None:
            return Step(None, IDLE)
        if not held:
            return self._find(task)
        if type_of(held) != task.object_type:
            return self._put_away()
        if task.tool_type and not task.transform:
            return self._light(task.tool_type)
        if not self._is_ready(task, held):
            return self._change(task.transform, task.tool_type)
        done = self._delivered(task)
        return self._bring(task.receptacle_type, self._belief.where[done[0]] if done else "")

    def _is_ready(self, task: TaskSpec, name: str) -> bool:
        """Whether an object is in the state that the task asks for, by the agent's own doing."""
        if not task.transform:
            return True
        return STATE_OF_TRANSFORM[task.transform] in self._belief.states.get(name, ())

    def _find(self, task: TaskSpec) -> Step:
        subgoal = Subgoal("find", task.object_type)
        done = self._delivered(task)
        if task.receptacle_type and len(done) >= task.count:
            return Step(None, IDLE)
        where = self._belief.where
        candidates = [
            name
            for name in where
            if type_of(name) == task.object_type
            and name not in done
            and f"take {name} from {where[name]}" not in self._belief.refused
        ]
        if not candidates:
            return Step(subgoal, self._search(task.object_type))
        name = min(candidates, key=lambda n: self._effort(where[n]))
        return Step(subgoal, self._reach(where[name]) or f"take {name} from {where[name]}")

    def _delivered(self, task: TaskSpec) -> list[str]:
        """The ready objects in the destination receptacle that holds most of them."""
        delivered: dict[str, list[str]] = {}
        for name, receptacle in self._belief.where.items():
            if (
                type_of(name) == task.object_type
                and type_of(receptacle) == task.receptacle_type
                and self._is_ready(task, name)
            ):
                delivered.setdefault(receptacle, []).append(name)
        return max(delivered.values(), key=len, default=[])

    def _put_away(self) -> Step:
        """Free the hand of an object that the task does not ask for."""
        belief, held = self._belief, self._belief.held
        places = [*belief.here, belief.origin, *belief.receptacles]
        allowed = [r for r in places if r and f"move {held} to {r}" not in belief.refused]
        if not allowed:
            return Step(None, IDLE)
        place = min(allowed, key=lambda r: (r != belief.origin, self._effort(r), r))
        subgoal = Subgoal("put", type_of(held), type_of(place))
        return Step(subgoal, self._reach(place) or f"move {held} to {place}")

    def _light(self, lamp_type: str) -> Step:
        subgoal = Subgoal("use", lamp_type)
        where = self._belief.where
        lamps = [name for name in where if type_of(name) == lamp_type]
        if not lamps:
            return Step(subgoal, self._search(lamp_type))
        refused, used = self._belief.refused, self._belief.used
        lamp = min(lamps, key=lambda n: (f"use {n}" in refused, n not in used, where[n]))
        if where[lamp] not in self._belief.here:
            return Step(subgoal, f"go to {where[lamp]}")
        if lamp in used:
            return Step(None, IDLE)
        return Step(subgoal, f"use {lamp}")

    def _change(self, transform: str, tool_type: str) -> Step:
        """Clean, heat or cool what is held."""
        held = self._belief.held
        subgoal = Subgoal(transform, type_of(held))
        tools = self._of_type(tool_type)
        if not tools:
            return Step(subgoal, IDLE)
        tool = min(tools, key=self._distance)
        if tool in self._belief.here:
            return Step(subgoal, f"{transform} {held} with {tool}")
        return Step(subgoal, f"go to {tool}")

    def _bring(self, receptacle_type: str, chosen: str) -> Step:
        """Put what is held into a receptacle of a type, if possible into the one already chosen."""
        belief, held = self._belief, self._belief.held
        subgoal = Subgoal("put", type_of(held), receptacle_type)
        places = self._of_type(receptacle_type)
        if not places:
            return Step(subgoal, IDLE)
        place = min(
            places,
            key=lambda r: (f"move {held} to {r}" in belief.refused, r != chosen, self._effort(r)),
        )
        return Step(subgoal, self._reach(place) or f"move {held} to {place}")

    def _search(self, object_type: str) -> str:
        """The next command in looking for an object type: plausible and near places come first."""
        belief = self._belief
        unseen = [r for r in belief.receptacles if r not in belief.explored]
        if not unseen:
            # Everything was looked at in vain, so something has been missed: look at it all again.
            belief.explored.clear()
            unseen = list(belief.receptacles)
        if not unseen:
            return IDLE
        siblings = Counter(map(type_of, belief.receptacles))

        def merit(receptacle: str) -> float:
            kind = type_of(receptacle)
            return (
                plausibility(object_type, kind) / siblings[kind] / max(self._effort(receptacle), 1)
            )

        place = max(unseen, key=merit)
        return self._reach(place) or f"examine {place}"

    def _reach(self, receptacle: str) -> str:
        """The next command on the way to a receptacle's content, "" if it is within reach."""
        if receptacle not in self._belief.here:
            return f"go to {receptacle}"
        if self._belief.doors.get(receptacle) is False or self._is_shut(receptacle):
            return f"open {receptacle}"
        return ""

    def _is_shut(self, receptacle: str) -> bool:
        """Whether a receptacle at this location, not looked at yet, is presumably closed."""
        belief = self._belief
        return (
            type_of(receptacle) in DOORED
            and receptacle not in belief.doors
            and receptacle not in belief.surfaces
        )

    def _effort(self, receptacle: str) -> int:
        """Commands needed before the content of a receptacle can be touched, as far as known."""
        belief = self._belief
        closed = not belief.doors.get(receptacle, type_of(receptacle) not in DOORED)
        return self._distance(receptacle) + (closed and receptacle not in belief.surfaces)

    def _distance(self, receptacle: str) -> int:
        return int(receptacle not in self._belief.here)

    def _of_type(self, receptacle_type: str) -> list[str]:
        names: Iterable[str] = self._belief.receptacles
        return [name for name in names if type_of(name) == receptacle_type]
