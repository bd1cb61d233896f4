"""One signal for many rows, where some receivers are batched and others are called for each row."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from inspect import isawaitable
from itertools import groupby
from typing import Any

from . import emitters
from .batching import Batch
from .delivery import WATCHERS, Seen
from .failures import annotate
from .on_request import hidden_in
from .records import Receiver
from .series import Series

__all__ = ["Mixed"]


class Mixed:
    """One signal for many rows, some of its receivers batched.

    In the order of connection: those before a batched receiver are called for all rows, then that one for the batch,
    and so on. A row that a receiver skips is not seen by those after it.
    """

    def __init__(
        self,
        name: str,
        parameters: Sequence[str],
        signal: Any,
        model: type[Any],
        columns: tuple[Any, ...],
        told: tuple[tuple[ContextVar[Any], list[Any]], ...],
        receivers: Sequence[Receiver],
    ) -> None:
        self.name = name
        self.parameters = parameters
        self.signal = signal
        self.sender = model
        self.columns = columns
        self.told = told
        self.outside = [(variable, variable.get(None)) for variable, _ in told]
        """The context variables as they are between the rows: a batched receiver has no row of its own."""
        self.position = -1
        """The row whose receiver has raised; of a batched one, the first of the batch."""
        self.count = len(told[0][1])
        self.rows = list(range(self.count))
        """Those that are not skipped."""
        self.parts = [
            (is_batched, [(each, alive) for each in part if (alive := each.itself()) is not None])
            for is_batched, part in groupby(receivers, lambda each: each.batched)
        ]
        self.series: Series | None = None
        """The part that is going on, of receivers that are called for each row."""
        self.seen: list[int] = []
        """The rows that it, or the batch, is fired for."""

    async def run(self) -> None:
        """Fire the signal for the rows to come."""
        while self.rows:
            if self.series is not None:
                try:
                    await self.series.run()
                finally:
                    self.position = self.seen[max(self.series.position, 0)]
                self.series = None
            elif not self.parts:
                return
            elif not self.parts[0][0]:
                self.series = self.series_of([each for each, _alive in self.parts.pop(0)[1]])
            elif self.parts[0][1]:
                await self.send_batch(*self.parts[0][1].pop(0))
            else:
                self.parts.pop(0)

    def series_of(self, records: list[Receiver]) -> Series:
        """Return the part of receivers that are called for each row."""
        self.seen = self.rows.copy()
        columns = tuple([*map(each.__getitem__, self.seen)] if type(each) is list else each for each in self.columns)
        told = tuple((variable, [*map(values.__getitem__, self.seen)]) for variable, values in self.told)
        return Series(getattr(emitters, self.name), self.signal, self.sender, columns, told, records)

    async def send_batch(self, record: Receiver, receiver: Any) -> None:
        """Call a batched receiver with the rows that it wants."""
        for variable, value in self.outside:
            variable.set(value)
        try:
            self.seen = self.wanted_by(record)
            if not self.seen:
                return
            self.position = self.seen[0]
            batch = self.batch_for(record, self.seen)
            target = Seen(receiver, self.signal, self.sender, record.is_async) if WATCHERS else receiver
            result = (record.deferred(target) if record.waits else target)(self.sender, batch=batch)
            if isawaitable(result):
                await result
        except Exception as error:
            annotate(error, self.signal, self.sender, receiver)
            raise

    def batch_for(self, record: Receiver, rows: list[int]) -> Batch:
        """Return the keywords of rows that a receiver gets: all but the hidden one, unless it asks for that."""
        if record.asks or hidden_in(tuple(self.parameters)) is None:
            return Batch(self.parameters, self.columns, rows)
        return Batch(self.parameters[:-1], self.columns[:-1], rows)

    def wanted_by(self, record: Receiver) -> list[int]:
        """Return the rows for which the condition of a batched receiver holds."""
        if record.options.when is None:
            return self.rows.copy()
        wanted = []
        for number, row in zip(self.rows, Batch(self.parameters, self.columns, self.rows), strict=True):
            self.position = number
            if record.is_wanted(self.sender, row):
                wanted.append(number)
        return wanted

    def skip(self) -> list[int]:
        """Leave out the rows that a receiver has skipped: its own, or all of a batch; return their numbers."""
        skipped = self.seen if self.series is None else [self.position]
        self.rows = [number for number in self.rows if number not in skipped]
        return skipped
