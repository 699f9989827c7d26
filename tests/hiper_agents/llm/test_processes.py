"""Sums over real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from hiper_agents.llm.processes import gradients_of

# Each process adds up what the other one has, and says what it then holds.
_PROGRAM = """
import sys
import torch
from hiper_agents.llm import processes
processes._MOST = 4  # in two exchanges
rank = int(sys.argv[1])
store = torch.distributed.FileStore(sys.argv[2], 2)
torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
whole = torch.arange(8.0).view(2, 4) * (rank + 1)
tensors = [torch.tensor(1.0 + rank), whole[:, ::2], torch.zeros(0)]
processes.all_reduce(tensors)
print([tensor.tolist() for tensor in tensors], whole[:, 1].tolist())
torch.distributed.destroy_process_group()
"""


def test_tensors_of_all_shapes_are_summed_in_place(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PROGRAM]
    processes = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store")], stdout=subprocess.PIPE)
        for rank in range(2)
    ]
    said = [process.communicate(timeout=120)[0].decode().strip() for process in processes]
    sums = "[3.0, [[0.0, 6.0], [12.0, 18.0]], []]"
    # What is not of the view stays the process's own.
    assert said == [f"{sums} [1.0, 5.0]", f"{sums} [2.0, 10.0]"]


def test_what_has_no_gradient_here_may_have_one_elsewhere() -> None:
    used, unused = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))
    used.sum().backward()
    gradients = gradients_of([used, unused])
    assert [gradient.tolist() for gradient in gradients] == [[1.0, 1.0], [0.0, 0.0, 0.0]]
    gradients[1] += 2.0
    assert unused.grad is not None
    assert unused.grad.tolist() == [2.0, 2.0, 2.0]
