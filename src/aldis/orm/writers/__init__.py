"""Ways to write many rows, one module each, and which of them serves."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from . import generic, mariadb, postgresql, sqlite
from . import upsert as upserting
from .conflicts import insert_unless_conflict
from .updates import update

if TYPE_CHECKING:
    from ..shape import Shape
    from ..transaction import Transaction

__all__ = ["insert_unless_conflict", "update", "upsert", "write"]

LOG: Final = logging.getLogger("aldis.writers")
"""Says, at DEBUG, which writer serves each batch, and why not a faster one."""

FAST: Final = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mariadb, "mysql": mariadb}


async def write(transaction: Transaction, shape: Shape, rows: list[dict[str, Any]], alike: bool) -> None:
    """Insert rows, and add to each what the database filled in: the fastest way that is right.

    Args:
        transaction: Where.
        shape: Of what.
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
        reason = writer.reason_against(transaction, shape, rows)
    if writer is not None and reason is None:
        if await writer.write(transaction, shape, rows):
            LOG.debug("%d rows of %s: written by %s", len(rows), shape.table, writer.__name__)
            return
        reason = "a trigger, or something else in the database, may have a say in the keys"
    LOG.debug("%d rows of %s: written on SQLAlchemy's own road, not a faster one: %s", len(rows), shape.table, reason)
    await generic.write(transaction.connection, shape, rows)


async def upsert(
    transaction: Transaction, shape: Shape, unique: Sequence[str], given: Collection[str], rows: list[dict[str, Any]]
) -> list[dict[str, Any]] | None:
    """Insert rows, or update the columns ``given`` of those that are stored; return them all as they are now.

    Returns:
        The rows, by column key, in their order; ``None`` if nothing was written, and a look at what is stored has to go
        first.
    """
    reason = upserting.reason_against(transaction.sync.dialect, shape, unique, given, rows[0])
    stored = await upserting.write(transaction, shape, unique, given, rows) if reason is None else None
    if stored is None:
        LOG.debug("%d rows of %s: no upsert: %s", len(rows), shape.table, reason or "a constraint is against it")
    else:
        LOG.debug("%d rows of %s: written by %s", len(rows), shape.table, upserting.__name__)
    return stored
