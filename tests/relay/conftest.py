"""Databases and brokers, each with names of the test's own, and no receivers but the test's."""

from __future__ import annotations

import asyncio
import os
import uuid

import pytest
import pytest_asyncio
from shops import shop_on
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from aldis import relay

collect_ignore = ["warehouse.py"]  # a program's models, see there

SERVERS = {
    "postgresql": ("ALDIS_TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/test", "postgresql+asyncpg"),
    "psycopg": ("ALDIS_TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/test", "postgresql+psycopg"),
    "mariadb": ("ALDIS_TEST_MARIADB_URL", "mariadb://root@127.0.0.1:3306/test", "mariadb+asyncmy"),
}


async def execute(url, statement: str) -> None:
    """Run one statement outside a transaction."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


def database_on(kind: str):
    """Yield the URL of a new database, and drop it."""
    variable, default, driver = SERVERS[kind]
    server = make_url(os.environ.get(variable, default)).set(drivername=driver)
    name = f"aldis_{uuid.uuid4().hex}"
    try:
        asyncio.run(execute(server, f"CREATE DATABASE {name}"))
    except (OSError, DBAPIError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no answer from {server.render_as_string()} ({variable}): {error}")
    yield server.set(database=name).render_as_string(hide_password=False)
    asyncio.run(execute(server, f"DROP DATABASE {name}{'' if kind == 'mariadb' else ' WITH (FORCE)'}"))


@pytest.fixture
def postgresql():
    yield from database_on("postgresql")


@pytest.fixture(params=["sqlite", *SERVERS])
def url(request, tmp_path):
    """Return the URL of a database of the test's own, on each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/test.db"
    else:
        yield from database_on(request.param)


@pytest.fixture(autouse=True)
def receivers(monkeypatch):
    """Let there be no receivers but the test's."""
    for name in list(relay.RECEIVERS):
        monkeypatch.delitem(relay.RECEIVERS, name)
    yield relay.RECEIVERS
    relay.RECEIVERS.clear()


@pytest.fixture
def name():
    """Return a name that no other test has: brokers are shared."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest_asyncio.fixture
async def shop(url):
    """Return models that are forwarded."""
    async with shop_on(url) as found:
        yield found
