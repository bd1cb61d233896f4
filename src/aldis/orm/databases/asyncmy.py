"""MariaDB, asyncmy: INSERT of many rows that returns their keys.

The server takes the rows of a statement one after the other, gives each the next number, and returns it before it takes
the next (MariaDB's manual, "INSERT...RETURNING", "AUTO_INCREMENT"). So the keys come back in the order of the rows, and
ascend; that they do is made sure of. A BEFORE trigger may choose a key as it likes: where a table has one, each row is
a statement of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from operator import ge
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from ...errors import AldisError
from ..mapping.rowwise import iso
from ..saving.prepared import prepared_insert
from .outcome import Outcome, raise_as_sqlalchemy

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..mapping.table import TableMapping
    from ..saving.prepared import Prepared
    from ..transactions.savepoints import Transaction

__all__ = ["AsyncmyDriver", "driver_for", "reason_against", "write"]

FEWEST: Final = 20
"""Rows from which on it is faster: to look for triggers is a round trip."""

LOOK: Final = text("""
    SELECT 1 FROM information_schema.triggers
    WHERE event_object_schema = coalesce(:schema, database()) AND event_object_table = :table
      AND event_manipulation = 'INSERT' AND action_timing = 'BEFORE'
    LIMIT 1
""")


def reason_against(transaction: Transaction, mapping: TableMapping, rows: list[dict[str, Any]]) -> str | None:
    """Return why this writer cannot serve, if it cannot."""
    if not isinstance(transaction.direct(), AsyncmyDriver):
        return "the connection is watched, or another driver's"
    if len(rows) < FEWEST:
        return f"there are fewer than {FEWEST} rows"
    missing = [column for column in mapping.made_on_insert if column.key not in rows[0]]
    if missing and not any(column is mapping.table.autoincrement_column for column in missing):
        return "the database fills in more than the key"
    return None


async def write(transaction: Transaction, mapping: TableMapping, rows: list[dict[str, Any]]) -> bool:
    """Insert rows, and add to each what the database filled in; tell whether that was done.

    The caller has made sure that there is no reason against it.

    Raises:
        AldisError: The keys do not ascend.
    """
    prepared = prepared_insert(transaction.sync.dialect, mapping, tuple(rows[0]))
    if prepared is None or prepared.constants:
        return False
    of = {"schema": mapping.table.schema, "table": mapping.table.name}
    at_once = 1 if prepared.returns and await transaction.connection.scalar(LOOK, of) else len(rows)
    parameters = await transaction.bound(prepared, rows)
    driver = transaction.direct()
    assert isinstance(driver, AsyncmyDriver)
    returned = await driver.insert_many(transaction, prepared, parameters, at_once)
    if returned is None:
        return False
    if prepared.returns:
        for (name, process), column in zip(prepared.returns, zip(*returned, strict=True), strict=True):
            for row, value in zip(rows, column, strict=True):
                row[name] = value if process is None else process(value)
        key = mapping.table.autoincrement_column
        assert key is not None
        keys = [row[key.key] for row in rows]
        if at_once > 1 and any(map(ge, keys, keys[1:])):
            raise AldisError(
                f"the keys of {mapping.table} do not ascend, so that it is not certain whose they are: is there a "
                "BEFORE INSERT trigger that this user may not see? Nothing was written; GRANT TRIGGER on the table, or "
                "give the keys."
            )
    return True


LONGEST: Final = 256_000
"""Characters of one statement, of four bytes at most: a server's ``max_allowed_packet`` is a megabyte at least, unless
it is set lower (MariaDB's manual, "Server System Variables")."""


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
                await self.settle(transaction)
                cursor = self.driver.cursor()
                row_count = await cursor.execute(prepared.sql, parameters)
                row = await cursor.fetchone() if prepared.returns else None
                await cursor.close()
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, error, prepared.sql, parameters)
        return Outcome(row, row_count, None)

    async def settle(self, transaction: Transaction) -> None:
        """Run the statements that are due for the transaction."""
        for statement in transaction.control():
            await self.driver.query(statement)
        transaction.settled()

    async def insert_many(
        self, transaction: Transaction, prepared: Prepared, rows: list[tuple[Any, ...]], at_once: int
    ) -> list[tuple[Any, ...]] | None:
        """Insert rows, and return what their statements returned, row by row; ``None`` when it has to be otherwise.

        Args:
            transaction: The transaction.
            prepared: The INSERT of one of them.
            rows: The parameters.
            at_once: How many one statement may insert.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        one = f"({', '.join(['%s'] * len(prepared.binds))})"
        before, values, after = prepared.sql.partition(f" VALUES {one}")
        if not values or not prepared.binds:
            return None
        returned: list[tuple[Any, ...]] = []
        async with self.adapter._execute_mutex:
            try:
                await self.settle(transaction)
                cursor = self.driver.cursor()
                for some in statements(self.literals(rows), at_once):
                    await cursor.execute(f"{before % ()} VALUES {some}{after % ()}")
                    if prepared.returns:
                        returned += await cursor.fetchall()
                await cursor.close()
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, error, prepared.sql, rows[0])
        return returned

    def literals(self, rows: list[tuple[Any, ...]]) -> list[str]:
        """Return rows as they stand in a statement, without their parentheses."""
        return list(map(",".join, zip(*map(self.texts, zip(*rows, strict=True)), strict=True)))

    def texts(self, column: tuple[Any, ...]) -> list[str]:
        """Return the values of a column as they stand in a statement: those of the commonest types the short way."""
        literal, types = self.driver.literal, set(map(type, column))
        if types == {int}:
            return list(map(str, column))
        if types == {str}:
            escape = self.driver.escape_string
            return [f"'{escape(value)}'" for value in column]
        if types == {datetime}:
            return [f"'{text}'" for text in iso(column, lambda value: literal(value)[1:-1])]
        # asyncmy writes bytes with backslashes, which mean nothing where sql_mode has NO_BACKSLASH_ESCAPES.
        return [f"X'{value.hex()}'" if type(value) is bytes else literal(value) for value in column]

    async def roll_back_to(self, transaction: Transaction, statement: str) -> None:
        """Run a ROLLBACK TO SAVEPOINT."""
        async with self.adapter._execute_mutex:
            try:
                await self.driver.query(statement)
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, error, statement, ())


def statements(rows: list[str], at_once: int) -> Iterator[str]:
    """Cut rows into the values of statements, none too long unless a row alone is.

    Example:
        >>> list(statements(["1,2", "3,4", "5,6"], 2))
        ['(1,2),(3,4)', '(5,6)']
    """
    some: list[str] = []
    length = 0
    for row in rows:
        if some and (len(some) == at_once or length + len(row) > LONGEST):
            yield f"({'),('.join(some)})"
            some, length = [], 0
        some.append(row)
        length += len(row) + 3
    if some:
        yield f"({'),('.join(some)})"
