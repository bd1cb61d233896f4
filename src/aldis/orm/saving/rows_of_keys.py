"""Read the stored rows of primary keys, which the database may compare otherwise than Python does.

It pads a CHAR, ignores case, or has what a type has made of the value: a row comes back with another key than the one
that it was looked for by.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, literal, select, tuple_, union_all

from ..databases.sqlite import whole

if TYPE_CHECKING:
    from ..transactions.savepoints import Transaction

__all__ = ["Reader", "reader_on", "rows_of_keys"]

Key = tuple[Any, ...]
"""A primary key."""

Reader = Callable[[Any], Awaitable[Sequence[Any]]]
"""Runs a SELECT where the rows are written, and returns what it finds."""

MOST_PARAMETERS: Final = 30_000
"""Of one SELECT: SQLite takes 32,766, PostgreSQL one more."""

AT_ONCE: Final = 200
"""SELECTs of one statement; SQLite takes 500."""


def reader_on(transaction: Transaction) -> Reader:
    """Return a function that reads in a transaction."""

    async def read(statement: Any) -> Sequence[Any]:
        connection = transaction.connection
        rows: Sequence[Any] = (await whole(connection, connection.execute(statement))).all()
        return rows

    return read


async def rows_of_keys(
    read: Reader,
    key: Sequence[Any],
    columns: Sequence[Any],
    wanted: Sequence[Key],
    locked: Callable[[Any], Any] = lambda statement: statement,
) -> dict[Key, Sequence[Any]]:
    """Return the values of columns by primary key, of those keys whose rows are there.

    Args:
        read: Runs a SELECT.
        key: The columns, or the attributes, of the primary key.
        columns: Those whose values are wanted.
        wanted: The keys.
        locked: Takes a SELECT, and returns one that locks its rows.
    """
    width, size = len(key), MOST_PARAMETERS // len(key)
    found: dict[Key, Sequence[Any]] = {}
    for first in range(0, len(wanted), size):
        some = wanted[first : first + size]
        condition = key[0].in_([each[0] for each in some]) if width == 1 else tuple_(*key).in_(some)
        rows = await read(locked(select(*key, *columns).where(condition)))
        found.update((tuple(row[:width]), row[width:]) for row in rows)
        if len(some) == len(rows) == 1:
            found[some[0]] = rows[0][width:]
    others = [each for each in wanted if each not in found]
    for first in range(0, len(others) if found else 0, AT_ONCE):
        some = others[first : first + AT_ONCE]
        asked = [
            # Not "IS NULL" for None: an UPDATE by the key finds no such row.
            select(literal(number), *key).where(*[each == bindparam(None, value, each.type) for each, value in pairs])
            for number, pairs in enumerate(zip(key, values, strict=True) for values in some)
        ]
        for number, *stored in await read(union_all(*asked)):
            if tuple(stored) in found:
                found[some[number]] = found[tuple(stored)]
    return found
