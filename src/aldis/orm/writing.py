"""The direct road: INSERT, UPDATE or DELETE of one row, and what the instance shows of it afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from ..errors import ObjectNotFound
from .prepared import key_values, prepared_delete, prepared_insert, prepared_update
from .snapshot import detach, renew
from .sqlite import whole

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

    from .shape import Shape
    from .transaction import Transaction

__all__ = ["write_delete", "write_insert", "write_update"]


async def write_insert(
    transaction: Transaction, shape: Shape, state: InstanceState[Any], written: dict[str, Any]
) -> int:
    """Insert the row, and give ``written`` and the instance what the database filled in; return the row count."""
    driver = transaction.direct()
    prepared = None if driver is None else prepared_insert(transaction.sync.dialect, shape, tuple(written))
    if driver is None or prepared is None:
        await insert_by_sqlalchemy(transaction, shape, written)
    else:
        outcome = await transaction.run(driver, prepared, written)
        if prepared.returns:
            written.update(prepared.read(outcome.row))
        elif shape.rowid is not None and shape.rowid.key not in written:
            written[shape.rowid.key] = outcome.key
    detach(shape, state, written)
    return 1


async def insert_by_sqlalchemy(transaction: Transaction, shape: Shape, written: dict[str, Any]) -> None:
    """Insert the row on SQLAlchemy's own road."""
    connection = transaction.connection
    missing = [column for column in shape.made_on_insert if column.key not in written]
    fetches = any(column.key not in shape.primary_key for column in missing)
    statement = insert(shape.table).return_defaults(*missing) if fetches else insert(shape.table)
    executing = connection.execute(statement, written)
    result = await (whole(connection, executing) if fetches else executing)
    written.update(shape.own(result.last_inserted_params()))
    if result.returned_defaults is not None:
        written.update(shape.own(result.returned_defaults._mapping))
    written.update(zip(shape.primary_key, result.inserted_primary_key or (), strict=True))
    unknown = [column for column in missing if column.key not in written]
    if unknown:
        key = [shape.table.columns[name] == written[name] for name in shape.primary_key]
        written.update(await fetch(transaction, unknown, key))


async def write_update(
    transaction: Transaction, shape: Shape, state: InstanceState[Any], written: dict[str, Any]
) -> int:
    """Update the row, and give ``written`` and the instance what it has now; return the row count.

    Raises:
        ObjectNotFound: The row is gone.
    """
    if not written:
        return 0
    assert state.identity is not None
    driver = transaction.direct()
    prepared = None if driver is None else prepared_update(transaction.sync.dialect, shape, tuple(written))
    if driver is None or prepared is None:
        row_count = await update_by_sqlalchemy(transaction, shape, state, written)
    else:
        outcome = await transaction.run(driver, prepared, {**written, **key_values(state)})
        row_count = outcome.row_count
        if prepared.returns:
            row_count = int(outcome.row is not None)
            written.update(prepared.read(outcome.row or ()) if row_count else {})
    if row_count == 0:
        raise ObjectNotFound(
            f"{state.class_.__name__} {state.identity!r} cannot be updated: its row is gone. "
            "Use save(force_insert=True) to insert it again."
        )
    renew(shape, state, written)
    return row_count


async def update_by_sqlalchemy(
    transaction: Transaction, shape: Shape, state: InstanceState[Any], written: dict[str, Any]
) -> int:
    """Update the row on SQLAlchemy's own road; return the row count."""
    new = {shape.table.columns[key]: value for key, value in written.items()}
    statement = update(shape.table).where(*shape.key_conditions(state)).values(new)
    result = await transaction.connection.execute(statement)
    missing = [column for column in shape.made_on_update if column.key not in written]
    if missing and result.rowcount:
        identity = zip(shape.primary_key, state.identity or (), strict=True)
        key = [shape.table.columns[name] == written.get(name, value) for name, value in identity]
        written.update(await fetch(transaction, missing, key))
    return result.rowcount


async def fetch(transaction: Transaction, columns: list[Any], key: list[Any]) -> dict[str, Any]:
    """Read columns of the row of that key, which the database has filled in."""
    connection = transaction.connection
    row = (await whole(connection, connection.execute(select(*columns).where(*key)))).one()
    return {column.key: value for column, value in zip(columns, row, strict=True)}


async def write_delete(transaction: Transaction, shape: Shape, state: InstanceState[Any]) -> int:
    """Delete the row; return the row count."""
    assert state.identity is not None
    driver = transaction.direct()
    prepared = None if driver is None else prepared_delete(transaction.sync.dialect, shape)
    if driver is None or prepared is None:
        result = await transaction.connection.execute(delete(shape.table).where(*shape.key_conditions(state)))
        return result.rowcount
    return (await transaction.run(driver, prepared, key_values(state))).row_count
