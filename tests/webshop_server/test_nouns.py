from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hiper_base.errors import HiperError, MissingDependencyError
from webshop_server import nouns
from webshop_server.nouns import NounTagger, UnknownTaggerError, get_noun_tagger


def capitals(title: str) -> list[str]:
    return [word.lower() for word in title.split() if word.istitle()]


def test_a_function_is_called_by_its_name() -> None:
    tagger = get_noun_tagger(capitals)
    assert tagger.name == "capitals"
    assert tagger("Blue linen Chair") == ["blue", "chair"]
    assert get_noun_tagger(tagger) is tagger


def test_an_object_without_a_name_is_called_by_its_type() -> None:
    class Lexicon:
        def __call__(self, title: str) -> tuple[str, ...]:
            return ("chair",)

    tagger = get_noun_tagger(Lexicon())
    assert tagger.name == "Lexicon"
    assert tagger("Blue") == ["chair"]


@pytest.mark.parametrize("wrong", ["chair", [1], ["chair", None]])
def test_a_function_must_give_texts(wrong: object) -> None:
    tagger = NounTagger("mine", lambda title: wrong)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="noun tagger mine gave"):
        tagger("Chair")


def test_unknown_names_list_the_choices() -> None:
    with pytest.raises(UnknownTaggerError, match="'nltk'; there are: spacy, textblob") as caught:
        get_noun_tagger("nltk")
    assert isinstance(caught.value, HiperError)


def test_spacy_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nouns, "SPACY_MODEL", "no_such_model")
    with pytest.raises(MissingDependencyError, match="python -m spacy download no_such_model"):
        get_noun_tagger("spacy")
    assert get_noun_tagger(None).name == "textblob"


def test_spacy_is_the_default_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("spacy", "made_up_model"):
        (tmp_path / f"{name}.py").write_text(_FAKE_SPACY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "spacy", raising=False)
    monkeypatch.setattr(nouns, "SPACY_MODEL", "made_up_model")
    tagger = get_noun_tagger()
    assert tagger.name == "spacy"
    assert tagger("Soft Chair made_up_model") == ["chair", "made_up_model"]
    sys.modules.pop("spacy")


_FAKE_SPACY = """
class Word:
    def __init__(self, text, pos):
        self.text, self.pos_ = text, pos

def load(name, exclude):
    kinds = {"Soft": "ADJ", "Chair": "NOUN", name: "PROPN"}
    return lambda title: [Word(word, kinds[word]) for word in title.split()]
"""


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Solid Wood Coat Rack with 9 Hooks", ["wood", "coat", "rack", "hooks"]),
        ("Zorblax 4-Piece Chairs | 60%", ["zorblax", "piece", "chairs"]),
        ("of the very", []),
        ("", []),
    ],
)
def test_textblob(title: str, expected: list[str]) -> None:
    assert get_noun_tagger("textblob")(title) == expected


def test_textblob_loads_once_for_all_threads() -> None:
    tagger = get_noun_tagger("textblob")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(tagger, ["Folding Chair of Oak"] * 64))
    assert found == [["chair", "oak"]] * 64


def test_textblob_needs_no_corpus_and_no_network(tmp_path: Path) -> None:
    """In a process that cannot connect, and whose corpora, if any, cannot be found."""
    program = (
        "import socket, nltk.data\n"
        "def refuse(*_, **__): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "nltk.data.path[:] = []\n"
        "from webshop_server.nouns import get_noun_tagger\n"
        "assert get_noun_tagger('textblob')('Oak Chair') == ['oak', 'chair']\n"
    )
    run(program, HOME=str(tmp_path))


def test_importing_the_module_loads_no_tagger() -> None:
    run(
        "import sys, webshop_server.nouns\n"
        "assert not {'spacy', 'textblob', 'nltk'} & set(sys.modules)"
    )


def run(program: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        cwd=Path(nouns.__file__).parents[1],
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_textblob_finds_the_recorded_nouns(webshop_recordings: Path) -> None:
    with gzip.open(webshop_recordings / "title_nouns.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    tagger = get_noun_tagger("textblob")
    assert len(rows) == 1000
    assert [row["asin"] for row in rows if tagger(row["name"]) != row["nouns"]] == []
