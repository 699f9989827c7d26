"""A made-up shop, told page by page."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hiper_agents.compact.webshop.memory import Memory

TASK = (
    "Find me machine wash women's socks with long sleeve for daily wear with color: sea green, and "
    "size: 8, and price lower than 30.00 dollars"
)
TOP = f"Instruction: [SEP] {TASK} [SEP] Back to Search"
SEARCH = f"WebShop [SEP] Instruction: [SEP] {TASK} [SEP] Search"
RESULTS = (
    f"{TOP} [SEP] Page 1 (Total results: 12) [SEP] Next > [SEP] B000000001 [SEP] Green Socks for "
    "Women [SEP] $10.0 [SEP] B000000002 [SEP] Iron Pan [SEP] $20.0 to $40.0"
)
ITEM = (
    f"{TOP} [SEP] < Prev [SEP] color [SEP] sea green [SEP] green [SEP] size [SEP] 8 [SEP] 9 [SEP] "
    "Green Socks for Women [SEP] Price: $10.0 [SEP] Rating: N.A. [SEP] Description [SEP] Features "
    "[SEP] Reviews [SEP] Buy Now"
)
SUB = f"{TOP} [SEP] < Prev [SEP] You can machine wash these, for Daily Wear"
ITEM_CLICKS = (
    "back to search",
    "< prev",
    "description",
    "features",
    "reviews",
    "buy now",
    "sea green",
    "green",
    "8",
    "9",
)


def told(action: str, *clicks: str, valid: bool = True) -> dict[str, Any]:
    """An info as far as the memory reads it."""
    admissible = tuple(f"click[{name}]" for name in clicks)
    return {"action": action, "action_valid": valid, "admissible_actions": admissible}


def searched(query: str = "green socks") -> Memory:
    memory = Memory(TASK, SEARCH, ("search[<your query>]",))
    clicks = ("back to search", "next >", "b000000001", "b000000002")
    memory.observe(RESULTS, told(f"search[{query}]", *clicks))
    return memory


def opened() -> Memory:
    memory = searched()
    memory.observe(ITEM, told("click[b000000001]", *ITEM_CLICKS))
    return memory


@pytest.fixture(scope="session")
def shop() -> SimpleNamespace:
    """The pages, and memories that have got so far."""
    return SimpleNamespace(
        task=TASK,
        search=SEARCH,
        results=RESULTS,
        item=ITEM,
        sub=SUB,
        clicks=ITEM_CLICKS,
        told=told,
        searched=searched,
        opened=opened,
    )
