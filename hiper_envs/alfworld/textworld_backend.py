"""The upstream ALFWorld engine (TextWorld's PDDL environment) behind the ``World`` protocol.

It is the reference that the native engine is compared with: about a thousand times slower, and it
evaluates expressions from the game file with Python's ``eval``. So a game is handed to it only if
its domain and grammar are byte for byte the published ones (or those of this package's generator),
the task sentence is plain words, and the problem has no character that the grammar gives a meaning.
The module knows nothing of splits, options or step limits, and imports TextWorld only when a world
is made.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
import weakref
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hiper_base.errors import GameFormatError, MissingDependencyError
from hiper_envs.alfworld.chain_progress import Scene
from hiper_envs.alfworld.game import check_format
from hiper_envs.alfworld.subgoals import type_of
from hiper_envs.core import WorldState

__all__ = [
    "TRUSTED_DOMAINS",
    "TRUSTED_GRAMMARS",
    "TextWorldWorld",
    "logic_hashes",
    "verify_trusted",
]

TRUSTED_DOMAINS = frozenset({"0af55e7f92d12b09d28515aa730e4d03fddd17228ef1fd7b18a3ee8ba49b27b9"})
"""SHA-256 of the PDDL domain of ALFWorld 0.4.2 (``json_2.1.3_tw-pddl.zip``)."""

TRUSTED_GRAMMARS = frozenset({"10da93e13b58e1a6039723f5d4a59ceae7c60772515bfab9fc603bafa7f8ee06"})
"""SHA-256 of the grammar of ALFWorld 0.4.2 with the task sentence taken out."""

_TASK_SENTENCE = re.compile(r'(?<="Your task is to: )[^"]*(?=")')
_PLAIN_WORDS = re.compile(r"[A-Za-z0-9 ,.]+")
_PLAIN_PDDL = re.compile(r"[A-Za-z0-9_\-?:=()\s]+")
_TRANSFORM_OF_PREDICATE = {"isclean": "clean", "ishot": "heat", "iscool": "cool"}
_MAX_SYMBOL_LENGTH = 128  # the solver library copies names into buffers of 1,024 bytes

_idle_engines: list[Any] = []  # engines whose world is gone, see `_borrow_engine`


def logic_hashes(data: Mapping[str, Any]) -> tuple[str, str]:
    """SHA-256 of a game's domain, and of its grammar without the task sentence."""
    texts = data["pddl_domain"], _TASK_SENTENCE.sub("", data["grammar"])
    domain, grammar = (hashlib.sha256(text.encode()).hexdigest() for text in texts)
    return domain, grammar


def verify_trusted(data: Mapping[str, Any]) -> None:
    """Refuses a game whose text could make TextWorld execute anything but the published grammar.

    Args:
        data: A decoded ``game.tw-pddl`` file.

    Raises:
        GameFormatError: Domain, grammar, task sentence or problem is not of the known form.
    """
    sentence = check_format(data, "game")
    if not _PLAIN_WORDS.fullmatch(sentence):
        raise GameFormatError(f"task sentence is not plain words: {sentence!r}")
    problem = data["pddl_problem"]
    if not _PLAIN_PDDL.fullmatch(problem):
        raise GameFormatError("pddl_problem: holds a character that is not plain PDDL")
    if any(len(symbol) > _MAX_SYMBOL_LENGTH for symbol in problem.split()):
        raise GameFormatError(f"pddl_problem: a symbol has over {_MAX_SYMBOL_LENGTH} characters")
    # Exact, where `check_format` forgives white space: the reference must not be altered at all.
    domain, grammar = logic_hashes(data)
    is_upstream = domain in TRUSTED_DOMAINS and grammar in TRUSTED_GRAMMARS
    if not is_upstream and (domain, grammar) != _generated_logic():
        raise GameFormatError(
            "domain or grammar differs in white space from the published one; TextWorld would "
            "evaluate it as code. The native backend reads the game without evaluating anything"
        )


class TextWorldWorld:
    """One ALFWorld game played by TextWorld itself.

    Use it to check the native engine or to reproduce results of the upstream stack; each world
    costs about 1.4 s to make and reset, and 50 ms a step.

    Args:
        data: A decoded ``game.tw-pddl`` file.

    Raises:
        GameFormatError: The game is not trusted, see :func:`verify_trusted`, or not playable.
        MissingDependencyError: ``textworld`` or ``alfworld`` is not installed.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        verify_trusted(data)
        self._engine = _borrow_engine()
        self._state: Any = None
        weakref.finalize(self, _idle_engines.append, self._engine).atexit = False
        try:
            with _command_line_kept():
                self._engine.load(dict(data))
        except (Exception, SystemExit) as error:  # the PDDL parser exits where others raise
            raise GameFormatError(f"TextWorld cannot load the game: {error!r}") from error

    def reset(self) -> WorldState:
        """Goes back to the first state of the game."""
        with _command_line_kept():
            self._state = self._engine.reset()
        return _world_state(self._state, reward=0.0, terminated=False)

    def step(self, action: str) -> WorldState:
        """Executes one command; an inadmissible one gives "Nothing happens."."""
        self._state, reward, done = self._engine.step(action)
        return _world_state(self._state, reward=float(reward), terminated=bool(done))

    def scene(self, types: Collection[str]) -> Scene:
        """Where the objects of these types are and what was done to them, by TextWorld's facts.

        Needs a `reset` before.
        """
        names = {word: info.name for word, info in self._state["_entity_infos"].items()}
        facts: dict[str, list[Any]] = {}
        for fact in self._state["_facts"]:
            words = tuple(names[variable.name] for variable in fact.arguments)
            facts.setdefault(fact.name, []).append(words)
        where = dict(facts.get("inreceptacle", ()))
        done: dict[str, list[str]] = {}
        for predicate, transform in _TRANSFORM_OF_PREDICATE.items():
            for (thing,) in facts.get(predicate, ()):
                if type_of(thing) in types:
                    done.setdefault(thing, []).append(transform)
        ((_, here),) = facts["atlocation"]
        nearby = {place for place, location in facts["receptacleatlocation"] if location == here}
        lit = {type_of(lamp) for (lamp,) in facts.get("istoggled", ()) if where[lamp] in nearby}
        return Scene(
            {thing: place for thing, place in where.items() if type_of(thing) in types},
            done,
            next((thing for _, thing in facts.get("holds", ())), ""),
            lit,
        )


def _world_state(state: Any, reward: float, terminated: bool) -> WorldState:
    won = bool(state["won"])
    return WorldState(
        observation=state.feedback,
        admissible_actions=tuple(state["admissible_commands"]),
        reward=reward,
        terminated=terminated,
        won=won,
        score=float(won),
    )


def _borrow_engine() -> Any:
    """An idle engine, or a new one.

    Every engine loads its own copy of the solver library (33 MB), which cannot be unloaded safely,
    so the engine of a world that is gone serves a later one: ``load`` replaces all of its state.
    """
    return _idle_engines.pop() if _idle_engines else _make_engine()


def _make_engine() -> Any:
    if sys.version_info >= (3, 13):
        raise MissingDependencyError(
            "TextWorld 1.7 updates locals() before eval, which has no effect from Python 3.13 on. "
            'Use Python 3.10 to 3.12 with pip install "hiper-gym[alfworld]", or backend="native"'
        )
    data_folder = os.environ.get("ALFWORLD_DATA")
    try:
        import textworld
        from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
        from textworld.envs.pddl import PddlEnv
    except ImportError as error:
        raise MissingDependencyError(
            'the textworld backend needs TextWorld: pip install "hiper-gym[alfworld]"'
        ) from error
    finally:
        # alfworld sets the variable when it is imported, and games would be looked for there.
        if data_folder is None:
            os.environ.pop("ALFWORLD_DATA", None)
    infos = textworld.EnvInfos(won=True, admissible_commands=True)
    return AlfredDemangler(PddlEnv(infos), shuffle=False)


@contextmanager
def _command_line_kept() -> Iterator[None]:
    """Undoes the translator's habit of overwriting ``sys.argv``."""
    argv = sys.argv
    try:
        yield
    finally:
        sys.argv = argv


@functools.cache
def _generated_logic() -> tuple[str, str]:
    """Hashes of the domain and grammar that this package's own generator writes."""
    from hiper_envs.alfworld.generator import generate_game

    return logic_hashes(generate_game(0))
