"""The databases, new for each run, and models on them: tables and signals are each test's own."""

from __future__ import annotations

import asyncio
import os
import uuid

import pytest
import pytest_asyncio
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from users import models_on

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


@pytest.fixture(scope="session", params=["aiosqlite", *SERVERS])
def url(request, tmp_path_factory):
    """Return the URL of a database that exists for this run only."""
    if request.param == "aiosqlite":
        yield f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite')}/test.db"
        return
    variable, default, driver = SERVERS[request.param]
    server = make_url(os.environ.get(variable, default)).set(drivername=driver)
    name = f"aldis_{uuid.uuid4().hex}"
    try:
        asyncio.run(execute(server, f"CREATE DATABASE {name}"))
    except (OSError, DBAPIError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no answer from {server.render_as_string()} ({variable}): {error}")
    yield server.set(database=name).render_as_string(hide_password=False)
    asyncio.run(execute(server, f"DROP DATABASE {name}"))


@pytest_asyncio.fixture
async def models(url):
    """Return models whose tables exist, and are dropped when the test is over."""
    async with models_on(url) as found:
        yield found
