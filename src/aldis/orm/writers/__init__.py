"""Ways to write many rows, one module each, and which of them serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import generic, sqlite
from .conflicts import insert_unless_conflict
from .updates import update

if TYPE_CHECKING:
    from ..shape import Shape
    from ..transaction import Transaction

__all__ = ["insert_unless_conflict", "update", "write"]


async def write(transaction: Transaction, shape: Shape, rows: list[dict[str, Any]]) -> None:
    """Insert rows given by column key, and add to each what the database filled in: the fastest way that is right."""
    if transaction.sync.dialect.name == "sqlite" and sqlite.serves(shape):
        await sqlite.write(transaction.connection, shape, rows)
    else:
        await generic.write(transaction.connection, shape, rows)
