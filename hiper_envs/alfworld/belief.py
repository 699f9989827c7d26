"""What a player of ALFWorld can know: a memory of everything that the texts have said so far.

A belief digests any sequence of actions and observations, sensible or not. It contains nothing that
was not shown, so a plan made from it is an honest one.

This module knows nothing about tasks or plans.
"""

from __future__ import annotations

from collections.abc import Sequence

from hiper_envs.alfworld.subgoals import parse_action
from hiper_envs.alfworld.texts import Observation, parse_observation

STATE_OF_TRANSFORM = {"clean": "clean", "heat": "hot", "cool": "cool"}
"""What an object is after each transformation."""


class Belief:
    """Memory of one episode.

    Attributes:
        receptacles: all receptacles of the room, in the order they were listed.
        here: the receptacles known to be at the agent's location.
        held: the object in the hand, or "".
        origin: the receptacle that `held` was taken from, or "".
        where: object -> receptacle in which it was last seen.
        explored: receptacles whose content has been seen.
        doors: receptacle -> whether it is open, for those seen to have a door.
        surfaces: receptacles seen to have no door.
        states: object -> subset of {"clean", "hot", "cool"}, as far as the agent's own doing.
        used: lamps that were switched on.
        refused: commands that did nothing since something last changed.
    """

    def __init__(self) -> None:
        self.receptacles: list[str] = []
        self.here: set[str] = set()
        self.held = ""
        self.origin = ""
        self.where: dict[str, str] = {}
        self.explored: set[str] = set()
        self.doors: dict[str, bool] = {}
        self.surfaces: set[str] = set()
        self.states: dict[str, set[str]] = {}
        self.used: set[str] = set()
        self.refused: set[str] = set()

    def digest(self, text: str, action: str = "", admissible: Sequence[str] = ()) -> None:
        """Take in one observation.

        Args:
            text: the observation.
            action: the command that led to it, "" at the start.
            admissible: the admissible commands now; they tell which receptacles share the location.
                Without them this is found out by trying.
        """
        seen = parse_observation(text)
        if seen.kind == "nothing":
            self._refuse(action)
        elif seen.lists_content or seen.is_open is not None:
            self._see_receptacle(seen)
        elif seen.kind == "room":
            self.receptacles = list(seen.receptacles)
        elif seen.kind == "facing":
            self.here.update(seen.receptacles)
        elif seen.kind == "inventory":
            self.held = seen.objects[0] if seen.objects else ""
        else:
            self._see_effect(seen)
        if admissible:
            self._see_commands(admissible)

    def open_to_view(self, receptacle: str) -> bool:
        """Whether a receptacle is known to be a surface or to stand open."""
        return receptacle in self.surfaces or self.doors.get(receptacle, False)

    def _refuse(self, action: str) -> None:
        self.refused.add(action)
        command = parse_action(action)
        if command is None or command.receptacle not in self.receptacles:
            return
        if command.verb == "go to" and self.here:
            # The only receptacles one cannot go to are those at the agent's location.
            self.here.add(command.receptacle)
        elif command.verb == "open" and command.receptacle in self.here - self.doors.keys():
            self.surfaces.add(command.receptacle)
        elif command.verb == "take" and not self.held:
            self.where.pop(command.object, None)

    def _see_receptacle(self, seen: Observation) -> None:
        receptacle = seen.receptacle
        if receptacle not in self.receptacles:
            self.receptacles.append(receptacle)
        if seen.kind == "arrive":
            self.here = {receptacle}
            self.refused.clear()
        else:
            self.here.add(receptacle)
        if seen.is_open is None:
            self.surfaces.add(receptacle)
        else:
            self.doors[receptacle] = seen.is_open
        if seen.lists_content:
            self.explored.add(receptacle)
            for name in [name for name, place in self.where.items() if place == receptacle]:
                del self.where[name]
            self.where.update(dict.fromkeys(seen.objects, receptacle))

    def _see_effect(self, seen: Observation) -> None:
        """Digest a take, move, clean, heat, cool, use or slice."""
        if seen.kind == "take":
            self.held, self.origin = seen.object, seen.receptacle
            self.where.pop(seen.object, None)
        elif seen.kind == "move":
            self.held = self.origin = ""
            self.where[seen.object] = seen.receptacle
        elif seen.kind == "use":
            self.used.add(seen.object)
        elif seen.kind in STATE_OF_TRANSFORM:
            states = self.states.setdefault(seen.object, set())
            if seen.kind != "clean":
                states -= {"hot", "cool"}
            states.add(STATE_OF_TRANSFORM[seen.kind])
        else:
            return
        self.refused.clear()

    def _see_commands(self, admissible: Sequence[str]) -> None:
        possible = set(admissible)
        if not self.receptacles:
            commands = [parse_action(command) for command in admissible]
            self.receptacles = [c.receptacle for c in commands if c and c.verb == "go to"]
        self.here = {r for r in self.receptacles if f"examine {r}" in possible}
        for receptacle in self.here:
            if f"open {receptacle}" in possible:
                self.doors[receptacle] = False
            elif f"close {receptacle}" in possible:
                self.doors[receptacle] = True
            else:
                self.surfaces.add(receptacle)
