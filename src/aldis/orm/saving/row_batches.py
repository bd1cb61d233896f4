"""The rows of one UPDATE or DELETE, told of row by row, in batches: ``connect(..., rows=True)``.

Two statements a batch: one reads the keys and the old values, and locks the rows as the write is going to lock them;
the other writes the rows of these keys. Where a database returns nothing of an UPDATE, a third one reads the new
values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    ARRAY,
    Date,
    DateTime,
    Enum,
    Integer,
    LargeBinary,
    String,
    TextClause,
    Uuid,
    any_,
    bindparam,
    false,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql import visitors
from sqlalchemy.sql.selectable import SelectBase

from ...context import current
from ..databases import MYSQL
from ..mapping.table import mapping_of
from .lost_rows import keys_of, refuse_float, refuse_lost, refuse_null, refuse_unwritten
from .row_refusals import row_receivers
from .told_rows import ToldRows

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Dialect, Select, Update
    from sqlalchemy.sql.base import ExecutableOption

    from ..mapping.table import TableMapping

__all__ = ["AFTER", "KEYS", "LAST", "SIZE", "Key", "Parameters", "RowBatches", "Rows", "take_write_lock"]

SIZE: Final = 1000
"""Rows of a batch."""

IN_ORDER: Final = (Integer, String, Uuid, Date, DateTime, LargeBinary)
"""Types that a database compares as it sorts, and that come back as they are sent. MariaDB sorts an ENUM by number."""

FOR_ARRAYS: Final = (Integer, String, Uuid)
"""Types whose values PostgreSQL is sent as one array."""

AFTER: Final = "aldis_after_"
"""What the parameters are called after whose key a batch begins, with a number."""

LAST: Final = "aldis_last_"
"""The same of the last key of all."""

KEYS: Final = "aldis_keys"
"""What the parameter with the keys of a batch is called."""

Key = tuple[Any, ...]
Rows = Sequence[Any]
"""Rows, each a sequence of its columns' values."""
Parameters = dict[str, Any]


class RowBatches(ABC):
    """The rows of a statement.

    Args:
        model: The class that the statement is on.
        kind: ``"update"`` or ``"delete"``.
        classes: The classes whose rows receivers hear.
        call: The call, for messages.
        caller: The queryset, which :data:`~aldis.context.CURRENT_INSTANCE` holds between the rows.
        where: The conditions.
        values: What an UPDATE was given, by attribute name.
        column_values: What it writes, by column key.
        options: Options of the statement that concern its conditions.
    """

    def __init__(
        self,
        model: type[Any],
        kind: str,
        classes: Sequence[type[Any]],
        call: str,
        caller: object,
        where: Sequence[Any],
        values: Mapping[str, Any] | None = None,
        column_values: Mapping[str, Any] | None = None,
        options: Sequence[ExecutableOption] = (),
    ) -> None:
        self.model, self.kind, self.call, self.caller = model, kind, call, caller
        self.where, self.options = where, options
        self.values = values
        self.column_values = {} if column_values is None else column_values
        self.mapping = mapping_of(model)
        self.mappings: dict[type[Any], TableMapping] = {each: mapping_of(each) for each in classes}
        self.columns = self.columns_to_read()
        """Those that are read, the primary key's first."""
        self.columns_after = self.columns_to_return()
        """Those that are read again of rows that are written, the primary key's first."""
        self.readings: dict[type[Any], Select[Any]] = {}
        """The SELECTs of some keys, by the type of their parameter."""
        self.row_count: int | None = 0

    @property
    @abstractmethod
    def dialect(self) -> Dialect:
        """The database's dialect."""

    @abstractmethod
    async def read(self, statement: Select[Any], columns: Sequence[Any], parameters: Parameters) -> Rows:
        """Run a SELECT where the statement runs.

        Args:
            statement: The SELECT.
            columns: The columns that it reads.
            parameters: The values of its parameters.
        """

    @abstractmethod
    async def write(self, keys: list[Key], returns: bool) -> tuple[int | None, Rows | None]:
        """Run the statement on the rows of these keys.

        Args:
            keys: The keys.
            returns: The rows are wanted as they are now; of a DELETE, their keys.

        Returns:
            How many it has written, if the database says, and the rows, by :attr:`columns_after`, if it returns any.
        """

    @property
    def has_instances(self) -> bool:
        """Some rows may have instances of their own, which :meth:`known` returns."""
        return False

    def known(self, identity: Key) -> Any:
        """Return the session's instance of a row, if there is one."""
        return None

    def columns_to_read(self) -> list[Column[Any]]:
        """Return the columns of the classes that are not deferred, and those that are written."""
        table = self.mapping.table
        found = {table.c[key]: None for key in self.mapping.primary_key}
        for mapping in (self.mapping, *self.mappings.values()):
            attributes = mapping.mapper.column_attrs
            for name, key in mapping.columns:
                if not attributes[name].deferred or key in self.column_values:
                    found[table.c[key]] = None
        discriminator = self.mapping.mapper.polymorphic_on
        if discriminator is not None and discriminator.key in table.c:
            found[table.c[discriminator.key]] = None
        return list(found)

    def columns_to_return(self) -> list[Column[Any]]:
        """Return the columns that may have another value once a row is written: on PostgreSQL, by a trigger, all.

        SQLite's triggers cannot change the row that is written, and each column of a RETURNING costs it as much as two
        of a SELECT.
        """
        if self.dialect.name != "sqlite":
            return self.columns
        made = {column for mapping in self.mappings.values() for column in mapping.made_on_update}
        changed = [each for each in self.columns[self.width :] if each.key in self.column_values or each in made]
        return [*self.columns[: self.width], *changed]

    @property
    def width(self) -> int:
        """How many columns the primary key has."""
        return len(self.mapping.primary_key)

    @property
    def returns(self) -> bool:
        """The database returns the rows that the statement has written."""
        return bool(self.dialect.update_returning if self.kind == "update" else self.dialect.delete_returning)

    async def run(self) -> int | None:
        """Write all rows, between the signals of each; return how many, if the database says.

        Raises:
            RefusedError: The rows' keys are of a kind by which the database does not find them.
            RowMismatchError: It has not found one of them.
        """
        refuse_float(self)
        async for rows in self.batches():
            told = ToldRows(self, rows)
            with current(self.caller, None, self.values):
                await told.fire_before()
            told.expire_again()
            keys = told.keys_to_write()
            if keys:
                is_heard = any(row_receivers(each, "post", self.kind) for each in self.mappings)
                count, new = await self.write(keys, is_heard)
                await refuse_unwritten(self, keys, count, new)
                if new is None and is_heard and self.kind == "update":
                    new = await self.read_of_keys(keys)
                    if self.columns_after is not self.columns:
                        places = [self.columns.index(each) for each in self.columns_after]
                        new = [[row[place] for place in places] for row in new]
                told.take(count, new)
                self.row_count = None if count is None or self.row_count is None else self.row_count + count
            with current(self.caller, None, self.values):
                await told.fire_after()
        return self.row_count

    @property
    def key(self) -> list[Any]:
        """The primary key, as attributes of the model, so that a SELECT finds rows of the model only."""
        return [getattr(self.model, self.mapping.attributes[each]) for each in self.mapping.primary_key]

    def reading(self, *more: Any) -> Select[Any]:
        """Return a SELECT of the columns that locks as the statement is going to, in the order of the key."""
        key_share = self.kind == "update" and self.mapping.unique_keys.isdisjoint(self.column_values)
        found: Any = select(*self.key, *self.columns[self.width :], *more)
        return found.order_by(*self.key).with_for_update(key_share=key_share)  # type: ignore[no-any-return]

    async def batches(self) -> AsyncIterator[Rows]:
        """Read the rows that the statement is about, a batch at a time.

        A batch begins after the last key of the one before, and goes no further than the last key of all when the
        statement began: whatever it and its receivers write, no row comes twice, and none that is new.
        """
        width = self.width
        if not self.is_paged():
            statement: Any = self.of_statement(self.reading()).with_only_columns(*self.key)
            keys = [tuple(each) for each in await self.read(statement, self.columns[:width], {})]
            refuse_null(self, keys)
            for first in range(0, len(keys), SIZE):
                some = keys[first : first + SIZE]
                rows = await self.read_of_keys(some)
                await refuse_lost(self, set(some).difference(keys_of(self, rows)))
                yield rows
            return
        columns = [*self.columns, *self.columns[:width]]
        rows = await self.read(self.of_statement(self.reading(*self.last_key())).limit(SIZE), columns, {})
        last = rows[0][-width:] if rows else ()
        rows = [row[:-width] for row in rows]
        between = (self.compared_with(AFTER), self.compared_with(LAST))
        following = self.of_statement(self.reading()).where(*between).limit(SIZE)
        while rows:
            yield rows
            reached = rows[-1][:width]
            if len(rows) < SIZE or reached == last:
                return
            rows = await self.read(following, self.columns, {**named(AFTER, reached), **named(LAST, last)})

    async def read_of_keys(self, keys: list[Key]) -> Rows:
        """Read the rows of these keys."""
        value = self.as_parameter(keys)
        kind = type(value)
        if kind not in self.readings:
            self.readings[kind] = self.reading().where(self.among(kind, self.key))
        return await self.read(self.readings[kind], self.columns, {KEYS: value})

    def of_statement(self, chosen: Select[Any]) -> Select[Any]:
        """Return a SELECT with the conditions of the statement."""
        return chosen.where(*self.where).options(*self.options)

    def last_key(self) -> list[Any]:
        """Return the last key of the statement's rows, as expressions for the SELECT of its first batch."""
        backwards = [each.desc() for each in self.key]
        found = []
        for each in self.key:
            last = self.of_statement(select(each)).order_by(*backwards).limit(1).correlate(None)
            if self.dialect.name in MYSQL:  # which would read an older state otherwise
                last = last.with_for_update()
            found.append(last.scalar_subquery())
        return found

    def compared_with(self, prefix: str) -> ColumnElement[bool]:
        """Return the condition that a row comes after a key, or that it does not come after one.

        Args:
            prefix: :data:`AFTER`, or :data:`LAST`.
        """
        columns = [self.mapping.table.c[each] for each in self.mapping.primary_key]
        values = [bindparam(f"{prefix}{place}", type_=column.type) for place, column in enumerate(columns)]
        mine: Any = columns[0] if self.width == 1 else tuple_(*columns)
        theirs: Any = values[0] if self.width == 1 else tuple_(*values)
        return mine > theirs if prefix == AFTER else mine <= theirs  # type: ignore[no-any-return]

    def as_parameter(self, keys: list[Key]) -> str | list[Any]:
        """Return some keys as the value of the parameter :data:`KEYS`.

        On SQLite it is one text, if they are integers: a parameter for each costs as long as half of the UPDATE.
        """
        if self.width > 1:
            return keys
        values = [key[0] for key in keys]
        if self.dialect.name == "sqlite" and set(map(type, values)) == {int}:
            return f"[{','.join(map(str, values))}]"
        return values

    def among(self, kind: type[Any], columns: Sequence[Any]) -> ColumnElement[bool]:
        """Return the condition that a row has one of the keys in the parameter :data:`KEYS`.

        PostgreSQL takes them as one array.

        Args:
            kind: The type of the parameter's value.
            columns: The primary key, as columns or as attributes.
        """
        several: Any = bindparam(KEYS, expanding=True)
        if self.width > 1:
            return tuple_(*columns).in_(several)
        (column,) = columns
        if kind is str:
            each = func.json_each(bindparam(KEYS, type_=String())).table_valued("value")
            return column.in_(select(each.c.value))  # type: ignore[no-any-return]
        is_enum = isinstance(column.type, Enum)
        if self.dialect.name == "postgresql" and isinstance(column.type, FOR_ARRAYS) and not is_enum:
            return column == any_(bindparam(KEYS, type_=ARRAY(column.type)))  # type: ignore[no-any-return]
        return column.in_(several)  # type: ignore[no-any-return]

    def is_paged(self) -> bool:
        """Tell whether each batch can be found by the conditions.

        Not if these look at other rows, which the batch before may have changed, if the database does not compare
        keys as it sorts them, or if a part of a key may be NULL.
        """
        columns = [self.mapping.table.c[each] for each in self.mapping.primary_key]
        if not all(isinstance(each.type, IN_ORDER) and not isinstance(each.type, Enum) for each in columns):
            return False
        if any(each.nullable for each in columns):  # no comparison finds a NULL
            return False
        parts = (part for each in self.where for part in visitors.iterate(each))
        return not any(isinstance(part, (SelectBase, TextClause)) for part in parts)


def take_write_lock(mapping: TableMapping) -> Update:
    """Return a statement that changes nothing, and takes SQLite's lock to write.

    Whoever reads without the lock first may find that others have written meanwhile.
    """
    key = mapping.table.c[mapping.primary_key[0]]  # the table itself may have none
    return update(mapping.table).where(false()).values({key: key})


def named(prefix: str, key: Key) -> Parameters:
    """Return the parameters of a key."""
    return {f"{prefix}{place}": value for place, value in enumerate(key)}
