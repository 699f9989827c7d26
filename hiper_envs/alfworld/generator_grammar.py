"""Writes the text grammar of a generated game: what the world says, and how commands are worded.

The wording of the file is this package's own; what it produces is what alfworld 0.4.2's grammar
produces, without the parts that no game can reach. It is a constant but for the task sentence.

This module knows nothing about houses or goals.
"""

from __future__ import annotations

import json
from functools import lru_cache

from hiper_envs.alfworld.native import HELP

# (name, command template, nonterminal of the feedback)
_ACTIONS: tuple[tuple[str, str, str], ...] = (
    (
        "GotoLocation",
        "go to [{r.name | receptacleatlocation(r:receptacle, lend:location)}]",
        "#go#",
    ),
    ("OpenObject", "open {r}", "#open#"),
    ("CloseObject", "close {r}", "#close#"),
    ("PickupObject", "take {o} from {r}", "#take#"),
    ("PutObject", "move {o} to {r}", "#move#"),
    ("CleanObject", "clean {o} with {r}", "#clean#"),
    ("HeatObject", "heat {o} with {r}", "#heat#"),
    ("CoolObject", "cool {o} with {r}", "#cool#"),
    ("SliceObject", "slice {co} with {ko}", "#slice#"),
    ("ToggleObject", "use {o}", "#use#"),
    ("examineReceptacle", "examine {r}", "#content#"),
    ("examineObject", "examine {o}", "#condition#"),
    ("inventory", "inventory", "#hand#"),
    ("look", "look", "#surroundings#"),
)
_PLACEHOLDER = "@"
_HERE = "atlocation(a:agent, l:location) & receptacleatlocation(r:receptacle, l:location)"
_FALLEN = (
    "atlocation(a:agent, l:location) & objectatlocation(o:object, l:location) & "
    "receptacleatlocation(r:receptacle, l:location) & not_inreceptacle(o:object, r:receptacle)"
)


def _listed(variable: str, query: str) -> str:
    """A grammar expression that lists the matches of a query, each with its article."""
    return f"[{{{variable}.indefinite + ' ' + {variable}.name | {query}}}]"


def _examined() -> list[tuple[str, str]]:
    """The (condition, text) alternatives of examining a held object, most specific first."""
    states = (
        ("isclean ishot issliced", "hot and clean sliced"),
        ("isclean iscool issliced", "cool and clean sliced"),
        ("isclean issliced", "clean sliced"),
        ("ishot issliced", "hot sliced"),
        ("iscool issliced", "cool sliced"),
        ("isclean ishot", "hot and clean"),
        ("isclean iscool", "cool and clean"),
        ("ishot", "hot"),
        ("isclean", "clean"),
        ("iscool", "cold"),
    )
    inside = _listed("o2", "inreceptacleobject(o2:object, o:object)")
    alternatives = [
        ("isreceptacleobject(o:object)", f"This is a normal {{o.name}}. In it, you see {inside}.")
    ]
    for predicates, adjectives in states:
        condition = " & ".join(f"{predicate}(o:object)" for predicate in predicates.split())
        alternatives.append((condition, f"This is a {adjectives} {{o.name}}."))
    return [
        *alternatives,
        ("sliceable(o:object) & issliced(o:object)", "This is a sliced {o.name}."),
        ("", "There's nothing special about {o.name}."),
    ]


def _texts(task: str) -> dict[str, list[tuple[str, str]]]:
    """Nonterminal -> its (condition, text) alternatives; the first that holds is used."""
    content = _listed("o", "inreceptacle(o:object, r:receptacle)")
    return {
        "intro": [("", "-= Welcome to TextWorld, ALFRED! =-\n\n#surroundings#\n\n#task#")],
        "task": [("", f"Your task is to: {task}")],
        "go": [("", "You arrive at {r.name}. #content#")],
        "open": [("", "You open the {r.name}. #content#")],
        "close": [("", "You close the {r.name}.")],
        "take": [("", "You pick up the {o.name} from the {r.name}.")],
        "move": [("", "You move the {o.name} to the {r.name}.")],
        "clean": [("", "You clean the {o.name} using the {r.name}.")],
        "heat": [("", "You heat the {o.name} using the {r.name}.")],
        "cool": [("", "You cool the {o.name} using the {r.name}.")],
        "slice": [("", "You sliced the {co.name} with the {ko.name}.")],
        "use": [("", "You turn on the {o.name}.")],
        "content": [
            (
                "openable(r:receptacle) & opened(r:receptacle)",
                f"The {{r.name}} is open. In it, you see {content}.",
            ),
            ("openable(r:receptacle)", "The {r.name} is closed."),
            ("", f"On the {{r.name}}, you see {content}."),
        ],
        "condition": _examined(),
        "hand": [
            (
                "holdsany(a:agent)",
                f"You are carrying: {_listed('o', 'holds(a:agent, o:object)')}.",
            ),
            ("", "You are not carrying anything."),
        ],
        "surroundings": [
            (_HERE, f"You are facing the [{{r.name | {_HERE}}}]. Next to it, you see #fallen#."),
            (
                "",
                "You are in the middle of a room. Looking quickly around you, you see "
                + _listed("r", "receptacleatlocation(r:receptacle, l:location)")
                + ".",
            ),
        ],
        "fallen": [(_FALLEN, _listed("o", _FALLEN)), ("", "nothing")],
        "list_empty": [("", "nothing")],
        "list_separator": [("", ", ")],
        "list_last_separator": [("", ", and ")],
    }


def grammar(task: str) -> str:
    """The text grammar of a game with the given task sentence.

    Raises:
        ValueError: if the sentence has other characters than letters, digits, spaces, commas,
            periods.
    """
    if not task.replace(",", "").replace(".", "").replace(" ", "").isalnum() or not task.isascii():
        raise ValueError(f"task sentence {task!r} is not plain words")
    return _template().replace(_PLACEHOLDER, task)


@lru_cache(maxsize=1)
def _template() -> str:
    """The grammar with a placeholder for the task sentence."""
    rules = {
        name: [
            {"condition": condition, "rhs": text} if condition else {"rhs": text}
            for condition, text in alternatives
        ]
        for name, alternatives in _texts(_PLACEHOLDER).items()
    }
    blocks = [f'grammar :: """\n{json.dumps(rules, indent=1)}\n""";']
    for name, template, feedback in _ACTIONS:
        blocks.append(_action(name, template, feedback))
    blocks.append(_action("help", "help", f"\n{HELP}"))
    return "\n\n".join(blocks) + "\n"


def _action(name: str, template: str, feedback: str) -> str:
    return f'action {name} {{\n  template :: "{template}";\n  feedback :: "{feedback}";\n}}'
