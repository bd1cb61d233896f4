"""``query.update()`` of 10,000 rows that receivers hear one by one, beside the same with the raw driver alone.

The driver reads the keys and the old values of all rows, locked, updates them, and fetches what the UPDATE returns:
in one statement each, and (as aldis does) in batches of 1,000 keys; and so that two coroutine functions are awaited for
each row by hand, with an instance as SQLAlchemy makes it and what has changed. Of aldis one receiver before and one
after name ``instance`` and ``changes``. The laps take turns in one process; a ratio is the median of those of a turn.

Run it: ``python benchmarks/rows_of_statements.py [URL ...]``.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from collections.abc import Awaitable, Callable
from statistics import median
from time import perf_counter
from typing import Any

import aiosqlite
import asyncpg
from sqlalchemy import inspect, make_url

import aldis
from saving import mapped

ROWS = 10_000
BATCH = 1000
LAPS = 15
TABLE = "statement_row"
COLUMNS = "id, name, email, age, created"
POSTGRESQL = "postgresql+asyncpg://postgres@127.0.0.1:5432/test"

Lap = Callable[[str], Awaitable[int]]


class ByHand:
    """Two coroutine functions, awaited for each row of a batch.

    Args:
        model: The class of the rows.
    """

    def __init__(self, model: type[Any]) -> None:
        self.model = model
        self.manager: Any = inspect(model).class_manager
        self.names = COLUMNS.split(", ")
        self.heard = 0

        async def hear(sender: Any, instance: Any, changes: Any) -> None:
            self.heard += 1

        self.receiver = hear

    async def before(self, rows: list[Any], name: str) -> list[Any]:
        """Make the instances of rows, and tell of what an UPDATE is going to change."""
        instances, hear = [], self.receiver
        for row in rows:
            instance = self.manager.new_instance()
            values = instance.__dict__
            values.update(zip(self.names, row, strict=True))
            values["_sa_instance_state"].key = (self.model, (row[0],), None)
            instances.append(instance)
            await hear(self.model, instance=instance, changes={"name": aldis.Change(row[1], name)})
        return instances

    async def after(self, instances: list[Any], rows: list[Any]) -> None:
        """Tell of what it has changed."""
        new, hear = {row[0]: row for row in rows}, self.receiver
        for instance in instances:
            values = instance.__dict__
            row, old = new[values["id"]], values["name"]
            values["name"] = row[1]
            await hear(self.model, instance=instance, changes={"name": aldis.Change(old, row[1])})


class Sqlite:
    """sqlite3 in aiosqlite's thread."""

    async def begin(self, url: str) -> None:
        """Connect."""
        self.connection = await aiosqlite.connect(make_url(url).database or "", isolation_level=None)

    async def whole(self, name: str) -> int:
        """Update all rows with one statement."""
        fetch = self.connection.execute_fetchall
        await self.connection.execute("BEGIN IMMEDIATE")
        old = list(await fetch(f"SELECT {COLUMNS} FROM {TABLE} WHERE age >= 0 ORDER BY id"))
        new = list(await fetch(f"UPDATE {TABLE} SET name = ? WHERE age >= 0 RETURNING {COLUMNS}", (name,)))
        await self.connection.execute("COMMIT")
        assert len(old) == len(new)
        return len(new)

    async def batches(self, name: str, hand: ByHand | None = None) -> int:
        """Update them in batches of keys."""
        fetch, last, count = self.connection.execute_fetchall, 0, 0
        await self.connection.execute("BEGIN IMMEDIATE")
        select = f"SELECT {COLUMNS} FROM {TABLE} WHERE age >= 0 AND id > ? ORDER BY id LIMIT {BATCH}"
        while old := list(await fetch(select, (last,))):
            keys = [row[0] for row in old]
            places = ", ".join("?" * len(keys))
            update = f"UPDATE {TABLE} SET name = ? WHERE id IN ({places}) RETURNING {COLUMNS}"
            instances = [] if hand is None else await hand.before(old, name)
            new = list(await fetch(update, (name, *keys)))
            if hand is not None:
                await hand.after(instances, new)
            count, last = count + len(new), keys[-1]
        await self.connection.execute("COMMIT")
        return count

    async def end(self) -> None:
        """Close."""
        await self.connection.close()


class Postgresql:
    """asyncpg."""

    async def begin(self, url: str) -> None:
        """Connect."""
        dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self.connection = await asyncpg.connect(dsn)

    async def whole(self, name: str) -> int:
        """Update all rows with one statement."""
        fetch = self.connection.fetch
        async with self.connection.transaction():
            old = await fetch(f"SELECT {COLUMNS} FROM {TABLE} WHERE age >= 0 ORDER BY id FOR NO KEY UPDATE")
            new = await fetch(f"UPDATE {TABLE} SET name = $1 WHERE age >= 0 RETURNING {COLUMNS}", name)
        assert len(old) == len(new)
        return len(new)

    async def batches(self, name: str, hand: ByHand | None = None) -> int:
        """Update them in batches of keys."""
        fetch, last, count = self.connection.fetch, 0, 0
        select = f"SELECT {COLUMNS} FROM {TABLE} WHERE age >= 0 AND id > $1 ORDER BY id LIMIT {BATCH} FOR NO KEY UPDATE"
        update = f"UPDATE {TABLE} SET name = $1 WHERE id = ANY($2) RETURNING {COLUMNS}"
        async with self.connection.transaction():
            while old := await fetch(select, last):
                keys = [row[0] for row in old]
                instances = [] if hand is None else await hand.before(old, name)
                new = await fetch(update, name, keys)
                if hand is not None:
                    await hand.after(instances, new)
                count, last = count + len(new), keys[-1]
        return count

    async def end(self) -> None:
        """Close."""
        await self.connection.close()


class Rows:
    """aldis, with one receiver before and one after that hear each row."""

    def __init__(self, url: str) -> None:
        self.base, self.model = mapped(TABLE, aldis.Model)
        self.base.database = aldis.Database(url)
        self.heard = 0

        async def before(sender: Any, instance: Any, changes: Any) -> None:
            self.heard += 1

        async def after(sender: Any, instance: Any, changes: Any) -> None:
            self.heard += 1

        self.receivers = before, after
        for name, receiver in zip(("pre_update", "post_update"), self.receivers, strict=True):
            getattr(self.model.meta.signals, name).connect(receiver, self.model, rows=True)

    async def begin(self) -> None:
        """Make the table and its rows."""
        async with self.base.database.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.drop_all)
            await connection.run_sync(self.base.metadata.create_all)
        rows = [{"name": f"name {number}", "email": "a@example.org", "age": number} for number in range(ROWS)]
        await self.model.query.bulk_create(rows)

    async def update(self, name: str) -> int:
        """Update all rows."""
        self.heard = 0
        count = await self.model.query.filter(self.model.age >= 0).update(name=name)
        assert self.heard == 2 * ROWS
        return count

    async def end(self) -> None:
        """Drop the table."""
        for name, receiver in zip(("pre_update", "post_update"), self.receivers, strict=True):
            getattr(self.model.meta.signals, name).disconnect(receiver)
        async with self.base.database.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.drop_all)
        await self.base.database.dispose()


async def timed(lap: Lap, name: str) -> float:
    """Return the milliseconds of a lap."""
    gc.collect()
    began = perf_counter()
    assert await lap(name) == ROWS
    return (perf_counter() - began) * 1e3


async def compare(url: str) -> None:
    """Measure on one database, and print the figures."""
    raw = Sqlite() if url.startswith("sqlite") else Postgresql()
    rows = Rows(url)
    await rows.begin()
    await raw.begin(url)
    hand = ByHand(rows.model)
    laps: dict[str, Lap] = {
        "raw, one statement each": raw.whole,
        "raw, batches": raw.batches,
        "raw, told by hand": lambda name: raw.batches(name, hand),
        "aldis": rows.update,
    }
    times: dict[str, list[float]] = {name: [] for name in laps}
    for number in range(LAPS + 2):
        for name, lap in laps.items():
            found = await timed(lap, f"{name} {number}")
            if number >= 2:
                times[name].append(found)
    assert hand.heard == 2 * ROWS * (LAPS + 2)
    await raw.end()
    await rows.end()
    print(make_url(url).drivername)
    for name, each in times.items():
        ratios = [own / other for own, other in zip(times["aldis"], each, strict=True)]
        ratio = f"   aldis is {median(ratios):.2f} of it" * (name != "aldis")
        print(f"  {name:25} {median(each):7.1f} ms, at best {min(each):7.1f}{ratio}")


def main() -> None:
    """Measure on the databases that are given; else on SQLite and PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder:
        for url in sys.argv[1:] or [f"sqlite+aiosqlite:///{folder}/rows.db", POSTGRESQL]:
            asyncio.run(compare(url))


if __name__ == "__main__":
    main()
