"""Which way writes many rows, and why not a faster one."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..databases import aiosqlite as sqlite
from ..databases import asyncmy as mariadb
from ..databases import postgresql
from . import upsert as upserting
from .core_sql import insert_many, insert_unless_conflict, update_many

if TYPE_CHECKING:
    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction

__all__ = ["insert_unless_conflict", "update_many", "upsert", "write"]

LOG: Final = logging.getLogger("aldis.writers")
"""Says, at DEBUG, which writer serves each batch, and why not a faster one."""

FAST: Final = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mariadb, "mysql": mariadb}


async def write(transaction: Transaction, mapping: TableMapping, rows: list[dict[str, Any]], alike: bool) -> None:
    """Insert rows, and add to each what the database filled in: the fastest way that is right.

    Args:
        transaction: Where.
        mapping: Of what.
        rows: The rows, by column key.
        alike: They have the same columns.
    """
    if not rows:
        return
    writer = FAST.get(transaction.sync.dialect.name)
    if writer is None:
        reason: str | None = "this database has none"
    elif not alike:
        reason = "the rows have different columns"
    else:
        reason = writer.reason_against(transaction, mapping, rows)
    if writer is not None and reason is None:
        if await writer.write(transaction, mapping, rows):
            LOG.debug("%d rows of %s: written by %s", len(rows), mapping.table, writer.__name__)
            return
        reason = "a trigger, or something else in the database, may have a say in the keys"
    LOG.debug("%d rows of %s: written on SQLAlchemy's own road, not a faster one: %s", len(rows), mapping.table, reason)
    await insert_many(transaction.connection, mapping, rows)


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
