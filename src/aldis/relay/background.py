"""Tasks that run in the background of a block, and the bounded wait for their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

__all__ = ["END_SECONDS", "STOP_SECONDS", "background", "cancelled"]

log: Final = logging.getLogger("aldis.relay")

STOP_SECONDS: Final = 3.0
"""How long a relay or an application that is stopped lets the calls under way go on; then they are cancelled."""

END_SECONDS: Final = 1.0
"""How long a cancelled task may take to end; a receiver can ignore its cancellation for ever."""


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a coroutine as a task while a block runs, and cancel it at the end.

    Args:
        work: The coroutine. It handles its own errors.
    """
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await cancelled([task])
        if task.done() and not task.cancelled():
            task.result()


async def cancelled(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end, for a second at most; one that goes on is named in the log."""
    for task in tasks:
        task.cancel()
    if tasks:
        _, pending = await asyncio.wait(tasks, timeout=END_SECONDS)
        for task in pending:
            log.error("%s did not end within %g s after it was cancelled; it is left alone", task, END_SECONDS)
