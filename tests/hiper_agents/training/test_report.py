"""The report page: what is on it, that nothing can be injected, that damage does not stop it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hiper_agents.training.report import write_report
from hiper_base.errors import HiperError

MakeRun = Callable[..., Path]
ATTACK = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'</style></svg>"
VOID = {"meta"}
RESULT = {
    "split": "valid_seen",
    "mode": "greedy",
    "success_rate": 0.95,
    "success_rate_se": 0.0184,
    "success_rate_ci95": [0.9003, 0.9756],
    "n": 140,
    "per_task_type": {"pick_and_place_simple": {"success_rate": 0.875, "n": 35}},
    "mean_turns": 14.25,
    "options": {
        "mean_per_episode": 4.5,
        "contains_named_action": 0.925,
        "boundary_agreement": {"f1": 0.61},
    },
}


class Page(HTMLParser):
    """Elements and visible text of a page; fails where elements do not nest."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def write_samples(run: Path, samples: Any) -> None:
    (run / "samples.json").write_text(json.dumps(samples))


def test_shows_the_run(make_run: MakeRun) -> None:
    run = make_run(seed=3)
    (run / "result.json").write_text(json.dumps(RESULT))
    path = write_report(run)
    assert path == run / "report.html"
    page = Page(path)
    for expected in (
        "HiPER-ALFWorld-v0 · hae · seed 3",
        "4:10 min",  # 100 iterations of 2.5 s
        "400k",  # turns
        "1600 a second",
        "12.8k",  # episodes
        "mean of the last 4",
        "Success against minutes",
        "pick heat then place in recep",
        "Value losses",
        "KL divergence",
        "95.0 % ± 1.8",
        "90.0 % to 97.6 %",
        "87.5 %",
        "92.5 %",
        "0.61",
        "find a mug",
        "go to cabinet 2",
        "0.50 / 0.45 / 0.40",
        "ppo.clip",
        "A language model gets none of this",
        "learned from the reward of success alone",
    ):
        assert expected in page.text, expected
    assert "Not on this page" not in page.text
    assert sorted(p.name for p in run.iterdir() if p.name.startswith(".")) == []


def test_bands_are_the_options(make_run: MakeRun) -> None:
    page = Page(write_report(make_run()))
    bands = [
        (tag["style"], tag["title"])
        for tag in page.all("span")
        if "flex" in (tag.get("style") or "")
    ]
    assert bands == [
        ("flex-grow:4", "find a mug: 4 turns"),
        ("flex-grow:3", "clean the mug: 3 turns"),
        ("flex-grow:2", "put the mug in the cabinet: 2 turns"),
    ]
    numbers = [tag["start"] for tag in page.all("ol")]
    assert numbers == ["1", "5", "8"]


def test_is_self_contained(make_run: MakeRun) -> None:
    page = Page(write_report(make_run()))
    assert not {"link", "img", "iframe", "object", "base", "form"} & {tag for tag, _ in page.tags}
    assert not re.search(r"https?://|url\(|@import|\bfetch\(|XMLHttp", page.source)
    assert all("src" not in attributes and "href" not in attributes for _, attributes in page.tags)


def test_only_its_own_script_may_run(make_run: MakeRun) -> None:
    page = Page(write_report(make_run()))
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    (script,) = re.findall(r"<script>(.*?)</script>", page.source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_everything_from_files_is_escaped(make_run: MakeRun) -> None:
    run = make_run(env=ATTACK, estimator=ATTACK, warm_start=ATTACK, **{ATTACK: ATTACK})
    turn = {"observation": ATTACK, "subgoal": ATTACK, "action": ATTACK, "values": [ATTACK]}
    sample = {"task_id": ATTACK, "task": ATTACK, "task_type": ATTACK, "won": True, "turns": [turn]}
    write_samples(run, [sample])
    row = {
        "iteration": 1,
        "turns": 5,
        "success": 0.5,
        "success_by_type": {ATTACK: 0.5},
        "losses": {f"value_{ATTACK}": 1.0, "value_low": 2.0},
    }
    (run / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    result = {"split": ATTACK, "mode": ATTACK, "success_rate": 0.5, "per_task_type": {ATTACK: {}}}
    (run / "<script>alert(3)<.json").write_text(json.dumps(result))
    page = Page(write_report(run))
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert page.source.count("alert(1)") > 10
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


@pytest.mark.parametrize(
    "name", ["config.json", "metrics.jsonl", "samples.json", "checkpoint.json"]
)
@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'[1, null, "x"]', b"\xff{}\n{}"])
def test_damage_gives_a_report_that_says_so(
    make_run: MakeRun, name: str, content: bytes | None
) -> None:
    run = make_run()
    (run / name).unlink()
    if content is not None:
        (run / name).write_bytes(content)
    page = Page(write_report(run))
    if name != "checkpoint.json":
        assert "Not on this page" in page.text
        assert name in page.text


@pytest.mark.parametrize(
    "turns",
    [None, 7, {}, [], [None], [{}], [{"values": "x"}], [{"values": [None, 1e308], "subgoal": 3}]],
)
def test_odd_samples(make_run: MakeRun, turns: object) -> None:
    run = make_run()
    write_samples(run, [{"turns": turns}, {}, 3])
    page = Page(write_report(run))
    assert page.text.count("task unknown") == 2
    assert "samples.json holds entries that are no episodes" in page.text


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e308", "-1e308", '"x"', "true", "{}", "[]"])
def test_odd_metrics(make_run: MakeRun, value: str) -> None:
    run = make_run(iterations=2)
    line = '{"iteration": 3, "seconds": %s, "turns": %s, "success": %s, "losses": %s}\n'
    with (run / "metrics.jsonl").open("a") as file:
        file.write(line % (value, value, value, value))
    page = Page(write_report(run))
    assert "nan" not in page.source
    assert "8000" in page.text


def test_halves_of_surrogate_pairs(make_run: MakeRun) -> None:
    run = make_run(estimator="\ud800")
    assert "HiPER-ALFWorld-v0" in Page(write_report(run)).text


def test_stays_small(make_run: MakeRun) -> None:
    run = make_run(iterations=3000)
    turn = {"observation": "<" * 5000, "action": "&" * 5000, "subgoal": "x" * 500, "boundary": True}
    write_samples(run, [{"task": "t", "turns": [turn] * 50}, *({"turns": [turn] * 300},) * 20])
    (run / "config.json").write_text(json.dumps({f"k{i}": "<" * 9999 for i in range(999)}))
    path = write_report(run)
    assert path.stat().st_size < 1_500_000
    page = Page(path)
    assert "more do not fit on this page" in page.text
    points = [len(json.loads(tag["data-x"] or "")) for tag in page.all("div") if "data-x" in tag]
    assert len(points) >= 10
    assert max(points) <= 400


def test_without_results_it_says_how_to_get_them(make_run: MakeRun) -> None:
    assert "No result of hiper eval --out" in Page(write_report(make_run())).text


def test_a_warm_start_is_named(make_run: MakeRun) -> None:
    text = Page(write_report(make_run(warm_start=200))).text
    assert "demonstrations of the searching expert (warm_start: 200)" in text
    assert "success alone" not in text


def test_other_agents_are_not_described(make_run: MakeRun) -> None:
    assert "What this agent is given" not in Page(write_report(make_run(agent="llm"))).text


def test_a_second_report_replaces_the_first(make_run: MakeRun) -> None:
    run = make_run()
    first = write_report(run).read_bytes()
    (run / "samples.json").unlink()
    assert write_report(run).read_bytes() != first


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HiperError, match="not a run folder"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
