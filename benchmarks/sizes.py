"""Microseconds a row of an insert of one row to 100,000, on each database, and the plot of them: ``sizes.py``.

Each call is a transaction of its own, from its BEGIN to its COMMIT; the rows are made before the clock starts. The
libraries take turns, call by call, and the fastest call of each counts. aldis has one async receiver before each row
and one after; the others call none. ``sizes.py --draw`` draws what docs/sizes.json holds.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import platform
import sys
import tempfile
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

import page
from bulk import AldisRows, CoreRows, DjangoRows, Payload, SessionRows, TortoiseRows, wait
from quick_drivers import driver_connection, sql_of
from saving import URLS

SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 1_000, 10_000, 100_000)
CALLS = {1_000: 15, 10_000: 5, 100_000: 3}
"""Calls of each library, by the number of rows; of fewer rows there are more calls."""
MOST_CALLS = 60
SLOW_FROM = 100_000
"""Rows from which on libraries that write them one by one are left out: they take ten seconds a call."""

ALDIS = "aldis, 1 + 1 receivers"


class DriverRows(CoreRows):
    """The driver's own ``executemany``, which tells no keys."""

    def prepare(self, count: int) -> Payload:
        """Make the rows to save."""
        return [tuple(row.values()) for row in super().prepare(count)]

    async def run(self, rows: Payload) -> None:
        """Save it."""
        async with self.engine.connect() as connection:
            name, driver = connection.dialect.driver, await driver_connection(connection)
            places = {"asyncpg": ["$1", "$2", "$3", "$4"], "aiosqlite": ["?"] * 4}.get(name, ["%s"] * 4)
            sql = sql_of("save", self.model.__table__.name, places, returning="")
            await EXECUTEMANY[name](connection, driver, sql, rows)


async def of_asyncpg(_connection: AsyncConnection, driver: Any, sql: str, rows: Payload) -> None:
    async with driver.transaction():
        await driver.executemany(sql, rows)


async def of_cursor(connection: AsyncConnection, driver: Any, sql: str, rows: Payload) -> None:
    cursor = driver.cursor()
    if inspect.isawaitable(cursor):  # aiosqlite's
        cursor = await cursor
    await cursor.executemany(sql, rows)
    await driver.commit()


EXECUTEMANY: dict[str, Callable[..., Awaitable[None]]] = {
    "asyncpg": of_asyncpg,
    "psycopg": of_cursor,
    "asyncmy": of_cursor,
    "aiosqlite": of_cursor,
}


def peers(where: str) -> dict[str, Callable[[str], Any]]:
    """Return the libraries that are there on a database."""
    found: dict[str, Callable[[str], Any]] = {
        ALDIS: lambda url: AldisRows(url, 1),
        "Core, sorted RETURNING": CoreRows,
        "AsyncSession.add_all": SessionRows,
        "the driver's executemany, without keys": DriverRows,
    }
    if where in {"SQLite", "PostgreSQL, asyncpg"}:
        found["Tortoise, without keys"] = TortoiseRows
    if where in {"SQLite", "PostgreSQL, psycopg"}:
        found["Django"] = DjangoRows
    return found


def is_slow(where: str, library: str) -> bool:
    """Tell whether a library takes tens of microseconds a row, however many there are."""
    return library == "AsyncSession.add_all" or (where == "SQLite" and library == "Core, sorted RETURNING")


def measure(where: str, url: str) -> list[dict[str, Any]]:
    """Return the figures of a database."""
    figures = []
    with asyncio.Runner() as runner:
        taking_part = {}
        for number, (library, kind) in enumerate(peers(where).items()):
            taking_part[library] = it = kind(url.replace("{number}", str(number)))
            if isinstance(it, (AldisRows, CoreRows)):
                it.model.__table__.name += f"_size_{number}"
            wait(runner, it.begin())
        try:
            for size in SIZES:
                now = {name: it for name, it in taking_part.items() if size < SLOW_FROM or not is_slow(where, name)}
                for library, value in times(runner, now, size).items():
                    figures.append({"where": where, "library": library, "rows": size, "microseconds": round(value, 2)})
                    print(f"{where:<22} {size:>7,} rows  {library:<40} {value:>9,.1f}", flush=True)
        finally:
            for it in taking_part.values():
                wait(runner, it.end())
    return figures


def times(runner: asyncio.Runner, taking_part: dict[str, Any], size: int) -> dict[str, float]:
    """Return the microseconds a row of each library, of so many rows."""
    took: dict[str, list[float]] = {library: [] for library in taking_part}
    for turn in range(CALLS.get(size, MOST_CALLS) + 1):
        for library, it in list(taking_part.items())[:: 1 if turn % 2 else -1]:
            rows = it.prepare(size)
            if size in CALLS:
                gc.collect()
            began = perf_counter()
            wait(runner, it.run(rows))
            took[library].append((perf_counter() - began) * 1e6 / size)
            del rows
    return {library: min(each[1:]) for library, each in took.items()}  # the first call makes its statements


def main() -> None:
    """Measure, unless the kept figures are to be drawn, and renew the page."""
    if "--draw" not in sys.argv:
        with tempfile.TemporaryDirectory() as folder:
            figures = [
                figure
                for where, url in URLS.items()
                for figure in measure(where, url.format(folder=folder, name="sizes_{number}"))
            ]
        kept = {"python": platform.python_version(), "figures": figures}
        (page.DOCS / "sizes.json").write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    page.main()


if __name__ == "__main__":
    main()
