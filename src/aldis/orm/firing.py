"""Fire a lifecycle signal of a model, if anybody listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..dispatch import emitters
from ..errors import SkipOperation

if TYPE_CHECKING:
    from ..dispatch.broadcaster import Broadcaster

__all__ = ["fire"]


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
