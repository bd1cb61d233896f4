"""How the events of a session, which SQLAlchemy calls as plain functions, wait for async receivers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from inspect import iscoroutinefunction
from typing import Any

from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from .dispatch.receiver import describe
from .errors import ConfigurationError

__all__ = ["wait_for"]


def wait_for(work: Coroutine[Any, Any, None], receivers: Iterable[Callable[..., Any]]) -> None:
    """Run a coroutine to its end.

    Below an :class:`~sqlalchemy.ext.asyncio.AsyncSession` it is awaited by the caller's own task, through SQLAlchemy's
    greenlet. Below a plain :class:`~sqlalchemy.orm.Session` plain receivers are just called; where one is async, the
    coroutine runs on an event loop of its own.

    Args:
        work: The coroutine that calls the receivers.
        receivers: Those that it may call.

    Raises:
        ConfigurationError: One of them is async, the session is not, and this thread has an event loop that runs: it
            cannot wait for itself.
    """
    if in_greenlet():
        await_only(work)
        return
    waits = next(filter(iscoroutinefunction, receivers), None)
    if waits is not None:
        if is_loop_running():
            work.close()
            raise ConfigurationError(
                f"the receiver {describe(waits)} is async, and was reached by a plain Session in a thread whose event "
                "loop is running, which cannot wait for it. Use an AsyncSession, or run the session in a thread of its "
                "own (asyncio.to_thread), or connect a plain function."
            )
        asyncio.run(work)
        return
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise ConfigurationError(
        "a receiver returned something to wait for, and a plain Session cannot: make it an async function, "
        "or use an AsyncSession."
    )


def is_loop_running() -> bool:
    """Tell whether this thread's event loop runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
