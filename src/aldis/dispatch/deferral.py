"""Receivers that wait for a commit: ``connect(..., after_commit=True)``."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import CoroutineType
from typing import Any, Final

from ..errors import AfterCommitError

__all__ = ["AFTER_COMMIT", "Call", "Deferred", "Everybody", "Queue", "StandIn", "behind"]


class Call:
    """The call of a receiver that waits for a commit."""

    __slots__ = ("args", "kwargs", "receiver")

    def __init__(self, receiver: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.receiver = receiver
        self.args = args
        self.kwargs = kwargs

    def __str__(self) -> str:
        """Return what the receiver was told of, for messages."""
        from .receiver import short_repr

        return short_repr(self.args[0]) if self.args else "its signal"

    def advice(self, error: Exception) -> str | None:
        """Return what helps against an error of the receiver's, if that is known."""
        return None

    def is_inside(self, scope: Any) -> bool:
        """Tell whether the signal was fired inside an operation."""
        return False

    async def make(self) -> None:
        """Call the receiver, and await it."""
        result = self.receiver(*self.args, **self.kwargs)
        if type(result) is CoroutineType:
            await result


class Queue:
    """The calls that wait for the commit of one transaction, in order.

    Args:
        raises: Their errors are raised; else they are only logged.
    """

    def __init__(self, *, raises: bool = True) -> None:
        self.is_open = True
        """The transaction has not ended; a task that outlives it has the queue in its context all the same."""
        self.raises = raises
        self.calls: list[Call] = []

    commits_in: Any = None
    """The block in which each operation's end counts as a commit: that of a test which is rolled back."""

    def here(self) -> Any:
        """Return the block that the current context is in."""
        return None

    def add(self, receiver: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], /) -> None:
        """Let a call wait."""
        self.calls.append(Call(receiver, args, kwargs))

    def forget_since(self, mark: int) -> None:
        """Drop the calls that were added after the first ``mark``: their savepoint was rolled back."""
        del self.calls[mark:]

    def forget(self, scope: Any) -> None:
        """Drop the calls of an operation that was rolled back, and of what was inside it."""
        self.calls = [call for call in self.calls if not call.is_inside(scope)]

    def drops(self) -> bool:
        """Tell whether a call, which comes when the transaction is over, is of something that was rolled back."""
        return False

    def close(self) -> None:
        """Take note that the transaction is over: what is called from now on does not wait."""
        self.is_open = False

    async def run_inside(self, scope: Any) -> None:
        """Make the calls of an operation, and of what was inside it; see :meth:`run`."""
        now = Queue(raises=self.raises)
        now.calls = [call for call in self.calls if call.is_inside(scope)]
        self.forget(scope)
        await now.run()

    async def run_since(self, mark: int) -> None:
        """Make the calls that were added after the first ``mark``; see :meth:`run`."""
        now = Queue(raises=self.raises)
        now.calls = self.calls[mark:]
        self.forget_since(mark)
        await now.run()

    async def run(self) -> None:
        """Make the calls, one after the other; whatever they save has transactions of its own.

        Every call is made, though one raises: each tells of something that is committed. Each error is logged, whoever
        swallows what is raised. A cancellation reaches the receiver that is awaited, and goes on after the last call.

        Raises:
            AfterCommitError: Receivers raised.
        """
        from asyncio import CancelledError  # imported here: a program without receivers that wait needs none of it

        from .failures import note_after_commit

        errors: list[Exception] = []
        cancelled: CancelledError | None = None
        for call in self.calls:
            try:
                await call.make()
            except Exception as error:
                note_after_commit(call, error)
                errors.append(error)
            except CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
        if errors and self.raises:
            raise AfterCommitError(
                f"the transaction is committed, and {len(errors)} of the {len(self.calls)} calls of receivers that "
                "waited for it raised; what was written stays",
                errors,
            )


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
        if queue is None:
            return self.receiver(*args, **kwargs)
        if not queue.is_open:
            return None if queue.drops() else self.receiver(*args, **kwargs)
        queue.add(self.receiver, args, kwargs)
        return None
