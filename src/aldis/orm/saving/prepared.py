"""Statements that are compiled once for a mapping and a dialect, and run on the driver with parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import (
    Boolean,
    Column,
    Computed,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    String,
    Time,
    Uuid,
    bindparam,
    delete,
    insert,
    update,
)

from ..mapping.rowwise import iso
from .attempts import Refused

if TYPE_CHECKING:
    from sqlalchemy import Delete, Dialect, FromClause, Insert, Select, Update
    from sqlalchemy.orm import InstanceState
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.types import TypeEngine

    from ..databases.postgresql import ArrayStatement
    from ..mapping.table import TableMapping

__all__ = [
    "Prepared",
    "PreparedArrays",
    "Unprepared",
    "cached",
    "plain_insert",
    "by_key",
    "key_names",
    "key_values",
    "prepared_delete",
    "prepared_insert",
    "prepared_update",
]

Processor = Callable[[Any], Any]

Identities = Sequence[tuple[Any, ...]]

T = TypeVar("T")

MOST: Final = 256
"""Statements of one class and engine that are remembered."""

KEY: Final = "aldis_key_"
"""The name, before a number, of the parameters that find a row by its primary key."""

SAMPLE: Final = datetime(987, 6, 5, 4, 3, 2, 1)  # noqa: DTZ001 - each field is of another width
READABLE: Final = (Boolean, Date, DateTime, Integer, LargeBinary, String, Time, Uuid)
"""Types whose values are read without the cursor's word on their type."""


class Unprepared(Exception):
    """A statement that needs more of SQLAlchemy than its SQL: it takes SQLAlchemy's own road."""


class Prepared:
    """The SQL of a statement, and how its values become the driver's parameters."""

    __slots__ = ("binds", "constants", "returns", "sql")

    def __init__(
        self,
        dialect: Dialect,
        statement: Insert | Update | Delete | Select[Any],
        keys: Sequence[str],
        returns: Sequence[Column[Any]] = (),
    ) -> None:
        compiled: SQLCompiler = statement.compile(dialect=positional(dialect), column_keys=list(keys))
        if (
            compiled.positiontup is None
            or compiled.escaped_bind_names
            or compiled.insert_prefetch
            or compiled.update_prefetch
            or compiled.post_compile_params
            or compiled.literal_execute_params
        ):
            raise Unprepared
        self.sql: str = str(compiled)
        given = compiled.params
        self.constants = {
            name: given[name] for name in compiled.positiontup if name not in keys and not name.startswith(KEY)
        }
        """The parameters of SQL expressions in the statement itself."""
        self.binds: tuple[tuple[str, Processor | None], ...] = tuple(
            (name, writer(dialect, compiled.binds[name].type)) for name in compiled.positiontup
        )
        self.returns: tuple[tuple[str, Processor | None], ...] = tuple(
            (column.key, reader(dialect, column)) for column in returns
        )
        """The keys of the columns that come back, and the functions that make Python's values of them."""

    def parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the driver's parameters."""
        if self.constants:
            values = {**self.constants, **values}
        return tuple([values[name] if process is None else process(values[name]) for name, process in self.binds])

    def all_parameters(self, rows: Sequence[Mapping[str, Any]], identities: Identities = ()) -> list[tuple[Any, ...]]:
        """Return the driver's parameters of many rows; ``identities`` are the primary keys of those that are stored.

        Raises:
            Refused: A type refused a value.
        """
        if self.constants:
            rows = [{**self.constants, **values} for values in rows]
        if not self.binds:
            return [()] * len(rows)
        return list(zip(*arrays(rows, self.binds, identities), strict=True))

    def read_all(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return rows that came back with Python's values, made column by column."""
        if not rows or not any(process for _, process in self.returns):
            return rows
        columns = zip(self.returns, zip(*rows, strict=True), strict=True)
        return list(zip(*(each if made is None else map(made, each) for (_, made), each in columns), strict=True))


class PreparedArrays:
    """A statement of many rows, and how each column of them becomes an array.

    Args:
        dialect: The database's.
        statement: The statement.
        returns: The columns that come back.
    """

    __slots__ = ("binds", "returns", "sqls", "statement")

    def __init__(self, dialect: Dialect, statement: ArrayStatement, returns: Sequence[Column[Any]]) -> None:
        self.statement = statement
        self.binds = tuple((column.name, writer(dialect, column.type)) for column in statement.columns)
        self.returns: tuple[tuple[str, Processor | None], ...] = tuple(
            (column.key, reader(dialect, column)) for column in returns
        )
        self.sqls: dict[tuple[str | None, ...], str] = {}

    def arrays(self, rows: Sequence[Mapping[str, Any]], identities: Identities = ()) -> list[list[Any]]:
        """Return the driver's parameters; ``identities`` are the primary keys of rows that are stored."""
        return arrays(rows, self.binds, identities)

    def sql(self, placeholder: str, kinds: tuple[str | None, ...]) -> str:
        """Return the SQL for arrays whose elements have these types.

        Args:
            placeholder: The driver's parameter, with ``{}`` for its number if it has one.
            kinds: The types; see :meth:`ArrayStatement.sql`.
        """
        if kinds not in self.sqls:
            if len(self.sqls) >= MOST:
                self.sqls.clear()
            places = [placeholder.format(number) for number in range(1, len(kinds) + 1)]
            self.sqls[kinds] = self.statement.sql(places, kinds)
        return self.sqls[kinds]


def arrays(
    rows: Sequence[Mapping[str, Any]], binds: Sequence[tuple[str, Processor | None]], identities: Identities = ()
) -> list[list[Any]]:
    """Return the driver's values of rows, a list for each bind.

    Args:
        rows: The values, by column key.
        binds: The binds: of columns, and those of :func:`by_key`.
        identities: The primary keys of rows that are stored.

    Raises:
        Refused: A type refused a value. It may say so by any error, as a TypeDecorator's methods are the program's own.
    """
    keys = key_names(len(identities[0])) if identities else ()
    columns = dict(zip(keys, zip(*identities, strict=True), strict=True))
    try:
        return [
            processed([values[name] for values in rows] if name not in columns else [*columns[name]], process)
            for name, process in binds
        ]
    except Exception as error:
        raise Refused(f"a type refused a value: {error!r}") from error


def positional(dialect: Dialect) -> Dialect:
    """Return a dialect whose SQL takes its parameters by position: a tuple of them is made faster than a dict."""
    if dialect.positional:
        return dialect
    by_position = copy(dialect)
    by_position.positional, by_position.paramstyle = True, "format"
    return by_position


def writer(dialect: Dialect, of: TypeEngine[Any]) -> Processor | None:
    """Return the function that makes the driver's value of Python's.

    SQLAlchemy formats a datetime for SQLite field by field, in a microsecond; of its own type, and in its default form,
    it can be had for less.
    """
    implementation = of.dialect_impl(dialect)
    process = implementation.bind_processor(dialect)
    if dialect.name != "sqlite" or process is None:
        return process
    from sqlalchemy.dialects.sqlite import DATETIME  # which the dialect has imported

    if type(implementation) is not DATETIME or [process(SAMPLE)] != iso([SAMPLE], process):
        return process

    return IsoText(process)


class IsoText:
    """Writes datetimes as SQLite's manual has them ("Date And Time Functions"), with microseconds.

    Args:
        otherwise: The function for any other value, ``None`` and subclasses included.
    """

    __slots__ = ("otherwise",)

    def __init__(self, otherwise: Processor) -> None:
        self.otherwise = otherwise

    def __call__(self, value: Any) -> Any:
        """Write one."""
        return iso((value,), self.otherwise)[0]


def processed(values: list[Any], process: Processor | None) -> list[Any]:
    """Return the driver's values of a column's."""
    if process is None:
        return values
    if isinstance(process, IsoText):
        return iso(values, process.otherwise)
    return list(map(process, values))


def reader(dialect: Dialect, column: Column[Any]) -> Processor | None:
    """Return the function that makes Python's value of a column of the database's."""
    if not isinstance(column.type, READABLE):
        raise Unprepared
    return column.type.dialect_impl(dialect).result_processor(dialect, None)


def cached(dialect: Dialect, mapping: TableMapping, key: Any, make: Callable[[], T]) -> T | None:
    """Return the prepared statement of a mapping; ``None`` when it has to take SQLAlchemy's own road.

    The oldest goes where there are too many: strangers' rows can have any subset of the columns, in any order.
    """
    known = mapping.prepared.get(dialect)
    if known is None:
        known = mapping.prepared[dialect] = {}
    if key not in known:
        if len(known) >= MOST:
            del known[next(iter(known))]
        try:
            known[key] = make()
        except Unprepared:
            known[key] = None
    found: T | None = known[key]
    return found


def plain_insert(
    dialect: Dialect, mapping: TableMapping, keys: tuple[str, ...], returns: Sequence[Column[Any]] = ()
) -> Prepared:
    """Return the INSERT of one row with values for the columns ``keys``.

    Raises:
        Unprepared: It takes SQLAlchemy's own road.
    """
    if returns and not dialect.insert_returning:
        raise Unprepared
    statement = insert(mapping.table).inline()
    return Prepared(dialect, statement.returning(*returns) if returns else statement, keys, returns)


def prepared_insert(dialect: Dialect, mapping: TableMapping, keys: tuple[str, ...]) -> Prepared | None:
    """Return the INSERT of one row with values for the columns ``keys``; it returns the values of the database."""

    def make() -> Prepared:
        # The key of SQLite too: the rowid, which the driver tells, is another number where the table was made with an
        # INT PRIMARY KEY.
        missing = [column for column in mapping.made_on_insert if column.key not in keys]
        return plain_insert(dialect, mapping, keys, missing)

    return cached(dialect, mapping, ("insert", keys), make)


def can_return(dialect: Dialect, columns: Sequence[Column[Any]]) -> bool:
    """Tell whether an UPDATE can return the values that it makes of columns.

    SQLite's RETURNING has the values of before the AFTER triggers (its manual, "Limitations And Caveats").
    """
    if not dialect.update_returning:
        return False
    return dialect.name != "sqlite" or all(
        each.server_onupdate is None or isinstance(each.server_onupdate, Computed) for each in columns
    )


def prepared_update(dialect: Dialect, mapping: TableMapping, keys: tuple[str, ...]) -> Prepared | None:
    """Return the UPDATE, by primary key, of the columns ``keys``; it returns the values that the database makes."""

    def make() -> Prepared:
        missing = [column for column in mapping.made_on_update if column.key not in keys]
        if missing and not can_return(dialect, missing):
            raise Unprepared
        statement = update(mapping.table).where(*by_key(mapping))
        statement = statement.values({key: bindparam(key, type_=mapping.table.columns[key].type) for key in keys})
        return Prepared(dialect, statement.returning(*missing) if missing else statement, keys, missing)

    return cached(dialect, mapping, ("update", keys), make)


def prepared_delete(dialect: Dialect, mapping: TableMapping) -> Prepared | None:
    """Return the DELETE of one row by primary key."""

    def make() -> Prepared:
        return Prepared(dialect, delete(mapping.table).where(*by_key(mapping)), ())

    return cached(dialect, mapping, "delete", make)


def by_key(mapping: TableMapping, target: FromClause | None = None) -> list[Any]:
    """Return the conditions that find a row by its primary key; in another table with its columns, if one is given."""
    return [
        (column if target is None else target.c[column.name]) == bindparam(f"{KEY}{number}", type_=column.type)
        for number, column in enumerate(mapping.mapper.primary_key)
    ]


@cache
def key_names(count: int) -> tuple[str, ...]:
    """Return the names of the parameters of these conditions, for a key of so many columns."""
    return tuple(f"{KEY}{number}" for number in range(count))


def key_values(state: InstanceState[Any]) -> dict[str, Any]:
    """Return the parameters of these conditions for the row of a stored instance."""
    identity = () if state.key is None else state.key[1]
    return dict(zip(key_names(len(identity)), identity, strict=True))
