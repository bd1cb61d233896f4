"""asyncmy: a savepoint and a statement in one round trip, without SQLAlchemy's work for each.

Many rows are one statement, whose values stand in its text. The server takes them one after the other, gives each the
next number, and returns it before it takes the next (MariaDB's manual, "INSERT...RETURNING", "AUTO_INCREMENT"). asyncmy
takes 1.9 microseconds to write a datetime, most of a row's time, and the core a tenth of that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from struct import Struct
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from ..mapping.rowwise import iso
from . import Driver
from .outcome import Outcome, raise_as_sqlalchemy

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..saving.prepared import Prepared
    from ..transactions.savepoints import Transaction

__all__ = ["AsyncmyDriver", "driver_for"]

LOG: Final = logging.getLogger("asyncmy")
"""Where asyncmy tells of the warnings of the server."""

COM_QUERY: Final = 3
"""The command of a statement (``asyncmy.constants.COMMAND``)."""

HEADER: Final = Struct("<IB")
"""The beginning of a packet: its length in three bytes, its number in one, which is 0, and the command."""

PIPELINING: Final = ("_encoding", "_execute_command", "_next_seq_id", "_read_query_result", "_result", "_write_bytes")
"""asyncmy's own, to send a command before the last one is answered."""

AT_ONCE: Final = 100
"""Rows of one UPDATE: the time of a CASE grows with the square of its rows."""

SIMPLE: Final = frozenset({bool, bytes, date, datetime, float, int, str, time, timedelta})
"""Types of values that a CASE keeps as they are."""

LONGEST: Final = 256_000
"""Characters of one statement, of four bytes at most: a server's ``max_allowed_packet`` is a megabyte at least, unless
it is set lower (MariaDB's manual, "Server System Variables")."""


def driver_for(connection: Connection) -> AsyncmyDriver | None:
    """Return the driver of an asyncmy connection."""
    if connection.dialect.driver != "asyncmy":
        return None
    adapter = connection.connection.dbapi_connection
    driver = connection.connection.driver_connection
    if not (hasattr(adapter, "_execute_mutex") and all(hasattr(driver, name) for name in PIPELINING)):
        return None  # a later asyncmy, rebuilt
    return AsyncmyDriver(adapter, driver)


class AsyncmyDriver(Driver):
    """An asyncmy connection, and SQLAlchemy's adapter around it."""

    __slots__ = ("adapter", "driver", "keeps_rows")

    def __init__(self, adapter: Any, driver: Any) -> None:
        self.adapter = adapter
        self.driver = driver
        self.keeps_rows = False
        """The last ROLLBACK TO SAVEPOINT came with a warning: a table is of an engine without transactions, and the
        rows are still there."""

    def is_ready(self) -> bool:
        """Tell whether the transaction has begun in the database: without autocommit, one always has."""
        return not self.driver.get_autocommit()

    async def run(self, transaction: Transaction, prepared: Prepared, parameters: tuple[Any, ...]) -> Outcome:
        """Run the statements that are due for the transaction, and then a prepared one, in one trip."""
        async with self.adapter._execute_mutex:
            try:
                cursor = self.driver.cursor()
                result = await self.ask(transaction, cursor.mogrify(prepared.sql, parameters))
                await cursor.close()
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, error, prepared.sql, parameters, is_of_driver=True)
        rows = result.rows if prepared.returns else None
        return Outcome(rows[0] if rows else None, result.affected_rows)

    async def ask(self, transaction: Transaction, sql: str) -> Any:
        """Send the statements that are due for the transaction and another one, then read the answers.

        The server reads a command when it has answered the one before ("Client/Server Protocol" of MariaDB's manual),
        so that they need not wait for each other: SAVEPOINT and INSERT take 0.9 to 1.1 of the time of the INSERT alone,
        where two trips take 1.5 to 1.7.

        Args:
            transaction: The transaction.
            sql: The statement.

        Returns:
            asyncmy's result.
        """
        driver, control = self.driver, transaction.control()
        if not control:
            await driver.query(sql)
        else:
            # Encoded before any is sent: an error in between would leave an answer unread, and all later ones mixed up.
            commands = [each.encode(driver._encoding, "surrogateescape") for each in (*control, sql)]
            if not self.send_at_once(commands):
                for command in commands:
                    await driver._execute_command(COM_QUERY, command)
            failure: BaseException | None = None
            for _ in control:
                driver._next_seq_id = 1
                try:
                    await driver._read_query_result()
                except Exception as error:
                    failure = failure or error
            if failure is None:
                transaction.settled()
            driver._next_seq_id = 1
            await driver._read_query_result()
            if failure is not None:  # the statement has run without its savepoint
                await transaction.connection.invalidate(failure)
                raise failure
        result = driver._result
        if result.warning_count:
            for warning in await driver.show_warnings() or ():
                LOG.warning(warning[-1])
        return result

    def send_at_once(self, commands: list[bytes]) -> bool:
        """Send statements in one write, if they are short; tell whether that was done.

        A write for each costs a tenth of a save more. A command is a packet, with its length and its number ahead
        ("Packets" in MariaDB's manual).
        """
        driver = self.driver
        before = driver._result
        is_unread = before is not None and (before.unbuffered_active or before.has_next)
        if is_unread or max(map(len, commands)) > LONGEST:
            return False
        driver._result = None
        driver._write_bytes(b"".join([HEADER.pack(len(each) + 1, COM_QUERY) + each for each in commands]))
        return True

    async def insert_values(
        self, transaction: Transaction, prepared: Prepared, rows: list[tuple[Any, ...]]
    ) -> tuple[list[tuple[Any, ...]], int]:
        """Insert rows by one statement, or by several where one would be too long.

        Args:
            transaction: The transaction, whose due statements go first.
            prepared: The INSERT of one of them.
            rows: The parameters.

        Returns:
            The returned row of each, and how many were written; of these, -1 where a NULL may have been stored as
            something else: without a strict ``sql_mode``, a statement of many rows does that, and one of one row fails.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        before, values, after = pieces_of(prepared)
        returned: list[tuple[Any, ...]] = []
        count = warnings = 0
        async with self.adapter._execute_mutex:
            try:
                for some in statements(self.literals(rows, values)):
                    result = await self.ask(transaction, f"{before % ()} VALUES {some}{after % ()}")
                    count += result.affected_rows
                    warnings += result.warning_count
                    if prepared.returns:
                        returned += result.rows
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, error, prepared.sql, rows[0], is_of_driver=True)
        if warnings and any(None in row for row in rows):
            return [], -1
        return returned, len(returned) if prepared.returns else count

    def reason_against_cases(self, rows: list[tuple[Any, ...]]) -> str | None:
        """Return why a CASE would store other values than single UPDATEs; ``None`` if it stores the same.

        A CASE has one type for all of its values, so that an integer beside a decimal is written as a decimal.

        Args:
            rows: The parameters of the UPDATE of each row; the last is its key.
        """
        *columns, keys = zip(*rows, strict=True)
        for values in columns:
            types = set(map(type, values))
            types.discard(NoneType)
            if len(types) > 1:
                return f"values of a column are of several types: {', '.join(sorted(each.__name__ for each in types))}"
            if types == {Decimal}:
                if len({value.as_tuple().exponent for value in values if value is not None}) > 1:
                    return "decimals have several scales"
            elif not types <= SIMPLE:
                return f"values are of {', '.join(each.__name__ for each in types)}"
        if set(map(type, keys)) == {int}:
            return None
        # Whether texts are one key is the collation's to say.
        if set(map(type, keys)) == {str} and all(map(str.isalnum, keys)) and all(map(str.isascii, keys)):
            return None if len(set(map(str.lower, keys))) == len(keys) else "keys may be the same to the database"
        return "the keys are neither integers nor plain words"

    async def update_cases(self, transaction: Transaction, prepared: Prepared, rows: list[tuple[Any, ...]]) -> int:
        """Update rows, a hundred by each statement; return how many were there.

        Not by a JOIN with the values: MariaDB cuts a text that is too long for a TEXT to its length modulo 65,536 then,
        without an error.

        Args:
            transaction: The transaction, whose due statements go first.
            prepared: The UPDATE of one of them, by a key of one column.
            rows: The parameters; :meth:`reason_against_cases` has found nothing against them.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        before, where, condition = prepared.sql.rpartition(" WHERE ")
        key = condition.removesuffix(" = %s")
        assert where
        count = 0
        async with self.adapter._execute_mutex:
            try:
                for some in parts(list(zip(*map(self.texts, zip(*rows, strict=True)), strict=True))):
                    *columns, keys = zip(*some, strict=True)
                    cases = [
                        f"CASE {key} {' '.join(map('WHEN {} THEN {}'.format, keys, values))} END" for values in columns
                    ]
                    statement = f"{before % tuple(cases)} WHERE {key % ()} IN ({', '.join(keys)})"
                    count += (await self.ask(transaction, statement)).affected_rows
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, error, prepared.sql, rows[0], is_of_driver=True)
        return count

    async def run_each(
        self, transaction: Transaction, prepared: Prepared, rows: list[tuple[Any, ...]]
    ) -> list[Outcome]:
        """Run a statement for each of many rows, one after the other.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        return [await self.run(transaction, prepared, row) for row in rows]

    def literals(self, rows: list[tuple[Any, ...]], values: str) -> list[str]:
        """Return rows as they stand in a statement, without their parentheses.

        Args:
            rows: Their parameters.
            values: The text of one row in the INSERT, with its parameters and whatever is around them.
        """
        if not rows[0]:
            return [values % ()] * len(rows)
        columns = zip(*map(self.texts, zip(*rows, strict=True)), strict=True)
        if values == ", ".join(["%s"] * len(rows[0])):
            return list(map(",".join, columns))
        return [values % row for row in columns]

    def texts(self, column: tuple[Any, ...]) -> list[str]:
        """Return the values of a column as they stand in a statement: those of the commonest types the short way."""
        literal, types = self.driver.literal, set(map(type, column))
        if types == {int}:
            return list(map(str, column))
        if types == {str}:
            escape = self.driver.escape_string
            return [f"'{escape(value)}'" for value in column]
        if types == {datetime}:
            return [f"'{text.removesuffix('.000000')}'" for text in iso(column, lambda value: literal(value)[1:-1])]
        # asyncmy writes bytes with backslashes, which mean nothing where sql_mode has NO_BACKSLASH_ESCAPES.
        return [f"X'{value.hex()}'" if type(value) is bytes else literal(value) for value in column]

    async def run_alone(self, transaction: Transaction, statement: str) -> None:
        """Run a statement about savepoints."""
        async with self.adapter._execute_mutex:
            try:
                await self.driver.query(statement)
                self.keeps_rows = self.driver._result.warning_count > 0
            except BaseException as error:
                await raise_as_sqlalchemy(transaction.connection, error, statement, (), is_of_driver=True)


def pieces_of(prepared: Prepared) -> tuple[str, str, str]:
    """Return the text before the values of an INSERT, the values of its one row, and the text behind them."""
    before, _, rest = prepared.sql.partition(" VALUES (")
    values, returning, after = rest.rpartition(") RETURNING ") if prepared.returns else (rest[:-1], "", "")
    return before, values, f" RETURNING {after}" if returning else ""


def statements(rows: list[str]) -> Iterator[str]:
    """Cut rows into the values of statements, none too long unless a row alone is.

    Example:
        >>> list(statements(["1,2", "3,4", "5,6"]))
        ['(1,2),(3,4),(5,6)']
    """
    some: list[str] = []
    length = 0
    for row in rows:
        if some and length + len(row) > LONGEST:
            yield f"({'),('.join(some)})"
            some, length = [], 0
        some.append(row)
        length += len(row) + 3
    if some:
        yield f"({'),('.join(some)})"


def parts(rows: list[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    """Cut rows, the values of each as they stand in a statement, into parts for a statement each."""
    some: list[tuple[str, ...]] = []
    length = 0
    for row in rows:
        of_row = sum(map(len, row)) + len(row) * len(row[-1])
        if some and (len(some) == AT_ONCE or length + of_row > LONGEST):
            yield some
            some, length = [], 0
        some.append(row)
        length += of_row
    if some:
        yield some
