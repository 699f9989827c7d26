"""Turns memories, subgoals, actions and words into the numbers that the network reads.

Everything here is derived from texts that the agent was shown. Knows nothing about the network.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from hiper_agents.compact.domain import OUTCOMES, Running
from hiper_agents.compact.rows import Rows, one_hot
from hiper_agents.compact.webshop.memory import (
    PAGES,
    PARTS,
    READABLE,
    STOP_WORDS,
    Memory,
    Product,
    QueryWord,
    tokens,
)
from hiper_agents.compact.webshop.options import MOVE_KINDS, Permitted
from hiper_envs.webshop.subgoals import KINDS, Subgoal

PRICE_FEATURES = 6
PRODUCT_SIZE = 17 + PRICE_FEATURES
STATE_SIZE = len(PAGES) + len(OUTCOMES) + 21 + PRODUCT_SIZE
SUBGOAL_SIZE = len(KINDS)
CANDIDATE_SIZE = len(KINDS) + 8 + PRODUCT_SIZE
VALUE_FEATURES = 9
ACHIEVES = len(MOVE_KINDS)
"""Column of a move's row: it does what the subgoal names."""
MOVE_SIZE = len(MOVE_KINDS) + 1 + VALUE_FEATURES
WORD_SIZE = len(PARTS) + 14
_ACHIEVING = frozenset({"search", "next", "open", "features", "description", "value", "buy"})
_NOTHING = (0.0,) * PRODUCT_SIZE
_NOWHERE = (0.0,) * 5
_NO_VALUE = (0.0,) * VALUE_FEATURES


def encode_state(memory: Memory, running: Running) -> list[float]:
    """[STATE_SIZE] numbers about the episode as a whole."""
    wanted, item = memory.wanted, memory.item
    products = memory.products.values()
    inspected = [product.options_offered for product in products if product.is_inspected]
    kind = memory.page.kind if memory.page.kind in PAGES else "other"
    return [
        *one_hot(kind, PAGES),
        *one_hot(running.outcome, OUTCOMES),
        min(running.age, 10) / 5.0,
        memory.turn / 20.0,
        min(memory.queries, 4) / 4.0,
        memory.number / 5.0,
        len(products) / 50.0,
        len(inspected) / 5.0,
        max(inspected, default=0.0),
        *_results(memory),
        wanted.price_limit is not None,
        wanted.is_free_text,
        len(wanted.options) / 3.0,
        len(wanted.phrases) / 8.0,
        len(memory.chosen) / 3.0,
        len(memory.open_groups) / 3.0,
        *_choices(memory),
        bool(memory.chosen),
        *(_NOTHING if item is None else encode_product(memory, item)),
    ]


def _results(memory: Memory) -> tuple[float, ...]:
    """How well the products listed by the last query match: what the query was worth."""
    fresh = [memory.products[asin] for asin in memory.results]
    fresh = [product for product in fresh if not product.is_inspected]
    return (
        max((product.matched_rare for product in fresh), default=0.0),
        max((product.matched_product for product in fresh), default=0.0),
        max((product.phrases for product in fresh), default=0.0),
        len(fresh) / 10.0,
    )


def _choices(memory: Memory) -> tuple[float, float, float]:
    """What was chosen on the open product, as shares of the wanted options.

    Returns:
        Wanted options with their value chosen; those that are offered and not chosen; values chosen
        that match no wanted option.
    """
    wanted, item = memory.wanted.options, memory.item
    if item is None:
        return 0.0, 0.0, 0.0
    total = max(len(wanted), 1)
    best = memory.chosen_matches
    missing = sum(max(0.0, offered - got) for offered, got in zip(item.offered, best, strict=True))
    hits = sum(got >= 0.8 for got in best)
    return sum(best) / total, missing / total, max(0, len(memory.chosen) - hits) / total


def encode_product(memory: Memory, product: Product) -> tuple[float, ...]:
    """[PRODUCT_SIZE] numbers about a product and how it matches the instruction."""
    # Most products stay as they are from turn to turn.
    if product.code is None:
        product.code = _encode_product(memory.wanted.price_limit, product)
    return product.code


def _encode_product(limit: float | None, product: Product) -> tuple[float, ...]:
    worst = min(product.offered, default=1.0) if product.is_inspected else 0.0
    return (
        *_prices(limit, product),
        product.rank / 10.0,
        1.0 / (1.0 + product.rank),
        product.listings / 3.0,
        product.matched,
        product.matched_rare,
        product.matched_product,
        product.matched_title,
        product.behind,
        product.phrases,
        product.phrases == 1.0,
        product.is_inspected,
        product.options_offered,
        worst >= 1.0,
        worst >= 0.8,
        product.is_inspected and not product.groups,
        len(product.read) / len(READABLE),
        bool(product.read) and product.phrases == 1.0,
    )


def _prices(limit: float | None, product: Product) -> tuple[float, ...]:
    if limit is None:
        return (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    below = limit - product.high
    return (
        product.high <= limit,
        product.low <= limit,
        max(-2.0, min(1.0, below / max(limit, 0.01))),
        max(-1.0, min(1.0, below / 50.0)),
        # Whether it can cost as little below the limit as people set limits above prices.
        product.low <= limit <= product.high + 40.0,
        math.log(max(limit, 1.0)) / 6.0,
    )


def encode_subgoal(subgoal: Subgoal | None) -> list[float]:
    """[SUBGOAL_SIZE] numbers about one subgoal: its kind."""
    return list(one_hot(subgoal.kind if subgoal is not None else "", KINDS))


def encode_candidate(memory: Memory, running: Running, subgoal: Subgoal) -> tuple[float, ...]:
    """[CANDIDATE_SIZE] numbers about a subgoal that could be chosen now."""
    is_running = subgoal == running.subgoal
    kind = (
        *one_hot(subgoal.kind, KINDS),
        is_running,
        is_running and running.outcome == "achieved",
        is_running and running.outcome == "impossible",
    )
    product = memory.products.get(subgoal.argument) if subgoal.argument else memory.item
    if product is None:
        return (*kind, *_NOWHERE, *_NOTHING)
    number = product.number == memory.number
    if product is not memory.item:
        return (*kind, False, number, 0.0, 0.0, 0.0, *encode_product(memory, product))
    return (*kind, True, number, *_choices(memory), *encode_product(memory, product))


def encode_moves(memories: Sequence[Memory], moves: Sequence[Permitted]) -> Rows:
    """The permitted actions of a batch of turns as rows."""
    features: list[tuple[float, ...]] = []
    for memory, allowed in zip(memories, moves, strict=True):
        for kind, (group, value) in zip(allowed.kinds, allowed.values, strict=True):
            features.append(
                (
                    *one_hot(kind, MOVE_KINDS),
                    float(kind in _ACHIEVING),
                    *(_encode_value(memory, group, value) if kind == "value" else _NO_VALUE),
                )
            )
    counts = [len(allowed.commands) for allowed in moves]
    rows = np.array(features, np.float32).reshape(-1, MOVE_SIZE)
    return Rows.stack(rows, np.zeros((len(rows), 0), np.int64), counts)


def _encode_value(memory: Memory, group: str, value: str) -> tuple[float, ...]:
    """[VALUE_FEATURES] numbers about a value of a product option of the open product."""
    matches = memory.matches(group, value)
    words = tokens(value)
    text = memory.wanted.text.lower()
    best = max(matches, default=0.0)
    return (
        best == 1.0,
        best >= 0.8,
        best,
        value in text,
        sum(word in memory.keys for word in words) / max(len(words), 1),
        any(name == group for name, _ in memory.wanted.options),
        not memory.wanted.options,
        min(len(value), 40) / 40.0,
        len(words) / 5.0,
    )


def encode_words(memories: Sequence[Memory], buckets: int) -> Rows:
    """The words that a query can contain, of a batch of turns."""
    features = [_encode_word(memory, word) for memory in memories for word in memory.words]
    types = [[word_number(word.word, buckets)] for memory in memories for word in memory.words]
    return Rows.stack(
        np.array(features, np.float32),
        np.array(types, np.int64),
        [len(memory.words) for memory in memories],
    )


def _encode_word(memory: Memory, word: QueryWord) -> tuple[float, ...]:
    if word.code is None:
        word.code = (
            *one_hot(word.part, PARTS),
            word.word in STOP_WORDS,
            word.position,
            len(word.word) / 10.0,
            any(map(str.isdigit, word.word)),
            not word.word.isalpha(),
            min(word.count, 4) / 4.0,
            len(memory.words) / 48.0,
            len(memory.wanted.options) / 3.0,
        )
    frequency = memory.frequency(word.key)
    return (
        *word.code,
        bool(memory.products),
        frequency > 0,
        min(frequency, 10) / 10.0,
        word.is_in_last,
        min(word.queried, 3) / 3.0,
        min(memory.queries, 3) / 3.0,
    )


@lru_cache(maxsize=1 << 15)
def word_number(word: str, buckets: int) -> int:
    """The embedding of a word, from 1; the same in every process."""
    return 1 + zlib.crc32(word.encode()) % (buckets - 1)
