"""Find the stored rows that have the unique values of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import literal, tuple_, union_all
from sqlalchemy.orm.attributes import instance_state

from ...errors import ConfigurationError, MultipleObjectsReturned
from ..databases.sqlite import whole
from ..mapping.settable import check_fields
from .prepared import writer

if TYPE_CHECKING:
    from sqlalchemy import Dialect

    from ..transactions.savepoints import Transaction
    from .operation import Bulk

__all__ = ["Lookup"]

MOST_VALUES: Final = 10_000
"""Values of one lookup; SQLite takes 32,766 parameters a statement, PostgreSQL's protocol 32,767."""

AT_ONCE: Final = 200
"""SELECTs of one statement; SQLite takes 500."""

EXACT: Final = frozenset({bool, bytes, int, UUID})
"""The types whose values a column stores as they are, or refuses."""


class Unhashable:
    """A unique value that has no hash, as part of a key: an array, or JSON.

    Args:
        value: The value.
    """

    __slots__ = ("hash", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.hash = hash(frozen(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unhashable) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return self.hash


def frozen(value: Any) -> Any:
    """Return something with a hash that equal values share."""
    if isinstance(value, Mapping):
        return frozenset((name, frozen(each)) for name, each in value.items())
    if isinstance(value, set):
        return frozenset(value)
    if isinstance(value, list | tuple):
        return tuple(map(frozen, value))
    return value if isinstance(value, Hashable) else None


def types_of(key: tuple[Any, ...]) -> tuple[type[Any], ...]:
    """Return the types of unique values."""
    return tuple(map(type, key))


def distinct(keys: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return each once; ``True`` and ``1`` are two values to a database.

    Example:
        >>> distinct([(1,), (2,), (True,), (2,)])
        [(1,), (2,), (True,)]
    """
    every = list(keys)
    once = list(dict.fromkeys(every))
    return once if len(once) == len(every) else list({(key, types_of(key)): key for key in every}.values())


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
        self.are_hashable = True
        """No unique value so far was a list, a dictionary or the like."""

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
        return self.hashable(found)

    def hashable(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return unique values as a key of dictionaries."""
        try:
            hash(key)
        except TypeError:
            self.are_hashable = False
            return tuple(value if isinstance(value, Hashable) else Unhashable(value) for value in key)
        return key

    def are_exact(self, keys: Iterable[tuple[Any, ...]]) -> bool:
        """Tell whether Python compares unique values as the database does; it may ignore case, and round numbers."""
        return all(EXACT.issuperset(map(type, key)) for key in keys)

    def values(self, keys: list[Any]) -> list[Any]:
        """Return the unique values of keys, as the database takes them."""
        if self.are_hashable:
            return keys
        return [tuple(each.value if type(each) is Unhashable else each for each in key) for key in keys]

    async def find(self, transaction: Transaction, keys: Iterable[tuple[Any, ...]], lock: str) -> dict[Any, Any]:
        """Return the stored instances with these unique values, by them.

        Args:
            transaction: Where.
            keys: The unique values.
            lock: ``"write"``, ``"read"`` or ``""``, for none: how their rows are locked.

        Raises:
            MultipleObjectsReturned: Two rows share them.
        """
        asked = distinct(keys)
        wanted = dict.fromkeys(asked)
        found: dict[Any, Any] = {}
        query = self.bulk.queryset.using(transaction.connection)
        for some in self.parts(self.values(asked)):
            condition = (
                self.columns[0].in_([key[0] for key in some])
                if len(self.columns) == 1
                else tuple_(*self.columns).in_(some)
            )
            select = query.select.where(condition)
            for instance in await query._fetch(select.with_for_update(read=lock == "read") if lock else select):
                values = instance_state(instance).dict
                key = self.hashable(tuple(values[name] for name in self.names))
                if key in found and instance_state(found[key]).key != instance_state(instance).key:
                    raise self.several(key)
                found[key] = instance
        if found and len(found) < len(wanted):
            found |= self.bound_alike(transaction.sync.dialect, [key for key in wanted if key not in found], found)
        others = [instance for key, instance in found.items() if key not in wanted]
        if others:
            found |= await self.ask(transaction, [key for key in wanted if key not in found], others)
        return found

    def bound_alike(
        self, dialect: Dialect, keys: list[tuple[Any, ...]], found: Mapping[Any, Any]
    ) -> dict[tuple[Any, ...], Any]:
        """Return the instances of unique values that Python takes for others, and whose parameters are the same.

        The name of an Enum's member is such a value, beside the member itself.

        Args:
            dialect: The database's.
            keys: The unique values.
            found: The stored instances, by their unique values.
        """
        processors = [writer(dialect, column.type) for column in self.columns]
        if not any(processors):
            return {}

        def bound(key: tuple[Any, ...]) -> tuple[Any, ...] | None:
            (values,) = self.values([key])
            try:
                both = zip(processors, values, strict=True)
                return self.hashable(tuple(value if process is None else process(value) for process, value in both))
            except Exception:  # whoever writes the row says what is wrong with the value
                return None

        stored = {bound(key): instance for key, instance in found.items()}
        stored.pop(None, None)
        parameters = {key: bound(key) for key in keys}
        return {key: stored[each] for key, each in parameters.items() if each in stored}

    def parts(self, values: list[Any]) -> Iterator[list[Any]]:
        """Yield unique values in parts, each for one SELECT; SQLAlchemy gives the list of an IN its first value's type.

        Args:
            values: The unique values.
        """
        groups = [values]
        if len(self.columns) == 1 and len({type(value) for (value,) in values}) > 1:
            by_type: dict[type[Any], list[Any]] = {}
            for each in values:
                by_type.setdefault(type(each[0]), []).append(each)
            groups = list(by_type.values())
        size = MOST_VALUES // len(self.names)
        for group in groups:
            for first in range(0, len(group), size):
                yield group[first : first + size]

    async def met(
        self, transaction: Transaction, keys: Iterable[tuple[Any, ...]], written: Mapping[Any, Any]
    ) -> dict[Any, Any]:
        """Return the instances that were just written whose rows have these unique values, by them.

        A value that the database has rounded or cut off is not the one that was given: a MariaDB FLOAT is never 0.1.

        Args:
            transaction: Where.
            keys: The unique values, of rows of the same batch.
            written: The instances, by the unique values that they were given.
        """
        types = {key: types_of(key) for key in written}
        known = [key for key in distinct(keys) if key in written]
        is_sure = [types_of(key) == types[key] and self.are_exact([key]) for key in known]
        found = {key: written[key] for key in compress(known, is_sure)}
        asked = [key for key, sure in zip(known, is_sure, strict=True) if not sure]
        return found | {key: written[key] async for key, _ in self.identities(transaction, asked)}

    async def ask(self, transaction: Transaction, keys: list[Any], instances: list[Any]) -> dict[Any, Any]:
        """Let the database say which unique values are those of rows that Python takes for others.

        It compares otherwise: it pads a CHAR, rounds a number, or ignores case.

        Args:
            transaction: Where.
            keys: The unique values.
            instances: The stored instances, found by some of these.
        """
        by_identity = {instance_state(instance).identity: instance for instance in instances}
        found = {key: identity async for key, identity in self.identities(transaction, keys)}
        return {key: by_identity[identity] for key, identity in found.items() if identity in by_identity}

    async def identities(
        self, transaction: Transaction, keys: list[Any]
    ) -> AsyncIterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """Yield the unique values that a stored row has, and its primary key.

        Args:
            transaction: Where.
            keys: The unique values.

        Raises:
            MultipleObjectsReturned: Two rows share them.
        """
        primary_key = self.bulk.mapping.mapper.primary_key
        base = self.bulk.queryset.select.order_by(None)
        for first in range(0, len(keys), AT_ONCE):
            some = keys[first : first + AT_ONCE]
            selects = [
                base.with_only_columns(literal(number), *primary_key).where(
                    *[column == value for column, value in zip(self.columns, values, strict=True)]
                )
                for number, values in enumerate(self.values(some))
            ]
            connection = transaction.connection
            rows = (await whole(connection, connection.execute(union_all(*selects)))).all()
            for number, count in Counter(number for number, *_ in rows).items():
                if count > 1:
                    raise self.several(some[number])
            for number, *identity in rows:
                yield some[number], tuple(identity)

    def several(self, key: tuple[Any, ...]) -> MultipleObjectsReturned:
        """Return the error of unique values that two rows have."""
        (values,) = self.values([key])
        told = " and ".join(f"{name}={value!r}" for name, value in zip(self.names, values, strict=True))
        return MultipleObjectsReturned(
            f"more than one {self.bulk.model.__name__} meets {told}: unique_fields have to be unique."
        )
