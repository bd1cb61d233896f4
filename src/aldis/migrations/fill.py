"""Fill the new columns of stored rows through their models: chunk by chunk, with the signals of an update."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import Column, Connection, Table, func, null, or_, select, tuple_
from sqlalchemy import inspect as inspected
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapper, lazyload, load_only
from sqlalchemy.orm.attributes import instance_state

from ..context import current
from ..errors import ConfigurationError
from ..orm.database import Using, reading
from ..orm.mapping.defaults import DefaultContext
from ..orm.meta import meta_of
from ..orm.saving.firing_rows import Told, context_of_rows
from ..orm.saving.operation import Bulk
from ..orm.saving.stored_rows import StoredRows, rows_of
from ..orm.transactions.rollback import RollbackScope
from ..progress import Progress, following
from .fields import fields_named

if TYPE_CHECKING:
    from ..orm.saving.row_changes import Changes
    from ..orm.transactions.savepoints import Transaction

__all__ = ["BATCH_SIZE", "Defaults", "apply_default_force_nullable_fields", "fill_columns"]

BATCH_SIZE: Final = 1000
"""Rows of one transaction, if the caller does not say."""

Defaults: TypeAlias = Mapping[str, Any]
"""The new values of fields, by name: a value, or a function of the instance."""


async def apply_default_force_nullable_fields(
    null_fields: Iterable[str],
    *,
    model_defaults: Mapping[str, Defaults] | None = None,
    using: Using | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Progress = False,
) -> int:
    """Give a value to fields of stored rows that are NULL, as after a NOT NULL column was added nullable.

    Each row is read as an instance, ``pre_update`` and ``post_update`` fire for it with ``is_migration=True``, and it
    is written. A field gets its value from a receiver, by ``column_values``, else from ``model_defaults``, else from
    the column's default. A row for which a receiver raises :class:`SkipOperation` stays as it is. A chunk is one
    transaction; after a failure, or a crash, the next call goes on with the rows that are still NULL.

    Args:
        null_fields: ``"User.email"``, or ``":email"`` for every model that has the field.
        model_defaults: Their new values, by model name and field name: a value, or a function of the instance.
        using: Where the rows are, instead of each model's own database.
        batch_size: The rows of one transaction.
        progress: ``True`` for a bar, or a function, called after each chunk with the rows done and their number.

    Returns:
        The number of rows that were updated.

    Raises:
        CommandError: A name stands for no field.
        ConfigurationError: A row got no value: there is no default, and no receiver gave one.

    Example:
        >>> import asyncio, aldis
        >>> from aldis.migrations import apply_default_force_nullable_fields
        >>> from sqlalchemy import Integer, Text
        >>> from sqlalchemy.orm import DeclarativeBase, mapped_column
        >>> class Base(aldis.Model, DeclarativeBase):
        ...     database = aldis.Database("sqlite+aiosqlite://")
        >>> class Lamp(Base):
        ...     __tablename__ = "lamp"
        ...     id = mapped_column(Integer, primary_key=True)
        ...     colour = mapped_column(Text)
        >>> async def main():
        ...     async with Base.database, Base.database.transaction() as connection:
        ...         await connection.run_sync(Base.metadata.create_all)
        ...         await Lamp.query.bulk_create([Lamp(), Lamp(colour="red")])
        ...         defaults = {"Lamp": {"colour": "white"}}
        ...         await apply_default_force_nullable_fields(["Lamp.colour"], model_defaults=defaults)
        ...         return [lamp.colour for lamp in await Lamp.query.order_by(Lamp.id).all()]
        >>> asyncio.run(main())
        ['white', 'red']
    """
    by_model: dict[type[Any], list[str]] = {}
    for named in [null_fields] if isinstance(null_fields, str) else null_fields:
        for field in fields_named(named):
            by_model.setdefault(field.model, []).append(field.name)
    filled = 0
    for model, names in by_model.items():
        defaults = (model_defaults or {}).get(model.__name__, {})
        count = await count_null(model, names, using)
        with following(progress, range(count), f"filling {model.__name__}") as tell:
            filled += await fill_columns(model, names, defaults, using, batch_size, tell)
    return filled


async def count_null(model: type[Any], names: Sequence[str], using: Using | None) -> int:
    """Return the number of rows that have one of the fields NULL."""
    statement = select(func.count()).select_from(model).where(are_null(model, names))
    async with looking(meta_of(model).database if using is None else using) as connection:
        return (await connection.execute(statement)).scalar_one()


@asynccontextmanager
async def looking(where: Using) -> AsyncIterator[AsyncConnection]:
    """Read from a database; a connection that was in no transaction is in none after it, so that a chunk can commit."""
    async with reading(where) as connection:
        was_in_transaction = connection.in_transaction()
        yield connection
        if connection is where and not was_in_transaction:
            await connection.rollback()


def are_null(model: type[Any], names: Sequence[str]) -> Any:
    """Return the condition that one of the fields is NULL."""
    return or_(*(getattr(model, name).is_(null()) for name in names))


async def fill_columns(
    model: type[Any],
    names: Sequence[str],
    defaults: Defaults,
    using: Using | None,
    batch_size: int,
    tell: Callable[[int], object],
) -> int:
    """Fill fields of the rows of a model where they are NULL; return the number of rows that were updated.

    The rows are walked in the order of their keys, a chunk in one transaction, which locks them where the database
    can. Only columns that the table has by now are read: the model may be ahead of it by several revisions.

    Args:
        model: The model.
        names: Its fields.
        defaults: Their new values, by name.
        using: Where the rows are.
        batch_size: The rows of one transaction.
        tell: Called after each with the number of rows seen so far.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it takes a number of rows, from 1.")
    where = meta_of(model).database if using is None else using
    mapper: Mapper[Any] = inspected(model)
    async with looking(where) as connection:
        there = await columns_there(connection, mapper)
    key = one_or_tuple(mapper.primary_key)
    query = (
        model.query.filter(are_null(model, names))
        .order_by(*mapper.primary_key)
        .limit(batch_size)
        .options(load_only(*loadable(mapper, there), raiseload=True), lazyload("*"))
    )
    last: Any = None
    seen = filled = 0
    while True:
        async with meta_of(model).operation(where) as transaction:
            here = query.using(transaction.connection)
            if last is not None:
                here = here.filter(key > last)
            rows = await here._fetch(here.select.with_for_update(of=model))
            for kind, alike in groupby(rows, type):
                filled += await Fill(kind, names, defaults, there).go(transaction, list(alike), seen)
        if not rows:
            return filled
        identity = instance_state(rows[-1]).identity
        assert identity is not None
        last = one_or_tuple(identity)
        seen += len(rows)
        tell(seen)
        if len(rows) < batch_size:
            return filled


def one_or_tuple(parts: Sequence[Any]) -> Any:
    """Return a key, or a SQL tuple of one that has several parts."""
    return tuple_(*parts) if len(parts) > 1 else parts[0]


async def columns_there(connection: AsyncConnection, mapper: Mapper[Any]) -> frozenset[Column[Any]]:
    """Return the columns of a mapped class that its tables have in the database."""

    def look(sync: Connection) -> frozenset[Column[Any]]:
        inspector = inspected(sync)
        found: set[Column[Any]] = set()
        for table in mapper.tables:
            if isinstance(table, Table):
                known = {column["name"] for column in inspector.get_columns(table.name, schema=table.schema)}
                found.update(column for column in table.columns if column.name in known)
        return frozenset(found)

    return await connection.run_sync(look)


def loadable(mapper: Mapper[Any], there: frozenset[Column[Any]]) -> list[Any]:
    """Return the attributes whose columns are there."""
    return [
        getattr(mapper.class_, attribute.key)
        for attribute in mapper.column_attrs
        if all(column in there for column in attribute.columns)
    ]


class Fill(Bulk):
    """One chunk of rows that are filled.

    Args:
        model: The class of the instances.
        names: The fields.
        defaults: Their new values, by name.
        there: The columns that the tables have.
    """

    is_migration = True

    def __init__(
        self, model: type[Any], names: Sequence[str], defaults: Defaults, there: frozenset[Column[Any]]
    ) -> None:
        super().__init__(model.query, "the migration", BATCH_SIZE)
        if not there.issuperset(self.mapping.table.columns):
            self.there = there
        self.keys = {name: self.mapping.keys[name] for name in names if name in self.mapping.keys}
        self.defaults = defaults
        self.of_columns = dict(self.mapping.defaults)
        keys = {column.key for column in there}
        self.onupdates = tuple((key, default) for key, default in self.mapping.onupdates if key in keys)

    def called_on(self, instances: list[Any]) -> list[Any]:
        """Return the instances: a migration updates each by itself."""
        return instances

    def context_of(self, instances: list[Any], named: list[frozenset[str]]) -> Told:
        """Return the context of receivers: which row it is, and which attributes of it the caller named."""
        return context_of_rows(instances, instances, named)

    async def go(self, transaction: Transaction, instances: list[Any], first: int) -> int:
        """Fill the rows of the instances; return how many were updated."""
        async with meta_of(self.model).operation(transaction.connection, RollbackScope(changes=self)) as inner:
            with current(None, None, None):
                found: dict[type[Any], StoredRows] = {}
                for number, each in enumerate(instances, first):
                    self.add(rows_of(found, each), each, number)
                await self.update(inner, list(found.values()))
        return self.updated

    def add(self, rows: StoredRows, instance: Any, number: int) -> None:
        """Add an instance, with the new values of its fields."""
        state = instance_state(instance)
        values: dict[str, Any] = {}
        column_values: dict[str, Any] = {}
        known = {self.mapping.keys[name]: value for name, value in state.dict.items() if name in self.mapping.keys}
        for name, key in self.keys.items():
            if state.dict.get(name) is not None:
                continue
            if name in self.defaults:
                default = self.defaults[name]
                value = default(instance) if callable(default) else default
            else:
                value = (
                    self.of_columns[key](DefaultContext({**known, **column_values})) if key in self.of_columns else None
                )
            values[name] = column_values[key] = value
        self.mapping.complete(column_values, self.onupdates)
        rows.add_written(number, instance, state, values, column_values)

    async def emit_before_update(
        self, transaction: Transaction, rows: StoredRows, changes: Changes | None = None
    ) -> None:
        """Fire ``pre_update`` for each row.

        Raises:
            ConfigurationError: A row has no value after it.
        """
        await super().emit_before_update(transaction, rows, changes)
        places, states, column_values = rows.to_write()
        for place, state, row in zip(places, states, column_values, strict=True):
            for name, key in self.keys.items():
                if name in rows.values[place] and row.get(key) is None:
                    raise ConfigurationError(
                        f"{self.model.__name__}.{name} has no value for the row {state.identity!r}: give the "
                        f"column a default, the migration defaults={{{name!r}: ...}}, or connect a receiver to "
                        f"pre_update that sets column_values[{key!r}], or raises SkipOperation to leave it NULL."
                    )
