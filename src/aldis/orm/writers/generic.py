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
    """Insert rows; runs of rows with the same columns go together."""
    statement = insert(shape.table).returning(*shape.table.columns, sort_by_parameter_order=True)
    for _, run in groupby(rows, frozenset):
        batch = list(run)
        result = await whole(connection, connection.execute(statement, batch))
        for row, returned in zip(batch, result.mappings(), strict=True):
            row.update(
                (column.key, returned[column]) for column in shape.table.columns if column.key in shape.attributes
            )
