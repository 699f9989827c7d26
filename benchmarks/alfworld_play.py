"""Commands that exercise a text engine: random walks, heavy manipulation, walkthroughs.

A *transcript* is what one engine said to such a sequence; another engine is checked by giving it
the same commands. Commands are drawn from a seeded generator and from what the engine itself calls
admissible. The module knows nothing about which engine is playing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from hiper_envs.core import World, WorldState

__all__ = ["PHASES", "Turn", "observation_template", "play"]

PHASES = ("walkthrough", "random", "manipulation")

_MANIPULATIONS = ("take", "move", "slice", "heat", "cool", "clean", "use", "open", "close")
_WORKPLACES = ("microwave", "fridge", "sinkbasin", "countertop", "diningtable", "desk", "dresser")
_GO_TO_WORKPLACE = tuple(f"go to {place} " for place in _WORKPLACES)
_INVALID_SHARE = 0.25
_OBSERVING_SHARE = 0.2
_LEAVING_SHARE = 0.3
_NAME = re.compile(r"\b(?:a )?[a-z]+ \d+\b")
_NAMES = re.compile(r"X(?:(?:, and |, )X)+")
_TASK = re.compile(r"(?<=Your task is to: ).*", re.DOTALL)


class Turn(NamedTuple):
    """One exchange with an engine.

    Attributes:
        phase: One of :data:`PHASES`.
        command: What it was told; None for a reset.
        kind: ``reset``, ``admissible``, or the way in which the command was made invalid.
        state: What it answered.
    """

    phase: str
    command: str | None
    kind: str
    state: WorldState


def play(world: World, walkthrough: Sequence[str], seed: str, steps: int) -> Iterator[Turn]:
    """Plays all phases of one game, each from a fresh reset.

    Args:
        world: The engine.
        walkthrough: Commands that solve the game.
        seed: Seeds the choice of commands.
        steps: Commands in the random phase, and again in the manipulation phase. A game that ends
            before is reset.

    Yields:
        The turns, resets included.
    """
    rng = random.Random(seed)
    yield Turn("walkthrough", None, "reset", world.reset())
    for command in walkthrough:
        yield Turn("walkthrough", command, "admissible", world.step(command))
    for phase, choose in (("random", _random_command), ("manipulation", _manipulation)):
        state = world.reset()
        yield Turn(phase, None, "reset", state)
        seen: set[str] = set()
        for _ in range(steps):
            if state.terminated:
                state = world.reset()
                yield Turn(phase, None, "reset", state)
            seen.update(state.admissible_actions)
            kind, command = choose(rng, state.admissible_actions, seen)
            state = world.step(command)
            yield Turn(phase, command, kind, state)


def observation_template(observation: str) -> str:
    """The sentence pattern of an observation, with names replaced by X and lists by X*.

    Example:
        >>> observation_template("On the desk 1, you see a mug 2, a pen 1, and a cd 1.")
        'On the X, you see X*.'
    """
    return _NAMES.sub("X*", _NAME.sub("X", _TASK.sub("TASK", observation)))


def _random_command(
    rng: random.Random, admissible: Sequence[str], seen: set[str]
) -> tuple[str, str]:
    if rng.random() >= _INVALID_SHARE:
        return "admissible", rng.choice(admissible)
    kind = rng.choice(sorted(_INVALID))
    return kind, _INVALID[kind](rng, admissible, seen)


def _manipulation(rng: random.Random, admissible: Sequence[str], seen: set[str]) -> tuple[str, str]:
    """Prefers what changes objects; by verb, so that a full table does not drown the rest."""
    by_verb: dict[str, list[str]] = {}
    for command in admissible:
        by_verb.setdefault(command.partition(" ")[0], []).append(command)
    # Only a held object can be examined; other things that can be examined could be gone to.
    examine = by_verb.get("examine", [])
    held = [c for c in examine if c.replace("examine", "go to", 1) not in seen]
    # Where receptacles share a location, texts depend on more of the past: stay and look.
    is_shared = len(examine) - len(held) > 1
    if rng.random() < _OBSERVING_SHARE * (2 if is_shared else 1):
        return "admissible", rng.choice(rng.choice([g for g in (held, examine, ["look"]) if g]))
    verbs = [verb for verb in _MANIPULATIONS if verb in by_verb]
    destinations = by_verb.get("go", [])
    if verbs and (not destinations or rng.random() >= _LEAVING_SHARE / (3 if is_shared else 1)):
        return "admissible", rng.choice(by_verb[rng.choice(verbs)])
    workplaces = [command for command in destinations if command.startswith(_GO_TO_WORKPLACE)]
    if workplaces and rng.random() < (0.7 if held else 0.3):
        return "admissible", rng.choice(workplaces)
    return "admissible", rng.choice(destinations or list(admissible))


# Ways of being invalid. Some (outer whitespace) are forgiven by the benchmark: what counts is that
# both engines agree.


def _garbage(rng: random.Random, admissible: Sequence[str], seen: set[str]) -> str:
    fixed = (
        *("go to", "go", "take", "take  from ", "move to", "examine", "use {o}", "#intro#"),
        *("{o.name}", "%s", "look; look", "help me", "None", "x" * 3000, "\x00", "\\n"),
    )
    alphabet = "abcdefgho tkml0123456789 .,#{}[]|'\"\\"
    drawn = "".join(rng.choices(alphabet, k=rng.randint(1, 25)))
    return rng.choice(fixed) if rng.random() < 0.5 else drawn


def _truncated(rng: random.Random, admissible: Sequence[str], seen: set[str]) -> str:
    command = rng.choice(admissible)
    return rng.choice((command[:-1], command.rpartition(" ")[0], command + " 1", command + "."))


def _wrong_case(rng: random.Random, admissible: Sequence[str], seen: set[str]) -> str:
    command = rng.choice(admissible)
    return rng.choice((command.upper(), command.title(), command.capitalize()))


def _outer_whitespace(rng: random.Random, admissible: Sequence[str], seen: set[str]) -> str:
    space = rng.choice((" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\x0b", "\u200b"))
    return space + rng.choice(admissible) + rng.choice(("", space))


def _inner_whitespace(rng: random.Random, admissible: Sequence[str], seen: set[str]) -> str:
    return rng.choice(admissible).replace(" ", rng.choice(("  ", "\t", "", "\u00a0")), 1)


def _elsewhere(rng: random.Random, admissible: Sequence[str], seen: set[str]) -> str:
    others = sorted(seen.difference(admissible))
    return rng.choice(others) if others else "open fridge 1"


def _recombined(rng: random.Random, admissible: Sequence[str], seen: set[str]) -> str:
    names = sorted({name for command in seen for name in _NAME.findall(command)}) or ["mug 1"]
    first, second = rng.choice(names), rng.choice(names)
    return rng.choice(
        (
            f"take {first} from {second}",
            f"move {first} to {second}",
            f"put {first} in/on {second}",
            f"heat {first} with {second}",
            f"slice {first} with {second}",
            f"examine {first}",
            f"use {first}",
            f"go to {first.partition(' ')[0]} 99",
        )
    )


def _empty(rng: random.Random, admissible: Sequence[str], seen: set[str]) -> str:
    return rng.choice(("", " ", "\n", "\t \n"))


def _unicode(rng: random.Random, admissible: Sequence[str], seen: set[str]) -> str:
    foreign = ("étagère", "去 书桌 1", "🍎", "lo\u0301ok", _full_width("look"))
    marked = ("\u202elook", "\ufefflook")  # right-to-left override, byte order mark
    digits = "".join(_full_width(c) if c.isdigit() else c for c in rng.choice(admissible))
    return rng.choice((*foreign, *marked, digits))


def _full_width(text: str) -> str:
    """The same characters from the block that East Asian keyboards type."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


_INVALID: dict[str, Callable[[random.Random, Sequence[str], set[str]], str]] = {
    "garbage": _garbage,
    "truncated": _truncated,
    "wrong case": _wrong_case,
    "outer whitespace": _outer_whitespace,
    "inner whitespace": _inner_whitespace,
    "admissible elsewhere": _elsewhere,
    "recombined": _recombined,
    "empty": _empty,
    "unicode": _unicode,
}
