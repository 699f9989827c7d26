"""TextWorld says the same with and without remembered results."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("textworld", reason="the reference engine is not installed")
pytest.importorskip("alfworld", reason="the reference engine is not installed")
if sys.version_info >= (3, 13):
    pytest.skip("TextWorld 1.7 does not run on Python 3.13", allow_module_level=True)

from benchmarks.alfworld_reference import Job, make_reference, transcript
from benchmarks.memoised_textworld import _replacements, memoised
from hiper_envs.alfworld.generator import generate_game


def test_same_bytes_as_the_unmodified_engine() -> None:
    data = generate_game(5, "pick_cool_then_place_in_recep")
    job = Job("generated", 5, "generated/5", "seed", steps=10, is_checked=True)
    reference = make_reference(data, job)
    assert reference.unmodified_turns == len(reference.turns) == len(data["walkthrough"]) + 23
    assert reference.unmodified_differences == 0


def test_same_game_twice_and_after_another() -> None:
    """Nothing that was remembered of one game or episode leaks into another."""
    one, two = generate_game(6), generate_game(7)
    first = transcript(one, "seed", 10)
    transcript(two, "seed", 10)
    assert transcript(one, "seed", 10) == first


def test_everything_is_put_back() -> None:
    missing = object()

    def attributes() -> list[object]:
        return [vars(owner).get(name, missing) for owner, name, _ in _replacements()]

    before = attributes()
    with memoised():
        assert all(new is not old for new, old in zip(attributes(), before, strict=True))
    assert attributes() == before
    with pytest.raises(KeyError), memoised():
        raise KeyError
    assert attributes() == before
