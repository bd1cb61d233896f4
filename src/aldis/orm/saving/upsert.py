"""INSERT ... ON CONFLICT DO UPDATE: rows that may be stored already, written without a look at them first.

It does not say which rows were there, so it serves where nobody is told. And a row is checked as one to be inserted
even where it is not: an error of a constraint is no answer then, and the caller looks first.

MariaDB's ON DUPLICATE KEY UPDATE names no key: it updates a row that is in the way by any, so it serves where there is
but one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Index, UniqueConstraint
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from ..databases.aiosqlite import has_conflict_clause
from ..databases.sqlite import whole
from ..transactions.ambient import savepoint_of

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Table

    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction

__all__ = ["reason_against", "unique_keys", "write"]

NAMING: Final = frozenset({"sqlite", "postgresql"})
"""The databases whose upsert names the key."""

EAGER: Final = frozenset({"immediate", "joined", "selectin", "subquery", False})
"""How relationships are loaded together with an instance."""


class Uncertain(Exception):
    """The rows that came back are not those that were written."""


def reason_against(
    dialect: Dialect,
    mapping: TableMapping,
    unique: Collection[str],
    given: Collection[str],
    column_values: Mapping[str, Any],
) -> str | None:
    """Return why rows cannot be written so, or ``None`` if they can.

    Args:
        dialect: The database's.
        mapping: The mapping of their class.
        unique: The keys of the columns that tell them apart.
        given: The keys of the columns that are updated.
        column_values: The values that an INSERT writes, by column key.
    """
    if dialect.name not in NAMING and not (getattr(dialect, "is_mariadb", False) and dialect.insert_returning):
        return "this database has none that returns its rows"
    if not given or not set(given).isdisjoint(mapping.primary_key):
        return "a primary key is updated, or nothing"
    keys = unique_keys(mapping.table)
    if set(unique) not in keys:
        return f"no unique constraint is on {', '.join(sorted(unique))} alone"
    if dialect.name not in NAMING and any(key <= set(column_values) and key != set(unique) for key in keys):
        return "another unique constraint may be in the way"
    missing = [
        column.key for column in mapping.table.columns if is_needed(column) and column_values.get(column.key) is None
    ]
    return f"a new row would need {', '.join(missing)}" if missing else reason_of(mapping)


def reason_of(mapping: TableMapping) -> str | None:
    """Return why an upsert does not serve a class; ``None`` if it does."""
    mapper = mapping.mapper
    if mapper.polymorphic_on is not None or mapper.inherits is not None:
        return "the table has rows of other classes"
    if any(each.deferred for each in mapper.column_attrs) or len(mapping.columns) < len(mapper.column_attrs):
        return "not all attributes are plain columns"
    if any(each.lazy in EAGER for each in mapper.relationships):
        return "related rows are loaded with it"
    if any(column.onupdate is not None or column.server_onupdate is not None for column in mapping.table.columns):
        return "an UPDATE fills in columns"
    return "an ON CONFLICT clause may pass over rows" if has_conflict_clause(mapping) else None


def unique_keys(table: Table) -> list[set[str]]:
    """Return the keys of the columns of each unique constraint that an INSERT can name."""
    constraints = [table.primary_key, *(each for each in table.constraints if isinstance(each, UniqueConstraint))]
    found = [{column.key for column in each.columns} for each in constraints if not each.deferrable]
    return found + [{column.key for column in each.columns} for each in table.indexes if each.unique and is_plain(each)]


def is_plain(index: Index) -> bool:
    """Tell whether an index is one of columns, and of all rows."""
    is_partial = any(index.dialect_options[dialect].get("where") is not None for dialect in NAMING)
    return not is_partial and all(isinstance(each, Column) for each in index.expressions)


def is_needed(column: Column[Any]) -> bool:
    """Tell whether an INSERT has to have a value for a column."""
    is_made = column.server_default is not None or column.default is not None
    return not column.nullable and not is_made and column is not column.table.autoincrement_column


async def write(
    transaction: Transaction,
    mapping: TableMapping,
    unique: Sequence[str],
    given: Collection[str],
    rows: list[dict[str, Any]],
) -> list[dict[str, Any]] | None:
    """Insert rows, or update those that are stored; return the row of each as it is now, by column key, in their order.

    The columns ``given`` keep the values that they were given, as after an INSERT or an UPDATE: a number that the
    database rounds stays as it was until somebody loads it.

    Returns:
        The rows; ``None`` if nothing was written, since a constraint has something against it.
    """
    dialect = transaction.sync.dialect.name
    columns = mapping.table.columns
    unknown = [key for key in mapping.attributes if key not in given]
    statement = (conflict_of if dialect in NAMING else duplicate_of)(dialect, mapping, unique, given)
    try:
        async with savepoint_of(transaction):
            executing = transaction.connection.execute(
                statement.returning(*[columns[key] for key in unknown]),
                rows,
                execution_options={"insertmanyvalues_page_size": len(rows)},
            )
            found = [dict(zip(unknown, row, strict=True)) for row in await whole(transaction.connection, executing)]
            return [
                stored | {key: row[key] for key in given}
                for stored, row in zip(in_order(found, rows, unique), rows, strict=True)
            ]
    except (IntegrityError, ProgrammingError, Uncertain):
        return None
    except OperationalError:
        if dialect != "sqlite":  # there it is the error of a constraint that the table has not
            raise
        return None


def conflict_of(dialect: str, mapping: TableMapping, unique: Sequence[str], given: Collection[str]) -> Any:
    """Return the INSERT of a database whose upsert names the key."""
    insert = import_module(f"sqlalchemy.dialects.{dialect}").insert(mapping.table)
    key = [mapping.table.columns[each] for each in unique]
    return insert.on_conflict_do_update(index_elements=key, set_={each: insert.excluded[each] for each in given})


def duplicate_of(_dialect: str, mapping: TableMapping, _unique: Sequence[str], given: Collection[str]) -> Any:
    """Return MariaDB's."""
    from sqlalchemy.dialects.mysql import insert as mysql_insert  # with all its drivers' modules: 40 ms

    insert = mysql_insert(mapping.table)
    return insert.on_duplicate_key_update({each: insert.inserted[each] for each in given})


def in_order(found: list[dict[str, Any]], rows: list[dict[str, Any]], unique: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows that came back, in whatever order, in that of the rows that were written.

    Raises:
        Uncertain: They are others.
    """
    by_key = {tuple([row[key] for key in unique]): row for row in found}
    keys = [tuple([row[key] for key in unique]) for row in rows]
    if len(found) != len(rows) or by_key.keys() != set(keys):
        raise Uncertain
    return [by_key[key] for key in keys]
