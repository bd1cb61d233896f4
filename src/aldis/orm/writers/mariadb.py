"""MariaDB, asyncmy: INSERT of many rows that returns their keys.

The server takes the rows of a statement one after the other, gives each the next number, and returns it before it takes
the next (MariaDB's manual, "INSERT...RETURNING", "AUTO_INCREMENT"). So the keys come back in the order of the rows, and
ascend; that they do is made sure of. A BEFORE trigger may choose a key as it likes: where a table has one, each row is
a statement of its own.
"""

from __future__ import annotations

from operator import ge
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from ...errors import AldisError
from ..drivers.mariadb_asyncmy import AsyncmyDriver
from ..prepared import prepared_insert

if TYPE_CHECKING:
    from ..shape import Shape
    from ..transaction import Transaction

__all__ = ["reason_against", "write"]

FEWEST: Final = 20
"""Rows from which on it is faster: to look for triggers is a round trip."""

LOOK: Final = text("""
    SELECT 1 FROM information_schema.triggers
    WHERE event_object_schema = coalesce(:schema, database()) AND event_object_table = :table
      AND event_manipulation = 'INSERT' AND action_timing = 'BEFORE'
    LIMIT 1
""")


def reason_against(transaction: Transaction, shape: Shape, rows: list[dict[str, Any]]) -> str | None:
    """Return why this writer cannot serve, if it cannot."""
    if not isinstance(transaction.direct(), AsyncmyDriver):
        return "the connection is watched, or another driver's"
    if len(rows) < FEWEST:
        return f"there are fewer than {FEWEST} rows"
    missing = [column for column in shape.made_on_insert if column.key not in rows[0]]
    if missing and not any(column is shape.table.autoincrement_column for column in missing):
        return "the database fills in more than the key"
    return None


async def write(transaction: Transaction, shape: Shape, rows: list[dict[str, Any]]) -> bool:
    """Insert rows, and add to each what the database filled in; tell whether that was done.

    The caller has made sure that there is no reason against it.

    Raises:
        AldisError: The keys do not ascend.
    """
    prepared = prepared_insert(transaction.sync.dialect, shape, tuple(rows[0]))
    if prepared is None or prepared.constants:
        return False
    of = {"schema": shape.table.schema, "table": shape.table.name}
    at_once = 1 if prepared.returns and await transaction.connection.scalar(LOOK, of) else len(rows)
    parameters = await transaction.bound(prepared, rows)
    driver = transaction.direct()
    assert isinstance(driver, AsyncmyDriver)
    returned = await driver.insert_many(transaction, prepared, parameters, at_once)
    if returned is None:
        return False
    if prepared.returns:
        for (name, process), column in zip(prepared.returns, zip(*returned, strict=True), strict=True):
            for row, value in zip(rows, column, strict=True):
                row[name] = value if process is None else process(value)
        key = shape.table.autoincrement_column
        assert key is not None
        keys = [row[key.key] for row in rows]
        if at_once > 1 and any(map(ge, keys, keys[1:])):
            raise AldisError(
                f"the keys of {shape.table} do not ascend, so that it is not certain whose they are: is there a BEFORE "
                "INSERT trigger that this user may not see? Nothing was written; GRANT TRIGGER on the table, or give "
                "the keys."
            )
    return True
