"""aiosqlite: what is due runs in one visit to the driver's thread, 27 microseconds, where SQLAlchemy makes four."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .outcome import Outcome, raise_as_sqlalchemy

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..prepared import Prepared
    from ..transaction import Transaction

__all__ = ["AiosqliteDriver", "driver_for"]


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
