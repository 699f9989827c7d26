"""What the compact agent remembers of a shop, told by hand with made-up products."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from hiper_agents.compact.webshop.memory import MOST_WORDS, query_words, similarity, tokens
from hiper_envs.webshop.subgoals import Subgoal
from hiper_envs.webshop.texts import parse_instruction


def test_words_of_the_instruction_know_where_they_stand(shop: SimpleNamespace) -> None:
    words = query_words(parse_instruction(shop.task))
    assert [word.word for word in words] == [
        *("find", "me", "machine", "wash", "women's", "socks", "with", "long", "sleeve", "for"),
        *("daily", "wear", "color", "sea", "green", "and", "size", "8"),
    ]
    part = {word.word: word.part for word in words}
    assert (part["machine"], part["socks"], part["daily"]) == ("phrase", "product", "phrase")
    assert (part["color"], part["green"], part["8"]) == (
        *("option name", "option value", "option value"),
    )
    assert next(word.count for word in words if word.word == "with") == 2


@given(st.text(max_size=400))
def test_any_instruction_has_words(text: str) -> None:
    words = query_words(parse_instruction(text))
    assert 1 <= len(words) <= MOST_WORDS
    assert len({word.word for word in words}) == len(words)


def test_plurals_are_the_same_word() -> None:
    assert tokens("Women's SOCKS, dress x-large") == ("women", "sock", "dress", "x-large")
    assert similarity(("sea", "green"), ("green",)) == 0.5
    assert similarity((), ()) == 0.0


def test_what_is_listed_is_compared_with_the_instruction(shop: SimpleNamespace) -> None:
    memory = shop.searched()
    socks, pan = memory.products["B000000001"], memory.products["B000000002"]
    assert (socks.low, socks.high, pan.high) == (10.0, 10.0, 40.0)
    assert (socks.rank, pan.rank) == (0, 1)
    assert socks.matched_product == 1.0
    assert socks.matched_title == 3 / 4  # all but "for"
    assert pan.matched == pan.matched_rare == 0.0
    assert (socks.behind, pan.behind) == (0.0, socks.matched_rare)
    assert memory.results == {"B000000001": 1, "B000000002": 1}
    queried = {word.word for word in memory.words if word.is_in_last}
    assert queried == {"green", "socks"}


def test_an_opened_product_offers_what_is_wanted_or_not(shop: SimpleNamespace) -> None:
    memory = shop.opened()
    socks = memory.products["B000000001"]
    assert memory.item is socks
    assert (socks.is_inspected, socks.offered) == (True, (1.0, 1.0))
    assert [group.name for group in memory.open_groups] == ["color", "size"]
    # The same value elsewhere, a part of the value, another value.
    assert memory.matches("colour", "sea green")[0] == 0.8
    assert 0.0 < memory.matches("color", "green")[0] < 0.8
    assert memory.matches("size", "9") == [0.0, 0.0]


def test_what_is_chosen_is_remembered_until_the_product_is_left(
    shop: SimpleNamespace,
) -> None:
    memory = shop.opened()
    memory.observe(shop.item, shop.told("click[sea green]", *shop.clicks))
    assert memory.chosen == {"color": "sea green"}
    assert memory.chosen_matches == [1.0, 0.0]
    before = memory.products["B000000001"].phrases
    memory.observe(shop.sub, shop.told("click[features]", "back to search", "< prev"))
    assert memory.unread == ["description"]
    assert memory.products["B000000001"].phrases == 2 / 3 > before
    memory.observe(shop.item, shop.told("click[< prev]", *shop.clicks))
    assert (memory.current, memory.chosen) == ("B000000001", {"color": "sea green"})
    memory.observe(
        shop.results, shop.told("click[< prev]", "back to search", "b000000001", "b000000002")
    )
    assert (memory.current, memory.chosen, memory.number) == ("", {}, 1)
    memory.observe(shop.search, shop.told("click[back to search]"))
    assert memory.results == {}
    assert memory.is_impossible(Subgoal("inspect", "B000000002"))


def test_when_options_end(shop: SimpleNamespace) -> None:
    memory = shop.opened()
    inspect, choose = Subgoal("inspect", "B000000001"), Subgoal("choose")
    buy = Subgoal("buy", "B000000001")
    assert not memory.is_achieved(inspect, "click[b000000001]")
    assert not memory.is_impossible(inspect)
    assert memory.is_impossible(Subgoal("buy", "B000000002"))
    assert not memory.is_impossible(buy)
    memory.observe(shop.item, shop.told("click[sea green]", *shop.clicks))
    assert not memory.is_achieved(choose, "click[sea green]")
    memory.observe(shop.item, shop.told("click[8]", *shop.clicks))
    assert memory.is_achieved(choose, "click[8]")
    assert memory.is_impossible(choose)  # nothing is left to choose
    memory.observe(shop.sub, shop.told("click[features]", "back to search", "< prev"))
    assert memory.is_achieved(inspect, "click[features]")
    assert memory.is_achieved(buy, "click[buy now]")


def test_a_search_that_was_not_executed_is_none(shop: SimpleNamespace) -> None:
    memory = shop.searched()
    memory.observe(shop.results, shop.told("search[pan]", "back to search", valid=False))
    assert memory.queries == 1


@given(st.lists(st.tuples(st.text(max_size=80), st.text(max_size=20)), max_size=6))
def test_any_text_is_taken_in(shop: SimpleNamespace, turns: list[tuple[str, str]]) -> None:
    memory = shop.searched()
    for observation, action in turns:
        memory.observe(observation, shop.told(action, "back to search"))
    assert memory.turn == 1 + len(turns)
