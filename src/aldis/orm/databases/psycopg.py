"""psycopg: the savepoints that are due and the statement go in one pipeline, psycopg's own word for one round trip."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .outcome import Outcome, raise_as_sqlalchemy

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..saving.prepared import Prepared
    from ..transactions.savepoints import Transaction

__all__ = ["PsycopgDriver", "driver_for"]

IN_TRANSACTION: Final = 2
"""libpq's PQTRANS_INTRANS: a transaction has begun, and nothing in it has failed."""


def driver_for(connection: Connection) -> PsycopgDriver | None:
    """Return what talks to a psycopg connection, where its libpq has pipelines (from 14 on)."""
    if connection.dialect.driver != "psycopg":
        return None
    driver = connection.connection.driver_connection
    import psycopg

    return PsycopgDriver(driver) if psycopg.Pipeline.is_supported() and hasattr(driver, "pipeline") else None


class PsycopgDriver:
    """A psycopg connection."""

    __slots__ = ("driver",)

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def is_ready(self) -> bool:
        """Tell whether the transaction has begun in the database: psycopg begins it with its first statement."""
        return bool(self.driver.info.transaction_status == IN_TRANSACTION)

    async def run(self, transaction: Transaction, prepared: Prepared, parameters: tuple[Any, ...]) -> Outcome:
        """Run the statements that are due for the transaction, and then a prepared one, in one trip."""
        driver, control = self.driver, transaction.control()
        sent = False
        try:
            if control:
                async with driver.pipeline() as pipeline:
                    for statement in control:
                        await self.enqueue(pipeline, statement)
                    sent = True
                    cursor = await driver.execute(prepared.sql, parameters)
            else:
                cursor = await driver.execute(prepared.sql, parameters)
            row = await cursor.fetchone() if prepared.returns else None
        except BaseException as error:
            if sent:
                transaction.settled()  # what went before the statement has not failed
            await raise_as_sqlalchemy(transaction.connection, error, prepared.sql, parameters)
        transaction.settled()
        return Outcome(row, cursor.rowcount, None)

    async def enqueue(self, pipeline: Any, statement: str) -> None:
        """Have a statement go with the next one: without a cursor of its own, and psycopg checks its answer."""
        if hasattr(pipeline, "command_queue") and hasattr(pipeline, "result_queue"):
            pipeline.command_queue.append(partial(self.driver.pgconn.send_query_params, statement.encode(), None))
            pipeline.result_queue.append(None)
        else:  # a later psycopg, rebuilt
            await self.driver.execute(statement)

    async def copy(
        self,
        transaction: Transaction,
        table: str,
        schema: str | None,
        columns: list[str],
        rows: list[tuple[Any, ...]],
    ) -> None:
        """COPY rows into a table.

        Args:
            transaction: The transaction, whose due statements have run.
            table: The table's name.
            schema: Its schema, if it is not on the search path.
            columns: The columns' names.
            rows: The parameters, as those of an INSERT.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        quote = transaction.sync.dialect.identifier_preparer.quote_identifier
        name = quote(table) if schema is None else f"{quote(schema)}.{quote(table)}"
        statement = f"COPY {name} ({', '.join(map(quote, columns))}) FROM STDIN"
        try:
            async with self.driver.cursor() as cursor, cursor.copy(statement.encode()) as copying:
                write = copying.write_row
                for row in rows:
                    await write(row)
        except BaseException as error:
            await raise_as_sqlalchemy(transaction.connection, error, statement, rows[0])

    async def roll_back_to(self, transaction: Transaction, statement: str) -> None:
        """Run a ROLLBACK TO SAVEPOINT."""
        try:
            await self.driver.execute(statement)
        except BaseException as error:
            await raise_as_sqlalchemy(transaction.connection, error, statement, ())
