"""One signal for many rows, where some receivers are batched and others are called for each row."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextvars import ContextVar
from inspect import iscoroutinefunction
from itertools import groupby
from typing import Any

from . import core, emitters
from .batching import Batch
from .deferral import Deferred
from .delivery import WATCHERS, Seen
from .failures import annotate
from .signal import NamedSignal, Signal

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
        signal: Signal,
        model: type[Any],
        columns: tuple[Any, ...],
        told: tuple[tuple[ContextVar[Any], list[Any]], ...],
        receivers: Sequence[core.Receiver],
    ) -> None:
        self.name = name
        self.parameters = parameters
        self.signal = signal
        self.sender = model
        self.columns = columns
        self.told = told
        self.position = -1
        """The row whose receiver has raised; of a batched one, the first of the batch."""
        self.count = len(told[0][1])
        self.rows = list(range(self.count))
        """Those that are not skipped."""
        self.parts = [
            (is_batched, [(alive, each.after_commit) for each in part if (alive := each.itself()) is not None])
            for is_batched, part in groupby(receivers, lambda each: each.batched)
        ]
        self.series: core.Series | None = None
        """The part that is going on, of receivers that are called for each row."""
        self.seen: list[int] = []
        """The rows that it is fired for."""

    def go(self) -> Any:
        """Fire the signal for the rows to come; ``None`` at the end, else what is to be awaited first."""
        while self.rows:
            if self.series is not None:
                try:
                    rest = self.series.go()
                finally:
                    self.position = self.seen[max(self.series.position, 0)]
                if rest is not None:
                    return rest
                self.series = None
            elif not self.parts:
                return None
            elif self.parts[0][0]:
                receivers = self.parts[0][1]
                if not receivers:
                    self.parts.pop(0)
                    continue
                rest = self.send_batch(*receivers.pop(0))
                if rest is not None:
                    return rest
            else:
                self.series = self.series_of(self.parts.pop(0)[1])
        return None

    def series_of(self, receivers: list[tuple[Any, bool]]) -> core.Series:
        """Return the part of receivers that are called for each row."""
        part = NamedSignal(self.signal.name) if isinstance(self.signal, NamedSignal) else Signal()
        for receiver, after_commit in receivers:
            part.connect(receiver, weak=False, after_commit=after_commit)
        self.seen = self.rows.copy()
        columns = tuple([*map(each.__getitem__, self.seen)] if type(each) is list else each for each in self.columns)
        told = tuple((variable, [*map(values.__getitem__, self.seen)]) for variable, values in self.told)
        return core.Series(getattr(emitters, self.name), part, self.sender, columns, told)

    def send_batch(self, receiver: Any, after_commit: bool) -> Any:
        """Call a batched receiver with all rows; return what is left to await."""
        self.position = self.rows[0]
        for variable, _ in self.told:
            variable.set(None)
        batch = Batch(self.parameters, self.columns, self.rows.copy())
        target = Seen(receiver, self.signal, self.sender, iscoroutinefunction(receiver)) if WATCHERS else receiver
        try:
            result = (Deferred(target) if after_commit else target)(self.sender, batch=batch)
        except Exception as error:
            annotate(error, self.signal, self.sender, receiver)
            raise
        return self.awaited(result, receiver) if isinstance(result, Awaitable) else None

    async def awaited(self, result: Awaitable[object], receiver: Any) -> None:
        """Await a batched receiver."""
        try:
            await result
        except Exception as error:
            annotate(error, self.signal, self.sender, receiver)
            raise

    def skip(self) -> list[int]:
        """Leave out what a receiver has skipped: its row, or all of a batch; return their numbers."""
        skipped = self.rows.copy() if self.series is None else [self.position]
        self.rows = [number for number in self.rows if number not in skipped]
        return skipped
