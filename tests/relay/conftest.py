"""Databases and brokers, each with names of the test's own, and no receivers but the test's."""

from __future__ import annotations

import uuid

import pytest
import pytest_asyncio
from shops import shop_on

from aldis import relay
from new_databases import SERVERS, database_on

collect_ignore = ["warehouse.py"]  # a program's models, see there


@pytest.fixture
def postgresql():
    with database_on("asyncpg", with_force=True) as found:
        yield found


@pytest.fixture(params=["sqlite", *SERVERS])
def url(request, tmp_path):
    """Return the URL of a database of the test's own, on each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/test.db"
    else:
        with database_on(request.param) as found:
            yield found


@pytest.fixture(autouse=True)
def receivers(monkeypatch):
    """Let there be no receivers but the test's."""
    for name in list(relay.RECEIVERS):
        monkeypatch.delitem(relay.RECEIVERS, name)
    yield relay.RECEIVERS
    relay.RECEIVERS.clear()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Wait for what is cancelled, however late it ends: what was left alone would keep a connection."""
    monkeypatch.setattr("aldis.relay.background.END_SECONDS", 60.0)


@pytest.fixture
def name():
    """Return a name that no other test has: brokers are shared."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest_asyncio.fixture
async def shop(url):
    """Return models that are forwarded."""
    async with shop_on(url) as found:
        yield found
