"""SQLAlchemy Core statements: INSERT, UPDATE and DELETE of one row or many."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, column, delete, insert, select, table, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from ...errors import ConfigurationError, ObjectNotFound
from ..databases.aiosqlite import AiosqliteDriver
from ..databases.sqlite import whole
from ..mapping.instance_state import detach, renew
from .prepared import by_key, key_values, prepared_delete, prepared_insert, prepared_update

if TYPE_CHECKING:
    from sqlalchemy import Insert, Table, TableClause
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.orm import InstanceState

    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction

__all__ = ["delete_one", "insert_many", "insert_one", "insert_unless_conflict", "update_many", "update_one"]


async def insert_one(
    transaction: Transaction, mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any]
) -> int:
    """Insert the row, and give ``column_values`` and the instance what the database filled in; return the row count."""
    driver = transaction.direct()
    prepared = None if driver is None else prepared_insert(transaction.sync.dialect, mapping, tuple(column_values))
    if driver is None or prepared is None:
        await insert_by_sqlalchemy(transaction, mapping, column_values)
    else:
        outcome = await transaction.run(driver, prepared, column_values)
        if prepared.returns:
            column_values.update(prepared.read(outcome.row))
        elif mapping.rowid is not None and mapping.rowid.key not in column_values:
            column_values[mapping.rowid.key] = outcome.key
    detach(mapping, state, column_values)
    return 1


async def insert_by_sqlalchemy(transaction: Transaction, mapping: TableMapping, column_values: dict[str, Any]) -> None:
    """Insert the row on SQLAlchemy's own road."""
    connection = transaction.connection
    missing = [column for column in mapping.made_on_insert if column.key not in column_values]
    fetches = any(column.key not in mapping.primary_key for column in missing)
    statement = insert(mapping.table).return_defaults(*missing) if fetches else insert(mapping.table)
    executing = connection.execute(statement, column_values)
    result = await (whole(connection, executing) if fetches else executing)
    column_values.update(mapping.own(result.last_inserted_params()))
    if result.returned_defaults is not None:
        column_values.update(mapping.own(result.returned_defaults._mapping))
    column_values.update(zip(mapping.primary_key, result.inserted_primary_key or (), strict=True))
    unknown = [column for column in missing if column.key not in column_values]
    if unknown:
        key = [mapping.table.columns[name] == column_values[name] for name in mapping.primary_key]
        column_values.update(await fetch(transaction, unknown, key))


async def update_one(
    transaction: Transaction, mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any]
) -> int:
    """Update the row, and give ``column_values`` and the instance what it has now; return the row count.

    Raises:
        ObjectNotFound: The row is gone.
    """
    if not column_values:
        return 0
    assert state.identity is not None
    driver = transaction.direct()
    prepared = None if driver is None else prepared_update(transaction.sync.dialect, mapping, tuple(column_values))
    if driver is None or prepared is None:
        row_count = await update_by_sqlalchemy(transaction, mapping, state, column_values)
    else:
        outcome = await transaction.run(driver, prepared, {**column_values, **key_values(state)})
        row_count = outcome.row_count
        if prepared.returns:
            row_count = int(outcome.row is not None)
            column_values.update(prepared.read(outcome.row or ()) if row_count else {})
    if row_count == 0:
        raise ObjectNotFound(
            f"{state.class_.__name__} {state.identity!r} cannot be updated: its row is gone. "
            "Use save(force_insert=True) to insert it again."
        )
    renew(mapping, state, column_values)
    return row_count


async def update_by_sqlalchemy(
    transaction: Transaction, mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any]
) -> int:
    """Update the row on SQLAlchemy's own road; return the row count."""
    new = {mapping.table.columns[key]: value for key, value in column_values.items()}
    statement = update(mapping.table).where(*mapping.key_conditions(state)).values(new)
    result = await transaction.connection.execute(statement)
    missing = [column for column in mapping.made_on_update if column.key not in column_values]
    if missing and result.rowcount:
        identity = zip(mapping.primary_key, state.identity or (), strict=True)
        key = [mapping.table.columns[name] == column_values.get(name, value) for name, value in identity]
        column_values.update(await fetch(transaction, missing, key))
    return result.rowcount


async def fetch(transaction: Transaction, columns: list[Any], key: list[Any]) -> dict[str, Any]:
    """Read columns of the row of that key, which the database has filled in."""
    connection = transaction.connection
    row = (await whole(connection, connection.execute(select(*columns).where(*key)))).one()
    return {column.key: value for column, value in zip(columns, row, strict=True)}


async def delete_one(transaction: Transaction, mapping: TableMapping, state: InstanceState[Any]) -> int:
    """Delete the row; return the row count."""
    assert state.identity is not None
    driver = transaction.direct()
    prepared = None if driver is None else prepared_delete(transaction.sync.dialect, mapping)
    if driver is None or prepared is None:
        result = await transaction.connection.execute(delete(mapping.table).where(*mapping.key_conditions(state)))
        return result.rowcount
    return (await transaction.run(driver, prepared, key_values(state))).row_count


async def insert_unless_conflict(
    transaction: Transaction, mapping: TableMapping, column_values: dict[str, Any]
) -> bool:
    """Insert a row given by column key, and add to it what the database filled in; tell whether it was inserted.

    Raises:
        ConfigurationError: The database has no such INSERT.
    """
    columns = [mapping.table.columns[key] for key in mapping.attributes if key in mapping.table.columns]
    statement = passing_over(transaction.sync.dialect.name, mapping).returning(*columns)
    connection = transaction.connection
    row = (await whole(connection, connection.execute(statement, column_values))).first()
    if row is None:
        return False
    column_values.update((column.key, value) for column, value in zip(columns, row, strict=True))
    return True


def passing_over(dialect: str, mapping: TableMapping) -> Insert:
    """Return an INSERT that passes over rows that conflict."""
    if dialect == "sqlite":
        return sqlite.insert(mapping.table).on_conflict_do_nothing()
    if dialect == "postgresql":
        return postgresql.insert(mapping.table).on_conflict_do_nothing()
    if dialect in {"mysql", "mariadb"}:
        return insert(mapping.table).prefix_with("IGNORE")
    raise ConfigurationError(f"{dialect} has no INSERT that ignores conflicts: use bulk_get_or_create().")


Change = tuple["InstanceState[Any]", dict[str, Any]]
"""A stored instance, and what is written of it, by column key."""

VALUE = "aldis_value_"
"""What the parameters with the new values are called: a key that is updated is a parameter twice."""


async def update_many(
    transaction: Transaction, mapping: TableMapping, rows: Sequence[Change], there: frozenset[Any] | None = None
) -> None:
    """Update the rows, and give each instance, and what is told of it, what its row has now.

    Args:
        transaction: Where they are.
        mapping: Their class.
        rows: The instances' states, and what is written.
        there: The columns that the table has, if the model is ahead of it, in the middle of its migrations.

    Raises:
        ObjectNotFound: A row is gone.
    """
    changes = [row for row in rows if row[1]]
    for _, run in groupby(changes, lambda row: tuple(row[1])):
        await update_alike(transaction, mapping, list(run), there)
    for state, column_values in changes:
        renew(mapping, state, column_values)


async def update_alike(
    transaction: Transaction, mapping: TableMapping, rows: list[Change], there: frozenset[Any] | None
) -> None:
    """Update rows that change the same columns."""
    keys = tuple(rows[0][1])
    missing = [
        column for column in mapping.made_on_update if column.key not in keys and (there is None or column in there)
    ]
    count = None if missing or there is not None else await update_prepared(transaction, mapping, rows, keys)
    if count is None:
        count = await update_many_by_sqlalchemy(transaction, mapping, rows, keys, there)
    if missing or count != len(rows):
        await look(transaction, mapping, rows, missing)


async def update_prepared(
    transaction: Transaction, mapping: TableMapping, rows: list[Change], keys: tuple[str, ...]
) -> int | None:
    """Update the rows on the driver; return how many there were, ``None`` where they take SQLAlchemy's own road."""
    driver = transaction.direct()
    if not isinstance(driver, AiosqliteDriver):
        return None
    prepared = prepared_update(transaction.sync.dialect, mapping, keys)
    if prepared is None:
        return None
    parameters = [{**column_values, **key_values(state)} for state, column_values in rows]
    return await driver.update_many(transaction, prepared, await transaction.bound(prepared, parameters))


async def update_many_by_sqlalchemy(
    transaction: Transaction,
    mapping: TableMapping,
    rows: list[Change],
    keys: tuple[str, ...],
    there: frozenset[Any] | None,
) -> int:
    """Update the rows on SQLAlchemy's own road; return how many the driver says there were."""
    # Of a table that SQLAlchemy knows, an UPDATE sets the columns with an onupdate too.
    target = mapping.table if there is None else bare(mapping.table)
    columns = [
        mapping.table.columns[key] if there is None else target.c[mapping.table.columns[key].name] for key in keys
    ]
    statement = (
        update(target)
        .where(*by_key(mapping, None if there is None else target))
        .values(
            {column: bindparam(f"{VALUE}{key}", type_=column.type) for key, column in zip(keys, columns, strict=True)}
        )
    )
    parameters = [
        key_values(state) | {f"{VALUE}{key}": value for key, value in column_values.items()}
        for state, column_values in rows
    ]
    result = await transaction.connection.execute(statement, parameters)
    return result.rowcount


def bare(of: Table) -> TableClause:
    """Return a table that is known by its names alone."""
    return table(of.name, *(column(each.name, each.type) for each in of.columns), schema=of.schema)


async def look(transaction: Transaction, mapping: TableMapping, rows: list[Change], made: list[Any]) -> None:
    """Read what the database filled in, and make sure that no row was missing.

    Raises:
        ObjectNotFound: One was.
    """
    connection = transaction.connection
    key = [mapping.table.columns[name] for name in mapping.primary_key]
    found: dict[tuple[Any, ...], Any] = {}
    now = [new_key(mapping, state, column_values) for state, column_values in rows]
    for first in range(0, len(now), 1000):
        condition = tuple_(*key).in_(now[first : first + 1000])
        result = await whole(connection, connection.execute(select(*key, *made).where(condition)))
        found.update((tuple(row[: len(key)]), row[len(key) :]) for row in result)
    for (state, column_values), where in zip(rows, now, strict=True):
        if where not in found:
            raise ObjectNotFound(f"{state.class_.__name__} {state.identity!r} cannot be updated: its row is gone.")
        column_values.update((column.key, value) for column, value in zip(made, found[where], strict=True))


def new_key(mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any]) -> tuple[Any, ...]:
    """Return the primary key that a row has after its update."""
    return tuple(
        column_values.get(name, value) for name, value in zip(mapping.primary_key, state.identity or (), strict=True)
    )


async def insert_many(connection: AsyncConnection, mapping: TableMapping, rows: list[dict[str, Any]]) -> None:
    """Insert rows; runs of rows with the same columns go together, and what the database fills in comes back."""
    for keys, run in groupby(rows, frozenset):
        batch = list(run)
        missing = [column for column in mapping.made_on_insert if column.key not in keys]
        if not missing:
            await connection.execute(insert(mapping.table), batch)
            continue
        statement = insert(mapping.table).returning(*missing, sort_by_parameter_order=True)
        result = await whole(connection, connection.execute(statement, batch))
        for row, returned in zip(batch, result, strict=True):
            row.update((column.key, value) for column, value in zip(missing, returned, strict=True))
