"""Which way writes many rows, and why not a faster one."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from . import upsert as upserting
from .core_sql import insert_unless_conflict
from .insert_many import insert_many
from .update_many import update_many

if TYPE_CHECKING:
    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction

__all__ = ["insert_many", "insert_unless_conflict", "update_many", "upsert"]

LOG: Final = logging.getLogger("aldis.writers")
"""Says, at DEBUG, which writer serves each batch, and why not a faster one."""


async def upsert(
    transaction: Transaction,
    mapping: TableMapping,
    unique: Sequence[str],
    given: Collection[str],
    rows: list[dict[str, Any]],
) -> list[dict[str, Any]] | None:
    """Insert rows, or update the columns ``given`` of those that are stored; return them all as they are now.

    Returns:
        The rows, by column key, in their order; ``None`` if nothing was written, and a look at what is stored has to go
        first.
    """
    reason = upserting.reason_against(transaction.sync.dialect, mapping, unique, given, rows[0])
    stored = await upserting.write(transaction, mapping, unique, given, rows) if reason is None else None
    if stored is None:
        LOG.debug("%d rows of %s: no upsert: %s", len(rows), mapping.table, reason or "a constraint is against it")
    else:
        LOG.debug("%d rows of %s: written by %s", len(rows), mapping.table, upserting.__name__)
    return stored
