"""SQLite: executemany, with the keys that SQLite gives told from the first.

RETURNING in the order of the parameters makes SQLAlchemy insert row by row here, 73 microseconds a row; this takes 4.
The keys are certain because the write lock, once taken, lasts to the end of the transaction: no other connection can
insert in between. SQLite gives the largest rowid plus one, and with AUTOINCREMENT the largest that ever was, which is
in the table ``sqlite_sequence`` (SQLite's manual, "SQLite Autoincrement"). Where a trigger or an ON CONFLICT clause may
have a say in it, SQLAlchemy writes the rows; and the last key is compared with what it has to be.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ..saving.prepared import prepared_insert
from .outcome import Outcome, raise_as_sqlalchemy

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..mapping.table import TableMapping
    from ..saving.prepared import Prepared
    from ..transactions.savepoints import Transaction

__all__ = ["AiosqliteDriver", "driver_for", "reason_against", "write"]

LARGEST_KEY: Final = 2**63 - 1


def reason_against(transaction: Transaction, mapping: TableMapping, rows: list[dict[str, Any]]) -> str | None:
    """Return why this writer cannot serve, if it cannot."""
    if not isinstance(transaction.direct(), AiosqliteDriver):
        return "the connection is watched, or another driver's"
    if mapping.rowid is None or mapping.rowid.key in rows[0]:
        return "the key is not SQLite's to give"
    if any(column is not mapping.rowid and column.key not in rows[0] for column in mapping.made_on_insert):
        return "the database fills in more than the key"
    if has_conflict_clause(mapping):
        return "an ON CONFLICT clause may pass over rows"
    return None


def has_conflict_clause(mapping: TableMapping) -> bool:
    """Tell whether a constraint of the table says what to do about conflicts."""
    of_sqlite = [each.dialect_options["sqlite"] for each in (*mapping.table.constraints, *mapping.table.columns)]
    return any(value for options in of_sqlite for name, value in options.items() if name.startswith("on_conflict"))


async def write(transaction: Transaction, mapping: TableMapping, rows: list[dict[str, Any]]) -> bool:
    """Insert rows, and give each its key; tell whether that was done.

    The caller has made sure that there is no reason against it.
    """
    driver, key = transaction.direct(), mapping.rowid
    assert isinstance(driver, AiosqliteDriver)
    assert key is not None
    prepared = prepared_insert(transaction.sync.dialect, mapping, tuple(rows[0]))
    if prepared is None:
        return False
    parameters = await transaction.bound(prepared, rows)
    first = await driver.insert_many(
        transaction, prepared, parameters, lambda connection: first_key(connection, mapping, len(rows))
    )
    if first is None:
        return False
    name = key.key
    for number, row in enumerate(rows, first):
        row[name] = number
    return True


def first_key(connection: sqlite3.Connection, mapping: TableMapping, count: int) -> int | None:
    """Take the write lock, and return the key that the next row gets; ``None`` when that is not certain."""
    table, key = mapping.table, mapping.rowid
    assert key is not None
    schema = quoted(table.schema or "main")
    name = f"{schema}.{quoted(table.name)}"
    connection.execute(f"DELETE FROM {name} WHERE 0")  # noqa: S608
    for catalog in (f"{schema}.sqlite_master", "temp.sqlite_master"):
        trigger = f"SELECT 1 FROM {catalog} WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"  # noqa: S608
        if connection.execute(trigger, (table.name,)).fetchone():
            return None
    (last,) = connection.execute(f"SELECT coalesce(max({quoted(key.name)}), 0) FROM {name}").fetchone()  # noqa: S608
    if table.dialect_options["sqlite"].get("autoincrement"):
        ever = f"SELECT seq FROM {schema}.sqlite_sequence WHERE name = ?"  # noqa: S608
        last = max(last, *(connection.execute(ever, (table.name,)).fetchone() or (0,)))
    return None if last > LARGEST_KEY - count else max(last, 0) + 1


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def driver_for(connection: Connection) -> AiosqliteDriver | None:
    """Return what talks to an aiosqlite connection."""
    if connection.dialect.driver != "aiosqlite":
        return None
    driver = connection.connection.driver_connection
    if not hasattr(driver, "_execute") or not hasattr(driver, "_conn"):
        return None  # a later aiosqlite, rebuilt
    return AiosqliteDriver(driver)


class Visit:
    """A function that ran in the driver's thread, and how it ended."""

    __slots__ = ("error", "function", "result")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.result: Any = None
        self.error: BaseException | None = None

    def __call__(self) -> None:
        try:
            self.result = self.function()
        except BaseException as error:
            self.error = error


class AiosqliteDriver:
    """An aiosqlite connection, and the sqlite3 connection in its thread."""

    __slots__ = ("driver",)

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def is_ready(self) -> bool:
        """Tell whether the transaction has begun in the database."""
        try:
            return bool(self.driver._conn.in_transaction)
        except ValueError:
            return False

    async def visit(self, function: Callable[[], Any]) -> Visit:
        """Run a function in the driver's thread, and wait for it whatever happens.

        A statement that was cut off would leave its lock behind, and nobody would know whether it ran.
        """
        visit = Visit(function)
        try:
            await self.driver._execute(visit)
        except asyncio.CancelledError:
            # The thread's queue is in order: when an empty visit is over, so is this one.
            after = asyncio.ensure_future(self.driver._execute(int))
            while not after.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([after])
            raise
        return visit

    async def after_control(
        self,
        transaction: Transaction,
        work: Callable[[sqlite3.Connection], Any],
        sql: str,
        parameters: tuple[Any, ...],
    ) -> Any:
        """Run the statements that are due for the transaction, and then ``work``, in one visit; return what it does.

        Raises:
            DBAPIError: As SQLAlchemy raises it, of the ``sql`` and the ``parameters``.
        """
        connection: sqlite3.Connection = self.driver._conn
        control = transaction.control()
        done = False

        def run() -> Any:
            nonlocal done
            for statement in control:
                connection.execute(statement)
            done = True
            return work(connection)

        try:
            visit = await self.visit(run)
        except ValueError as error:  # the connection is closed
            await raise_as_sqlalchemy(transaction.connection, error, sql, parameters)
        finally:
            if done:
                transaction.settled()
        if visit.error is not None:
            await raise_as_sqlalchemy(transaction.connection, visit.error, sql, parameters)
        return visit.result

    async def run(self, transaction: Transaction, prepared: Prepared, parameters: tuple[Any, ...]) -> Outcome:
        """Run the statements that are due for the transaction, and then a prepared one, in one visit."""
        sql = prepared.sql
        returns = prepared.returns

        def work(connection: sqlite3.Connection) -> Outcome:
            cursor = connection.execute(sql, parameters)
            row = cursor.fetchone() if returns else None
            found = Outcome(row, cursor.rowcount, cursor.lastrowid)
            cursor.close()
            return found

        outcome: Outcome = await self.after_control(transaction, work, sql, parameters)
        return outcome

    async def insert_many(
        self,
        transaction: Transaction,
        prepared: Prepared,
        rows: list[tuple[Any, ...]],
        first_key: Callable[[sqlite3.Connection], int | None],
    ) -> int | None:
        """Insert many rows, in one visit, and return the key of the first; ``None`` when nothing was done.

        Args:
            transaction: The transaction, whose due statements go first.
            prepared: The INSERT of one row, without its key.
            rows: The parameters.
            first_key: Takes the write lock, and returns the key that the database will give to the first row; ``None``
                when that cannot be told.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """

        def work(connection: sqlite3.Connection) -> int | None:
            first = first_key(connection)
            if first is not None:
                connection.executemany(prepared.sql, rows).close()
                (last,) = connection.execute("SELECT last_insert_rowid()").fetchone()
                if last != first + len(rows) - 1:
                    raise sqlite3.IntegrityError(
                        f"{len(rows)} rows got keys up to {last}, where {first + len(rows) - 1} was expected: "
                        "something in the database takes part in its INSERTs. Use batch_size=1."
                    )
            return first

        first: int | None = await self.after_control(transaction, work, prepared.sql, rows[0])
        return first

    async def update_many(self, transaction: Transaction, prepared: Prepared, rows: list[tuple[Any, ...]]) -> int:
        """Update many rows, in one visit, and return how many there were.

        Args:
            transaction: The transaction, whose due statements go first.
            prepared: The UPDATE of one row.
            rows: The parameters.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """

        def work(connection: sqlite3.Connection) -> int:
            cursor = connection.executemany(prepared.sql, rows)
            count = cursor.rowcount
            cursor.close()
            return count

        count: int = await self.after_control(transaction, work, prepared.sql, rows[0])
        return count

    async def roll_back_to(self, transaction: Transaction, statement: str) -> None:
        """Run a ROLLBACK TO SAVEPOINT."""
        connection: sqlite3.Connection = self.driver._conn
        visit = await self.visit(lambda: connection.execute(statement) and None)
        if visit.error is not None:
            await raise_as_sqlalchemy(transaction.connection, visit.error, statement, ())
