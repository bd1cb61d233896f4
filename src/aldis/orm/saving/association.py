"""Rows of a secondary table that a class is mapped to: instances of that class, with its save and delete signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, delete, select, tuple_
from sqlalchemy.orm.attributes import instance_state

from ..database import session_on
from ..databases.sqlite import whole
from ..mapping.table import is_listened, mapping_of
from ..meta import meta_of
from ..transactions.ambient import savepoint_of
from ..transactions.rollback import RollbackScope
from .firing import are_heard, fire, telling
from .operation import Bulk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..queryset import QuerySet
    from ..transactions.savepoints import Transaction

__all__ = ["delete_instances", "insert_instances", "instance_of", "is_row_heard"]


def is_row_heard(model: type[Any], kind: str) -> bool:
    """Tell whether anybody listens to the rows of a class; ``kind`` is ``"save"`` or ``"delete"``."""
    return is_listened(model) and are_heard(meta_of(model).signals, kind, model)


def instance_of(model: type[Any], row: dict[str, Any]) -> Any:
    """Return a new instance of a row that is given by column key."""
    mapping = mapping_of(model)
    instance = mapping.mapper.class_manager.new_instance()
    for name, value in mapping.by_attribute(row).items():
        setattr(instance, name, value)
    return instance


async def insert_instances(
    transaction: Transaction, queryset: QuerySet[Any], rows: list[dict[str, Any]], ignore_conflicts: bool
) -> tuple[list[int], set[int]]:
    """Insert rows as instances of a queryset's class, with its save signals.

    Returns:
        How many rows each has become, 0 or 1, and the places of those that a receiver has skipped.
    """
    bulk = Bulk(queryset, "add", len(rows), ignore_conflicts=ignore_conflicts)
    async with savepoint_of(transaction, RollbackScope(changes=bulk)):
        (batch,) = bulk.take_all([instance_of(queryset.model, row) for row in rows], 0)
        await bulk.create(transaction, batch)
    return list(map(int, batch.counts)), batch.skipped


async def delete_instances(
    transaction: Transaction, model: type[Any], where: ColumnElement[bool], names: Sequence[str]
) -> tuple[list[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """Delete rows as instances of a class, with its delete signals; by one statement.

    Args:
        transaction: Where.
        model: The class.
        where: Which rows.
        names: The columns, by key, whose values are returned.

    Returns:
        The values of the rows that are deleted, and of those that a receiver has skipped.
    """
    mapping, signals, connection = mapping_of(model), meta_of(model).signals, transaction.connection
    async with session_on(connection) as session:
        found = list((await whole(connection, session.scalars(select(model).where(where)))).unique().all())
        session.expunge_all()
    skipped = []
    for each in found:
        with telling(signals, "delete", model, each, each, None):
            skipped.append(await fire(signals, "pre_delete", model, each, each, None))
    keys = [instance_state(each).identity for each, is_skipped in zip(found, skipped, strict=True) if not is_skipped]
    if keys:
        columns = mapping.mapper.primary_key
        among = columns[0].in_([key[0] for key in keys if key]) if len(columns) == 1 else tuple_(*columns).in_(keys)
        await connection.execute(delete(mapping.table).where(where, among))
    for each, is_skipped in zip(found, skipped, strict=True):
        with telling(signals, "delete", model, each, each, None):
            await fire(signals, "post_delete", model, each, each, 0 if is_skipped else 1, is_skipped)
    values = [tuple(getattr(each, mapping.attributes[name]) for name in names) for each in found]
    pairs = list(zip(values, skipped, strict=True))
    return [key for key, is_skipped in pairs if not is_skipped], {key for key, is_skipped in pairs if is_skipped}
