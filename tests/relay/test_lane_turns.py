"""Lanes take turns, where the table is the queue: none waits for the backlog, or the slow receiver, of another."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest
from shops import shop_on
from sqlalchemy import insert, select, true

from aldis import relay
from aldis.relay import tables
from aldis.relay.event import LANES
from aldis.relay.inbox import Inbox
from aldis.relay.lanes import Lanes, LostLane
from aldis.signals import post_save

SECONDS = 30.0
"""Time enough, on a machine with other work. A lock of MariaDB's would be waited for longer: 50 seconds."""


def row(lane: int, number: int, count: int = 1) -> dict[str, object]:
    """Return a row of the outbox, whose events have keys of their own."""
    keys = [f"{lane}.{number}.{each}" for each in range(count)]
    return {
        "lane": lane,
        "sender": "User",
        "signal": "post_save",
        "version": 1,
        "batch": f"{lane}.{number}",
        "count": count,
        "keys": ("[" + ",".join(f'"{key}"' for key in keys) + "]").encode(),
        "payload": ("[" + ",".join('{"id":1}' for _ in keys) + "]").encode(),
        "rest": b"}",
        "created_at": time.time(),
    }


async def lanes_of_rows(shop) -> list[int]:
    async with shop.database.engine.connect() as connection:
        return list(await connection.scalars(select(tables.outbox.c.lane)))


async def record(shop, rows) -> None:
    async with shop.database.engine.begin() as connection:
        await connection.execute(insert(tables.outbox), rows)


@pytest.mark.parametrize(("rows", "count"), [(300, 1), (1, 300)], ids=["rows", "events of a row"])
async def test_lane_does_not_wait_for_the_backlog_of_others(shop, rows, count) -> None:
    heard = []

    @relay.receiver(post_save, "User", name="r", database=shop.database)
    async def receive(sender, key):
        heard.append(key)
        await asyncio.sleep(0.01)

    await record(shop, [row(lane, number, count) for lane in range(5) for number in range(rows)])
    await record(shop, [row(9, 0)])
    runner = relay.Relay(shop.database, poll=0.1)
    running = asyncio.create_task(runner.run())
    async with asyncio.timeout(SECONDS):
        while "9.0.0" not in heard:
            await asyncio.sleep(0.02)
    assert heard.index("9.0.0") < 300  # one lane's share of 1,500
    runner.stop()
    await running


async def test_events_of_a_row_that_is_passed_on_in_parts_come_once_and_in_order(shop) -> None:
    heard = []

    @relay.receiver(post_save, "User", name="r", database=shop.database)
    async def receive(sender, event_id):
        heard.append(event_id)
        await asyncio.sleep(0.01)

    await record(shop, [row(lane, number, 40) for lane in range(5) for number in range(2)])
    runner = relay.Relay(shop.database, poll=0.1)
    running = asyncio.create_task(runner.run())
    async with asyncio.timeout(60):
        while len(heard) < 400:
            await asyncio.sleep(0.02)
    runner.stop()
    await running
    for lane in range(5):
        own = [each for each in heard if each.startswith(f"{lane}.")]
        assert len(own) == len(set(own)) == 80
    assert await relay.Relay(shop.database).pass_all() == 0


async def test_receivers_that_hang_do_not_hold_up_other_lanes(postgresql) -> None:
    heard, hung, hanging = [], [], asyncio.Event()

    async with shop_on(postgresql) as shop:
        shop.database.engine.pool._max_overflow = 30

        @relay.receiver(post_save, "User", name="r", database=shop.database)
        async def receive(sender, key):
            if key.endswith(".0.0"):
                hung.append(key)
                await hanging.wait()
            heard.append(key)

        runner = relay.Relay(shop.database, poll=0.1, stop_timeout=0.1)
        running = asyncio.create_task(runner.run())
        for lane in range(6):
            await record(shop, [row(lane, 0)])
            async with asyncio.timeout(SECONDS):
                while len(hung) <= lane:  # those that come at once may share a transaction
                    await asyncio.sleep(0.02)
        await record(shop, [row(lane, 1) for lane in range(6, LANES)])
        async with asyncio.timeout(SECONDS):
            while len(heard) < LANES - 6:
                await asyncio.sleep(0.02)
        runner.stop()
        await running


async def test_event_can_be_parked_while_the_receiver_hangs_at_others(shop) -> None:
    if shop.database.engine.dialect.name == "sqlite":
        pytest.skip("a receiver that hangs has the lock of the file")
    hangs = 0

    @relay.receiver(post_save, "User", name="r", database=shop.database, retries=0)
    async def receive(sender, key):
        nonlocal hangs
        if key == "hangs":
            hangs += 1
            await asyncio.sleep(3600)
        if key == "fails":
            raise LookupError

    def event(number: int, key: str) -> relay.Event:
        return relay.Event(f"e.{number}", "User", "post_save", key, 1, 0.0, b'{"instance":{"id":1}}', number)

    inbox = Inbox(relay.RECEIVERS["r"], shop.database)
    stuck = []
    for number in range(2):
        stuck.append(asyncio.create_task(inbox.take(event(number, "hangs"))))
        async with asyncio.timeout(SECONDS):
            while hangs <= number:
                await asyncio.sleep(0.02)
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(inbox.take(event(2, "fails")), inbox.take(event(3, "good")))
    assert [each.key for each in await relay.dead_letters(shop.database)] == ["fails"]
    await inbox.close()
    for task in stuck:
        with suppress(asyncio.CancelledError):
            await task


async def test_row_that_two_receivers_take_out_of_its_lane_stays_out(shop) -> None:
    await record(shop, [row(3, 0)])
    one, other = (Lanes(shop.database.engine, name, true()) for name in ("one", "other"))
    await one.prepare()
    await other.prepare()
    async with other.claimed(3) as claim:
        rows, _ = await claim.read()
        async with one.claimed(3) as first:
            assert [each.id for each in (await first.read())[0]] == [each.id for each in rows]
            await first.end_turn([], [each.id for each in rows], is_last=True)
        await claim.end_turn([], [each.id for each in rows], is_last=True)
    assert await lanes_of_rows(shop) == [-4]


async def test_lane_is_free_after_its_last_turn(shop) -> None:
    await record(shop, [row(3, 0)])
    one, other = (Lanes(shop.database.engine, "one", true()) for _ in range(2))
    await one.prepare()
    async with one.claimed(3) as claim:
        async with other.claimed(3) as taken:
            assert taken is None
        rows, is_all = await claim.read()
        assert is_all
        await claim.end_turn([each.id for each in rows], [], is_last=True)
        if one.locks:
            return  # a transaction holds the lock, until the block ends
        with pytest.raises(LostLane):  # as a renewal that comes too late
            async with claim.open():
                pass
        async with other.claimed(3) as taken:
            assert taken is not None, "the lease was not given back with the last turn"
