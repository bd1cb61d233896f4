"""The databases, new for each run, and models on them: tables and signals are each test's own."""

from __future__ import annotations

import pytest
import pytest_asyncio
from users import models_on

import aldis
from new_databases import SERVERS, database_on


@pytest.fixture(scope="session", params=["aiosqlite", *SERVERS])
def url(request, tmp_path_factory):
    """Return the URL of a database that exists for this run only."""
    if request.param == "aiosqlite":
        yield f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite')}/test.db"
        return
    with database_on(request.param) as found:
        yield found


@pytest.fixture
async def database(request, tmp_path):
    """Return a database in a file, with the tables of the test module's ``Base``, which is on it."""
    base = request.module.Base
    async with aldis.Database(f"sqlite+aiosqlite:///{tmp_path}/test.db") as found:
        base.database = found
        async with found.transaction() as connection:
            await connection.run_sync(base.metadata.create_all)
        yield found
    del base.database


@pytest_asyncio.fixture
async def models(url):
    """Return models whose tables exist, and are dropped when the test is over."""
    async with models_on(url) as found:
        yield found
