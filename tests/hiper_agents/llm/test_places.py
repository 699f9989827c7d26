from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hiper_agents.llm.places import Places
from hiper_agents.llm.stems import common

PROMPTS = st.lists(st.integers(0, 2), max_size=6)


@given(
    st.lists(st.tuples(PROMPTS, st.booleans()), min_size=1, max_size=8),
    PROMPTS.filter(bool),
)
def test_no_free_place_knows_more_than_the_nearest(
    known: list[tuple[list[int], bool]], prompt: list[int]
) -> None:
    places, own = Places(), np.array(prompt, np.int32)
    arrays = [np.array(tokens, np.int32) for tokens, _ in known]
    for place, array in enumerate(arrays):
        places.release(place, array)
    for place, (_, taken) in enumerate(known):
        if taken:
            places.take(place)
    free = [place for place, (_, taken) in enumerate(known) if not taken]
    assert len(places) == len(free)
    assert [place for place in range(len(known)) if place in places] == free
    if free:
        shared, place = places.nearest(own)
        assert place in free
        assert shared == common(arrays[place], own[:-1])
        assert shared == max(common(arrays[each], own[:-1]) for each in free)
        assert places.oldest() == free[0]


def test_a_place_that_is_released_again_is_the_newest() -> None:
    places = Places()
    for place in range(3):
        places.release(place)
    places.take(0)
    places.release(0, np.array([4, 4], np.int32))
    assert places.oldest() == 1
    assert places.nearest(np.array([4, 4, 5], np.int32)) == (2, 0)
