"""Plays a batch of episodes with the compact network and keeps what it decided.

One call of `Player.act` is one turn: ask the switch head where an option is still running, choose
subgoals where one begins, choose actions, and the words of actions that are composed of words. The
same code plays in training and in evaluation; it knows nothing about rewards, nor about what a
domain reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hiper_agents.compact.decisions import Decisions, Situation
from hiper_agents.compact.domain import DECISION_DRAWS, Domain, Moves, Subgoal
from hiper_agents.compact.network import Choices, CompactNetwork
from hiper_agents.compact.rows import BoolArray, FloatArray, IntArray, Rows
from hiper_agents.compact.slot import OptionRules, Slot
from hiper_envs.tags import render

__all__ = ["Decisions", "Instruction", "Player", "Situation", "Slot"]


class Instruction(NamedTuple):
    """What a demonstrator would do in one turn."""

    subgoal: Subgoal
    action: str


class Player:
    """Decides for batches of slots.

    Args:
        network: The policy and critic.
        domain: How episodes are read; of the sizes that the network was made for.
        rules: How options begin and end.
        with_expert: Whether the searching expert follows every episode; see `Slot`.
    """

    def __init__(
        self,
        network: CompactNetwork,
        domain: Domain[Any],
        rules: OptionRules | None = None,
        *,
        with_expert: bool = False,
    ) -> None:
        self.network = network
        self.domain = domain
        self.rules = rules or OptionRules()
        self.with_expert = with_expert

    @property
    def draws(self) -> int:
        """Random numbers that a turn takes: the domain's, and one for a strategy if there are."""
        return self.domain.sizes.draws + (self.network.strategist is not None)

    def open(self, info: Mapping[str, Any], observation: str) -> Slot:
        """Begins an episode.

        Raises:
            DomainError: If its task cannot be read.
        """
        return Slot(self.domain, info, observation, self.rules, with_expert=self.with_expert)

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
            draws: [B, draws] uniform random numbers in [0, 1) for the switch, the subgoal, the
                action, each word and the strategy; None to take the most likely ones.
            with_values: Whether to ask the critic too.
            script: B demonstrated turns to follow as far as they are permitted; what is recorded
                then is the network's view of them.

        Returns:
            B tagged texts for the environment, and the decisions.
        """
        before, begun, log_strategy = self._situation(slots, draws)
        boundary, asked, log_switch = self._switch(slots, before, draws, script)
        planned, subgoal_choice, log_subgoal = self._plan(slots, before, boundary, draws, script)
        after = self._with_subgoals(slots, before, boundary)
        executed, moves, action_choice, log_action = self._execute(
            slots, infos, after, draws, script
        )
        spelling = self._spell(slots, moves, action_choice, after, draws, script)
        np.add.at(log_action, np.flatnonzero(spelling.composed), spelling.log_words)
        decisions = Decisions(
            before=before,
            after=after,
            planned=planned,
            executed=executed,
            spelled=spelling.rows,
            boundary=boundary,
            asked=asked,
            begun=begun,
            subgoal_choice=subgoal_choice,
            action_choice=action_choice,
            composed=spelling.composed,
            word_choice=spelling.choice,
            log_strategy=log_strategy,
            log_switch=log_switch,
            log_subgoal=log_subgoal,
            log_action=log_action,
            values=self._values(before, after) if with_values else _no_values(len(slots)),
        )
        texts = [
            render(
                action,
                switch=bool(begins),
                subgoal=slot.subgoal.text if begins and slot.subgoal else None,
            )
            for slot, action, begins in zip(slots, spelling.actions, boundary, strict=True)
        ]
        return texts, decisions

    @torch.no_grad()
    def values(self, decisions: Decisions) -> FloatArray:
        """[B, 3] V_L, V_H, V_T of turns that were decided without asking the critic."""
        return self._values(decisions.before, decisions.after)

    @torch.no_grad()
    def log_strategies(self, slots: Sequence[Slot]) -> FloatArray:
        """[B, strategies] log-probabilities of the strategies for episodes that begin."""
        state, state_types, _ = self._bare_situation(slots).tensors()
        log_probs: FloatArray = self.network.devise(state, state_types).numpy()
        return log_probs

    def _bare_situation(self, slots: Sequence[Slot]) -> Situation:
        domain = self.domain
        return Situation(
            np.array([domain.encode_state(s.memory, s.running) for s in slots], np.float32),
            np.array([domain.state_types(s.memory) for s in slots], np.int64),
            np.array([s.code for s in slots], np.float32),
            np.array([s.types for s in slots], np.int64),
        )

    def _situation(
        self, slots: Sequence[Slot], draws: NDArray[np.float64] | None
    ) -> tuple[Situation, BoolArray, FloatArray]:
        """What is seen before the turn, strategies included; an episode that begins gets one."""
        situation = self._bare_situation(slots)
        begun, log_strategy = np.zeros(len(slots), np.bool_), np.zeros(len(slots), np.float32)
        if self.network.strategist is None:
            return situation, begun, log_strategy
        begun |= [slot.subgoal is None for slot in slots]
        if begun.any():
            fresh = [slot for slot, begins in zip(slots, begun, strict=True) if begins]
            own = None if draws is None else draws[begun, -1]
            log_strategy[begun] = self._devise(fresh, situation.take(begun), own)
        numbers = np.array([[slot.strategy] for slot in slots], np.int64)
        situation.state_types = np.concatenate([situation.state_types, numbers], 1)
        return situation, begun, log_strategy

    def _devise(
        self, slots: Sequence[Slot], situation: Situation, draws: NDArray[np.float64] | None
    ) -> FloatArray:
        """Chooses a strategy for episodes that have none; returns the log-probability of each."""
        state, state_types, _ = situation.tensors()
        log_probs = self.network.devise(state, state_types).numpy()
        for slot, drawn in zip(slots, _choose(log_probs, draws).tolist(), strict=True):
            if slot.strategy is None:
                slot.strategy = drawn
        chosen = np.array([slot.strategy for slot in slots], np.int64)
        log_strategy: FloatArray = log_probs[np.arange(len(slots)), chosen]
        return log_strategy

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
        asked = running & self.rules.asks_switch
        if script is not None:
            pairs = zip(slots, script, strict=True)
            wanted = np.array([slot.subgoal != instruction.subgoal for slot, instruction in pairs])
        else:
            wanted = (0.5 if draws is None else draws[:, 0]) < np.exp(log_on)
            wanted = wanted & asked
            for turn in np.flatnonzero(wanted).tolist():
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
        domain, turns = self.domain, np.flatnonzero(boundary).tolist()
        features: list[Sequence[float]] = []
        types: list[Sequence[int]] = []
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
            features += [domain.encode_candidate(slot.memory, running, s) for s in subgoals]
            types += [domain.subgoal_types(s) for s in subgoals]
            counts.append(len(subgoals))
            offered.append(subgoals)
        rows = Rows.stack(
            np.array(features, np.float32).reshape(len(features), domain.sizes.candidate),
            np.array(types, np.int64).reshape(len(types), domain.sizes.subgoal_types),
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
            slots[turn].begin(subgoals[chosen])
        return rows, choice, log_probs[np.arange(len(turns)), choice]

    def _with_subgoals(
        self, slots: Sequence[Slot], before: Situation, boundary: NDArray[np.bool_]
    ) -> Situation:
        """The situation after planning: only the boundary turns have changed."""
        subgoal, types = before.subgoal.copy(), before.subgoal_types.copy()
        for turn in np.flatnonzero(boundary).tolist():
            subgoal[turn], types[turn] = slots[turn].code, slots[turn].types
        return Situation(before.state, before.state_types, subgoal, types)

    def _execute(
        self,
        slots: Sequence[Slot],
        infos: Sequence[Mapping[str, Any]],
        after: Situation,
        draws: NDArray[np.float64] | None,
        script: Sequence[Instruction] | None,
    ) -> tuple[Rows, Sequence[Moves], IntArray, FloatArray]:
        memories = [slot.memory for slot in slots]
        rows, moves = self.domain.moves(memories, [slot.subgoal for slot in slots], infos)
        log_probs = self.network.execute(*after.tensors(), Choices.of(rows)).numpy()
        choice = _choose(log_probs, None if draws is None else draws[:, 2])
        for turn, instruction in enumerate(script or ()):
            commands = moves[turn].commands
            if instruction.action in commands:
                choice[turn] = commands.index(instruction.action)
            elif (
                self.domain.template in commands
                and self.domain.spell(slots[turn].memory, instruction.action) is not None
            ):
                choice[turn] = commands.index(self.domain.template)
        return rows, moves, choice, log_probs[np.arange(len(slots)), choice]

    def _spell(
        self,
        slots: Sequence[Slot],
        moves: Sequence[Moves],
        action_choice: IntArray,
        after: Situation,
        draws: NDArray[np.float64] | None,
        script: Sequence[Instruction] | None,
    ) -> _Spelling:
        """The words of the actions that are composed of words.

        Every word is drawn by itself. What is recorded is the draw; if it is empty, the action is
        made of the most likely word, so that the empty draw is one more way to say that word.
        """
        template, domain = self.domain.template, self.domain
        actions = [
            allowed.commands[choice] for allowed, choice in zip(moves, action_choice, strict=True)
        ]
        composed = np.array([bool(template) and action == template for action in actions])
        turns = np.flatnonzero(composed)
        if not len(turns):
            sizes = domain.sizes
            return _Spelling(
                actions,
                composed,
                Rows.empty(sizes.word, sizes.word_types),
                np.zeros(0, np.bool_),
                np.zeros(0, np.float32),
            )
        rows = domain.words([slots[turn].memory for turn in turns.tolist()])
        scores = self.network.spell(*after.take(turns).tensors(), Choices.of(rows))
        limits = (
            np.full(len(rows.owner), 0.5)
            if draws is None
            else draws[turns[rows.owner], DECISION_DRAWS + rows.position]
        )
        choice: BoolArray = limits < torch.sigmoid(scores).numpy()
        ends = np.cumsum(np.bincount(rows.owner, minlength=len(turns)))
        for turn, end, begin in zip(turns.tolist(), ends, [0, *ends[:-1]], strict=True):
            memory, drawn = slots[turn].memory, choice[begin:end]
            told = domain.spell(memory, script[turn].action) if script is not None else None
            if told is not None:
                drawn[:] = told
            if not drawn.any():
                drawn = np.arange(end - begin) == int(scores[begin:end].argmax())
            actions[turn] = domain.compose(memory, drawn)
        signed = torch.where(torch.from_numpy(choice), scores, -scores)
        log_words = np.zeros(len(turns), np.float32)
        np.add.at(log_words, rows.owner, torch.nn.functional.logsigmoid(signed).numpy())
        return _Spelling(actions, composed, rows, choice, log_words)

    def _values(self, before: Situation, after: Situation) -> FloatArray:
        state, state_types, running = before.tensors()
        carried = after.tensors()[2]
        values = (
            self.network.value_low(state, state_types, carried),
            self.network.value_high(state, state_types),
            self.network.value_switch(state, state_types, running),
        )
        return torch.stack(values, 1).numpy()


class _Spelling(NamedTuple):
    """The actions of B turns, c of them composed of words."""

    actions: list[str]
    composed: BoolArray
    """[B]"""
    rows: Rows
    choice: BoolArray
    """[rows]"""
    log_words: FloatArray
    """[c]"""


def _no_values(turns: int) -> FloatArray:
    return np.zeros((turns, 3), np.float32)


def _choose(log_probs: FloatArray, draws: NDArray[np.float64] | None) -> IntArray:
    """Per row the most likely column, or the one that a uniform number selects."""
    if draws is None:
        chosen: IntArray = log_probs.argmax(1)
    else:
        cumulative = np.exp(log_probs, dtype=np.float64).cumsum(1)
        chosen = (cumulative < draws[:, None] * cumulative[:, -1:]).sum(1)
    return chosen
