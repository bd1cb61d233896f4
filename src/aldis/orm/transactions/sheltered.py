"""A COMMIT is awaited to its end: a cancellation does not reach it, so that its outcome is known."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any, Final

from ...dispatch.delivery import rest

__all__ = ["OutcomeUnknown", "Sheltered"]

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

    A task of its own, as :func:`asyncio.shield` makes, costs as much as the COMMIT of a small transaction.

    Args:
        work: The coroutine.
        timeout: Seconds that a cancelled caller waits at most. A second cancellation ends the wait at once.
    """

    __slots__ = ("awaited", "cancelled", "timeout", "work")

    def __init__(self, work: Coroutine[Any, Any, None], timeout: float) -> None:
        self.work = work
        self.timeout = timeout
        self.cancelled: asyncio.CancelledError | None = None
        self.awaited: Any = None

    def __await__(self) -> Generator[Any, None, asyncio.CancelledError | None]:
        work = self.work
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle | None = None
        try:
            while True:
                try:
                    awaited = work.send(None)
                except StopIteration:
                    return self.cancelled
                if awaited is None:
                    try:
                        yield
                    except asyncio.CancelledError as error:
                        self.interrupt(error)
                    continue
                self.awaited = awaited
                awaited._asyncio_future_blocking = False
                while not awaited.done():
                    proxy: asyncio.Future[None] = loop.create_future()

                    def wake(_done: Any, proxy: asyncio.Future[None] = proxy) -> None:
                        if not proxy.done():
                            proxy.set_result(None)

                    awaited.add_done_callback(wake)
                    if self.cancelled is not None and timer is None:
                        timer = loop.call_later(self.timeout, wake, None)
                    try:
                        yield from proxy
                    except asyncio.CancelledError as error:
                        self.interrupt(error)
                    else:
                        if not awaited.done():
                            raise OutcomeUnknown(self.cancelled or asyncio.CancelledError())
        except OutcomeUnknown:
            yield from self.give_up(loop)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def interrupt(self, error: asyncio.CancelledError) -> None:
        """Take note of a cancellation.

        Raises:
            OutcomeUnknown: It is the second.
        """
        if self.cancelled is not None:
            raise OutcomeUnknown(error)
        self.cancelled = error

    def give_up(self, loop: asyncio.AbstractEventLoop) -> Generator[Any, None, None]:
        """Tell the coroutine that it is cancelled, and wait a moment while it closes what it leaves behind."""
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
