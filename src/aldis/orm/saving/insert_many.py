"""INSERT of many rows: by one statement, where that is known to store the same and to tell whose key is whose.

Else they go row by row. The reasons against one statement are worked out once for each set of columns, and said by the
logger ``aldis.writers``. A statement that the database refuses, or whose rows cannot be told apart, is undone alone,
and its rows go one by one: so an error is the error of one row, and names it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import insert

from ..databases.aiosqlite import AiosqliteDriver
from ..databases.asyncmy import AsyncmyDriver
from ..databases.asyncpg import AsyncpgDriver
from ..databases.copying import FEWEST, Copying, copying_of
from ..databases.outcome import concerns_values, lacks_rights
from ..databases.postgresql import NotForArrays, insert_over_arrays, with_literals
from ..databases.psycopg import PsycopgDriver
from ..databases.sqlite import whole
from .attempts import REFUSALS, Attempt, Refused, RowNote, naming
from .core_sql import insert_row, take_outcome
from .prepared import Prepared, PreparedArrays, Unprepared, cached, plain_insert, prepared_insert
from .proof import Proof, proof_of

if TYPE_CHECKING:
    from sqlalchemy import Dialect

    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction

__all__ = ["insert_many"]

LOG: Final = logging.getLogger("aldis.writers")
"""Says, at DEBUG, how each batch was written, and why not in one statement."""

PROVED: Final = frozenset({"sqlite", "postgresql", "mariadb", "mysql"})
"""Databases that were tried: their rows come back in the order in which they were written, if their keys are steady."""


class Columns(NamedTuple):
    """The columns that come back, where SQLAlchemy makes Python's values of them."""

    returns: tuple[tuple[str, None], ...]


class Together:
    """How rows with the same columns are inserted by one statement.

    Args:
        reason: Why they cannot be.
        prepared: The statement.
        proof: Proves the order of the rows that come back.
    """

    __slots__ = ("copying", "prepared", "proof", "reason", "refused_at")

    def __init__(
        self,
        reason: str | None,
        prepared: Prepared | PreparedArrays | Columns | None = None,
        proof: Proof | None = None,
    ) -> None:
        self.reason = reason
        self.prepared: Any = prepared
        self.proof = proof or Proof()
        self.copying: Copying | None = None
        """How the rows may be copied instead, on PostgreSQL."""
        self.refused_at: Any = None
        """The schema's version, on SQLite, when the keys of a batch were not those that they had to be."""


async def insert_many(
    transaction: Transaction,
    mapping: TableMapping,
    rows: Sequence[dict[str, Any]],
    alike: bool,
    note: RowNote | None = None,
) -> None:
    """Insert rows in their order, and add to each the values that the database filled in.

    Args:
        transaction: Where.
        mapping: The mapping of their class.
        rows: The rows, by column key.
        alike: They have the same columns.
        note: The note of an error on the row at a place among these.

    Raises:
        DBAPIError: As SQLAlchemy raises it, of the one row that the database refused.
        RowMismatchError: The database did not store a row, or did not say which key it has.
    """
    if alike:
        if rows:
            await insert_alike(transaction, mapping, rows, note, 0)
        return
    first = 0
    for _, run in groupby(rows, frozenset):
        batch = list(run)
        await insert_alike(transaction, mapping, batch, note, first)
        first += len(batch)


async def insert_alike(
    transaction: Transaction, mapping: TableMapping, rows: Sequence[dict[str, Any]], note: RowNote | None, first: int
) -> None:
    """Insert rows that have the same columns; ``first`` is where they begin."""
    if len(rows) > 1:
        try:
            way = await insert_together(transaction, mapping, rows)
        except Refused as refused:
            LOG.debug("%d rows of %s: written one by one, not in one statement: %s", len(rows), mapping.table, refused)
            if await insert_each(transaction, mapping, rows, note, first):
                return
        else:
            LOG.debug("%d rows of %s: written by %s", len(rows), mapping.table, way)
            return
    for number, row in enumerate(rows, first):
        with naming(note, number):
            await insert_row(transaction, mapping, row)


async def insert_together(transaction: Transaction, mapping: TableMapping, rows: Sequence[dict[str, Any]]) -> str:
    """Insert rows that have the same columns by one statement; return its name.

    Raises:
        Refused: They have to go one by one; nothing was written.
    """
    driver, dialect, keys = await transaction.begun_driver(), transaction.sync.dialect, tuple(rows[0])
    if driver is None:
        return await insert_by_sqlalchemy(transaction, mapping, rows)
    together = cached(dialect, mapping, ("insert many", keys), lambda: together_of(dialect, mapping, keys))
    assert together is not None
    if together.reason is not None:
        raise Refused(together.reason)
    if isinstance(driver, (AsyncpgDriver, PsycopgDriver)):
        return await insert_arrays(transaction, driver, together, rows)
    if isinstance(driver, AsyncmyDriver):
        return await insert_values(transaction, driver, together, rows)
    if isinstance(driver, AiosqliteDriver):
        return await insert_numbered(transaction, driver, together, mapping, rows)
    raise Refused("this driver has no such statement")


def together_of(dialect: Dialect, mapping: TableMapping, keys: tuple[str, ...]) -> Together:
    """Work out how rows with values for the columns ``keys`` are inserted by one statement."""
    missing = [column for column in mapping.made_on_insert if column.key not in keys]
    try:
        if dialect.name == "sqlite":
            if any(column is not mapping.rowid for column in missing):
                return Together("the database fills in more than the key")
            return Together(None, plain_insert(dialect, mapping, keys))
        proof = proof_of(mapping, keys, {column.key for column in missing})
        if proof is None:
            return Together("nothing would prove whose key is whose")
        returns = [*missing, *[mapping.table.c[key] for key in proof.given]]
        if dialect.name == "postgresql":
            statement = insert_over_arrays(dialect, mapping.table, keys, returns)
            together = Together(None, PreparedArrays(dialect, statement, returns), proof)
            if not missing or [column.key for column in missing] == [proof.generated]:
                names = [mapping.table.c[key].name for key in keys]
                key = missing[0].name if missing else None
                together.copying = copying_of(dialect, mapping.table, statement, names, key)
            return together
        prepared = plain_insert(dialect, mapping, keys, returns)
        return Together(None, prepared, proof) if not prepared.constants else Together("the statement has parameters")
    except (NotForArrays, Unprepared) as error:
        return Together(str(error) or "the statement needs more of SQLAlchemy than its SQL")


def taken(
    together: Together, rows: Sequence[dict[str, Any]], returned: Sequence[Sequence[Any]], row_count: int
) -> str | None:
    """Give rows the values that came back; return the reason where these cannot be theirs."""
    if row_count != len(rows):
        return f"{row_count} rows were stored: a trigger or a rule has a say"
    found: dict[str, Sequence[Any]] = {}
    if together.prepared.returns:
        for (key, process), column in zip(together.prepared.returns, zip(*returned, strict=True), strict=True):
            found[key] = column if process is None else list(map(process, column))
        reason = together.proof.reason_against(rows, found)
        if reason is not None:
            return reason
    for key in found.keys() - set(together.proof.given):
        for row, value in zip(rows, found[key], strict=True):
            row[key] = value
    return None


async def attempted(
    transaction: Transaction, together: Together, work: Callable[[], Any], rows: Sequence[dict[str, Any]]
) -> None:
    """Run a statement of many rows, and give the rows the values that came back.

    Raises:
        Refused: It was undone, since it failed for the sake of a row, or nobody could tell whose key is whose.
    """
    async with Attempt(transaction) as attempt:
        try:
            returned, row_count = await work()
        except REFUSALS as error:
            if not concerns_values(error):
                raise
            reason: str | None = "the database refused a row"
        else:
            reason = taken(together, rows, returned, row_count)
            if reason is not None:
                together.reason = reason  # of the table, so that the next batch need not try
        if reason is not None:
            await attempt.undo()
            raise Refused(reason)


async def insert_arrays(
    transaction: Transaction,
    driver: AsyncpgDriver | PsycopgDriver,
    together: Together,
    rows: Sequence[dict[str, Any]],
) -> str:
    """Insert rows on PostgreSQL, each column as an array."""
    prepared: PreparedArrays = together.prepared
    arrays = prepared.arrays(rows)
    try:
        kinds = driver.kinds(prepared.statement.columns, arrays)
    except NotForArrays as error:
        raise Refused(str(error)) from error
    is_long = len(rows) >= FEWEST and together.copying is not None
    if is_long and isinstance(driver, AsyncpgDriver) and await copy_arrays(transaction, driver, together, rows, arrays):
        return "COPY"
    try:
        kinds, parameters = with_literals(kinds, arrays)
    except (NotForArrays, ValueError) as error:
        raise Refused(f"a value has no literal: {error}") from error
    sql, returns = prepared.sql(driver.placeholder, kinds), bool(prepared.returns)
    await attempted(transaction, together, lambda: driver.run_arrays(transaction, sql, parameters, returns), rows)
    return "one INSERT over arrays"


async def copy_arrays(
    transaction: Transaction,
    driver: AsyncpgDriver,
    together: Together,
    rows: Sequence[dict[str, Any]],
    arrays: list[list[Any]],
) -> bool:
    """Insert rows by COPY; tell whether that was done.

    Raises:
        Refused: A row was refused; nothing was written.
    """
    assert together.copying is not None
    async with Attempt(transaction) as attempt:
        try:
            keys = await driver.copy(transaction, together.copying, arrays)
        except REFUSALS as error:
            if not concerns_values(error):
                raise
            await attempt.undo()
            if not lacks_rights(error):
                raise Refused("the database refused a row") from error
            together.copying = None  # the rights on columns are no rights to lock the table
            return False
        if keys is None:
            return False
    key = together.proof.generated
    if key is not None:
        for row, number in zip(rows, keys, strict=True):
            row[key] = number
    return True


async def insert_values(
    transaction: Transaction, driver: AsyncmyDriver, together: Together, rows: Sequence[dict[str, Any]]
) -> str:
    """Insert rows on MariaDB, as the values of one statement, or of several where one would be too long."""
    prepared: Prepared = together.prepared
    parameters = prepared.all_parameters(rows)
    await attempted(transaction, together, lambda: driver.insert_values(transaction, prepared, parameters), rows)
    return "INSERT with the values of many rows"


async def insert_numbered(
    transaction: Transaction,
    driver: AiosqliteDriver,
    together: Together,
    mapping: TableMapping,
    rows: Sequence[dict[str, Any]],
) -> str:
    """Insert rows on SQLite by executemany, and prove afterwards which keys they have."""
    prepared: Prepared = together.prepared
    key = mapping.rowid if mapping.rowid is not None and mapping.rowid.key not in rows[0] else None
    parameters = prepared.all_parameters(rows)
    async with Attempt(transaction) as attempt:
        try:
            keys, version = await driver.insert_numbered(
                transaction, prepared, parameters, mapping.table, key, together.refused_at
            )
        except REFUSALS as error:
            if not concerns_values(error):
                raise
            keys, reason = None, "the database refused a row"
        else:
            reason = "the database has a say in the keys, or in which rows it stores"
            together.refused_at = version
        if keys is None:
            await attempt.undo()
            raise Refused(reason)
    if key is not None:
        name = key.key
        for row, number in zip(rows, keys, strict=True):
            row[name] = number
    return "executemany"


async def insert_each(
    transaction: Transaction,
    mapping: TableMapping,
    rows: Sequence[dict[str, Any]],
    note: RowNote | None,
    first: int,
) -> bool:
    """Insert rows one by one, in as few trips as there can be; tell whether that was done.

    Raises:
        RowMismatchError: The database did not store one of them.
    """
    driver = await transaction.begun_driver()
    prepared = None if driver is None else prepared_insert(transaction.sync.dialect, mapping, tuple(rows[0]))
    if driver is None or prepared is None:
        return False
    try:
        parameters = prepared.all_parameters(rows)
    except Refused:
        return False  # the error is that of one row, which has its turn
    async with Attempt(transaction) as attempt:
        try:
            outcomes = await driver.run_each(transaction, prepared, parameters)
        except REFUSALS as error:
            if not concerns_values(error):
                raise
            outcomes = None
        if outcomes is None:
            await attempt.undo()
            return False
    for number, (row, outcome) in enumerate(zip(rows, outcomes, strict=True), first):
        with naming(note, number):
            take_outcome(mapping, prepared, row, outcome)
    return True


async def insert_by_sqlalchemy(transaction: Transaction, mapping: TableMapping, rows: Sequence[dict[str, Any]]) -> str:
    """Insert rows by SQLAlchemy's own INSERT of many rows, which a watched connection shows; return its name.

    SQLAlchemy would sort the returned rows by the key, and so give each row another's where keys do not ascend.

    Raises:
        Refused: They have to go one by one; nothing was written.
    """
    dialect, connection = transaction.sync.dialect, transaction.connection
    missing = [column for column in mapping.made_on_insert if column.key not in rows[0]]
    if dialect.name not in PROVED or (missing and not dialect.insert_returning):
        raise Refused("this database, or its driver, is not one whose rows come back in their order")
    proof = proof_of(mapping, rows[0].keys(), {column.key for column in missing})
    if proof is None:
        raise Refused("nothing would prove whose key is whose")
    returns = [*missing, *[mapping.table.c[key] for key in proof.given]]
    together = Together(None, Columns(tuple((column.key, None) for column in returns)), proof)
    statement = insert(mapping.table).returning(*returns) if returns else insert(mapping.table)

    async def work() -> tuple[Sequence[Any], int]:
        result = await whole(connection, connection.execute(statement, list(rows)))
        if returns:
            returned = result.all()
            return returned, len(returned)
        return [], len(rows) if result.rowcount < 0 else result.rowcount

    await attempted(transaction, together, work, rows)
    return "SQLAlchemy's INSERT of many rows"
