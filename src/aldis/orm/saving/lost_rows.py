"""Rows of a statement that the database does not find again by their keys: no receiver may miss them silently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Double, Float, select

from ...errors import RowMismatchError
from ..databases import MYSQL
from .row_refusals import refuse

if TYPE_CHECKING:
    from sqlalchemy import Select

    from .row_batches import Key, RowBatches, Rows

__all__ = ["keys_of", "refuse_float", "refuse_lost", "refuse_null", "refuse_unwritten", "shown"]


def refuse_float(batches: RowBatches) -> None:
    """Refuse a key of MariaDB's or MySQL's FLOAT: these find no row by ``= 0.1``.

    Raises:
        RefusedError: The key has one.
    """
    if batches.dialect.name in MYSQL:
        for column in batches.columns[: batches.width]:
            if isinstance(column.type, Float) and not isinstance(column.type, Double):
                reason = f"finds its rows by {column}, a FLOAT, which no value of MariaDB's is equal to (a Double is)"
                refuse(batches.call, batches.kind, batches.mappings, reason)


def refuse_null(batches: RowBatches, keys: Iterable[Key]) -> None:
    """Refuse a key that is NULL in part: nothing is equal to it.

    Raises:
        RefusedError: One of the keys is.
    """
    found = next((key for key in keys if None in key), None)
    if found is not None:
        reason = f"is about a row whose key is NULL in part ({shown(batches, found)})"
        refuse(batches.call, batches.kind, batches.mappings, reason)


async def refuse_unwritten(batches: RowBatches, keys: Sequence[Key], count: int | None, rows: Rows | None) -> None:
    """Refuse rows that the statement has not written since it did not find them by their keys.

    Those that a trigger has passed over are found by their keys, and are told of as not written.

    Args:
        batches: The statement.
        keys: The keys whose rows it was to write.
        count: How many it has written, if the database says.
        rows: Those, if it returned them.

    Raises:
        RowMismatchError: There are such rows.
    """
    if rows is not None:
        count = len(rows)
    if count is None or count >= len(keys):
        return
    missing = set(keys)
    missing.difference_update(keys_of(batches, rows or ()))
    if missing:
        missing.difference_update(keys_of(batches, await batches.read_of_keys([*missing])))
    await refuse_lost(batches, missing)


async def refuse_lost(batches: RowBatches, missing: set[Key]) -> None:
    """Refuse rows that are still there, though they are not found by their keys.

    Args:
        batches: The statement.
        missing: The keys by which no rows were found; the rows may be gone, too.

    Raises:
        RowMismatchError: There are such rows.
    """
    if not missing:
        return
    keys = cast("Select[Any]", select(*batches.key))
    there = await batches.read(batches.of_statement(keys), batches.columns[: batches.width], {})
    lost = missing.intersection(keys_of(batches, there))
    if lost:
        raise RowMismatchError(
            f"{batches.call}: the database finds {len(lost)} of its rows by the conditions, and not by their keys "
            f"({shown(batches, next(iter(lost)))}): the value that it returned is not equal to the one that it "
            "stores. Receivers with rows=True cannot be told of such rows. Change the type of the column, or run the "
            "statement in aldis.signals_disabled()."
        )


def keys_of(batches: RowBatches, rows: Rows) -> Iterable[Key]:
    """Return the keys of some rows."""
    return (tuple(row[: batches.width]) for row in rows)


def shown(batches: RowBatches, key: Key) -> str:
    """Return a key for a message."""
    names = (batches.mapping.attributes[each] for each in batches.mapping.primary_key)
    return ", ".join(f"{name}={value!r}" for name, value in zip(names, key, strict=True))
