"""Needs of SQLite alone: a BEGIN that is sent, and statements that are not cut off half-way."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakSet

from sqlalchemy import event

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["begin", "roll_back_what_is_given_up", "whole"]

T = TypeVar("T")

LOG: Final = logging.getLogger("aldis")


async def begin(connection: AsyncConnection, words: str = "BEGIN") -> None:
    """Begin the transaction in the database too, where the driver puts that off.

    Python's sqlite3 begins one before the first INSERT, UPDATE or DELETE only, and so would take a SAVEPOINT for the
    outermost transaction and commit when it is released (SQLAlchemy's manual, "Serializable isolation / Savepoints /
    Transactional DDL" of the pysqlite dialect).

    Args:
        connection: The connection.
        words: "BEGIN IMMEDIATE" takes the lock to write at once. A transaction that has read before it wants the lock
            cannot wait for it: others may have written since (SQLite's manual, "Transaction").
    """
    if connection.dialect.name != "sqlite":
        return
    driver = (await connection.get_raw_connection()).driver_connection
    if not getattr(driver, "in_transaction", False):
        await connection.exec_driver_sql(words)


def roll_back_what_is_given_up(engine: AsyncEngine) -> None:
    """Roll back a connection that SQLAlchemy gives up, as it does when a statement is cancelled, before it is closed.

    A closed connection waits for its statements (SQLite's manual, ``sqlite3_close_v2``), and these for the garbage
    collector, if a traceback holds their cursors; until then it would keep its locks. So these are closed first.
    """
    if engine.dialect.driver != "aiosqlite":
        return

    if engine.sync_engine not in ROLLED_BACK:
        ROLLED_BACK.add(engine.sync_engine)
        event.listen(engine.sync_engine, "invalidate", roll_back)


ROLLED_BACK: Final[WeakSet[Engine]] = WeakSet()
"""The engines with the listener: one each, however many databases are made of it.

``event.contains`` does not know: it takes the engine's pool for another one that had its address.
"""


def roll_back(adapted: Any, _record: object, _exception: BaseException | None) -> None:
    """Let aiosqlite's thread roll back before it closes the connection: by its queue, since nothing can wait here."""
    driver = adapted.driver_connection
    if not hasattr(driver, "_tx"):
        LOG.warning(
            "SQLite's locks of a connection that was given up are kept until Python collects its cursors, and others "
            "find the database locked meanwhile: %s has no queue named _tx, to which aldis could give a rollback.",
            type(driver).__module__,
        )
        return
    with suppress(AttributeError, ValueError, RuntimeError):
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        driver._tx.put_nowait((future, partial(let_go, driver._conn)))


def let_go(connection: sqlite3.Connection) -> None:
    """Close the open cursors of a connection, and roll back; in the driver's thread."""
    import sqlite3  # here: programs without SQLite need none of it

    for each in gc.get_referrers(connection):
        if isinstance(each, sqlite3.Cursor):
            each.close()
    connection.rollback()


async def whole(connection: AsyncConnection, statement: Coroutine[Any, Any, T]) -> T:
    """Await a statement that returns rows; on SQLite to its end, a cancellation waits for it.

    Cut off, the statement is left open, and with it its lock, until the garbage collector comes by: a closed connection
    waits for its statements (SQLite's manual, ``sqlite3_close_v2``). Others write meanwhile in vain.
    """
    if connection.dialect.name != "sqlite":
        return await statement
    running = asyncio.ensure_future(statement)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        running.exception()  # looked at: an error that comes with a cancellation is not the caller's
        raise
