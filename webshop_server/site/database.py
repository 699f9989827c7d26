"""Sessions in one SQLite file: what was acknowledged is there after a crash.

The file is the only place where sessions live: every request reads the row it needs and replaces
it, so that memory does not grow with the number of sessions, several server processes may share
a file, and a restart needs no recovery. A row is replaced only if nobody else has replaced it
since it was read.

How durable is a change? It is committed to the write-ahead log before the method returns. With
`synchronous=NORMAL` that means: handed to the operating system, which survives any death of the
process (`kill -9`), but not a power cut, which may lose the last seconds and never damages the
file. What ends a session (a purchase, the thing that counts) is written with `synchronous=FULL`:
it reaches the disk, together with everything before it.

The module knows nothing of shops, goals or scores; to it they are texts and numbers.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from hiper_base.errors import DataError

__all__ = ["Database", "Row", "Totals"]

FORMAT = 1
_APPLICATION_ID = 0x68697065  # "hipe"
_BUSY_SECONDS = 10.0

_SCHEMA = """
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    token_sha256 BLOB NOT NULL,
    catalog TEXT NOT NULL,
    goal_id TEXT NOT NULL,
    show_attributes INTEGER NOT NULL,
    client TEXT NOT NULL,
    created REAL NOT NULL,
    touched REAL NOT NULL,
    revision INTEGER NOT NULL,
    action_valid INTEGER NOT NULL,
    state TEXT NOT NULL,
    finished REAL,
    score REAL,
    result TEXT
) WITHOUT ROWID;
CREATE INDEX open_sessions ON sessions (touched) WHERE finished IS NULL;
CREATE INDEX finished_sessions ON sessions (finished) WHERE finished IS NOT NULL;
CREATE TABLE counters (catalog TEXT, name TEXT, value INTEGER NOT NULL,
    PRIMARY KEY (catalog, name)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A session as it is kept.

    Attributes:
        session_id: Its public id.
        token_sha256: SHA-256 of its secret token, 32 bytes.
        catalog: Digest of the catalogue that its state refers to.
        goal_id: Its goal.
        show_attributes: Whether its shop shows hidden attributes.
        client: Who opened it: `browser` or `api`.
        created: Seconds since 1970.
        touched: When it last changed.
        revision: How often it changed.
        action_valid: Whether the last action was admissible.
        state: Where the shopper is, as JSON.
        finished: When something was bought, else None.
        score: Score of the purchase, else None.
        result: The score's parts as JSON, else None.
    """

    session_id: str
    token_sha256: bytes
    catalog: str
    goal_id: str
    show_attributes: bool
    client: str
    created: float
    touched: float
    revision: int
    action_valid: bool
    state: str
    finished: float | None = None
    score: float | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts and sums over the sessions of a catalogue, of one kind of client.

    Attributes:
        client: `browser` or `api`.
        open: Sessions that go on.
        finished: Sessions that ended with a purchase.
        won: Those of them with the score 1.
        score: Sum of the scores.
        actions: Sum of the actions of finished sessions.
        seconds: Sum of the durations of finished sessions.
    """

    client: str
    open: int
    finished: int
    won: int
    score: float
    actions: int
    seconds: float


_COLUMNS = ", ".join(field.name for field in fields(Row))
_PLACES = ", ".join("?" for _ in fields(Row))


class Database:
    """The sessions' file. Thread-safe.

    Args:
        path: The file; it and its folder are made where they are missing.

    Raises:
        DataError: If the file cannot be made or is not a database of this format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        # One connection writes, under the lock. Every thread reads with one of its own, so that no
        # reader waits for a writer that waits for the disk.
        self._lock = threading.Lock()
        self._readers = threading.local()
        self._opened: list[sqlite3.Connection] = []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._connect()
        except (OSError, sqlite3.Error) as error:
            raise DataError(f"cannot make the database {self.path}: {error}") from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self.close()
            raise DataError(f"cannot use the database {self.path}: {error}") from error
        except DataError:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        # Without isolation level a single statement is a transaction, committed when it returns.
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._opened.append(connection)
        return connection

    def _read(self, query: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
        connection = getattr(self._readers, "connection", None)
        if connection is None:
            with self._lock:
                connection = self._readers.connection = self._connect()
        found: list[tuple[object, ...]] = connection.execute(query, values).fetchall()
        return found

    def _prepare(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=NORMAL")
        with self._changing():
            (found,) = execute("PRAGMA user_version").fetchone()
            (owner,) = execute("PRAGMA application_id").fetchone()
            (tables,) = execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not tables:
                for statement in _SCHEMA.split(";"):
                    execute(statement)
                execute(f"PRAGMA user_version={FORMAT}")
                execute(f"PRAGMA application_id={_APPLICATION_ID}")
            elif owner != _APPLICATION_ID:
                raise DataError(f"{self.path} is a database of another program")
            elif found != FORMAT:
                raise DataError(
                    f"{self.path} has format {found}, this version writes {FORMAT}; "
                    "choose another file"
                )

    def close(self) -> None:
        """Closes the file. Nothing is lost without."""
        with self._lock:
            for connection in self._opened:
                connection.close()

    def insert(self, row: Row) -> None:
        """Adds a session.

        Raises:
            sqlite3.OperationalError: If it could not be written; then nothing has changed.
        """
        with self._lock:
            self._connection.execute(
                f"INSERT INTO sessions ({_COLUMNS}) VALUES ({_PLACES})", astuple(row)
            )

    def load(self, session_id: str) -> Row | None:
        """The session of an id, None if there is none."""
        query = f"SELECT {_COLUMNS} FROM sessions WHERE session_id = ?"
        for found in self._read(query, (session_id,)):
            return _row(found)
        return None

    def replace(self, row: Row) -> bool:
        """Replaces the session by its next revision.

        Args:
            row: The session with `revision` one higher than it was read with.

        Returns:
            False, and nothing has changed, if the kept session no longer is the one before.

        Raises:
            sqlite3.OperationalError: If it could not be written; then nothing has changed.
        """
        with self._lock, self._reaching_the_disk(row.finished is not None):
            cursor = self._connection.execute(
                "UPDATE sessions SET touched = ?, revision = ?, action_valid = ?, state = ?, "
                "finished = ?, score = ?, result = ? WHERE session_id = ? AND revision = ?",
                (
                    row.touched,
                    row.revision,
                    row.action_valid,
                    row.state,
                    row.finished,
                    row.score,
                    row.result,
                    row.session_id,
                    row.revision - 1,
                ),
            )
        return cursor.rowcount == 1

    def forget_open(self, catalog: str, before: float) -> int:
        """Deletes the open sessions that last changed before a time, and counts them.

        Args:
            catalog: Digest of their catalogue.
            before: Seconds since 1970.

        Returns:
            How many there were.
        """
        with self._changing():
            cursor = self._connection.execute(
                "DELETE FROM sessions WHERE finished IS NULL AND touched < ? AND catalog = ?",
                (before, catalog),
            )
            if cursor.rowcount:
                self._connection.execute(
                    "INSERT INTO counters VALUES (?, 'expired', ?) "
                    "ON CONFLICT DO UPDATE SET value = value + excluded.value",
                    (catalog, cursor.rowcount),
                )
        return cursor.rowcount

    def finished(self, catalog: str, limit: int) -> list[Row]:
        """The sessions that ended last, latest first, at most `limit`."""
        query = (
            f"SELECT {_COLUMNS} FROM sessions WHERE finished IS NOT NULL AND catalog = ? "
            "ORDER BY finished DESC LIMIT ?"
        )
        return [_row(values) for values in self._read(query, (catalog, limit))]

    def totals(self, catalog: str) -> list[Totals]:
        """Counts and sums by kind of client."""
        query = (
            "SELECT client, sum(finished IS NULL), sum(finished IS NOT NULL), "
            "sum(score IS 1.0), total(score), "
            "sum(CASE WHEN finished IS NULL THEN 0 ELSE revision END), "
            "total(finished - created) "
            "FROM sessions WHERE catalog = ? GROUP BY client ORDER BY client"
        )
        return [Totals(*values) for values in self._read(query, (catalog,))]  # type: ignore[arg-type]

    def expired(self, catalog: str) -> int:
        """How many open sessions :meth:`forget_open` has deleted so far."""
        query = "SELECT value FROM counters WHERE catalog = ? AND name = 'expired'"
        return sum(int(str(value)) for (value,) in self._read(query, (catalog,)))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """A transaction of several statements."""
        execute = self._connection.execute
        with self._lock:
            execute("BEGIN IMMEDIATE")
            try:
                yield
                execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    execute("ROLLBACK")
                raise

    @contextmanager
    def _reaching_the_disk(self, is_wanted: bool) -> Iterator[None]:
        """Lets what is committed meanwhile return only when it is on the disk."""
        if not is_wanted:
            yield
            return
        self._connection.execute("PRAGMA synchronous=FULL")
        try:
            yield
        finally:
            self._connection.execute("PRAGMA synchronous=NORMAL")


def _row(values: tuple[object, ...]) -> Row:
    names = [field.name for field in fields(Row)]
    named = dict(zip(names, values, strict=True))
    named["show_attributes"] = bool(named["show_attributes"])
    named["action_valid"] = bool(named["action_valid"])
    return Row(**named)  # type: ignore[arg-type]
