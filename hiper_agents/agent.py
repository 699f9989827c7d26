"""What an agent is, and how one is found by name.

An agent turns observations into actions, for a batch of episodes at once. This module knows nothing
of how it decides, of environments, or of training: it defines the protocol and `make_agent`, which
accepts a built-in name, the name of an installed plug-in, a place in an importable module, or the
folder of a training run.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from hiper_base.errors import HiperError, MissingDependencyError

if TYPE_CHECKING:
    from hiper_envs.core import TaskInfo

ENTRY_POINT_GROUP = "hiper.agents"

#: Every run folder says in this file, under the key "agent", which kind of agent it holds.
CHECKPOINT_FILE = "checkpoint.json"

#: Arguments that a caller may offer to any agent; a factory that has no use for one leaves it out
#: of its signature. Every other argument must be one that the factory names. `env` is the Gymnasium
#: id of what will be played.
OPTIONAL_ARGUMENTS = frozenset({"seed", "greedy", "device", "env"})

_BUILT_IN = {
    "random": "hiper_agents.agents.random:RandomAgent",
    "expert": "hiper_agents.agents.expert:ExpertAgent",
    "human": "hiper_agents.agents.human:HumanAgent",
    "first-result": "hiper_agents.agents.first_result:FirstResultAgent",
    "api": "hiper_agents.llm.api:ApiAgent",
    "compact": "hiper_agents.compact.agent:load_shipped",
    "llm": "hiper_agents.llm.agent:make_language_agent",
}

# Functions `(path, **kwargs) -> Agent`, by the kind that a run folder names.
_LOADERS = {
    "compact": "hiper_agents.compact.agent:load_agent",
    "llm": "hiper_agents.llm.agent:load_agent",
}

# What to install for the agents that need more than the package.
_EXTRAS = {"api": "agents", "compact": "compact", "llm": "agents"}

_IDENTIFIERS = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_PLACE = re.compile(f"{_IDENTIFIERS}:{_IDENTIFIERS}")


class AgentError(HiperError):
    """An agent is unknown, cannot be made, or did not do what the protocol asks."""


@runtime_checkable
class Agent(Protocol):
    """Acts in a batch of episodes.

    Slot `i` of every call belongs to the same episode from one `reset` to the next. What an agent
    does in a slot should depend on its seed, the task, and what has happened in that episode, and
    on nothing else: not on the other slots, nor on what it has played before. Then results do not
    change with the size of the batch, and a study that was interrupted goes on as if it had not
    been. An agent that draws random numbers keeps a stream for every slot, seeded with its own seed
    and the task's id.

    Four attributes are optional:

    - `requires_reference = True` asks for environments made with `reference=True`.
    - `max_batch` is the largest number of slots that the agent can serve.
    - `about` is a JSON-able dict that results repeat, such as the model behind the agent.
    - `turn_details` tells of the latest `act`: a sequence with one JSON-able mapping per slot, or
      None for a slot whose episode has ended or of which there is nothing to tell. Known keys are
      `values`, a list of V_L, V_H and V_T as the critic gave them; `prompt_tokens` and
      `output_tokens`, what was read and written in this turn, or None if that is unknown. Others
      are free. It may be a property that computes them when asked.
    """

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        """Forgets everything and begins one episode per task."""
        ...

    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> Sequence[str]:
        """Chooses the next action of every slot.

        A slot whose episode has ended is shown once more what it acted on last, the very same
        objects; what is returned for it is ignored.

        Args:
            observations: One text per slot.
            infos: One `HierarchicalInfo` per slot.

        Returns:
            One string per slot: a primitive action, or a tagged one that also names a subgoal.
        """
        ...


def agent_names() -> list[str]:
    """Sorted names that `make_agent` knows: the built-in ones and those of installed plug-ins."""
    return sorted({*_BUILT_IN, *(point.name for point in _plugins())})


def make_agent(spec: str | Path, **kwargs: Any) -> Agent:
    """Makes an agent from a name, a place in a module, or the folder of a training run.

    Built-in names win over plug-ins of the same name, names over places, and places over folders;
    write `./name` for a folder that is called like one of them.

    Args:
        spec: A name in `agent_names()`; `package.module:attribute`, for an agent in development
            that no package provides yet, where the module can be imported (from a folder in
            `PYTHONPATH`, say); or the path of a run folder.
        **kwargs: Passed to the agent. `seed`, `greedy`, `device` and `env` are dropped where the
            agent does not take them.

    Raises:
        AgentError: The name is unknown, the folder holds no agent, a plug-in or a module cannot be
            loaded, a module has no such attribute, or an argument does not exist.
        MissingDependencyError: The agent needs an extra that is not installed.

    Example:
        >>> make_agent("random", seed=3)
        RandomAgent(seed=3)
    """
    name = str(spec)
    if isinstance(spec, str) and name in _BUILT_IN:
        return _call(_resolve(_BUILT_IN[name], name), name, kwargs)
    if isinstance(spec, str):
        for point in _plugins():
            if point.name == name:
                return _make_plugin(point, kwargs)
        if _PLACE.fullmatch(spec):
            return _make_from_module(spec, kwargs)
    path = Path(spec).expanduser()
    if path.exists():
        return _load_run(path, kwargs)
    known = ", ".join(agent_names())
    raise AgentError(
        f"unknown agent {name!r}: not a run folder, no package.module:attribute, nor one of {known}"
    )


def describe(agent: Agent) -> str:
    """A short name for results: the agent's own `name`, else that of its class."""
    name = getattr(agent, "name", None)
    return name if isinstance(name, str) else type(agent).__name__


def _plugins() -> Sequence[EntryPoint]:
    return tuple(entry_points(group=ENTRY_POINT_GROUP))


def _make_plugin(point: EntryPoint, kwargs: dict[str, Any]) -> Agent:
    origin = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
    label = f"{point.name!r} from {origin} ({point.value})"
    try:
        factory = point.load()
    except Exception as error:  # a plug-in's import can fail in any way
        raise AgentError(f"cannot load agent {label}: {type(error).__name__}: {error}") from error
    return _call_any(factory, label, kwargs)


def _make_from_module(place: str, kwargs: dict[str, Any]) -> Agent:
    module, _, attributes = place.partition(":")
    try:
        found: Any = import_module(module)
    except Exception as error:  # anyone's code
        raise AgentError(
            f"cannot import {module} of agent {place!r}: {type(error).__name__}: {error}"
        ) from error
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError as error:
            raise AgentError(f"cannot find agent {place!r}: {error}") from error
    return _call_any(found, repr(place), kwargs)


def _call_any(factory: object, label: str, kwargs: dict[str, Any]) -> Agent:
    if not callable(factory):
        raise AgentError(f"agent {label} is not callable: {type(factory).__name__}")
    return _call(factory, label, kwargs)


def _load_run(path: Path, kwargs: dict[str, Any]) -> Agent:
    """Loads the agent of a run folder, by the kind that its checkpoint file names."""
    file = path / CHECKPOINT_FILE
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise AgentError(
            f"{path} is not a run folder of `hiper train`: "
            f"cannot read {CHECKPOINT_FILE} ({error.strerror})"
        ) from error
    try:
        kind = json.loads(text)["agent"]
    except (ValueError, KeyError, TypeError) as error:
        raise AgentError(f"{file} does not say which agent it holds") from error
    if not isinstance(kind, str) or kind not in _LOADERS:
        known = ", ".join(sorted(_LOADERS))
        raise AgentError(f"{file} holds an agent of unknown kind {kind!r}; known: {known}")
    return _call(_resolve(_LOADERS[kind], kind), str(path), kwargs, path)


def _resolve(target: str, kind: str) -> Callable[..., Any]:
    module, _, attribute = target.partition(":")
    try:
        return cast("Callable[..., Any]", getattr(import_module(module), attribute))
    except ModuleNotFoundError as error:
        if kind not in _EXTRAS:
            raise
        raise MissingDependencyError(
            f"a {kind} agent needs {error.name}: pip install 'hiper-gym[{_EXTRAS[kind]}]'"
        ) from error


def _call(factory: Callable[..., Any], label: str, kwargs: dict[str, Any], *args: Any) -> Agent:
    """Calls a factory with those of the arguments that it takes, and checks what it gives."""
    parameters = inspect.signature(factory).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if not takes_any:
        unknown = sorted(kwargs.keys() - parameters.keys() - OPTIONAL_ARGUMENTS)
        if unknown:
            raise AgentError(f"agent {label} takes no argument {', '.join(unknown)}")
        kwargs = {key: value for key, value in kwargs.items() if key in parameters}
    agent = factory(*args, **kwargs)
    if not isinstance(agent, Agent):
        raise AgentError(
            f"agent {label} has no reset and act: {type(agent).__name__} is not an Agent"
        )
    return agent
