"""UPDATE of many rows, each with values of its own: one executemany for those that change the same columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, column, select, table, tuple_
from sqlalchemy import update as update_of

from ...errors import ObjectNotFound
from ..drivers.sqlite_aiosqlite import AiosqliteDriver
from ..prepared import by_key, key_values, prepared_update
from ..snapshot import renew
from ..sqlite import whole

if TYPE_CHECKING:
    from sqlalchemy import Table, TableClause
    from sqlalchemy.orm import InstanceState

    from ..shape import Shape
    from ..transaction import Transaction

__all__ = ["update"]

Change = tuple["InstanceState[Any]", dict[str, Any]]
"""A stored instance, and what is written of it, by column key."""

VALUE = "aldis_value_"
"""What the parameters with the new values are called: a key that is updated is a parameter twice."""


async def update(
    transaction: Transaction, shape: Shape, rows: Sequence[Change], there: frozenset[Any] | None = None
) -> None:
    """Update the rows, and give each instance, and what is told of it, what its row has now.

    Args:
        transaction: Where they are.
        shape: Their class.
        rows: The instances' states, and what is written.
        there: The columns that the table has, if the model is ahead of it, in the middle of its migrations.

    Raises:
        ObjectNotFound: A row is gone.
    """
    changes = [row for row in rows if row[1]]
    for _, run in groupby(changes, lambda row: tuple(row[1])):
        await update_alike(transaction, shape, list(run), there)
    for state, written in changes:
        renew(shape, state, written)


async def update_alike(
    transaction: Transaction, shape: Shape, rows: list[Change], there: frozenset[Any] | None
) -> None:
    """Update rows that change the same columns."""
    keys = tuple(rows[0][1])
    missing = [
        column for column in shape.made_on_update if column.key not in keys and (there is None or column in there)
    ]
    count = None if missing or there is not None else await update_prepared(transaction, shape, rows, keys)
    if count is None:
        count = await update_by_sqlalchemy(transaction, shape, rows, keys, there)
    if missing or count != len(rows):
        await look(transaction, shape, rows, missing)


async def update_prepared(
    transaction: Transaction, shape: Shape, rows: list[Change], keys: tuple[str, ...]
) -> int | None:
    """Update the rows on the driver; return how many there were, ``None`` where they take SQLAlchemy's own road."""
    driver = transaction.direct()
    if not isinstance(driver, AiosqliteDriver):
        return None
    prepared = prepared_update(transaction.sync.dialect, shape, keys)
    if prepared is None:
        return None
    parameters = [{**written, **key_values(state)} for state, written in rows]
    return await driver.update_many(transaction, prepared, await transaction.bound(prepared, parameters))


async def update_by_sqlalchemy(
    transaction: Transaction,
    shape: Shape,
    rows: list[Change],
    keys: tuple[str, ...],
    there: frozenset[Any] | None,
) -> int:
    """Update the rows on SQLAlchemy's own road; return how many the driver says there were."""
    # Of a table that SQLAlchemy knows, an UPDATE sets the columns with an onupdate too.
    target = shape.table if there is None else bare(shape.table)
    columns = [shape.table.columns[key] if there is None else target.c[shape.table.columns[key].name] for key in keys]
    statement = (
        update_of(target)
        .where(*by_key(shape, None if there is None else target))
        .values(
            {column: bindparam(f"{VALUE}{key}", type_=column.type) for key, column in zip(keys, columns, strict=True)}
        )
    )
    parameters = [
        key_values(state) | {f"{VALUE}{key}": value for key, value in written.items()} for state, written in rows
    ]
    result = await transaction.connection.execute(statement, parameters)
    return result.rowcount


def bare(of: Table) -> TableClause:
    """Return a table that is known by its names alone."""
    return table(of.name, *(column(each.name, each.type) for each in of.columns), schema=of.schema)


async def look(transaction: Transaction, shape: Shape, rows: list[Change], made: list[Any]) -> None:
    """Read what the database filled in, and make sure that no row was missing.

    Raises:
        ObjectNotFound: One was.
    """
    connection = transaction.connection
    key = [shape.table.columns[name] for name in shape.primary_key]
    found: dict[tuple[Any, ...], Any] = {}
    now = [new_key(shape, state, written) for state, written in rows]
    for first in range(0, len(now), 1000):
        condition = tuple_(*key).in_(now[first : first + 1000])
        result = await whole(connection, connection.execute(select(*key, *made).where(condition)))
        found.update((tuple(row[: len(key)]), row[len(key) :]) for row in result)
    for (state, written), where in zip(rows, now, strict=True):
        if where not in found:
            raise ObjectNotFound(f"{state.class_.__name__} {state.identity!r} cannot be updated: its row is gone.")
        written.update((column.key, value) for column, value in zip(made, found[where], strict=True))


def new_key(shape: Shape, state: InstanceState[Any], written: dict[str, Any]) -> tuple[Any, ...]:
    """Return the primary key that a row has after its update."""
    return tuple(written.get(name, value) for name, value in zip(shape.primary_key, state.identity or (), strict=True))
