"""PostgreSQL tells the relays of a commit that has something for them; elsewhere they look now and then."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from .tables import CHANNEL

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["wake_on_commit"]

log: Final = logging.getLogger("aldis.relay")

PAUSE_SECONDS: Final = 1.0
"""Before a connection that has ended is replaced; until then the relay looks now and then."""


async def wake_on_commit(engine: AsyncEngine, woken: asyncio.Event) -> None:
    """Set an event when PostgreSQL notifies; runs until it is cancelled.

    Args:
        engine: For the database; of any other than PostgreSQL nothing is heard.
        woken: The event that is set.
    """
    listen = {"asyncpg": listen_asyncpg, "psycopg": listen_psycopg}.get(engine.dialect.driver)
    while listen is not None:
        try:
            async with engine.connect() as connection:
                raw = await connection.get_raw_connection()
                try:
                    await listen(raw.driver_connection, woken)
                finally:
                    await connection.invalidate()
        except Exception as error:
            log.info("not wake_on_commit: %s: %s", type(error).__name__, error)
        await asyncio.sleep(PAUSE_SECONDS)


async def listen_asyncpg(connection: Any, woken: asyncio.Event) -> None:
    """Listen until the connection ends."""
    await connection.add_listener(CHANNEL, lambda *_notification: woken.set())
    woken.set()
    ended = asyncio.Event()
    connection.add_termination_listener(lambda _connection: ended.set())
    if not connection.is_closed():
        await ended.wait()


async def listen_psycopg(connection: Any, woken: asyncio.Event) -> None:
    """Listen until the connection ends."""
    await connection.set_autocommit(True)
    await connection.execute(f"LISTEN {CHANNEL}")
    woken.set()
    async for _notification in connection.notifies():
        woken.set()
