"""Facts of a mapper and its table that are no attribute of theirs; ``table.py`` reads a class with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Column, Integer, Join, Table
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty

__all__ = ["keys_of", "may_delete_or_change", "referenced_keys", "rowid_of", "table_of_rows"]


def keys_of(mapper: Mapper[Any], columns: Iterable[Column[Any]]) -> dict[Column[Any], str]:
    """Return the key of each column of a mapped class, no two alike.

    Where tables of joined inheritance have a column of the same key, that of the table next to the base has it, and the
    others are called by their table's name too: ``"name"`` and ``"dog.name"``.
    """
    found = {column: column.key for column in columns}
    if len(mapper.tables) > 1:
        seen: set[str] = set()
        order = {table: place for place, table in enumerate(mapper.tables)}
        for column in sorted(found, key=lambda column: order.get(column.table, len(order))):
            if column.key in seen:
                found[column] = f"{column.table.name}.{column.key}"
            seen.add(found[column])
    return found


def may_delete_or_change(related: RelationshipProperty[Any]) -> bool:
    """Tell whether a delete of the one side may delete or change rows of the other side of a relationship."""
    return related.direction is not RelationshipDirection.MANYTOONE or related.cascade.delete


def referenced_keys(related: RelationshipProperty[Any], key_of: Mapping[Column[Any], str]) -> Iterable[str]:
    """Return the keys of the columns that the rows on the other side of a relationship refer to."""
    if related.direction is RelationshipDirection.MANYTOONE:
        return ()
    referred = {column for column, _ in related.synchronize_pairs}
    return [key for column, key in key_of.items() if column in referred]


def rowid_of(table: Table, primary_key: tuple[str, ...]) -> Column[Any] | None:
    """Return the column that is SQLite's rowid under another name, if the table has one."""
    key = table.autoincrement_column
    if key is None or len(primary_key) != 1 or type(key.type) is not Integer or key.default is not None:
        return None
    return None if table.dialect_options["sqlite"].get("with_rowid") is False else key


def table_of_rows(mapper: Mapper[Any]) -> Table | None:
    """Return the table of a class, the last of a join; ``None`` for a class that is mapped to a SELECT."""
    table = mapper.local_table
    if isinstance(table, Join) and all(
        isinstance(column.table, Table) for column in mapper.columns if isinstance(column, Column)
    ):
        table = mapper.tables[-1]
    return table if isinstance(table, Table) else None
