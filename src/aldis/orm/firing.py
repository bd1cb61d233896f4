"""Fire a lifecycle signal of a model, if anybody listens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..context import DISABLED, current
from ..dispatch import core, emitters
from ..dispatch.batching import Batch
from ..dispatch.deferral import Deferred, behind
from ..dispatch.receiver import annotate
from ..dispatch.signal import NamedSignal, Signal
from ..errors import SkipOperation
from ..signals import LIFECYCLE

if TYPE_CHECKING:
    import blinker

    from ..dispatch.broadcaster import Broadcaster

__all__ = ["Rows", "are_heard", "fire", "fire_each", "is_heard", "rows_of_signal", "skipped_of", "telling"]

Rows: TypeAlias = "core.Series | Mixed"
"""One signal, to be fired for many rows."""

EMITTERS: Final[dict[str, Callable[..., Any]]] = {name: getattr(emitters, name) for name in emitters.__all__}
NOTHING: Final[AbstractContextManager[None]] = nullcontext()

PARAMETERS: Final = {signal.name: signal.parameters for signal in LIFECYCLE}
"""What each lifecycle signal sends."""


def is_heard(signal: blinker.Signal, model: type[Any]) -> bool:
    """Tell whether anybody listens to the signal of a model, and signals are not turned off."""
    return signal.has_receivers_for(model) and not DISABLED.get()


def are_heard(signals: Broadcaster, kind: str, model: type[Any]) -> bool:
    """Tell whether anybody listens to one of the two signals of a kind: ``"save"``, ``"bulk"`` and so on."""
    return is_heard(signals[f"pre_{kind}"], model) or is_heard(signals[f"post_{kind}"], model)


def telling(
    signals: Broadcaster,
    kind: str,
    model: type[Any],
    caller: object,
    instance: object,
    named: Collection[str] | None,
) -> AbstractContextManager[None]:
    """Return what tells receivers, through the context variables, what is written; nothing where nobody listens.

    Args:
        signals: The model's signals.
        kind: ``"save"``, ``"update"`` or ``"delete"``.
        model: The sender.
        caller: What the call was made on.
        instance: The instance that is written, if it is one.
        named: The names of the attributes that the caller named.
    """
    if are_heard(signals, kind, model):
        return current(caller, instance, named)
    return NOTHING


async def fire(signals: Broadcaster, name: str, model: type[Any], *values: Any) -> bool:
    """Fire the signal of that name; return whether a receiver asked to skip the operation.

    Args:
        signals: The model's signals.
        name: ``"pre_save"``, and so on.
        model: The sender.
        values: The signal's parameters, in the order of the reference.

    Raises:
        SkipOperation: A receiver of a ``post_*`` signal raised it, when there is nothing left to skip.
    """
    signal = signals[name]
    if not is_heard(signal, model):
        return False
    try:
        rest = EMITTERS[name](signal, model, *values)
        if rest is not None:
            await rest
    except SkipOperation:
        if name.startswith("post_"):
            raise
        return True
    return False


def rows_of_signal(
    name: str,
    signal: blinker.Signal,
    model: type[Any],
    columns: tuple[Any, ...],
    told: tuple[tuple[ContextVar[Any], list[Any]], ...],
) -> Rows:
    """Return a signal that is to be fired for many rows.

    Args:
        name: Which of the lifecycle signals it is.
        signal: The signal.
        model: The sender.
        columns: Its parameters in their order: a list has a value for each row, all else is for all of them.
        told: Context variables to set before each row, each with its list of values.
    """
    if isinstance(signal, Signal):
        receivers = signal._find(model).receivers
        if any(receiver.batched for receiver in receivers):
            return Mixed(name, signal, model, columns, told, receivers)
    return core.Series(EMITTERS[name], signal, model, columns, told)


class Mixed:
    """One signal for many rows, some of its receivers batched.

    In the order of connection: those before a batched receiver are called for all rows, then that one for the batch,
    and so on. A row that a receiver skips is not seen by those after it.
    """

    def __init__(
        self,
        name: str,
        signal: Signal,
        model: type[Any],
        columns: tuple[Any, ...],
        told: tuple[tuple[ContextVar[Any], list[Any]], ...],
        receivers: Sequence[core.Receiver],
    ) -> None:
        self.name = name
        self.signal = signal
        self.model = model
        self.columns = columns
        self.told = told
        self.position = -1
        """The row whose receiver has raised; of a batched one, the first of the batch."""
        self.rows = list(range(len(told[0][1])))
        """Those that are not skipped."""
        self.parts = [
            (is_batched, [live for each in part if (live := each.live()) is not None])
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
                rest = self.send_batch(receivers.pop(0))
                if rest is not None:
                    return rest
            else:
                self.series = self.series_of(self.parts.pop(0)[1])
        return None

    def series_of(self, receivers: list[Any]) -> core.Series:
        """Return the part of receivers that are called for each row."""
        part = NamedSignal(self.signal.name) if isinstance(self.signal, NamedSignal) else Signal()
        for receiver in receivers:
            part.connect(receiver, weak=False)
        self.seen = self.rows.copy()
        columns = tuple([*map(each.__getitem__, self.seen)] if type(each) is list else each for each in self.columns)
        told = tuple((variable, [*map(values.__getitem__, self.seen)]) for variable, values in self.told)
        return core.Series(EMITTERS[self.name], part, self.model, columns, told)

    def send_batch(self, receiver: Any) -> Any:
        """Call a batched receiver with all rows; return what is left to await."""
        self.position = self.rows[0]
        for variable, _ in self.told:
            variable.set(None)
        batch = Batch(PARAMETERS[self.name], self.columns, self.rows.copy())
        try:
            result = behind_batched(receiver)(self.model, batch=batch)
        except Exception as error:
            annotate(error, self.signal, self.model, receiver)
            raise
        return self.awaited(result, receiver) if isinstance(result, Awaitable) else None

    async def awaited(self, result: Awaitable[object], receiver: Any) -> None:
        """Await a batched receiver."""
        try:
            await result
        except Exception as error:
            annotate(error, self.signal, self.model, receiver)
            raise

    def skip(self) -> list[int]:
        """Leave out what a receiver has skipped: its row, or all of a batch; return their numbers."""
        skipped = self.rows.copy() if self.series is None else [self.position]
        self.rows = [number for number in self.rows if number not in skipped]
        return skipped


def behind_batched(receiver: Any) -> Any:
    """Return what is called with a batch: the receiver, or what lets it wait for the commit."""
    itself = behind(receiver)
    return Deferred(itself) if isinstance(receiver, Deferred) else itself


async def fire_each(rows: Rows) -> None:
    """Fire a signal for the rows to come."""
    while (rest := rows.go()) is not None:
        await rest


async def skipped_of(rows: Rows) -> AsyncIterator[int]:
    """Fire a signal for rows; yield those for which a receiver raises :class:`SkipOperation`."""
    while True:
        try:
            await fire_each(rows)
        except SkipOperation:
            for number in rows.skip() if isinstance(rows, Mixed) else [rows.position]:
                yield number
        else:
            return
