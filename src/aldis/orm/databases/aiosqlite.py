"""aiosqlite: what is due runs in one visit to the driver's thread, 27 microseconds, where SQLAlchemy makes four.

Many rows go by executemany, 4 microseconds a row, where RETURNING in the order of the parameters makes SQLAlchemy
insert row by row, 73. Which keys they got is proved afterwards, in 8 microseconds, from what SQLite counts.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from .outcome import Outcome, raise_as_sqlalchemy

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, Table

    from ..mapping.table import TableMapping
    from ..saving.prepared import Prepared
    from ..transactions.savepoints import Transaction

__all__ = ["AiosqliteDriver", "driver_for", "has_conflict_clause"]

ORDINARY_ERROR: Final = 1
"""SQLite's result code of an error in a statement, such as a write to a view (its manual, "Result Codes")."""


def has_conflict_clause(mapping: TableMapping) -> bool:
    """Tell whether a constraint of the table says what to do about conflicts."""
    of_sqlite = [each.dialect_options["sqlite"] for each in (*mapping.table.constraints, *mapping.table.columns)]
    return any(value for options in of_sqlite for name, value in options.items() if name.startswith("on_conflict"))


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


def outcome_of(connection: sqlite3.Connection, prepared: Prepared, parameters: tuple[Any, ...]) -> Outcome:
    """Run a statement, and return what it did."""
    cursor = connection.execute(prepared.sql, parameters)
    # All of its rows: the statement is over with the last, and holds its lock until then.
    rows = cursor.fetchall() if prepared.returns else ()
    outcome = Outcome(rows[0] if rows else None, cursor.rowcount)
    cursor.close()
    return outcome


def version_of(connection: sqlite3.Connection) -> int:
    """Return what changes with each change of the schema."""
    version: int = connection.execute("PRAGMA main.schema_version").fetchone()[0]
    return version


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
            await raise_as_sqlalchemy(transaction.connection, error, sql, parameters, is_of_driver=True)
        finally:
            if done:
                transaction.settled()
        if visit.error is not None:
            await raise_as_sqlalchemy(transaction.connection, visit.error, sql, parameters, is_of_driver=True)
        return visit.result

    async def run(self, transaction: Transaction, prepared: Prepared, parameters: tuple[Any, ...]) -> Outcome:
        """Run the statements that are due for the transaction, and then a prepared one, in one visit."""

        def work(connection: sqlite3.Connection) -> Outcome:
            return outcome_of(connection, prepared, parameters)

        outcome: Outcome = await self.after_control(transaction, work, prepared.sql, parameters)
        return outcome

    async def insert_numbered(
        self,
        transaction: Transaction,
        prepared: Prepared,
        rows: list[tuple[Any, ...]],
        table: Table,
        key: Column[Any] | None,
        refused_at: int | None,
    ) -> tuple[range | None, int | None]:
        """Insert many rows, in one visit.

        SQLite gives a row the largest key plus one (its manual, "SQLite Autoincrement"). What it counts as changes,
        those of triggers included, says that each row was stored and no other was touched; that as many rows as were
        written have keys from the first to the last, which SQLite gave last, says the rest. While the write lock is
        held, no other connection can insert.

        Args:
            transaction: The transaction, whose due statements go first.
            prepared: The INSERT of one row.
            rows: The parameters.
            table: The table.
            key: The column whose values SQLite gives, if it does.
            refused_at: The version of the schema at which the proof failed before, if it did.

        Returns:
            The keys, or the places of the rows where they have their keys already; ``None`` where it is not certain
            what SQLite has stored, and the rows have to be undone if they were written. And then the version of the
            schema at which that is so.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        count = len(rows)
        name = quoted(table.name) if table.schema is None else f"{quoted(table.schema)}.{quoted(table.name)}"
        column = None if key is None else quoted(key.name)

        def work(connection: sqlite3.Connection) -> tuple[range | None, int | None]:
            if refused_at is not None and version_of(connection) == refused_at:
                return None, refused_at
            last = 0
            if column is not None:
                try:
                    connection.execute(f"DELETE FROM {name} WHERE 0")  # noqa: S608 - takes the write lock
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode != ORDINARY_ERROR:
                        raise
                    return None, version_of(connection)
                (last,) = connection.execute(f"SELECT coalesce(max({column}), 0) FROM {name}").fetchone()  # noqa: S608
            before = connection.total_changes
            cursor = connection.executemany(prepared.sql, rows)
            stored = cursor.rowcount
            cursor.close()
            if column is None:
                return (range(count), None) if stored == count else (None, version_of(connection))
            if connection.total_changes - before == count == stored:
                proof = (
                    f"SELECT last_insert_rowid(), count(*), min({column}), max({column}) "  # noqa: S608
                    f"FROM {name} WHERE {column} > ?"
                )
                found = connection.execute(proof, (last,)).fetchone()
                if found == (last + count, count, last + 1, last + count):
                    return range(last + 1, last + count + 1), None
            return None, version_of(connection)

        found: tuple[range | None, int | None] = await self.after_control(transaction, work, prepared.sql, rows[0])
        return found

    async def run_each(
        self, transaction: Transaction, prepared: Prepared, rows: list[tuple[Any, ...]]
    ) -> list[Outcome]:
        """Run a statement for each of many rows, one after the other, in one visit.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """

        def work(connection: sqlite3.Connection) -> list[Outcome]:
            return [outcome_of(connection, prepared, row) for row in rows]

        outcomes: list[Outcome] = await self.after_control(transaction, work, prepared.sql, rows[0])
        return outcomes

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
            await raise_as_sqlalchemy(transaction.connection, visit.error, statement, (), is_of_driver=True)
