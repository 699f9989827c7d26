"""TextWorld about ten times faster with the same output, for comparing millions of characters.

Inside :func:`memoised` some pure functions of TextWorld remember their results. No rule of the
game is reimplemented: states, applicable actions, goals and texts still come from upstream code.
:data:`MEMOISED` lists every change, and ``benchmarks.alfworld_parity --check-memoised`` replays
games on the unmodified engine to show that the bytes are the same. The module knows nothing of the
native engine.
"""

from __future__ import annotations

import builtins
import functools
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

__all__ = ["MEMOISED", "memoised"]

MEMOISED = (
    "textgen._parse_and_convert and pddl.logic._parse_and_convert (parsing of grammar strings): "
    "remembered by their arguments; parsed symbols are copied for every caller",
    "Rule.parse_conjunctive_query (parsing of conditions): remembered by its text",
    "textgen.deepcopy: replaced by copies of the same containers that share their immutable leaves",
    "fast_downward.pddl2sas: the last translation is remembered, so that a reset does not repeat "
    "the one that load has just made; the second, optimised translation, which only replanning "
    "reads (never requested here), is replaced by the translator's own trivial task",
    "PddlState: the state that load has just built serves the reset that follows, if unmodified",
    "State.facts, State.facts_with_signature and the sorting of the latter: remembered until a "
    "fact is added or removed",
    "ContextSensitiveGrammar.derive of command templates: remembered within one episode by the "
    "template, the objects that it names, and the versions of the facts that its condition reads",
)
"""What :func:`memoised` changes, in words; recorded with every result that relies on it."""

_MISSING = object()


class _SortedFacts(list):  # type: ignore[type-arg]
    """A list that is known to be sorted already."""


@contextmanager
def memoised() -> Iterator[None]:
    """Makes TextWorld remember results of its pure functions, and restores it afterwards.

    What was remembered is kept for the next time. Not reentrant; affects the whole process.

    Raises:
        ImportError: TextWorld is not installed.
    """
    with ExitStack() as stack:
        for owner, name, value in _replacements():
            original = vars(owner).get(name, _MISSING)
            setattr(owner, name, value)
            if original is _MISSING:
                stack.callback(delattr, owner, name)
            else:
                stack.callback(setattr, owner, name, original)
        yield


@functools.cache
def _replacements() -> tuple[tuple[Any, str, Any], ...]:
    """(owner, attribute, new value); made once, so that the caches outlive one use."""
    import fast_downward  # type: ignore[import-untyped]
    from textworld import logic
    from textworld.envs.pddl import logic as pddl_logic
    from textworld.envs.pddl import textgen

    remember = functools.lru_cache(maxsize=256)
    grammar, rule = textgen.ContextSensitiveGrammar, logic.Rule
    return (
        (textgen, "_parse_and_convert", _copied_parse(textgen._parse_and_convert, textgen)),
        (textgen, "deepcopy", functools.partial(_copy, textgen)),
        (pddl_logic, "_parse_and_convert", remember(pddl_logic._parse_and_convert)),
        (pddl_logic, "PddlState", _fresh_state_once(pddl_logic.PddlState)),
        (rule, "parse_conjunctive_query", staticmethod(remember(rule.parse_conjunctive_query))),
        (fast_downward, "pddl2sas", _single_translation(fast_downward.pddl2sas)),
        (grammar, "derive", _remembered_templates(grammar.derive)),
        *_remembered_facts(logic),
    )


def _copied_parse(parse: Callable[..., Any], textgen: Any) -> Callable[..., Any]:
    remembered = functools.lru_cache(maxsize=4096)(parse)

    def parse_and_convert(*args: Any, **kwargs: Any) -> Any:
        return _copy(textgen, remembered(*args, **kwargs))

    return parse_and_convert


def _copy(textgen: Any, value: Any) -> Any:
    """What ``deepcopy`` gives for the values that the text generator copies.

    These are lists of symbols, symbols, and dictionaries whose keys and values nothing modifies
    (placeholders, variables, entity infos).
    """
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list):
        return [_copy(textgen, item) for item in value]
    if isinstance(value, textgen.Symbol):
        copy = value.__class__.__new__(value.__class__)
        copy.__dict__.update(value.__dict__)
        for name in ("symbol", "expression"):  # of list and conditional symbols
            inner = value.__dict__.get(name)
            if isinstance(inner, textgen.Symbol):
                copy.__dict__[name] = _copy(textgen, inner)
        return copy
    raise TypeError(f"cannot copy {type(value).__name__}")


def _single_translation(pddl2sas: Callable[..., Any]) -> Callable[..., Any]:
    @functools.lru_cache(maxsize=1)
    def translate(domain: str, problem: str) -> Any:
        return pddl2sas(domain, problem)

    @functools.cache
    def trivial() -> str:
        from fast_downward.translate.translate import (  # type: ignore[import-untyped]
            trivial_task,
        )

        text = io.StringIO()
        trivial_task(solvable=True).output(text)
        return text.getvalue()

    def single(domain: str, problem: str, verbose: bool = False, optimize: bool = False) -> Any:
        return (None, trivial()) if optimize else translate(domain, problem)

    return single


def _fresh_state_once(state_class: Callable[..., Any]) -> Callable[..., Any]:
    latest: dict[str, Any] = {}

    def fresh_state(library: Any, problem: str, logic: Any) -> Any:
        owner = (library, problem, logic)
        if latest.get("owner") != owner or latest["versions"] != latest["state"]._versions:
            state = state_class(library, problem, logic)
            latest.update(owner=owner, state=state, versions=dict(state._versions))
        return latest["state"]

    return fresh_state


def _remembered_facts(logic: Any) -> tuple[tuple[Any, str, Any], ...]:
    """Keeps, per state, sorted facts by signature and a version number by predicate."""
    add_fact, remove_fact = logic.State.add_fact, logic.State.remove_fact
    facts_with_signature, facts = logic.State.facts_with_signature, logic.State.facts

    def changed(state: Any, fact: Any) -> None:
        versions = state.__dict__.setdefault("_versions", {})
        versions[fact.name] = versions.get(fact.name, 0) + 1
        state.__dict__.setdefault("_sorted_facts", {}).pop(fact.signature, None)
        state.__dict__.pop("_all_facts", None)

    def add(self: Any, fact: Any) -> None:
        add_fact(self, fact)
        changed(self, fact)

    def remove(self: Any, fact: Any) -> None:
        remove_fact(self, fact)
        changed(self, fact)

    def sorted_facts(self: Any, signature: Any) -> _SortedFacts:
        known: dict[Any, _SortedFacts] = self.__dict__.setdefault("_sorted_facts", {})
        if signature not in known:
            known[signature] = _SortedFacts(builtins.sorted(facts_with_signature(self, signature)))
        return known[signature]

    def all_facts(self: Any) -> tuple[Any, ...]:
        known: tuple[Any, ...] | None = self.__dict__.get("_all_facts")
        if known is None:
            known = self.__dict__["_all_facts"] = tuple(facts.__get__(self))
        return known

    def sort(values: Iterable[Any], **kwargs: Any) -> list[Any]:
        if isinstance(values, _SortedFacts) and not kwargs:
            return values
        return builtins.sorted(values, **kwargs)

    return (
        (logic.State, "add_fact", add),
        (logic.State, "remove_fact", remove),
        (logic.State, "facts", property(all_facts)),
        (logic.State, "facts_with_signature", sorted_facts),
        (logic, "sorted", sort),
    )


def _remembered_templates(derive: Callable[..., str]) -> Callable[..., str]:
    @functools.lru_cache(maxsize=256)
    def reads(template: str) -> tuple[tuple[str, ...], frozenset[str], frozenset[str]]:
        """Predicates, words, and typed variables (of conditions) of a template."""
        predicates = tuple(re.findall(r"(\w+)\(", template))
        words = frozenset(re.findall(r"\w+", template))
        return predicates, words, frozenset(re.findall(r"(\w+):", template))

    def remembered(self: Any, start: str, context: dict[str, Any]) -> str:
        if "#" in start:  # a rule of the grammar: its conditions are not in the template
            return derive(self, start, context)
        state, mapping = context["state"], context["mapping"]
        predicates, words, typed = reads(start)
        # With all its variables given, a condition reads no other entry of the mapping.
        is_closed = typed <= {variable.name for variable in mapping}
        values = [
            value for variable, value in mapping.items() if not is_closed or variable.name in words
        ]
        versions = state._versions
        key = (start, *values, *(versions.get(name, 0) for name in predicates))
        texts: dict[Any, str] = state.__dict__.setdefault("_derived", {})
        if key not in texts:
            texts[key] = derive(self, start, context)
        return texts[key]

    return remembered
