"""Plays ALFWorld games: the rules and the texts of the benchmark, without TextWorld.

The one domain and the one grammar that all games share are written out as Python here; the texts,
the admissible actions and the end of the game are those of the upstream engine (alfworld 0.4.2 with
textworld 1.7.0), including its quirks, which are named where they occur. The engine knows nothing
about options, step limits or Gymnasium.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Collection, Iterable

from hiper_envs.alfworld import game as flags
from hiper_envs.alfworld.chain_progress import Scene
from hiper_envs.alfworld.game import Game
from hiper_envs.alfworld.native_goal import is_met
from hiper_envs.core import WorldState

NOTHING_HAPPENS = "Nothing happens."
HELP = """\
Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""

_NOBODY = -1
_TRANSFORMS = {
    # verb: (needs, at receptacles of these types, sets, clears)
    "clean": (flags.CLEANABLE, ("sink", "sinkbasin"), flags.CLEAN, 0),
    "heat": (flags.HEATABLE, ("microwave",), flags.HOT, flags.COOL),
    "cool": (flags.COOLABLE, ("fridge",), flags.COOL, flags.HOT),
}
_CHANGED = flags.CLEAN | flags.HOT | flags.COOL
# What an examined object is said to be: the first row whose flags it all has.
_DESCRIPTIONS = (
    (flags.CLEAN | flags.HOT | flags.SLICED, "This is a hot and clean sliced {}."),
    (flags.CLEAN | flags.COOL | flags.SLICED, "This is a cool and clean sliced {}."),
    (flags.CLEAN | flags.SLICED, "This is a clean sliced {}."),
    (flags.HOT | flags.SLICED, "This is a hot sliced {}."),
    (flags.COOL | flags.SLICED, "This is a cool sliced {}."),
    (flags.CLEAN | flags.HOT, "This is a hot and clean {}."),
    (flags.CLEAN | flags.COOL, "This is a cool and clean {}."),
    (flags.HOT, "This is a hot {}."),
    (flags.CLEAN, "This is a clean {}."),
    (flags.COOL, "This is a cold {}."),
    (flags.TOGGLEABLE | flags.TOGGLED, "This {} is on."),
    (flags.SLICEABLE | flags.SLICED, "This is a sliced {}."),
    (0, "There's nothing special about {}."),
)


class NativeWorld:
    """One live game.

    Args:
        game: The parsed game; it is never changed, so worlds can share it.
    """

    __slots__ = (
        "_commands",
        "_contents",
        "_flags",
        "_held",
        "_location",
        "_opened",
        "_taken",
        "_where",
        "_won",
        "game",
    )

    def __init__(self, game: Game) -> None:
        self.game = game
        self.reset()

    def reset(self) -> WorldState:
        """Puts everything back to its place; returns the introduction with the task sentence."""
        game = self.game
        self._location = game.start_location
        self._held = _NOBODY
        self._opened = list(game.receptacle_opened)
        self._contents = [list(inside) for inside in game.receptacle_contents]
        self._flags = list(game.object_flags)
        self._where = list(game.object_locations)
        # (object, receptacle) for every object that was taken from there and is not back.
        self._taken: set[tuple[int, int]] = set()
        self._won = self._is_goal_met()
        self._commands = self._admissible()
        surroundings = (
            self._look("") if game.receptacles_at[self._location] else _room(game.receptacle_names)
        )
        intro = f"-= Welcome to TextWorld, ALFRED! =-\n\n{surroundings}\n\n"
        return self._state(f"{intro}Your task is to: {game.task}")

    def step(self, action: str) -> WorldState:
        """Carries out one command; an inadmissible one changes nothing and says so."""
        command = action.strip()
        if command not in self._commands:
            return self._state(NOTHING_HAPPENS)
        verb, _, rest = command.partition(" ")
        return self._state(_HANDLERS[verb](self, rest))

    def scene(self, types: Collection[str]) -> Scene:
        """Where the objects of these types are and what was done to them."""
        game, known = self.game, self._flags
        where, done = {}, {}
        for receptacle, inside in enumerate(self._contents):
            for o in inside:
                if game.object_types[o] in types:
                    where[game.object_names[o]] = game.receptacle_names[receptacle]
        for o, kind in enumerate(game.object_types):
            if kind in types and known[o] & _CHANGED:
                changed = [verb for verb, (_, _, sets, _) in _TRANSFORMS.items() if known[o] & sets]
                done[game.object_names[o]] = changed
        lit = {
            game.object_types[o]
            for r in game.receptacles_at[self._location]
            for o in self._contents[r]
            if known[o] & flags.TOGGLED and known[o] & flags.TOGGLEABLE
        }
        return Scene(where, done, game.object_names[self._held] if self._held >= 0 else "", lit)

    def _state(self, observation: str) -> WorldState:
        won = self._won
        score = 1.0 if won else 0.0
        return WorldState(observation, self._commands, score, won, won, score)

    def _changed(self) -> None:
        self._commands = self._admissible()
        self._won = self._is_goal_met()

    # Admissible actions

    def _admissible(self) -> tuple[str, ...]:
        """All legal commands in sorted order: the groups below are in the order of their verbs."""
        game, held, location = self.game, self._held, self._location
        here = game.receptacles_at[location]
        names = game.receptacle_names
        kinds = [game.receptacle_types[r] for r in here]
        examine = ["examine " + names[r] for r in here]
        openable = [r for r in here if game.receptacle_openable[r]]
        opened = self._opened
        commands: list[str] = []
        if held >= 0:
            examine.append("examine " + game.object_names[held])
            commands += self._transform("clean", here, kinds)
        commands += sorted("close " + names[r] for r in openable if opened[r])
        if held >= 0:
            commands += self._transform("cool", here, kinds)
        examine.sort()
        commands += examine
        commands += game.go_commands[location]
        if held >= 0:
            commands += self._transform("heat", here, kinds)
        commands += ("help", "inventory", "look")
        if held >= 0:
            commands += self._moves(here, kinds)
        commands += sorted("open " + names[r] for r in openable if not opened[r])
        if held < 0:
            commands += self._takes(here)
        elif self._flags[held] & flags.KNIFE:
            commands += self._slices()
        commands += self._uses(here)
        return tuple(commands)

    def _transform(self, verb: str, here: Iterable[int], kinds: list[str]) -> list[str]:
        # Upstream does not ask for the microwave or the fridge to be open.
        needs, at, _, _ = _TRANSFORMS[verb]
        if not self._flags[self._held] & needs:
            return []
        prefix = f"{verb} {self.game.object_names[self._held]} with "
        names = self.game.receptacle_names
        return sorted(prefix + names[r] for r, kind in zip(here, kinds, strict=True) if kind in at)

    def _moves(self, here: Iterable[int], kinds: list[str]) -> list[str]:
        game = self.game
        kind_held = game.object_types[self._held]
        prefix = f"move {game.object_names[self._held]} to "
        return sorted(
            prefix + game.receptacle_names[r]
            for r, kind in zip(here, kinds, strict=True)
            if kind_held in game.accepts[kind] and self._is_accessible(r)
        )

    def _takes(self, here: Iterable[int]) -> list[str]:
        names, object_flags = self.game.object_names, self._flags
        commands = []
        for r in here:
            if self._contents[r] and self._is_accessible(r):
                suffix = " from " + self.game.receptacle_names[r]
                commands += [
                    f"take {names[o]}{suffix}"
                    for o in self._contents[r]
                    if object_flags[o] & flags.PICKUPABLE
                ]
        commands.sort()
        return commands

    def _slices(self) -> list[str]:
        # Upstream asks where the object is, not whether it can be seen: also in closed receptacles.
        names, location = self.game.object_names, self._location
        suffix = " with " + names[self._held]
        return sorted(
            f"slice {names[o]}{suffix}"
            for o, where in enumerate(self._where)
            if self._flags[o] & flags.SLICEABLE and location in where
        )

    def _uses(self, here: Iterable[int]) -> list[str]:
        # Likewise a lamp in a closed receptacle can be used.
        return sorted(
            {
                "use " + self.game.object_names[o]
                for r in here
                for o in self._contents[r]
                if self._flags[o] & flags.TOGGLEABLE
            }
        )

    def _is_accessible(self, receptacle: int) -> bool:
        return self._opened[receptacle] or not self.game.receptacle_openable[receptacle]

    # Commands, each given what follows its verb

    def _go(self, rest: str) -> str:
        name = rest.removeprefix("to ")
        receptacle = self.game.receptacle_index[name]
        self._location = self.game.receptacle_locations[receptacle]
        self._changed()
        return f"You arrive at {name}. {self._describe(receptacle)}"

    def _open(self, name: str) -> str:
        receptacle = self.game.receptacle_index[name]
        self._opened[receptacle] = True
        self._changed()
        return f"You open the {name}. {self._describe(receptacle)}"

    def _close(self, name: str) -> str:
        self._opened[self.game.receptacle_index[name]] = False
        self._changed()
        return f"You close the {name}."

    def _take(self, rest: str) -> str:
        name, _, source = rest.partition(" from ")
        obj, receptacle = self.game.object_index[name], self.game.receptacle_index[source]
        self._contents[receptacle].remove(obj)
        self._held = obj
        self._where[obj] = tuple(at for at in self._where[obj] if at != self._location)
        self._taken.add((obj, receptacle))
        self._changed()
        return f"You pick up the {name} from the {source}."

    def _move(self, rest: str) -> str:
        name, _, target = rest.partition(" to ")
        obj, receptacle = self.game.object_index[name], self.game.receptacle_index[target]
        # Some games begin with an object in two receptacles, so it can be in the target already.
        if obj not in self._contents[receptacle]:
            insort(self._contents[receptacle], obj)
        self._held = _NOBODY
        self._where[obj] = (*self._where[obj], self._location)
        self._taken.discard((obj, receptacle))
        self._changed()
        return f"You move the {name} to the {target}."

    def _clean(self, rest: str) -> str:
        return self._apply("clean", rest)

    def _heat(self, rest: str) -> str:
        return self._apply("heat", rest)

    def _cool(self, rest: str) -> str:
        return self._apply("cool", rest)

    def _apply(self, verb: str, rest: str) -> str:
        name, _, receptacle = rest.partition(" with ")
        _, _, sets, clears = _TRANSFORMS[verb]
        obj = self.game.object_index[name]
        self._flags[obj] = (self._flags[obj] | sets) & ~clears
        self._won = self._is_goal_met()
        return f"You {verb} the {name} using the {receptacle}."

    def _use(self, name: str) -> str:
        # Upstream marks the lamp as toggled first, so it is always said to be turned on.
        self._flags[self.game.object_index[name]] |= flags.TOGGLED
        self._won = self._is_goal_met()
        return f"You turn on the {name}."

    def _slice(self, rest: str) -> str:
        name, _, knife = rest.partition(" with ")
        self._flags[self.game.object_index[name]] |= flags.SLICED
        return f"You sliced the {name} with the {knife}."

    def _examine(self, name: str) -> str:
        game = self.game
        receptacle = game.receptacle_index.get(name)
        if receptacle is not None:
            return self._describe(receptacle)
        obj = game.object_index[name]
        if self._flags[obj] & flags.IS_CONTAINER:
            inside = _listed("a " + game.object_names[o] for o in game.object_contents[obj])
            return f"This is a normal {name}. In it, you see {inside}."
        has = self._flags[obj]
        return next(text for needs, text in _DESCRIPTIONS if has & needs == needs).format(name)

    def _inventory(self, _: str) -> str:
        if self._held < 0:
            return "You are not carrying anything."
        return f"You are carrying: a {self.game.object_names[self._held]}."

    def _look(self, _: str) -> str:
        game, location = self.game, self._location
        here = game.receptacles_at[location]
        if not here:
            return _room(())
        facing = _listed(game.receptacle_names[r] for r in here)
        # Of the objects at this location, upstream lists those that were moved here out of another
        # receptacle of the same location, once for each such receptacle.
        beside = _listed(
            "a " + game.object_names[o]
            for o, r in sorted(self._taken)
            if r in here and location in self._where[o]
        )
        return f"You are facing the {facing}. Next to it, you see {beside}."

    def _help(self, _: str) -> str:
        return HELP

    def _describe(self, receptacle: int) -> str:
        name = self.game.receptacle_names[receptacle]
        if self.game.receptacle_openable[receptacle]:
            if not self._opened[receptacle]:
                return f"The {name} is closed."
            intro = f"The {name} is open. In it"
        else:
            intro = f"On the {name}"
        inside = _listed("a " + self.game.object_names[o] for o in self._contents[receptacle])
        return f"{intro}, you see {inside}."

    def _is_goal_met(self) -> bool:
        return is_met(self.game, self._contents, self._flags, self._held, self._location)


_HANDLERS: dict[str, Callable[[NativeWorld, str], str]] = {
    "clean": NativeWorld._clean,
    "close": NativeWorld._close,
    "cool": NativeWorld._cool,
    "examine": NativeWorld._examine,
    "go": NativeWorld._go,
    "heat": NativeWorld._heat,
    "help": NativeWorld._help,
    "inventory": NativeWorld._inventory,
    "look": NativeWorld._look,
    "move": NativeWorld._move,
    "open": NativeWorld._open,
    "slice": NativeWorld._slice,
    "take": NativeWorld._take,
    "use": NativeWorld._use,
}


def _listed(items: Iterable[str]) -> str:
    """`nothing`, `a mug 1`, `a mug 1, and a cup 1`, ... as upstream joins lists."""
    parts = list(items)
    if not parts:
        return "nothing"
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _room(receptacle_names: Iterable[str]) -> str:
    seen = _listed("a " + name for name in receptacle_names)
    return f"You are in the middle of a room. Looking quickly around you, you see {seen}."
