"""UPDATE of many rows, each with values of its own: one statement for those that change the same columns.

PostgreSQL takes one array a column and says which rows were there; MariaDB a CASE for each column, in statements of a
hundred rows; SQLite an executemany. Where that is not known to store the same as single UPDATEs, SQLAlchemy's
executemany serves. A statement that the database refuses, or that does not write every row, is undone, and its rows go
one by one, so that the error is one row's.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, column, table, update

from ...errors import RowMismatchError
from ..databases.aiosqlite import AiosqliteDriver
from ..databases.asyncmy import AsyncmyDriver
from ..databases.asyncpg import AsyncpgDriver
from ..databases.outcome import concerns_values
from ..databases.postgresql import NotForArrays, update_over_arrays, with_literals
from ..databases.psycopg import PsycopgDriver
from ..mapping.rowwise import names
from .attempts import REFUSALS, Attempt, Refused, RowNote, naming
from .columns import KEY, at
from .core_sql import take_row, update_row
from .gone import gone, no_longer_stored
from .prepared import (
    Prepared,
    PreparedArrays,
    Unprepared,
    by_key,
    cached,
    key_names,
    key_values,
    prepared_update,
)
from .rows_of_keys import reader_on, rows_of_keys

if TYPE_CHECKING:
    from sqlalchemy import Table, TableClause
    from sqlalchemy.orm import InstanceState

    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction

__all__ = ["update_many"]

LOG: Final = logging.getLogger("aldis.writers")

VALUE: Final = "aldis_value_"
"""The prefix of the parameters with the new values: a key that is updated is a parameter twice."""


class Updates(NamedTuple):
    """Stored rows that are updated, in lists side by side."""

    states: list[InstanceState[Any]]
    """The states of the instances."""
    column_values: list[dict[str, Any]]
    """The values that are written of each, by column key."""
    identities: list[tuple[Any, ...]]
    """Their primary keys."""

    def at(self, places: Sequence[int]) -> Updates:
        """Return the rows at some places."""
        return Updates(at(self.states, places), at(self.column_values, places), at(self.identities, places))


class Unwritten(Exception):
    """Not every row was written: it is gone, a trigger has left it out, or the database takes two keys for one."""


async def update_many(
    transaction: Transaction,
    mapping: TableMapping,
    states: list[InstanceState[Any]],
    column_values: list[dict[str, Any]],
    there: frozenset[Any] | None = None,
    note: RowNote | None = None,
) -> None:
    """Update the rows, and give the values that receivers are told those that the database has made.

    Args:
        transaction: Where they are.
        mapping: Their class.
        states: The instances' states.
        column_values: The values to write of each, by column key; rows without any are passed over.
        there: The columns that the table has, if the model is ahead of it, in the middle of its migrations.
        note: Returns the note on an error of the row at a place among these.

    Raises:
        ObjectNotFound: A row is gone.
        TransactionEndedError: The transaction that had stored an instance was rolled back meanwhile.
        DBAPIError: As SQLAlchemy raises it, of the one row that the database refused.
    """
    places: Sequence[int] = range(len(states))
    if not all(column_values):
        places = [place for place in places if column_values[place]]
        states, column_values = at(states, places), at(column_values, places)
    keys = list(map(KEY, states))
    if None in keys:
        raise no_longer_stored(states[keys.index(None)])
    rows = Updates(states, column_values, [key[1] for key in keys])
    for batch in alike(mapping, rows):
        of_batch = None if note is None else (lambda number, batch=batch: note(places[batch[number]]))
        await update_alike(transaction, mapping, rows.at(batch), there, of_batch)


def alike(mapping: TableMapping, rows: Updates) -> list[Sequence[int]]:
    """Return the places of rows that change the same columns together, in the order of the first of them.

    Only those that follow each other, where it matters which is updated first.
    """
    orders = names(rows.column_values)
    if len(set(map(frozenset, orders))) <= 1:
        return [range(len(rows.states))] if rows.states else []
    columns = [frozenset(row) for row in rows.column_values]
    is_once = len(set(rows.identities)) == len(columns)
    if not is_once or not mapping.unique_keys.isdisjoint(set().union(*orders)):
        return [list(run) for _, run in groupby(range(len(columns)), columns.__getitem__)]
    found: dict[frozenset[str], list[int]] = {}
    for place, each in enumerate(columns):
        found.setdefault(each, []).append(place)
    return list(found.values())


async def update_alike(
    transaction: Transaction,
    mapping: TableMapping,
    rows: Updates,
    there: frozenset[Any] | None,
    note: RowNote | None,
) -> None:
    """Update rows that change the same columns."""
    if there is not None:  # of a table that has other columns than the model
        await update_by_sqlalchemy(transaction, mapping, rows, there)
        return
    if len(rows.states) > 1:
        try:
            way = await update_together(transaction, mapping, rows)
        except Refused as refused:
            LOG.debug("%d rows of %s: updated one by one: %s", len(rows.states), mapping.table, refused)
        else:
            LOG.debug("%d rows of %s: updated by %s", len(rows.states), mapping.table, way)
            return
    for number, (state, column_values) in enumerate(zip(rows.states, rows.column_values, strict=True)):
        with naming(note, number):
            if not await update_row(transaction, mapping, state, column_values):
                raise gone(state)


async def update_together(transaction: Transaction, mapping: TableMapping, rows: Updates) -> str:
    """Update rows that change the same columns by one statement, or by an executemany; return its name.

    Raises:
        Refused: They have to go one by one, and say then which of them is not written; nothing was written.
    """
    async with Attempt(transaction) as attempt:
        try:
            try:
                return await update_by_driver(transaction, mapping, rows)
            except Refused as refused:
                LOG.debug("%d rows of %s: not updated in one statement: %s", len(rows.states), mapping.table, refused)
            await update_by_sqlalchemy(transaction, mapping, rows, None)
        except REFUSALS as error:
            if not concerns_values(error):
                raise
            await attempt.undo()
            raise Refused("the database refused a row") from error
        except Unwritten as error:
            with suppress(RowMismatchError):  # of a table without transactions: the rows get the same values again
                await attempt.undo()
            raise Refused("not every row was written") from error
        return "SQLAlchemy's executemany"


async def update_by_driver(transaction: Transaction, mapping: TableMapping, rows: Updates) -> str:
    """Update rows that change the same columns by one statement of the driver's; return its name.

    Raises:
        Refused: SQLAlchemy has to write them; nothing was sent.
        Unwritten: A row was not written.
    """
    driver = await transaction.begun_driver()
    if isinstance(driver, AiosqliteDriver):
        return await update_prepared(transaction, driver, mapping, rows)
    if isinstance(driver, (AsyncpgDriver, PsycopgDriver)):
        return await update_arrays(transaction, driver, mapping, rows)
    if isinstance(driver, AsyncmyDriver):
        return await update_cases(transaction, driver, mapping, rows)
    raise Refused("the connection is watched, or another driver's")


def made_by(mapping: TableMapping, keys: Sequence[str]) -> list[Any]:
    """Return the columns that the database fills in when the columns ``keys`` are updated."""
    return [each for each in mapping.made_on_update if each.key not in keys]


def refuse_order(mapping: TableMapping, rows: Updates) -> None:
    """Refuse rows of which it matters which is updated first.

    Raises:
        Refused: A row is there twice, or the columns have to be unique.
    """
    if len(set(rows.identities)) != len(rows.states):
        raise Refused("a row is there twice")
    if not mapping.unique_keys.isdisjoint(rows.column_values[0]):
        raise Refused("a column is updated that has to be unique")


async def update_prepared(
    transaction: Transaction, driver: AiosqliteDriver, mapping: TableMapping, rows: Updates
) -> str:
    """Update rows on SQLite.

    Raises:
        Refused: SQLAlchemy has to write them.
        Unwritten: A row was not written.
    """
    keys = tuple(rows.column_values[0])
    prepared = None if made_by(mapping, keys) else prepared_update(transaction.sync.dialect, mapping, keys)
    if prepared is None:
        raise Refused("the database fills in columns")
    parameters = prepared.all_parameters(rows.column_values, rows.identities)
    async with transaction.turn():
        count = await driver.update_many(transaction, prepared, parameters)
    if count != len(rows.states):
        raise Unwritten
    return "executemany"


async def update_arrays(
    transaction: Transaction, driver: AsyncpgDriver | PsycopgDriver, mapping: TableMapping, rows: Updates
) -> str:
    """Update rows on PostgreSQL, each column as an array.

    Raises:
        Refused: SQLAlchemy has to write them.
        Unwritten: A row was not written.
    """
    refuse_order(mapping, rows)
    dialect, keys = transaction.sync.dialect, tuple(rows.column_values[0])
    missing = made_by(mapping, keys)

    def make() -> PreparedArrays | str:
        values = {key: bindparam(key, type_=mapping.table.c[key].type) for key in keys}
        names = [*keys, *key_names(len(mapping.primary_key))]
        try:
            statement = update_over_arrays(dialect, mapping.table, by_key(mapping), values, names, missing)
            return PreparedArrays(dialect, statement, missing)
        except (NotForArrays, Unprepared) as error:
            return str(error) or "the statement needs more of SQLAlchemy than its SQL"

    prepared = cached(dialect, mapping, ("update many", keys), make)
    if not isinstance(prepared, PreparedArrays):
        raise Refused(str(prepared))
    arrays = prepared.arrays(rows.column_values, rows.identities)
    try:
        kinds, parameters = with_literals(driver.kinds(prepared.statement.columns, arrays), arrays)
    except NotForArrays as error:
        raise Refused(str(error)) from error
    sql = prepared.sql(driver.placeholder, kinds)
    async with transaction.turn():
        returned, _ = await driver.run_arrays(transaction, sql, parameters, returns=True)
    by_number = {row[0]: row for row in returned}
    if len(by_number) != len(rows.states):
        raise Unwritten
    for number, column_values in enumerate(rows.column_values, 1) if missing else ():
        take_row(prepared.returns, column_values, by_number[number][1:])
    return "one UPDATE over arrays"


async def update_cases(transaction: Transaction, driver: AsyncmyDriver, mapping: TableMapping, rows: Updates) -> str:
    """Update rows on MariaDB, each column by a CASE of the key.

    Raises:
        Refused: SQLAlchemy has to write them.
        Unwritten: A row was not written.
    """
    refuse_order(mapping, rows)
    keys = tuple(rows.column_values[0])
    missing = made_by(mapping, keys)
    prepared = prepared_case_update(transaction, mapping, keys)
    if prepared is None:
        raise Refused("the key has several columns, or the statement needs more of SQLAlchemy than its SQL")
    parameters = prepared.all_parameters(rows.column_values, rows.identities)
    reason = driver.reason_against_cases(parameters)
    if reason is not None:
        raise Refused(reason)
    async with transaction.turn():
        count = await driver.update_cases(transaction, prepared, parameters)
    if count != len(rows.states):
        raise Unwritten
    if missing:
        await look(transaction, mapping, rows, missing)
    return "UPDATE with a CASE a column"


def prepared_case_update(transaction: Transaction, mapping: TableMapping, keys: tuple[str, ...]) -> Prepared | None:
    """Return the UPDATE of one row whose values are replaced by a CASE each; ``None`` where that cannot be."""
    dialect = transaction.sync.dialect
    if len(mapping.primary_key) != 1:
        return None

    def make() -> Prepared:
        statement = update(mapping.table).where(*by_key(mapping))
        statement = statement.values({key: bindparam(key, type_=mapping.table.c[key].type) for key in keys})
        return Prepared(dialect, statement, keys)

    found = cached(dialect, mapping, ("update cases", keys), make)
    return None if found is None or found.constants else found


async def update_by_sqlalchemy(
    transaction: Transaction, mapping: TableMapping, rows: Updates, there: frozenset[Any] | None
) -> None:
    """Update rows on SQLAlchemy's own road.

    Raises:
        Unwritten: A row was not written.
        ObjectNotFound: A row is gone, where the database does not say how many were written.
    """
    # Of a table that SQLAlchemy knows, an UPDATE sets the columns with an onupdate too.
    keys = tuple(rows.column_values[0])
    missing = [each for each in made_by(mapping, keys) if there is None or each in there]
    target = mapping.table if there is None else bare(mapping.table)
    columns = [
        mapping.table.columns[key] if there is None else target.c[mapping.table.columns[key].name] for key in keys
    ]
    statement = (
        update(target)
        .where(*by_key(mapping, None if there is None else target))
        .values({each: bindparam(f"{VALUE}{key}", type_=each.type) for key, each in zip(keys, columns, strict=True)})
    )
    parameters = [
        key_values(state) | {f"{VALUE}{key}": value for key, value in column_values.items()}
        for state, column_values in zip(rows.states, rows.column_values, strict=True)
    ]
    result = await transaction.connection.execute(statement, parameters)
    if there is None and 0 <= result.rowcount < len(rows.states):
        raise Unwritten
    if missing or result.rowcount != len(rows.states):
        await look(transaction, mapping, rows, missing)


def bare(of: Table) -> TableClause:
    """Return a table that is known by its names alone."""
    return table(of.name, *(column(each.name, each.type) for each in of.columns), schema=of.schema)


async def look(transaction: Transaction, mapping: TableMapping, rows: Updates, made: list[Any]) -> None:
    """Read the values that the database has made, and make sure that no row was missing.

    Raises:
        ObjectNotFound: One was.
    """
    key = [mapping.table.columns[name] for name in mapping.primary_key]
    now = [  # the primary key that each has after its update
        tuple([column_values.get(name, value) for name, value in zip(mapping.primary_key, identity, strict=True)])
        for column_values, identity in zip(rows.column_values, rows.identities, strict=True)
    ]
    found = await rows_of_keys(reader_on(transaction), key, made, now)
    for state, column_values, where in zip(rows.states, rows.column_values, now, strict=True):
        if where not in found:
            raise gone(state)
        column_values.update((column.key, value) for column, value in zip(made, found[where], strict=True))
