"""`Ranks`: the processes that train one model together, each on a device of its own.

`accelerate launch` and `torchrun` start a program several times and tell each process its number in
the environment. What is here finds that out, lets the processes tell each other numbers and arrays,
and says which share of a whole is whose. Where there is one process only, nothing is asked, and
torch is not imported. Nothing here knows what is trained.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hiper_base.errors import HiperError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Ranks", "join", "launched"]

_RANK, _SIZE, _LOCAL = "RANK", "WORLD_SIZE", "LOCAL_RANK"

_PATIENCE = timedelta(hours=3)
"""How long a process waits for another one, which may play long episodes or write a report; one
that has ended is noticed by the launcher much sooner."""


@dataclass(frozen=True)
class Ranks:
    """The place of this process among those that train together.

    What has `gather` in it is to be called by all of them, in the same order.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
        local: Its number among those of the same machine.
    """

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def is_first(self) -> bool:
        """Whether it is the one that decides, writes files and shows how things go."""
        return self.rank == 0

    def share(self, count: int) -> NDArray[np.int64]:
        """Which of `count` things are this process's: neighbours, all shares of about one size."""
        return np.array_split(np.arange(count), self.size)[self.rank]

    def device(self, name: str) -> str:
        """The device that a setting means for this process: each has a GPU of its own.

        Args:
            name: Such as auto, cuda or cpu.

        Raises:
            HiperError: If the machine has fewer GPUs than processes.
        """
        if self.size == 1 or name not in ("auto", "cuda"):
            return name
        import torch

        if not torch.cuda.is_available():
            return name
        if self.local >= torch.cuda.device_count():
            raise HiperError(
                f"{torch.cuda.device_count()} GPUs are not enough for {self.local + 1} processes "
                "on one machine: launch fewer"
            )
        torch.cuda.set_device(self.local)
        return f"cuda:{self.local}"

    def gather(self, mine: Any) -> list[Any]:
        """What all processes have given, in their order.

        Args:
            mine: Anything that JSON can hold.
        """
        if self.size == 1:
            return [mine]
        return [json.loads(theirs) for theirs in self._exchange(json.dumps(mine).encode())]

    def gather_arrays(self, mine: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The rows of all processes below each other, in their order.

        Args:
            mine: Arrays of numbers by name; the same names and types in every process.
        """
        if self.size == 1:
            return dict(mine)
        file = BytesIO()
        np.savez(file, **mine)  # type: ignore[arg-type]
        files = [BytesIO(theirs) for theirs in self._exchange(file.getvalue())]
        parts = [np.load(theirs, allow_pickle=False) for theirs in files]
        return {name: np.concatenate([part[name] for part in parts]) for name in mine}

    def gather_first(self, mine: Any) -> Any:
        """What the first process has given, to be believed by all; see `gather`."""
        return self.gather(mine)[0]

    def gather_check(self, what: str, mine: Any) -> None:
        """Makes sure that all processes have the same.

        Args:
            what: Its name, for the error.
            mine: Anything that JSON can hold.

        Raises:
            HiperError: If they have not.
        """
        if self.size == 1:
            return
        digest = hashlib.sha256(json.dumps(mine).encode()).hexdigest()
        all_of_them = self.gather(digest)
        if len(set(all_of_them)) > 1:
            other = next(rank for rank, one in enumerate(all_of_them) if one != all_of_them[0])
            raise HiperError(
                f"process {other} of {self.size} has other {what} than the first: launch all of "
                "them with the same arguments, and install the same data on all machines"
            )

    def leave(self) -> None:
        """To be called once nothing is left to be done together."""
        if self.size > 1:
            import torch.distributed

            torch.distributed.destroy_process_group()

    def _exchange(self, mine: bytes) -> list[bytes]:
        """The bytes of all processes; over the CPU, so that no device is waited for."""
        import torch

        lengths = self._exchange_tensors(torch.tensor([len(mine)]))
        padded = torch.zeros(int(max(lengths)), dtype=torch.uint8)
        padded[: len(mine)] = torch.frombuffer(bytearray(mine), dtype=torch.uint8)
        parts = self._exchange_tensors(padded)
        return [
            part[: int(length)].numpy().tobytes()
            for part, length in zip(parts, lengths, strict=True)
        ]

    def _exchange_tensors(self, mine: Tensor) -> list[Tensor]:
        import torch

        parts = [torch.empty_like(mine) for _ in range(self.size)]
        torch.distributed.all_gather(parts, mine)
        return parts


def launched() -> Ranks:
    """The place that a launcher has given to this process; that of the only one without it.

    Raises:
        HiperError: If the environment makes no sense.
    """
    given = [os.environ.get(name) for name in (_RANK, _SIZE, _LOCAL)]
    if None in given:
        return Ranks()
    try:
        rank, size, local = (int(number or "") for number in given)
        if not (0 <= rank < size and 0 <= local < size):
            raise ValueError
    except ValueError:
        said = ", ".join(f"{name}={os.environ[name]}" for name in (_RANK, _SIZE, _LOCAL))
        raise HiperError(f"a launcher has said {said}, which makes no sense") from None
    return Ranks(rank, size, local)


def join() -> Ranks:
    """Meets the other processes, if there are any; may be called again.

    Raises:
        HiperError: If they cannot be met.
    """
    ranks = launched()
    if ranks.size == 1:
        return ranks
    import torch

    if not torch.distributed.is_initialized():
        # GPUs exchange gradients; all the rest is exchanged beside them.
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        try:
            torch.distributed.init_process_group(backend, timeout=_PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise HiperError(f"cannot meet the other processes: {error}") from error
    return ranks
