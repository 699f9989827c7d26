"""`NumericFeatures`: a text environment as arrays of fixed size, for trainers that read numbers.

It reads the texts as the compact agent does (`hiper_agents.compact.domain`): a memory of the
episode, numbers about its state, and one row of numbers for everything that can be chosen. The rows
are put into arrays with room for `max_actions` of them, beside a mask that says which there are. So
what the compact agent is given as a strong prior is given here too: see `docs/compact_agent.md`.
Nothing here knows a trainer or a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from hiper_agents.compact.domain import Memory, Running, domain_of, make_domain
from hiper_agents.integrations.option_actions import (
    ACTION_MASK,
    SUBGOAL_MASK,
    SWITCH_MASK,
    OptionActions,
)
from hiper_base.errors import HiperError
from hiper_envs.tags import render

__all__ = [
    "ACHIEVES",
    "CANDIDATES",
    "CANDIDATE_TYPES",
    "MOVES",
    "MOVE_TYPES",
    "STATE",
    "STATE_TYPES",
    "SUBGOAL",
    "SUBGOAL_TYPES",
    "NumericFeatures",
    "NumericFeaturesError",
    "Options",
]

Options = Literal["none", "reference", "learned"]

STATE, STATE_TYPES = "state", "state_types"
SUBGOAL, SUBGOAL_TYPES = "subgoal", "subgoal_types"
MOVES, MOVE_TYPES = "moves", "move_types"
CANDIDATES, CANDIDATE_TYPES = "candidates", "candidate_types"
"""Keys of an observation; see `NumericFeatures`."""

ACHIEVES = -1
"""Column of a row of `moves`: the action does what a subgoal names."""

EMPTY_SLOT = "no such action"
"""What is played where an action was chosen that is not there: like any other unknown text it
costs a turn."""

Observation = dict[str, NDArray[Any]]


class NumericFeaturesError(HiperError, ValueError):
    """An environment lacks what its features need."""


class NumericFeatures(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Shows a text environment of this package as arrays, and takes numbers for actions.

    An action is the place of an admissible action among those shown; `action_mask` says how many
    there are. Shown are the actions that serve some subgoal of the benchmark's vocabulary: those
    that do what it names first, then those that lead there. Actions that serve none (such as
    "look" or "inventory") are left out, and composed ones (a search) take all their words.
    `info["is_success"]` is what Stable-Baselines3 logs as the success rate.

    Where options come from is up to `options`:

    - "none": the agent knows no options. An episode is one, and every action shown can be chosen.
    - "reference": the oracle of `gym.make(..., reference=True)` says which subgoal to pursue. The
      observation shows it, and only actions that serve it are shown. The agent learns to carry it
      out.
    - "learned": the agent's own. The action becomes one of `OptionActions`: whether to begin an
      option, with which of the subgoals shown, and what to do. It ends when the subgoal is achieved
      or impossible (then KEEP is masked out), or when the agent switches. What the rows tell about
      a new subgoal (where the wanted things are) is there from the turn after.

    The observation is a Dict of vectors (n is max_actions, g max_subgoals; types are vocabulary
    numbers, rows follow each other: `moves.reshape(n, -1)`):

    - `state`, `state_types`: the episode.
    - `subgoal`, `subgoal_types`: the running option's, 0 for none. Not with "none".
    - `moves`, `move_types`: n rows, one for each action. Their last columns are the subgoal that it
      carries out, and whether it does what that names.
    - `action_mask` [n]; with "learned" [g + 1, n]: for each subgoal, and last for the running one.
    - `candidates`, `candidate_types`, `subgoal_mask` [g], `switch_mask` [2] with "learned": g rows,
      one for each subgoal that could be chosen.

    Args:
        env: A text environment, such as `gym.make("HiPER-ALFWorld-v0")`.
        options: Where options come from.
        max_actions: Places for actions. `info["actions_left_out"]` counts those without one.
        max_subgoals: Places for subgoals, with "learned".
        domain: How texts are read, one of `hiper_agents.compact.domain.DOMAINS`; by default the one
            of the environment's id.

    Raises:
        DomainError: If no domain reads the environment, or a task cannot be read.
        NumericFeaturesError: If `options` is something else, or "reference" is asked of an
            environment made without `reference=True`.

    Example:
        >>> import gymnasium as gym
        >>> import hiper_envs
        >>> env = NumericFeatures(gym.make("HiPER-ALFWorld-v0", split="generated"))
        >>> observation, info = env.reset(seed=0)
        >>> observation["moves"].reshape(64, -1).shape, env.action_space
        ((64, 29), Discrete(64))
        >>> bool(observation["action_mask"].any())
        True
    """

    def __init__(
        self,
        env: gym.Env[str, str],
        options: Options = "none",
        *,
        max_actions: int = 64,
        max_subgoals: int = 24,
        domain: str | None = None,
    ) -> None:
        RecordConstructorArgs.__init__(
            self, options=options, max_actions=max_actions, max_subgoals=max_subgoals, domain=domain
        )
        gym.Wrapper.__init__(self, env)
        if options not in get_args(Options):
            known = ", ".join(get_args(Options))
            raise NumericFeaturesError(f"unknown options {options!r}; known: {known}")
        spec = env.unwrapped.spec
        self.domain = make_domain(domain or domain_of(spec.id if spec else ""))
        self.options = options
        self.max_actions, self.max_subgoals = max_actions, max_subgoals
        self.action_space = (
            OptionActions(max_subgoals, max_actions)
            if options == "learned"
            else spaces.Discrete(max_actions)
        )
        self.observation_space = self._spaces = self._make_spaces()
        self._info: Mapping[str, Any] = {}
        self._memory: Memory
        self._running = _NO_OPTION
        self._choices: list[Any] = []
        self._commands: list[str] = []
        self._observation: Observation = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a task; arguments are those of the text environment."""
        text, info = self.env.reset(seed=seed, options=options)
        self._memory = self.domain.remember(info, text)
        self._running = _NO_OPTION
        return self._show(info), self._tell(info)

    def step(self, action: Any) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        """Play one turn."""
        switch, subgoal, place = action if self.options == "learned" else (0, 0, action)
        begins = self._begin(int(switch), int(subgoal))
        command = self._command(int(place))
        text, reward, terminated, truncated, info = self.env.step(self._spoken(command, begins))
        self._memory.observe(text, info)
        self._end_turn(info)
        return self._show(info), reward, terminated, truncated, self._tell(info)

    @property
    def commands(self) -> tuple[str, ...]:
        """The primitive actions shown now; an action is a place among them."""
        return tuple(self._commands)

    @property
    def subgoals(self) -> tuple[str, ...]:
        """With "learned" the subgoals shown now, in words."""
        return tuple(subgoal.text for subgoal in self._choices)

    def action_masks(self) -> NDArray[np.bool_]:
        """What can be chosen now, as sb3-contrib's `MaskablePPO` wants to know it.

        The parts of `OptionActions` one after the other; an action counts that any subgoal permits.
        """
        shown = self._observation
        if self.options != "learned":
            return shown[ACTION_MASK] > 0
        actions = shown[ACTION_MASK].max(axis=0)
        return np.concatenate([shown[SWITCH_MASK], shown[SUBGOAL_MASK], actions]) > 0

    def _make_spaces(self) -> spaces.Dict:
        sizes, n, g = self.domain.sizes, self.max_actions, self.max_subgoals
        types = {STATE_TYPES: sizes.state_types, MOVE_TYPES: n * sizes.move_types}
        shown: dict[str, spaces.Space[Any]] = {
            STATE: _numbers(sizes.state),
            MOVES: _numbers(n * (sizes.move + sizes.subgoal + 1)),
            ACTION_MASK: spaces.MultiBinary(n),
        }
        if self.options != "none":
            shown[SUBGOAL] = _numbers(sizes.subgoal)
            types[SUBGOAL_TYPES] = sizes.subgoal_types
        if self.options == "learned":
            shown[CANDIDATES] = _numbers(g * sizes.candidate)
            shown[ACTION_MASK] = spaces.MultiBinary([g + 1, n])
            shown[SUBGOAL_MASK] = spaces.MultiBinary(g)
            shown[SWITCH_MASK] = spaces.MultiBinary(2)
            types[CANDIDATE_TYPES] = g * sizes.subgoal_types
        for key, count in types.items():
            if count:
                shown[key] = spaces.MultiDiscrete([sizes.vocabulary] * count)
        return spaces.Dict(shown)

    # One turn: an option begins or goes on, an action is played, the option may end.

    def _begin(self, switch: int, choice: int) -> bool:
        """Begins an option if the turn does; returns whether it does."""
        if self.options == "reference":
            return self._running.age == 0
        if self.options == "none" or not self._choices:
            return False
        if not switch and self._running.outcome == "running":
            return False
        # An agent that obeys no mask may choose a subgoal that is not there.
        subgoal = self._choices[choice if choice < len(self._choices) else 0]
        self._start(subgoal)
        return True

    def _start(self, subgoal: Any) -> None:
        self._running = Running(subgoal, 0, "running")
        self._memory.want(subgoal)

    def _command(self, place: int) -> str:
        command = self._commands[place] if place < len(self._commands) else EMPTY_SLOT
        if command != self.domain.template:
            return command
        words = len(self.domain.words([self._memory]).owner)
        return self.domain.compose(self._memory, np.ones(words, np.bool_))

    def _spoken(self, command: str, begins: bool) -> str:
        """The turn in the words of the environment."""
        if not begins or self._running.subgoal is None:
            return command
        return render(command, switch=True, subgoal=self._running.subgoal.text)

    def _end_turn(self, info: Mapping[str, Any]) -> None:
        subgoal, age, outcome = self._running
        if self.options == "learned" and subgoal is not None:
            if info["action_valid"] and self._memory.is_achieved(subgoal, info["action"]):
                outcome = "achieved"
            elif self._memory.is_impossible(subgoal):
                outcome = "impossible"
        self._running = Running(subgoal, age + 1, outcome)

    # What is shown of the state.

    def _show(self, info: Mapping[str, Any]) -> Observation:
        """The observation, and what its numbers stand for."""
        self._info = info
        if self.options == "reference":
            self._follow(info)
        memory, running, domain = self._memory, self._running, self.domain
        is_running = running.outcome == "running"
        candidates = domain.candidates(memory)
        if self.options == "learned":
            candidates = [c for c in candidates if not is_running or c != running.subgoal]
            self._choices = candidates = candidates[: self.max_subgoals]
        shown: Observation = {STATE: np.array(domain.encode_state(memory, running), np.float32)}
        self._put_types(shown, STATE_TYPES, [domain.state_types(memory)])
        if self.options != "none":
            shown[SUBGOAL] = np.array(domain.encode_subgoal(memory, running.subgoal), np.float32)
            self._put_types(shown, SUBGOAL_TYPES, [domain.subgoal_types(running.subgoal)])
        served = [running.subgoal] if is_running and running.subgoal is not None else []
        if self.options != "reference" or not served:
            served = [*candidates, *served]
        permitted = self._show_moves(shown, served)
        if self.options == "learned":
            self._show_choices(shown, permitted, is_running)
        else:
            shown[ACTION_MASK] = np.asarray(permitted.any(axis=0), np.int8)
        self._observation = shown
        return shown

    def _follow(self, info: Mapping[str, Any]) -> None:
        """Takes the oracle's subgoal where the oracle begins one."""
        if "reference_boundary" not in info:
            raise NumericFeaturesError(
                'options="reference" needs an environment made with reference=True'
            )
        if info["reference_boundary"] or self._running.subgoal is None:
            self._start(self.domain.parse_subgoal(info["reference_subgoal"]))

    def _show_moves(self, shown: Observation, served: Sequence[Any]) -> NDArray[np.bool_]:
        """Shows what serves any of the subgoals; returns which serve which, [served, n]."""
        domain, memory, turns = self.domain, self._memory, len(served)
        rows, moves = domain.moves([memory] * turns, served, [self._info] * turns)
        achieves = rows.features[:, domain.sizes.achieves] > 0.0
        commands = [command for allowed in moves for command in allowed.commands]
        # A command that serves several subgoals is shown once, with its most telling row.
        row_of: dict[str, int] = {}
        for row in (*np.flatnonzero(achieves).tolist(), *np.flatnonzero(~achieves).tolist()):
            row_of.setdefault(commands[row], row)
        self._commands = list(row_of)[: self.max_actions]
        self._left_out = len(row_of) - len(self._commands)

        chosen = np.array([row_of[command] for command in self._commands], np.int64)
        size = rows.features.shape[1]
        array = np.zeros((self.max_actions, size + domain.sizes.subgoal + 1), np.float32)
        array[: len(chosen), :size] = rows.features[chosen]
        array[: len(chosen), ACHIEVES] = achieves[chosen]
        for place in np.flatnonzero(achieves[chosen]).tolist():
            subgoal = served[rows.owner[chosen[place]]]
            array[place, size:ACHIEVES] = domain.encode_subgoal(memory, subgoal)
        shown[MOVES] = array.ravel()
        self._put_types(shown, MOVE_TYPES, rows.types[chosen])

        place_of = {command: place for place, command in enumerate(self._commands)}
        permitted = np.zeros((turns, self.max_actions), np.bool_)
        for row, command in enumerate(commands):
            if command in place_of:
                permitted[rows.owner[row], place_of[command]] = True
        return permitted

    def _show_choices(
        self, shown: Observation, permitted: NDArray[np.bool_], is_running: bool
    ) -> None:
        """Shows the subgoals that could be chosen, and what can be done under each."""
        domain, count = self.domain, len(self._choices)
        array = np.zeros((self.max_subgoals, domain.sizes.candidate), np.float32)
        for place, subgoal in enumerate(self._choices):
            array[place] = domain.encode_candidate(self._memory, self._running, subgoal)
        shown[CANDIDATES] = array.ravel()
        types = [domain.subgoal_types(subgoal) for subgoal in self._choices]
        self._put_types(shown, CANDIDATE_TYPES, types)
        shown[SUBGOAL_MASK] = (np.arange(self.max_subgoals) < count).astype(np.int8)
        shown[SWITCH_MASK] = np.array([is_running, count > 0], np.int8)
        shown[ACTION_MASK] = np.zeros((self.max_subgoals + 1, self.max_actions), np.int8)
        shown[ACTION_MASK][:count] = permitted[:count]
        if is_running:
            shown[ACTION_MASK][-1] = permitted[-1]

    def _put_types(self, shown: Observation, key: str, types: Any) -> None:
        """Shows type numbers, filled up with 0, under a key that the observation has."""
        space = self._spaces.get(key)
        if isinstance(space, spaces.MultiDiscrete):
            numbers = np.asarray(types, np.int64).ravel()
            shown[key] = np.pad(numbers, (0, len(space.nvec) - len(numbers)))

    def _tell(self, info: dict[str, Any]) -> dict[str, Any]:
        return {**info, "is_success": info["won"], "actions_left_out": self._left_out}


_NO_OPTION = Running(None, 0, "none")


def _numbers(size: int) -> spaces.Box:
    return spaces.Box(-np.inf, np.inf, (size,), np.float32)
