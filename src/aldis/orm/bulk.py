"""Many instances: read a batch, fire the signals before, write it, fire the signals after."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ..context import CURRENT_MODEL_INSTANCE, EXPLICIT_SPECIFIED_VALUES, current
from ..dispatch import emitters
from ..errors import ConfigurationError, SkipOperation
from . import flush, writers
from .firing import fire
from .flush import needs_flush
from .meta import meta_of, operation
from .shape import attribute, shape_of
from .snapshot import Snapshot, detach
from .transaction import Level

if TYPE_CHECKING:
    from .database import Using
    from .queryset import QuerySet
    from .transaction import Transaction

__all__ = ["BATCH_SIZE", "Bulk", "Row", "Rows", "bulk_create", "check_fields"]

BATCH_SIZE: Final = 5000
"""Rows that are written at once, if the caller does not say."""

Rows = Iterable[Any] | AsyncIterable[Any]
"""What a bulk method takes: instances, or mappings of their attributes."""


class Row:
    """One row on its way to the database."""

    __slots__ = ("before", "count", "instance", "skipped", "state", "values", "written")

    def __init__(self, instance: Any, values: Mapping[str, Any], written: dict[str, Any], before: Snapshot) -> None:
        self.instance = instance
        self.state: InstanceState[Any] = instance_state(instance)
        self.values = values
        self.written = written
        self.before = before
        self.skipped = False
        self.count: int | None = 1
        """Rows written: 0 where a conflict was ignored."""


class Bulk:
    """One bulk operation: on what, with which signals, and what it has done so far.

    Args:
        queryset: What the method was called on.
        name: The method.
        batch_size: How many rows are written at once.
        told: The parameters of the bulk signals between ``raw_values`` and ``ignore_conflicts``.
        ignore_conflicts: Rows that conflict with others are passed over.
    """

    def __init__(
        self,
        queryset: QuerySet[Any],
        name: str,
        batch_size: int,
        told: tuple[Any, Any, Any] = (None, None, None),
        ignore_conflicts: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it takes a number of rows, from 1.")
        self.queryset = queryset
        self.model = queryset.model
        self.name = name
        self.batch_size = batch_size
        self.told = told
        self.ignore_conflicts = ignore_conflicts
        self.signals = meta_of(self.model).signals
        self.shape = shape_of(self.model)
        self.done: list[Row] = []
        self.created = 0
        self.updated = 0

    async def run(
        self,
        rows: Rows,
        using: Using | None,
        work: Callable[[Transaction, list[Any]], Awaitable[None]],
    ) -> None:
        """Read the rows, and do the work on each batch, between the bulk signals and in one transaction."""
        told = (self.queryset, self.name, rows, *self.told, self.ignore_conflicts)
        async with operation(self.model, using, Level(calls=[self.put_back])) as transaction:
            with current(self.queryset, None, None):
                skipped = await fire(self.signals, "pre_bulk", self.model, *told)
                if not skipped:
                    async for batch in batches(rows, self.batch_size):
                        await work(transaction, batch)
                await fire(self.signals, "post_bulk", self.model, *told, self.created, self.updated, skipped)

    def put_back(self) -> None:
        """Make the instances what they were."""
        for row in reversed(self.done):
            row.before.put_back(row.state)

    async def create(self, transaction: Transaction, rows: list[Row]) -> None:
        """Insert the rows, with their signals."""
        refuse_twice(self.model, rows)
        self.done += rows
        await self.emit_before("pre_save", rows, False)
        to_write = [row for row in rows if not row.skipped]
        if any(needs_flush(self.shape, row.state, row.written) for row in to_write):
            self.refuse_conflicts_of_flush()
            await flush.write(transaction, self.shape, [(row.instance, row.written) for row in to_write], False)
        elif self.ignore_conflicts:
            for row in to_write:
                row.count = int(await writers.insert_unless_conflict(transaction, self.shape, row.written))
                if row.count:
                    detach(self.shape, row.state, row.written)
        else:
            await writers.write(transaction, self.shape, [row.written for row in to_write])
            for row in to_write:
                detach(self.shape, row.state, row.written)
        self.created += sum(row.count or 0 for row in to_write)
        await self.emit_after("post_save", rows, False)

    def refuse_conflicts_of_flush(self) -> None:
        """Refuse to ignore conflicts where rows go through SQLAlchemy's unit of work.

        Raises:
            ConfigurationError: The operation would have to.
        """
        if self.ignore_conflicts:
            raise ConfigurationError(
                f"{self.model.__name__} is written through SQLAlchemy's unit of work here, which cannot ignore "
                "conflicts: leave ignore_conflicts out, or use bulk_get_or_create()."
            )

    async def update(self, transaction: Transaction, rows: list[Row]) -> None:
        """Update the rows, with their signals."""
        refuse_twice(self.model, rows)
        self.done += rows
        await self.emit_before("pre_update", rows, True)
        to_write = [row for row in rows if not row.skipped]
        if any(needs_flush(self.shape, row.state, row.written) for row in to_write):
            await flush.write(transaction, self.shape, [(row.instance, row.written) for row in to_write], True)
        else:
            await writers.update(transaction, self.shape, [(row.state, row.written) for row in to_write])
        for row in to_write:
            row.count = 1 if row.written else 0
        self.updated += sum(row.count or 0 for row in to_write)
        await self.emit_after("post_update", rows, True)

    async def emit_before(self, name: str, rows: list[Row], is_update: bool) -> None:
        """Fire a ``pre_*`` signal for each row."""
        signal, model, caller = self.signals[name], self.model, self.queryset
        if not signal.has_receivers_for(model):
            return
        emit = getattr(emitters, name)
        for row in rows:
            tell(row)
            try:
                rest = emit(signal, model, caller, row.instance, row.values, row.written, is_update, False)
                if rest is not None:
                    await rest
            except SkipOperation:
                row.skipped, row.count = True, 0
                row.before.put_back(row.state)
            self.shape.refuse_unknown(row.written.keys())

    async def emit_after(self, name: str, rows: list[Row], is_update: bool) -> None:
        """Fire a ``post_*`` signal for each row."""
        signal, model, caller = self.signals[name], self.model, self.queryset
        if not signal.has_receivers_for(model):
            return
        emit = getattr(emitters, name)
        for row in rows:
            tell(row)
            told = (row.values, row.written, is_update, False, row.count, row.skipped)
            rest = emit(signal, model, caller, row.instance, *told)
            if rest is not None:
                await rest

    def new(self, row: Any, number: int, extra: Mapping[str, Any] | None = None) -> Row:
        """Take a new instance, or make one of a mapping.

        Args:
            row: The instance, or its attributes by name.
            number: Where it stands among the rows, for messages.
            extra: Further attributes, which the row's own go before.

        Raises:
            TypeError: It is neither.
            ConfigurationError: The instance is stored already, or a session holds it.
        """
        if isinstance(row, Mapping):
            values: Mapping[str, Any] = {**extra, **row} if extra else row
            instance = self.model(**values)
        elif isinstance(row, self.model):
            instance, values = row, {}
        else:
            raise TypeError(
                f"row {number} is {row!r}: {self.name} takes instances of {self.model.__name__} or mappings of its "
                "attributes."
            )
        state: InstanceState[Any] = instance_state(instance)
        if state.key is not None or state.session_id is not None:
            where = "is stored already" if state.session_id is None else "belongs to a session"
            raise ConfigurationError(f"row {number}, {instance!r}, {where}: {self.name} inserts new instances.")
        before = Snapshot(state)
        for name, value in (extra or {}).items():
            if instance is row and name not in state.dict:
                setattr(instance, name, value)
        return Row(instance, values, self.shape.column_values(state.dict), before)


def tell(row: Row) -> None:
    """Tell receivers, through the context, which row it is."""
    CURRENT_MODEL_INSTANCE.set(row.instance)
    EXPLICIT_SPECIFIED_VALUES.set(frozenset(row.values))


def refuse_twice(model: type[Any], rows: list[Row]) -> None:
    """Refuse to write one instance as two rows.

    Raises:
        ConfigurationError: One was given twice.
    """
    if len({id(row.instance) for row in rows}) < len(rows):
        raise ConfigurationError(f"one instance of {model.__name__} was given twice: each is one row.")


def check_fields(model: type[Any], names: Sequence[str], parameter: str) -> None:
    """Refuse names that are no columns.

    Raises:
        TypeError: A name is no attribute of the class, or no column.
    """
    if isinstance(names, str):
        raise TypeError(f"{parameter} is {names!r}: give a sequence of names, [{names!r}].")
    for name in names:
        attribute(model, name)
        if name not in shape_of(model).keys:
            raise TypeError(f"{name!r} in {parameter} is no column of {model.__name__}.")


async def batches(rows: Rows, size: int) -> AsyncIterator[list[Any]]:
    """Read the rows, ``size`` at a time.

    Raises:
        TypeError: They are not iterable.
    """
    if isinstance(rows, AsyncIterable):
        batch = []
        async for row in rows:
            batch.append(row)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch
        return
    if isinstance(rows, (str, Mapping)) or not isinstance(rows, Iterable):
        raise TypeError(f"the rows are {rows!r}: give an iterable, or an async iterable, of instances or mappings.")
    source = iter(rows)
    while batch := list(islice(source, size)):
        yield batch


async def bulk_create(
    queryset: QuerySet[Any],
    rows: Rows,
    batch_size: int,
    ignore_conflicts: bool,
    using: Using | None,
) -> list[Any]:
    """Insert rows; return the instances that were."""
    bulk = Bulk(queryset, "bulk_create", batch_size, ignore_conflicts=ignore_conflicts)

    async def work(transaction: Transaction, batch: list[Any]) -> None:
        first = len(bulk.done)
        await bulk.create(transaction, [bulk.new(row, number) for number, row in enumerate(batch, first)])

    await bulk.run(rows, using, work)
    return [row.instance for row in bulk.done if row.count]
