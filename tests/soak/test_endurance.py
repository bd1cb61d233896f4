"""A short run of tasks whose connections are killed and cut; ``make endurance`` runs ten minutes."""

from __future__ import annotations

import asyncio
import logging

import pytest
import sqlalchemy
from endurance import Endurance

from new_databases import database_on

pytestmark = [pytest.mark.usefixtures("short_collections")]
if sqlalchemy.__version__.startswith("2.0"):
    # It closes no connection of asyncpg whose set-up was cancelled; 2.1 does.
    pytestmark.append(pytest.mark.filterwarnings("ignore:unclosed connection:ResourceWarning"))


@pytest.fixture(scope="module")
def url():
    """Return the URL of a database of the test's own."""
    with database_on("asyncpg", with_force=True) as found:
        yield found


@pytest.fixture(autouse=True)
def quiet():
    """Log nothing of what fails on purpose."""
    loggers = [logging.getLogger(name) for name in ("aldis", "sqlalchemy.pool")]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    yield
    for logger in loggers:
        logger.setLevel(logging.NOTSET)


async def test_rows_are_as_told_though_connections_are_killed_and_cut(url) -> None:
    async with asyncio.timeout(300):
        figures = await Endurance(url, 3).run()
    assert (figures.wrong, dict(figures.complaints)) == ([], {})
    assert figures.counts["rows"]
