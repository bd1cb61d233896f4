"""The database ends the transaction of a process that says nothing: it may be cut off from the network, and not know.

The rows that it has locked are free then, and another process goes on.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, select

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import ScalarSelect
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["end_if_silent", "end_on_mariadb_if_silent", "ended_by_mariadb_if_silent", "silence_values"]


def silence_values(seconds: float) -> tuple[str, str]:
    """Return the values of ``silence`` and ``probe`` for a silence of at most so many seconds."""
    return f"{seconds * 1000:.0f}ms", f"{math.ceil(seconds / 3)}s"


def end_if_silent(silence: Any, probe: Any) -> ScalarSelect[str]:
    """Return a subquery by which PostgreSQL limits the silence of the current transaction; it is evaluated once.

    A session that waits for a command in a transaction ends by ``idle_in_transaction_session_timeout``. One that has
    prepared a statement, and waits for its parameters, does not count as idle: asyncpg sends no Sync between the two.
    So the server asks the client's machine now and then whether the connection still stands, and gives up data that
    nobody acknowledges (PostgreSQL's manual, "TCP Settings" and "Client Connection Defaults").

    Args:
        silence: A time, as PostgreSQL writes it, from which on the session is ended.
        probe: How often it asks; in whole seconds.
    """
    # Elsewhere PostgreSQL has no such setting, and writes a line into its log for each attempt to set it.
    has_user_timeout = and_(func.version().like("%linux%"), func.current_setting("tcp_user_timeout", True).is_not(None))
    settings = (
        func.set_config("idle_in_transaction_session_timeout", silence, True),
        func.set_config("tcp_keepalives_idle", probe, True),
        func.set_config("tcp_keepalives_interval", probe, True),
        case((has_user_timeout, func.set_config("tcp_user_timeout", silence, True))),
    )
    return select(func.concat(*settings)).scalar_subquery()


async def end_on_mariadb_if_silent(connection: AsyncConnection, seconds: float) -> bool:
    """Let MariaDB limit the silence of a connection's transactions; tell whether that was done.

    MySQL has no such setting (MariaDB's manual, "idle_transaction_timeout").
    """
    is_mariadb: bool = getattr(connection.dialect, "is_mariadb", False)
    if is_mariadb:
        await connection.exec_driver_sql(f"SET SESSION idle_transaction_timeout = {math.ceil(seconds)}")
    return is_mariadb


@asynccontextmanager
async def ended_by_mariadb_if_silent(connection: AsyncConnection, seconds: float) -> AsyncIterator[None]:
    """Let MariaDB limit the silence of a transaction on a connection, for a block.

    The setting is the session's, and its connection the application's: the block leaves it as it was.
    """
    if not await end_on_mariadb_if_silent(connection, seconds):
        yield
        return
    try:
        yield
    finally:
        with suppress(Exception):  # a connection that is lost has no setting
            await connection.exec_driver_sql("SET SESSION idle_transaction_timeout = DEFAULT")
