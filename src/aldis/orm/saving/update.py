"""UPDATE: of all rows of a queryset with one statement, or of many rows by their keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, select, tuple_, update
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ...context import current
from ...dispatch.row_receivers import LISTENED_TO
from ...errors import ConfigurationError, NotSavedError, UnknownAttributeError
from ..database import Using, session_on
from ..internals import has_joins, has_offset, is_limited
from ..mapping.instance_state import Snapshot, is_in_session, store
from ..mapping.settable import columns_named, note_made, set_attributes, sets_links
from ..mapping.table import attribute, mapping_of
from ..meta import meta_of
from ..transactions.rollback import Changed
from .columns import KEY, states_of
from .firing import NOTHING_PASSED, fire, telling
from .firing_rows import fire_statement
from .operation import Bulk
from .queryset_rows import QuerysetRows, classes_to_tell
from .raw_values import Rows
from .row_refusals import refuse_key
from .stored_rows import StoredRows, rows_of
from .strictness import is_strict, refuse_untold

if TYPE_CHECKING:
    from sqlalchemy.engine import Result
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ...progress import Progress
    from ..database import Using
    from ..queryset import QuerySet
    from ..transactions.savepoints import Transaction


__all__ = ["bulk_update", "counted", "execute", "update_rows"]


async def update_rows(queryset: QuerySet[Any], values: dict[str, Any], using: Using | None) -> int:
    """Update the rows of a queryset; return how many."""
    model = queryset.model
    mapping = mapping_of(model)
    mapping.refuse_core("update()")
    for name in values:
        attribute(model, name)
        if name not in mapping.keys:
            raise UnknownAttributeError(f"{name!r} of {model.__name__} is no column: update() writes columns.")
    if not values:
        raise TypeError("update() was given nothing to write: name an attribute and its value.")
    column_values = mapping.complete({mapping.keys[name]: value for name, value in values.items()}, mapping.onupdates)
    signals = meta_of(model).signals
    row_count: int | None = 0
    told = (queryset, None, values, column_values, True, False)
    async with meta_of(model).operation(using) as transaction:
        call = f"{model.__name__}.query.update()"
        if is_strict():
            refuse_untold(model, "UPDATE", call, transaction.sync.engine)
        classes = classes_to_tell(queryset, "update", call, column_values) if LISTENED_TO else ()
        if classes:
            return await update_told_rows(transaction, queryset, classes, call, values, column_values)
        with telling(signals, "update", model, queryset, None, values):
            skipped = await fire(signals, "pre_update", model, *told, None)
            if not skipped and column_values:
                mapping.refuse_unknown(column_values.keys())
                new = {mapping.table.columns[key]: value for key, value in column_values.items()}
                row_count = await execute(transaction.connection, queryset, update(model).values(new), [])
            await fire(signals, "post_update", model, *told, row_count, skipped, None)
    return row_count or 0


async def update_told_rows(
    transaction: Transaction,
    queryset: QuerySet[Any],
    classes: Sequence[type[Any]],
    call: str,
    values: dict[str, Any],
    column_values: dict[str, Any],
) -> int:
    """Update the rows of a queryset of which receivers hear each one; return how many."""
    model = queryset.model
    mapping, signals = mapping_of(model), meta_of(model).signals
    told = (queryset, None, values, column_values, True, False)
    row_count: int | None = 0
    with current(queryset, None, values):
        skipped = await fire_statement(signals, "pre_update", model, *told, None)
        if not skipped and column_values:
            mapping.refuse_unknown(column_values.keys())
            refuse_key(mapping, call, classes, column_values)
            written = column_values.copy()
            rows = QuerysetRows(transaction, queryset, "update", classes, call, (), values, written)
            row_count = await rows.run()
        await fire_statement(signals, "post_update", model, *told, row_count, skipped, None)
    return row_count or 0


async def execute(
    connection: AsyncConnection, queryset: QuerySet[Any], statement: Any, conditions: list[ColumnElement[bool]]
) -> int | None:
    """Run a statement on the rows of the queryset that meet more conditions; return how many, if the database tells."""
    chosen = queryset.select
    if not (is_limited(chosen) or has_offset(chosen) or has_joins(chosen)):
        where = [] if chosen.whereclause is None else [chosen.whereclause]
    else:
        # Behind a second SELECT, since MariaDB takes neither a LIMIT nor the updated table in an IN's own.
        key = list(mapping_of(queryset.model).table.primary_key)
        keys = chosen.with_only_columns(*key).subquery()
        where = [tuple_(*key).in_(select(*keys.columns))]
    statement = statement.where(*where, *conditions)
    async with session_on(connection) as session:
        result = await session.execute(statement, execution_options={"synchronize_session": False})
    return counted(result)


def counted(result: Result[Any]) -> int | None:
    """Return how many rows a statement has written, if the database tells."""
    row_count: int = getattr(result, "rowcount", -1)
    return row_count if row_count >= 0 else None


async def bulk_update(
    queryset: QuerySet[Any],
    rows: Rows,
    update_fields: Sequence[str] | None,
    batch_size: int,
    progress: Progress,
    using: Using | None,
) -> int:
    """Update stored rows; return how many."""
    bulk = Bulk(queryset, "bulk_update", batch_size, (None, None, update_fields), progress=progress)
    if update_fields is not None:
        named = columns_named(bulk.model, update_fields, "update_fields")
        update_fields = [*chain(*named.values())]

    read = 0

    async def work(transaction: Transaction, batch: list[Any]) -> None:
        nonlocal read
        if bulk.touched:  # those of the batch before, which nobody asks for
            bulk.let_go(transaction.scope)
        taken = take_all(bulk, batch, read, update_fields)
        read += len(batch)
        await bulk.update(transaction, taken)

    await bulk.run(rows, using, work)
    return bulk.updated


def take_all(bulk: Bulk, batch: Sequence[Any], first: int, names: Collection[str] | None) -> list[StoredRows]:
    """Take a batch of stored rows, by their classes; ``first`` is where it begins among all rows."""
    states = states_of(bulk.model, batch)
    if states is not None and all(map(KEY, states)):
        rows = StoredRows(mapping_of(type(batch[0])))
        rows.add_plain(first, batch, states, names)
        return [rows]
    found: dict[type[Any], StoredRows] = {}
    for number, row in enumerate(batch, first):
        take(bulk, found, row, number, names)
    return list(found.values())


def take(bulk: Bulk, found: dict[type[Any], StoredRows], row: Any, number: int, names: Collection[str] | None) -> None:
    """Take a stored instance, or make one of a mapping that has its key.

    Args:
        bulk: The operation.
        found: The batches that it is added to, by the class of their instances.
        row: The instance, or its attributes by name.
        number: Where it stands among all rows, for messages.
        names: The attributes to write, if they are given.

    Raises:
        TypeError: It is neither.
        NotSavedError: The instance is not stored.
        ConfigurationError: A session holds it.
    """
    model = bulk.model
    values: Mapping[str, Any] = NOTHING_PASSED
    if not isinstance(row, model):
        if not isinstance(row, Mapping):
            raise TypeError(
                f"row {number + 1:,} is {row!r}: {bulk.name} takes instances of {model.__name__}, or mappings of its "
                "attributes with the primary key."
            )
        values, row = row, instance_of_key(bulk, row, number)
    state: InstanceState[Any] = instance_state(row)
    if state.key is None or (state.session_id is not None and is_in_session(row)):
        where = f"row {number + 1:,}, {row!r},"
        if state.key is None:
            raise NotSavedError(f"{where} has not been saved: {bulk.name} updates stored instances.")
        raise ConfigurationError(f"{where} belongs to a session: {bulk.name} updates stored instances.")
    rows_of(found, row).add(number, row, state, values, Snapshot(state), names)


def instance_of_key(bulk: Bulk, values: Mapping[str, Any], number: int) -> Any:
    """Return a detached instance with the key and, pending, the other attributes of a mapping."""
    mapping = bulk.mapping
    names = [mapping.attributes[key] for key in mapping.primary_key]
    missing = [name for name in names if values.get(name) is None]
    if missing:
        raise ConfigurationError(
            f"row {number + 1:,}, {dict(values)!r}, has no {', '.join(missing)}: {bulk.name} finds a row by its "
            "primary key."
        )
    instance = mapping.mapper.class_manager.new_instance()
    store(instance, {name: values[name] for name in names})
    if sets_links(mapping, values):  # a later value may be refused, or a later row
        state = instance_state(instance)
        bulk.touched.append(Changed(state, Snapshot(state)))
        note_made(instance)
    set_attributes(mapping, instance, {name: value for name, value in values.items() if name not in names})
    return instance
