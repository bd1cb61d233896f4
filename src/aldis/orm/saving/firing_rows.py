"""How signals are fired for many rows: by one :class:`Series` or :class:`Mixed`, or row by row for a few."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ...context import CURRENT
from ...dispatch.delivery import WATCHERS, many
from ...dispatch.emitters import PARAMETERS
from ...dispatch.made_column import MadeColumn
from ...dispatch.mixed import Mixed
from ...dispatch.row_receivers import among
from ...dispatch.series import Series, types_of_rows
from ...dispatch.signal import Signal
from ...errors import SkipOperation
from .firing import EMITTERS, fire, is_heard

if TYPE_CHECKING:
    import blinker

    from ...dispatch.broadcaster import Broadcaster
    from ...dispatch.records import Receiver

__all__ = [
    "Rows",
    "Told",
    "context_of_rows",
    "fire_before_each",
    "fire_each",
    "fire_statement",
    "naming_row",
    "rows_of_signal",
]

Rows: TypeAlias = "Series | Mixed | FewRows"
"""One signal, to be fired for many rows."""
Told: TypeAlias = tuple[tuple[ContextVar[Any], list[Any]], ...]
"""Context variables, each with its value for each row."""

FEW: Final = 12
"""Rows of which a :class:`Series` costs more."""


def context_of_rows(callers: Iterable[Any], instances: list[Any], named: Iterable[frozenset[str]]) -> Told:
    """Return the context variables that are set for each of many rows, with their values.

    Args:
        callers: The object that the call was made on, for each row.
        instances: The instances.
        named: The names of the attributes that the caller named, for each row.
    """
    return ((CURRENT, list(zip(callers, instances, named, strict=False))),)


def rows_of_signal(
    name: str,
    signal: blinker.Signal,
    model: type[Any],
    columns: tuple[Any, ...],
    told: Told,
    records: Sequence[Receiver] | None = None,
) -> Rows:
    """Return a signal that is to be fired for many rows.

    Args:
        name: Which of the lifecycle signals it is.
        signal: The signal.
        model: The sender.
        columns: Its parameters in their order: a list or a :class:`MadeColumn` has a value for each row, all else is
            for all of them.
        told: Context variables to set before each row, each with its list of values.
        records: The receivers, if not all of the model are to be called.
    """
    if isinstance(signal, Signal):
        receivers = signal._find(model).receivers if records is None else records
        if any(receiver.batched for receiver in receivers):
            kept = tuple([[*each] if isinstance(each, MadeColumn) else each for each in columns])
            return Mixed(name, PARAMETERS[name], signal, model, kept, told, receivers)
        if records is None and len(told[0][1]) <= FEW and not WATCHERS:
            return FewRows(EMITTERS[name], signal, model, columns, told)
    return Series(EMITTERS[name], signal, model, columns, told, records)


class FewRows:
    """A signal that is to be fired for a few rows, for each as a single save fires it.

    A :class:`Series` costs less a row, and as much as ten receivers by itself.

    Args:
        emitter: The signal's emitter.
        signal: The signal.
        sender: The sender.
        columns: The signal's parameters in their order: a list or a :class:`MadeColumn` has a value for each row.
        told: Context variables to set before each row, each with its list of values.
    """

    __slots__ = ("count", "emitter", "position", "rows", "sender", "signal", "told")

    def __init__(
        self, emitter: Callable[..., Any], signal: Signal, sender: type[Any], columns: tuple[Any, ...], told: Told
    ) -> None:
        self.emitter = emitter
        self.signal = signal
        self.sender = sender
        self.told = told
        self.count = len(told[0][1])
        both = zip(columns, types_of_rows(columns), strict=True)
        self.rows = zip(*[repeat(each) if of is None else each for each, of in both], strict=False)
        self.position = -1
        """The row that it was last fired for."""

    async def run(self) -> None:
        """Fire the signal for the rows to come: after one whose receiver has raised, those after it."""
        for values in self.rows:
            self.position += 1
            for variable, column in self.told:
                variable.set(column[self.position])
            rest = self.emitter(self.signal, self.sender, *values)
            if rest is not None:
                await rest


async def fire_statement(signals: Broadcaster, name: str, model: type[Any], *values: Any) -> bool:
    """Fire a signal of a statement once, for the receivers that do not hear each row of it; see :func:`fire`."""
    signal = signals[name]
    if not isinstance(signal, Signal):
        return await fire(signals, name, model, *values)
    records = among(signal, model)[1]
    if not records or not is_heard(signal, model):
        return False
    try:
        await Series(EMITTERS[name], signal, model, tuple([each] for each in values), (), records).run()
    except SkipOperation:
        if name.startswith("post_"):
            raise
        return True
    return False


class naming_row:  # noqa: N801 - as contextlib's own
    """Name, in a note to an exception, the row whose receiver has raised it: the receiver is named already.

    Args:
        note: Returns the words for the row and the operation.
    """

    __slots__ = ("note",)

    def __init__(self, note: Callable[[], str]) -> None:
        self.note = note

    def __enter__(self) -> None:
        """Nothing is left to do."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, Exception):
            error.add_note(f"aldis: at {self.note()}")


async def fire_each(rows: Rows) -> None:
    """Fire a signal for the rows to come."""
    with many(rows.signal, rows.sender, rows.count - rows.position - 1):
        await rows.run()


async def fire_before_each(rows: Rows, skip: Callable[[int], None]) -> None:
    """Fire a signal for rows.

    Args:
        rows: The rows.
        skip: Called with the number of each row for which a receiver raises :class:`SkipOperation`.
    """
    while True:
        try:
            await fire_each(rows)
        except SkipOperation:
            for number in rows.skip() if isinstance(rows, Mixed) else [rows.position]:
                skip(number)
        else:
            return
