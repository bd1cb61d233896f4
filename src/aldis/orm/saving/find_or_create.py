"""Many rows that may be stored already: find or create them, update or create them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import literal, tuple_, union_all
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ...errors import ConfigurationError, MultipleObjectsReturned
from ..databases.sqlite import whole
from ..mapping.instance_state import Snapshot
from ..mapping.rowwise import are_alike
from . import roads as writers
from .columns import NewRows, Row
from .operation import Bulk, check_fields
from .raw_values import Rows
from .update import updated_row

if TYPE_CHECKING:
    from ...progress import Progress
    from ..database import Using
    from ..queryset import QuerySet
    from ..transactions.savepoints import Transaction

__all__ = ["bulk_get_or_create", "bulk_update_or_create"]

MOST_VALUES: Final = 10_000
"""Values of one lookup; SQLite takes 32,766 parameters a statement, PostgreSQL's protocol 32,767."""

AT_ONCE: Final = 200
"""SELECTs of one statement; SQLite takes 500."""


class Lookup:
    """Finds the stored rows that have the unique values of others.

    Args:
        bulk: The operation.
        unique_fields: The attributes that tell rows apart; by default the primary key.
    """

    def __init__(self, bulk: Bulk, unique_fields: Sequence[str] | None) -> None:
        mapping = bulk.mapping
        self.bulk = bulk
        self.names = tuple(unique_fields or (mapping.attributes[key] for key in mapping.primary_key))
        check_fields(bulk.model, self.names, "unique_fields")
        self.columns = [getattr(bulk.model, name) for name in self.names]
        self.sees_all = bulk.queryset._select is None
        """No row of the table is hidden from it."""

    def key(self, row: Any, number: int, extra: Mapping[str, Any] | None) -> tuple[Any, ...]:
        """Return the unique values of a row.

        Raises:
            TypeError: It is neither an instance nor a mapping.
            ConfigurationError: It lacks one.
        """
        if isinstance(row, Mapping):
            values: Mapping[str, Any] = row
        elif isinstance(row, self.bulk.model):
            values = instance_state(row).dict
        else:
            raise TypeError(
                f"row {number + 1:,} is {row!r}: {self.bulk.name} takes instances of {self.bulk.model.__name__} or "
                "mappings of its attributes."
            )
        values = {**extra, **values} if extra else values
        found = tuple(values.get(name) for name in self.names)
        if None in found:
            name = self.names[found.index(None)]
            raise ConfigurationError(
                f"row {number + 1:,}, {row!r}, has no {name}, by which {self.bulk.name} tells rows apart: give it, or "
                "name other unique_fields."
            )
        return found

    async def find(self, transaction: Transaction, keys: Iterable[tuple[Any, ...]], lock: bool) -> dict[Any, Any]:
        """Return the stored instances with these unique values, by them.

        Raises:
            MultipleObjectsReturned: Two rows share them.
        """
        wanted = dict.fromkeys(keys)
        source = iter(wanted)
        found: dict[Any, Any] = {}
        query = self.bulk.queryset.using(transaction.connection)
        while some := list(islice(source, MOST_VALUES // len(self.names))):
            condition = (
                self.columns[0].in_([key[0] for key in some])
                if len(self.columns) == 1
                else tuple_(*self.columns).in_(some)
            )
            select = query.select.where(condition)
            for instance in await query._fetch(select.with_for_update() if lock else select):
                values = instance_state(instance).dict
                key = tuple(values[name] for name in self.names)
                if key in found:
                    raise self.several(key)
                found[key] = instance
        others = [instance for key, instance in found.items() if key not in wanted]
        if others:
            found |= await self.ask(transaction, [key for key in wanted if key not in found], others)
        return found

    async def ask(self, transaction: Transaction, keys: list[Any], instances: list[Any]) -> dict[Any, Any]:
        """Let the database say which unique values are those of rows that Python takes for others.

        It compares otherwise: it pads a CHAR, rounds a number, or ignores case.

        Args:
            transaction: Where.
            keys: The unique values.
            instances: The stored instances, found by some of these.

        Raises:
            MultipleObjectsReturned: Two rows share them.
        """
        by_identity = {instance_state(instance).identity: instance for instance in instances}
        primary_key = self.bulk.mapping.mapper.primary_key
        base = self.bulk.queryset.select.order_by(None)
        found: dict[Any, Any] = {}
        for first in range(0, len(keys), AT_ONCE):
            some = keys[first : first + AT_ONCE]
            selects = [
                base.with_only_columns(literal(number), *primary_key).where(
                    *[column == value for column, value in zip(self.columns, key, strict=True)]
                )
                for number, key in enumerate(some)
            ]
            connection = transaction.connection
            for number, *identity in (await whole(connection, connection.execute(union_all(*selects)))).all():
                key = some[number]
                if key in found:
                    raise self.several(key)
                if tuple(identity) in by_identity:
                    found[key] = by_identity[tuple(identity)]
        return found

    def several(self, key: tuple[Any, ...]) -> MultipleObjectsReturned:
        """Return the error of unique values that two rows have."""
        told = " and ".join(f"{name}={value!r}" for name, value in zip(self.names, key, strict=True))
        return MultipleObjectsReturned(
            f"more than one {self.bulk.model.__name__} meets {told}: unique_fields have to be unique."
        )


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
        found = await lookup.find(transaction, keys, False)
        new: dict[Any, tuple[NewRows, int]] = {}
        batches: dict[type[Any], NewRows] = {}
        for number, (key, row) in enumerate(zip(keys, batch, strict=True), len(answer)):
            if key not in found and key not in new:
                new[key] = bulk.take(batches, row, number, create_params)
        for each in batches.values():
            await bulk.create(transaction, each)
        found |= {key: each.instances[place] for key, (each, place) in new.items() if each.counts[place]}
        answer.extend(found[key] for key in keys if key in found)

    await bulk.run(rows, using, work)
    return answer


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
    if update_fields is not None:
        check_fields(bulk.model, update_fields, "update_fields")
    answer: list[Any] = []

    async def work(transaction: Transaction, batch: list[Any]) -> None:
        keys = [lookup.key(row, number, create_params) for number, row in enumerate(batch, len(answer))]
        refuse_alike(bulk, keys, batch, len(answer))
        upserted = await upsert(bulk, lookup, transaction, batch, update_fields, len(answer))
        if upserted is not None:
            answer.extend(upserted)
            return
        found = await lookup.find(transaction, keys, True)
        new: dict[Any, tuple[NewRows, int]] = {}
        old: dict[Any, Row] = {}
        batches: dict[type[Any], NewRows] = {}
        for number, (key, row) in enumerate(zip(keys, batch, strict=True), len(answer)):
            if key in found:
                given = row if isinstance(row, Mapping) else instance_state(row).dict
                old[key] = changed_row(number, bulk, found[key], given, update_fields, lookup.names, update_params)
            else:
                new[key] = bulk.take(batches, row, number, create_params)
        for each in batches.values():
            await bulk.create(transaction, each)
        await bulk.update(transaction, list(old.values()))
        written = {key: each.instances[place] for key, (each, place) in new.items() if each.counts[place]}
        written |= {key: row.instance for key, row in old.items() if not row.skipped}
        answer.extend(written[key] for key in keys if key in written)

    await bulk.run(rows, using, work)
    return answer


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
    update_fields: Sequence[str] | None,
    first: int,
) -> list[Any] | None:
    """Write mappings in one statement, if nobody has to be told which of them are stored already.

    Args:
        bulk: The operation.
        lookup: What tells rows apart.
        transaction: Where to write.
        batch: The rows.
        update_fields: The attributes to write of a row that is found.
        first: Where the batch begins among all rows.

    Returns:
        The instances; ``None`` if nothing was written, and a look at what is stored has to go first.
    """
    _, update_params, _ = bulk.told
    if update_params or not lookup.sees_all or bulk.mapping.watches_init or bulk.are_rows_heard():
        return None
    rows = all_new(bulk, batch, first)
    if rows is None:
        return None
    keys = bulk.mapping.keys
    named = [name for name in batch[0] if update_fields is None or name in update_fields]
    given = [keys[name] for name in named if name not in lookup.names]
    unique = [keys[name] for name in lookup.names]
    stored = await writers.upsert(transaction, bulk.mapping, unique, given, rows.column_values)
    if stored is None:
        return None
    rows.column_values, rows.counts = stored, [1] * len(stored)
    bulk.batches.append(rows)
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
        with suppress(TypeError):  # what is found need not have all that makes a new one
            for number, row in enumerate(batch, first):
                bulk.take(batches, row, number, create_params)
    if len(batches) != 1:
        return None
    (rows,) = batches.values()
    complete = len(rows.instances) == len(batch)
    return rows if complete and not bulk.has_to_flush(rows) and are_alike(rows.column_values) else None


def changed_row(
    number: int,
    bulk: Bulk,
    instance: Any,
    given: Mapping[str, Any],
    update_fields: Sequence[str] | None,
    unique: Sequence[str],
    update_params: Mapping[str, Any] | None,
) -> Row:
    """Return the row of a stored instance that gets the given values."""
    mapping = bulk.mapping
    state: InstanceState[Any] = instance_state(instance)
    before = Snapshot(state)
    fields = [name for name in given if name in mapping.keys] if update_fields is None else update_fields
    values = {name: given[name] for name in fields if name in given and name not in unique}
    values |= update_params or {}
    for name, value in values.items():
        setattr(instance, name, value)
    return updated_row(number, instance, state, values, values, before)
