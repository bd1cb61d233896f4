"""A lock that lets one Alembic command run at a time.

``alembic.context`` and ``alembic.op`` are modules: a process has one of each. ``CommandRun`` holds the lock while
Alembic works.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Final

from ..errors import ConfigurationError

__all__ = ["COMMAND_LOCK", "CommandLock"]

POLL_SECONDS: Final = 0.01
"""Seconds between two attempts to get the lock."""


class CommandLock:
    """Held by the Alembic command that runs; a command inside that command, in its context, does not wait."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop that the holder needs to go on, or ``None``."""
        self.is_held_here: ContextVar[bool] = ContextVar("is_held_here", default=False)

    @contextmanager
    def held(self, blocked: asyncio.AbstractEventLoop | None = None) -> Iterator[None]:
        """Hold the lock for a block; wait for it in this thread.

        Args:
            blocked: The event loop that cannot go on until the block is over, or ``None``.

        Raises:
            ConfigurationError: The command that holds the lock needs that loop, so the wait would never end.
        """
        if self.is_held_here.get():
            yield
            return
        while not self.lock.acquire(timeout=POLL_SECONDS):
            if blocked is not None and self.loop is blocked:
                raise ConfigurationError(
                    "another Alembic command is running on this event loop, which this one would stop: await "
                    "aldis.migrations.aupgrade() or its siblings."
                )
        with self.releasing():
            yield

    @asynccontextmanager
    async def held_by_task(self) -> AsyncIterator[None]:
        """Hold the lock for a block of a task; the event loop goes on while the task waits."""
        if self.is_held_here.get():
            yield
            return
        while not self.lock.acquire(blocking=False):  # noqa: ASYNC110 - its holder may be in another thread
            await asyncio.sleep(POLL_SECONDS)
        self.loop = asyncio.get_running_loop()
        with self.releasing():
            yield

    @contextmanager
    def releasing(self) -> Iterator[None]:
        """Release the lock after a block."""
        token = self.is_held_here.set(True)
        try:
            yield
        finally:
            self.is_held_here.reset(token)
            self.loop = None
            self.lock.release()


COMMAND_LOCK: Final = CommandLock()
