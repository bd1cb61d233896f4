"""Databases of a run's own on the servers that there are: made, and dropped."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

SERVERS = {
    "asyncpg": ("ALDIS_TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/test", "postgresql+asyncpg"),
    "psycopg": ("ALDIS_TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/test", "postgresql+psycopg"),
    "asyncmy": ("ALDIS_TEST_MARIADB_URL", "mariadb://root@127.0.0.1:3306/test", "mariadb+asyncmy"),
}
"""The variable with a server's URL, its default, and the driver to reach it with."""


async def execute(url, statement: str) -> None:
    """Run one statement outside a transaction."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


@contextmanager
def database_on(driver: str, *, with_force: bool = False) -> Iterator[str]:
    """Make a database, and drop it.

    Args:
        driver: Which of ``SERVERS``.
        with_force: Whoever is connected to it is thrown out: processes that a test has killed may be (PostgreSQL).
    """
    variable, default, name_of_driver = SERVERS[driver]
    server = make_url(os.environ.get(variable, default)).set(drivername=name_of_driver)
    name = f"aldis_{uuid.uuid4().hex}"
    try:
        asyncio.run(execute(server, f"CREATE DATABASE {name}"))
    except (OSError, DBAPIError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no answer from {server.render_as_string()} ({variable}): {error}")
    if server.get_backend_name() == "postgresql":  # no test of these cuts the power: none has to wait for the disk
        asyncio.run(execute(server, f"ALTER DATABASE {name} SET synchronous_commit TO off"))
    yield server.set(database=name).render_as_string(hide_password=False)
    asyncio.run(drop(server, f"DROP DATABASE {name}{' WITH (FORCE)' * with_force}"))


async def drop(server, statement: str) -> None:
    """Drop a database; its last sessions may be about to end: PostgreSQL waits for them for five seconds each time."""
    for last in [*[False] * 11, True]:
        try:
            await execute(server, statement)
        except DBAPIError as error:
            if last or "is being accessed by other users" not in str(error):
                raise
        else:
            return
