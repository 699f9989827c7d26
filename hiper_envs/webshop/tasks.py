"""Opens WebShop tasks: goals of one split over one store.

The store (catalogue, search index, goals) is shared by every environment of a process. The module
knows nothing of options, tags or step limits.
"""

from __future__ import annotations

import functools
import hashlib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from hiper_base.errors import DataNotFoundError, UnknownSplitError, UnknownTaskError
from hiper_envs.contract import OpenTask, TaskInfo
from hiper_envs.webshop.oracle import Oracle
from hiper_envs.webshop.world import WebshopWorld
from webshop_server.official import find_files
from webshop_server.reward import Scorer
from webshop_server.store import Store, open_store
from webshop_server.text import OBSERVATION_MODES

__all__ = ["GOAL_KINDS", "SPLITS", "NounTagger", "WebshopTasks", "open_tasks"]

SPLITS = ("train", "test", "generated")
GOAL_KINDS = ("synthetic", "human")
NounTagger = str | Callable[[str], Sequence[str]] | None


class WebshopTasks:
    """The goals of a split.

    Args:
        store: Catalogue, index and goals.
        kind: "synthetic", "human", or "generated" for a generated catalogue.
        split: "train", "test" or "generated".
        scorer: Scores purchases; shared.
        observation_mode: "text" or "text_rich".
        show_attributes: Whether items have the sub page `Attributes`.
        reference: Whether opened tasks have an oracle.

    Attributes:
        store: As given.
        goals: All goals of the kind, of every split.
        split: As given.
    """

    def __init__(
        self,
        store: Store,
        kind: str,
        split: str,
        scorer: Scorer,
        *,
        observation_mode: str = "text",
        show_attributes: bool = False,
        reference: bool = False,
    ) -> None:
        if observation_mode not in OBSERVATION_MODES:
            raise ValueError(
                f"unknown observation_mode {observation_mode!r}; there are: "
                f"{', '.join(OBSERVATION_MODES)}"
            )
        self.store = store
        self.goals = store.goals(kind)
        self.split = split
        self._positions = self.goals.split_range(split)
        if not self._positions:
            raise DataNotFoundError(
                f"no {kind} goal of this catalogue is in split {split!r}: it has {len(self.goals)} "
                "goals, of which the first 500 are the test split"
            )
        self._scorer = scorer
        self._mode = observation_mode
        self._show_attributes = show_attributes
        self._reference = reference

    @property
    def noun_tagger(self) -> str:
        """Name of the tagger that finds the nouns of titles, for results."""
        return self._scorer.noun_tagger

    @functools.cached_property
    def sha256(self) -> str:
        """Hash of the task list: over the ids and instructions, in order."""
        digest = hashlib.sha256()
        for position in self._positions:
            goal = self.goals[position]
            digest.update(f"{goal.goal_id}\t{goal.instruction}\n".encode())
        return digest.hexdigest()

    @property
    def content_sha256(self) -> str:
        """Hash of all that texts and scores depend on: the task list and the whole catalogue."""
        both = f"{self.sha256} {self.store.catalog.sha256}"
        return hashlib.sha256(both.encode()).hexdigest()

    @functools.cached_property
    def task_types(self) -> tuple[str, ...]:
        """Department of the wanted product, of every task."""
        return tuple(
            self.store[self.goals[position].product].category for position in self._positions
        )

    def __len__(self) -> int:
        """Number of tasks."""
        return len(self._positions)

    def index(self, task_id: str) -> int:
        """Position of a task within the split.

        Raises:
            UnknownTaskError: If there is no such task, or it is one of another split.
        """
        position = self.goals.index(task_id)
        if position not in self._positions:
            raise UnknownTaskError(
                f"{task_id!r} is in split {self.goals[position].split!r}, and this environment "
                f"plays split {self.split!r}"
            )
        return self._positions.index(position)

    def is_reachable(self, index: int) -> bool:
        """Whether the task's own product can be bought with a score of 1."""
        goal = self.goals[self._positions[index]]
        return self._scorer.is_reachable(goal, self.store[goal.product])

    def open(self, index: int) -> OpenTask:
        """Open the task at a position, with a world of its own."""
        goal = self.goals[self._positions[index]]
        world = WebshopWorld(
            self.store,
            goal,
            self._scorer,
            observation_mode=self._mode,
            show_attributes=self._show_attributes,
        )
        category = self.store[goal.product].category
        return OpenTask(
            TaskInfo(goal.goal_id, goal.instruction, category, self.split),
            world,
            Oracle(goal.instruction) if self._reference else None,
        )


def open_tasks(
    split: str | None = None,
    goals: str = "synthetic",
    *,
    observation_mode: str = "text",
    show_attributes: bool = False,
    noun_tagger: NounTagger = None,
    data_root: str | Path | None = None,
    generated_products: int = 1000,
    reference: bool = False,
) -> WebshopTasks:
    """Open the tasks that an environment with these arguments plays.

    Args:
        split: "train", "test" or "generated". By default "train", or "generated" where no data is
            installed, with a warning that says so.
        goals: "synthetic" or "human"; generated catalogues have goals of their own.
        observation_mode: "text" or "text_rich".
        show_attributes: Whether items have the sub page `Attributes`.
        noun_tagger: Finds the nouns of titles for the reward: a name or a function.
        data_root: Where the data lies; by default ``$HIPER_DATA``, else the user cache directory.
        generated_products: Size of the catalogue of split "generated".
        reference: Whether opened tasks have an oracle.

    Raises:
        UnknownSplitError: If there is no such split.
        ValueError: If another argument has no such value.
        DataNotFoundError: If ``split`` was given and its data is not installed.
        DataError: If the data is damaged.
    """
    if split is not None and split not in SPLITS:
        raise UnknownSplitError(f"unknown split {split!r}; WebShop has: {', '.join(SPLITS)}")
    if goals not in GOAL_KINDS:
        raise ValueError(f"unknown goals {goals!r}; there are: {', '.join(GOAL_KINDS)}")
    kind, chosen = goals, split or "train"
    if chosen != "generated":
        try:
            find_files(data_root)
        except DataNotFoundError as error:
            if split is not None:
                raise
            # Attributed to this line, whoever asks, so that Python's filter shows it once.
            warnings.warn(
                "WebShop falls back to split='generated', a catalogue that this package "
                f"generates: {error}",
                stacklevel=1,
            )
            chosen = "generated"
    if chosen == "generated":
        kind, store = "generated", open_store(generated=generated_products)
    else:
        store = open_store(data_root)
    return WebshopTasks(
        store,
        kind,
        chosen,
        _scorer(noun_tagger),
        observation_mode=observation_mode,
        show_attributes=show_attributes,
        reference=reference,
    )


@functools.lru_cache(maxsize=8)
def _scorer(noun_tagger: NounTagger) -> Scorer:
    return Scorer(noun_tagger)
