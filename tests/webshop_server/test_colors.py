from __future__ import annotations

import pytest

from webshop_server.colors import COLORS, color_in, normalize_color


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("black", "black"),
        ("army green", "green"),
        ("navy | red", "navy"),
        ("red | navy", "navy"),  # the order of the list, not of the text
        ("rectangular", "tan"),
        ("wash", "ash"),
        ("12 oz", "12 oz"),
        ("", ""),
        ("Black", "Black"),
    ],
)
def test_the_first_colour_of_the_list_inside_a_value(value: str, expected: str) -> None:
    assert normalize_color(value) == expected


def test_in_a_sequence_only_whole_elements_count() -> None:
    assert color_in(("color", "red")) == "red"
    assert color_in(("color", "dark red")) is None


def test_the_list() -> None:
    assert len(COLORS) == len(set(COLORS)) == 102
    assert list(COLORS) == sorted(COLORS)
