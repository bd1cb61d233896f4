"""Rows that may be stored already: find or create them, update or create them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ...errors import ConfigurationError, SkipOperation
from ..database import reading
from ..databases import MYSQL
from ..mapping.instance_state import Snapshot
from ..mapping.mutable_contents import own_copies
from ..mapping.rowwise import are_alike
from ..mapping.settable import columns_named, refuse_unsettable, set_attributes, sets_links
from ..mapping.table import mapping_of
from ..transactions.rollback import Changed
from . import roads as writers
from .columns import NewRows
from .lookup import Lookup
from .operation import Bulk
from .races import again_after_deadlock, found_or_written
from .raw_values import Rows
from .stored_rows import StoredRows, rows_of

if TYPE_CHECKING:
    from ...progress import Progress
    from ..database import Using
    from ..model import Model
    from ..queryset import QuerySet
    from ..transactions.savepoints import Transaction

__all__ = ["bulk_get_or_create", "bulk_update_or_create", "get_or_create", "update_or_create"]

M = TypeVar("M", bound="Model")


@again_after_deadlock
async def get_or_create(
    queryset: QuerySet[M], defaults: Mapping[str, Any] | None, equals: Mapping[str, Any]
) -> tuple[M, bool]:
    """Return the one instance that has these values, or create it."""
    return await found_or_created(queryset, defaults, equals, is_update=False)


@again_after_deadlock
async def update_or_create(
    queryset: QuerySet[M], defaults: Mapping[str, Any] | None, equals: Mapping[str, Any]
) -> tuple[M, bool]:
    """Update the one instance that has these values, or create it."""
    async with queryset._operation() as transaction:
        connection = transaction.connection
        found, is_new = await found_or_created(queryset.using(connection), defaults, equals, is_update=True)
        if not is_new:
            await found.update(using=connection, **(defaults or {}))
        return found, is_new


async def found_or_created(
    queryset: QuerySet[M], defaults: Mapping[str, Any] | None, equals: Mapping[str, Any], is_update: bool
) -> tuple[M, bool]:
    """Return the one instance that has these values, or create it; one that is to be updated is locked at once.

    A lock that is taken for a read first, and for the write later, is a deadlock of two that have both read.
    """
    locking = queryset._with(queryset.select.with_for_update(read=not is_update))
    found = await queryset.get_or_none(**equals)
    if found is not None:
        if is_update:  # the row is there, and its lock no lock of a gap, which others could hold as well
            found = await locking.get_or_none(**equals)
        if found is not None:
            return found, False
    try:
        created = await queryset.create(**{**equals, **(defaults or {})})
    except IntegrityError:
        async with reading(queryset._target) as connection:
            # A locking read sees what others have committed, where MariaDB's ordinary one shows an older state. It
            # asks for the right to UPDATE on PostgreSQL.
            is_locking = is_update or connection.dialect.name in MYSQL
        found = await (locking if is_locking else queryset).get_or_none(**equals)
        if found is None:
            raise
        return found, False
    if created is None:
        raise SkipOperation(f"a receiver skipped the creation of the {queryset.model.__name__}.")
    return created, True


@again_after_deadlock
async def bulk_get_or_create(
    queryset: QuerySet[Any],
    rows: Rows,
    unique_fields: Sequence[str] | None,
    create_params: Mapping[str, Any] | None,
    batch_size: int,
    progress: Progress,
    using: Using | None,
) -> list[Any]:
    """Return the stored instance of each row, created where there is none."""
    bulk = Bulk(queryset, "bulk_get_or_create", batch_size, (create_params, None, None), progress=progress)
    lookup = Lookup(bulk, unique_fields)
    answer: list[Any] = []

    async def work(transaction: Transaction, batch: list[Any]) -> None:
        keys = [lookup.key(row, number, create_params) for number, row in enumerate(batch, len(answer))]
        try:
            answer.extend(await attempt(transaction, batch, keys))
        except IntegrityError:
            if len(batch) == 1 or lookup.are_exact(keys):
                raise
            # Two rows may be one to the database, which ignores case, say: then the second finds the first.
            for row, key in zip(batch, keys, strict=True):
                answer.extend(await attempt(transaction, [row], [key]))

    async def attempt(transaction: Transaction, batch: list[Any], keys: list[tuple[Any, ...]]) -> list[Any]:
        async def find(is_again: bool) -> dict[Any, Any]:
            # MariaDB's ordinary read shows the state of the transaction's first one.
            return await lookup.find(transaction, keys, "read" if is_again and is_mysql(transaction) else "")

        return await found_or_written(bulk, transaction, find, lambda found: create(transaction, batch, keys, found))

    async def create(
        transaction: Transaction, batch: list[Any], keys: list[tuple[Any, ...]], found: dict[Any, Any]
    ) -> list[Any]:
        stored = dict(found)
        instances: dict[int, Any] = {}
        waiting = list(enumerate(zip(keys, batch, strict=True)))
        while waiting:
            new: dict[Any, tuple[NewRows, int, int]] = {}
            batches: dict[type[Any], NewRows] = {}
            alike = []
            for number, (key, row) in waiting:
                if key in stored:
                    instances[number] = stored[key]
                elif key in new:
                    alike.append((number, (key, row)))
                else:
                    new[key] = (*bulk.take(batches, row, number + len(answer), create_params), number)
            for each in batches.values():
                await bulk.create(transaction, each)
            written: dict[Any, Any] = {}
            for key, (each, place, number) in new.items():
                if each.counts[place]:
                    written[key] = instances[number] = each.instances[place]
            stored |= await lookup.met(transaction, [key for _, (key, _) in alike], written)
            waiting = alike
        return [instances[number] for number in sorted(instances)]

    await bulk.run(rows, using, work)
    return answer


@again_after_deadlock
async def bulk_update_or_create(
    queryset: QuerySet[Any],
    rows: Rows,
    update_fields: Sequence[str] | None,
    unique_fields: Sequence[str] | None,
    create_params: Mapping[str, Any] | None,
    update_params: Mapping[str, Any] | None,
    batch_size: int,
    progress: Progress,
    using: Using | None,
) -> list[Any]:
    """Update the stored instance of each row; create it where there is none."""
    bulk = Bulk(
        queryset, "bulk_update_or_create", batch_size, (create_params, update_params, update_fields), progress=progress
    )
    lookup = Lookup(bulk, unique_fields)
    fields = None if update_fields is None else columns_named(bulk.model, update_fields, "update_fields")
    answer: list[Any] = []

    async def work(transaction: Transaction, batch: list[Any]) -> None:
        keys = [lookup.key(row, number, create_params) for number, row in enumerate(batch, len(answer))]
        refuse_alike(bulk, keys, batch, len(answer))
        upserted = await upsert(bulk, lookup, transaction, batch, fields, len(answer))
        if upserted is not None:
            answer.extend(upserted)
            return

        async def find(is_again: bool) -> dict[Any, Any]:
            wanted = keys
            if is_mysql(transaction) and not is_again:
                # A lock of a key that is not there is one of a gap, which others could hold as well.
                stored = await lookup.find(transaction, keys, "")
                wanted = [key for key in keys if key in stored]
            return await lookup.find(transaction, wanted, "write")

        answer.extend(
            await found_or_written(bulk, transaction, find, lambda found: write(transaction, batch, keys, found))
        )

    async def write(
        transaction: Transaction, batch: list[Any], keys: list[tuple[Any, ...]], found: dict[Any, Any]
    ) -> list[Any]:
        numbered = list(enumerate(zip(keys, batch, strict=True), len(answer)))
        batches: dict[type[Any], NewRows] = {}
        values = {
            key: new_values(bulk, found[key], row, fields, lookup.names, update_params)
            for key, row in zip(keys, batch, strict=True)
            if key in found
        }
        new = {
            key: bulk.take(batches, row, number, create_params) for number, (key, row) in numbered if key not in found
        }
        for each in batches.values():
            await bulk.create(transaction, each)
        # Not before: the flush of a new row would write what is set here of another that it is linked with.
        stored: dict[type[Any], StoredRows] = {}
        old = {
            key: change(bulk, stored, found[key], number, values[key]) for number, (key, _) in numbered if key in found
        }
        await bulk.update(transaction, list(stored.values()))
        written = {key: each.instances[place] for key, (each, place) in new.items() if each.counts[place]}
        written |= {key: each.instances[place] for key, (each, place) in old.items() if place not in each.skipped}
        return [written[key] for key in keys if key in written]

    await bulk.run(rows, using, work)
    return answer


def is_mysql(transaction: Transaction) -> bool:
    """Tell whether the database is MySQL or MariaDB."""
    return transaction.sync.dialect.name in MYSQL


def refuse_alike(bulk: Bulk, keys: Sequence[tuple[Any, ...]], batch: Sequence[Any], first: int) -> None:
    """Refuse rows with the same unique values.

    Raises:
        ConfigurationError: Two of the batch have.
    """
    if len(set(keys)) == len(keys):
        return
    known: set[tuple[Any, ...]] = set()
    for number, (key, row) in enumerate(zip(keys, batch, strict=True), first):
        if key in known:
            raise ConfigurationError(
                f"row {number + 1:,}, {row!r}, has the unique values of another in its batch: which of them is to be "
                "kept? Give each once."
            )
        known.add(key)


async def upsert(
    bulk: Bulk,
    lookup: Lookup,
    transaction: Transaction,
    batch: Sequence[Any],
    fields: Mapping[str, Sequence[str]] | None,
    first: int,
) -> list[Any] | None:
    """Write mappings in one statement, if nobody has to be told which of them are stored already.

    Args:
        bulk: The operation.
        lookup: The attributes that tell rows apart.
        transaction: Where to write.
        batch: The rows.
        fields: The columns to write of a row that is found, by the names that stand for them.
        first: Where the batch begins among all rows.

    Returns:
        The instances; ``None`` if nothing was written, and a look at the stored rows has to go first.
    """
    _, update_params, _ = bulk.told
    if update_params or not lookup.sees_all or not lookup.are_hashable or bulk.are_rows_heard():
        return None
    if bulk.mapping.watches_init or bulk.mapping.watches_values:  # of the instance that is found, if there is one
        return None
    rows = all_new(bulk, batch, first)
    if rows is None:
        return None
    keys = bulk.mapping.keys
    columns = batch[0].keys() if fields is None else {*chain(*fields.values())}
    named = [name for name in batch[0] if name in columns]
    given = [keys[name] for name in named if name not in lookup.names]
    unique = [keys[name] for name in lookup.names]
    compared = {name: keys[name] for name in batch[0] if name in named or name in lookup.names}
    if not are_as_given(batch, rows.column_values, compared):
        return None
    stored = await writers.upsert(transaction, bulk.mapping, unique, given, rows.column_values)
    if stored is None:
        return None
    rows.column_values, rows.counts = stored, [1] * len(stored)
    rows.mark_stored()
    for state in rows.states:
        state.expired_attributes.clear()
    return rows.instances


def all_new(bulk: Bulk, batch: Sequence[Any], first: int) -> NewRows | None:
    """Return the rows of mappings as if none were stored; ``None`` where they do not become rows of the same columns.

    Args:
        bulk: The operation.
        batch: The rows.
        first: Where the batch begins among all rows.
    """
    create_params, columns = bulk.told[0], bulk.mapping.keys.keys()
    if not all(isinstance(row, Mapping) and row.keys() == batch[0].keys() for row in batch):
        return None
    batches: dict[type[Any], NewRows] = {}
    if columns >= {*batch[0], *(create_params or ())}:
        with suppress(TypeError):  # the row that is found need not have all that makes a new one
            for number, row in enumerate(batch, first):
                bulk.take(batches, row, number, create_params)
    if len(batches) != 1:
        return None
    (rows,) = batches.values()
    complete = len(rows.instances) == len(batch)
    return rows if complete and not bulk.has_to_flush(rows) and are_alike(rows.column_values) else None


def are_as_given(
    batch: Sequence[Mapping[str, Any]], column_values: Sequence[Mapping[str, Any]], keys: Mapping[str, str]
) -> bool:
    """Tell whether an INSERT writes the very values of the mappings, which an UPDATE of the stored rows would write.

    It does not where a default serves for ``None``, or where the class's ``__init__`` makes another value.

    Args:
        batch: The mappings.
        column_values: The rows that an INSERT writes, by column key.
        keys: The column's key by the attribute's name, of the attributes to compare.
    """
    written = list(zip(batch, column_values, strict=True))
    return all(key in new and new[key] is row[name] for name, key in keys.items() for row, new in written)


def new_values(
    bulk: Bulk,
    instance: Any,
    row: Any,
    fields: Mapping[str, Sequence[str]] | None,
    unique: Sequence[str],
    update_params: Mapping[str, Any] | None,
) -> Mapping[str, Any]:
    """Return the values that a stored instance gets: those of a mapping, or the columns of a new instance.

    Raises:
        UnknownAttributeError: A name is no attribute of the class, or none that can be set.
    """
    given = row
    if not isinstance(row, Mapping):
        given = {name: value for name, value in instance_state(row).dict.items() if name in bulk.mapping.keys}
        given = own_copies(bulk.mapping.mapper, given)
    names = given
    if fields is not None:
        names = [each for name, columns in fields.items() for each in ([name] if name in given else columns)]
    values = {name: given[name] for name in names if name in given and name not in unique}
    values |= update_params or {}
    if not mapping_of(type(instance)).settable.issuperset(values):
        refuse_unsettable(type(instance), values)
    return values


def change(
    bulk: Bulk, stored: dict[type[Any], StoredRows], instance: Any, number: int, values: Mapping[str, Any]
) -> tuple[StoredRows, int]:
    """Give a stored instance new values, and add it to the batch of its class; return that, and its place there."""
    state: InstanceState[Any] = instance_state(instance)
    mapping, before = mapping_of(type(instance)), Snapshot(state)
    if sets_links(mapping, values):  # a later value may be refused, or another row
        bulk.touched.append(Changed(state, before))
    set_attributes(mapping, instance, values)
    rows = rows_of(stored, instance)
    rows.add(number, instance, state, values, before)
    return rows, len(rows) - 1
