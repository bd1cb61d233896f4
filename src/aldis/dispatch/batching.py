"""Receivers that are called once for many rows: ``connect(..., batched=True)``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from .deferral import StandIn
from .on_request import CHANGES

__all__ = ["Batch", "Batched"]


class Batch(Sequence[dict[str, Any]]):
    """The rows of a batched receiver: the keywords of each row, made when they are looked at.

    Args:
        names: The names of the signal's parameters.
        columns: Their values: a list has one for each row, all else is for all of them.
        rows: The numbers of the rows in those lists.

    Example:
        >>> batch = Batch(("instance", "is_update"), (["a", "b", "c"], False), range(3))
        >>> len(batch), batch[0], batch.column("instance")
        (3, {'instance': 'a', 'is_update': False}, ['a', 'b', 'c'])
    """

    __slots__ = ("_columns", "_names", "_rows")

    def __init__(self, names: Sequence[str], columns: Sequence[Any], rows: Sequence[int]) -> None:
        self._names = names
        self._columns = columns
        self._rows = rows

    @property
    def names(self) -> tuple[str, ...]:
        """The keywords that the signal sends."""
        return tuple(self._names)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self._row(number) for number in self._rows[index]]
        return self._row(self._rows[index])

    def _row(self, number: int) -> dict[str, Any]:
        return {
            name: column[number] if type(column) is list else column
            for name, column in zip(self._names, self._columns, strict=True)
        }

    def column(self, name: str) -> list[Any]:
        """Return one keyword of all rows: faster than row by row.

        Args:
            name: The keyword.

        Raises:
            KeyError: The signal has none of that name.
        """
        if name not in self._names:
            advice = "; a batched receiver gets it where its own code says 'changes'" if name == CHANGES else ""
            raise KeyError(f"{name!r}: the signal sends {', '.join(self._names)}{advice}")
        column = self._columns[self._names.index(name)]
        if type(column) is not list:
            return [column] * len(self)
        # The numbers are of rows, each once and in order: as many as there are rows are all of them.
        return column.copy() if len(column) == len(self) else [column[number] for number in self._rows]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} rows: {', '.join(self._names)}>"


class Batched(StandIn):
    """Stands for a batched receiver in the plans: a send that is not of many rows is a batch of one."""

    __slots__ = ()

    def __call__(self, sender: Any, /, **kwargs: Any) -> Any:
        """Call the receiver with a batch of one."""
        return self.receiver(sender, batch=Batch(tuple(kwargs), tuple([value] for value in kwargs.values()), (0,)))
