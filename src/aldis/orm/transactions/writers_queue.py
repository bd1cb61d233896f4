"""SQLite has one writer at a time, and serves nobody in order: the writers of this process queue before they begin."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["OnlyWriter", "ask_timeout", "is_in_memory"]

DEFAULT_TIMEOUT: Final = 5.0
"""Seconds that Python's sqlite3 waits for a lock, unless it is told otherwise (``timeout``, its manual)."""

TIMEOUTS: Final[weakref.WeakKeyDictionary[Engine, float]] = weakref.WeakKeyDictionary()
"""How many seconds the driver waits for a lock, of engines that have been asked."""


class WritersQueue:
    """The writers of one file, or those who want the one connection of a database in memory. Of any thread and loop."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_taken = False
        self.waiters: deque[asyncio.Future[None]] = deque()

    def take(self) -> asyncio.Future[None] | None:
        """Take the turn, or return what to wait for."""
        with self.lock:
            if not self.is_taken:
                self.is_taken = True
                return None
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            return waiter

    def give(self) -> None:
        """Give the turn to the one who came next; whoever has gone away meanwhile passes it on."""
        with self.lock:
            while self.waiters:
                waiter = self.waiters.popleft()
                loop = waiter.get_loop()
                if loop.is_closed():
                    continue
                try:
                    if loop is asyncio.get_running_loop():
                        if waiter.done():
                            continue
                        waiter.set_result(None)
                    else:
                        loop.call_soon_threadsafe(self.grant, waiter)
                except RuntimeError:  # it has been closed this moment
                    continue
                return
            self.is_taken = False

    def grant(self, waiter: asyncio.Future[None]) -> None:
        """Give the turn to one who waits on this loop, if it still does."""
        if waiter.done():
            self.give()
        else:
            waiter.set_result(None)

    async def wait(self, waiter: asyncio.Future[None], engine: Engine) -> None:
        """Wait, at most as long as the driver waits for a lock.

        Raises:
            OperationalError: That is over, as SQLite itself says it.
        """
        begun = asyncio.get_running_loop().time()
        try:
            while not waiter.done():
                left = begun + TIMEOUTS.get(engine, DEFAULT_TIMEOUT) - asyncio.get_running_loop().time()
                if left <= 0:
                    break
                await asyncio.wait([waiter], timeout=left)
        except asyncio.CancelledError:
            self.forget(waiter)
            raise
        if not waiter.done():
            self.forget(waiter)
            error = sqlite3.OperationalError("database is locked")
            raise OperationalError("BEGIN IMMEDIATE", None, error)

    def forget(self, waiter: asyncio.Future[None]) -> None:
        """Take one who waits out of the queue."""
        if waiter.done():
            self.give()
            return
        waiter.cancel()
        with self.lock:
            if waiter in self.waiters:
                self.waiters.remove(waiter)


QUEUES: Final[weakref.WeakValueDictionary[str, WritersQueue]] = weakref.WeakValueDictionary()
"""The queues of files, by path."""

OF_ENGINES: Final[weakref.WeakKeyDictionary[Engine, WritersQueue]] = weakref.WeakKeyDictionary()

LOCK: Final = threading.Lock()


def is_in_memory(engine: Engine) -> bool:
    """Tell whether a database of SQLite's is in memory, or has no file: all have the one connection then."""
    name = engine.url.database or ""
    return (
        name in {"", ":memory:"}
        or ":memory:" in name
        or "mode=memory" in name
        or (engine.url.query.get("mode") == "memory")
    )


def queue_of(engine: Engine) -> WritersQueue:
    """Return the queue of an engine's database."""
    found = OF_ENGINES.get(engine)
    if found is None:
        with LOCK:
            if is_in_memory(engine):
                found = WritersQueue()
            else:
                name = (engine.url.database or "").removeprefix("file:").partition("?")[0]
                path = os.path.realpath(name)
                found = QUEUES.get(path)
                if found is None:
                    found = QUEUES[path] = WritersQueue()
            OF_ENGINES[engine] = found
    return found


class OnlyWriter:
    """A context in which a program is the only one of the process that writes to an engine's database.

    Raises:
        OperationalError: Others have had it for as long as the driver waits for a lock.
    """

    __slots__ = ("engine", "queue")

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.queue = queue_of(engine)

    async def __aenter__(self) -> None:
        waiter = self.queue.take()
        if waiter is not None:
            await self.queue.wait(waiter, self.engine)

    async def __aexit__(self, *exc_info: object) -> None:
        self.queue.give()


async def ask_timeout(connection: AsyncConnection, engine: Engine) -> None:
    """Ask how long the driver waits for a lock, once somebody else does."""
    if engine not in TIMEOUTS and queue_of(engine).waiters:
        found = await connection.exec_driver_sql("PRAGMA busy_timeout")
        TIMEOUTS[engine] = found.scalar_one() / 1000
