"""Guards of a flush of new rows, against rows that the database passes over, and keys in an order of its own.

SQLAlchemy takes an INSERT without an error for a stored row, and sorts the keys of many rows that come back. Where a
trigger has a say, that makes instances without a row, and instances with the keys of other rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event, text

from ..databases import MYSQL
from ..databases.sqlite import whole
from .core_sql import dropped

if TYPE_CHECKING:
    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction

__all__ = ["guarded"]

PAGE: Final = "insertmanyvalues_page_size"

POSTGRESQL: Final = text(
    "SELECT relkind NOT IN ('r', 'p') OR EXISTS (SELECT FROM pg_trigger WHERE NOT tgisinternal AND tgtype & 6 = 6 "
    "AND tgrelid IN (SELECT kept.oid UNION SELECT relid FROM pg_partition_tree(kept.oid))) "
    "FROM pg_class AS kept WHERE oid = CAST(:name AS regclass)"
)
"""Whether something else than the table takes the rows, or changes them first; bits 2 and 4 are BEFORE and INSERT."""

MARIADB: Final = text(
    "SELECT EXISTS (SELECT 1 FROM information_schema.triggers WHERE event_manipulation = 'INSERT' "
    "AND action_timing = 'BEFORE' AND event_object_schema = coalesce(:schema, database()) "
    "AND event_object_table = :table)"
)


@asynccontextmanager
async def guarded(
    transaction: Transaction, mapping: TableMapping, rows: Sequence[dict[str, Any]]
) -> AsyncIterator[None]:
    """Flush new rows in this block.

    Args:
        transaction: Where.
        mapping: The mapping of their class.
        rows: The rows, by column key.

    Raises:
        RowMismatchError: The database passed over a row.
    """

    def refuse_dropped(_connection: Any, cursor: Any, _sql: str, parameters: Any, context: Any, is_many: bool) -> None:
        is_told = context.isinsert and context.compiled is not None and not context.compiled.effective_returning
        if is_told and 0 <= cursor.rowcount < (len(parameters) if is_many else 1):
            raise dropped(mapping)

    connection, sync = transaction.connection, transaction.sync
    is_single = len(rows) > 1 and await has_a_say(transaction, mapping, rows)
    event.listen(sync, "after_cursor_execute", refuse_dropped)
    page = sync.get_execution_options().get(PAGE, getattr(sync.dialect, PAGE, 1000))
    try:
        if is_single:
            await connection.execution_options(**{PAGE: 1})
        yield
    finally:
        event.remove(sync, "after_cursor_execute", refuse_dropped)
        if is_single:
            await connection.execution_options(**{PAGE: page})


async def has_a_say(transaction: Transaction, mapping: TableMapping, rows: Sequence[dict[str, Any]]) -> bool:
    """Tell whether the keys of many rows may come back in another order than that of the rows."""
    dialect, connection = transaction.sync.dialect, transaction.connection
    if all(row.keys() >= set(mapping.primary_key) for row in rows):
        return False
    for table in mapping.mapper.tables:
        if dialect.name == "postgresql":
            statement: Any = POSTGRESQL
            values: dict[str, Any] = {"name": dialect.identifier_preparer.format_table(table)}
        elif dialect.name in MYSQL and dialect.insert_returning:
            statement, values = MARIADB, {"schema": table.schema, "table": table.name}
        else:
            return False
        if await whole(connection, connection.scalar(statement, values)):
            return True
    return False
