"""INSERT unless another row is in the way, one row at a time: only so is it known which were inserted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert
from sqlalchemy.dialects import postgresql, sqlite

from ...errors import ConfigurationError
from ..sqlite import whole

if TYPE_CHECKING:
    from sqlalchemy import Insert

    from ..shape import Shape
    from ..transaction import Transaction

__all__ = ["insert_unless_conflict"]


async def insert_unless_conflict(transaction: Transaction, shape: Shape, written: dict[str, Any]) -> bool:
    """Insert a row given by column key, and add to it what the database filled in; tell whether it was inserted.

    Raises:
        ConfigurationError: The database has no such INSERT.
    """
    columns = [shape.table.columns[key] for key in shape.attributes if key in shape.table.columns]
    statement = passing_over(transaction.sync.dialect.name, shape).returning(*columns)
    connection = transaction.connection
    row = (await whole(connection, connection.execute(statement, written))).first()
    if row is None:
        return False
    written.update((column.key, value) for column, value in zip(columns, row, strict=True))
    return True


def passing_over(dialect: str, shape: Shape) -> Insert:
    """Return an INSERT that passes over rows that conflict."""
    if dialect == "sqlite":
        return sqlite.insert(shape.table).on_conflict_do_nothing()
    if dialect == "postgresql":
        return postgresql.insert(shape.table).on_conflict_do_nothing()
    if dialect in {"mysql", "mariadb"}:
        return insert(shape.table).prefix_with("IGNORE")
    raise ConfigurationError(f"{dialect} has no INSERT that ignores conflicts: use bulk_get_or_create().")
