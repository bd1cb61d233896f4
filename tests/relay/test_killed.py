"""Nothing lost, nothing twice, in order per key: while relays, receivers, brokers and connections are killed."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import random
import sys
import time
import uuid
from collections import Counter
from contextlib import suppress

import pytest
import servers
from shops import effects_of
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

import aldis
from aldis import relay

pytestmark = pytest.mark.skipif(aldis.backend == "pure", reason="the core that is built says enough")

log = logging.getLogger("aldis.tests")

EVENTS = int(os.environ.get("ALDIS_TEST_EVENTS", "5000"))
"""How many are sent: a million take half an hour, see CONTRIBUTING.md."""

SECONDS = 600 + EVENTS / 150

PAUSE = 2 if EVENTS < 100_000 else 10
"""Seconds between two things that are broken: a process takes two to start, on a machine of two cores."""

BREAKING_SECONDS = 15 if EVENTS < 100_000 else SECONDS

ROWS = 2000
"""In one transaction."""


class LeftBehindError(Exception):
    """What a saving transaction is rolled back by."""


@pytest.fixture
def warehouse(monkeypatch, postgresql):
    """Import the models of ``warehouse.py``, for a database of the test's own."""
    name = f"w{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("WAREHOUSE", name)
    monkeypatch.setenv("WAREHOUSE_DATABASE", postgresql)
    sys.modules.pop("warehouse", None)
    yield importlib.import_module("warehouse")
    sys.modules.pop("warehouse", None)
    relay.RECEIVERS.pop(f"{name}_stock", None)


class Chaos:
    """Breaks something at random moments, until it is told to stop."""

    def __init__(self, seed: int, database, broker, processes) -> None:
        self.random = random.Random(seed)
        self.database = database
        self.broker = broker
        self.processes = processes
        self.done: list[str] = []
        self.killed: set[str] = set()
        """That will be started again in a moment."""

    async def cut_connections(self) -> None:
        """End all connections to the database but one's own."""
        cut = text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with suppress(DBAPIError):  # of its own pool, it may have got one that was cut before
            async with self.database.engine.connect() as connection:
                await connection.execute(cut)

    async def kill(self, name: str) -> None:
        process = self.processes[name]
        self.killed.add(name)
        await asyncio.to_thread(process.kill)
        await asyncio.sleep(self.random.random())
        process.start()
        self.killed.discard(name)

    async def go_on(self) -> None:
        ends = time.monotonic() + BREAKING_SECONDS
        while time.monotonic() < ends:
            await asyncio.sleep(PAUSE * (0.5 + self.random.random()))
            what = self.random.choice(["broker", "connections", *self.processes])
            if what == "broker":
                await asyncio.to_thread(self.broker.restart)
            elif what == "connections":
                await self.cut_connections()
            else:
                await self.kill(what)
            self.done.append(what)

    async def look_after(self) -> None:
        """Start again what has ended because the broker or the database was not there: who runs services does so."""
        while True:
            await asyncio.sleep(0.5)
            for name, process in self.processes.items():
                if name not in self.killed and not process.is_running():
                    last = process.log.read_text().splitlines()[-1]
                    assert "no broker answers" in last or "does not serve us" in last, (name, last)
                    log.info("%s is started again: %s", name, last)
                    process.start()


async def save_all(warehouse, rng: random.Random) -> dict[int, int]:
    """Save rows, update them again and again, roll some transactions back; return each item's last number."""
    Item, database = warehouse.Item, warehouse.Base.database
    last: dict[int, int] = {}
    events = 0
    while events < EVENTS:
        new = rng.random() < 0.3 or len(last) < ROWS
        count = min(ROWS, EVENTS - events)
        try:
            async with database.transaction():
                if new:
                    first = len(last)
                    rows = [Item(id=first + number, number=0, word="new") for number in range(count)]
                    await Item.query.bulk_create(rows)
                else:
                    first = rng.randrange(len(last) - count + 1)
                    rows = await Item.query.filter(Item.id.between(first, first + count - 1)).all()
                    for row in rows:
                        row.number, row.word = row.number + 1, "again"
                    await Item.query.bulk_update(rows, ["number", "word"])
                wanted = {row.id: row.number for row in rows}
                if rng.random() < 0.2:
                    raise LeftBehindError
        except LeftBehindError:
            continue
        except (DBAPIError, OSError):
            # The connection was cut, perhaps at the COMMIT: only the database knows whether it has committed.
            wanted = await numbers_of(warehouse, first, count)
            if all(number == last.get(key) for key, number in wanted.items()):
                continue
        last.update(wanted)
        events += len(wanted)
    return last


async def numbers_of(warehouse, first: int, count: int) -> dict[int, int]:
    item = warehouse.Item.__table__
    while True:
        try:
            async with warehouse.Base.database.engine.connect() as connection:
                here = item.c.id.between(first, first + count - 1)
                return dict((await connection.execute(select(item.c.id, item.c.number).where(here))).all())
        except (DBAPIError, OSError):
            await asyncio.sleep(0.1)


async def count_of(warehouse) -> int:
    while True:
        try:
            return await warehouse.Effect.query.count()
        except (DBAPIError, OSError):
            await asyncio.sleep(0.1)


async def at_rest(database, ends: float) -> relay.Status:
    """Return the relay's state: one that was cut off has to note again what it has passed on."""
    while True:
        with suppress(DBAPIError, OSError):
            state = await relay.status(database)
            if state.waiting == 0 or time.monotonic() > ends:
                return state
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("kind", os.environ.get("ALDIS_TEST_FAULTS", "nats redis rabbit").split())
async def test_events_survive_whatever_is_killed(warehouse, tmp_path, kind) -> None:
    seed = int(os.environ.get("ALDIS_TEST_SEED", random.randrange(10**6)))
    log.info("ALDIS_TEST_SEED=%d", seed)
    broker = getattr(servers, kind)(tmp_path / kind)
    database = warehouse.Base.database
    await relay.create_tables(database)
    async with database.engine.begin() as connection:
        await connection.run_sync(warehouse.Base.metadata.create_all)
    processes, at_work = {}, []
    try:
        for name in ("receiver-1", "receiver-2"):
            processes[name] = servers.Aldis("receive", "--broker", broker.url, log=tmp_path / name)
        for name in ("receiver-1", "receiver-2"):
            # RabbitMQ gives to queues that are there.
            await processes[name].until_said("started successfully")
        for name in ("relay-1", "relay-2"):
            processes[name] = servers.Aldis("run", "--broker", broker.url, log=tmp_path / name)
        chaos = Chaos(seed, database, broker, processes)
        begun = time.monotonic()
        breaking = asyncio.create_task(chaos.go_on())
        looking_after = asyncio.create_task(chaos.look_after())
        at_work += [breaking, looking_after]
        last = await save_all(warehouse, random.Random(seed))
        expected = sum(number + 1 for number in last.values())
        assert expected == EVENTS
        quiet = 0
        while await count_of(warehouse) < expected or quiet < 3:
            quiet = quiet + 1 if await count_of(warehouse) >= expected else 0
            if breaking.done():
                breaking.result()  # it has ended by itself, or has an error of its own
            if looking_after.done():
                looking_after.result()
            assert time.monotonic() - begun < SECONDS, (await count_of(warehouse), expected, chaos.done)
            await asyncio.sleep(0.5)
        breaking.cancel()
        await asyncio.wait([breaking])  # else a cut that is on its way would end what is asked for below
        state = await at_rest(database, begun + SECONDS)
        log.info("%d events in %.0f s; broken: %s", expected, time.monotonic() - begun, Counter(chaos.done))
        found = await effects_of(warehouse)
        assert len(found) == expected
        seen: dict[int, int] = {}
        for item, number in found:
            assert number == seen.get(item, -1) + 1, (item, number, seen.get(item))
            seen[item] = number
        assert seen == last
        assert (state.waiting, state.aside, state.dead) == (0, 0, 0)
    finally:
        for task in at_work:  # they would start again what is ended here
            task.cancel()
        for process in processes.values():
            process.end()
        broker.end()
        await database.dispose()
