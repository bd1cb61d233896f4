"""Fire a lifecycle signal of a model, if anybody listens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from ..context import DISABLED, current
from ..dispatch import core, emitters
from ..errors import SkipOperation

if TYPE_CHECKING:
    import blinker

    from ..dispatch.broadcaster import Broadcaster

__all__ = ["Series", "are_heard", "fire", "fire_each", "is_heard", "skipped_of", "telling"]

Series = core.Series

EMITTERS: Final[dict[str, Callable[..., Any]]] = {name: getattr(emitters, name) for name in emitters.__all__}
NOTHING: Final[AbstractContextManager[None]] = nullcontext()


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


async def fire_each(series: Series) -> None:
    """Fire the signal of a series for the rows to come."""
    while (rest := series.go()) is not None:
        await rest


async def skipped_of(series: Series) -> AsyncIterator[int]:
    """Fire the signal of a series; yield the rows for which a receiver raises :class:`SkipOperation`."""
    while True:
        try:
            await fire_each(series)
        except SkipOperation:
            yield series.position
        else:
            return
