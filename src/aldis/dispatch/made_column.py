"""A parameter of one signal for many rows whose values are made row by row, when a row's turn comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["MadeColumn"]

T = TypeVar("T")


class MadeColumn(Generic[T]):
    """A value for each row, made anew whenever it is asked for.

    Of ten thousand, only one has to be there at a time: Python's garbage collector has not to look at the others.

    Args:
        count: How many rows there are.
    """

    __slots__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count

    def rest(self, first: int) -> Iterator[T]:
        """Return an iterator over the values from a row on."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[T]:
        return self.rest(0)

    def __getitem__(self, number: int) -> T:
        return next(self.rest(number))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.count} rows>"
