"""psycopg: the savepoints that are due and the statement go in one pipeline, psycopg's own word for one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from types import NoneType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import Numeric

from . import Driver
from .outcome import Outcome, raise_as_sqlalchemy
from .postgresql import NotForArrays

if TYPE_CHECKING:
    from types import TracebackType

    from psycopg.adapt import AdaptersMap
    from sqlalchemy import Connection

    from ..saving.prepared import Prepared
    from ..transactions.savepoints import Transaction
    from .postgresql import ArrayColumn
    from .psycopg_trip import Trip

__all__ = ["PsycopgDriver", "driver_for"]

BEGIN: Final = "BEGIN"
"""psycopg's statement that begins a transaction as the server does by default."""

IDLE: Final = 0
"""libpq's PQTRANS_IDLE: no transaction has begun."""

IN_TRANSACTION: Final = 2
"""libpq's PQTRANS_INTRANS: a transaction has begun, and nothing in it has failed."""


def driver_for(connection: Connection) -> PsycopgDriver | None:
    """Return the driver of a psycopg connection, where its libpq has pipelines (from 14 on)."""
    if connection.dialect.driver != "psycopg":
        return None
    driver = connection.connection.driver_connection
    import psycopg

    return PsycopgDriver(driver) if psycopg.Pipeline.is_supported() and hasattr(driver, "pipeline") else None


FAILED: Final = 3
"""libpq's PQTRANS_INERROR: a statement has failed, and only a ROLLBACK is left."""


def trip_class(driver: Any) -> type[Trip] | None:
    """Return the class of trips by libpq itself; ``None`` with a later psycopg, rebuilt."""
    try:
        from .psycopg_trip import Trip
    except ImportError:
        return None
    return Trip if hasattr(driver, "_prepared") else None


KINDS_OF_TYPES: Final[dict[type[Any] | None, str]] = {
    Decimal: "numeric",
    bool: "boolean",
    bytes: "bytea",
    float: "float8",
    int: "int8",
    timedelta: "interval",
}
"""psycopg's types of values that SQLAlchemy binds without one; a string takes the type of the table's column."""

LIMITS: Final = (2**15, 2**31, 2**63)
"""The limits of integers of two, four and eight bytes."""

OF_PSYCOPG: Final = frozenset({"psycopg", "psycopg_binary", "psycopg_c"})
"""The packages that psycopg's own dumpers are in."""

PLAIN: Final = frozenset({*KINDS_OF_TYPES, UUID, date, datetime, str, time})
"""Types that psycopg takes in an array as it takes them alone."""


def kinds_of(
    columns: Sequence[ArrayColumn], arrays: Sequence[Sequence[Any]], adapters: AdaptersMap
) -> tuple[str | None, ...]:
    """Return the SQL type of the elements of each array; ``None`` of one that is nothing but NULL, and has no type.

    psycopg writes an array by the type of one element. Of naive and aware times together it would make other instants.

    Raises:
        NotForArrays: The values of an array are not all of one type, or of one that is not known to be the same in an
            array, or the program writes it in a way of its own, or PostgreSQL is to give them the type of the table's
            column.
    """
    kinds: list[str | None] = []
    for column, values in zip(columns, arrays, strict=True):
        types = set(map(type, values))
        types.discard(NoneType)
        if len(types) > 1:
            raise NotForArrays(f"values of {column.name} are of several types: {', '.join(sorted(map(repr, types)))}")
        kind = types.pop() if types else None
        if kind is not None and has_own_dumper(adapters, kind):
            raise NotForArrays(f"the program has set a dumper of its own for values of {kind!r}")
        if column.cast is None:
            of_type = "bytea" if kind is not None and is_binary(kind) else KINDS_OF_TYPES.get(kind)
            if kind is int:
                of_type = kind_of_integers(column, values)
            if kind is not None and of_type is None:
                raise NotForArrays(f"SQLAlchemy binds values of {column.type!r} without a type")
            kinds.append(of_type)
            continue
        if kind is not None and kind not in PLAIN and kind.__module__ != "psycopg.types.json":
            raise NotForArrays(f"values of {column.name} are of {kind!r}")
        if (kind is datetime or kind is time) and len({each.tzinfo is None for each in values if each is not None}) > 1:
            raise NotForArrays(f"values of {column.name} are naive and aware")
        kinds.append(column.cast)
    return tuple(kinds)


def has_own_dumper(adapters: AdaptersMap, kind: type[Any]) -> bool:
    """Tell whether the program has set a dumper of its own for a type (``register_dumper``)."""
    import psycopg.adapt

    try:
        dumper = adapters.get_dumper(kind, psycopg.adapt.PyFormat.AUTO)
    except psycopg.ProgrammingError:  # which the statement will raise
        return False
    return dumper.__module__.partition(".")[0] not in OF_PSYCOPG


def kind_of_integers(column: ArrayColumn, values: Sequence[int | None]) -> str:
    """Return the SQL type of integers that have none of SQLAlchemy's: psycopg sends each as the smallest that holds it.

    Raises:
        NotForArrays: They have several, and PostgreSQL may take one of them where it refuses another (``money``).
    """
    sizes = {
        next((size for size, limit in enumerate(LIMITS) if -limit <= value < limit), len(LIMITS))
        for value in values
        if value is not None
    }
    if len(sizes) > 1 and not isinstance(column.type, Numeric):
        raise NotForArrays(f"SQLAlchemy binds values of {column.type!r} without a type")
    return ("int2", "int4", "int8", "numeric")[max(sizes)]


def is_binary(kind: type[Any]) -> bool:
    """Tell whether a type is ``psycopg.Binary``, which SQLAlchemy wraps bytes in."""
    return kind.__name__ == "Binary" and kind.__module__.partition(".")[0] == "psycopg"


class Pipeline:
    """A pipeline of psycopg's that logs nothing when a statement in it fails: the error is raised, and tells all."""

    __slots__ = ("context",)

    def __init__(self, driver: Any) -> None:
        self.context = driver.pipeline()

    async def __aenter__(self) -> Any:
        return await self.context.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            # Left as if nothing had failed: psycopg would log that the rest of the pipeline was aborted.
            with suppress(Exception):
                await self.context.__aexit__(None, None, None)
        else:
            await self.context.__aexit__(kind, error, traceback)


class PsycopgDriver(Driver):
    """A psycopg connection."""

    __slots__ = ("driver", "failed", "trip")

    placeholder = "%b"
    """A parameter of a statement over arrays, in the binary format."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.trip = trip_class(driver)
        self.failed = False
        """A statement had failed before the COMMIT."""

    def kinds(self, columns: Sequence[ArrayColumn], arrays: Sequence[Sequence[Any]]) -> tuple[str | None, ...]:
        """Return the SQL type of the elements of each array; see :func:`kinds_of`.

        Raises:
            NotForArrays: Some of the values cannot go as an array.
        """
        return kinds_of(columns, arrays, self.driver.adapters)

    def is_ready(self) -> bool:
        """Tell whether a statement may be run: the transaction has begun in the database, or begins in the same trip.

        psycopg begins it with its first statement.
        """
        return bool(self.driver.info.transaction_status == IN_TRANSACTION) or self.can_begin()

    def ask_for_failure(self) -> None:
        """Ask libpq, which knows."""
        self.failed = self.driver.info.transaction_status == FAILED

    def has_failed(self) -> bool:
        """Tell whether a statement had failed before the COMMIT."""
        return self.failed

    def can_begin(self) -> bool:
        """Tell whether a plain BEGIN is due, which psycopg would send by itself, and wait for."""
        driver = self.driver
        if self.trip is None or driver.info.transaction_status != IDLE or driver.autocommit:
            return False
        statement = getattr(driver, "_get_tx_start_command", bytes)()  # with the isolation level, if there is one
        return bool(statement == BEGIN.encode())

    async def begin(self, transaction: Transaction) -> None:
        """Begin the transaction in the database, as psycopg does before its first statement, if it has not begun."""
        driver = self.driver
        try:
            if driver.info.transaction_status != IDLE:
                return
            if hasattr(driver, "_start_query"):
                async with driver.lock:
                    await driver.wait(driver._start_query())
            else:  # a later psycopg, rebuilt
                await driver.execute("SELECT 1")
        except BaseException as error:
            await raise_as_sqlalchemy(transaction.connection, error, "BEGIN", (), is_of_driver=True)

    async def run(self, transaction: Transaction, prepared: Prepared, parameters: tuple[Any, ...]) -> Outcome:
        """Run the statements that are due for the transaction, and then a prepared one, in one trip."""
        driver, sql = self.driver, prepared.sql
        if self.trip is None or driver.pgconn.pipeline_status:  # a pipeline of somebody else's
            cursor = await self.execute(transaction, sql, parameters)
            return Outcome(await cursor.fetchone() if prepared.returns else None, cursor.rowcount)
        control = [*([BEGIN] if self.can_begin() else []), *transaction.control()]
        trip = self.trip(driver, control, sql, parameters)
        try:
            async with driver.lock:
                await driver.wait(trip.steps())
            return trip.outcome()
        except BaseException as error:
            await raise_as_sqlalchemy(transaction.connection, error, sql, parameters, is_of_driver=True)
        finally:
            if trip.is_settled():
                transaction.settled()

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
        cursor = await self.execute(transaction, sql, arrays)
        return await cursor.fetchall() if returns else [], cursor.rowcount

    async def execute(self, transaction: Transaction, sql: str, parameters: Sequence[Any]) -> Any:
        """Run the statements that are due for the transaction, and then another; return its cursor.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        await self.begin(transaction)
        driver, control = self.driver, transaction.control()
        sent = False
        try:
            if control:
                async with Pipeline(driver) as pipeline:
                    for statement in control:
                        await self.enqueue(pipeline, statement)
                    sent = True
                    cursor = await driver.execute(sql, parameters)
            else:
                cursor = await driver.execute(sql, parameters)
        except BaseException as error:
            if sent:
                transaction.settled()  # the statements before this one have not failed
            await raise_as_sqlalchemy(transaction.connection, error, sql, tuple(parameters), is_of_driver=True)
        transaction.settled()
        return cursor

    async def run_each(
        self, transaction: Transaction, prepared: Prepared, rows: list[tuple[Any, ...]]
    ) -> list[Outcome] | None:
        """Run a statement for each of many rows, one after the other, in one trip; ``None``: each has to be run alone.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        if not prepared.returns:
            return None  # psycopg does not say of each how many rows were written
        await self.begin(transaction)
        driver, control = self.driver, transaction.control()
        sent = False
        try:
            async with Pipeline(driver) as pipeline, driver.cursor() as cursor:
                for statement in control:
                    await self.enqueue(pipeline, statement)
                sent = True
                await cursor.executemany(prepared.sql, rows, returning=True)
                outcomes = [Outcome(await cursor.fetchone(), cursor.rowcount)]
                while cursor.nextset():
                    outcomes.append(Outcome(await cursor.fetchone(), cursor.rowcount))
        except BaseException as error:
            if sent:
                transaction.settled()
            await raise_as_sqlalchemy(transaction.connection, error, prepared.sql, rows[0], is_of_driver=True)
        transaction.settled()
        return outcomes

    async def enqueue(self, pipeline: Any, statement: str) -> None:
        """Have a statement go with the next one: without a cursor of its own, and psycopg checks its answer."""
        if hasattr(pipeline, "command_queue") and hasattr(pipeline, "result_queue"):
            pipeline.command_queue.append(partial(self.driver.pgconn.send_query_params, statement.encode(), None))
            pipeline.result_queue.append(None)
        else:  # a later psycopg, rebuilt
            await self.driver.execute(statement)

    async def run_alone(self, transaction: Transaction, statement: str) -> None:
        """Run a statement about savepoints."""
        try:
            await self.driver.execute(statement)
        except BaseException as error:
            await raise_as_sqlalchemy(transaction.connection, error, statement, (), is_of_driver=True)
