"""Fire through any signal, one of blinker's own included."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

import blinker

from .delivery import Watched
from .records import Receiver

__all__ = ["fire"]


def fire(signal: Any, sender: Any, names: tuple[str, ...], values: Sequence[Any]) -> Coroutine[Any, Any, None] | None:
    """Fire through a signal of blinker's: find its receivers, and call them one by one.

    Args:
        signal: The signal.
        sender: The sender.
        names: The names of the values.
        values: What is sent.

    Returns:
        `None` when all receivers have finished, else what is to be awaited for the rest.

    Raises:
        TypeError: It is no signal.
    """
    if not isinstance(signal, blinker.Signal):
        raise TypeError(f"cannot emit through {signal!r}: it is a {type(signal).__name__}, not a signal.")
    if signal.is_muted:
        return None
    records = [Receiver(receiver, receiver) for receiver in signal.receivers_for(sender)]
    return Watched(signal, records)(sender, **dict(zip(names, values, strict=True))) if records else None
