"""``session.execute(insert(User), rows)`` and ``session.execute(update(User), rows)``: bulk operations of a session.

They are ``bulk_create`` and ``bulk_update``, with the same batches, context variables and notes. Two things stay
SQLAlchemy's: such a statement calls no events of the mapper or of attributes, and a ``None`` among the values of the
statement itself is NULL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping
from contextlib import asynccontextmanager
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import FromClause
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.base import NO_VALUE

from ...context import NONE
from ...progress import BATCH_SIZE
from ..database import Database
from ..internals import has_on_conflict, is_made_of_rows, returned_by, spread_out, without_values
from ..mapping.instance_state import has_expressions, renew_all, store
from ..mapping.rowwise import types
from ..mapping.table import TableMapping
from ..saving.columns import NewRows, at
from ..saving.firing import fire
from ..saving.operation import Bulk
from ..saving.rows_of_keys import Reader
from ..saving.stored_rows import StoredRows
from ..transactions.after_commit import queue_of
from ..transactions.given_connections import begun_by_hand
from ..transactions.rollback import RollbackScope

if TYPE_CHECKING:
    from sqlalchemy import Insert
    from sqlalchemy.engine import Result
    from sqlalchemy.orm import ORMExecuteState

    from ..transactions.savepoints import Transaction
    from .statements import Statement

__all__ = ["BulkInsert", "BulkUpdate"]


class BulkStatement(Bulk):
    """A statement of many rows.

    Args:
        statement: The statement.
        name: The method that does the same.
        rows: Its rows, by attribute name.
        ignores_conflicts: It has an ON CONFLICT clause.
    """

    def __init__(
        self, statement: Statement, name: str, rows: list[dict[str, Any]], ignores_conflicts: bool = False
    ) -> None:
        super().__init__(statement.queryset(), name, BATCH_SIZE, ignore_conflicts=ignores_conflicts)
        self.statement = statement
        self.state = statement.state
        self.rows = rows
        self.result: Result[Any] | None = None
        """The result of SQLAlchemy, if one statement of its own has written all rows."""
        self.is_skipped = False

    def has_to_flush(self, rows: NewRows) -> bool:
        """A statement calls no mapper events."""
        return False

    def reader(self, transaction: Transaction) -> Reader:
        """Return the session's function that reads old values."""
        heard = self.statement.flush.listeners_of(self.model)
        assert heard is not None
        return self.statement.flush.reader_of(heard)

    async def invoke(self, statement: Any = None) -> Result[Any]:
        """Let SQLAlchemy run a statement, by default the session's own."""
        found: Result[Any] = await self.statement.flush.call(self.state.invoke_statement, statement)
        return found

    async def work(self, write: Callable[[Transaction, list[dict[str, Any]], int], Awaitable[None]] | None) -> None:
        """Write the rows in batches between the bulk signals; all of it by the statement itself, where there is no way.

        Args:
            write: Writes a batch, which begins at a number.
        """
        told = self.told_of(self.rows)
        async with self.transaction() as transaction:
            skipped = self.is_skipped = await fire(self.signals, "pre_bulk", self.model, *told)
            count: int | None = 0
            if skipped:
                pass
            elif write is None:
                self.result, count = await self.invoke(), len(self.rows) or None
            else:
                for first in range(0, len(self.rows), self.batch_size):
                    await write(transaction, self.rows[first : first + self.batch_size], first)
                count = self.created
            await fire(self.signals, "post_bulk", self.model, *told, count, self.updated, skipped)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Return a savepoint of the session's transaction, unless the session is a plain one."""
        session = self.statement.flush.asynchronous
        if session is None:
            yield cast("Transaction", None)  # SQLAlchemy's statement writes there
            return
        connection = await session.connection(bind_arguments=dict(self.state.bind_arguments))
        queue = queue_of(session.sync_session, connection.sync_connection)
        database = getattr(self.model, "database", None)
        scope = RollbackScope(changes=self)
        async with begun_by_hand(
            database if isinstance(database, Database) else None, connection, queue, scope, self.model
        ) as transaction:
            yield transaction

    def answer(self, write: Callable[..., Awaitable[None]] | None) -> Result[Any]:
        """Run the statement, and return its result."""
        self.statement.wait_for(lambda: self.work(write), self.queryset, None)
        if self.result is not None:
            return self.result
        return self.statement.counted(self.created + self.updated)


class BulkInsert(BulkStatement):
    """An INSERT.

    Args:
        statement: The statement.
        insert: SQLAlchemy's INSERT.
        rows: Its rows, by attribute name.
    """

    def __init__(self, statement: Statement, insert: Insert, rows: list[dict[str, Any]]) -> None:
        super().__init__(statement, "bulk_create", rows, has_on_conflict(insert))
        self.insert = insert
        self.is_plain = bool(statement.state.parameters) and is_made_of_rows(insert)
        """It is made of its rows alone."""
        self.renders_null = renders_null(statement.state)
        self.keeps_null = self.renders_null or not statement.state.parameters
        """A ``None`` among its values is NULL, whatever the column's default."""
        if not self.is_plain:
            self.batch_size = max(len(rows), 1)

    def has_columns(self) -> bool:
        """Tell whether each name in ``values()`` is one that SQLAlchemy has a column for; it refuses others."""
        known = {*self.mapping.keys, *self.mapping.mapper.composites.keys()}
        return bool(self.state.parameters) or all(known.issuperset(values) for values in self.rows)

    async def write(self, transaction: Transaction, batch: list[dict[str, Any]], first: int) -> None:
        """Insert a batch of rows with their signals."""
        mapping = self.mapping
        rows = NewRows(mapping)
        self.touched.append(rows)
        all_given = of_columns(mapping, batch)
        instances, states = zip(*[instance_of(mapping, given) for given in all_given], strict=True)
        rows.add_plain(first, instances, list(states), batch)
        for given, row in zip(all_given, rows.column_values, strict=True) if self.keeps_null else ():
            nulls = [mapping.keys[name] for name, value in given.items() if value is None and name in mapping.keys]
            row.update(dict.fromkeys(nulls))
        await self.create(transaction, rows)

    async def write_new(self, transaction: Transaction, rows: NewRows, alike: bool) -> bool:
        """Insert the rows; tell whether it is known which keys they have."""
        mapping, all_rows = rows.mapping, rows.to_write()
        to_write = all_rows
        if NoneType in types(all_rows):
            given = [values for number, values in enumerate(rows.values) if number not in rows.skipped]
            named = [values if self.keeps_null else NONE for values in given]
            to_write = [without_null(mapping, row, each) for row, each in zip(all_rows, named, strict=True)]
            alike = alike and len(set(map(frozenset, to_write))) <= 1
        if not to_write:
            return True
        is_own = not self.is_plain or self.renders_null or needs_sqlalchemy(mapping, self.state)
        if is_own or self.statement.flush.asynchronous is None or has_expressions(to_write):
            return await self.write_by_sqlalchemy(mapping, to_write, all_rows)
        await self.insert_many(transaction, rows, to_write, alike)
        if to_write is not all_rows:
            for row, written in zip(all_rows, to_write, strict=True):
                row.update(written)
        return True

    async def write_by_sqlalchemy(
        self, mapping: TableMapping, to_write: list[dict[str, Any]], rows: list[dict[str, Any]]
    ) -> bool:
        """Insert the rows by SQLAlchemy's statement; tell whether it is known which keys they have."""
        state, insert = self.state, self.insert
        values = [mapping.by_attribute(row) for row in to_write]
        if not state.parameters:
            fresh = without_values(insert).values(values if len(values) > 1 else values[0])
            self.result = await self.invoke(fresh)
            return False
        state.parameters = values
        if not self.tells_keys():
            self.result = await self.invoke(insert)
            return False
        names = [mapping.attributes[key] for key in mapping.primary_key]
        if returned := returned_by(insert):
            if [is_entity(each, mapping) for each in returned] != [True]:
                self.result = await self.invoke(insert)
                return False
            frozen = (await self.invoke(insert.returning(sort_by_parameter_order=True))).freeze()
            found = [[getattr(each, name) for name in names] for each in frozen().scalars()]
            self.result = frozen()
        else:
            keys = [getattr(self.model, name) for name in names]
            found = [list(row) for row in await self.invoke(insert.returning(*keys, sort_by_parameter_order=True))]
        if len(found) != len(rows):
            return False
        for row, key in zip(rows, found, strict=True):
            row.update(zip(mapping.primary_key, key, strict=True))
        return True

    def tells_keys(self) -> bool:
        """Tell whether the database returns the keys of many rows in their order."""
        dialect = self.state.session.get_bind(**self.state.bind_arguments).dialect
        can = dialect.insert_returning and dialect.insert_executemany_returning_sort_by_parameter_order
        return can and not has_on_conflict(self.insert)


class BulkUpdate(BulkStatement):
    """An UPDATE of rows by their keys."""

    def has_keys(self) -> bool:
        """Tell whether each row was given with its key."""
        names = {self.mapping.attributes[key] for key in self.mapping.primary_key}
        return all(names <= row.keys() for row in self.rows)

    async def write(self, transaction: Transaction, batch: list[dict[str, Any]], first: int) -> None:
        """Update a batch of rows with their signals."""
        pairs = zip(batch, of_columns(self.mapping, batch), strict=True)
        rows = StoredRows(self.mapping)
        for number, (values, given) in enumerate(pairs, first):
            self.add(rows, number, values, given)
        self.touched.clear()
        await self.update(transaction, [rows])

    def add(self, rows: StoredRows, number: int, values: dict[str, Any], given: Mapping[str, Any]) -> None:
        """Add the row of the values that a caller gave; ``given`` are the same by the attributes of columns."""
        mapping = self.mapping
        keys = {mapping.attributes[key]: values[mapping.attributes[key]] for key in mapping.primary_key}
        instance = mapping.mapper.class_manager.new_instance()
        store(instance, keys)
        state: InstanceState[Any] = instance_state(instance)
        written = {name: value for name, value in given.items() if name not in keys and name in mapping.keys}
        state.dict.update(written)
        state.committed_state.update(dict.fromkeys(written, NO_VALUE))
        column_values = {mapping.keys[name]: value for name, value in written.items()}
        if column_values:
            mapping.complete(column_values, mapping.onupdates)
        rows.add_written(number, instance, state, values, column_values)

    async def write_changes(self, transaction: Transaction, rows: StoredRows) -> None:
        """Update the rows by SQLAlchemy's statement, which sees to the session's own instances of them."""
        mapping = rows.mapping
        names = [mapping.attributes[key] for key in mapping.primary_key]
        places, states, column_values = rows.to_write()
        self.state.parameters = [
            {**mapping.by_attribute(row), **{name: rows.values[place][name] for name in names}}
            for place, row in zip(places, column_values, strict=True)
            if row
        ]
        if self.state.parameters:
            await self.invoke()
            renew_all(mapping, states, at(rows.loaded, places), column_values)


def instance_of(mapping: TableMapping, values: Mapping[str, Any]) -> tuple[Any, InstanceState[Any]]:
    """Return a new instance with these values, which nobody is told of: a statement makes none.

    As SQLAlchemy's statement does, it passes over other names than those of columns.
    """
    mapper = mapping.mapper
    instance = mapper.class_manager.new_instance()
    state: InstanceState[Any] = instance_state(instance)
    loaded = state.dict
    known = mapping.keys.keys()
    loaded.update(values if known >= values.keys() else {name: values[name] for name in values if name in known})
    if mapper.polymorphic_on is not None and mapper.polymorphic_identity is not None:
        loaded.setdefault(mapper.get_property_by_column(mapper.polymorphic_on).key, mapper.polymorphic_identity)
    return instance, state


def without_null(mapping: TableMapping, row: dict[str, Any], named: Container[str]) -> dict[str, Any]:
    """Return a row without the columns that are NULL by themselves: SQLAlchemy's statement says nothing of them.

    Args:
        mapping: The mapping of its class.
        row: The row.
        named: The attributes whose NULL is written all the same.
    """
    return {
        key: value
        for key, value in row.items()
        if value is not None or key not in mapping.null_when_unset or mapping.attributes[key] in named
    }


def of_columns(mapping: TableMapping, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows by the attributes of their columns alone, those of composites among them; others are left."""
    known = mapping.keys.keys()
    if all(known >= row.keys() for row in rows):
        return rows
    spread = [row.copy() for row in rows]
    spread_out(mapping.mapper, spread)
    return spread


def renders_null(state: ORMExecuteState) -> bool:
    """Tell whether an INSERT was told to write each ``None`` as NULL (``render_nulls``)."""
    return bool(getattr(state.execution_options.get("_sa_orm_insert_options"), "_render_nulls", False))


def needs_sqlalchemy(mapping: TableMapping, state: ORMExecuteState) -> bool:
    """Tell whether SQLAlchemy's own statement has to write the rows of a class."""
    return mapping.reason is not None or "schema_translate_map" in state.execution_options


def is_entity(returned: Any, mapping: TableMapping) -> bool:
    """Tell whether a RETURNING's element is the instances themselves."""
    annotations = getattr(returned, "_annotations", {})
    return isinstance(returned, FromClause) and annotations.get("parententity") is mapping.mapper
