"""HTML that cannot be injected into: text is escaped wherever it enters, without being asked.

`element` escapes every child and attribute that is not `Html` already, and only this module makes
`Html` of text. It knows nothing of what the pages show.
"""

from __future__ import annotations

import html
from collections.abc import Iterable


class Html(str):
    """Text that is markup already. Made by the functions of this module and by nothing else."""

    __slots__ = ()


def text(value: object) -> Html:
    """A value as escaped text."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def join(parts: Iterable[object], separator: str = "") -> Html:
    """Escapes the parts that are not markup and puts them together."""
    return Html(html.escape(separator).join(text(part) for part in parts))


def element(name: str, *children: object, **attributes: object) -> Html:
    """An element with its content.

    Args:
        name: Tag name, from the program, never from data.
        *children: Content, in order; None is left out.
        **attributes: None is left out, True gives the bare name. A trailing underscore is dropped
            and others become hyphens: `class_`, `aria_label`.

    Example:
        >>> element("p", "a < b", element("b", "!"), class_="note", hidden=None)
        '<p class="note">a &lt; b<b>!</b></p>'
    """
    opened = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        written = key if key == "viewBox" else key.rstrip("_").replace("_", "-")
        opened.append(written if value is True else f'{written}="{html.escape(str(value))}"')
    content = join(child for child in children if child is not None)
    return Html(f"<{' '.join(opened)}>{content}</{name}>")


def trusted(markup: str) -> Html:
    """Takes a constant of the program as markup. Never for anything that was read from a file."""
    return Html(markup)
