"""The static site: what is ranked and what is not, that nothing in it can act, and how it acts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.leaderboard.figures import result_of
from benchmarks.leaderboard.panels import load_panel, make_panel
from benchmarks.leaderboard.published import load_published
from benchmarks.leaderboard.running import Player, run_study
from benchmarks.leaderboard.schema import AgentSpec, EpisodeRow, Panel, Sitting, Study
from benchmarks.leaderboard.site import INDEX_FILE, RUNS_FOLDER, render_site
from benchmarks.leaderboard.site.cells import COLUMNS, Scale, run_row
from benchmarks.leaderboard.site.entries import gather, ranks
from benchmarks.leaderboard.store import StudyFolder
from hiper_base.errors import MissingDependencyError
from hiper_envs.webshop.chromium import Chromium, find_browser, find_driver

EVIL = "</td><script>document.title = 'owned'</script><img src=x onerror=alert(2)>"
TASKS = 6
Make = Callable[..., Path]


class Page(HTMLParser):
    """Tags with their attributes, and the texts of rows, of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two real studies of one panel, by agent."""
    panel = make_panel(
        "own-panel",
        "A panel of one's own",
        "HiPER-ALFWorld-v0",
        "generated",
        data_version="generated",
        syntax="1",
        tasks=TASKS,
    )
    root = tmp_path_factory.mktemp("studies")
    for agent in ("random", "expert"):
        run_study(root / agent, Player(agent), panel, seeds=(0, 1), num_envs=TASKS)
    return {agent: root / agent for agent in ("random", "expert")}


@pytest.fixture
def make(played: dict[str, Path], tmp_path: Path) -> Make:
    """Copies a real study, with another label."""

    def copy(name: str, label: str = "", agent: str = "expert", **about: Any) -> Path:
        folder = tmp_path / "studies" / name
        shutil.copytree(played[agent], folder)
        files = StudyFolder(folder)
        spec = files.study().agent.model_copy(update={"label": label or name})
        change(folder, "study.json", {"agent": spec.model_dump()})
        change(folder, "result.json", {"agent": spec.model_dump(), "about": about})
        return folder

    return copy


def change(folder: Path, name: str, fields: dict[str, Any]) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **fields}))


def of_shipped_panel(folder: Path, panel: Panel, label: str) -> Path:
    """A study whose every third episode was won, without its trajectories and without any data."""
    study = Study(
        agent=AgentSpec(name="random", label=label),
        panel=panel.name,
        panel_sha256=panel.sha256,
        seeds=(0,),
    )
    rows = [
        EpisodeRow(
            position=place,
            seed=0,
            task_id=task.task_id,
            task_type=task.task_type,
            outcome="won" if place % 3 == 0 else "lost",
            won=place % 3 == 0,
            score=float(place % 3 == 0),
            turns=9,
            options=2,
            invalid_actions=0,
            format_errors=0,
            sha256="0" * 64,
        )
        for place, task in enumerate(panel.tasks)
    ]
    sitting = Sitting(
        started="2026-01-02T03:04:05+00:00",
        command="hiper",
        commit="c0ffee0000000000-dirty",
        versions={},
        machine={},
        num_envs=1,
        timeout=1.0,
    )
    files = StudyFolder(folder)
    files.write("study.json", study)
    files.write("panel.json", panel)
    files.write("result.json", result_of(study, panel, rows, [sitting]))
    return folder


def page_of(folders: Sequence[Path], out: Path, **options: Any) -> str:
    return render_site(folders, out, **options).read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    """What follows a heading of second order, up to the next."""
    found = re.search(rf"<h2[^>]*>{re.escape(title)}</h2>(.*?)(<h2|$)", page, re.DOTALL)
    return found[1] if found else ""


def rows_of(markup: str) -> list[str]:
    """The rows of all tasks."""
    body = re.search(r'<tbody( data-type="all")?>(.*?)</tbody>', markup, re.DOTALL)
    return re.findall(r"<tr.*?</tr>", body[2], re.DOTALL) if body else []


def rank_of(row: str) -> str:
    found = re.search(r'<td class="rank"[^>]*>(.*?)</td>', row)
    return found[1] if found else ""


def test_runs_are_ranked_by_success_and_equal_ones_share_a_rank(make: Make, tmp_path: Path) -> None:
    folders = [make("low", agent="random"), make("b"), make("a")]
    page = page_of(folders, tmp_path / "site")
    rows = rows_of(section(page, "A panel of one's own".replace("'", "&#x27;")))
    assert [rank_of(row) for row in rows] == ["1", "1", "3"]
    assert [re.findall(r'<bdi class="label">(.*?)</bdi>', row) for row in rows] == [
        ["a"],
        ["b"],
        ["low"],
    ]
    assert "3 ranked runs on 1 panel" in page
    for slug in ("low", "a", "b"):
        assert f'href="{RUNS_FOLDER}/{slug}.html"' in page
        assert (tmp_path / "site" / RUNS_FOLDER / f"{slug}.html").stat().st_size > 1000
    result = StudyFolder(folders[0]).result()
    assert f"{100 * result.figures.success.mean:.1f} %" in rows[2]
    assert f"{TASKS} \u00d7 2" in rows[2]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], []), ([0.0], [1]), ([0.2, 0.2, 0.2], [1, 1, 1]), ([0.1, 0.9, 0.5], [3, 1, 2])],
)
def test_ranks(values: list[float], expected: list[int]) -> None:
    assert ranks(values) == expected


def test_the_same_folders_give_the_same_bytes(make: Make, tmp_path: Path) -> None:
    folders = [make("one"), make("two"), make("three", agent="random")]
    first, second = tmp_path / "first", tmp_path / "second"
    render_site(folders, first)
    render_site([*folders[::-1], folders[0]], second)
    found = sorted(path.relative_to(first) for path in first.rglob("*"))
    assert found == sorted(path.relative_to(second) for path in second.rglob("*"))
    assert len(found) == 5
    for path in found:
        if (first / path).is_file():
            assert (first / path).read_bytes() == (second / path).read_bytes()
    assert str(tmp_path) not in (first / INDEX_FILE).read_text(encoding="utf-8")


def test_what_cannot_be_shown_is_named_and_left_out(make: Make, tmp_path: Path) -> None:
    good, unfinished, damaged, mixed, absurd, empty = (
        make(name) for name in ("good", "unfinished", "damaged", "mixed", "absurd", "empty")
    )
    (unfinished / "result.json").unlink()
    (damaged / "result.json").write_text('{"schema_version": 1')
    change(mixed, "study.json", {"seeds": [0, 1, 2]})
    figures = json.loads((absurd / "result.json").read_text(encoding="utf-8"))["figures"]
    figures["success"]["mean"] = 1e300
    change(absurd, "result.json", {"figures": figures})
    shutil.rmtree(empty)
    folders = [good, unfinished, damaged, mixed, absurd, empty]
    page = page_of(folders, tmp_path / "site")
    left_out = section(page, "Not on this page")
    for said in (
        "unfinished is left out: unfinished is not finished",
        "damaged is left out: damaged/result.json is not a result file",
        "study.json and result.json are of two studies",
        "a share in its result is not from 0 to 1",
        "empty is left out: empty is no study folder",
    ):
        assert said in left_out
    assert str(tmp_path) not in page
    assert len(rows_of(section(page, "A panel of one&#x27;s own"))) == 1


def test_what_verification_found_is_shown_and_never_ranked(make: Make, tmp_path: Path) -> None:
    good, bad, forgotten = make("good"), make("bad", "<b>too good</b>"), make("forgotten")
    verified = {good: [], bad: ["result.json: <i>success</i> is not 0.5"]}
    page = page_of([good, bad, forgotten], tmp_path / "site", verified=verified)
    ranked = rows_of(section(page, "A panel of one&#x27;s own"))
    assert len(ranked) == 1
    assert "replayed" in ranked[0]
    rows = rows_of(section(page, "Not verified"))
    assert len(rows) == 2
    assert "&lt;b&gt;too good" in rows[0]
    assert "result.json: &lt;i&gt;success&lt;/i&gt; is not 0.5" in rows[0]
    assert "It was not replayed." in rows[1]
    assert not any(rank_of(row).isdigit() or "chip good" in row for row in rows)
    assert "figures are as their folders say" not in page
    unverified = page_of([good, bad, forgotten], tmp_path / "other")
    assert "figures are as their folders say" in unverified
    assert "chip good" not in unverified


def test_runs_on_other_data_are_not_ranked_and_say_why(make: Make, tmp_path: Path) -> None:
    other = make("other")
    fields = {"differences": ["2 tasks are not here"], "ranked": False}
    change(other, "result.json", fields)
    silent = make("silent")
    change(silent, "result.json", {"ranked": False})
    page = page_of([other, silent], tmp_path / "site", verified={other: [], silent: []})
    rows = rows_of(section(page, "Not ranked"))
    assert len(rows) == 2
    assert "2 tasks are not here" in rows[0]
    assert "was not played on the panel&#x27;s tasks" in rows[1]
    assert not any(rank_of(row).isdigit() for row in rows)
    assert "No run is ranked yet." in page


def test_a_panel_that_only_bears_a_known_name_is_not_ranked(tmp_path: Path) -> None:
    known = load_panel("alfworld-valid-seen")
    edited = known.model_copy(update={"tasks": known.tasks[:3], "sha256": "1" * 64})
    folder = of_shipped_panel(tmp_path / "edited", edited, "three tasks")
    page = page_of([folder], tmp_path / "site")
    rows = rows_of(section(page, "Not ranked"))
    assert len(rows) == 1
    assert f"digest 111111111111, not {known.sha256[:12]}" in rows[0]
    assert "quoted" not in page.partition("<main>")[2].partition("<script")[0]


def test_published_figures_stand_where_their_success_does_and_have_no_rank(tmp_path: Path) -> None:
    panel = load_panel("alfworld-valid-seen")
    folder = of_shipped_panel(tmp_path / "third", panel, "a third")
    page = page_of([folder], tmp_path / "site")
    rows = rows_of(section(page, panel.title))
    quoted = load_published().rows_of(panel.name)
    assert len(rows) == 1 + len(quoted)
    assert [rank_of(row) for row in rows] == [*[""] * len(quoted), "1"]
    for row, published in zip(rows, quoted, strict=False):
        assert '<tr class="quoted">' in row
        assert '<span class="chip quoted">quoted</span>' in row
        assert f"{published.success:.1f} %" in row
        assert published.model in row
        assert f'href="https://arxiv.org/abs/{published.arxiv}"' in row
    assert "Nothing of them was replayed" in page
    # Without trajectories there is nothing to link to, which is said.
    assert "third has no page" in section(page, "Not on this page")
    assert f'href="{RUNS_FOLDER}' not in page
    alone = page_of([folder], tmp_path / "alone", published=False)
    assert len(rows_of(section(alone, panel.title))) == 1
    assert "Quoted figures" not in alone


def test_the_page_can_do_only_what_its_own_script_does(make: Make, tmp_path: Path) -> None:
    folder = make("evil", EVIL, model=EVIL)
    change(folder, "result.json", {"commits": [EVIL]})
    page = page_of([folder], tmp_path / "site", verified={folder: [EVIL]})
    found = Page(page)
    names = [tag for tag, _ in found.tags]
    assert names.count("script") == 1
    assert not {"img", "link", "iframe", "object", "embed", "base", "form"} & set(names)
    for _, attributes in found.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert "src" not in attributes
    assert EVIL in found.texts
    policy = next(
        attributes["content"]
        for tag, attributes in found.tags
        if tag == "meta" and "http-equiv" in attributes
    )
    assert policy is not None
    for name in ("script", "style"):
        content = re.search(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")


@given(label=st.text(min_size=1, max_size=120), reason=st.text(max_size=50))
def test_any_label_is_shown_as_it_is_written(
    played: dict[str, Path], label: str, reason: str
) -> None:
    entry = gather([played["random"]]).entries[0]
    agent = entry.result.agent.model_copy(update={"label": label})
    changed = type(entry)(
        **{
            **vars(entry),
            "result": entry.result.model_copy(update={"agent": agent}),
            "reasons": (reason,),
        }
    )
    plain = run_row(entry, entry.result.figures, Scale(0.0, 1.0), rank=None, page=None)
    row = run_row(changed, entry.result.figures, Scale(0.0, 1.0), rank=None, page=None)
    found = Page(row)
    extra = ["ul", "li", "bdi", "span"]
    tags = [tag for tag, _ in found.tags if tag not in extra]
    assert tags == [tag for tag, _ in Page(plain).tags if tag not in extra]
    assert label in "".join(found.texts)
    assert reason in "".join(found.texts)


def test_folders_of_one_name_have_pages_of_their_own(make: Make, tmp_path: Path) -> None:
    make("Run 1")
    make("run-1")
    away = make("away")
    other = tmp_path / "elsewhere" / "Run 1"
    shutil.copytree(away, other)
    folders = [tmp_path / "studies" / "Run 1", tmp_path / "studies" / "run-1", other]
    entries = gather(folders).entries
    assert sorted(entry.slug for entry in entries) == ["run-1", "run-1-2", "run-1-3"]


def _missing() -> str:
    """Why no browser can look at the page here; "" if one can."""
    try:
        import selenium  # noqa: F401

        find_browser()
        find_driver()
    except (ImportError, MissingDependencyError) as error:
        return str(error)
    return ""


has_browser = pytest.mark.skipif(bool(_missing()), reason=_missing())


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    browser = Chromium(window_size=(1280, 900))
    yield browser
    browser.close()


def shown(browser: Chromium, table: int = 0) -> list[str]:
    """Labels of the rows of a table that can be seen, from top to bottom."""
    script = """
        const rows = [...document.querySelectorAll(".ranking")[arguments[0]].rows];
        return rows.filter((row) => row.cells[1].tagName === "TD" && row.offsetParent)
          .map((row) => row.querySelector(".label").textContent);
    """
    found: list[str] = browser.run(script, table)
    return found


def choose(browser: Chromium, control: str, value: Any) -> None:
    script = """
        const control = document.getElementById(arguments[0]);
        if (control.type === "checkbox") control.checked = arguments[1];
        else control.value = arguments[1];
        control.dispatchEvent(new Event("input"));
    """
    browser.run(script, control, value)


def sort_by(browser: Chromium, name: str) -> str:
    script = """
        const cell = document.querySelectorAll(".ranking th")[arguments[0]];
        cell.querySelector("button").click();
        return cell.getAttribute("aria-sort");
    """
    place = [column.name for column in COLUMNS].index(name)
    order: str = browser.run(script, place)
    return order


@pytest.fixture
def site(make: Make, tmp_path: Path) -> Path:
    """Two panels, quoted figures, script tags in a label, and runs without a rank."""
    panel = load_panel("alfworld-valid-seen")
    folders = [
        make("expert", "zebra", model="some-model"),
        make("random", EVIL, agent="random"),
        make("bad"),
        of_shipped_panel(tmp_path / "third", panel, "a third"),
    ]
    verified = {folder: ["it is bad"] if folder.name == "bad" else [] for folder in folders}
    return render_site(folders, tmp_path / "site", verified=verified)


def size(browser: Chromium, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver = browser.driver
    browser.call(
        "set a size",
        lambda: driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics),
    )


@has_browser
def test_the_page_asks_for_nothing_and_runs_nothing_of_others(
    browser: Chromium, site: Path
) -> None:
    size(browser, 1280, 900)
    browser.open(site.as_uri())
    assert browser.run("return document.title") == "Leaderboard"
    assert EVIL in shown(browser)
    assert browser.run("return document.images.length") == 0
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.console() == []
    link = browser.run("return document.querySelector('.ranking a').href")
    browser.open(link)
    assert browser.run("return document.body.innerText.length") > 100


@has_browser
def test_rows_are_sorted_and_those_without_a_value_come_last(browser: Chromium, site: Path) -> None:
    size(browser, 1280, 900)
    browser.open(site.as_uri())
    # The first table is that of one's own panel, the second that with quoted figures.
    assert shown(browser) == ["zebra", EVIL]
    assert sort_by(browser, "Turns") == "ascending"
    assert shown(browser) == ["zebra", EVIL]
    assert sort_by(browser, "Turns") == "descending"
    assert shown(browser) == [EVIL, "zebra"]
    assert shown(browser, 1)[0] == "a third"
    assert sort_by(browser, "Success") == "descending"
    assert shown(browser) == ["zebra", EVIL]
    successes = shown(browser, 1)
    assert successes[0] == "HiPER"
    assert successes[-1] == "a third"
    assert sort_by(browser, "Success") == "ascending"
    assert shown(browser, 1) == ["a third", *successes[-2::-1]]
    choose(browser, "sort", "1")
    assert shown(browser) == [EVIL, "zebra"]
    assert browser.console() == []


@has_browser
def test_filters_hide_what_is_not_asked_for(browser: Chromium, site: Path) -> None:
    size(browser, 1280, 900)
    browser.open(site.as_uri())
    everything = shown(browser, 1)
    assert len(everything) == 14
    choose(browser, "quoted", False)
    assert shown(browser, 1) == ["a third"]
    choose(browser, "quoted", True)
    assert shown(browser, 1) == everything
    choose(browser, "search", "SOME-model")
    assert (shown(browser), shown(browser, 1)) == (["zebra"], [])
    assert browser.run("return document.getElementById('count').textContent") == "1 of 16 rows"
    choose(browser, "search", "")
    choose(browser, "panel", "0")
    assert (len(shown(browser)), shown(browser, 1)) == (2, [])
    choose(browser, "panel", "all")
    options = browser.run("return [...document.getElementById('type').options].map((o) => o.text)")
    of_shipped = {task.task_type for task in load_panel("alfworld-valid-seen").tasks}
    assert of_shipped < set(options)
    choose(browser, "type", str(options.index("look_at_obj_in_light") - 1))
    assert shown(browser, 1) == ["a third"]
    plays = browser.run(
        "return document.querySelectorAll('.ranking')[1]"
        ".querySelector('tbody:not([hidden]) .plays').dataset.v"
    )
    of_type = StudyFolder(site.parents[1] / "third").result().per_task_type["look_at_obj_in_light"]
    assert int(plays) == of_type.episodes
    assert browser.console() == []


@has_browser
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_never_scrolls_sideways(browser: Chromium, site: Path, width: int) -> None:
    size(browser, width, 800)
    browser.open(site.as_uri())
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    lowest = browser.run(
        "return Math.min(...[...document.querySelectorAll('.ranking .label')]"
        ".filter((each) => each.offsetParent).map((each) => each.getBoundingClientRect().left))"
    )
    assert lowest >= 0


@has_browser
def test_without_a_script_the_rankings_are_plain_tables(browser: Chromium, site: Path) -> None:
    size(browser, 1280, 900)
    driver = browser.driver

    def allow(scripts: bool) -> None:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})

    browser.call("stop scripts", lambda: allow(False))
    try:
        browser.open(site.as_uri())
        text = driver.find_element("css selector", "main").text
        assert "Task type" not in text
        assert "zebra" in text
        assert "Success by task type" in text
        assert len(driver.find_elements("css selector", "tbody:not([hidden]) > tr.quoted")) == 13
    finally:
        browser.call("allow scripts", lambda: allow(True))
