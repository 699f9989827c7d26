"""What the network reads of the shop."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from hiper_agents.compact.domain import Running, make_domain
from hiper_agents.compact.webshop import encoding
from hiper_agents.compact.webshop.domain import WebshopDomain
from hiper_agents.compact.webshop.options import candidates, make_subgoal
from webshop_server.shop import SEARCH_TEMPLATE


def test_sizes_are_those_declared(shop: SimpleNamespace) -> None:
    domain = make_domain("webshop")
    sizes = domain.sizes
    for memory in (shop.searched(), shop.opened()):
        running = Running(make_subgoal("find"), 3, "running")
        assert len(domain.encode_state(memory, running)) == sizes.state
        assert len(domain.encode_subgoal(memory, None)) == sizes.subgoal
        for subgoal in candidates(memory):
            assert len(domain.encode_candidate(memory, running, subgoal)) == sizes.candidate
        rows, moves = domain.moves(
            [memory], [make_subgoal("find")], [shop.told("", "next >", "back to search", "< prev")]
        )
        assert rows.features.shape == (len(moves[0].commands), sizes.move)
        words = domain.words([memory, memory])
        assert words.features.shape == (2 * len(memory.words), sizes.word)
        assert words.types.max() < sizes.word_vocabulary
        assert len(memory.words) <= sizes.most_words


def test_the_wanted_value_stands_out(shop: SimpleNamespace) -> None:
    memory = shop.opened()
    info = shop.told("", *shop.clicks)
    rows, moves = make_domain("webshop").moves([memory], [make_subgoal("choose")], [info])
    first = encoding.ACHIEVES + 1
    exact = dict(zip(moves[0].commands, rows.features[:, first].tolist(), strict=True))
    assert exact == {
        "click[sea green]": 1.0,
        "click[green]": 0.0,
        "click[8]": 1.0,
        "click[9]": 0.0,
    }
    assert rows.features[:, encoding.ACHIEVES].all()


def test_what_is_cached_of_a_product_is_renewed(shop: SimpleNamespace) -> None:
    memory = shop.searched()
    product = memory.products["B000000001"]
    before = encoding.encode_product(memory, product)
    assert encoding.encode_product(memory, product) is before
    memory.observe(shop.item, shop.told("click[b000000001]", *shop.clicks))
    opened = encoding.encode_product(memory, product)
    memory.observe(shop.sub, shop.told("click[features]", "< prev"))
    assert len({before, opened, encoding.encode_product(memory, product)}) == 3


def test_a_query_is_spelled_as_it_is_composed(shop: SimpleNamespace) -> None:
    domain = WebshopDomain()
    memory = shop.searched()
    chosen = np.array([word.word in ("women's", "socks", "8") for word in memory.words])
    action = domain.compose(memory, chosen)
    assert action == "search[women's socks 8]"
    spelled = domain.spell(memory, action)
    assert spelled is not None
    assert spelled.tolist() == chosen.tolist()
    assert domain.spell(memory, "click[buy now]") is None
    assert domain.template == SEARCH_TEMPLATE
