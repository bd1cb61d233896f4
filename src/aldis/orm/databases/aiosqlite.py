"""aiosqlite: due statements run in one visit to the driver's thread, 27 microseconds, where SQLAlchemy makes four.

Many rows go by executemany, 4 microseconds a row, where RETURNING in the order of the parameters makes SQLAlchemy
insert row by row, 73. Which keys they got is proved afterwards, in 8 microseconds, from SQLite's counters.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from . import Driver
from .outcome import Outcome, raise_as_sqlalchemy

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, Table

    from ..mapping.table import TableMapping
    from ..saving.prepared import Prepared
    from ..transactions.savepoints import Transaction

__all__ = ["AiosqliteDriver", "driver_for", "has_conflict_clause"]

T = TypeVar("T")

ORDINARY_ERROR: Final = 1
"""SQLite's result code of an error in a statement, such as a write to a view (its manual, "Result Codes")."""


def has_conflict_clause(mapping: TableMapping) -> bool:
    """Tell whether a constraint of the table has a conflict clause."""
    of_sqlite = [each.dialect_options["sqlite"] for each in (*mapping.table.constraints, *mapping.table.columns)]
    return any(value for options in of_sqlite for name, value in options.items() if name.startswith("on_conflict"))


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def driver_for(connection: Connection) -> AiosqliteDriver | None:
    """Return the driver of an aiosqlite connection."""
    if connection.dialect.driver != "aiosqlite":
        return None
    driver = connection.connection.driver_connection
    if not hasattr(driver, "_execute") or not hasattr(driver, "_conn"):
        return None  # a later aiosqlite, rebuilt
    return AiosqliteDriver(driver)


def outcome_of(prepared: Prepared, parameters: tuple[Any, ...], connection: sqlite3.Connection) -> Outcome:
    """Run a statement, and return its outcome."""
    cursor = connection.execute(prepared.sql, parameters)
    # All of its rows: the statement is over with the last, and holds its lock until then.
    rows = cursor.fetchall() if prepared.returns else ()
    outcome = Outcome(rows[0] if rows else None, cursor.rowcount)
    cursor.close()
    return outcome


def version_of(connection: sqlite3.Connection) -> int:
    """Return the number that changes with each change of the schema."""
    version: int = connection.execute("PRAGMA main.schema_version").fetchone()[0]
    return version


class Visit:
    """Work in the driver's thread, after the statements that have to go before it, and how it ended.

    Args:
        driver: The aiosqlite connection.
        control: The statements.
        work: The function.
    """

    __slots__ = ("control", "driver", "error", "is_settled", "result", "work")

    def __init__(self, driver: Any, control: Sequence[str], work: Callable[[sqlite3.Connection], Any]) -> None:
        self.driver = driver
        self.control = control
        self.work = work
        self.is_settled = False
        """The statements have run."""
        self.error: BaseException | None = None

    def __call__(self) -> None:
        try:
            connection: sqlite3.Connection = self.driver._conn
            for statement in self.control:
                connection.execute(statement)
            self.is_settled = True
            self.result = self.work(connection)
        except BaseException as error:
            self.error = error


class AiosqliteDriver(Driver):
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

    def run(
        self, transaction: Transaction, prepared: Prepared, parameters: tuple[Any, ...]
    ) -> Coroutine[Any, Any, Outcome]:
        """Run the statements that are due for the transaction, and then a prepared one, in one visit."""
        work = partial(outcome_of, prepared, parameters)
        return self.visit(transaction, transaction.control(), work, prepared.sql, parameters)

    async def visit(
        self,
        transaction: Transaction,
        control: Sequence[str],
        work: Callable[[sqlite3.Connection], T],
        sql: str,
        parameters: tuple[Any, ...],
    ) -> T:
        """Run statements and then ``work`` in the driver's thread, and wait for them whatever happens.

        A statement that was cut off would leave its lock behind, and nobody would know whether it ran.

        Args:
            transaction: The transaction.
            control: The statements: those that are due for the transaction, or none.
            work: The function.
            sql: The statement that errors are of.
            parameters: Its parameters.

        Returns:
            The result of the function.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        driver = self.driver
        visit = Visit(driver, control, work)
        try:
            await driver._execute(visit)
        except asyncio.CancelledError:
            # The thread's queue is in order: when an empty visit is over, so is this one.
            after = asyncio.ensure_future(driver._execute(int))
            while not after.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([after])
            raise
        except ValueError as error:  # the connection is closed
            await raise_as_sqlalchemy(transaction.connection, error, sql, parameters, is_of_driver=True)
        finally:
            if control and visit.is_settled:
                transaction.settled()
        if visit.error is not None:
            await raise_as_sqlalchemy(transaction.connection, visit.error, sql, parameters, is_of_driver=True)
        found: T = visit.result
        return found

    async def run_arrays(
        self, transaction: Transaction, sql: str, arrays: Sequence[Any], returns: bool
    ) -> tuple[list[Any], int]:
        """Run the statements that are due for the transaction, and then another, in one visit.

        Args:
            transaction: The transaction.
            sql: The statement.
            arrays: Its parameters.
            returns: It returns rows.

        Returns:
            The rows, and how many were written.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        parameters = tuple(arrays)

        def work(connection: sqlite3.Connection) -> tuple[list[Any], int]:
            cursor = connection.execute(sql, parameters)
            rows = cursor.fetchall() if returns else []
            count = cursor.rowcount
            cursor.close()
            return rows, count

        return await self.visit(transaction, transaction.control(), work, sql, parameters)

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

        SQLite gives a row the largest key plus one (its manual, "SQLite Autoincrement"). Its count of changes,
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
            which rows SQLite has stored, and the rows have to be undone if they were written. And then the version of
            the schema at which that is so.

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

        return await self.visit(transaction, transaction.control(), work, prepared.sql, rows[0])

    async def run_each(
        self, transaction: Transaction, prepared: Prepared, rows: list[tuple[Any, ...]]
    ) -> list[Outcome]:
        """Run a statement for each of many rows, one after the other, in one visit.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """

        def work(connection: sqlite3.Connection) -> list[Outcome]:
            return [outcome_of(prepared, row, connection) for row in rows]

        return await self.visit(transaction, transaction.control(), work, prepared.sql, rows[0])

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

        return await self.visit(transaction, transaction.control(), work, prepared.sql, rows[0])

    async def run_alone(self, transaction: Transaction, statement: str) -> None:
        """Run a statement about savepoints."""
        await self.visit(transaction, (), lambda connection: connection.execute(statement) and None, statement, ())
