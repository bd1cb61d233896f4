"""COPY on asyncpg, for a thousand rows and more, where the catalog proves that it stores the same as an INSERT.

COPY casts nothing: a value is written in the binary format of a type, and read as the type of the table's column. So
the values are written as the types that SQLAlchemy casts them to, and the table, which is locked against changes for
that, has to have the same. It looks at no rule, and the keys are drawn beforehand, so that nothing may stand before the
rows and the key has to be a plain sequence's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Table

    from .postgresql import ArrayStatement

__all__ = ["DRAW", "FEWEST", "LOOK", "TYPES", "Copying", "copying_of"]

FEWEST: Final = 1000
"""Rows from which on it is faster: it takes four round trips."""

TYPES: Final = {
    "BIGINT": 20,
    "BOOLEAN": 16,
    "BYTEA": 17,
    "DATE": 1082,
    "DOUBLE PRECISION": 701,
    "FLOAT": 701,
    "INTEGER": 23,
    "INTERVAL": 1186,
    "NUMERIC": 1700,
    "REAL": 700,
    "SMALLINT": 21,
    "TEXT": 25,
    "TIME WITHOUT TIME ZONE": 1083,
    "TIMESTAMP WITH TIME ZONE": 1184,
    "TIMESTAMP WITHOUT TIME ZONE": 1114,
    "UUID": 2950,
    "VARCHAR": 1043,
}
"""The types that SQLAlchemy casts to and asyncpg writes in the binary format, with their OIDs (``pg_type`` of any
PostgreSQL): those without a length or a precision, to which an INSERT would round first."""

LOOK: Final = """
    SELECT
        keys.sequence,
        keys.type,
        (
            SELECT count(*) FROM unnest($2::text[], $3::regtype[]) AS wanted(name, type)
            JOIN pg_attribute AS found
                ON found.attrelid = kept.oid AND found.attname = wanted.name AND NOT found.attisdropped
            WHERE found.attgenerated = '' AND found.attidentity <> 'a'
                AND (found.atttypid = wanted.type OR (found.atttypid, wanted.type) IN ((25, 1043), (1043, 25)))
        )
    FROM pg_class AS kept
    LEFT JOIN LATERAL (
        SELECT sequence::regclass::text AS sequence, key.atttypid::regtype::text AS type
        FROM pg_get_serial_sequence($1, $4) AS sequence
        JOIN pg_attribute AS key ON key.attrelid = kept.oid AND key.attname = $4 AND key.atttypid IN (20, 21, 23)
        LEFT JOIN pg_attrdef AS made ON made.adrelid = kept.oid AND made.adnum = key.attnum
        WHERE has_sequence_privilege(sequence, 'USAGE') AND (
            key.attidentity <> ''
            OR pg_get_expr(made.adbin, made.adrelid) = format('nextval(%L::regclass)', sequence::regclass::text)
        )
    ) AS keys ON true
    WHERE kept.oid = $1::regclass AND kept.relkind = 'r' AND NOT kept.relrowsecurity AND NOT kept.relhasrules
        AND NOT EXISTS (
            SELECT FROM pg_trigger
            WHERE tgrelid = kept.oid AND NOT tgisinternal AND tgtype & 4 = 4 AND tgtype & 2 = 2
        )
"""
"""The sequence of the key, its type, and how many of the columns have the type that was wanted; of a plain table that
nothing stands before. Bits 4 and 2 of a trigger's type are INSERT and BEFORE."""

DRAW: Final = "SELECT nextval($1::regclass) FROM generate_series(1, $2)"


class Copying(NamedTuple):
    """How rows with the same columns are copied into a table.

    The key, if the database gives it, is the last of the columns.
    """

    table: str
    """The table's name, as SQL has it."""
    names: tuple[str, ...]
    """The columns' names."""
    types: tuple[str, ...]
    """The types that their values are written as."""
    key: str | None
    """The name of the column whose values its sequence gives, if there is one."""
    statement: str

    @property
    def lock(self) -> str:
        """The statement that locks the table as an INSERT does."""
        return f"LOCK TABLE ONLY {self.table} IN ROW EXCLUSIVE MODE"

    def describing(self, type_of_key: str | None) -> str:
        """Return a query whose columns have the types that the values are written as."""
        types = self.types if type_of_key is None else (*self.types, type_of_key)
        return f"SELECT {', '.join(f'NULL::{each}' for each in types)}"


def copying_of(
    dialect: Dialect, table: Table, statement: ArrayStatement, names: Sequence[str], key: str | None
) -> Copying | None:
    """Return how rows can be copied; ``None`` where an INSERT does more than to store their values.

    Args:
        dialect: The database's.
        table: The table.
        statement: The INSERT over arrays of the same rows.
        names: The names of the columns that have values.
        key: The name of the key, if the database gives it.
    """
    selected = re.search(r"\) SELECT (.*) \nFROM ", statement.text, re.DOTALL)
    values = [] if selected is None else selected[1].split(", ")
    is_plain = all(re.fullmatch(rf"aldis_rows\.c{number} AS \w+", value) for number, value in enumerate(values))
    types = [column.cast for column in statement.columns]
    if not is_plain or len(values) != len(names) or not TYPES.keys() >= set(types):
        return None
    quote = dialect.identifier_preparer.quote
    name = dialect.identifier_preparer.format_table(table)
    columns = ", ".join(quote(each) for each in (*names, *([] if key is None else [key])))
    into = f"COPY {name} ({columns}) FROM STDIN (FORMAT binary)"
    return Copying(name, tuple(names), tuple(each for each in types if each is not None), key, into)
