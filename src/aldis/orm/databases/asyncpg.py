"""asyncpg: statements go by its own prepared ones, the savepoints that are due in the same trip, many rows by COPY."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from . import Driver
from .ahead import Ahead
from .copying import DRAW, LOOK, TYPES
from .outcome import Outcome, raise_as_sqlalchemy
from .postgresql import NotForArrays

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..saving.prepared import Prepared
    from ..transactions.savepoints import Transaction
    from .copying import Copying
    from .postgresql import ArrayColumn

__all__ = ["AsyncpgDriver", "driver_for"]

LIFETIME: Final = 300
"""Seconds for which asyncpg keeps a prepared statement, by default: here it keeps them as long as the connection lives.

A timer for each statement ends that, and keeps the context in which the statement was prepared, for all these seconds,
though the connection is closed: with it a transaction that is over, and what it wrote. SQLAlchemy's own have no such
end. A connection keeps a hundred at most.
"""


def driver_for(connection: Connection) -> AsyncpgDriver | None:
    """Return the driver of an asyncpg connection."""
    if connection.dialect.driver != "asyncpg":
        return None
    adapter, driver = connection.connection.dbapi_connection, connection.connection.driver_connection
    if not all(hasattr(adapter, name) for name in ("_execute_mutex", "_start_transaction", "_transaction")):
        return None
    if getattr(adapter, "_prepared_statement_name_func", None) is not getattr(adapter, "_default_name_func", None):
        # Whoever names statements is behind a pooler, PgBouncer for one, where each transaction may have another of the
        # server's connections: asyncpg's own names would be those of another's statements there.
        return None
    transport, protocol = getattr(driver, "_transport", None), getattr(driver, "_protocol", None)
    if transport is None or protocol is None or transport.get_protocol() is not protocol:
        return None  # another asyncpg than this was written for
    if not hasattr(protocol, "get_settings"):
        return None
    statements = getattr(driver, "_stmt_cache", None)
    if statements is not None and statements.get_max_lifetime() == LIFETIME:
        statements.set_max_lifetime(0)
    return AsyncpgDriver(adapter, driver, Ahead(transport, protocol))


ALWAYS: Final = {TYPES["BIGINT"], TYPES["TEXT"]}
"""The types, by OID, that each statement over arrays needs: the rows' numbers come back, and a literal is a text."""

NOTHING: Final = "SELECT WHERE false"
"""A statement that returns no row, and that a transaction refuses which has failed."""

KEYS: Final = {TYPES["BIGINT"], TYPES["INTEGER"], TYPES["SMALLINT"]}
"""The types of the keys that a sequence makes."""

USUAL_CODECS: Final[dict[int, Any]] = {}
"""asyncpg's own codecs of types, by OID, as connections have told them."""

TEXTS: Final = (str, bytes, bytearray, memoryview)
"""Values that can be iterated over, and yet are one value to asyncpg."""


def kinds_of(columns: Sequence[ArrayColumn], arrays: Sequence[Sequence[Any]]) -> tuple[str | None, ...]:
    """Return the SQL type of the elements of each array; ``None`` of one that is nothing but NULL, and has no type.

    asyncpg takes the elements of an array as it takes scalars, of several Python types too.

    Raises:
        NotForArrays: SQLAlchemy binds a value without a type, so that PostgreSQL gives it the table's column's; or a
            value is a sequence, which asyncpg takes for an array inside the array.
    """
    kinds = []
    for column, values in zip(columns, arrays, strict=True):
        types = set(map(type, values))
        types.discard(NoneType)
        if column.cast is None and types:
            raise NotForArrays(f"SQLAlchemy binds values of {column.type!r} without a type")
        for each in types:
            if issubclass(each, (Iterable, Sized)) and not issubclass(each, TEXTS):
                raise NotForArrays(f"{each.__name__} would be taken for an array inside the array")
        kinds.append(column.cast)
    return tuple(kinds)


class AsyncpgDriver(Driver):
    """An asyncpg connection, and SQLAlchemy's adapter around it."""

    __slots__ = ("adapter", "ahead", "driver", "due")

    placeholder = "${}"
    """A parameter of a statement over arrays, with its number."""

    def __init__(self, adapter: Any, driver: Any, ahead: Ahead) -> None:
        self.adapter = adapter
        self.driver = driver
        self.ahead = ahead
        self.due = 0, 0, 0
        """When statements were last sent ahead: the savepoint that was begun, the one that was over, and how many other
        statements went behind those about savepoints."""

    def is_ready(self) -> bool:
        """Tell whether the transaction has begun in the database: SQLAlchemy begins it with its first statement."""
        return self.adapter._transaction is not None

    def hold_begin(self) -> None:
        """Let the BEGIN, which SQLAlchemy sends before its first statement, go with that."""
        if self.adapter._transaction is None:
            self.ahead.hold_begin()

    def hold_nothing(self) -> None:
        """End that, where there was no statement."""
        self.ahead.hold_nothing()

    def ask_for_failure(self) -> None:
        """Have a statement go with the COMMIT, in front of it, which a transaction that has failed refuses."""
        self.ahead.refused = 0
        if self.adapter._transaction is not None:
            self.ahead.send([NOTHING])

    def has_failed(self) -> bool:
        """Tell whether it was refused."""
        return self.ahead.refused > 0

    async def begin(self, transaction: Transaction) -> None:
        """Begin the transaction, as SQLAlchemy does before its first statement; the database hears it with that."""
        async with self.adapter._execute_mutex:
            try:
                if self.adapter._transaction is None:
                    self.ahead.hold_begin()
                    try:
                        await self.adapter._start_transaction()
                    finally:
                        self.ahead.hold_nothing()
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, error, "BEGIN", (), is_of_driver=True)

    async def run(self, transaction: Transaction, prepared: Prepared, parameters: tuple[Any, ...]) -> Outcome:
        """Run the statements that are due for the transaction, and then a prepared one, in one trip."""
        async with self.adapter._execute_mutex:
            try:
                self.send_ahead(transaction)
                if prepared.returns:
                    row = await self.driver.fetchrow(prepared.sql, *parameters)
                    return Outcome(row, 0 if row is None else 1)
                status: str = await self.driver.execute(prepared.sql, *parameters)
                return Outcome(None, int(status.rpartition(" ")[2]))
            except BaseException as error:
                await raise_as_sqlalchemy(
                    transaction.connection,
                    self.cause_of(transaction, error),
                    prepared.sql,
                    parameters,
                    is_of_driver=True,
                )

    def has_own_codec(self, oids: set[int]) -> bool:
        """Tell whether the program has set a codec of its own for one of some types (``set_type_codec``)."""
        codec_of = self.driver._protocol.get_settings().get_data_codec
        for oid in oids:
            if oid not in USUAL_CODECS:
                USUAL_CODECS[oid] = codec_of(oid, ignore_custom_codec=True)
            if codec_of(oid) is not USUAL_CODECS[oid]:
                return True
        return False

    def kinds(self, columns: Sequence[ArrayColumn], arrays: Sequence[Sequence[Any]]) -> tuple[str | None, ...]:
        """Return the SQL type of the elements of each array; see :func:`kinds_of`.

        Raises:
            NotForArrays: Some of the values cannot go as an array, a literal or by COPY.
        """
        if self.has_own_codec(ALWAYS.union(TYPES[column.cast] for column in columns if column.cast in TYPES)):
            raise NotForArrays("the program has set a codec of its own for a type of these values")
        return kinds_of(columns, arrays)

    async def run_arrays(
        self, transaction: Transaction, sql: str, arrays: Sequence[list[Any] | str], returns: bool
    ) -> tuple[list[Any], int]:
        """Run the statements that are due for the transaction, and then one over arrays, in one trip.

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
        async with self.adapter._execute_mutex:
            try:
                self.send_ahead(transaction)
                if returns:
                    rows = await self.driver.fetch(sql, *arrays)
                    return rows, len(rows)
                status: str = await self.driver.execute(sql, *arrays)
                return [], int(status.rpartition(" ")[2])
            except BaseException as error:
                await raise_as_sqlalchemy(
                    transaction.connection, self.cause_of(transaction, error), sql, None, is_of_driver=True
                )

    async def copy(self, transaction: Transaction, copying: Copying, arrays: list[list[Any]]) -> Sequence[int] | None:
        """COPY rows into a table, if the catalog says that this stores the same as an INSERT.

        Args:
            transaction: The transaction, whose due statements go first.
            copying: The table, and the types of its columns.
            arrays: The columns of the rows.

        Returns:
            The keys that were drawn, none where the rows have theirs; ``None`` if nothing was written.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        driver = self.driver
        copy_in = getattr(driver._protocol, "copy_in", None)
        if copy_in is None:  # a later asyncpg, rebuilt
            return None
        if copying.key is not None and self.has_own_codec(KEYS):
            return None
        async with self.adapter._execute_mutex:
            try:
                self.send_ahead(transaction, copying.lock)
                found = await driver.fetchrow(LOOK, copying.table, copying.names, copying.types, copying.key)
                if found is None or found[2] != len(copying.names) or (copying.key is not None and found[0] is None):
                    return None
                keys: Sequence[int] = ()
                if copying.key is not None:
                    keys = [row[0] for row in await driver.fetch(DRAW, found[0], len(arrays[0]))]
                described = await driver.prepare(copying.describing(found[1]))
                records = zip(*arrays, *([keys] if keys else []), strict=True)
                await copy_in(copying.statement, None, None, records, described._state, None)
            except BaseException as error:
                await raise_as_sqlalchemy(
                    transaction.connection,
                    self.cause_of(transaction, error),
                    copying.statement,
                    None,
                    is_of_driver=True,
                )
        return keys

    async def run_each(
        self, transaction: Transaction, prepared: Prepared, rows: list[tuple[Any, ...]]
    ) -> list[Outcome] | None:
        """Run a statement for each of many rows, one after the other, in one trip; ``None``: each has to be run alone.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        if not prepared.returns:
            return None  # asyncpg does not say how many rows were written
        async with self.adapter._execute_mutex:
            try:
                self.send_ahead(transaction)
                returned = await self.driver.fetchmany(prepared.sql, rows)
            except BaseException as error:
                await raise_as_sqlalchemy(
                    transaction.connection, self.cause_of(transaction, error), prepared.sql, None, is_of_driver=True
                )
        return [Outcome(row, 1) for row in returned] if len(returned) == len(rows) else None

    def send_ahead(self, transaction: Transaction, *others: str) -> None:
        """Send the statements that are due for the transaction, and others after them."""
        control = (*transaction.control(), *others)
        if control:
            self.due = transaction.begun, transaction.stale, len(others)
            self.ahead.send(control)
            transaction.settled()

    async def run_alone(self, transaction: Transaction, statement: str) -> None:
        """Run a statement about savepoints."""
        async with self.adapter._execute_mutex:
            try:
                await self.driver.execute(statement)
            except BaseException as error:
                await raise_as_sqlalchemy(
                    transaction.connection, self.cause_of(transaction, error), statement, (), is_of_driver=True
                )

    def cause_of(self, transaction: Transaction, error: BaseException) -> BaseException:
        """Return the error of the statement that was sent ahead, if that is why this one failed."""
        self.ahead.flush()
        begun, stale, others = self.due
        if self.ahead.refused > others:
            transaction.unsettled(self.ahead.refused - others, begun, stale)
        self.ahead.refused = 0
        fields, self.ahead.error = self.ahead.error, None
        if fields is None:
            return error
        import asyncpg  # type: ignore[import-untyped]

        cause: BaseException = asyncpg.PostgresError.new(fields)
        return cause
