"""Ways to write many rows, one module each, and which of them serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from . import generic, sqlite

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ..shape import Shape

__all__ = ["Writer", "writer_for"]

Writer = Callable[["AsyncConnection", "Shape", list[dict[str, Any]]], Awaitable[None]]
"""Inserts rows given by column key, and adds to each what the database filled in."""


def writer_for(connection: AsyncConnection, shape: Shape) -> Writer:
    """Return the fastest writer that is right for a table on a connection."""
    if connection.dialect.name == "sqlite" and sqlite.serves(shape):
        return sqlite.write
    return generic.write
