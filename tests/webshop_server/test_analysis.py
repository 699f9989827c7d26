"""Words and stems as Lucene's EnglishAnalyzer has them; expected values are worked out by hand."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webshop_server.analysis import (
    MAX_WORD_LENGTH,
    STOP_WORDS,
    analyse,
    analyse_chunk,
    split_words,
    stem,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("!!! -- ...", []),
        ("two-piece (set), 100% cotton & silk", ["two", "piece", "set", "100", "cotton", "silk"]),
        ("don't 'quoted' men\u2019s", ["don't", "quoted", "men\u2019s"]),
        (
            "3.5 1,000 5.a a.5 a.b a:b 1:2",
            ["3.5", "1,000", "5", "a", "a", "5", "a.b", "a:b", "1", "2"],
        ),
        ("usb3 4k 10pcs", ["usb3", "4k", "10pcs"]),
        ("_a_b_ ___ 1_2", ["_a_b_", "1_2"]),
        ("5\u202f000", ["5\u202f000"]),
        ("line\nbreak\ttab\u00a0space", ["line", "break", "tab", "space"]),
        ("caf\u00e9 cafe\u0301 z\u200dw", ["caf\u00e9", "cafe\u0301", "z\u200dw"]),
        ("日本語ひらがなカタカナ", ["日", "本", "語", "ひ", "ら", "が", "な", "カタカナ"]),
        ("한국어 ภาษาไทย", ["한국어", "ภาษาไทย"]),
        ("א\"ב א' ד", ['א"ב', "א'", "ד"]),
        ("brand™ ★★☆ ©2022 ✓ ✔", ["brand", "™", "★", "★", "©", "2022", "✔"]),
        ("👍🏽👍 ❤️x", ["👍🏽", "👍", "❤️", "x"]),
        ("👨\u200d👩\u200d👧!", ["👨\u200d👩\u200d👧"]),
        ("🇩🇪🇫🇷🇩", ["🇩🇪", "🇫🇷"]),
        ("#\ufe0f\u20e3 1\ufe0f\u20e3 #1", ["#\ufe0f\u20e3", "1\ufe0f\u20e3", "1"]),
        ("\uff11\uff12 \uff13\uff0e\uff14", ["\uff11\uff12", "\uff13\uff0e\uff14"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_long_words_are_cut() -> None:
    assert MAX_WORD_LENGTH == 255
    assert [len(word) for word in split_words("a" * 600)] == [255, 255, 90]
    assert split_words("x" * 255 + " y") == ["x" * 255, "y"]
    assert split_words("_" * 100_000) == []
    assert split_words("-" * 300 + "a b" + "_" * 300) == ["a", "b" + "_" * 254]


@pytest.mark.parametrize(
    ("word", "stemmed"),
    [
        # Porter's own examples.
        ("caresses", "caress"),
        ("ponies", "poni"),
        ("feed", "feed"),
        ("agreed", "agre"),
        ("plastered", "plaster"),
        ("hopping", "hop"),
        ("falling", "fall"),
        ("filing", "file"),
        ("happy", "happi"),
        ("sky", "sky"),
        ("relational", "relat"),
        ("sensibiliti", "sensibl"),
        ("adjustment", "adjust"),
        ("probate", "probat"),
        ("controll", "control"),
        # Where his programs differ from his paper, and from Snowball.
        ("is", "is"),
        ("as", "as"),
        ("gas", "ga"),
        ("possibly", "possibl"),
        ("doubly", "doubli"),
        ("assemblies", "assembl"),
        ("conformably", "conform"),
        ("technology", "technolog"),
        ("technologies", "technolog"),
        ("geology", "geologi"),
        ("trekking", "trek"),
        ("trekked", "trek"),
        ("revving", "rev"),
        ("kked", "kked"),
        ("slyying", "sly"),
        # Not letters of the English alphabet.
        ("100s", "100"),
        ("x11ing", "x11ing"),
        ("o11ing", "o1"),
        ("café", "café"),
        ("naïveness", "naïv"),
        ("★s", "★s"),
        ("👍s", "👍"),
    ],
)
def test_stems(word: str, stemmed: str) -> None:
    assert stem(word) == stemmed


def test_analysis_in_order() -> None:
    text = "The Runner\u2019s SHOES, and a dog's TOY's; it's İzmir \u03a3\u03a0\u03a3's"
    terms = ["runner", "shoe", "dog", "toi", "izmir", "\u03c3\u03c0\u03c3"]
    assert analyse(text) == terms
    assert analyse("men's dress shirts, shirts") == ["men", "dress", "shirt", "shirt"]
    assert len(STOP_WORDS) == 33
    assert analyse(" ".join(STOP_WORDS)) == []


def test_threads_stem_alike() -> None:
    words = [
        f"{start}{end}" for start in ("relat", "hop", "techn") for end in ("ing", "ions", "ology")
    ]
    expected = [stem(word) for word in words]
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append([stem(word) for word in words * 50]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected * 50] * 4


@given(st.text())
def test_words_are_parts_of_the_text_in_order(text: str) -> None:
    rest = text
    for word in split_words(text):
        assert word
        assert " " not in word
        _, found, rest = rest.partition(word)
        assert found


@given(st.lists(st.text(st.characters(exclude_characters=" "))))
def test_a_space_ends_every_word(chunks: list[str]) -> None:
    joined = " ".join(chunks)
    assert split_words(joined) == [word for chunk in chunks for word in split_words(chunk)]
    assert analyse(joined) == [term for chunk in chunks for term in analyse_chunk(chunk)]


@given(
    st.text(st.sampled_from("aeiouybglnstk'0é"), min_size=1),
    st.sampled_from(["", "ing", "bly", "logies", "ed"]),
)
def test_stems_are_no_longer_than_words(start: str, end: str) -> None:
    stemmed = stem(start + end)
    assert len(stemmed) <= len(start + end)
    assert stemmed[:1] == start[:1]
