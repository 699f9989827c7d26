from __future__ import annotations

import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra agents")

from hiper_agents.llm.replay import Replay

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    ),
]


@pytest.mark.parametrize("device", DEVICES)
def test_a_replay_computes_with_what_it_is_given(device: str) -> None:
    written = torch.zeros(5, device=device)

    def compute(index: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        written[index] = numbers
        return written.cumsum(0)

    given = torch.tensor([1, 3]), torch.tensor([2.0, 5.0])
    replay = Replay(compute, given, torch.device(device))
    assert replay(*given).tolist() == [0, 2, 2, 7, 7]
    assert replay(torch.tensor([3, 4]), torch.tensor([1.0, 1.0])).tolist() == [0, 2, 2, 3, 4]
    written[0] = 10  # it reads what is there now
    assert replay(*given).tolist() == [10, 12, 12, 17, 18]
    assert given[0].tolist() == [1, 3]
