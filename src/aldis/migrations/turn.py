"""One Alembic command at a time: ``alembic.context`` and ``alembic.op`` are modules, of which a process has one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Final

from ..errors import ConfigurationError

__all__ = ["TURN", "Turn"]

PATIENCE: Final = 0.01
"""Seconds between two looks of a task at whether it is its turn."""


class Turn:
    """Who runs an Alembic command now; the others wait. A command inside a command, in its context, does not."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop that has to go on for the turn to end, if there is one."""
        self.is_mine: ContextVar[bool] = ContextVar("is_mine", default=False)

    @contextmanager
    def taken(self, blocked: asyncio.AbstractEventLoop | None = None) -> Iterator[None]:
        """Run a block when it is its turn.

        Args:
            blocked: The event loop that stands still until the block is over.

        Raises:
            ConfigurationError: It would never be: the command that runs now needs that loop.
        """
        if self.is_mine.get():
            yield
            return
        while not self.lock.acquire(timeout=PATIENCE):
            if blocked is not None and self.loop is blocked:
                raise ConfigurationError(
                    "another Alembic command is running on this event loop, which this one would stop: await "
                    "aldis.migrations.aupgrade() or its siblings."
                )
        with self.ending():
            yield

    @asynccontextmanager
    async def taken_on_loop(self) -> AsyncIterator[None]:
        """Run a block, which needs the running event loop, when it is its turn."""
        if self.is_mine.get():
            yield
            return
        while not self.lock.acquire(blocking=False):  # noqa: ASYNC110 - who has it may be in another thread
            await asyncio.sleep(PATIENCE)
        self.loop = asyncio.get_running_loop()
        with self.ending():
            yield

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Let the next one have its turn when the block is over."""
        token = self.is_mine.set(True)
        try:
            yield
        finally:
            self.is_mine.reset(token)
            self.loop = None
            self.lock.release()


TURN: Final = Turn()
