"""Fire a lifecycle signal of a model, if anybody listens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..context import CURRENT_INSTANCE, CURRENT_MODEL_INSTANCE, EXPLICIT_SPECIFIED_VALUES
from ..dispatch import emitters
from ..errors import SkipOperation

if TYPE_CHECKING:
    from ..dispatch.broadcaster import Broadcaster

__all__ = ["fire", "fire_bulk"]


async def fire(
    signals: Broadcaster,
    name: str,
    model: type[Any],
    caller: object,
    instance: object,
    named: Iterable[str] | None,
    *values: Any,
) -> bool:
    """Fire the signal of one write; return whether a receiver asked to skip the operation.

    Args:
        signals: The model's signals.
        name: ``"pre_save"``, and so on.
        model: The sender.
        caller: What the call was made on.
        instance: The instance that is written, if it is one.
        named: The names of the attributes that the caller named.
        values: The signal's further parameters, in the order of the reference.

    Raises:
        SkipOperation: A receiver of a ``post_*`` signal raised it, when there is nothing left to skip.
    """
    signal = signals[name]
    if not signal.has_receivers_for(model):
        return False
    # `with current(...)`, spelled out: a generator's context manager costs as much as ten receivers.
    one = CURRENT_INSTANCE.set(caller)
    two = CURRENT_MODEL_INSTANCE.set(instance)
    three = EXPLICIT_SPECIFIED_VALUES.set(None if named is None else frozenset(named))
    try:
        rest = getattr(emitters, name)(signal, model, caller, instance, *values)
        if rest is not None:
            await rest
    except SkipOperation:
        if name.startswith("post_"):
            raise
        return True
    finally:
        EXPLICIT_SPECIFIED_VALUES.reset(three)
        CURRENT_MODEL_INSTANCE.reset(two)
        CURRENT_INSTANCE.reset(one)
    return False


async def fire_bulk(signals: Broadcaster, name: str, model: type[Any], *values: Any) -> bool:
    """Fire a signal of a bulk operation; arguments, result and errors as for :func:`fire`."""
    signal = signals[name]
    if not signal.has_receivers_for(model):
        return False
    try:
        rest = getattr(emitters, name)(signal, model, *values)
        if rest is not None:
            await rest
    except SkipOperation:
        if name.startswith("post_"):
            raise
        return True
    return False
