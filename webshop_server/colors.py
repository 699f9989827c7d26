"""Colour words, and the one that a product option is reduced to before it is compared.

The words and their order are a fact of the benchmark (Yao et al., 2022, arXiv 2207.01206,
`web_agent_site/engine/normalize.py`): another list gives other rewards. This module knows nothing
of products, and nothing of language: `tan` is found inside `rectangular`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

__all__ = ["COLORS", "color_in", "normalize_color"]

# fmt: off
COLORS = (
    "alabaster", "apricot", "aqua", "ash", "asphalt", "azure", "banana", "beige", "black",
    "blue", "blush", "bordeaux", "bronze", "brown", "burgundy", "camel", "camo", "caramel",
    "champagne", "charcoal", "cheetah", "chestnut", "chocolate", "christmas", "coffee",
    "cognac", "copper", "coral", "cranberry", "cream", "crystal", "dark", "denim", "eggplant",
    "elephant", "espresso", "fuchsia", "gold", "granite", "grape", "graphite", "grass", "gray",
    "green", "grey", "heather", "indigo", "ivory", "ivy", "khaki", "lavender", "lemon",
    "leopard", "light", "lilac", "lime", "magenta", "maroon", "mauve", "merlot", "midnight",
    "mint", "mocha", "multicolor", "mushroom", "mustard", "natural", "navy", "nude", "olive",
    "orange", "peach", "pewter", "pink", "plum", "purple", "rainbow", "red", "rose", "royal",
    "rust", "sand", "sapphire", "seashell", "silver", "skull", "slate", "steel", "stone",
    "stonewash", "sunflower", "tan", "taupe", "teal", "tiger", "turquoise", "violet", "walnut",
    "wheat", "white", "wine", "yellow",
)
# fmt: on
"""In the order in which they are looked for."""


def color_in(words: Sequence[str]) -> str | None:
    """The first of COLORS that `words` contains: inside a string, as an element of a sequence."""
    return next((color for color in COLORS if color in words), None)


@lru_cache(maxsize=16384)
def normalize_color(value: str) -> str:
    """The first of COLORS that occurs anywhere in a value, else the value itself.

    Example:
        >>> normalize_color("navy | red"), normalize_color("rectangular"), normalize_color("12 oz")
        ('navy', 'tan', '12 oz')
    """
    return color_in(value) or value
