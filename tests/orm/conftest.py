"""The databases, new for each run, and models on them: tables and signals are each test's own."""

from __future__ import annotations

import pytest
import pytest_asyncio
from users import models_on

from new_databases import SERVERS, database_on


@pytest.fixture(scope="session", params=["aiosqlite", *SERVERS])
def url(request, tmp_path_factory):
    """Return the URL of a database that exists for this run only."""
    if request.param == "aiosqlite":
        yield f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite')}/test.db"
        return
    with database_on(request.param) as found:
        yield found


@pytest_asyncio.fixture
async def models(url):
    """Return models whose tables exist, and are dropped when the test is over."""
    async with models_on(url) as found:
        yield found
