"""The steps for every row of a bulk operation, in Python. The twin of ``cext/rows.pyx``: the same story."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache, partial
from itertools import chain, islice, repeat
from operator import contains, is_, itemgetter
from typing import Any, Final

from .table import maker_of_rows, picker

__all__ = [
    "altered",
    "changes_of",
    "fill",
    "has_one",
    "has_value",
    "iso",
    "names",
    "pick",
    "types",
    "values_of",
]

THREE: Final = [f"{number:03}" for number in range(1000)]
"""Digits that are looked up are there sooner than formatted ones."""

row_of: Final = lru_cache(maxsize=256)(maker_of_rows)


def iso(values: Sequence[Any], otherwise: Callable[[Any], Any]) -> list[Any]:
    """Write datetimes without a zone as SQLite's manual has them ("Date And Time Functions"), with microseconds.

    Args:
        values: The datetimes.
        otherwise: Makes the value to write of anything else, ``None`` and subclasses included.

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
        columns: The contents of the new dicts: a key, and the place of its value.
        makes: Further contents: a key, and the function that makes its value.
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
    for row in column_values if makes else ():  # of no row before all are read: these functions may change the dicts
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
    """Return the names of each of the dicts, and the values of all in one list, which :func:`altered` compares with.

    Example:
        >>> values_of([{"a": 1, "b": 2}, {"c": 3}])
        ([('a', 'b'), ('c',)], [1, 2, 3])
    """
    return list(map(tuple, rows)), list(chain.from_iterable(map(dict.values, rows)))


def is_unaltered(row: dict[str, Any], was: dict[str, Any]) -> bool:
    """Tell whether a dict has the names and the very objects of another, in the same order.

    Example:
        >>> is_unaltered({"a": 1}, {"a": 1}), is_unaltered({"a": 1}, {"a": 1.0})
        (True, False)
    """
    return list(row) == list(was) and all(map(is_, row.values(), was.values()))


def altered(
    rows: list[dict[str, Any]], all_names: list[tuple[str, ...]], values: list[Any]
) -> list[tuple[int, dict[str, Any]]]:
    """Return the places of the dicts that have other names or other objects now, each with the dict as it was.

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
        pairs: The attributes that each may get: a name, and the row's key for it.

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


def changes_of(
    kind: type[Any], columns: Sequence[tuple[str, Sequence[Any], Sequence[Any], Sequence[Any] | None]], rows: range
) -> Iterator[dict[str, Any]]:
    """Return an iterator over the changes of rows: pairs of an old and a new value, by name.

    Args:
        kind: The class of the pairs, a named tuple.
        columns: Of each name its old values, its new ones, and whether the two are equal in each row: ``True``, or
            anything else; ``None`` where they are equal in none.
        rows: The numbers of the rows.

    Example:
        >>> list(changes_of(tuple, [("a", [1, 2], [3, 2], [False, True]), ("b", "xy", "zz", None)], range(2)))
        [{'a': (1, 3), 'b': ('x', 'z')}, {'b': ('y', 'z')}]
    """
    if not columns:
        return ({} for _ in rows)
    make, first = partial(tuple.__new__, kind), rows.start  # half the time of kind(*pair)
    names = [name for name, _, _, _ in columns]
    pairs = [
        map(make, zip(islice(old, first, None), islice(new, first, None), strict=True)) for _, old, new, _ in columns
    ]
    if len(names) == 1 and columns[0][3] is None:
        name = names[0]
        return ({name: pair} for pair in pairs[0])
    equal = [repeat(False) if same is None else islice(same, first, None) for _, _, _, same in columns]
    return (
        {name: pair for name, pair, is_equal in zip(names, row, flags, strict=True) if is_equal is not True}
        for row, flags in zip(zip(*pairs, strict=True), zip(*equal, strict=False), strict=False)
    )


def has_one(rows: list[dict[str, Any]], names: list[str]) -> bool:
    """Tell whether one of the dicts has one of the names.

    Example:
        >>> has_one([{"a": 1}, {"b": 2}], ["b", "c"]), has_one([{"a": 1}], ["b"])
        (True, False)
    """
    return any(any(map(contains, rows, repeat(name))) for name in names)


def has_value(rows: list[dict[str, Any]], name: str, value: Any, plain: set[type[Any]]) -> bool:
    """Tell whether one of the dicts may have a value under a name: an equal one, or one of another type.

    Args:
        rows: The dicts.
        name: The name.
        value: The value.
        plain: The types whose values tell by ``==`` whether they are equal.

    Example:
        >>> has_value([{"a": 1}, {"b": 2}], "a", 2, {int}), has_value([{"a": 1}, {"a": "?"}], "a", 2, {int})
        (False, True)
    """
    try:
        found = list(map(itemgetter(name), rows))
    except KeyError:
        found = [row[name] for row in rows if name in row]
    return not plain.issuperset(map(type, found)) or value in found


def types(rows: list[dict[str, Any]]) -> set[type[Any]]:
    """Return the types of all values of dicts.

    Example:
        >>> types([{"a": 1}, {"a": 2}]) == {int}
        True
    """
    return set(map(type, chain.from_iterable(map(dict.values, rows))))
