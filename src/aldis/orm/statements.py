"""One UPDATE or DELETE of all rows of a queryset, with its signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, delete, select, tuple_, update

from .database import Using, session_on
from .firing import fire, telling
from .meta import meta_of, operation
from .shape import attribute, shape_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Result
    from sqlalchemy.ext.asyncio import AsyncConnection

    from .database import Using
    from .queryset import QuerySet

__all__ = ["conditions_of", "counted", "delete_rows", "update_rows"]


async def update_rows(queryset: QuerySet[Any], values: dict[str, Any], using: Using | None) -> int:
    """Update the rows of a queryset; return how many."""
    model = queryset.model
    shape = shape_of(model)
    shape.refuse_core("update()")
    for name in values:
        attribute(model, name)
        if name not in shape.keys:
            raise TypeError(f"{name!r} of {model.__name__} is no column: update() writes columns.")
    if not values:
        raise TypeError("update() was given nothing to write: name an attribute and its value.")
    written = shape.complete({shape.keys[name]: value for name, value in values.items()}, shape.onupdates)
    signals = meta_of(model).signals
    row_count: int | None = 0
    told = (queryset, None, values, written, True, False)
    async with operation(model, using) as transaction:
        with telling(signals, "update", model, queryset, None, values):
            skipped = await fire(signals, "pre_update", model, *told)
            if not skipped and written:
                shape.refuse_unknown(written.keys())
                new = {shape.table.columns[key]: value for key, value in written.items()}
                row_count = await execute(transaction.connection, queryset, update(model).values(new), [])
            await fire(signals, "post_update", model, *told, row_count, skipped)
    return row_count or 0


async def delete_rows(queryset: QuerySet[Any], using: Using | None) -> int:
    """Delete the rows of a queryset, or those that receivers leave of them; return how many."""
    model = queryset.model
    shape_of(model).refuse_core("delete()")
    signals = meta_of(model).signals
    injected: list[Any] = []
    row_count: int | None = 0
    async with operation(model, using) as transaction:
        with telling(signals, "delete", model, queryset, None, None):
            skipped = await fire(signals, "pre_delete", model, queryset, None, injected)
            if not skipped:
                conditions = conditions_of(model, injected)
                row_count = await execute(transaction.connection, queryset, delete(model), conditions)
            await fire(signals, "post_delete", model, queryset, None, row_count, skipped)
    return row_count or 0


def conditions_of(model: type[Any], filters: list[Any]) -> list[ColumnElement[bool]]:
    """Read what receivers added to ``injected_filters``."""
    conditions: list[ColumnElement[bool]] = []
    for each in filters:
        if isinstance(each, Mapping):
            conditions += [attribute(model, name) == value for name, value in each.items()]
        elif isinstance(each, ColumnElement):
            conditions.append(each)
        else:
            raise TypeError(f"{each!r} was injected as a filter: add a SQLAlchemy expression, or a dict of attributes.")
    return conditions


async def execute(
    connection: AsyncConnection, queryset: QuerySet[Any], statement: Any, conditions: list[ColumnElement[bool]]
) -> int | None:
    """Run a statement on the rows of the queryset that meet more conditions; return how many, if the database tells."""
    chosen = queryset.select
    if chosen._limit_clause is None and chosen._offset_clause is None and not chosen._setup_joins:
        where = [] if chosen.whereclause is None else [chosen.whereclause]
    else:
        # Behind a second SELECT, since MariaDB takes neither a LIMIT nor the updated table in an IN's own.
        key = list(shape_of(queryset.model).table.primary_key)
        keys = chosen.with_only_columns(*key).subquery()
        where = [tuple_(*key).in_(select(*keys.columns))]
    statement = statement.where(*where, *conditions)
    async with session_on(connection) as session:
        result = await session.execute(statement, execution_options={"synchronize_session": False})
    return counted(result)


def counted(result: Result[Any]) -> int | None:
    """Return how many rows a statement has written, if the database tells."""
    row_count: int = getattr(result, "rowcount", -1)
    return row_count if row_count >= 0 else None
