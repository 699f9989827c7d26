"""What the study is made of: cells, the plan that they share, and where each is kept.

A cell is one training run: an estimator with a seed in a setting of the environment, whole or with
one part taken away. It is a run folder of `hiper train`, so that whatever reads those reads these.
This module trains nothing; it needs torch only to make a cell's settings.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hiper_base.errors import HiperError

if TYPE_CHECKING:
    from hiper_agents.training.run import TrainConfig

__all__ = ["ABLATIONS", "Ablation", "Cell", "Panel", "Plan", "StudyError", "cells_of", "changed"]

Settings = Mapping[str, Any]
"""Settings of an environment or of a run, by name; JSON-able."""

_Config = TypeVar("_Config")

TUNING = "tuning"
STUDY = "study"


class StudyError(HiperError):
    """A study cannot be made, gone on with, or put together as it was asked for."""


@dataclass(frozen=True)
class Ablation:
    """HAE, or another estimator, with one part of the agent changed.

    Attributes:
        title: What it says in tables.
        changes: Fields of `TrainConfig` that differ.
        estimators: Whom it is done to.
    """

    title: str
    changes: Settings
    estimators: tuple[str, ...] = ("hae",)


_BOTH = ("hae", "gae")

ABLATIONS: Mapping[str, Ablation] = {
    "no-hierarchy": Ablation("no options", {"options": "none"}, _BOTH),
    "fixed-options": Ablation("options of a fixed length", {"options": "fixed"}, _BOTH),
    "oracle-subgoals": Ablation("subgoals of the oracle", {"options": "oracle"}, _BOTH),
    "no-switch-head": Ablation("no switch head", {"switch_head": False}),
    "no-boundary-bootstrap": Ablation(
        "no bootstrap at boundaries", {"estimator_settings": {"boundary_bootstrap": False}}
    ),
    # 0.3 a turn at the paper's success reward of 10 (arXiv 2602.16165); success is worth 1 here.
    "keep-penalty": Ablation("KEEP costs 0.03 a turn", {"keep_penalty": 0.03}),
}


@dataclass(frozen=True)
class Panel:
    """The tasks on which cells are evaluated, the same for all.

    Attributes:
        split: Which tasks.
        tasks: How many of them; None for all.
        seed: Draws them, where they are fewer than there are, and the sampled play.
    """

    split: str
    tasks: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """What all cells of one setting have in common.

    Attributes:
        env: Gymnasium id of the environment.
        env_options: Its arguments besides the split and the step limit.
        turns: Budget of a run, in turns.
        marks: Evaluations on the way to it, at equal distances, besides the one before training.
        split: Tasks to train on.
        panel: Tasks to evaluate on.
        max_turns: Step limit of an episode, in training and in evaluation.
        train_options: Fields of `TrainConfig` that differ from those that suit the environment.
    """

    env: str
    env_options: Settings
    turns: int
    marks: int
    split: str
    panel: Panel
    max_turns: int = 50
    train_options: Settings = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.turns < 1 or self.marks < 1:
            raise StudyError(f"nothing to do with {self.turns} turns and {self.marks} marks")

    @property
    def setting(self) -> str:
        """The setting of the environment in one line."""
        return setting_name(self.env_options)

    def due(self, evaluated: int) -> float:
        """Turns after which the next evaluation is due, when so many have been made."""
        return self.turns * min(evaluated, self.marks) / self.marks


@dataclass(frozen=True)
class Cell:
    """One run of the study.

    Attributes:
        plan: What it shares with others.
        estimator: Registered name of the estimator.
        seed: Of everything random in the run.
        ablation: Name in `ABLATIONS`, or "" for the whole agent.
        tuned: Fields of `TrainConfig` that were chosen for this estimator.
        purpose: "study", or "tuning" for a run that only helps to choose settings.
    """

    plan: Plan
    estimator: str
    seed: int
    ablation: str = ""
    tuned: Settings = field(default_factory=dict)
    purpose: str = STUDY

    @property
    def variant(self) -> str:
        """Estimator and ablation in one word."""
        return f"{self.estimator}+{self.ablation}" if self.ablation else self.estimator

    @property
    def name(self) -> str:
        """What messages call it."""
        parts = [self.variant, f"seed {self.seed}"]
        if self.purpose == TUNING:
            parts.append("tuning " + setting_name(flat(self.tuned)))
        return ", ".join([*parts, self.plan.setting] if self.plan.env_options else parts)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that says which run this is, JSON-able."""
        identity: dict[str, Any] = json_able(asdict(self))
        return identity

    def folder(self, root: Path) -> Path:
        """Where its run folder lies under the folder of all studies."""
        parts = [self.plan.setting, self.variant]
        if self.purpose == TUNING:
            parts = [TUNING, *parts, setting_name(flat(self.tuned))]
        parts.insert(0, self.plan.env)
        return root.joinpath(*map(_file_name, parts), f"seed-{self.seed}")

    def config(self) -> TrainConfig:
        """The settings of its run.

        Raises:
            StudyError: An option names no setting of a run.
            HiperError: Nothing can be trained in this environment.
        """
        from hiper_agents.training.run import config_for

        plan = self.plan
        config = replace(
            config_for(plan.env),
            estimator=self.estimator,
            seed=self.seed,
            split=plan.split,
            env_options=dict(plan.env_options),
            max_turns=plan.max_turns,
            minutes=None,
            iterations=None,
            turns=plan.turns,
            tensorboard=False,
        )
        config = changed(config, plan.train_options)
        config = changed(config, self.tuned)
        return changed(config, ABLATIONS[self.ablation].changes if self.ablation else {})

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any]) -> Cell:
        """The cell that an `identity` describes.

        Raises:
            StudyError: It does not describe one of this version.
        """
        try:
            plan = dict(identity["plan"])
            plan["panel"] = Panel(**plan["panel"])
            return cls(**{**identity, "plan": Plan(**plan)})
        except (KeyError, TypeError, ValueError) as error:
            raise StudyError(f"not a cell of this version: {error}") from error


def cells_of(
    plans: Sequence[Plan],
    estimators: Sequence[str],
    seeds: Sequence[int],
    *,
    ablations: Sequence[str] = (),
    tuned: Mapping[str, Settings] | None = None,
) -> list[Cell]:
    """All cells of a study, seed by seed, so that what is finished early is a smaller study.

    Args:
        plans: One for each setting of the environment.
        estimators: Names of the estimators.
        seeds: The seeds.
        ablations: Names in `ABLATIONS`; done to those of their estimators that are studied.
        tuned: Chosen settings of each estimator.

    Raises:
        StudyError: There is no such ablation.
    """
    unknown = [name for name in ablations if name not in ABLATIONS]
    if unknown:
        raise StudyError(f"unknown ablations {unknown}; there are {', '.join(ABLATIONS)}")
    chosen = tuned or {}

    def variants() -> Iterator[tuple[str, str]]:
        for estimator in estimators:
            yield estimator, ""
        for name in ablations:
            for estimator in ABLATIONS[name].estimators:
                if estimator in estimators:
                    yield estimator, name

    return [
        Cell(plan, estimator, seed, ablation, chosen.get(estimator, {}))
        for seed in seeds
        for plan in plans
        for estimator, ablation in variants()
    ]


def changed(config: _Config, changes: Settings) -> _Config:
    """A dataclass with some fields changed; dicts change single fields of a field.

    Raises:
        StudyError: There is no such field.
    """
    instance: Any = config
    known = {item.name for item in fields(instance)}
    given: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in known:
            raise StudyError(f"a run has no setting {name!r}; there are {', '.join(sorted(known))}")
        old = getattr(instance, name)
        if isinstance(value, Mapping) and is_dataclass(old):
            given[name] = changed(old, value)
        elif isinstance(value, Mapping) and isinstance(old, Mapping):
            given[name] = {**old, **value}
        else:
            given[name] = tuple(value) if isinstance(old, tuple) else value
    result: _Config = replace(instance, **given)
    return result


def setting_name(options: Settings) -> str:
    """Options in one line, sorted by name; "default" for none.

    Example:
        >>> setting_name({"subtasks": 4, "reward_delay": True})
        'reward_delay=true,subtasks=4'
    """
    pairs = (f"{name}={_word(value)}" for name, value in sorted(options.items()))
    return ",".join(pairs) or "default"


def json_able(value: Any) -> Any:
    """The value as it comes back from JSON: tuples as lists, keys as strings.

    Raises:
        StudyError: It cannot be written.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise StudyError(f"cannot be written as JSON: {error}") from error


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def flat(settings: Settings) -> dict[str, Any]:
    """Settings of settings with dots between their names."""
    pairs: dict[str, Any] = {}
    for name, value in settings.items():
        inner = flat(value) if isinstance(value, Mapping) else None
        pairs |= {f"{name}.{n}": v for n, v in inner.items()} if inner else {name: value}
    return pairs


def _file_name(text: str) -> str:
    """A name that no file system and no path separator can misread."""
    quoted = urllib.parse.quote(text, safe="=,+")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")
