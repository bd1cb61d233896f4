"""SQLite has one writer at a time, and serves nobody in order: the writers of this process queue before they begin."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["OnlyWriter", "only_writer"]

DEFAULT_TIMEOUT: Final = 5.0
"""Seconds that Python's sqlite3 waits for a lock, unless it is told otherwise (``timeout``, its manual)."""


class WritersQueue:
    """The writers of one file, or those who want the one connection of a database in memory. Of any thread and loop."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_taken = False
        self.waiters: deque[asyncio.Future[None]] = deque()

    def take(self) -> asyncio.Future[None] | None:
        """Take the turn, or return a future to wait for."""
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

ENGINES: Final[weakref.WeakKeyDictionary[Engine, OnlyWriter]] = weakref.WeakKeyDictionary()

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
    if is_in_memory(engine):
        return WritersQueue()
    name = (engine.url.database or "").removeprefix("file:").partition("?")[0]
    path = os.path.realpath(name)
    found = QUEUES.get(path)
    if found is None:
        found = QUEUES[path] = WritersQueue()
    return found


def only_writer(engine: Engine) -> OnlyWriter:
    """Return the context in which one program of the process writes to an engine's database; the same each time."""
    found = ENGINES.get(engine)
    if found is None:
        with LOCK:
            found = ENGINES.get(engine)
            if found is None:
                found = ENGINES[engine] = OnlyWriter(engine)
    return found


class OnlyWriter:
    """A context in which a program is the only one of the process that writes to an engine's database.

    Args:
        engine: The engine, which is not kept alive.

    Raises:
        OperationalError: Others have had it for as long as the driver waits for a lock.
    """

    __slots__ = ("__weakref__", "engine", "is_in_memory", "queue", "timeout")

    def __init__(self, engine: Engine) -> None:
        self.engine = weakref.ref(engine)
        self.is_in_memory = is_in_memory(engine)
        self.queue = queue_of(engine)
        self.timeout: float | None = None
        """How many seconds the driver waits for a lock, once it was asked."""

    async def __aenter__(self) -> None:
        waiter = self.queue.take()
        if waiter is not None:
            await self.wait(waiter)

    async def __aexit__(self, *exc_info: object) -> None:
        self.queue.give()

    async def wait(self, waiter: asyncio.Future[None]) -> None:
        """Wait, at most as long as the driver waits for a lock.

        Raises:
            OperationalError: That is over, as SQLite itself says it.
        """
        begun = asyncio.get_running_loop().time()
        try:
            if self.timeout is None and not self.is_in_memory:
                await self.ask_on_another()
            while not waiter.done():
                timeout = DEFAULT_TIMEOUT if self.timeout is None else self.timeout
                left = begun + timeout - asyncio.get_running_loop().time()
                if left <= 0:
                    break
                await asyncio.wait([waiter], timeout=left)
        except BaseException:
            self.queue.forget(waiter)
            raise
        if not waiter.done():
            self.queue.forget(waiter)
            import sqlite3  # here: programs without SQLite need none of it

            raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("database is locked"))

    async def ask_on_another(self) -> None:
        """Ask how long the driver waits for a lock, on a connection that is nobody else's."""
        engine = self.engine()
        if engine is not None:
            async with AsyncEngine(engine).connect() as connection:
                await self.ask(connection)

    async def ask(self, connection: AsyncConnection) -> None:
        """Ask, once, how long the driver waits for a lock; without a word of SQLAlchemy's, which may be in use."""
        if self.timeout is None:
            self.timeout = DEFAULT_TIMEOUT
            if connection.dialect.driver == "aiosqlite":
                driver: Any = (await connection.get_raw_connection()).driver_connection
                cursor = await driver.execute("PRAGMA busy_timeout")
                self.timeout = (await cursor.fetchone())[0] / 1000
                await cursor.close()
