"""``bulk_create``: insert rows, with their signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...progress import Progress
from .columns import saved_in_order
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
    bulk = Bulk(queryset, "bulk_create", batch_size, ignore_conflicts=ignore_conflicts, progress=progress)

    answer: list[Any] = []
    number = 0

    async def work(transaction: Transaction, batch: list[Any]) -> None:
        nonlocal number
        new = bulk.take_all(batch, number)
        number += len(batch)
        for each in new:
            await bulk.create(transaction, each)
        answer.extend(saved_in_order(new))

    await bulk.run(rows, using, work)
    return answer
