"""Statements that are compiled once for a mapping and a dialect, and run on the driver with parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Boolean,
    Column,
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
from sqlalchemy.dialects.sqlite import DATETIME

from ..mapping.rowwise import iso

if TYPE_CHECKING:
    from sqlalchemy import Delete, Dialect, FromClause, Insert, Update
    from sqlalchemy.orm import InstanceState
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.types import TypeEngine

    from ..mapping.table import TableMapping

__all__ = ["Prepared", "by_key", "key_values", "prepared_delete", "prepared_insert", "prepared_update"]

Processor = Callable[[Any], Any]

KEY: Final = "aldis_key_"
"""What the parameters that find a row by its primary key are called, with a number."""

SAMPLE: Final = datetime(987, 6, 5, 4, 3, 2, 1)  # noqa: DTZ001 - each field is of another width
READABLE: Final = (Boolean, Date, DateTime, Integer, LargeBinary, String, Time, Uuid)
"""Types whose values are read without the cursor's word on what they are."""


class Unprepared(Exception):
    """A statement that needs more of SQLAlchemy than its SQL: it takes SQLAlchemy's own road."""


class Prepared:
    """The SQL of a statement, and how its values become the driver's parameters."""

    __slots__ = ("binds", "constants", "returns", "sql")

    def __init__(
        self,
        dialect: Dialect,
        statement: Insert | Update | Delete,
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
        """The keys of the columns that come back, and what makes Python's values of them."""

    def parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the driver's parameters."""
        if self.constants:
            values = {**self.constants, **values}
        return tuple([values[name] if process is None else process(values[name]) for name, process in self.binds])

    def all_parameters(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        """Return the driver's parameters of many rows."""
        if self.constants:
            return [self.parameters(values) for values in rows]
        columns = [processed([values[name] for values in rows], process) for name, process in self.binds]
        return list(zip(*columns, strict=True))

    def read(self, row: Sequence[Any]) -> dict[str, Any]:
        """Return the values that came back, by column key."""
        return {
            key: value if process is None else process(value)
            for (key, process), value in zip(self.returns, row, strict=True)
        }


def positional(dialect: Dialect) -> Dialect:
    """Return a dialect whose SQL takes its parameters by position: a tuple of them is made faster than a dict."""
    if dialect.positional:
        return dialect
    by_position = copy(dialect)
    by_position.positional, by_position.paramstyle = True, "format"
    return by_position


def writer(dialect: Dialect, of: TypeEngine[Any]) -> Processor | None:
    """Return what makes the driver's value of Python's.

    SQLAlchemy formats a datetime for SQLite field by field, in a microsecond; of its own type, and in its default form,
    it can be had for less.
    """
    implementation = of.dialect_impl(dialect)
    process = implementation.bind_processor(dialect)
    if type(implementation) is not DATETIME or process is None or [process(SAMPLE)] != iso([SAMPLE], process):
        return process

    return IsoText(process)


class IsoText:
    """Writes datetimes as SQLite's manual has them ("Date And Time Functions"), with microseconds.

    Args:
        otherwise: What makes SQLite's value of anything else, ``None`` and subclasses included.
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
    """Return what makes Python's value of a column of the database's."""
    if not isinstance(column.type, READABLE):
        raise Unprepared
    return column.type.dialect_impl(dialect).result_processor(dialect, None)


def cached(dialect: Dialect, mapping: TableMapping, key: Any, make: Callable[[], Prepared]) -> Prepared | None:
    """Return a prepared statement of a mapping; ``None`` when it has to take SQLAlchemy's own road."""
    known = mapping.prepared.get(dialect)
    if known is None:
        known = mapping.prepared[dialect] = {}
    if key not in known:
        try:
            known[key] = make()
        except Unprepared:
            known[key] = None
    return known[key]


def prepared_insert(dialect: Dialect, mapping: TableMapping, keys: tuple[str, ...]) -> Prepared | None:
    """Return the INSERT of one row with values for the columns ``keys``; it returns what the database fills in."""

    def make() -> Prepared:
        missing = [column for column in mapping.made_on_insert if column.key not in keys]
        if dialect.name == "sqlite" and len(missing) == 1 and missing[0] is mapping.rowid:
            missing = []  # the driver tells it: lastrowid
        if missing and not dialect.insert_returning:
            raise Unprepared
        statement = insert(mapping.table).inline()
        return Prepared(dialect, statement.returning(*missing) if missing else statement, keys, missing)

    return cached(dialect, mapping, ("insert", keys), make)


def prepared_update(dialect: Dialect, mapping: TableMapping, keys: tuple[str, ...]) -> Prepared | None:
    """Return the UPDATE, by primary key, of the columns ``keys``; it returns what the database fills in."""

    def make() -> Prepared:
        missing = [column for column in mapping.made_on_update if column.key not in keys]
        if missing and not dialect.update_returning:
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


def key_values(state: InstanceState[Any]) -> dict[str, Any]:
    """Return the parameters of these conditions for the row of a stored instance."""
    return {f"{KEY}{number}": value for number, value in enumerate(state.identity or ())}
