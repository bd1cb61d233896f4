"""What is done to every row of a bulk operation, in Python. The twin of ``cext/rows.pyx``: the same story."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain, repeat
from operator import attrgetter, is_, itemgetter
from typing import Any, Final

from .table import maker_of_rows, picker

__all__ = ["altered", "fill", "iso", "mark", "names", "pick", "types", "values_of"]

THREE: Final = [f"{number:03}" for number in range(1000)]
"""Digits that are looked up are there sooner than formatted ones."""

VALUES: Final = attrgetter("__dict__")

consume: Final[Callable[[Iterable[object]], None]] = deque[object](maxlen=0).extend
"""Runs an iterator to its end, and keeps nothing."""

row_of: Final = lru_cache(maxsize=256)(maker_of_rows)


def iso(values: Sequence[Any], otherwise: Callable[[Any], Any]) -> list[Any]:
    """Write datetimes without a zone as SQLite's manual has them ("Date And Time Functions"), with microseconds.

    Args:
        values: The datetimes.
        otherwise: What makes of anything else, ``None`` and subclasses included, what is written.

    Example:
        >>> iso([datetime(2026, 1, 2), None], str)
        ['2026-01-02 00:00:00.000000', 'None']
    """
    found = []
    year = month = day = hour = minute = second = -1
    prefix = ""  # rows that are saved together are mostly of one second
    for value in values:
        if type(value) is datetime and value.tzinfo is None:
            if (
                value.second != second
                or value.minute != minute
                or value.hour != hour
                or value.day != day
                or value.month != month
                or value.year != year
            ):
                year, month, day = value.year, value.month, value.day
                hour, minute, second = value.hour, value.minute, value.second
                prefix = f"{value.isoformat(' ', 'seconds')}."
            millis, micros = divmod(value.microsecond, 1000)
            found.append(f"{prefix}{THREE[millis]}{THREE[micros]}")
        else:
            found.append(otherwise(value))
    return found


def pick(
    loaded: list[dict[str, Any]],
    names: tuple[str, ...],
    leave_out: int,
    columns: list[tuple[str, int]],
    makes: list[tuple[str, Callable[[], Any]]],
    keep: bool = True,
) -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]] | None:
    """Return the values of dicts that have the same names, as tuples and as dicts; ``None`` if one has others.

    Args:
        loaded: The dicts.
        names: Their names, in their order.
        leave_out: The place of the name that the tuples go without; -1 where there is none.
        columns: What the new dicts hold: a key, and the place of its value.
        makes: What else: a key, and what makes its value.
        keep: Whether the tuples are wanted; else there are none.

    Example:
        >>> pick([{"state": None, "a": 1, "b": 2}], ("state", "a", "b"), 0, [("B", 2)], [("c", list)])
        ([(1, 2)], [{'B': 2, 'c': []}])
        >>> pick([{"a": 1}, {"b": 2}], ("a",), -1, [], [])
    """
    if not all(map(names.__eq__, map(tuple, loaded))):
        return None
    kept = tuple(name for place, name in enumerate(names) if place != leave_out)
    found = list(map(picker(kept), loaded)) if keep else []
    column_values = list(map(row_of(tuple((key, names[place]) for key, place in columns)), loaded))
    for row in column_values if makes else ():  # of no row before all are read: what they run may change the dicts
        for key, make in makes:
            row[key] = make()
    return found, column_values


def names(rows: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    """Return the names that dicts have, in their orders.

    Example:
        >>> names([{"a": 1, "b": 2}, {"a": 3, "b": 4}])
        {('a', 'b')}
    """
    return set(map(tuple, rows))


def values_of(rows: list[dict[str, Any]]) -> tuple[list[tuple[str, ...]], list[Any]]:
    """Return the names of each of the dicts, and the values of all in one list: what :func:`altered` compares with.

    Example:
        >>> values_of([{"a": 1, "b": 2}, {"c": 3}])
        ([('a', 'b'), ('c',)], [1, 2, 3])
    """
    return list(map(tuple, rows)), list(chain.from_iterable(map(dict.values, rows)))


def altered(
    rows: list[dict[str, Any]], all_names: list[tuple[str, ...]], values: list[Any]
) -> list[tuple[int, dict[str, Any]]]:
    """Return the places of the dicts that have other names or other objects now, each with what the dict was.

    Args:
        rows: The dicts.
        all_names: The names that each had.
        values: The values that all had.

    Example:
        >>> rows = [{"a": 1}, {"a": 2}]
        >>> was = values_of(rows)
        >>> rows[1]["b"] = 3
        >>> altered(rows, *was)
        [(1, {'a': 2})]
    """
    now = values_of(rows)
    if now[0] == all_names and all(map(is_, now[1], values)):
        return []
    found, begin = [], 0
    for place, (row, names) in enumerate(zip(rows, all_names, strict=True)):
        was = dict(zip(names, values[begin : begin + len(names)], strict=True))
        if tuple(row) != names or not all(map(is_, row.values(), was.values())):
            found.append((place, was))
        begin += len(names)
    return found


def fill(
    loaded: list[dict[str, Any]], column_values: list[dict[str, Any]], pairs: list[tuple[tuple[str, str], ...]]
) -> None:
    """Give instances' values those of their rows that they do not have, or have as ``None``.

    Args:
        loaded: The instances' values.
        column_values: Their rows, by column key.
        pairs: Of each, what it may get: a name, and the row's key for it.

    Example:
        >>> values = {"a": 1}
        >>> fill([values], [{"A": 2, "B": 3}], [(("a", "A"), ("b", "B"), ("c", "C"))])
        >>> values
        {'a': 1, 'b': 3}
    """
    for values, row, filled in zip(loaded, column_values, pairs, strict=True):
        for name, key in filled:
            if values.get(name) is None and key in row:
                values[name] = row[key]


def types(rows: list[dict[str, Any]]) -> set[type[Any]]:
    """Return the types of all values of dicts.

    Example:
        >>> types([{"a": 1}, {"a": 2}]) == {int}
        True
    """
    return set(map(type, chain.from_iterable(map(dict.values, rows))))


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
        no_value: What SQLAlchemy records of an attribute that was not set before.

    Returns:
        What SQLAlchemy had recorded of each before; ``None`` where that is ``no_value`` of all that was set.
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
