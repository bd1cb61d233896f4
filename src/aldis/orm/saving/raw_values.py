"""The rows that a bulk operation was given, ``raw_values`` in its signals, and how they are read in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

__all__ = ["Rows", "batches", "readable_twice"]

Rows = Iterable[Any] | AsyncIterable[Any]
"""The rows that a bulk method takes: instances, or mappings of their attributes."""


class RawValues(Iterable[Any]):
    """The rows of an iterator, which receivers may read as well: rows that they have read are kept, and written.

    Args:
        rows: The iterator.
    """

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows
        self._kept: deque[Any] = deque()

    def __iter__(self) -> Iterator[Any]:
        """Read the rows that are not written yet."""
        place = 0
        while True:
            if place == len(self._kept):
                try:
                    self._kept.append(next(self._rows))
                except StopIteration:
                    return
            yield self._kept[place]
            place += 1

    def take(self) -> Iterator[Any]:
        """Read the rows that are to be written, and keep none of them."""
        while self._kept:
            yield self._kept.popleft()
        yield from self._rows


class AsyncRawValues(AsyncIterable[Any]):
    """The same of an async iterator.

    Args:
        rows: The iterator.
    """

    def __init__(self, rows: AsyncIterator[Any]) -> None:
        self._rows = rows
        self._kept: deque[Any] = deque()

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Read the rows that are not written yet."""
        place = 0
        while True:
            if place == len(self._kept):
                try:
                    self._kept.append(await anext(self._rows))
                except StopAsyncIteration:
                    return
            yield self._kept[place]
            place += 1

    async def take(self) -> AsyncIterator[Any]:
        """Read the rows that are to be written, and keep none of them."""
        while self._kept:
            yield self._kept.popleft()
        async for row in self._rows:
            yield row


def readable_twice(rows: Rows) -> Rows:
    """Return rows that receivers of the bulk signals may read: those of an iterator are kept where they do."""
    if type(rows) is list:
        return rows
    if isinstance(rows, AsyncIterator):
        return AsyncRawValues(rows)
    return RawValues(rows) if isinstance(rows, Iterator) else rows


def batches(rows: Rows, size: int) -> AsyncIterator[list[Any]]:
    """Read the rows, ``size`` at a time.

    Raises:
        TypeError: They are not iterable.
    """
    if type(rows) is list:
        return Batches(iter(rows), size)
    if isinstance(rows, AsyncIterable):
        return async_batches(rows.take() if isinstance(rows, AsyncRawValues) else rows, size)
    if isinstance(rows, (str, Mapping)) or not isinstance(rows, Iterable):
        raise TypeError(f"the rows are {rows!r}: give an iterable, or an async iterable, of instances or mappings.")
    return Batches(rows.take() if isinstance(rows, RawValues) else iter(rows), size)


async def async_batches(rows: AsyncIterable[Any], size: int) -> AsyncIterator[list[Any]]:
    """Read the rows of an async iterable, ``size`` at a time."""
    batch = []
    async for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class Batches(AsyncIterator[list[Any]]):
    """Reads the rows of an iterator, ``size`` at a time.

    No async generator: asyncio takes note of each, which costs as much as two receivers.

    Args:
        rows: The iterator.
        size: How many rows are read at a time.
    """

    __slots__ = ("rows", "size")

    def __init__(self, rows: Iterator[Any], size: int) -> None:
        self.rows = rows
        self.size = size

    async def __anext__(self) -> list[Any]:
        batch = list(islice(self.rows, self.size))
        if not batch:
            raise StopAsyncIteration
        return batch
