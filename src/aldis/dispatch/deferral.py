"""Receivers that wait for the end of a transaction: ``connect(..., after_commit=True)``, ``after_rollback=True``."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import CoroutineType
from typing import Any, Final

from ..errors import AfterCommitError

__all__ = ["AFTER_COMMIT", "Call", "Deferred", "Everybody", "Queue", "StandIn", "behind"]


class Call:
    """The call of a receiver that waits for the end of a transaction."""

    __slots__ = ("args", "is_undone", "kwargs", "waits")

    def __init__(self, waits: Deferred, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.waits = waits
        self.args = args
        self.kwargs = kwargs
        self.is_undone = False
        """The row that the receiver was told of has been rolled back, with a savepoint."""

    @property
    def receiver(self) -> Callable[..., Any]:
        """The receiver, or the function that stands for it."""
        return self.waits.receiver

    def is_due(self, is_committed: bool) -> bool:
        """Tell whether it is made, if the transaction was committed or rolled back."""
        return self.waits.hears(is_committed and not self.is_undone)

    def __str__(self) -> str:
        """Return the rows that the receiver was told of, for messages."""
        from .receiver import short_repr

        return short_repr(self.args[0]) if self.args else "its signal"

    def advice(self, error: Exception) -> str | None:
        """Return advice on an error of the receiver's, if there is any."""
        return None

    def is_inside(self, scope: Any) -> bool:
        """Tell whether the signal was fired inside an operation."""
        return False

    async def make(self, is_committed: bool) -> None:
        """Call the receiver, and await it."""
        result = self.waits.informed(is_committed)(*self.args, **self.kwargs)
        if type(result) is CoroutineType:
            await result


class Queue:
    """The calls that wait for the end of one transaction, in order.

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

    def add(self, waits: Deferred, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> None:
        """Let a call wait."""
        self.calls.append(Call(waits, args, kwargs))

    def forget_since(self, mark: int) -> None:
        """Drop the calls that were added after the first ``mark``, and waited for the commit: it was rolled back."""
        self.calls[mark:] = filter(undone, self.calls[mark:])

    def forget(self, scope: Any) -> None:
        """Drop the calls of an operation that was rolled back, and of those inside it, if they wait for a commit."""
        self.calls = [call for call in self.calls if not call.is_inside(scope) or undone(call)]

    def drops(self) -> bool:
        """Tell whether a call, which comes when the transaction is over, is of something that was rolled back."""
        return False

    def close(self) -> None:
        """Take note that the transaction is over: calls from now on do not wait."""
        self.is_open = False

    def receivers(self, is_committed: bool, mark: int = 0) -> list[Callable[..., Any]]:
        """Return the receivers that are called, of calls after the first ``mark``."""
        return [call.receiver for call in self.calls[mark:] if call.is_due(is_committed)]

    async def run_inside(self, scope: Any, error: BaseException | None = None) -> None:
        """Make the calls of an operation, and of those inside it, as if it were the outermost.

        Args:
            scope: The operation.
            error: Why it was rolled back, if it was.
        """
        now = Queue(raises=self.raises)
        now.calls = [call for call in self.calls if call.is_inside(scope)]
        self.calls = [call for call in self.calls if not call.is_inside(scope)]
        await (now.run() if error is None else now.run_undone(error))

    async def run_since(self, mark: int, is_committed: bool) -> None:
        """Make the calls that were added after the first ``mark``, as if those before were of another transaction."""
        now = Queue(raises=self.raises)
        now.calls = self.calls[mark:]
        del self.calls[mark:]
        await (now.run() if is_committed else now.run_undone())

    async def run(self) -> None:
        """Make the calls after a commit, one after the other; whatever they save has transactions of its own.

        Every call is made, though one raises. Each error is logged, whoever swallows the exception. A cancellation
        reaches the receiver that is awaited, and goes on after the last call.

        Raises:
            AfterCommitError: Receivers raised.
        """
        if not self.calls:
            return
        errors, count = await self.make(is_committed=True)
        if errors and self.raises:
            raise AfterCommitError(
                f"the transaction is committed, and {len(errors)} of the {count} calls of receivers that "
                "waited for it raised; what was written stays",
                errors,
            )

    async def run_undone(self, error: BaseException | None = None) -> None:
        """Make the calls after a rollback; see :meth:`run`. Their errors are logged: another one is on its way already.

        Args:
            error: Why it was rolled back: a note tells of theirs. If it is not known, they are logged only.
        """
        if not self.calls:
            return
        errors, count = await self.make(is_committed=False)
        if errors and error is not None:
            error.add_note(
                f"aldis: {len(errors)} of the {count} calls of receivers that waited for the rollback raised; the log "
                f"has each: {', '.join(map(repr, errors))}"
            )

    async def make(self, is_committed: bool) -> tuple[list[Exception], int]:
        """Make the calls that are due; return the errors, and how many calls there were."""
        from asyncio import CancelledError  # imported here: a program without receivers that wait needs none of it

        from .failures import note_after_end

        errors: list[Exception] = []
        cancelled: CancelledError | None = None
        due = [call for call in self.calls if call.is_due(is_committed)]
        for call in due:
            was_committed = is_committed and not call.is_undone
            try:
                await call.make(was_committed)
            except Exception as error:
                note_after_end(call, error, was_committed)
                errors.append(error)
            except CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
        return errors, len(due)


def undone(call: Call) -> bool:
    """Take note that the row of a call was rolled back; tell whether its receiver waits for that."""
    call.is_undone = True
    return call.waits.on_rollback


AFTER_COMMIT: Final[ContextVar[Queue | None]] = ContextVar("AFTER_COMMIT", default=None)
"""The queue of the transaction that the current context runs in: for its commit, and for its rollback."""


class StandIn:
    """Stands for a receiver in the plans."""

    __slots__ = ("receiver",)

    def __init__(self, receiver: Callable[..., Any]) -> None:
        self.receiver = receiver


class Everybody:
    """Stands for all receivers of a plan."""

    __slots__ = ()


def behind(receiver: Any) -> Any:
    """Return the receiver that was connected, behind the function that stands for it."""
    while isinstance(receiver, StandIn):
        receiver = receiver.receiver
    return receiver


class Informed(StandIn):
    """Tells a receiver, by its parameter ``committed``, how the transaction ended."""

    __slots__ = ("committed",)

    def __init__(self, receiver: Callable[..., Any], committed: bool) -> None:
        super().__init__(receiver)
        self.committed = committed

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the receiver."""
        return self.receiver(*args, committed=self.committed, **kwargs)


class Deferred(StandIn):
    """Lets the calls of a receiver wait inside a transaction; outside they are made at once, as after a commit.

    Args:
        receiver: The receiver, or the function that stands for it.
        on_commit: It is called after the commit.
        on_rollback: It is called after a rollback.
    """

    __slots__ = ("on_commit", "on_rollback")

    def __init__(self, receiver: Callable[..., Any], on_commit: bool = True, on_rollback: bool = False) -> None:
        super().__init__(receiver)
        self.on_commit = on_commit
        self.on_rollback = on_rollback

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the receiver, or let the call wait."""
        queue = AFTER_COMMIT.get()
        if queue is not None and queue.is_open:
            queue.add(self, args, kwargs)
            return None
        committed = queue is None or not queue.drops()
        return self.informed(committed)(*args, **kwargs) if self.hears(committed) else None

    def hears(self, committed: bool) -> bool:
        """Tell whether it is called after a commit, or after a rollback."""
        return self.on_commit if committed else self.on_rollback

    def informed(self, committed: bool) -> Callable[..., Any]:
        """Return the function to call: the receiver, told of the end if it hears both ends and has a place for it."""
        if not (self.on_commit and self.on_rollback):
            return self.receiver
        from .receiver import accepts

        accepted = accepts(behind(self.receiver))
        if not accepted.everything and "committed" not in accepted.keywords:
            return self.receiver
        told: Callable[..., Any] = informed(self.receiver, committed)
        return told


def informed(receiver: Any, committed: bool) -> Any:
    """Return a function that tells the receiver, behind all that stands for it, how the transaction ended."""
    if not isinstance(receiver, StandIn):
        return Informed(receiver, committed)
    from copy import copy  # not above: signals are imported without it

    stands = copy(receiver)
    stands.receiver = informed(receiver.receiver, committed)
    return stands
