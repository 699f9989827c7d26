"""What one turn looks like to a language model: what it is shown, and what it wrote, as tokens.

These are the records that prompts, decoding, rollouts and learning hand to each other. The module
knows nothing of tokenizers, models or environments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCKS", "NO_SPAN", "PastTurn", "TokenSpan", "TokenSpans", "TurnTokens", "TurnView"]

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

TokenSpan = tuple[int, int]
"""Half-open range of positions in a response."""
NO_SPAN: TokenSpan = (0, 0)
"""The span of a block that is absent."""
BLOCKS = ("switch", "subgoal", "action")
"""The blocks of a response, in their order; each has an advantage of its own."""


class PastTurn(NamedTuple):
    """An earlier turn, as later prompts tell it."""

    observation: str
    subgoal: str
    action: str


@dataclass(frozen=True)
class TurnView:
    """All that a prompt can tell of a turn.

    Attributes:
        task: The instruction.
        observation: The latest text of the world.
        subgoal: The running option's subgoal; "" before the first option.
        option_step: Age of the running option in turns.
        turn: Turns taken so far; 0 at the first.
        admissible: The admissible actions, in the benchmark's order.
        history: Earlier turns, oldest first; prompts show the last few of them.
        plan: What the expert pursues, for a policy that is told it; "" for one that is not.
        strategy: The strategy that the whole episode follows; "" for none.
        opening: The actions that were admissible at the episode's first turn.
    """

    task: str
    observation: str
    subgoal: str
    option_step: int
    turn: int
    admissible: Sequence[str]
    history: Sequence[PastTurn] = ()
    plan: str = ""
    strategy: str = ""
    opening: Sequence[str] = ()


class TokenSpans(NamedTuple):
    """Where the blocks lie in a response, opening and closing tags included."""

    switch: TokenSpan = NO_SPAN
    subgoal: TokenSpan = NO_SPAN
    action: TokenSpan = NO_SPAN


@dataclass(frozen=True, eq=False)
class TurnTokens:
    """One turn as the model read and wrote it.

    Attributes:
        prompt: Token ids of the prompt, int32 [P].
        response: Token ids of the response, int32 [R].
        sampled: Whether the policy chose the token, bool [R]; False where the format forced it.
        log_probs: Log-probability of each chosen token under the distribution that it was drawn
            from, float32 [R]; 0 where the format forced it.
        allowed: For every token of the response that was chosen, in order, the sorted ids that it
            was chosen among, int32 [n]; None where that was the whole vocabulary.
        spans: The blocks, as they were recorded while the response was written.
        values: V_L, V_H, V_T as the heads gave them, float32 [3]; V_H and V_T of the state before
            the response (hidden state at the last token of the prompt), V_L of the state in which
            the subgoal is known (at the last token before the action block).
        text: The response as the environment reads it.
    """

    prompt: IntArray
    response: IntArray
    sampled: BoolArray
    log_probs: FloatArray
    allowed: tuple[IntArray | None, ...]
    spans: TokenSpans
    values: FloatArray
    text: str

    @property
    def low_anchor(self) -> int:
        """Position in prompt and response together at which V_L is read.

        Without an action block that is the last token of the prompt.
        """
        return len(self.prompt) - 1 + self.spans.action[0]

    def __len__(self) -> int:
        """Tokens of prompt and response."""
        return len(self.prompt) + len(self.response)
