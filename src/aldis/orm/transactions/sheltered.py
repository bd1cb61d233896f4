"""A COMMIT is awaited to its end: a cancellation does not reach it, so that its outcome is known."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any

__all__ = ["OutcomeUnknown", "Sheltered"]


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
            self.give_up()
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

    def give_up(self) -> None:
        """Tell the coroutine that it is cancelled; whoever it tells in turn is not waited for."""
        if self.awaited is not None:  # its error comes when nobody waits any more
            self.awaited.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            with suppress(BaseException):
                self.work.throw(asyncio.CancelledError())
        finally:
            self.work.close()
