"""A COMMIT is awaited to its end, and a connection goes back to its pool: a cancellation does not reach these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final

from ...dispatch.delivery import rest

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["CheckedOut", "OutcomeUnknown", "Sheltered"]

CLOSING: Final = 3.0
"""Seconds that closing a connection which is given up may take; asyncpg's own limit is 2 (SQLAlchemy's terminate)."""


class OutcomeUnknown(Exception):
    """A statement was given up, and nobody knows whether it was done.

    Args:
        cancelled: The cancellation.
    """

    def __init__(self, cancelled: asyncio.CancelledError) -> None:
        super().__init__("nobody knows whether the statement was done")
        self.cancelled = cancelled


class Sheltered:
    """Awaits a coroutine, in the caller's own task, to its end; returns the cancellation that came meanwhile, if any.

    A task of its own, as :func:`asyncio.shield` makes, costs as much as the COMMIT of a small transaction. So the task
    waits for this object, which looks to it like a future (CPython's ``task_step_handle_result_impl``), wakes it as the
    real one would, and keeps ``Task.cancel()`` from that one. A future of its own in between is 16 Python calls more.

    Args:
        work: The coroutine.
        timeout: Seconds that a cancelled caller waits at most. A second cancellation ends the wait at once.
    """

    __slots__ = (
        "_asyncio_future_blocking",
        "awaited",
        "cancelled",
        "context",
        "get_loop",
        "is_expired",
        "is_interrupted",
        "timeout",
        "timer",
        "wake_task",
        "work",
    )

    def __init__(self, work: Coroutine[Any, Any, None], timeout: float) -> None:
        self.work = work
        self.timeout = timeout
        self.cancelled: asyncio.CancelledError | None = None
        """The cancellation, once the task has got it."""
        self.awaited: Any = None
        """The future that the coroutine waits for."""
        self.is_interrupted = False
        """The task was cancelled."""
        self.is_expired = False
        """It has waited long enough."""
        self.timer: asyncio.TimerHandle | None = None

    def __await__(self) -> Generator[Any, None, asyncio.CancelledError | None]:
        work = self.work
        try:
            while True:
                try:
                    awaited = work.send(None)
                except StopIteration:
                    return self.cancelled
                if awaited is not None:
                    awaited._asyncio_future_blocking = False
                    self.awaited = awaited
                    self.get_loop = awaited.get_loop
                    self._asyncio_future_blocking = True
                try:
                    yield None if awaited is None else self
                except asyncio.CancelledError as error:
                    self.cancelled = self.cancelled or error
                if self.is_expired and not self.awaited.done():
                    yield from self.give_up(self.get_loop())
                    raise OutcomeUnknown(self.cancelled or asyncio.CancelledError())
        finally:
            if self.timer is not None:
                self.timer.cancel()

    # A task asks this of a future.

    def add_done_callback(self, wake_task: Callable[[Any], None], *, context: Context) -> None:
        """Have the task woken when the coroutine's future is done."""
        self.wake_task, self.context = wake_task, context
        self.awaited.add_done_callback(self.wake, context=context)
        if self.cancelled is not None and not self.is_interrupted:
            self.cancel()  # it came while there was no future

    def wake(self, _done: object = None) -> None:
        """Wake the task, in its context."""
        self.wake_task(self)

    def result(self) -> None:
        """Return nothing: the task goes on, and the coroutine asks its future itself."""

    def cancel(self, msg: object = None) -> bool:
        """Take note that the task is cancelled; it gets the CancelledError when it is woken."""
        loop = self.get_loop()
        if self.is_interrupted:
            loop.call_soon(self.expire, context=self.context)
        else:
            self.is_interrupted = True
            self.timer = loop.call_later(self.timeout, self.expire, context=self.context)
        return False

    def expire(self) -> None:
        """Wake the task, although the coroutine's future is not done."""
        if not self.awaited.done() and not self.is_expired:
            self.is_expired = True
            self.awaited.remove_done_callback(self.wake)
            self.wake()

    def give_up(self, loop: asyncio.AbstractEventLoop) -> Generator[Any, None, None]:
        """Tell the coroutine that it is cancelled, and wait a moment while it cleans up."""
        if self.awaited is not None:  # its error comes when nobody waits any more
            self.awaited.add_done_callback(retrieved)
        try:
            awaited = self.work.throw(asyncio.CancelledError())
        except BaseException:
            return
        closing = loop.create_task(rest(self.work, awaited))
        closing.add_done_callback(retrieved)
        until = loop.time() + CLOSING
        while not closing.done() and loop.time() < until:
            with suppress(asyncio.CancelledError):
                yield from asyncio.wait([closing], timeout=until - loop.time()).__await__()


def retrieved(done: asyncio.Future[Any]) -> None:
    """Look at the error of something that nobody waits for any more."""
    if not done.cancelled():
        done.exception()


class CheckedOut:
    """A connection of a pool, for a block, after which it goes back, even if the block's task is cancelled meanwhile.

    SQLAlchemy's own context does that too, in another task, which is made for it.

    Args:
        connection: The connection, which is not started yet.
    """

    __slots__ = ("connection",)

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    async def __aenter__(self) -> AsyncConnection:
        return await self.connection.start()

    async def __aexit__(self, *_error: object) -> None:
        try:
            cancelled = await Sheltered(self.connection.close(), CLOSING)
        except OutcomeUnknown as unknown:
            cancelled = unknown.cancelled
        if cancelled is not None:
            raise cancelled
