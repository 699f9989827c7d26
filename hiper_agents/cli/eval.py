"""`hiper eval`: evaluates an agent on a split and shows the result as a table.

The evaluation itself is `hiper_agents.evaluation.evaluate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hiper_agents.agent import CHECKPOINT_FILE, make_agent
from hiper_agents.cli.bars import bar
from hiper_agents.cli.values import JsonObject
from hiper_agents.evaluation import evaluate
from hiper_agents.provenance import write_json
from hiper_agents.training.report import write_report

_MODE = tyro.conf.create_mutex_group(required=False)


@dataclass(frozen=True)
class EvalArgs:
    """Evaluates an agent on every task of a split, each once."""

    agent: str
    """The folder of a training run; the name of an agent: random, expert, human, first-result,
    compact (trained, comes with the package), llm, api, or a plug-in's; or, for one in development,
    package.module:attribute of a module that can be imported."""
    agent_options: JsonObject = field(default_factory=dict)
    """Arguments of the agent, such as '{"model": "smollm2-135m"}' for llm."""
    env: str = "HiPER-ALFWorld-v0"
    """Gymnasium id of the environment."""
    split: str | None = None
    """Which tasks: those that the benchmark is evaluated on when left out (ALFWorld: valid_seen,
    its long tasks: valid, WebShop: test), or generated ones where no data is installed."""
    env_options: JsonObject = field(default_factory=dict)
    """Further arguments of the environment, such as '{"subtasks": 4}'."""
    backend: str | None = None
    """Engine of ALFWorld; its default when left out."""
    goals: str | None = None
    """Whose goals WebShop asks for, synthetic or human; its default when left out."""
    noun_tagger: str | None = None
    """What finds the nouns of titles for WebShop's score; its default when left out."""
    out: Path | None = None
    """Where the result goes, as JSON. It is always shown on the terminal."""
    episodes: int | None = None
    """Only so many episodes, of tasks drawn with the seed; every task once when left out."""
    seed: int = 0
    """Seeds the agent's sampling, the environment, and the draw of tasks."""
    num_envs: int = 64
    """Episodes that are played side by side."""
    greedy: Annotated[bool, _MODE, tyro.conf.FlagCreatePairsOff] = False
    """The most likely choice everywhere (this is the default)."""
    sampled: Annotated[bool, _MODE, tyro.conf.FlagCreatePairsOff] = False
    """Choices drawn from the policy."""
    device: str | None = None
    """Device of the agent's networks; the agent's own choice when left out."""


def run(args: EvalArgs) -> None:
    """Runs the evaluation, writes the result, and prints it."""
    console = Console()
    greedy = not args.sampled
    options = dict(args.agent_options)
    if args.device is not None:
        options["device"] = args.device
    given = {"seed": args.seed, "greedy": greedy, "env": args.env}
    agent = make_agent(args.agent, **given | options)
    with bar(console, "episodes") as update:

        def on_episode(done: int, total: int, won: int) -> None:
            update(done, total, f"{100 * won / done:.1f} % solved" if done else "")

        result = evaluate(
            agent,
            args.env,
            args.split,
            agent_name=args.agent,
            episodes=args.episodes,
            num_envs=args.num_envs,
            seed=args.seed,
            mode="greedy" if greedy else "sampled",
            env_kwargs=_env_kwargs(args),
            on_episode=on_episode,
        )
    if args.out is not None:
        write_json(args.out, result)
    console.print(Text(headline(result), style="bold"), soft_wrap=True)
    console.print(result_table(result))
    if args.out is not None:
        console.print(Text(f"written to {args.out}"), soft_wrap=True)
        # A result in a run folder belongs on the run's page.
        if (args.out.parent / CHECKPOINT_FILE).exists():
            console.print(Text(f"report: {write_report(args.out.parent)}"), soft_wrap=True)


def _env_kwargs(args: EvalArgs) -> dict[str, Any]:
    """Arguments of the environment that were given."""
    given = {"backend": args.backend, "goals": args.goals, "noun_tagger": args.noun_tagger}
    return args.env_options | {name: value for name, value in given.items() if value is not None}


def headline(result: Mapping[str, Any]) -> str:
    """What was evaluated on what, in one line."""
    split = result["split"]
    if result["requested_split"] not in (None, split):
        split = f"{split} (no data for {result['requested_split']})"
    tagger = f", nouns by {result['noun_tagger']}" if "noun_tagger" in result else ""
    return f"{result['agent']} on {result['env']}, {split}, {result['mode']}{tagger}"


def result_table(result: Mapping[str, Any]) -> Table:
    """The figures of a result, one line each."""
    table = Table()
    table.add_column("figure")
    table.add_column("value", justify="right")
    low, high = result["success_rate_ci95"]
    table.add_row("success rate", _with_error(result, "success_rate"), style="bold")
    table.add_row("  95 % interval", f"{_percent(low)} to {_percent(high)}")
    reachable = result["reachable"]
    if reachable is not None:
        table.add_row(
            f"  of the {reachable['n']} tasks that can be won",
            _with_error(reachable, "success_rate"),
        )
    # A benchmark without partial successes has nothing to add here.
    if reachable is not None or result["mean_score"] != result["success_rate"]:
        table.add_row("mean score", _with_error(result, "mean_score"), style="bold")
    if reachable is not None:
        table.add_row(
            f"  of the {reachable['n']} tasks that can be won", _with_error(reachable, "mean_score")
        )
    if "mean_subtasks_done" in result:
        table.add_row("subtasks done at the end", _percent(result["mean_subtasks_done"]))
    table.add_row("episodes", str(result["n"]), end_section=True)
    for name, figures in result["per_task_type"].items():
        table.add_row(f"  {name} ({figures['n']})", _percent(figures["success_rate"]))
    table.add_section()
    table.add_row("turns an episode", _number(result["mean_turns"]))
    table.add_row("turns a solved episode", _number(result["mean_turns_solved"]))
    table.add_row("inadmissible actions", _percent(result["invalid_action_rate"]))
    table.add_row("malformed strings", _percent(result["format_error_rate"]), end_section=True)
    options = result["options"]
    table.add_row("options an episode", _number(options["mean_per_episode"]))
    table.add_row("steps an option", _number(options["mean_length"]))
    table.add_row("options with their named action", _percent(options["contains_named_action"]))
    agreement = options["boundary_agreement"] or {}
    table.add_row("boundary agreement with the oracle (F1)", _percent(agreement.get("f1")))
    table.add_section()
    table.add_row("steps a second", _number(result["steps_per_second"]))
    return table


def _with_error(figures: Mapping[str, Any], name: str) -> str:
    """A share with its standard error."""
    return f"{_percent(figures[name])} ± {_percent(figures[f'{name}_se'])}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
