"""A long backlog that becomes free at once is pruned, or passed on, in pieces: nothing fails, the memory is bounded.

``make soak-relay`` does it with 1,000,000 rows, and says how long it took: ``ALDIS_TEST_BACKLOG`` sets the number.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from shops import recorded, shop_on
from sqlalchemy import and_, delete, func, insert, literal, select

from aldis import relay
from aldis.relay import tables
from aldis.relay.brokers.transport import Transport
from aldis.relay.effects import recording_statement
from aldis.relay.lanes import Lanes
from aldis.signals import post_save

ROWS = int(os.environ.get("ALDIS_TEST_BACKLOG", "35000"))
"""By default more than the 32,767 parameters that asyncpg takes in a statement."""

PASSED = int(os.environ.get("ALDIS_TEST_BACKLOG", "3000"))

MEGABYTES = 64
"""The memory that a relay may take for a backlog, however long it is."""

log = logging.getLogger("backlog")


def resident() -> float:
    """Return the megabytes that this process has in memory; nought where the system has no such file."""
    memory = Path("/proc/self/statm")
    return int(memory.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if memory.exists() else 0.0


@contextmanager
def bounded_memory(what: str):
    """Hold that the memory of this process grows by some megabytes at most, while a block runs."""
    ended, before, begun = threading.Event(), resident(), time.monotonic()
    peaks = [before]

    def watch() -> None:
        while not ended.wait(0.01):
            peaks[0] = max(peaks[0], resident())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    seconds, grown = time.monotonic() - begun, peaks[0] - before
    log.warning(
        "%s: %d rows in %.0f s, memory up to %.0f MB, %.0f more than before", what, ROWS, seconds, peaks[0], grown
    )
    assert grown < MEGABYTES


async def fill_outbox(shop, rows: int) -> None:
    """Write as many rows as single saves would."""
    row = {"sender": "User", "signal": "post_save", "version": 1, "count": 1, "payload": b'[{"id":1,"name":"Ada"}]'}
    row.update(rest=b',"is_update":false,"row_count":1}', created_at=time.time())
    for first in range(0, rows, 5000):
        numbers = range(first, min(first + 5000, rows))
        some = [{**row, "lane": each % 16, "batch": f"{each:032x}", "keys": b"[%d]" % each} for each in numbers]
        async with shop.database.engine.begin() as connection:
            await connection.execute(insert(tables.outbox), some)


async def count(database, table) -> int:
    async with database.engine.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(table))


async def test_backlog_that_becomes_free_at_once_is_pruned(shop) -> None:
    got = []

    @relay.receiver(post_save, "User", name="r", database=shop.database)
    async def receive(sender, instance):
        got.append(instance.id)

    await fill_outbox(shop, ROWS)
    async with shop.database.engine.begin() as connection:
        taken = select(literal("r"), tables.outbox.c.id)
        await connection.execute(insert(tables.delivery).from_select(["receiver", "outbox_id"], taken))
        for each in ("r", "gone"):
            await connection.execute(insert(tables.receiver), {"name": each, "sender": "User", "signals": "post_save"})
    new = await shop.User.query.create(name="Ada")
    await relay.Relay(shop.database).pass_all()
    assert await count(shop.database, tables.outbox) == ROWS + 1
    await relay.forget(shop.database, "gone")
    with bounded_memory(f"{ROWS} rows pruned on {shop.database.engine.dialect.name}"):
        await relay.Relay(shop.database).pass_all()
    assert got == [new.id]
    assert await recorded(shop.database) == []
    assert await count(shop.database, tables.delivery) == 0


async def test_backlog_is_passed_on(shop) -> None:
    keys: dict[int, int] = {}

    class Counting(Transport):
        """A broker that takes note of the keys."""

        def __init__(self) -> None:
            super().__init__(self)

        async def connect(self) -> None: ...

        async def stop(self) -> None: ...

        async def publish(self, events) -> None:
            for each in events:
                number = int(each.key)
                assert number > keys.get(each.lane, -1)  # in order
                keys[each.lane] = number

    await fill_outbox(shop, PASSED)
    running = relay.Relay(shop.database)
    running.transport = Counting()
    with bounded_memory(f"{PASSED} rows passed on from {shop.database.engine.dialect.name}"):
        assert await running.pass_all() == PASSED
    assert await count(shop.database, tables.outbox) == 0


async def plan_of(connection, statement, values) -> str:
    """Return PostgreSQL's plan of a statement."""
    compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    parameters = compiled.construct_params(values)
    asyncpg = (await connection.get_raw_connection()).driver_connection
    found = await asyncpg.fetch(f"EXPLAIN {compiled}", *[parameters[name] for name in compiled.positiontup])
    return "\n".join(line for (line,) in found)


@pytest.mark.parametrize("count", [1, 16])
async def test_young_tables_are_not_read_whole_to_note_an_event(postgresql, count) -> None:
    """PostgreSQL has no statistics of them: it must find each row by all of its key, and make no join."""
    values = {"name": "r", "at": 1.0, "silence": "1s", "probe": "1s"}
    for number in range(count):
        values |= {f"id_{number}": f"e.{number}", f"key_{number}": f"{number}"}
    async with shop_on(postgresql) as shop, shop.database.engine.connect() as connection:
        noting = await plan_of(connection, recording_statement("postgresql", count, True, True), values)
        inbox = tables.inbox.c
        here = (inbox.receiver == "r", inbox.event_id.in_(["e.1", "e.2"]))
        forgetting = await plan_of(connection, delete(tables.inbox).where(*here), {})
        wanted = and_(tables.outbox.c.sender == "s", tables.outbox.c.signal == "post_save")
        counting = Lanes(shop.database.engine, "r", wanted).select_counts
        reading = await plan_of(connection, counting, {"number": 1, "most": 10})
        of_broker = Lanes(shop.database.engine).select_counts
        passing = await plan_of(connection, of_broker, {"number": 1, "most": 10})
    assert "Join" not in noting
    assert "Join" not in reading, reading
    assert "Sort" not in reading, reading  # else all rows that wait are read for the first of them
    assert "(sender)::text = " in reading.partition("Index Cond: ")[2].partition("\n")[0], reading
    assert "ix_aldis_outbox_lane " in passing, passing
    assert "Sort" not in passing, passing
    assert "(dead_at IS NULL) AND (key = " in noting.replace("(key)::text", "key"), noting
    assert "Filter" not in forgetting, forgetting
