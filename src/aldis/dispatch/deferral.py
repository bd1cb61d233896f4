"""Receivers that wait for a commit: ``connect(..., after_commit=True)``."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import CoroutineType
from typing import Any, Final

__all__ = ["AFTER_COMMIT", "Deferred", "Everybody", "Queue", "StandIn", "behind"]


class Queue:
    """The calls that wait for the commit of one transaction, in order."""

    def __init__(self) -> None:
        self.is_open = True
        """The transaction has not ended; a task that outlives it has the queue in its context all the same."""
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def add(self, receiver: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], /) -> None:
        """Let a call wait."""
        self.calls.append((receiver, args, kwargs))

    def forget_since(self, mark: int) -> None:
        """Drop the calls that were added after the first ``mark``: their savepoint was rolled back."""
        del self.calls[mark:]

    def close(self) -> None:
        """Take note that the transaction is over: what is called from now on does not wait."""
        self.is_open = False

    async def run(self) -> None:
        """Make the calls, one after the other; whatever they save has transactions of its own.

        An exception propagates, with a note, and the calls after it are not made: what they were to tell of is
        committed all the same.
        """
        for receiver, args, kwargs in self.calls:
            try:
                result = receiver(*args, **kwargs)
                if type(result) is CoroutineType:
                    await result
            except Exception as error:
                from .failures import count
                from .receiver import describe

                count(None, receiver)
                error.add_note(f"aldis: at the receiver {describe(receiver)}, after the commit")
                raise


AFTER_COMMIT: Final[ContextVar[Queue | None]] = ContextVar("AFTER_COMMIT", default=None)
"""The queue of the transaction that the current context runs in."""


class StandIn:
    """Stands for a receiver in the plans."""

    __slots__ = ("receiver",)

    def __init__(self, receiver: Callable[..., Any]) -> None:
        self.receiver = receiver


class Everybody:
    """Stands for all receivers of a plan."""

    __slots__ = ()


def behind(receiver: Any) -> Any:
    """Return the receiver that was connected, behind what stands for it."""
    while isinstance(receiver, StandIn):
        receiver = receiver.receiver
    return receiver


class Deferred(StandIn):
    """Lets the calls of a receiver wait inside a transaction; outside they go through at once."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the receiver, or let the call wait."""
        queue = AFTER_COMMIT.get()
        if queue is None or not queue.is_open:
            return self.receiver(*args, **kwargs)
        queue.add(self.receiver, args, kwargs)
        return None
