"""Tests of the common sense about where things usually are."""

from __future__ import annotations

from hiper_envs.alfworld import house as tables
from hiper_envs.alfworld.whereabouts import _USUAL, plausibility


def test_usual_places_are_ordered_and_never_excluded() -> None:
    assert plausibility("pillow", "bed") == 1.0
    assert plausibility("pillow", "bed") > plausibility("pillow", "sofa")
    assert plausibility("pillow", "sofa") > plausibility("pillow", "fridge") > 0


def test_an_unknown_object_may_be_anywhere() -> None:
    assert plausibility("unicorn", "bed") == plausibility("unicorn", "fridge")


def test_every_object_of_the_houses_is_known_with_places_spelled_right() -> None:
    assert {kind.lower() for kind in tables.CAN_CONTAIN} <= set(_USUAL)
    for places in _USUAL.values():
        words = places.split()
        assert len(words) == len(set(words))
        assert all(word in tables.SPELLING for word in words)
