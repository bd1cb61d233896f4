"""The values that differ, old and new, of many rows: compared by columns, at once, and told row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from operator import eq, is_
from typing import Any

from ...dispatch.changes import Change
from ...dispatch.made_column import MadeColumn
from ..mapping.rowwise import changes_of

__all__ = ["Changed", "Compared", "Differences", "differing"]

Changed = dict[str, Change]
"""The changes of one row, by attribute name."""

Compared = tuple[str, Sequence[Any], Sequence[Any], Callable[[Any, Any], Any] | None]


class Differences(MadeColumn[Changed]):
    """The values that differ in each of some rows, by attribute name.

    Args:
        count: How many rows there are.
        columns: Of each attribute of which a value differs its name, its old and its new values, and whether the two
            are equal in each row: ``True``, or anything else; ``None`` where they differ in every row.
    """

    __slots__ = ("columns",)

    def __init__(
        self, count: int, columns: Sequence[tuple[str, Sequence[Any], Sequence[Any], Sequence[Any] | None]]
    ) -> None:
        super().__init__(count)
        self.columns = columns

    def rest(self, first: int) -> Iterator[Changed]:
        """Return an iterator over the changes of the rows from one on."""
        return changes_of(Change, self.columns, range(first, self.count))

    def __getitem__(self, number: int) -> Changed:
        one = slice(number, number + 1)
        columns = [(name, old[one], new[one], same and same[one]) for name, old, new, same in self.columns]
        return next(changes_of(Change, columns, range(1)))


def differing(columns: Iterable[Compared], count: int) -> Differences:
    """Return the values that differ in each of some rows, by attribute name.

    Args:
        columns: Of each attribute its name, its old values, its new values, and the function that compares two of
            them as the type does; ``None`` where all are changes.
        count: How many rows there are.

    Example:
        >>> list(differing([("name", ["Ada", "Bob"], ["Ada", "Eve"], eq)], 2))
        [{}, {'name': Change(old='Bob', new='Eve')}]
    """
    found: list[tuple[str, Sequence[Any], Sequence[Any], Sequence[Any] | None]] = []
    for name, old, new, is_equal in columns:
        if is_equal is eq and type(new) is tuple and new == old:
            continue
        if is_equal is None or is_never(is_equal, new, old):
            found.append((name, old, new, None))
            continue
        same = list(map(is_equal, new, old))
        if not all(map(is_, same, repeat(True))):
            found.append((name, old, new, same))
    return Differences(count, found)


def is_never(is_equal: Callable[[Any, Any], Any], new: Iterable[Any], old: Iterable[Any]) -> bool:
    """Tell whether two values are equal in no row; ``False`` where that is not a matter of true or false."""
    try:
        return not any(map(is_equal, new, old))
    except Exception:
        return False  # of arrays, which are compared item by item; another error comes up again
