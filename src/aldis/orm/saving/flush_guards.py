"""Guards of new rows, against rows that a trigger passes over, and keys in an order of its own.

SQLAlchemy takes an INSERT without an error for a stored row, and sorts the keys of many rows that come back. Where a
trigger has a say, that makes instances without a row, and instances with the keys of other rows. An INSERT that ignores
conflicts does not say whether a row is in conflict, or was dropped by a trigger.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import FlushError

from ..databases import MYSQL
from ..databases.outcome import is_conflict
from ..databases.sqlite import whole
from .attempts import Attempt, naming
from .core_sql import insert_row
from .gone import dropped

if TYPE_CHECKING:
    from sqlalchemy import FromClause

    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction
    from .attempts import RowNote

__all__ = ["guarded", "has_triggers", "refuse_dropped"]

PAGE: Final = "insertmanyvalues_page_size"

POSTGRESQL: Final = text(
    "SELECT relkind NOT IN ('r', 'p') OR EXISTS (SELECT FROM pg_trigger WHERE NOT tgisinternal AND tgtype & 6 = 6 "
    "AND tgrelid IN (SELECT kept.oid UNION SELECT relid FROM pg_partition_tree(kept.oid))) "
    "FROM pg_class AS kept WHERE oid = CAST(:name AS regclass)"
)
"""Whether something else than the table takes the rows, or changes them first; bits 2 and 4 are BEFORE and INSERT."""

POSTGRESQL_UPSERT: Final = text(
    "SELECT relkind NOT IN ('r', 'p') OR relhasrules OR EXISTS (SELECT FROM pg_trigger WHERE NOT tgisinternal "
    "AND (tgtype & 6 = 6 OR (tgtype & 1 = 0 AND tgtype & 20 <> 0)) "
    "AND tgrelid IN (SELECT kept.oid UNION SELECT relid FROM pg_partition_tree(kept.oid))) "
    "FROM pg_class AS kept WHERE oid = CAST(:name AS regclass)"
)
"""The same of an upsert: its statement's triggers run as those of an INSERT and of an UPDATE (bits 4 and 16; bit 1 is
FOR EACH ROW), whichever it does, and a rule refuses it."""

MARIADB: Final = text(
    "SELECT EXISTS (SELECT 1 FROM information_schema.triggers WHERE event_manipulation = 'INSERT' "
    "AND action_timing = 'BEFORE' AND event_object_schema = coalesce(:schema, database()) "
    "AND event_object_table = :table)"
)

SQLITE: Final = (
    "SELECT EXISTS (SELECT 1 FROM {0}sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(:table) "
    "UNION ALL SELECT 1 FROM sqlite_temp_master WHERE type = 'trigger' AND lower(tbl_name) = lower(:table))"
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
        RowDroppedError: The database passed over a row.
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
    except FlushError as error:
        if "INSERT statement for" in str(error):  # "... did not produce the correct number of INSERTed rows"
            raise dropped(mapping) from error
        raise
    finally:
        event.remove(sync, "after_cursor_execute", refuse_dropped)
        if is_single:
            await connection.execution_options(**{PAGE: page})


async def has_a_say(transaction: Transaction, mapping: TableMapping, rows: Sequence[dict[str, Any]]) -> bool:
    """Tell whether the keys of many rows may come back in another order than that of the rows."""
    if all(row.keys() >= set(mapping.primary_key) for row in rows) or transaction.sync.dialect.name == "sqlite":
        return False
    for table in mapping.mapper.tables:
        if await has_triggers(transaction, table):
            return True
    return False


async def has_triggers(transaction: Transaction, table: FromClause, *, is_upsert: bool = False) -> bool:
    """Tell whether a trigger, or something else than the table, may change new rows or drop them.

    Args:
        transaction: Where.
        table: The table.
        is_upsert: Ask whether it makes a difference, too, that a stored row goes through an INSERT.
    """
    dialect, connection = transaction.sync.dialect, transaction.connection
    schema = getattr(table, "schema", None)
    schema = (transaction.sync.get_execution_options().get("schema_translate_map") or {}).get(schema, schema)
    of_schema = "" if schema is None else f"{dialect.identifier_preparer.quote_schema(schema)}."
    values: dict[str, Any] = {"schema": schema, "table": getattr(table, "name", None)}
    if dialect.name == "postgresql":
        statement: Any = POSTGRESQL_UPSERT if is_upsert else POSTGRESQL
        values = {"name": of_schema + dialect.identifier_preparer.format_table(table, use_schema=False)}
    elif dialect.name in MYSQL and dialect.insert_returning:
        statement = MARIADB
    elif dialect.name == "sqlite":
        statement = text(SQLITE.format(of_schema))
        del values["schema"]
    else:
        return False
    return bool(await whole(connection, connection.scalar(statement, values)))


async def refuse_dropped(
    transaction: Transaction, mapping: TableMapping, rows: Sequence[tuple[int, dict[str, Any]]], note: RowNote
) -> None:
    """Refuse rows that an INSERT which ignores conflicts has passed over, though they are in conflict with no other.

    Where the table has triggers, each is inserted once more without these words: only a conflict is an error then. That
    INSERT is undone.

    Args:
        transaction: Where.
        mapping: The mapping of their class.
        rows: The rows that were passed over, by column key, each with its number.
        note: The note of an error on the row of a number.

    Raises:
        RowDroppedError: A trigger has dropped a row.
    """
    if not rows or transaction.sync.dialect.name in MYSQL or not await has_triggers(transaction, mapping.table):
        return
    for number, row in rows:
        async with Attempt(transaction) as attempt:
            try:
                with naming(note, number):
                    await insert_row(transaction, mapping, row.copy())
            except IntegrityError as error:
                if not is_conflict(error):
                    raise
            await attempt.undo()
