from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from hiper_base.errors import DataError
from webshop_server.site.database import Database, Row, Totals

ROW = Row(
    session_id="one",
    token_sha256=b"\1" * 32,
    catalog="c",
    goal_id="synthetic/0",
    show_attributes=True,
    client="api",
    created=100.0,
    touched=100.0,
    revision=0,
    action_valid=True,
    state='{"page":"search","query":"\u00e9\U0001f600"}',
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "shop.sqlite3"


def test_a_row_comes_back_as_it_was_also_from_another_process(path: Path) -> None:
    first = Database(path)
    first.insert(ROW)
    # Not closed: what is committed has to be visible to others at once.
    second = Database(path)
    assert second.load("one") == ROW
    assert second.load("two") is None
    first.close()
    second.close()


def test_only_the_next_revision_replaces(path: Path) -> None:
    database = Database(path)
    database.insert(ROW)
    after = replace(ROW, revision=1, state="{}", touched=101.0, action_valid=False)
    assert database.replace(after)
    assert database.load("one") == after
    assert not database.replace(replace(ROW, revision=1, state="late"))
    assert not database.replace(replace(ROW, revision=3))
    assert not database.replace(replace(ROW, revision=2, session_id="nobody"))
    assert database.load("one") == after
    database.close()


def test_a_finished_row_is_complete_and_waits_for_the_disk_alone(path: Path) -> None:
    database = Database(path)
    database.insert(ROW)
    done = replace(ROW, revision=1, finished=105.0, score=0.5, result="{}")
    assert database.replace(done)
    assert database.load("one") == done
    (mode,) = database._connection.execute("PRAGMA synchronous").fetchone()
    assert mode == 1  # NORMAL again
    database.close()


def test_a_change_that_fails_changes_nothing(path: Path) -> None:
    database = Database(path)
    database.insert(ROW)
    with pytest.raises(sqlite3.IntegrityError):
        database.insert(ROW)
    assert not database._connection.in_transaction
    assert database.replace(replace(ROW, revision=1))
    database.close()


def test_forgetting_counts_and_spares_the_finished(path: Path) -> None:
    database = Database(path)
    for name in ("a", "b", "c", "d"):
        database.insert(replace(ROW, session_id=name))
    database.insert(replace(ROW, session_id="e", catalog="other"))
    database.insert(replace(ROW, session_id="f", touched=300.0))
    database.replace(replace(ROW, session_id="d", revision=1, finished=101.0, score=1.0))
    assert database.forget_open("c", 200.0) == 3
    assert database.forget_open("c", 200.0) == 0
    assert database.forget_open("c", 400.0) == 1
    assert database.expired("c") == 4
    assert database.expired("other") == 0
    assert database.load("d") is not None
    assert database.load("e") is not None
    database.close()


def test_totals_and_the_latest(path: Path) -> None:
    database = Database(path)
    for number, score in enumerate([1.0, 0.25, 1.0, None]):
        client = "browser" if number == 0 else "api"
        row = replace(ROW, session_id=str(number), client=client)
        database.insert(row)
        for revision in (1, 2):
            database.replace(replace(row, revision=revision, touched=110.0))
        if score is not None:
            end = 120.0 + number
            database.replace(replace(row, revision=3, finished=end, score=score, result="{}"))
    assert database.totals("c") == [
        Totals("api", open=1, finished=2, won=1, score=1.25, actions=6, seconds=43.0),
        Totals("browser", open=0, finished=1, won=1, score=1.0, actions=3, seconds=20.0),
    ]
    assert database.totals("other") == []
    assert [row.session_id for row in database.finished("c", 2)] == ["2", "1"]
    database.close()


def test_other_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be read as one\n" * 100)
    with pytest.raises(DataError, match=r"notes\.txt"):
        Database(text)
    assert text.read_text().startswith("not a database")

    foreign = tmp_path / "foreign.sqlite3"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE sessions (mine TEXT)")
    connection.close()
    with pytest.raises(DataError, match="another program"):
        Database(foreign)

    with pytest.raises(DataError, match="cannot make"):
        Database(text / "below a file.sqlite3")
    with pytest.raises(DataError):
        Database(tmp_path)


def test_a_file_of_a_later_version_is_refused(path: Path) -> None:
    Database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(DataError, match="format 99"):
        Database(path)
