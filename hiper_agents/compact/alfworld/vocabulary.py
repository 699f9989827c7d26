"""The type words that the compact agent knows.

The list is fixed and is saved with every checkpoint, so that a network always reads the words that
it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

# The object and receptacle types of ALFRED (Shridhar et al., 2020), as ALFWorld's texts write them.
_TYPES = """
alarmclock apple armchair baseballbat basketball bathtub bathtubbasin bed blinds book boots bowl
box bread butterknife cabinet candle cart cd cellphone chair cloth coffeemachine coffeetable
countertop creditcard cup curtains desk desklamp diningtable dishsponge drawer dresser egg
floorlamp footstool fork fridge garbagecan glassbottle handtowel handtowelholder houseplant kettle
keychain knife ladle laptop laundryhamper laundryhamperlid lettuce lightswitch microwave mirror
mug newspaper ottoman painting paintinghanger pan papertowel papertowelroll pen pencil
peppershaker pillow plate plunger poster pot potato remotecontrol safe saltshaker scrubbrush shelf
showerdoor showerglass sidetable sink sinkbasin soapbar soapbottle sofa spatula spoon spraybottle
statue stoveburner stoveknob teddybear television tennisracket tissuebox toaster toilet
toiletpaper toiletpaperhanger toiletpaperroll tomato towel towelholder tvstand vase watch
wateringcan window winebottle
"""
ALFRED_TYPES = tuple(_TYPES.split())
_CACHED = 4096


class Vocabulary:
    """Numbers of words, from 1 in alphabetical order; 0 is for words that are not in it.

    Args:
        words: The known words, in any order.
    """

    def __init__(self, words: Iterable[str] = ALFRED_TYPES) -> None:
        self.words = tuple(sorted(set(words)))
        self._number = {word: number for number, word in enumerate(self.words, start=1)}
        self._padded: dict[tuple[str, ...], NDArray[np.int64]] = {}

    def __len__(self) -> int:
        return len(self.words) + 1

    def __getitem__(self, word: str) -> int:
        return self._number.get(word, 0)

    def padded(self, words: tuple[str, ...], size: int) -> NDArray[np.int64]:
        """[size] numbers of the first words, filled up with 0. Cached: do not write to it."""
        numbers = self._padded.get(words)
        if numbers is None or len(numbers) != size:
            numbers = np.zeros(size, np.int64)
            numbers[: min(len(words), size)] = [self[word] for word in words[:size]]
            if len(self._padded) >= _CACHED:
                self._padded.clear()
            self._padded[words] = numbers
        return numbers
