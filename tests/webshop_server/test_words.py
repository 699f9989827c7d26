from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webshop_server.words import split_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wood Table", ["Wood", "Table"]),
        ("2-Pack Slim-Fit", ["2", "-", "Pack", "Slim", "-", "Fit"]),
        ("red,40 red,blue", ["red,40", "red", ",", "blue"]),
        ('60" (12 oz)', ["60", '"', "(", "12", "oz", ")"]),
        ("6.6ft 4K 60ML", ["6.6", "ft", "4", "K", "60ML"]),
        ("Women\u2019s men's", ["Women", "\u2019s", "men", "'s"]),
        ("Don't we'll", ["Do", "n't", "we", "'ll"]),
        ("Android/iOS 10/9", ["Android", "/", "iOS", "10/9"]),
        ("St. Ives Inc. end.", ["St.", "Ives", "Inc.", "end", "."]),
        ("HD. E.L.F. 3.5.", ["HD", ".", "E.L.F.", "3.5", "."]),
        ("Tea\u2122 $5 \u00a37", ["Tea", "\u2122", "$", "5", "\u00a3", "7"]),
        ("wait...now", ["wait", "...", "now"]),
        ("(:)", ["(", ":", ")"]),
        ("  \t\u00a0 ", []),
    ],
)
def test_words_and_marks(text: str, expected: list[str]) -> None:
    assert split_words(text) == expected


@given(st.text(max_size=60))
def test_nothing_but_white_space_is_lost(text: str) -> None:
    words = split_words(text)
    assert "".join(words) == "".join(text.split())
    assert all(words)


@settings(max_examples=20)
@given(st.sampled_from("!(.-'a1s/\u2026%"), st.integers(1000, 2000))
def test_long_rows_of_one_mark(mark: str, count: int) -> None:
    assert "".join(split_words(mark * count)) == mark * count
