"""Plays a batch of episodes with the compact network and keeps what it decided.

One call of `Player.act` is one turn: ask the switch head where an option is still running, choose
subgoals where one begins, choose actions. The same code plays in training and in evaluation; it
knows nothing about rewards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hiper_agents.compact import encoding
from hiper_agents.compact.encoding import FloatArray, IntArray, Rows, Running
from hiper_agents.compact.memory import Memory
from hiper_agents.compact.network import Choices, CompactNetwork
from hiper_agents.compact.network import Subgoal as EncodedSubgoal
from hiper_agents.compact.options import Permitted, candidates, permitted
from hiper_agents.compact.vocabulary import Vocabulary
from hiper_envs.alfworld.subgoals import Subgoal
from hiper_envs.tags import render


@dataclass
class Situation:
    """What the network sees of B episodes before one of its decisions."""

    state: FloatArray
    """[B, STATE_SIZE]"""
    state_types: IntArray
    """[B, 4]"""
    subgoal: FloatArray
    """[B, SUBGOAL_SIZE]"""
    subgoal_types: IntArray
    """[B, 2]"""

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, EncodedSubgoal]:
        """The arguments of the network's methods."""
        subgoal = EncodedSubgoal(
            torch.from_numpy(self.subgoal), torch.from_numpy(self.subgoal_types)
        )
        return torch.from_numpy(self.state), torch.from_numpy(self.state_types), subgoal

    @classmethod
    def concatenate(cls, parts: Sequence[Situation]) -> Situation:
        """Puts batches one after the other."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])))

    def take(self, turns: NDArray[Any]) -> Situation:
        """The same for some of the turns."""
        return Situation(*(array[turns] for array in vars(self).values()))


@dataclass
class Decisions:
    """Everything that was decided in one turn of B episodes, or in many turns put together.

    Where no option was running, or there was nothing to switch to, the switch head was not asked.
    Rows of `planned` belong to the boundary turns in order: their owners count boundaries.
    """

    before: Situation
    """Before the turn, with the subgoal that was running."""
    after: Situation
    """With the subgoal that is carried out."""
    planned: Rows
    executed: Rows
    boundary: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    """[B] The switch head decided."""
    subgoal_choice: IntArray
    """[boundaries] chosen row of `planned`, counted within its turn."""
    action_choice: IntArray
    """[B] chosen row of `executed`, counted within its turn."""
    log_switch: FloatArray
    """[B] log-probability of the switch decision, 0 where there was none."""
    log_subgoal: FloatArray
    """[boundaries]"""
    log_action: FloatArray
    """[B]"""
    values: FloatArray
    """[B, 3] V_L, V_H, V_T."""

    @classmethod
    def concatenate(cls, parts: Sequence[Decisions]) -> Decisions:
        """Puts the turns of several calls one after the other."""
        turns = [len(part.boundary) for part in parts]
        boundaries = [len(part.subgoal_choice) for part in parts]
        joined: dict[str, Any] = {}
        for name in vars(parts[0]):
            values = [getattr(part, name) for part in parts]
            if name == "planned":
                joined[name] = Rows.concatenate(values, boundaries)
            elif name == "executed":
                joined[name] = Rows.concatenate(values, turns)
            elif name in ("before", "after"):
                joined[name] = Situation.concatenate(values)
            else:
                joined[name] = np.concatenate(values)
        return cls(**joined)


class Instruction(NamedTuple):
    """What a demonstrator would do in one turn."""

    subgoal: Subgoal
    action: str


class Slot:
    """One episode being played."""

    __slots__ = ("age", "code", "memory", "outcome", "subgoal", "types")

    def __init__(self, task: str, observation: str) -> None:
        self.memory = Memory(task, observation)
        self.subgoal: Subgoal | None = None
        self.age = 0
        self.outcome = "none"
        # The subgoal as the network reads it.
        self.code = [0.0] * encoding.SUBGOAL_SIZE
        self.types = [0, 0]

    def begin(self, subgoal: Subgoal, vocabulary: Vocabulary) -> None:
        """Begins an option."""
        self.subgoal, self.age, self.outcome = subgoal, 0, "running"
        self.code = encoding.encode_subgoal(self.memory, subgoal)
        self.types = encoding.subgoal_types(vocabulary, subgoal)
        self.memory.want(subgoal)

    def observe(self, observation: str, info: Mapping[str, Any]) -> None:
        """Takes in what the last action led to and ends the option if there is reason to."""
        self.memory.observe(observation, info["admissible_actions"])
        self.age += 1
        assert self.subgoal is not None
        if info["action_valid"] and self.subgoal.achieved_by(info["action"]):
            self.outcome = "achieved"
        elif self.memory.is_impossible(self.subgoal):
            self.outcome = "impossible"

    def choices(self) -> list[Subgoal]:
        """The subgoals that a new option can have.

        To switch means to want something else: going on with the same subgoal is KEEP. So there may
        be none while an option is running.
        """
        return [
            subgoal
            for subgoal in candidates(self.memory)
            if self.outcome != "running" or subgoal != self.subgoal
        ]

    @property
    def running(self) -> Running:
        """The option as the network is told about it."""
        return Running(self.subgoal, self.age, self.outcome)


class Player:
    """Decides for batches of slots.

    Args:
        network: The policy and critic.
        vocabulary: The type words that it knows.
    """

    def __init__(self, network: CompactNetwork, vocabulary: Vocabulary) -> None:
        self.network = network
        self.vocabulary = vocabulary

    @torch.no_grad()
    def act(
        self,
        slots: Sequence[Slot],
        infos: Sequence[Mapping[str, Any]],
        draws: NDArray[np.float64] | None,
        *,
        with_values: bool = False,
        script: Sequence[Instruction] | None = None,
    ) -> tuple[list[str], Decisions]:
        """Plays one turn.

        Args:
            slots: B episodes, up to date with their last observation.
            infos: Their last infos.
            draws: [B, 3] uniform random numbers in [0, 1) for the switch, the subgoal and the
                action; None to take the most likely ones.
            with_values: Whether to ask the critic too.
            script: B demonstrated turns to follow as far as they are permitted; what is recorded
                then is the network's view of them.

        Returns:
            B tagged texts for the environment, and the decisions.
        """
        before = self._situation(slots)
        boundary, asked, log_switch = self._switch(slots, before, draws, script)
        planned, subgoal_choice, log_subgoal = self._plan(slots, before, boundary, draws, script)
        after = self._with_subgoals(slots, before, boundary)
        executed, moves = self._moves(slots, infos)
        log_probs = self.network.execute(*after.tensors(), Choices.of(executed)).numpy()
        action_choice = _choose(log_probs, None if draws is None else draws[:, 2])
        for turn, instruction in enumerate(script or ()):
            if instruction.action in moves[turn].commands:
                action_choice[turn] = moves[turn].commands.index(instruction.action)
        log_action = log_probs[np.arange(len(slots)), action_choice]
        decisions = Decisions(
            before=before,
            after=after,
            planned=planned,
            executed=executed,
            boundary=boundary,
            asked=asked,
            subgoal_choice=subgoal_choice,
            action_choice=action_choice,
            log_switch=log_switch,
            log_subgoal=log_subgoal,
            log_action=log_action,
            values=self._values(before, after) if with_values else np.zeros((0, 3), np.float32),
        )
        texts = [
            render(
                allowed.commands[choice],
                switch=bool(begins),
                subgoal=slot.subgoal.text if begins and slot.subgoal else None,
            )
            for slot, allowed, choice, begins in zip(
                slots, moves, action_choice, boundary, strict=True
            )
        ]
        return texts, decisions

    def _situation(self, slots: Sequence[Slot]) -> Situation:
        vocabulary = self.vocabulary
        return Situation(
            np.array([encoding.encode_state(s.memory, s.running) for s in slots], np.float32),
            np.array([encoding.state_types(vocabulary, s.memory) for s in slots], np.int64),
            np.array([s.code for s in slots], np.float32),
            np.array([s.types for s in slots], np.int64),
        )

    def _switch(
        self,
        slots: Sequence[Slot],
        before: Situation,
        draws: NDArray[np.float64] | None,
        script: Sequence[Instruction] | None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], FloatArray]:
        logits = self.network.switch_logits(*before.tensors())
        log_on = torch.nn.functional.logsigmoid(logits).numpy()
        log_off = torch.nn.functional.logsigmoid(-logits).numpy()
        running = np.array([slot.outcome == "running" for slot in slots])
        asked = running.copy()
        if script is not None:
            pairs = zip(slots, script, strict=True)
            wanted = np.array([slot.subgoal != instruction.subgoal for slot, instruction in pairs])
        else:
            wanted = (0.5 if draws is None else draws[:, 0]) < np.exp(log_on)
            for turn in np.flatnonzero(wanted & running).tolist():
                wanted[turn] = asked[turn] = bool(slots[turn].choices())
        boundary = ~running | wanted
        log_switch = np.where(asked, np.where(boundary, log_on, log_off), 0.0)
        return boundary, asked, log_switch.astype(np.float32)

    def _plan(
        self,
        slots: Sequence[Slot],
        before: Situation,
        boundary: NDArray[np.bool_],
        draws: NDArray[np.float64] | None,
        script: Sequence[Instruction] | None,
    ) -> tuple[Rows, IntArray, FloatArray]:
        turns = np.flatnonzero(boundary).tolist()
        features: list[list[float]] = []
        types: list[list[int]] = []
        counts: list[int] = []
        offered: list[list[Subgoal]] = []
        for turn in turns:
            slot = slots[turn]
            subgoals = slot.choices()
            if slot.outcome == "running":
                slot.outcome = "dropped"
            if script is not None and script[turn].subgoal not in subgoals:
                subgoals.append(script[turn].subgoal)
            running = slot.running
            features += [encoding.encode_candidate(slot.memory, running, s) for s in subgoals]
            types += [encoding.subgoal_types(self.vocabulary, s) for s in subgoals]
            counts.append(len(subgoals))
            offered.append(subgoals)
        width = encoding.SUBGOAL_SIZE + encoding.CANDIDATE_SIZE
        rows = Rows.stack(
            np.array(features, np.float32).reshape(-1, width),
            np.array(types, np.int64).reshape(-1, 2),
            counts,
        )
        if not turns:
            return rows, np.zeros(0, np.int64), np.zeros(0, np.float32)
        state, state_types, _ = before.take(np.array(turns)).tensors()
        log_probs = self.network.plan(state, state_types, Choices.of(rows)).numpy()
        choice = _choose(log_probs, None if draws is None else draws[turns, 1])
        if script is not None:
            pairs = zip(turns, offered, strict=True)
            choice = np.array([subgoals.index(script[turn].subgoal) for turn, subgoals in pairs])
        for turn, subgoals, chosen in zip(turns, offered, choice, strict=True):
            slots[turn].begin(subgoals[chosen], self.vocabulary)
        return rows, choice, log_probs[np.arange(len(turns)), choice]

    def _with_subgoals(
        self, slots: Sequence[Slot], before: Situation, boundary: NDArray[np.bool_]
    ) -> Situation:
        """The situation after planning: only the boundary turns have changed."""
        subgoal, types = before.subgoal.copy(), before.subgoal_types.copy()
        for turn in np.flatnonzero(boundary).tolist():
            subgoal[turn], types[turn] = slots[turn].code, slots[turn].types
        return Situation(before.state, before.state_types, subgoal, types)

    def _moves(
        self, slots: Sequence[Slot], infos: Sequence[Mapping[str, Any]]
    ) -> tuple[Rows, list[Permitted]]:
        moves = []
        for slot, info in zip(slots, infos, strict=True):
            assert slot.subgoal is not None
            moves.append(permitted(slot.memory, slot.subgoal, info["admissible_actions"]))
        memories = [slot.memory for slot in slots]
        return encoding.encode_moves(memories, self.vocabulary, moves), moves

    def _values(self, before: Situation, after: Situation) -> FloatArray:
        state, state_types, running = before.tensors()
        carried = after.tensors()[2]
        values = (
            self.network.value_low(state, state_types, carried),
            self.network.value_high(state, state_types),
            self.network.value_switch(state, state_types, running),
        )
        return torch.stack(values, 1).numpy()


def _choose(log_probs: FloatArray, draws: NDArray[np.float64] | None) -> IntArray:
    """Per row the most likely column, or the one that a uniform number selects."""
    if draws is None:
        chosen: IntArray = log_probs.argmax(1)
    else:
        cumulative = np.exp(log_probs, dtype=np.float64).cumsum(1)
        chosen = (cumulative < draws[:, None] * cumulative[:, -1:]).sum(1)
    return chosen
