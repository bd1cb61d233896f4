"""One DELETE of all rows of a queryset, with its signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, delete

from ...context import current
from ...dispatch.row_receivers import LISTENED_TO
from ..database import Using
from ..mapping.table import attribute, mapping_of
from ..meta import meta_of
from .firing import fire, telling
from .firing_rows import fire_statement
from .queryset_rows import QuerysetRows, classes_to_tell
from .strictness import is_strict, refuse_untold
from .update import execute

if TYPE_CHECKING:
    from ..database import Using
    from ..queryset import QuerySet
    from ..transactions.savepoints import Transaction

__all__ = ["conditions_of", "delete_rows"]


async def delete_rows(queryset: QuerySet[Any], using: Using | None) -> int:
    """Delete the rows of a queryset, or those that receivers leave of them; return how many."""
    model = queryset.model
    mapping_of(model).refuse_core("delete()")
    signals = meta_of(model).signals
    injected: list[Any] = []
    row_count: int | None = 0
    async with meta_of(model).operation(using) as transaction:
        call = f"{model.__name__}.query.delete()"
        if is_strict():
            refuse_untold(model, "DELETE", call, transaction.sync.engine)
        classes = classes_to_tell(queryset, "delete", call, {}) if LISTENED_TO else ()
        if classes:
            return await delete_told_rows(transaction, queryset, classes, call)
        with telling(signals, "delete", model, queryset, None, None):
            skipped = await fire(signals, "pre_delete", model, queryset, None, injected)
            if not skipped:
                conditions = conditions_of(model, injected)
                row_count = await execute(transaction.connection, queryset, delete(model), conditions)
            await fire(signals, "post_delete", model, queryset, None, row_count, skipped)
    return row_count or 0


async def delete_told_rows(
    transaction: Transaction, queryset: QuerySet[Any], classes: Sequence[type[Any]], call: str
) -> int:
    """Delete the rows of a queryset of which receivers hear each one; return how many."""
    model, injected = queryset.model, list[Any]()
    signals = meta_of(model).signals
    row_count: int | None = 0
    with current(queryset, None, None):
        skipped = await fire_statement(signals, "pre_delete", model, queryset, None, injected)
        if not skipped:
            conditions = conditions_of(model, injected)
            row_count = await QuerysetRows(transaction, queryset, "delete", classes, call, conditions).run()
        await fire_statement(signals, "post_delete", model, queryset, None, row_count, skipped)
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
