"""asyncmy: a savepoint and a statement are two round trips, without what SQLAlchemy does for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .outcome import Outcome, raise_as_sqlalchemy

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..prepared import Prepared
    from ..transaction import Transaction

__all__ = ["AsyncmyDriver", "driver_for"]


def driver_for(connection: Connection) -> AsyncmyDriver | None:
    """Return what talks to an asyncmy connection."""
    if connection.dialect.driver != "asyncmy":
        return None
    adapter = connection.connection.dbapi_connection
    if not hasattr(adapter, "_execute_mutex"):
        return None
    return AsyncmyDriver(adapter, connection.connection.driver_connection)


class AsyncmyDriver:
    """An asyncmy connection, and what SQLAlchemy has wrapped around it."""

    __slots__ = ("adapter", "driver")

    def __init__(self, adapter: Any, driver: Any) -> None:
        self.adapter = adapter
        self.driver = driver

    def is_ready(self) -> bool:
        """Tell whether the transaction has begun in the database: without autocommit, one always has."""
        return not self.driver.get_autocommit()

    async def run(self, transaction: Transaction, prepared: Prepared, parameters: tuple[Any, ...]) -> Outcome:
        """Run the statements that are due for the transaction, and then a prepared one."""
        async with self.adapter._execute_mutex:
            try:
                for statement in transaction.control():
                    await self.driver.query(statement)
                transaction.settled()
                cursor = self.driver.cursor()
                row_count = await cursor.execute(prepared.sql, parameters)
                row = await cursor.fetchone() if prepared.returns else None
                await cursor.close()
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, error, prepared.sql, parameters)
        return Outcome(row, row_count, None)

    async def roll_back_to(self, transaction: Transaction, statement: str) -> None:
        """Run a ROLLBACK TO SAVEPOINT."""
        async with self.adapter._execute_mutex:
            try:
                await self.driver.query(statement)
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, error, statement, ())
