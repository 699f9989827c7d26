from __future__ import annotations

import pytest

from hiper_agents.templates import fill, hole


@pytest.mark.parametrize(
    ("action", "missing"),
    [
        ("search[<your query>]", "query"),
        ("answer[<your last word>]", "last word"),
        ("click[< prev]", None),
        ("click[next >]", None),
        ("click[<small>]", None),
        ("search[red shirt]", None),
        ("go to desk 1", None),
        ("", None),
    ],
)
def test_what_has_to_be_filled_in(action: str, missing: str | None) -> None:
    assert hole(action) == missing


def test_fill() -> None:
    assert fill("search[<your query>]", "a [b] <c> \\1") == "search[a [b] <c> \\1]"
    with pytest.raises(ValueError, match="nothing has to be filled in: 'look'"):
        fill("look", "desk")
