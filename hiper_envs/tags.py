"""The grammar of hierarchical actions, its parser, and the renderer that is the parser's inverse.

::

    <switch>KEEP</switch><action>open drawer 1</action>
    <switch>SWITCH</switch><subgoal>find a mug</subgoal><action>go to desk 1</action>

Rules, in full:

* A text without any of the tags is a primitive action as it stands and means KEEP.
* The blocks come in the order switch, subgoal, action, each at most once, none inside another.
  Text between and around them is free; so is everything inside ``<think>...</think>``.
* The action block is required. A missing switch block means KEEP. SWITCH requires a subgoal.
* A subgoal beside KEEP is legal. It is returned, but the running option keeps the subgoal that it
  began with.
* Contents of blocks are stripped of surrounding white space; tags and the two words are
  case-sensitive.

Whatever breaks a rule is malformed, and ``format_error`` says which rule. The module knows nothing
of environments: whether an action is admissible is not its business.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["ParsedAction", "Span", "Spans", "parse", "render"]

Span = tuple[int, int]
"""Half-open range of character positions."""

_TAG = re.compile(r"<(/?)(switch|subgoal|action|think)>")
_ORDER = ("switch", "subgoal", "action")
# What `render` writes: most texts of a trained agent. The scan below takes five times as long.
_CANONICAL = re.compile(
    r"(<switch>(KEEP|SWITCH)</switch>)(<subgoal>([^<]*)</subgoal>)?(<action>([^<]*)</action>)"
)


class Spans(NamedTuple):
    """Where the blocks stand in the text, tags included; None for a block that is absent.

    Estimators assign one advantage to each block, so a policy records these spans as token spans
    when it generates a text.
    """

    switch: Span | None = None
    subgoal: Span | None = None
    action: Span | None = None


class ParsedAction(NamedTuple):
    """A parsed text.

    Attributes:
        switch: Whether a new option is asked for.
        subgoal: The subgoal that was written, or None.
        action: The primitive action; "" if malformed.
        format_valid: Whether the text follows the grammar.
        format_error: "" or the rule that was broken.
        spans: Character spans of the blocks; all None if malformed.
    """

    switch: bool
    subgoal: str | None
    action: str
    format_valid: bool = True
    format_error: str = ""
    spans: Spans = Spans()


def parse(text: str) -> ParsedAction:
    """Parse an agent's text. Never raises on a string.

    Args:
        text: A primitive action, or a text with tags.

    Returns:
        The parsed action; if the text is malformed, one with ``format_valid`` False.

    Example:
        >>> from hiper_envs.tags import parse
        >>> parse("<switch>SWITCH</switch><subgoal>find a mug</subgoal><action>look</action>")[:3]
        (True, 'find a mug', 'look')
        >>> parse("go to desk 1").action
        'go to desk 1'
        >>> parse("<switch>SWITCH</switch><action>look</action>").format_error
        'SWITCH without a subgoal'
    """
    if "<" not in text:
        return _parse_plain(text)
    canonical = _CANONICAL.fullmatch(text)
    if canonical is not None:
        _, word, _, subgoal, _, action = canonical.groups()
        subgoal, action = (subgoal or "").strip(), action.strip()
        if action and (subgoal or word == "KEEP"):
            middle = canonical.span(3) if canonical[3] else None
            spans = Spans(canonical.span(1), middle, canonical.span(5))
            return ParsedAction(word == "SWITCH", subgoal or None, action, spans=spans)
    return _parse_tagged(text) if _TAG.search(text) else _parse_plain(text)


def render(action: str, *, switch: bool = False, subgoal: str | None = None) -> str:
    """Write an action in the grammar; the inverse of :func:`parse`.

    Values that the grammar cannot carry (a blank action, SWITCH without a subgoal, contents with
    tags in them) give a text that :func:`parse` reports as malformed.

    Args:
        action: The primitive action.
        switch: Whether to begin a new option.
        subgoal: The subgoal, or None to leave the block out.

    Example:
        >>> from hiper_envs.tags import render
        >>> render("look", switch=True, subgoal="find a mug")
        '<switch>SWITCH</switch><subgoal>find a mug</subgoal><action>look</action>'
    """
    word = "SWITCH" if switch else "KEEP"
    middle = "" if subgoal is None else f"<subgoal>{subgoal}</subgoal>"
    return f"<switch>{word}</switch>{middle}<action>{action}</action>"


def _malformed(error: str) -> ParsedAction:
    return ParsedAction(False, None, "", format_valid=False, format_error=error)


def _parse_plain(text: str) -> ParsedAction:
    # Not stripped: what white space around an action means is the world's affair.
    if not text.strip():
        return _malformed("empty action")
    return ParsedAction(False, None, text, spans=Spans(action=(0, len(text))))


def _parse_tagged(text: str) -> ParsedAction:
    blocks, error = _find_blocks(text)
    if error:
        return _malformed(error)
    content = {name: text[inner[0] : inner[1]].strip() for name, (_, inner) in blocks.items()}
    error = _check(content)
    if error:
        return _malformed(error)
    return ParsedAction(
        switch=content.get("switch") == "SWITCH",
        subgoal=content.get("subgoal") or None,
        action=content["action"],
        spans=Spans(**{name: outer for name, (outer, _) in blocks.items()}),
    )


def _find_blocks(text: str) -> tuple[dict[str, tuple[Span, Span]], str]:
    """The outer and inner span of each block by name, and "" or the error found on the way."""
    blocks: dict[str, tuple[Span, Span]] = {}
    opening: re.Match[str] | None = None
    for tag in _TAG.finditer(text):
        closes, name = tag[1] == "/", tag[2]
        inside = opening[2] if opening else ""
        if inside == "think":
            if closes and name == "think":
                opening = None
        elif not inside:
            if closes:
                return blocks, f"</{name}> without <{name}>"
            opening = tag
        elif closes and name == inside:
            assert opening is not None
            if name in blocks:
                return blocks, f"more than one <{name}> block"
            blocks[name] = (opening.start(), tag.end()), (opening.end(), tag.start())
            opening = None
        else:
            return blocks, f"{tag[0]} inside <{inside}>"
    if opening is not None:
        return blocks, f"<{opening[2]}> is not closed"
    return blocks, ""


def _check(content: dict[str, str]) -> str:
    """What is wrong with these blocks, which come in the order of the text; "" if nothing is."""
    if "action" not in content:
        return "no <action> block"
    if not content["action"]:
        return "empty action"
    if list(content) != [name for name in _ORDER if name in content]:
        return "blocks out of order: expected switch, subgoal, action"
    word = content.get("switch", "KEEP")
    if word not in ("KEEP", "SWITCH"):
        return f"unknown switch word {word[:20]!r}: expected KEEP or SWITCH"
    if word == "SWITCH" and not content.get("subgoal"):
        return "SWITCH without a subgoal"
    return ""
