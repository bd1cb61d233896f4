"""Fire a lifecycle signal of a model, if anybody listens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ...context import DISABLED, current
from ...dispatch import emitters
from ...dispatch.delivery import many
from ...dispatch.mixed import Mixed
from ...dispatch.series import Series
from ...dispatch.signal import Signal
from ...errors import SkipOperation
from ...signals import LIFECYCLE

if TYPE_CHECKING:
    import blinker

    from ...dispatch.broadcaster import Broadcaster

__all__ = ["Rows", "are_heard", "fire", "fire_each", "is_heard", "rows_of_signal", "skipped_of", "telling"]

Rows: TypeAlias = Series | Mixed
"""One signal, to be fired for many rows."""

EMITTERS: Final[dict[str, Callable[..., Any]]] = {name: getattr(emitters, name) for name in emitters.__all__}
PARAMETERS: Final = {signal.name: signal.parameters for signal in LIFECYCLE}
"""The names of the parameters that each lifecycle signal sends."""
NOTHING: Final[AbstractContextManager[None]] = nullcontext()
are_off: Final = DISABLED.get
"""Tell whether signals are turned off. Bound once: a save asks four times, and Python 3.11 binds it anew each time."""


def is_heard(signal: blinker.Signal, model: type[Any]) -> bool:
    """Tell whether anybody listens to the signal of a model, and signals are not turned off."""
    return signal.has_receivers_for(model) and not are_off()


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
            return Mixed(name, PARAMETERS[name], signal, model, columns, told, receivers)
    return Series(EMITTERS[name], signal, model, columns, told)


async def fire_each(rows: Rows) -> None:
    """Fire a signal for the rows to come."""
    with many(rows.signal, rows.sender, rows.count - rows.position - 1):
        await rows.run()


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
