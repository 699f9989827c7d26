"""`hiper play`: a person plays a task in the terminal, with options shown.

Screen and keyboard are those of `hiper_agents.agents.human.HumanAgent`; this module makes the
environment and runs the episode. Commands may also be piped in, one line each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

from hiper_agents.agents.human import HumanAgent, PlayerQuitError
from hiper_agents.cli.values import JsonObject
from hiper_agents.environments import make_env
from hiper_agents.families import family_of
from hiper_envs.core import TaskInfo


@dataclass(frozen=True)
class PlayArgs:
    """Plays a task in the terminal. Type ? for help once it runs."""

    env: str = "HiPER-ALFWorld-v0"
    """Gymnasium id of the environment."""
    split: str | None = None
    """Which tasks: those that the benchmark is evaluated on when left out (ALFWorld: valid_seen,
    its long tasks: valid, WebShop: test), or generated ones where no data is installed."""
    env_options: JsonObject = field(default_factory=dict)
    """Further arguments of the environment, such as '{"subtasks": 4}'."""
    task_id: str | None = None
    """A particular task; one is drawn when left out."""
    seed: int | None = None
    """Seed of the draw; another task every time when left out."""


def run(args: PlayArgs) -> None:
    """Plays one episode."""
    console = Console(highlight=False)
    env = make_env(args.env, args.split, **{**family_of(args.env).play_kwargs, **args.env_options})
    options = {"task_id": args.task_id} if args.task_id is not None else None
    observation, info = env.reset(seed=args.seed, options=options)
    console.print(Text(info["task_id"], style="dim"), soft_wrap=True)
    agent = HumanAgent(console)
    agent.reset([TaskInfo(info["task_id"], info["task"], info["task_type"], info["split"])])
    total, turns, ended = 0.0, 0, False
    while not ended:
        try:
            (action,) = agent.act([observation], [info])
        except PlayerQuitError:
            console.print(Text(f"stopped after {turns} steps"))
            return
        observation, reward, terminated, truncated, info = env.step(action)
        total += float(reward)
        turns += 1
        ended = terminated or truncated
    agent.show(observation, info, ended=True)
    verdict = "Solved" if info["won"] else "Not solved"
    style = "bold green" if info["won"] else "bold red"
    console.print(Text(f"{verdict} in {turns} steps; return {total:g}.", style=style))
    for line in score_lines(info):
        console.print(Text(line))


def score_lines(info: Mapping[str, Any]) -> list[str]:
    """How a purchase was scored, or how many subtasks are done; nothing where there is neither."""
    if "subtasks" in info:
        return [f"{info['subtasks_done']} of {info['subtasks']} subtasks hold"]
    if "r_type" not in info:
        return []
    options = "none wanted" if info["r_option"] is None else f"{100 * info['r_option']:.0f} %"
    return [
        f"score {info['score']:.3g}; the kind of product is a factor of {info['r_type']:g}",
        _line("attributes", f"{100 * info['r_att']:.0f} %", info["matched_attributes"]),
        _line("product options", options, info["matched_options"]),
        _line("price", "within the limit" if info["r_price"] else "above the limit", ()),
    ]


def _line(name: str, value: str, matched: Sequence[str]) -> str:
    return f"  {name}: {value}" + (f" ({', '.join(matched)})" if matched else "")
