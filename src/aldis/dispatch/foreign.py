"""Fire through any signal, one of blinker's own included."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import blinker

from .delivery import Watched
from .records import Receiver

__all__ = ["ForeignSignal", "fire"]


class ForeignSignal:
    """A signal of blinker's own, with the methods that callers ask of a signal of aldis'."""

    __slots__ = ("signal",)

    def __init__(self, signal: blinker.Signal) -> None:
        self.signal = signal

    def has_receivers_for(self, sender: Any) -> bool:
        """Tell whether anybody listens to a sender."""
        return self.signal.has_receivers_for(sender)

    def plan(self, sender: Any, names: tuple[str, ...]) -> Callable[..., Coroutine[Any, Any, None] | None] | None:
        """Return a function that calls a sender's receivers one by one, with the sender and the values of ``names``."""
        signal = self.signal
        if signal.is_muted:
            return None
        records = [Receiver(receiver, receiver) for receiver in signal.receivers_for(sender)]
        return Watched(signal, records).fire_by_position(names) if records else None


def fire(signal: Any, sender: Any, names: tuple[str, ...], values: Sequence[Any]) -> Coroutine[Any, Any, None] | None:
    """Fire through a signal of blinker's: find its receivers, and call them one by one.

    Args:
        signal: The signal.
        sender: The sender.
        names: The names of the values.
        values: The values that are sent.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: It is no signal.
    """
    if not isinstance(signal, blinker.Signal):
        raise TypeError(f"cannot emit through {signal!r}: it is a {type(signal).__name__}, not a signal.")
    plan = ForeignSignal(signal).plan(sender, names)
    return None if plan is None else plan(sender, *values)
