"""The steps for every instance of a bulk operation, in Python. The twin of ``cext/states.pyx``: the same story.

SQLAlchemy keeps an instance's key, its history and its flags in the instance's state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from operator import attrgetter, is_, itemgetter
from typing import Any, Final
from weakref import ref

__all__ = ["had_value", "load", "mark", "renew", "snapshots", "unequal", "unequal_of_all", "without"]

Conditions = tuple[list[Any], ...]
"""The keys, values, histories, flags and expired attributes of instances."""

VALUES: Final = attrgetter("__dict__")

consume: Final[Callable[[Iterable[object]], None]] = deque[object](maxlen=0).extend
"""Runs an iterator to its end, and keeps nothing."""


def unequal(
    columns: Iterable[tuple[str, str | None]],
    committed: dict[str, Any],
    values: dict[str, Any],
    equals: Mapping[str, Callable[[Any, Any], Any]],
    plain: set[type[Any]],
    is_sql: Callable[[Any], bool],
    unknown: object,
) -> dict[str, Any]:
    """Return the values of an instance that differ from their old ones, as their types compare, by column key.

    Args:
        columns: The name of each attribute, and the key of its column; ``None``, if it has none.
        committed: The old values.
        values: The values now.
        equals: The functions that compare two values of an attribute, by its name.
        plain: Types that are no SQL expressions'.
        is_sql: Tells whether another value is one.
        unknown: Stands for an old value that is not known.

    Raises:
        KeyError: An attribute was deleted.
    """
    found = {}
    for name, key in columns:
        if key is not None and name in committed:
            value, old = values[name], committed[name]
            if old is unknown or (type(value) not in plain and is_sql(value)) or equals[name](value, old) is not True:
                found[key] = value
    return found


def unequal_of_all(
    columns: Iterable[tuple[str, str | None]],
    keys: Mapping[str, str],
    states: Sequence[Any],
    loaded: Sequence[dict[str, Any]],
    equals: Mapping[str, Callable[[Any, Any], Any]],
    plain: set[type[Any]],
    is_sql: Callable[[Any], bool],
    unknown: object,
) -> list[dict[str, Any]]:
    """Return the same of many instances of one class.

    Args:
        columns: The name of each attribute, and the key of its column.
        keys: The same by name.
        states: The states of the instances.
        loaded: Their values.
        equals: The functions that compare two values of an attribute, by its name.
        plain: Types that are no SQL expressions'.
        is_sql: Tells whether another value is one.
        unknown: Stands for an old value that is not known.

    Raises:
        KeyError: An attribute was deleted.
    """
    found = []
    for state, values in zip(states, loaded, strict=True):
        committed = state.committed_state
        # One that changed is the common case; several are written in the order of the columns.
        pairs = columns if len(committed) > 1 else [(name, keys.get(name)) for name in committed]
        found.append(unequal(pairs, committed, values, equals, plain, is_sql, unknown))
    return found


def without(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a copy of a dict without one name; one of plain values is nothing for Python's garbage collector.

    Example:
        >>> without({"a": 1, "b": 2}, "b")
        {'a': 1}
    """
    return {each: value for each, value in values.items() if each != name}


def snapshots(states: Sequence[Any], loaded: Sequence[dict[str, Any]], name: str, nothing: object) -> Conditions | None:
    """Return the conditions of instances whose class keeps no collections and no Mutable values.

    Args:
        states: The states of the instances.
        loaded: Their values.
        name: Where an instance has its state, among its values.
        nothing: Stands for the attributes that are expired where none is.

    Returns:
        Of each instance its key, its values, its history, whether it is modified, and the attributes that are expired,
        in lists; ``None`` if an instance has notes of its own in ``info``.
    """
    if any("info" in state.__dict__ for state in states):
        return None
    return (
        [state.key for state in states],
        [without(values, name) for values in loaded],
        [state.committed_state.copy() for state in states],
        [state.modified for state in states],
        [frozenset(state.expired_attributes) or nothing for state in states],
    )


def renew(
    states: Sequence[Any],
    loaded: Sequence[dict[str, Any]],
    column_values: Sequence[dict[str, Any]],
    attributes: Mapping[str, str] | None,
    primary_key: tuple[str, ...],
) -> list[int]:
    """Give instances that were updated the values that their rows have now, and mark them as clean.

    Args:
        states: The states of the instances.
        loaded: Their values.
        column_values: The values that the rows got, by column key; an instance whose row got none is left as it is.
        attributes: The attributes' names by column key, where these are not the same.
        primary_key: The column keys of the primary key.

    Returns:
        The places of those that need more: a key has changed, or another change is pending.
    """
    left = []
    for place, (state, values, row) in enumerate(zip(states, loaded, column_values, strict=True)):
        if not row:
            continue
        if "_pending_mutations" in state.__dict__ or state._deleted or not row.keys().isdisjoint(primary_key):
            left.append(place)
            continue
        committed, expired = state.committed_state, state.expired_attributes
        for key, value in row.items():
            name = key if attributes is None else attributes[key]
            committed.pop(name, None)
            expired.discard(name)
            values[name] = value
        state.modified = state.expired = False
        if committed:
            left.append(place)
    return left


def had_value(states: Sequence[Any], name: str, value: Any, unknown: object) -> bool:
    """Tell whether one of some instances may have had a value: it was equal, or is not known.

    Args:
        states: The states of the instances.
        name: The attribute.
        value: The value.
        unknown: Stands in a state for an old value that is not known.
    """
    found = [
        state.committed_state[name] if name in state.committed_state else state.dict.get(name, unknown)
        for state in states
    ]
    return any(map(is_, found, repeat(unknown))) or value in found


def load(
    make: Callable[[], Any],
    manager: Any,
    state_class: Any,
    state_name: str,
    rows: Sequence[Any],
    names: tuple[str, ...],
    places: tuple[int, ...],
    width: int,
    identity: type[Any],
    unread: frozenset[str],
) -> list[Any]:
    """Return instances that have the values of rows, their states marked as stored.

    Args:
        make: Makes an empty instance with a state.
        manager: SQLAlchemy's manager of the class.
        state_class: The class of the states, if its constructor is a known one: its work takes half the time here.
        state_name: Where an instance has its state.
        rows: The rows.
        names: The attributes that get a value.
        places: The place of each value in a row.
        width: How many columns, the first ones, are the primary key.
        identity: The class that goes into the identity keys.
        unread: The attributes that get no value, and are to raise when they are asked for.
    """
    found = []
    for row in rows:
        if state_class is None:
            instance = make()
            values = instance.__dict__
            state = values[state_name]
            state.expired_attributes.update(unread)
        else:
            instance = manager.class_.__new__(manager.class_)
            values = instance.__dict__
            values[state_name] = state = state_class.__new__(state_class)
            state.class_ = manager.class_
            state.manager = manager
            state.obj = ref(instance, state._cleanup)
            state.committed_state = {}
            state.expired_attributes = set(unread)
        for name, place in zip(names, places, strict=True):
            values[name] = row[place]
        state.key = (identity, tuple(row[:width]), None)
        found.append(instance)
    return found


def mark(
    instances: list[Any],
    states: list[Any],
    column_values: list[dict[str, Any]],
    sizes: list[int],
    attributes: Mapping[str, str] | None,
    primary_key: tuple[str, ...],
    identity: type[Any],
    no_value: Any,
) -> list[dict[str, Any] | None]:
    """Give instances the values of their rows, and mark their states as stored and clean.

    Args:
        instances: The instances.
        states: SQLAlchemy's states of them.
        column_values: Their rows, by column key.
        sizes: How many attributes each had set.
        attributes: The attributes' names by column key, where these are not the same.
        primary_key: The column keys of the primary key.
        identity: The class that goes into the identity keys.
        no_value: SQLAlchemy's record of an attribute that was not set before.

    Returns:
        SQLAlchemy's former record of each; ``None`` where that is ``no_value`` of all that was set.
    """
    records, nothing = [state.committed_state for state in states], repeat(no_value)
    # It is a member of an enum, and those are compared in Python: no more is asked of it than whether it is there.
    if sizes == list(map(len, records)) and all(map(is_, chain.from_iterable(map(dict.values, records)), nothing)):
        before: list[dict[str, Any] | None] = [None] * len(records)
        consume(map(dict.clear, records))
    else:
        before = [
            None if len(each) == size and all(map(is_, each.values(), nothing)) else each
            for each, size in zip(records, sizes, strict=True)
        ]
        for state in states:
            state.committed_state = {}
    keys = zip(*(map(itemgetter(key), column_values) for key in primary_key), strict=True)
    if attributes is not None:
        column_values = [{attributes[key]: value for key, value in row.items()} for row in column_values]
    consume(map(dict.update, map(VALUES, instances), column_values))
    for state, key in zip(states, zip(repeat(identity), keys, repeat(None)), strict=True):
        state.key = key
        state.modified = False
    return before
