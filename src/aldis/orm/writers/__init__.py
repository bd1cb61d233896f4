"""Ways to write many rows, one module each, and which of them serves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from . import generic, mariadb, postgresql, sqlite
from .conflicts import insert_unless_conflict
from .updates import update

if TYPE_CHECKING:
    from ..shape import Shape
    from ..transaction import Transaction

__all__ = ["insert_unless_conflict", "update", "write"]

LOG: Final = logging.getLogger("aldis.writers")
"""Says, at DEBUG, which writer serves each batch, and why not a faster one."""

FAST: Final = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mariadb, "mysql": mariadb}


async def write(transaction: Transaction, shape: Shape, rows: list[dict[str, Any]]) -> None:
    """Insert rows given by column key, and add to each what the database filled in: the fastest way that is right."""
    if not rows:
        return
    writer = FAST.get(transaction.sync.dialect.name)
    reason = "this database has none" if writer is None else writer.reason_against(transaction, shape, rows)
    if writer is not None and reason is None:
        if await writer.write(transaction, shape, rows):
            LOG.debug("%d rows of %s: written by %s", len(rows), shape.table, writer.__name__)
            return
        reason = "a trigger, or something else in the database, may have a say in the keys"
    LOG.debug("%d rows of %s: written on SQLAlchemy's own road, not a faster one: %s", len(rows), shape.table, reason)
    await generic.write(transaction.connection, shape, rows)
