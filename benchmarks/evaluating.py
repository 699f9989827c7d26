"""How studies evaluate what they train: by `hiper eval`, with the figures that a study keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiper_agents.agent import make_agent
from hiper_agents.evaluation import evaluate
from hiper_agents.families import family_of

__all__ = ["PRIOR", "play_panel"]

PRIOR = (
    "The agent reads structure (types, matches with the task, what it has seen where) out of the "
    "texts, and its executor is held to subgoals of the benchmark's vocabulary; a language model "
    "gets none of this."
)
"""What has to be said wherever a result of the compact agent is shown."""

_KEPT = (
    "split",
    "success_rate",
    "success_rate_se",
    "mean_score",
    "mean_score_se",
    "reachable",
    "noun_tagger",
    "n",
    "per_task_type",
    "mean_turns",
    "mean_turns_solved",
    "options",
    "panel_sha256",
)


def play_panel(
    agent: str,
    env: str,
    *,
    mode: str,
    split: str | None = None,
    tasks: int | None = None,
    seed: int = 0,
    reference: bool = True,
    env_options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Evaluates an agent and keeps what studies need.

    Args:
        agent: Its name or run folder.
        env: Gymnasium id.
        mode: "greedy" or "sampled".
        split: Which tasks; by default those on which the benchmark is evaluated.
        tasks: How many of them, drawn with `seed`; None for all.
        seed: Of the draw and of sampled play.
        reference: Measure how boundaries agree with the oracle's, which costs time.
        env_options: Arguments of the environment.
    """
    player = make_agent(agent, seed=seed, greedy=mode == "greedy")
    result = evaluate(
        player,
        env,
        split or family_of(env).eval_split,
        agent_name=agent,
        episodes=tasks,
        seed=seed,
        mode=mode,
        reference=reference,
        env_kwargs=env_options,
    )
    return {key: result[key] for key in _KEPT if key in result}
