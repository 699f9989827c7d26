"""Splits a product title into words, by the rules that spaCy's English tokenizer documents.

A title is cut at white space; then marks are taken off both ends of a piece, and what is left is
cut at marks between its letters. Left out are spaCy's lists of exceptions but for abbreviations
and clitics, because titles have no emoticons. This module knows no parts of speech.
"""

from __future__ import annotations

import regex

__all__ = ["split_words"]

# Punctuation and quotation marks. Not among them: what occurs inside numbers and codes.
_MARKS = r"[[\p{P}<>`\u00b4]--[\-./@%\\\u2020-\u2023]]"
_QUOTES = r"'\"\u2018-\u201f\u00ab\u00bb`\u00b4,"
_UNITS = (
    "km[²³]?|[dcm]?m[²³]?|ha|[µn]m|yd|in|ft|[kmµ]?g|t|lb|oz|m/s|km/h|kmh|mph|hPa|Pa|mbar|"
    "[mM]b|MB|[kK]b|KB|[gG]b|GB|[tT]b|TB|[TGMK%]"
)
# fmt: off
_ABBREVIATIONS = frozenset({
    "a.m.", "adm.", "bros.", "co.", "corp.", "dr.", "e.g.", "gen.", "i.e.", "inc.", "jr.", "ltd.",
    "mr.", "mrs.", "ms.", "mt.", "p.m.", "ph.d.", "prof.", "rep.", "rev.", "sen.", "st.", "vs.",
})
# fmt: on


def _compile(*alternatives: str) -> regex.Pattern[str]:
    return regex.compile("|".join(alternatives), regex.VERSION1)


_PREFIX = _compile(r"\.\.+", _MARKS, r"[%=]", r"\+(?![0-9])", r"(US|C|A)\$", r"\p{Sc}", r"\p{So}")
# Matched from the end, (?r), so that a long row of marks costs no more than its length.
_SUFFIX = _compile(
    rf"(?r)(\.\.+|{_MARKS}|\p{{So}}|['\u2019][sS])",
    rf"(?<=[0-9])(\+|\p{{Sc}}|{_UNITS})",
    rf"(?<=[0-9\p{{Ll}}%²+\-]|{_MARKS}|\p{{Lu}}\p{{Lu}}|°[FfCcKk])\.",
)
_INFIX = _compile(
    r"\.\.+|\u2026|\p{So}",
    r"(?<=[0-9])[+\-*^](?=[0-9-])",
    rf"(?<=[\p{{Ll}}{_QUOTES}])\.(?=[\p{{Lu}}{_QUOTES}])",
    r"(?<=\p{L}),(?=\p{L})",
    r"(?<=[\p{L}0-9])(-{1,3}|\u2013|\u2014{1,2}|~)(?=\p{L})",
    r"(?<=[\p{L}0-9])[:<>=/](?=\p{L})",
)
_CLITIC = _compile(
    r"(?i)(\p{L}+?)(n['\u2019]t)", r"(?i)(i|you|he|she|it|we|they)(['\u2019](?:ll|re|ve|m|d))"
)


def split_words(text: str) -> list[str]:
    """The words, numbers and marks of a text, in order.

    Example:
        >>> split_words("Zip-Up Jacket, 6.6ft (Pack of 2)")
        ['Zip', '-', 'Up', 'Jacket', ',', '6.6', 'ft', '(', 'Pack', 'of', '2', ')']
    """
    return [word for piece in text.split() for word in _split_piece(piece)]


def _split_piece(piece: str) -> list[str]:
    """The words of a text without white space."""
    left: list[str] = []
    right: list[str] = []
    while piece and not _is_whole(piece):
        prefix = _PREFIX.match(piece)
        if prefix is not None:
            left.append(prefix[0])
            piece = piece[prefix.end() :]
            if _is_whole(piece):
                break
        suffix = _SUFFIX.match(piece)
        if suffix is not None:
            right.append(suffix[0])
            piece = piece[: suffix.start()]
        if prefix is None and suffix is None:
            break
    return [*left, *_split_inside(piece), *reversed(right)]


def _is_whole(piece: str) -> bool:
    return piece.lower() in _ABBREVIATIONS or _CLITIC.fullmatch(piece) is not None


def _split_inside(piece: str) -> list[str]:
    """The words of a text that has no marks at its ends."""
    clitic = _CLITIC.fullmatch(piece)
    if clitic is not None:
        return [part for part in clitic.groups() if part is not None]
    if piece.lower() in _ABBREVIATIONS:
        return [piece]
    words, start = [], 0
    for mark in _INFIX.finditer(piece):
        words += [piece[start : mark.start()], mark[0]]
        start = mark.end()
    words.append(piece[start:])
    return [word for word in words if word]
