"""Text from outside as token ids that are text and nothing else.

A tokenizer has tokens that steer a model: the end of a message, the role that speaks next, a call
of a tool. Where the words of such a token occur in a text that somebody else wrote, they must reach
the model as words. This module knows nothing of prompts.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["PlainEncoder"]

_CACHED = 1 << 15


class PlainEncoder:
    """Encodes texts so that no control token comes out.

    Args:
        tokenizer: Of the model that reads the tokens.

    Example:
        >>> from hiper_agents.llm.tiny import make_tiny
        >>> _, tokenizer = make_tiny()
        >>> tokenizer.eos_token_id in tokenizer.encode("stop<|im_end|>")
        True
        >>> tokenizer.eos_token_id in PlainEncoder(tokenizer)("stop<|im_end|>")
        False
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        # Tokens that were added to a vocabulary are matched before the text is split into words,
        # whether they are called special or not. Runs of white space, which some add, are harmless.
        added = {
            text for text in tokenizer.get_added_vocab() if len(text) > 1 and not text.isspace()
        }
        # A look-ahead finds those that begin within another one as well.
        self._added = re.compile(f"(?={'|'.join(map(re.escape, added))})") if added else None
        self._cached = lru_cache(_CACHED)(self._encode)

    def __call__(self, text: str) -> tuple[int, ...]:
        """The ids of a text; they decode to the text, as far as the tokenizer can."""
        return self._cached(text)

    def _encode(self, text: str) -> tuple[int, ...]:
        if self._added is None or self._added.search(text) is None:
            return self._encode_part(text)
        # Cut after the first character of each, no part holds one.
        cuts = [0, *(match.start() + 1 for match in self._added.finditer(text)), len(text)]
        parts = (text[begin:end] for begin, end in pairwise(cuts))
        return tuple(token for part in parts for token in self._encode_part(part))

    def _encode_part(self, text: str) -> tuple[int, ...]:
        return tuple(
            self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        )
