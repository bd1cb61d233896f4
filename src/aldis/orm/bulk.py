"""Many instances: read a batch, fire the signals before, write it, fire the signals after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm.attributes import instance_state

from ..context import CURRENT_MODEL_INSTANCE, EXPLICIT_SPECIFIED_VALUES, current
from ..dispatch import emitters
from ..errors import ConfigurationError, SkipOperation
from . import flush
from .database import Database
from .firing import fire_bulk
from .flush import needs_flush
from .meta import Meta, meta_of, operation
from .shape import Shape, shape_of
from .snapshot import Snapshot, detach
from .transaction import Level
from .writers import writer_for

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from .queryset import QuerySet
    from .transaction import Transaction

__all__ = ["bulk_create"]


class Row:
    """One row on its way to the database."""

    __slots__ = ("before", "instance", "skipped", "values", "written")

    def __init__(
        self, instance: Any, values: Mapping[str, Any], written: dict[str, Any], before: Snapshot | None
    ) -> None:
        self.instance = instance
        self.values = values
        self.written = written
        self.before = before
        self.skipped = False


async def bulk_create(
    queryset: QuerySet[Any],
    rows: Iterable[Any],
    batch_size: int,
    using: Database | AsyncConnection | None,
) -> list[Any]:
    """Insert ``rows`` batch by batch in one transaction, with their signals."""
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it takes a number of rows, from 1.")
    meta, shape = meta_of(queryset.model), shape_of(queryset.model)
    done: list[Row] = []

    def put_back() -> None:
        for row in done:
            if row.before is not None:
                row.before.put_back(instance_state(row.instance))

    async with operation(queryset.model, using, Level(calls=[put_back])) as transaction:
        with current(queryset, None, None):
            return await write_all(transaction, meta, shape, queryset, rows, batch_size, done)


async def write_all(
    transaction: Transaction,
    meta: Meta,
    shape: Shape,
    queryset: QuerySet[Any],
    rows: Iterable[Any],
    batch_size: int,
    done: list[Row],
) -> list[Any]:
    """Write the rows, and keep a record of them in ``done``; return the instances that were saved."""
    model, signals = queryset.model, meta.signals
    told = (queryset, "bulk_create", rows, None, None, None, False)
    writer = writer_for(transaction.connection, shape)
    skipped = await fire_bulk(signals, "pre_bulk", model, *told)
    for batch in () if skipped else batches(model, shape, rows, batch_size):
        done += batch
        await emit_before(meta, queryset, batch)
        to_write = [row for row in batch if not row.skipped]
        if any(needs_flush(shape, instance_state(row.instance), row.written) for row in to_write):
            await flush.write(transaction, shape, [(row.instance, row.written) for row in to_write], False)
        else:
            await writer(transaction.connection, shape, [row.written for row in to_write])
            for row in to_write:
                detach(shape, instance_state(row.instance), row.written)
        await emit_after(meta, queryset, batch)
    saved = [row.instance for row in done if not row.skipped]
    await fire_bulk(signals, "post_bulk", model, *told, len(saved), 0, skipped)
    return saved


def batches(model: type[Any], shape: Shape, rows: Iterable[Any], size: int) -> Iterator[list[Row]]:
    """Read the rows, ``size`` at a time."""
    source = iter(rows)
    number = 0
    while part := list(islice(source, size)):
        batch = []
        for each in part:
            batch.append(read(model, shape, each, number))
            number += 1
        if len({id(row.instance) for row in batch}) < len(batch):
            raise ConfigurationError(f"one instance of {model.__name__} was given twice: each is one row.")
        yield batch


def read(model: type[Any], shape: Shape, row: Any, number: int) -> Row:
    """Take an instance, or make one of a mapping.

    Raises:
        TypeError: It is neither.
        ConfigurationError: The instance is stored already, or a session holds it.
    """
    if isinstance(row, Mapping):
        instance, values = model(**row), row
    elif isinstance(row, model):
        instance, values = row, {}
    else:
        raise TypeError(
            f"row {number} is {row!r}: bulk_create takes instances of {model.__name__} or mappings of its attributes."
        )
    state = instance_state(instance)
    if state.key is not None or state.session_id is not None:
        where = "is stored already" if state.session_id is None else "belongs to a session"
        raise ConfigurationError(f"row {number}, {instance!r}, {where}: bulk_create inserts new instances.")
    # An instance that was made here is nobody's when the operation is undone.
    before = Snapshot(state) if instance is row else None
    return Row(instance, values, shape.column_values(state.dict), before)


async def emit_before(meta: Meta, queryset: QuerySet[Any], batch: list[Row]) -> None:
    """Fire ``pre_save`` for each row."""
    signal, model = meta.signals.pre_save, queryset.model
    if not signal.has_receivers_for(model):
        return
    emit = emitters.pre_save
    for row in batch:
        tell(row)
        try:
            rest = emit(signal, model, queryset, row.instance, row.values, row.written, False, False)
            if rest is not None:
                await rest
        except SkipOperation:
            row.skipped = True


async def emit_after(meta: Meta, queryset: QuerySet[Any], batch: list[Row]) -> None:
    """Fire ``post_save`` for each row."""
    signal, model = meta.signals.post_save, queryset.model
    if not signal.has_receivers_for(model):
        return
    emit = emitters.post_save
    for row in batch:
        tell(row)
        count = 0 if row.skipped else 1
        rest = emit(signal, model, queryset, row.instance, row.values, row.written, False, False, count, row.skipped)
        if rest is not None:
            await rest


def tell(row: Row) -> None:
    """Tell receivers, through the context, which row it is."""
    CURRENT_MODEL_INSTANCE.set(row.instance)
    EXPLICIT_SPECIFIED_VALUES.set(frozenset(row.values))
