"""asyncpg: the savepoints that are due are sent ahead of the statement, and their answer is not waited for.

asyncpg speaks one query at a time, so a savepoint and an INSERT are two round trips, 110 microseconds each. The
protocol has no such rule: messages are answered in the order in which they come ("Pipelining" in the chapter
"Frontend/Backend Protocol" of its manual). A simple query for the savepoints is written to the connection's transport
just before asyncpg writes the statement, and its answer is taken out of what comes back before asyncpg sees it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .outcome import Outcome, raise_as_sqlalchemy

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..saving.prepared import Prepared
    from ..transactions.savepoints import Transaction

__all__ = ["AsyncpgDriver", "driver_for"]

HEADER = 5
"""Bytes before a message's content: its kind, and its length (which counts itself and the content)."""


def driver_for(connection: Connection) -> AsyncpgDriver | None:
    """Return what talks to an asyncpg connection."""
    if connection.dialect.driver != "asyncpg":
        return None
    adapter, driver = connection.connection.dbapi_connection, connection.connection.driver_connection
    if not hasattr(adapter, "_execute_mutex") or not hasattr(adapter, "_transaction"):
        return None
    transport, protocol = getattr(driver, "_transport", None), getattr(driver, "_protocol", None)
    if transport is None or protocol is None or transport.get_protocol() is not protocol:
        return None  # another asyncpg than this was written for
    return AsyncpgDriver(adapter, driver, Ahead(transport, protocol))


class Ahead(asyncio.Protocol):
    """Sends queries ahead of asyncpg's, and takes their answers out of the stream."""

    def __init__(self, transport: asyncio.Transport, protocol: asyncio.Protocol) -> None:
        self.transport = transport
        self.protocol = protocol
        """asyncpg's, which gets all that is not an answer to ours."""
        self.expected = 0
        """Answers that are still to come."""
        self.received = bytearray()
        self.error: dict[str, str] | None = None
        """What the database said of a query that failed, by its field codes."""

    def send(self, statements: str) -> None:
        """Send a simple query, and stand between the transport and asyncpg until it is answered."""
        if not self.expected:
            self.transport.set_protocol(self)
        self.expected += 1
        text = statements.encode() + b"\0"
        self.transport.write(b"Q" + (len(text) + 4).to_bytes(4, "big") + text)

    def data_received(self, data: bytes) -> None:
        """Take out what is ours."""
        received = self.received
        received += data
        others = bytearray()
        while self.expected:
            end = 1 + int.from_bytes(received[1:HEADER], "big")
            if len(received) < max(end, HEADER):
                break
            kind, message = received[:1], bytes(received[:end])
            del received[:end]
            if kind == b"Z":  # ReadyForQuery: the answer is complete
                self.expected -= 1
            elif kind == b"E":
                self.error = self.error or fields_of(message)
            elif kind in b"NSA":  # notices, settings, notifications: they may come at any time
                others += message
        if not self.expected:
            others += received
            received.clear()
            self.transport.set_protocol(self.protocol)
        if others:
            self.protocol.data_received(bytes(others))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell asyncpg."""
        self.protocol.connection_lost(exc)

    def eof_received(self) -> bool | None:
        """Tell asyncpg."""
        return self.protocol.eof_received()

    def pause_writing(self) -> None:
        """Tell asyncpg."""
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """Tell asyncpg."""
        self.protocol.resume_writing()


def fields_of(message: bytes) -> dict[str, str]:
    """Read an ErrorResponse: fields of a code and a text, each ended by a zero."""
    fields = message[HEADER:].split(b"\0")
    return {chr(field[0]): field[1:].decode("utf-8", "replace") for field in fields if field}


class AsyncpgDriver:
    """An asyncpg connection, and what SQLAlchemy has wrapped around it."""

    __slots__ = ("adapter", "ahead", "driver")

    def __init__(self, adapter: Any, driver: Any, ahead: Ahead) -> None:
        self.adapter = adapter
        self.driver = driver
        self.ahead = ahead

    def is_ready(self) -> bool:
        """Tell whether the transaction has begun in the database: SQLAlchemy begins it with its first statement."""
        return self.adapter._transaction is not None

    async def run(self, transaction: Transaction, prepared: Prepared, parameters: tuple[Any, ...]) -> Outcome:
        """Run the statements that are due for the transaction, and then a prepared one, in one trip."""
        async with self.adapter._execute_mutex:
            try:
                control = transaction.control()
                if control:
                    self.ahead.send("; ".join(control))
                    transaction.settled()
                if prepared.returns:
                    row = await self.driver.fetchrow(prepared.sql, *parameters)
                    return Outcome(row, 0 if row is None else 1, None)
                status: str = await self.driver.execute(prepared.sql, *parameters)
                return Outcome(None, int(status.rpartition(" ")[2]), None)
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, self.cause_of(error), prepared.sql, parameters)

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
        async with self.adapter._execute_mutex:
            try:
                await self.driver.copy_records_to_table(table, records=rows, columns=columns, schema_name=schema)
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, self.cause_of(error), f"COPY {table}", rows[0])

    async def roll_back_to(self, transaction: Transaction, statement: str) -> None:
        """Run a ROLLBACK TO SAVEPOINT."""
        async with self.adapter._execute_mutex:
            try:
                await self.driver.execute(statement)
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, self.cause_of(error), statement, ())

    def cause_of(self, error: BaseException) -> BaseException:
        """Return the error of what was sent ahead, if that is why the statement failed."""
        fields, self.ahead.error = self.ahead.error, None
        if fields is None:
            return error
        import asyncpg  # type: ignore[import-untyped]

        cause: BaseException = asyncpg.PostgresError.new(fields)
        return cause
