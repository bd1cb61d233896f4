"""SQLAlchemy Core statements: INSERT, UPDATE and DELETE of one row or many."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ...errors import ConfigurationError, RowMismatchError
from ..databases import MYSQL
from ..databases.outcome import is_conflict
from ..databases.sqlite import whole
from ..mapping.instance_state import renew, settle_modified
from .attempts import Attempt
from .gone import dropped, gone, no_longer_stored
from .prepared import Prepared, key_values, prepared_delete, prepared_insert, prepared_update

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.orm import InstanceState

    from ..databases import Outcome
    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction
    from .prepared import Processor

__all__ = [
    "delete_one",
    "insert_row",
    "insert_unless_conflict",
    "take_outcome",
    "take_row",
    "update_one",
    "update_row",
]


async def insert_row(transaction: Transaction, mapping: TableMapping, column_values: dict[str, Any]) -> None:
    """Insert a row, and add to it the values that the database made.

    Raises:
        RowMismatchError: The database did not store it, or did not say which key it has.
    """
    prepared = prepared_insert(transaction.sync.dialect, mapping, tuple(column_values))
    outcome = None if prepared is None else await transaction.run(prepared, column_values)
    if prepared is None or outcome is None:
        await insert_by_sqlalchemy(transaction, mapping, column_values)
    else:
        take_outcome(mapping, prepared, column_values, outcome)


def take_outcome(mapping: TableMapping, prepared: Prepared, column_values: dict[str, Any], outcome: Outcome) -> None:
    """Add to a row the values that came back of its INSERT.

    Raises:
        RowMismatchError: The database did not store it, or did not say which key it has.
    """
    if prepared.returns:
        if outcome.row is None:
            raise dropped(mapping)
        take_row(prepared.returns, column_values, outcome.row)
        if None in map(column_values.get, mapping.primary_key):
            raise keyless(mapping, column_values)
    elif outcome.row_count == 0:
        raise dropped(mapping)


def take_row(
    returns: Sequence[tuple[str, Processor | None]], column_values: dict[str, Any], row: Sequence[Any]
) -> None:
    """Add the values that came back to those of a row, by column key."""
    for (key, process), value in zip(returns, row, strict=True):
        column_values[key] = value if process is None else process(value)


def keyless(mapping: TableMapping, column_values: Mapping[str, Any]) -> RowMismatchError:
    """Return the error of a row that was stored without a key."""
    missing = next(key for key in mapping.primary_key if column_values.get(key) is None)
    return RowMismatchError(
        f"{mapping.table} gave a row no {missing}: in the database that column is not one that "
        "gets its values by itself. Give the key, or change the column's type (of SQLite: to INTEGER PRIMARY KEY)."
    )


async def insert_by_sqlalchemy(transaction: Transaction, mapping: TableMapping, column_values: dict[str, Any]) -> None:
    """Insert the row on SQLAlchemy's own road.

    Raises:
        RowMismatchError: The database did not store it, or did not say which key it has.
    """
    connection = transaction.connection
    missing = [column for column in mapping.made_on_insert if column.key not in column_values]
    if missing and connection.dialect.insert_returning:
        returning = insert(mapping.table).returning(*missing)

        def run(sync: Connection) -> tuple[Any, Any]:
            # In one go: AsyncConnection.execute() cannot close the cursor of a migration's plain driver.
            result = sync.execute(returning, column_values)
            return result.last_inserted_params(), result.first()

        parameters, row = await whole(connection, connection.run_sync(run))
        column_values.update(mapping.own(parameters))
        if row is None:
            raise dropped(mapping)
        column_values.update((column.key, value) for column, value in zip(missing, row, strict=True))
        if None in map(column_values.get, mapping.primary_key):
            raise keyless(mapping, column_values)
        return
    result = await connection.execute(insert(mapping.table), column_values)
    if result.rowcount == 0:
        raise dropped(mapping)
    column_values.update(mapping.own(result.last_inserted_params()))
    key_columns = mapping.table.primary_key.columns.keys()
    column_values.update(mapping.own(dict(zip(key_columns, result.inserted_primary_key or (), strict=True))))
    unknown = [column for column in missing if column.key not in column_values]
    if unknown:
        key = [mapping.table.columns[name] == column_values[name] for name in mapping.primary_key]
        column_values.update(await fetch(transaction, unknown, key))


async def update_one(
    transaction: Transaction, mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any]
) -> int:
    """Update the row, and give ``column_values`` and the instance its values as they are now; return the row count.

    Raises:
        ObjectNotFound: The row is gone.
    """
    if not column_values:
        settle_modified(mapping, state)
        return 0
    row_count = await update_row(transaction, mapping, state, column_values)
    if row_count == 0:
        raise gone(state)
    renew(mapping, state, column_values)
    return row_count


async def update_row(
    transaction: Transaction, mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any]
) -> int:
    """Update the row, and give ``column_values`` the values that the database made; return the row count."""
    if state.key is None:
        raise no_longer_stored(state)
    prepared = prepared_update(transaction.sync.dialect, mapping, tuple(column_values))
    outcome = None if prepared is None else await transaction.run(prepared, column_values | key_values(state))
    if prepared is None or outcome is None:
        return await update_by_sqlalchemy(transaction, mapping, state, column_values)
    if not prepared.returns:
        return outcome.row_count
    if outcome.row is None:
        return 0
    take_row(prepared.returns, column_values, outcome.row)
    return 1


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
    if state.key is None:
        raise no_longer_stored(state)
    prepared = prepared_delete(transaction.sync.dialect, mapping)
    outcome = None if prepared is None else await transaction.run(prepared, key_values(state))
    if outcome is None:
        result = await transaction.connection.execute(delete(mapping.table).where(*mapping.key_conditions(state)))
        return result.rowcount
    return outcome.row_count


async def insert_unless_conflict(
    transaction: Transaction, mapping: TableMapping, column_values: dict[str, Any]
) -> bool:
    """Insert a row given by column key, and add to it the values that the database made; tell whether it was inserted.

    Raises:
        ConfigurationError: The database has no such INSERT.
    """
    dialect = transaction.sync.dialect.name
    if dialect in MYSQL:  # whose INSERT IGNORE passes over other mistakes, too
        async with Attempt(transaction) as attempt:
            try:
                await insert_row(transaction, mapping, column_values)
            except IntegrityError as error:
                if not is_conflict(error):
                    raise
                await attempt.undo()
                return False
        return True
    if dialect not in {"sqlite", "postgresql"}:
        raise ConfigurationError(f"{dialect} has no INSERT that ignores conflicts: use bulk_get_or_create().")
    missing = [column for column in mapping.made_on_insert if column.key not in column_values]
    returns = missing or mapping.mapper.primary_key
    # Imported here, as it brings the modules of all drivers of that database.
    statement = import_module(f"sqlalchemy.dialects.{dialect}").insert(mapping.table).on_conflict_do_nothing()
    connection = transaction.connection
    row = (await whole(connection, connection.execute(statement.returning(*returns), column_values))).first()
    if row is None:
        return False
    if missing:
        column_values.update((column.key, value) for column, value in zip(missing, row, strict=True))
        if None in map(column_values.get, mapping.primary_key):
            raise keyless(mapping, column_values)
    return True
