"""How many tokens fit into one pass: a number that halves when the device runs out of memory.

The module knows nothing of what is computed; whoever is called again begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from hiper_base.errors import HiperError

__all__ = ["DeviceMemoryError", "TokenBudget"]

T = TypeVar("T")

_log = logging.getLogger(__name__)


class DeviceMemoryError(HiperError):
    """Not even one turn at a time fits into the device's memory."""


class TokenBudget:
    """Tokens in a pass.

    Args:
        tokens: To begin with.

    Attributes:
        tokens: What is tried now; it never grows again.

    Raises:
        HiperError: If it is less than one token.
    """

    def __init__(self, tokens: int) -> None:
        if tokens < 1:
            raise HiperError(f"a pass needs at least one token, not {tokens}")
        self.tokens = tokens

    def run(self, attempt: Callable[[int], T], longest: int, *, alone: bool = True) -> T:
        """Calls `attempt` with the budget, again with half of it for as long as memory runs out.

        Args:
            attempt: Is given the tokens of a pass. It has to begin anew when it is called again.
            longest: Tokens of the longest turn: budgets below that change nothing.
            alone: Whether this process can begin anew without the others.

        Raises:
            DeviceMemoryError: If passes of one turn each do not fit either, or the first ones do
                not and others wait for this process.
        """
        while True:
            try:
                return attempt(self.tokens)
            except torch.cuda.OutOfMemoryError as error:
                failure = error.with_traceback(None)
            if not alone:
                raise DeviceMemoryError(
                    f"passes of {self.tokens} tokens do not fit into the device's memory, and "
                    "processes that share the weights cannot begin anew: lower micro_tokens, or "
                    "switch gradient checkpointing on"
                ) from failure
            # Only here the failed attempt's tensors are let go.
            if self.tokens < 2 * longest:
                raise DeviceMemoryError(
                    f"a turn of {longest} tokens does not fit into the device's memory: shorten "
                    "prompts, switch gradient checkpointing on, or take a smaller model"
                ) from failure
            self.tokens //= 2
            _log.warning("out of memory: passes of %d tokens from now on", self.tokens)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
