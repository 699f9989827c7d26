r"""Texts to search terms, as Lucene's `EnglishAnalyzer` does it.

In this order: words by Unicode's word boundaries (UAX #29, with emoji sequences as words of their
own), without a possessive `'s`, in lower case, without 33 stop words, stemmed by Porter's
algorithm. It knows nothing about products, indices or scores.

Sources: Unicode Standard Annex #29 and Technical Standard #51; Porter, "An algorithm for suffix
stripping", Program 14(3), 1980; the behaviour of Lucene 8 (`StandardTokenizer`,
`EnglishPossessiveFilter`, `LowerCaseFilter`, `StopFilter`, `PorterStemFilter`).

What differs: Lucene counts the 255 characters at which it cuts a long word in UTF-16 units, here
they are code points; and it knows no character that is younger than Unicode 9.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import regex
import Stemmer

__all__ = ["MAX_WORD_LENGTH", "STOP_WORDS", "analyse", "analyse_chunk", "split_words", "stem"]

MAX_WORD_LENGTH = 255
"""Characters after which a longer word is cut into two."""

_STOP_WORDS = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then "
    "there these they this to was will with"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that are not searched for."""

# `Extended_Pictographic` as Unicode 12 to 14 have it. Later versions took the property from
# symbols such as the black star, and which version `regex` follows depends on its release.
_PICTOGRAPHS = (
    r"\u00A9\u00AE\u203C\u2049\u2122\u2139\u2194-\u2199\u21A9\u21AA\u231A\u231B\u2328\u2388\u23CF"
    r"\u23E9-\u23F3\u23F8-\u23FA\u24C2\u25AA\u25AB\u25B6\u25C0\u25FB-\u25FE\u2600-\u2605"
    r"\u2607-\u2612\u2614-\u2685\u2690-\u2705\u2708-\u2712\u2714\u2716\u271D\u2721\u2728\u2733"
    r"\u2734\u2744\u2747\u274C\u274E\u2753-\u2755\u2757\u2763-\u2767\u2795-\u2797\u27A1\u27B0"
    r"\u27BF\u2934\u2935\u2B05-\u2B07\u2B1B\u2B1C\u2B50\u2B55\u3030\u303D\u3297\u3299"
    r"\U0001F000-\U0001F0FF\U0001F10D-\U0001F10F\U0001F12F\U0001F16C-\U0001F171"
    r"\U0001F17E\U0001F17F\U0001F18E\U0001F191-\U0001F19A\U0001F1AD-\U0001F1E5"
    r"\U0001F201-\U0001F20F\U0001F21A\U0001F22F\U0001F232-\U0001F23A\U0001F23C-\U0001F23F"
    r"\U0001F249-\U0001F3FA\U0001F400-\U0001F53D\U0001F546-\U0001F64F\U0001F680-\U0001F6FF"
    r"\U0001F774-\U0001F77F\U0001F7D5-\U0001F7FF\U0001F80C-\U0001F80F\U0001F848-\U0001F84F"
    r"\U0001F85A-\U0001F85F\U0001F888-\U0001F88F\U0001F8AE-\U0001F8FF\U0001F90C-\U0001F93A"
    r"\U0001F93C-\U0001F945\U0001F947-\U0001FAFF\U0001FC00-\U0001FFFD"
)

# Punctuation by its word break class in Unicode 9; the class of the colon, too, has changed since.
_MID_BOTH = r"'.\u2018\u2019\u2024\uFE52\uFF07\uFF0E"
_MID_LETTER = r":\u00B7\u0387\u05F4\u2027\uFE13\uFE55\uFF1A" + _MID_BOTH
_MID_NUMBER = (
    r",;\u037E\u0589\u060C\u060D\u066C\u07F8\u2044\uFE10\uFE14\uFE50\uFE54\uFF0C\uFF1B" + _MID_BOTH
)
_JOINERS = r"_\u202F\u203F\u2040\u2054\uFE33\uFE34\uFE4D-\uFE4F\uFF3F"


def _word_pattern() -> regex.Pattern[str]:
    """The pattern of one word in its group `word`; it also consumes joiners that join nothing."""
    marks = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]"

    def marked(characters: str) -> str:
        """One of some characters with the marks that follow it (rule WB4)."""
        return f"(?:[{characters}]{marks}*+)"

    hebrew, katakana = marked(r"\p{WB=Hebrew_Letter}"), marked(r"\p{WB=Katakana}")
    letter = marked(r"\p{WB=ALetter}\p{WB=Hebrew_Letter}")
    number = marked(r"\p{WB=Numeric}[\p{Nd}&&[\uFF00-\uFFEF]]")
    joiner, quote, double_quote = marked(_JOINERS), marked("'"), marked('"')
    in_number, in_word = marked(_MID_NUMBER), marked(_MID_LETTER)
    # WB5 to WB13b.
    run = (
        f"(?:{katakana}(?:{joiner}*+{katakana})*+"
        f"|(?:{hebrew}(?:{quote}|{double_quote}{hebrew})"
        f"|{number}(?:(?:{joiner}*+|{in_number}){number})*+"
        f"|{letter}(?:(?:{joiner}*+|{in_word}){letter})*+)++)"
    )
    word = f"{joiner}*+{run}(?:{joiner}++{run})*+{joiner}*+"
    # Emoji sequences (UTS #51). The presentation selector is a mark, too, but ends an emoji.
    next_emoji = rf"\u200D++[{_PICTOGRAPHS}\U0001F3FB-\U0001F3FF]"
    plain_marks = rf"(?:(?![\uFE0E\uFE0F]|{next_emoji}){marks})*+"
    modifier = rf"[\U0001F3FB-\U0001F3FF]{plain_marks}"
    pictograph = rf"\u200D*+[{_PICTOGRAPHS}]{plain_marks}(?:{modifier}|\uFE0F)?+"
    emoji = f"(?:{pictograph}|{modifier})"
    flag_letter = marked(r"\p{WB=Regional_Indicator}")
    emojis = (
        rf"{emoji}(?:[\U000E0020-\U000E007E]++\U000E007F|(?:\u200D{emoji})*+)"
        rf"|[0-9#*]{plain_marks}\uFE0F?+\u20E3{plain_marks}"
        rf"|{flag_letter}{flag_letter}"
    )
    # Scripts without spaces: runs of South East Asian characters, single ideographs and hiragana.
    asian, ideograph = marked(r"\p{LB=Complex_Context}"), marked(r"\p{Script=Han}")
    hiragana = marked(r"\p{Script=Hiragana}")
    others = f"{asian}++|{ideograph}|{hiragana}"
    return regex.compile(f"(?P<word>{word}|{emojis}|{others})|{joiner}++", regex.VERSION1)


_WORD = _word_pattern()


def split_words(text: str) -> list[str]:
    """The words of a text, unchanged and in order.

    Example:
        >>> split_words("Men's 3.5-inch X:Y™, 100% cotton!")
        ["Men's", '3.5', 'inch', 'X:Y', '™', '100', 'cotton']
    """
    if len(text) <= MAX_WORD_LENGTH:
        return [word for word in _WORD.findall(text) if word]
    words = []
    start = 0
    while start < len(text):
        match = _WORD.match(text, start, start + MAX_WORD_LENGTH)
        if match is None:
            start += 1
            continue
        start = match.end()
        if match["word"]:
            words.append(match["word"])
    return words


def stem(word: str) -> str:
    """Porter's stem of a word in lower case.

    This is the algorithm as its author's own programs have it: words of one or two characters are
    left alone, every double consonant but l, s and z is reduced before `-ed` and `-ing`, `-bli`
    becomes `-ble` and `-logi` becomes `-log`. Snowball's version, which does the rest, does not.

    Example:
        >>> [stem(word) for word in ("relational", "trekking", "possibly", "technology", "is")]
        ['relat', 'trek', 'possibl', 'technolog', 'is']
    """
    if len(word.encode("utf-16-le", "surrogatepass")) <= 4:  # two characters, as Java counts them
        return word
    doubled = _DOUBLED.search(word)
    if doubled is not None:
        kinds = _kinds(word[: doubled.end("double")])
        if "v" in kinds and kinds.endswith("c"):
            word = word[: doubled.end("double") - 1]
    stemmed: str = _PORTER.stem(word)
    if stemmed.endswith(("bli", "logi")):
        departure = _DEPARTURE.search(word)
        if departure is not None and "vc" in _kinds(word[: departure.start()]):
            if departure["log"]:
                return word[: departure.end("log")]
            stemmed = _PORTER.stem(word[: departure.start()] + "ble")
    return stemmed


def analyse(text: str) -> list[str]:
    """The search terms of a text, in order and with repetitions.

    Example:
        >>> analyse("The runner's SHOES: running, for men")
        ['runner', 'shoe', 'run', 'men']
    """
    terms: list[str] = []
    for chunk in text.split(" "):
        terms.extend(analyse_chunk(chunk))
    return terms


def analyse_chunk(chunk: str) -> list[str]:
    """The search terms of a text without spaces.

    A space ends every word, so that the terms of a text are those of its chunks, in order. Chunks
    repeat: whoever analyses many texts keeps what this gave.
    """
    return [term for word in split_words(chunk) for term in _terms(word)]


def _terms(word: str) -> tuple[str, ...]:
    """The term of a word, or nothing."""
    if word.endswith(_POSSESSIVES):
        word = word[:-2]
    # One character for one character, as in Java.
    word = word.lower() if word.isascii() else "".join([letter.lower()[0] for letter in word])
    return () if word in STOP_WORDS else (stem(word),)


class _Porter(threading.local):
    """Snowball's version of Porter's algorithm, whose objects serve one thread only."""

    def __init__(self) -> None:
        self.stem: Callable[[str], str] = Stemmer.Stemmer("porter").stemWord


_PORTER = _Porter()
_DEPARTURE = regex.compile(r"(?:bl|(?P<log>log))(?:ies|[iy](?:ed|ing)?s?)$")
# Double consonants that Snowball keeps. Lucene compares UTF-16 units, so never those of a pair.
_DOUBLED = regex.compile(
    r"(?P<double>([^aeioubdfglmnprstz\U00010000-\U0010FFFF])\2)(?:ed|ing)s?$", regex.VERSION1
)
_POSSESSIVES = tuple(quote + s for quote in "'\u2019\uff07" for s in "sS")


def _kinds(stem: str) -> str:
    """`c` for every consonant and `v` for every vowel, where a y after a consonant is a vowel.

    Porter's measure m is positive where a vowel is followed by a consonant.
    """
    kinds = ""
    for character in stem:
        vowel = character in "aeiou" or (character == "y" and kinds.endswith("c"))
        kinds += "v" if vowel else "c"
    return kinds
