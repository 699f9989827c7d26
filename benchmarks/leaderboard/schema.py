"""What the files of panels and studies hold, as pydantic models: the leaderboard's data format.

A study folder:

- ``study.json``: :class:`Study`, what is to be played. Written first and never changed.
- ``panel.json``: :class:`Panel`, on which tasks.
- ``trajectories/seed-<seed>.jsonl.gz``: a line of :class:`Trajectory` for every episode, appended
  when it ends and packed by itself; by position, the task's place in the panel, once all are there.
- ``sittings.jsonl``: :class:`Sitting`, one line for every process that has played.
- ``result.json``: :class:`Result`, once all episodes are there. It holds nothing that depends on
  the clock or on where the study was interrupted, so that equal play gives equal bytes.
- ``costs.json``: :class:`Costs`, what it took: seconds and machines.

A packed folder has ``outputs.jsonl.gz``, a line of :class:`PackedEpisode` for every episode,
instead of the trajectories.

The models know nothing of how the files are made. Files are read as data of strangers: unknown
fields, wrong types and numbers that are not finite are refused.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

__all__ = [
    "SCHEMA_VERSION",
    "AgentSpec",
    "Cost",
    "Costs",
    "EpisodeRow",
    "Figures",
    "Interval",
    "Outcome",
    "PackedEpisode",
    "Panel",
    "PanelTask",
    "Passes",
    "Result",
    "Share",
    "Sitting",
    "Study",
    "Trajectory",
    "Turn",
    "TurnInfo",
    "digest_of",
]

SCHEMA_VERSION = 1
"""Of all files. Raised when a field changes its meaning; files of other versions are refused."""

Version = Annotated[int, Field(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0.0)]

Outcome = Literal["won", "lost", "truncated", "failed"]
"""How an episode ended: success by the benchmark's own definition; the task ended without it; the
step limit; or the agent raised, hung, died or returned something that is no text."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PanelTask(_Model):
    """One task of a panel.

    Attributes:
        task_id: Its stable id, as `reset(options={"task_id": ...})` takes it.
        task_type: The benchmark's category.
        sha256: SHA-256 of its instruction, UTF-8.
    """

    task_id: str
    task_type: str
    sha256: Sha256


class Panel(_Model):
    """A fixed list of tasks, and how they are played.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        name: Such as `alfworld-valid-seen`.
        title: For people.
        env: Gymnasium id.
        split: Split of the environment.
        env_options: Further arguments of the environment.
        max_turns: Steps until an episode is truncated.
        data_version: Name of the published data.
        syntax: Which version of the benchmark's action syntax the tasks are played in.
        source_sha256: Digest of the environment's whole task set, which covers the content of the
            data and not only the instructions.
        tasks: The tasks, in the order of the panel.
        sha256: :func:`digest_of` all other fields.
    """

    schema_version: Version = SCHEMA_VERSION
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=80)]
    title: str
    env: str
    split: str
    env_options: dict[str, JsonValue] = {}
    max_turns: Annotated[int, Field(ge=1)]
    data_version: str
    syntax: str
    source_sha256: Sha256
    tasks: Annotated[tuple[PanelTask, ...], Field(min_length=1)]
    sha256: Sha256


class AgentSpec(_Model):
    """Who plays.

    Attributes:
        name: What `hiper_agents.agent.make_agent` takes; of a run folder its last part only.
        label: What the leaderboard shows.
        options: Arguments of the agent.
        mode: Whether it takes the most likely choice or draws one.
        checkpoint_sha256: Digest of the checkpoint of a run folder; None for other agents.
    """

    name: str
    label: Annotated[str, Field(min_length=1, max_length=120)]
    options: dict[str, JsonValue] = {}
    mode: Literal["greedy", "sampled"] = "greedy"
    checkpoint_sha256: Sha256 | None = None


class Study(_Model):
    """What is to be played: every task of a panel, once for each seed.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        agent: Who plays.
        panel: Name of the panel.
        panel_sha256: Its digest.
        seeds: Seeds of the agent, in order.
        differences: How the tasks that were found on this machine differ from the panel's, in
            words. A study with any is not ranked.
    """

    schema_version: Version = SCHEMA_VERSION
    agent: AgentSpec
    panel: str
    panel_sha256: Sha256
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    differences: tuple[str, ...] = ()


class TurnInfo(_Model):
    """The environment's `info` after a step, without what the trajectory says once for all turns.

    The fields are those of `hiper_envs.contract.HierarchicalInfo`; `extra` holds what the benchmark
    adds, such as the parts of a final score.
    """

    action: str
    action_valid: bool
    format_valid: bool
    format_error: str
    subgoal: str
    option_id: int
    option_step: int
    option_boundary: bool
    option_closed: bool
    closed_option_length: int
    closed_option_return: float
    won: bool
    score: float
    extra: dict[str, JsonValue] = {}


class Turn(_Model):
    """One turn.

    Attributes:
        observation: What the agent was shown.
        admissible: Place of the turn's admissible actions in `Trajectory.admissible`.
        output: What the agent wrote, unchanged.
        thought: The blocks of `output` as :func:`hiper_envs.tags.parse` reads them: free text
            before the action,
        switch: whether a new option was asked for,
        subgoal: and the subgoal that was written, None without one. The action is in `info`.
        reward: Of the step.
        info: What the environment said of the step.
        details: What the agent tells of the turn (`turn_details` of the agent protocol), such as
            `values` (V_L, V_H, V_T), `prompt_tokens` and `output_tokens`; None for nothing.
    """

    observation: str
    admissible: Count
    output: str
    thought: str = ""
    switch: bool
    subgoal: str | None
    reward: float
    info: TurnInfo
    details: dict[str, JsonValue] | None = None


class Trajectory(_Model):
    """One episode, turn by turn.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        task_id: Of the task, like the next three.
        task: The instruction.
        task_type: The benchmark's category.
        split: The split that it was read from.
        position: Its place in the panel.
        seed: The agent's seed.
        outcome: How it ended.
        failure: Why the agent failed; "" where it did not.
        terminated: Whether the task ended.
        truncated: Whether the step limit ended the episode.
        won: Success; False for a failed episode.
        score: The benchmark's score; 0 for a failed episode.
        admissible: Lists of admissible actions that turns point into, each once.
        turns: The turns; those before the failure of a failed episode.
        final_observation: What the last turn led to.
        seconds: The agent's time for every turn (its share of a batch's).
        env_seconds: The environment's time for the whole episode.
        sha256: Digest of everything that replaying can show again, see
            :func:`~benchmarks.leaderboard.trajectories.trajectory_digest`.
    """

    schema_version: Version = SCHEMA_VERSION
    task_id: str
    task: str
    task_type: str
    split: str
    position: Count
    seed: int
    outcome: Outcome
    failure: str = ""
    terminated: bool
    truncated: bool
    won: bool
    score: float
    admissible: tuple[tuple[str, ...], ...]
    turns: tuple[Turn, ...]
    final_observation: str
    seconds: tuple[Seconds, ...]
    env_seconds: Seconds
    sha256: Sha256


class PackedEpisode(_Model):
    """One episode without the environment's texts, from which playing gives the trajectory again.

    The fields are those of :class:`Trajectory`, column by column; `details` is None where no turn
    has any.
    """

    seed: int
    position: Count
    outputs: tuple[str, ...]
    details: tuple[dict[str, JsonValue] | None, ...] | None = None
    failure: str = ""
    seconds: tuple[Seconds, ...]
    env_seconds: Seconds


class EpisodeRow(_Model):
    """What a result keeps of an episode; `sha256` is its trajectory's."""

    position: Count
    seed: int
    task_id: str
    task_type: str
    outcome: Outcome
    won: bool
    score: float
    turns: Count
    options: Count
    invalid_actions: Count
    format_errors: Count
    prompt_tokens: Count | None = None
    output_tokens: Count | None = None
    sha256: Sha256


class Interval(_Model):
    """A 95 % interval."""

    low: float
    high: float


class Share(_Model):
    """A mean over episodes.

    Attributes:
        mean: The mean.
        se: Standard error over episodes, each counted as independent.
        bootstrap: Percentile interval of resampled *tasks*, each with all its seeds.
        wilson: Wilson's interval, of shares only.
    """

    mean: float
    se: float
    bootstrap: Interval
    wilson: Interval | None = None

    @property
    def interval(self) -> Interval:
        """What both intervals cover together; to be shown where there is room for one.

        Each knows what the other does not: resampled tasks are never better than the best of them,
        and Wilson's interval takes all plays of a task as independent.
        """
        both = [self.bootstrap, *([self.wilson] if self.wilson else [])]
        return Interval(low=min(each.low for each in both), high=max(each.high for each in both))


class Passes(_Model):
    """pass^k: the chance that k plays of one task all succeed, averaged over tasks."""

    k: Annotated[int, Field(ge=1)]
    value: float


class Figures(_Model):
    """What was measured on some episodes.

    Attributes:
        episodes: How many.
        tasks: Of how many tasks.
        success: Share of episodes that were won.
        score: The benchmark's score.
        passes: pass^k for every k up to the number of seeds.
        outcomes: Episodes by how they ended.
        turns: Turns an episode, in the mean.
        turns_won: The same of the won ones; None without any.
        options: Options an episode.
        invalid_action_rate: Share of turns with a well-formed action that was not admissible.
        format_error_rate: Share of turns with a malformed text.
        prompt_tokens: Tokens read in an episode, in the mean; None where agents do not tell.
        output_tokens: Tokens written.
    """

    episodes: Count
    tasks: Count
    success: Share
    score: Share
    passes: tuple[Passes, ...]
    outcomes: dict[Outcome, Count]
    turns: float
    turns_won: float | None
    options: float
    invalid_action_rate: float
    format_error_rate: float
    prompt_tokens: float | None
    output_tokens: float | None


class Result(_Model):
    """The result of a finished study.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        agent: Who played.
        about: What the agent says of itself, such as the model behind it.
        panel: Name of the panel.
        panel_sha256: Its digest.
        env: Gymnasium id of the environment.
        noun_tagger: What found the nouns of titles, where a benchmark's score depends on it.
        seeds: The seeds.
        ranked: Whether the tasks were those of the panel.
        differences: How they were not.
        versions: Versions of Python and of the libraries that can change a result.
        commits: Commits of hiper-gym that played, "-dirty" with changes; empty if installed.
        figures: Of all episodes.
        per_task_type: Of each type's.
        per_seed: Of each seed's, by the seed in decimal.
        episodes: One row an episode, by seed, then by position.
    """

    schema_version: Version = SCHEMA_VERSION
    agent: AgentSpec
    about: dict[str, JsonValue] = {}
    panel: str
    panel_sha256: Sha256
    env: str
    noun_tagger: str | None = None
    seeds: tuple[int, ...]
    ranked: bool
    differences: tuple[str, ...]
    versions: dict[str, tuple[str, ...]]
    commits: tuple[str, ...]
    figures: Figures
    per_task_type: dict[str, Figures]
    per_seed: dict[str, Figures]
    episodes: tuple[EpisodeRow, ...]


class Sitting(_Model):
    """One process that played a part of a study.

    Attributes:
        started: When, ISO 8601 in UTC.
        command: Its command line.
        commit: Of hiper-gym; None if installed.
        versions: Of Python and libraries.
        machine: Processor, cores, memory, system.
        num_envs: Episodes side by side.
        timeout: Seconds after which a call of the agent counted as hung.
        about: What the agent says of itself.
        noun_tagger: See :class:`Result`.
    """

    started: str
    command: str
    commit: str | None
    versions: dict[str, str]
    machine: dict[str, JsonValue]
    num_envs: Annotated[int, Field(ge=1)]
    timeout: Annotated[float, Field(gt=0.0)]
    about: dict[str, JsonValue] = {}
    noun_tagger: str | None = None


class Cost(_Model):
    """A mean and its standard error, in seconds."""

    mean: Seconds
    se: Seconds


class Costs(_Model):
    """What a finished study took.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        agent_seconds: The agent's time an episode.
        env_seconds: The environment's time an episode.
        total_seconds: Both, of all episodes together.
        turns_per_second: All turns over that total.
        sittings: Who played when and on what.
    """

    schema_version: Version = SCHEMA_VERSION
    agent_seconds: Cost
    env_seconds: Cost
    total_seconds: Seconds
    turns_per_second: float
    sittings: tuple[Sitting, ...]


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON-able value, whatever the order of its keys.

    Example:
        >>> digest_of({"a": 1, "b": [2.5, None]}) == digest_of({"b": [2.5, None], "a": 1})
        True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
