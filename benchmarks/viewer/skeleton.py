"""The parts of the page that are the same for every run: filters, buttons and the list of keys.

The script finds them by their ids and fills them.
"""

from __future__ import annotations

from hiper_agents.training.report.markup import Html, element, trusted

__all__ = ["HELP", "LIST", "READER"]

KEYS = (
    ("j, ↓", "next turn"),
    ("k, ↑", "previous turn"),
    ("J, K", "next, previous option"),
    ("Home, End", "first, last turn"),
    ("n, p", "next, previous episode of the list"),
    ("h, l, ←, →", "the other run, where two are side by side"),
    ("o", "what the agent wrote, unchanged"),
    ("a", "admissible actions"),
    ("e", "open or close all turns"),
    ("/", "search"),
    ("?", "this help"),
    ("Esc", "close the help, leave the search, back to the list"),
)


def _select(name: str, label: str) -> Html:
    return element("label", element("span", label), element("select", id=name), class_="field")


def _button(name: str, label: str, sign: str, word: str, key: str) -> Html:
    return element(
        "button",
        element("span", sign, class_="sign"),
        element("span", word, class_="word"),
        type="button",
        id=name,
        aria_label=label,
        title=f"{label} ({key})",
        aria_keyshortcuts=key,
    )


LIST = element(
    "nav",
    element(
        "form",
        element(
            "label",
            element("span", "Search tasks and subgoals"),
            trusted('<input id="search" type="search" autocomplete="off" spellcheck="false">'),
            class_="field wide",
        ),
        element(
            "label",
            trusted('<input id="deep" type="checkbox">'),
            element("span", "in observations and outputs too"),
            class_="check",
        ),
        element("span", id="selects"),
        role="search",
        id="filters",
        autocomplete="off",
        aria_label="Filter episodes",
    ),
    element("p", role="status", id="count", class_="muted"),
    element("ul", id="list"),
    element("button", "More", type="button", id="more", hidden=True),
    id="episodes",
    aria_label="Episodes",
)
"""The list of episodes, and what it is filtered by."""

READER = element(
    "main",
    element(
        "div",
        _button("back", "Back to the list", "☰", "List", "Escape"),
        _button("previous-episode", "Previous episode", "«", "Episode", "p"),
        _button("previous-turn", "Previous turn", "↑", "Turn", "k"),
        _button("next-turn", "Next turn", "↓", "Turn", "j"),
        _button("next-episode", "Next episode", "»", "Episode", "n"),
        _button("all-turns", "Open or close all turns", "⇕", "All turns", "e"),
        _button("help", "Keys", "?", "Keys", "?"),
        class_="bar",
        role="toolbar",
        aria_label="Walk through the episodes",
    ),
    element("p", role="alert", id="problem", class_="problem"),
    element("div", id="sides"),
    id="reader",
)
"""One episode, or two side by side."""

HELP = element(
    "dialog",
    element("h2", "Keys"),
    element(
        "dl",
        *(
            element("div", element("dt", element("kbd", keys)), element("dd", what))
            for keys, what in KEYS
        ),
    ),
    element("button", "Close", type="button", id="close-help"),
    id="keys",
    aria_label="Keys",
)
"""The keys, shown on demand."""
