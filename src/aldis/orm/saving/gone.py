"""The errors of an instance whose row is gone, or was dropped by the database, or is stored no longer, or already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import select
from sqlalchemy.orm.exc import FlushError, StaleDataError

from ...errors import AlreadyStoredError, ObjectNotFound, RowMismatchError, TransactionEndedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import InstanceState

    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction

__all__ = [
    "RowDroppedError",
    "RowGoneError",
    "dropped",
    "first_gone",
    "gone",
    "no_longer_stored",
    "refuse_second",
]


class RowGoneError(ObjectNotFound, StaleDataError):
    """The row of an instance that was to be updated is not there.

    It is a ``StaleDataError`` too, which SQLAlchemy's users catch.
    """


class RowDroppedError(RowMismatchError, FlushError):
    """The database has not stored a new row, and told of no error.

    It is a ``FlushError`` too, which SQLAlchemy raises where it counts the rows.
    """


def dropped(mapping: TableMapping) -> RowDroppedError:
    """Return the error of a row that was not stored."""
    return RowDroppedError(
        f"{mapping.table} stored no row, and told of no error: a trigger, a rule or an ON CONFLICT clause of the "
        "table passed over it."
    )


def gone(state: InstanceState[Any]) -> RowGoneError:
    """Return the error of an instance whose row is gone."""
    return RowGoneError(
        f"{state.class_.__name__} {state.identity!r} cannot be updated: its row is gone. "
        "Use save(force_insert=True) to insert it again."
    )


def no_longer_stored(state: InstanceState[Any]) -> TransactionEndedError:
    """Return the error of an instance that was stored when the call was made, and is not when it writes."""
    return TransactionEndedError(
        f"a {state.class_.__name__} is no longer stored: it was deleted, or the transaction in which it was saved was "
        "rolled back, while this call waited. Nothing is written."
    )


def refuse_second(instance: object, error: Exception | None = None) -> NoReturn:
    """Refuse a row of an instance that another task has inserted meanwhile, in a transaction of its own.

    Args:
        instance: The instance.
        error: The error of this task's row, whose unique key is taken.

    Raises:
        AlreadyStoredError: Always; the row is undone.
    """
    raise AlreadyStoredError(
        f"{instance!r} is stored already: another task has saved it since this call was made."
    ) from error


async def first_gone(
    transaction: Transaction, mapping: TableMapping, states: Iterable[InstanceState[Any]]
) -> InstanceState[Any] | None:
    """Return the first of the instances whose row is gone; ``None`` where a version counter has moved on instead."""
    key = list(mapping.mapper.primary_key)
    for state in states:
        row = (await transaction.connection.execute(select(*key).where(*mapping.key_conditions(state)))).first()
        if row is None:
            return state
    return None
