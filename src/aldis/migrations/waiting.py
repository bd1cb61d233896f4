"""How Alembic's commands, which are plain functions, wait for async receivers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Final, TypeVar

from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from ..greenlets import is_loop_running
from ..orm.database import Database, databases

__all__ = ["deliver", "in_thread", "loop_of_command", "wait"]

T = TypeVar("T")

RUNNER: Final[ContextVar[asyncio.Runner | None]] = ContextVar("RUNNER", default=None)
"""The event loop that receivers share while a command runs: the first one starts it."""


@contextmanager
def loop_of_command() -> Iterator[None]:
    """Let all that is waited for inside the block, in a thread without an event loop, run on one of its own.

    One and the same, because a connection that a receiver leaves in a pool can only be used on the loop that it was
    made on. Those are closed at the end, and the pools that had connections before are not touched.
    """
    had_connections = {database for database in databases() if is_pooling(database)}
    with asyncio.Runner() as runner:
        token = RUNNER.set(runner)
        try:
            yield
        finally:
            RUNNER.reset(token)
            to_close = [each for each in databases() if is_pooling(each) and each not in had_connections]
            if to_close:
                runner.run(close(to_close))


def is_pooling(database: Database) -> bool:
    """Tell whether a database's pool has a connection that nobody uses."""
    checkedin: Callable[[], int] | None = getattr(database.engine.pool, "checkedin", None)
    return checkedin is not None and checkedin() > 0


async def close(pooling: list[Database]) -> None:
    """Close the connections in the pools of databases, which stay open."""
    for database in pooling:
        await database.engine.dispose()


def wait(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function to its end, from a plain function, and return its result.

    Below SQLAlchemy's greenlet it runs in that, and so in the caller's own task; where this thread's event loop is
    running, it runs on another loop, in another thread, while this one waits; else on the loop of the command. The
    context variables of the caller reach it everywhere.

    Args:
        work: The coroutine function.
    """
    if in_greenlet():
        return driven(work())
    if is_loop_running():
        return in_thread(partial(asyncio.run, work()))
    runner = RUNNER.get()
    if runner is None:
        with loop_of_command():
            return wait(work)
    return runner.run(work(), context=copy_context())


def deliver(emit: Callable[[], Any], receivers: Iterable[Callable[..., Any]]) -> None:
    """Send a signal, from a plain function, and wait for its receivers; with plain ones only, no event loop is begun.

    Args:
        emit: Starts the receivers; returns an awaitable for the rest, if there is any.
        receivers: The receivers.
    """

    async def emitted() -> None:
        rest = emit()
        if rest is not None:
            await rest

    if any(map(iscoroutinefunction, receivers)):
        wait(emitted)
        return
    rest = emit()
    if rest is not None:
        wait(partial(awaited, rest))


async def awaited(rest: Any) -> None:
    """Await the rest of a signal's receivers."""
    await rest


def driven(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine inside SQLAlchemy's greenlet; only the futures that it waits for are awaited outside of that.

    So all that it calls, plain receivers and async ones, may use a connection whose driver is async, as a migration
    does.
    """
    send: Callable[[], Any] = partial(coroutine.send, None)
    while True:
        try:
            suspended_for = send()
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            await_only(Suspension(suspended_for))
        except BaseException as error:
            send = partial(coroutine.throw, error)
        else:
            send = partial(coroutine.send, None)


class Suspension:
    """Awaits the future that a coroutine was suspended for: hands it on to the event loop as it is."""

    def __init__(self, suspended_for: Any) -> None:
        self.suspended_for = suspended_for

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self.suspended_for)


def in_thread(work: Callable[[], T]) -> T:
    """Call a function in a thread of its own, with this one's context variables, and return its result."""
    with ThreadPoolExecutor(1, thread_name_prefix="aldis") as pool:
        return pool.submit(copy_context().run, work).result()
