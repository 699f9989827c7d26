"""`hiper leaderboard`: plays panels, checks studies, compares them, and makes a site of them.

Everything is done by functions of this package; this module reads flags and prints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.leaderboard.packing import pack, whole
from benchmarks.leaderboard.panels import differences, load_panel, make_panel, panel_names
from benchmarks.leaderboard.running import Player, run_study
from benchmarks.leaderboard.running import Progress as StudyProgress
from benchmarks.leaderboard.schema import Panel, Result, Share
from benchmarks.leaderboard.store import StudyError, StudyFolder
from benchmarks.leaderboard.verification import Finding, verify_study
from hiper_agents.cli.bars import bar
from hiper_agents.cli.values import JsonObject
from hiper_base.errors import DataError
from hiper_base.files import write_text

__all__ = ["main"]

OK, PROBLEMS = 0, 1

Folders = tyro.conf.Positional[tuple[Path, ...]]


@dataclass(frozen=True)
class RunArgs:
    """Plays a panel with an agent, every task once a seed; goes on where it was stopped."""

    agent: str
    """The name of an agent (random, expert, compact, llm, api, or a plug-in's), the folder of a
    training run, or module:attribute of one in development."""
    panel: str = "alfworld-valid-seen"
    """Name of a panel, or a manifest of one's own."""
    seeds: int = 3
    """How many seeds: 0, 1, and so on."""
    out: Path | None = None
    """The study folder; studies/<agent>-<panel> when left out."""
    agent_options: JsonObject = field(default_factory=dict)
    """Arguments of the agent, such as '{"model": "smollm2-135m"}' for llm."""
    label: str = ""
    """What the leaderboard shows; the agent's name when left out."""
    sampled: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Choices drawn from the policy instead of the most likely ones."""
    num_envs: int = 64
    """Episodes side by side."""
    timeout: float = 600.0
    """Seconds after which a call of the agent counts as hung."""
    retry_failed: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Play the episodes again in which the agent failed."""


@dataclass(frozen=True)
class VerifyArgs:
    """Replays every action and computes every figure again; exits with 1 if anything differs."""

    folders: Folders
    """Study folders, packed or not."""
    panels: tuple[Path, ...] = ()
    """Manifests of panels that are not the package's."""


@dataclass(frozen=True)
class CompareArgs:
    """Compares two studies of one panel, task by task."""

    first: tyro.conf.Positional[Path]
    """A study folder."""
    second: tyro.conf.Positional[Path]
    """Another one."""
    out: Path | None = None
    """Where the comparison goes, as JSON. It is always shown on the terminal."""


@dataclass(frozen=True)
class RenderArgs:
    """Verifies studies and makes a static site of them: a ranking, and a page for every run."""

    folders: Folders
    """Study folders, packed or not."""
    out: Path = Path("site")
    """The folder of the site."""
    panels: tuple[Path, ...] = ()
    """Manifests of panels that are not the package's."""
    published: bool = True
    """Show the published figures, marked as quoted."""


@dataclass(frozen=True)
class PackArgs:
    """Writes a copy without the environment's texts, for publishing; verify and render read it."""

    folder: tyro.conf.Positional[Path]
    """A finished study."""
    out: Path
    """The folder of the copy."""


@dataclass(frozen=True)
class PanelsArgs:
    """Lists the panels, and whether their tasks are on this machine."""


@dataclass(frozen=True)
class PanelArgs:
    """Makes the manifest of a panel of one's own."""

    name: str
    """Its name: lower-case letters, digits and hyphens."""
    env: str
    """Gymnasium id of the environment."""
    split: str
    """Which tasks."""
    out: Path
    """The manifest."""
    title: str = ""
    """What people see; the name when left out."""
    tasks: int | None = None
    """Only the first so many."""
    env_options: JsonObject = field(default_factory=dict)
    """Further arguments of the environment."""
    data_version: str = "unnamed"
    """Name of the data."""
    syntax: str = "of this version"
    """Version of the action syntax."""


LeaderboardArgs = (
    Annotated[RunArgs, tyro.conf.subcommand("run")]
    | Annotated[VerifyArgs, tyro.conf.subcommand("verify")]
    | Annotated[CompareArgs, tyro.conf.subcommand("compare")]
    | Annotated[RenderArgs, tyro.conf.subcommand("render")]
    | Annotated[PackArgs, tyro.conf.subcommand("pack")]
    | Annotated[PanelsArgs, tyro.conf.subcommand("panels")]
    | Annotated[PanelArgs, tyro.conf.subcommand("make-panel")]
)


def main(argv: Sequence[str]) -> int:
    """Runs `hiper leaderboard`; returns the exit code.

    Args:
        argv: The arguments after `leaderboard`.
    """
    args = tyro.cli(
        LeaderboardArgs,
        prog="hiper leaderboard",
        description="Plays fixed panels of tasks, checks what was played, and ranks it.",
        args=list(argv),
    )
    console = Console()
    commands: dict[type, Callable[..., int]] = {
        RunArgs: _run,
        VerifyArgs: _verify,
        CompareArgs: _compare,
        RenderArgs: _render,
        PackArgs: _pack,
        PanelsArgs: _panels,
        PanelArgs: _make_panel,
    }
    return commands[type(args)](args, console)


def _run(args: RunArgs, console: Console) -> int:
    panel = load_panel(args.panel)
    player = Player(
        args.agent, args.agent_options, "sampled" if args.sampled else "greedy", args.label
    )
    folder = args.out or Path("studies") / f"{player.spec().name.replace(':', '.')}-{panel.name}"
    with bar(console, "episodes") as update:

        def on_progress(progress: StudyProgress) -> None:
            failed = f", {progress.failed} failed" if progress.failed else ""
            share = f"{100 * progress.won / progress.done:.1f} % won" if progress.done else ""
            update(progress.done, progress.total, share + failed)

        result = run_study(
            folder,
            player,
            panel,
            seeds=range(args.seeds),
            num_envs=args.num_envs,
            timeout=args.timeout,
            retry_failed=args.retry_failed,
            on_progress=on_progress,
        )
    console.print(_result_table(result))
    for difference in result.differences:
        console.print(Text(f"not ranked: {difference}", style="yellow"), soft_wrap=True)
    console.print(Text(f"study: {folder}"), soft_wrap=True)
    return OK


def _verify(args: VerifyArgs, console: Console) -> int:
    panels = _own(args.panels)
    findings = 0
    for folder in args.folders:
        try:
            with whole(folder) as study:
                findings += len(_checked(study, folder, panels, console))
        except StudyError as error:  # the others are still to be looked at
            _say(folder, [Finding("the study", str(error))], console)
            findings += 1
    return PROBLEMS if findings else OK


def _compare(args: CompareArgs, console: Console) -> int:
    from benchmarks.leaderboard.comparison import compare, comparison_table

    comparison = compare(StudyFolder(args.first).result(), StudyFolder(args.second).result())
    console.print(comparison_table(comparison))
    if args.out is not None:
        write_text(args.out, comparison.model_dump_json(indent=2) + "\n")
        console.print(Text(f"written to {args.out}"), soft_wrap=True)
    return OK


def _render(args: RenderArgs, console: Console) -> int:
    from benchmarks.leaderboard.site import render_site

    panels = _own(args.panels)
    verified: dict[Path, list[str]] = {}
    with ExitStack() as stack:
        for folder in args.folders:
            try:
                study = stack.enter_context(whole(folder))
            except StudyError as error:  # what it says of itself can still be shown, unranked
                study, found = folder, [Finding("the study", str(error))]
                _say(folder, found, console)
            else:
                found = _checked(study, folder, panels, console)
            verified[study] = [str(finding) for finding in found]
        page = render_site(list(verified), args.out, published=args.published, verified=verified)
    console.print(Text(f"site: {page}"), soft_wrap=True)
    return PROBLEMS if any(verified.values()) else OK


def _pack(args: PackArgs, console: Console) -> int:
    console.print(Text(f"packed: {pack(args.folder, args.out)}"), soft_wrap=True)
    return OK


def _panels(_args: PanelsArgs, console: Console) -> int:
    table = Table()
    names = panel_names()
    table.add_column("panel", min_width=max(map(len, names)))
    table.add_column("tasks", justify="right")
    for column in ("data", "on this machine"):
        table.add_column(column, overflow="fold")
    for name in names:
        panel = load_panel(name)
        try:
            here = "; ".join(differences(panel)) or "yes"
        except DataError:
            here = "no data"
        table.add_row(name, str(len(panel.tasks)), panel.data_version, here)
    console.print(table)
    return OK


def _make_panel(args: PanelArgs, console: Console) -> int:
    panel = make_panel(
        args.name,
        args.title or args.name,
        args.env,
        args.split,
        data_version=args.data_version,
        syntax=args.syntax,
        env_options=args.env_options,
        tasks=args.tasks,
    )
    write_text(args.out, panel.model_dump_json(indent=1) + "\n")
    console.print(Text(f"{len(panel.tasks)} tasks, {panel.sha256}: {args.out}"), soft_wrap=True)
    return OK


def _own(manifests: Sequence[Path]) -> dict[str, Panel]:
    panels = [load_panel(path) for path in manifests]
    return {panel.name: panel for panel in panels}


def _checked(
    study: Path, folder: Path, panels: Mapping[str, Panel], console: Console
) -> list[Finding]:
    """Verifies a study, and says how that went under the name of the folder that was given."""
    try:
        panel = panels.get(StudyFolder(study).study().panel)
        with bar(console, folder.name) as update:
            found = verify_study(
                study, panel=panel, on_episode=lambda done, total: update(done, total, "")
            )
    except StudyError as error:
        found = [Finding("the study", str(error))]
    _say(folder, found, console)
    return found


def _say(folder: Path, found: Sequence[Finding], console: Console) -> None:
    if not found:
        console.print(Text(f"{folder}: verified", style="green"), soft_wrap=True)
    for finding in found:
        console.print(Text(f"{folder}: {finding}", style="red"), soft_wrap=True)


def _result_table(result: Result) -> Table:
    figures = result.figures
    table = Table(title=f"{result.agent.label} on {result.panel}, {result.agent.mode}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_row("success", _share(figures.success), style="bold")
    table.add_row("score", _share(figures.score))
    for passes in figures.passes[1:]:
        table.add_row(f"pass^{passes.k}", f"{100 * passes.value:.1f} %")
    counts = ", ".join(f"{count} {name}" for name, count in figures.outcomes.items() if count)
    table.add_row(f"episodes ({len(result.seeds)} seeds)", counts, end_section=True)
    for name, part in result.per_task_type.items():
        table.add_row(f"  {name} ({part.tasks})", f"{100 * part.success.mean:.1f} %")
    table.add_section()
    table.add_row("turns an episode", f"{figures.turns:.1f}")
    table.add_row("options an episode", f"{figures.options:.1f}")
    table.add_row("inadmissible actions", f"{100 * figures.invalid_action_rate:.1f} %")
    table.add_row("malformed texts", f"{100 * figures.format_error_rate:.1f} %")
    if figures.output_tokens is not None:
        table.add_row("tokens written an episode", f"{figures.output_tokens:,.0f}")
    return table


def _share(share: Share) -> str:
    low, high = share.interval.low, share.interval.high
    return f"{100 * share.mean:.1f} %  [{100 * low:.1f}, {100 * high:.1f}]"
