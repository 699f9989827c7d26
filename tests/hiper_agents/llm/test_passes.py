from __future__ import annotations

from types import ModuleType

import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra agents")

from hiper_agents.llm.passes import Part, Passes
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.responder import GenerationConfig, GenerationError
from hiper_agents.llm.tiny import make_tiny

PREFIX = 7
TOKENS = torch.randint(3, 500, (5, 300), generator=torch.Generator().manual_seed(0))
TOKENS[:, :PREFIX] = TOKENS[0, :PREFIX]

CONFIGS = [
    GenerationConfig(),
    GenerationConfig(pass_overhead=0),
    GenerationConfig(fixed_shapes=True),
    GenerationConfig(fixed_shapes=True, merge_adapter=False),
]


@pytest.fixture
def policy(learning: ModuleType) -> LanguagePolicy:
    return learning.stirred(LanguagePolicy(*make_tiny()))


def part(row: int, begin: int, count: int) -> Part:
    """The next tokens of a row; row k + 1 reads text k."""
    return Part(row, begin, TOKENS[row - 1, begin : begin + count].tolist())


@torch.no_grad()
def expected(policy: LanguagePolicy, row: int, end: int, last: int) -> torch.Tensor:
    """The last states from one pass over all of a row's tokens."""
    return policy.trunk(TOKENS[row - 1 : row, :end]).last_hidden_state[0, end - last :]


@torch.no_grad()
def begun(policy: LanguagePolicy, config: GenerationConfig, rows: int) -> Passes:
    passes = Passes(policy, config)
    passes.add_rows(rows)
    passes.begin(TOKENS[0, :PREFIX].tolist())
    passes.start(range(1, rows + 1))
    return passes


@torch.no_grad()
def test_rows_read_at_their_own_pace(policy: LanguagePolicy) -> None:
    turns = [
        {1: 3, 2: 30, 3: 1},
        {3: 2},
        {2: 1, 1: 16},
        {1: 130, 3: 5, 2: 17},
        {2: 1, 1: 2, 3: 1},
        {3: 200, 1: 1},
        {3: 1, 2: 9, 1: 1},
    ]
    for config in CONFIGS:
        passes, read = begun(policy, config, 3), dict.fromkeys((1, 2, 3), PREFIX)
        for counts in turns:
            hidden = passes.read([part(row, read[row], count) for row, count in counts.items()])
            for (row, count), found in zip(counts.items(), hidden, strict=True):
                read[row] += count
                torch.testing.assert_close(
                    found, expected(policy, row, read[row], 1), atol=1e-4, rtol=0
                )


@torch.no_grad()
def test_rows_that_join_do_not_disturb_the_others(policy: LanguagePolicy) -> None:
    for config in CONFIGS:
        passes = begun(policy, config, 2)
        passes.read([part(1, PREFIX, 4), part(2, PREFIX, 12)])
        passes.add_rows(3)
        passes.start([4])
        hidden = passes.read([part(4, PREFIX, 3), part(1, PREFIX + 4, 2), part(5, 0, 6)], 2)
        for found, (row, end) in zip(
            hidden, [(4, PREFIX + 3), (1, PREFIX + 6), (5, 6)], strict=True
        ):
            torch.testing.assert_close(found, expected(policy, row, end, 2), atol=1e-4, rtol=0)
        (found,) = passes.read([part(2, PREFIX + 12, 1)])
        torch.testing.assert_close(found, expected(policy, 2, PREFIX + 13, 1), atol=1e-4, rtol=0)


@torch.no_grad()
def test_a_part_that_is_too_short_begins_over_and_over(policy: LanguagePolicy) -> None:
    for config in CONFIGS:
        hidden = begun(policy, config, 2).read([part(1, PREFIX, 1), part(2, PREFIX, 5)], 3)
        assert hidden.shape[:2] == (2, 3)
        torch.testing.assert_close(hidden[0, 0], hidden[0, 2])
        torch.testing.assert_close(hidden[1], expected(policy, 2, PREFIX + 5, 3))


@torch.no_grad()
def test_few_shapes(policy: LanguagePolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes of few tokens have all rows, a power of two of tokens, and keys in large steps."""
    passes, shapes = begun(policy, GenerationConfig(fixed_shapes=True), 4), set()
    trunk = policy.trunk

    def noting(ids: torch.Tensor, mask: torch.Tensor, **options: object) -> object:
        shapes.add((*ids.shape, mask.shape[3]))
        return trunk(ids, mask, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(policy, "trunk", noting)
    read = [PREFIX] * 4
    for turn in range(40):
        parts = [part(row + 1, read[row], 1 + (turn * row) % 7) for row in range(turn % 4 + 1)]
        passes.read(parts)
        for one in parts:
            read[one.row - 1] += len(one.tokens)
    assert len(shapes) > 3
    assert shapes <= {(5, width, length) for width in (1, 2, 4, 8) for length in (128, 256)}


@torch.no_grad()
def test_a_row_that_gets_too_long_is_an_error(policy: LanguagePolicy) -> None:
    longest = policy.model.config.max_position_embeddings
    passes = begun(policy, GenerationConfig(), 1)
    with pytest.raises(GenerationError, match=f"take {longest + 1} tokens, the model reads"):
        passes.read([Part(1, PREFIX, [5] * (longest + 1 - PREFIX))])
