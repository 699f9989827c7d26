"""The texts that token ids stand for, and ids that stand for exactly a given text.

Tokenizers differ in what they do at the beginning of a text and with the names of special tokens.
Here a text is always encoded as it would be in the middle of another one, special tokens in it are
plain text, and what cannot be encoded without a loss is refused. The module knows nothing of
models, prompts or responses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from hiper_base.errors import HiperError

__all__ = ["TokenizerError", "Vocabulary"]

_ANCHOR = "\n"  # stands before texts that the tokenizer would change at the beginning of a text
_CACHED_TEXTS = 65_536


class TokenizerError(HiperError, ValueError):
    """A tokenizer cannot write a text without changing it."""


class Vocabulary:
    """A tokenizer, as something that writes parts of texts.

    Args:
        tokenizer: Of `transformers`; fast or not.

    Attributes:
        tokenizer: As given.
        special: Ids that end or structure a text instead of being part of one.

    Raises:
        TokenizerError: It has no token for plain letters.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.items()
        marked = {token for token, entry in added if entry.special}
        self.special = frozenset(marked | set(tokenizer.all_special_ids))
        self._before = self._plain("a")
        if self._decode(self._before).strip() != "a":
            raise TokenizerError(f"{type(tokenizer).__name__} does not reproduce the letter a")
        self._offset = len(self._decode(self._before))
        # On the instance, so that the cache goes with it.
        self.encode = lru_cache(_CACHED_TEXTS)(self._encode)

    def __len__(self) -> int:
        """Tokens, special ones included."""
        return len(self.tokenizer)

    @cached_property
    def texts(self) -> list[str]:
        """The text of every id as it is within a longer text, U+FFFD for broken UTF-8."""
        batch = [[*self._before, token] for token in range(len(self))]
        fast = getattr(self.tokenizer, "backend_tokenizer", None)
        if fast is not None:  # twenty times as fast
            texts = fast.decode_batch(batch, skip_special_tokens=False)
        else:
            texts = [self._decode(tokens) for tokens in batch]
        return [text[self._offset :] for text in texts]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens as it is within a longer text, special tokens by their names."""
        return self._decode([*self._before, *tokens])[self._offset :]

    def _encode(self, text: str) -> tuple[int, ...]:
        """Ids, none of them special, that `decode` turns into exactly this text.

        Raises:
            TokenizerError: There are none, as far as the tokenizer knows.
        """
        tokens = self._plain(text)
        if self.decode(tokens) == text:
            return tuple(tokens)
        anchor = self._plain(_ANCHOR)
        anchored = self._plain(_ANCHOR + text)
        tokens = anchored[len(anchor) :]
        if anchored[: len(anchor)] == anchor and self.decode(tokens) == text:
            return tuple(tokens)
        raise TokenizerError(f"{type(self.tokenizer).__name__} does not reproduce {text[:80]!r}")

    def ids(self, wanted: Callable[[str], bool]) -> NDArray[np.int32]:
        """The sorted ids whose texts are wanted; never special ones, nor parts of characters."""
        return np.array(
            [
                token
                for token, text in enumerate(self.texts)
                if text and "\ufffd" not in text and token not in self.special and wanted(text)
            ],
            np.int32,
        )

    def _plain(self, text: str) -> list[int]:
        tokens: list[int] = self.tokenizer.encode(
            text, add_special_tokens=False, split_special_tokens=True
        )
        return tokens

    def _decode(self, tokens: Sequence[int]) -> str:
        text = self.tokenizer.decode(
            list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        assert isinstance(text, str)
        return text
