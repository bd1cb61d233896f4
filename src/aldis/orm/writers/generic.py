"""SQLAlchemy's own road: INSERT ... RETURNING, its rows in the order of the parameters."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from ..sqlite import whole

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ..shape import Shape

__all__ = ["write"]


async def write(connection: AsyncConnection, shape: Shape, rows: list[dict[str, Any]]) -> None:
    """Insert rows; runs of rows with the same columns go together, and what the database fills in comes back."""
    for keys, run in groupby(rows, frozenset):
        batch = list(run)
        missing = [column for column in shape.made_on_insert if column.key not in keys]
        if not missing:
            await connection.execute(insert(shape.table), batch)
            continue
        statement = insert(shape.table).returning(*missing, sort_by_parameter_order=True)
        result = await whole(connection, connection.execute(statement, batch))
        for row, returned in zip(batch, result, strict=True):
            row.update((column.key, value) for column, value in zip(missing, returned, strict=True))
