"""``bulk_create``: insert rows, with their signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.attributes import instance_state

from ...progress import Progress
from ..meta import meta_of
from .columns import saved_in_order
from .firing import are_heard
from .instance import save
from .operation import Bulk
from .raw_values import Rows

if TYPE_CHECKING:
    from ..database import Using
    from ..queryset import QuerySet
    from ..transactions.savepoints import Transaction

__all__ = ["bulk_create"]


async def bulk_create(
    queryset: QuerySet[Any],
    rows: Rows,
    batch_size: int,
    ignore_conflicts: bool,
    progress: Progress,
    using: Using | None,
) -> list[Any]:
    """Insert rows; return the instances that were."""
    if type(rows) is list and len(rows) == 1 and batch_size > 0 and not ignore_conflicts and not progress:
        instance = rows[0]
        if isinstance(instance, queryset.model) and is_like_save(queryset, instance):
            saved = await save(queryset, instance, {}, using, is_new=True, note="aldis: at row 1 of bulk_create")
            return [] if saved is None else [saved]
    bulk = Bulk(queryset, "bulk_create", batch_size, ignore_conflicts=ignore_conflicts, progress=progress)

    answer: list[Any] = []
    number = 0

    async def work(transaction: Transaction, batch: list[Any]) -> None:
        nonlocal number
        new = bulk.take_all(batch, number)
        number += len(batch)
        for each in new:
            try:
                await bulk.create(transaction, each)
            except IntegrityError as error:
                each.refuse_stored(error)
                raise
        answer.extend(saved_in_order(new))

    await bulk.run(rows, using, work)
    return answer


def is_like_save(queryset: QuerySet[Any], instance: object) -> bool:
    """Tell whether the creation of one instance is its ``save()``: it is new, and nobody hears the bulk signals."""
    state = instance_state(instance)
    if state.key is not None or state.session_id is not None:
        return False
    return not are_heard(meta_of(queryset.model).signals, "bulk", queryset.model)
