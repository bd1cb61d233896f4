"""Events that a database refuses, and clocks that jump: no lane stops, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import time

from shops import recorded
from sqlalchemy import func, insert, select, update

from aldis import relay
from aldis.relay import tables
from aldis.relay.inbox import Inbox
from aldis.signals import post_save


def event(number: int = 0, key: str = "7", event_id: str | None = None) -> relay.Event:
    return relay.Event(event_id or f"e.{number}", "User", "post_save", key, 1, 0.0, b'{"instance":{"id":7}}', 7)


def inbox_of(shop, function, **options) -> Inbox:
    relay.receiver(post_save, "User", name="r", database=shop.database, **options)(function)
    return Inbox(relay.RECEIVERS["r"], shop.database)


async def test_key_with_a_nul_has_its_effect(shop) -> None:
    got = []

    def receive(sender, key):
        got.append(key)

    inbox = inbox_of(shop, receive)
    async with asyncio.timeout(5):
        await inbox.take(event(0, "a\0b"))
        await inbox.take(event(0, "a\0b"))
        await inbox.take(event(1, "c"))
    assert got == ["a\0b", "c"]


async def test_error_with_a_nul_and_line_breaks_can_be_noted(shop) -> None:
    def receive(sender, key):
        raise LookupError("a\0b\nCRITICAL forged")

    inbox = inbox_of(shop, receive, retries=0)
    async with asyncio.timeout(5):
        await inbox.take(event())
    (letter,) = await relay.dead_letters(shop.database)
    assert letter.error == r"LookupError: a\x00b\nCRITICAL forged"


async def test_event_that_the_database_refuses_is_passed_over_and_the_next_one_comes(shop, caplog) -> None:
    got = []

    def receive(sender, key):
        got.append(key)

    inbox = inbox_of(shop, receive)
    record = inbox.record

    async def refusing(connection, events, is_guarded=True):
        if any(each.id == "refused" for each in events):
            await connection.execute(insert(tables.parked), {"receiver": "r"})  # lacks what may not be NULL
        return await record(connection, events, is_guarded)

    inbox.record = refusing
    begun = time.monotonic()
    async with asyncio.timeout(10):
        await asyncio.gather(*[inbox.take(each) for each in (event(1, "1"), event(2, "2", "refused"), event(3, "3"))])
        await inbox.take(event(4, "2"))
    assert time.monotonic() - begun < 3
    assert sorted(got) == ["1", "2", "3"]
    assert "r passes over event refused, which the database refuses: IntegrityError: " in caplog.text or (
        "r passes over event refused, which the database refuses: OperationalError: " in caplog.text
    )
    assert "INSERT INTO" not in caplog.text  # neither the statement nor its values


async def test_event_waits_for_a_database_that_serves_nobody(shop, caplog, monkeypatch) -> None:
    monkeypatch.setattr("aldis.relay.inbox.PAUSE_SECONDS", 0.05)
    got = []

    def receive(sender, key):
        got.append(key)

    inbox = inbox_of(shop, receive)
    async with shop.database.engine.begin() as connection:
        await connection.run_sync(tables.inbox.drop)
    taking = asyncio.create_task(inbox.take(event()))
    async with asyncio.timeout(20):
        while caplog.text.count("it is tried again") < 8:
            await asyncio.sleep(0.02)
    assert not taking.done()
    async with shop.database.engine.begin() as connection:
        await connection.run_sync(tables.inbox.create)
    async with asyncio.timeout(10):
        await taking
    assert got == ["7"]


async def test_clock_that_goes_back_holds_up_no_lane_and_no_retry(shop) -> None:
    got, fails = [], [True]

    @relay.receiver(post_save, "User", name="r", database=shop.database, retries=9, backoff=0.05)
    async def receive(sender, instance):
        if fails[0]:
            raise LookupError
        got.append(instance.id)

    first = await shop.User.query.create(name="Ada")
    await relay.Relay(shop.database).pass_all()
    ahead = time.time() + 3600  # the clock was an hour ahead when a relay that is gone did all this
    async with shop.database.engine.begin() as connection:
        await connection.execute(update(tables.parked).values(next_at=ahead))
        await connection.execute(update(tables.lane).values(owner="gone", until=ahead + 10))
    fails[0] = False
    second = await shop.User.query.create(name="Bob")
    assert await relay.Relay(shop.database).pass_all() == 1
    assert sorted(got) == [first.id, second.id]


async def test_backlog_that_becomes_free_at_once_is_pruned(shop) -> None:
    got = []

    @relay.receiver(post_save, "User", name="r", database=shop.database)
    async def receive(sender, instance):
        got.append(instance.id)

    rows = 35_000
    row = {"sender": "User", "signal": "post_save", "version": 1, "count": 1, "keys": b"[1]", "payload": b"[{}]"}
    row.update(rest=b"", created_at=time.time())
    async with shop.database.engine.begin() as connection:
        for first in range(0, rows, 1000):
            numbers = range(first, first + 1000)
            await connection.execute(
                insert(tables.outbox), [{**row, "lane": each % 16, "batch": f"{each:032x}"} for each in numbers]
            )
        ids = list(await connection.scalars(select(tables.outbox.c.id)))
        for first in range(0, rows, 1000):
            some = ids[first : first + 1000]
            await connection.execute(insert(tables.delivery), [{"receiver": "r", "outbox_id": each} for each in some])
        for each in ("r", "gone"):
            await connection.execute(insert(tables.receiver), {"name": each, "sender": "User", "signals": "post_save"})
    new = await shop.User.query.create(name="Ada")
    await relay.Relay(shop.database).pass_all()
    async with shop.database.engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(tables.outbox)) == rows + 1
    await relay.forget(shop.database, "gone")
    await relay.Relay(shop.database).pass_all()
    assert got == [new.id]
    assert await recorded(shop.database) == []
    async with shop.database.engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(tables.delivery)) == 0


async def test_receivers_and_senders_whose_names_differ_in_case_have_their_own_events(shop) -> None:
    got = []
    for name, sender in (("mail", "User"), ("Mail", "User"), ("mäil", "User"), ("other", "user")):

        def receive(sender, instance, name=name):
            got.append((name, sender))

        relay.receiver(post_save, sender, name=name, database=shop.database)(receive)
    await shop.User.query.create(name="Ada")
    await relay.Relay(shop.database).pass_all()
    assert sorted(got) == [("Mail", "User"), ("mail", "User"), ("mäil", "User")]


async def test_parked_event_that_cannot_be_read_does_not_hold_up_the_others(shop) -> None:
    got, fails = [], [True]

    def receive(sender, key):
        if fails[0]:
            raise LookupError
        got.append(key)

    inbox = inbox_of(shop, receive, retries=2, backoff=0)
    await inbox.take(event(1, "1"))
    await inbox.take(event(2, "2"))
    fails[0] = False
    async with shop.database.engine.begin() as connection:
        here = tables.parked.c.event_id == "e.1"
        await connection.execute(update(tables.parked).where(here).values(event=b"\xc1", next_at=0.0))
    async with asyncio.timeout(10):
        while await inbox.retry_one():
            pass
    assert got == ["2"]
    (row,) = await parked_rows(shop)
    assert (row.event_id, row.attempts) == ("e.1", 3)
    assert row.dead_at is not None


async def parked_rows(shop):
    async with shop.database.engine.connect() as connection:
        return (await connection.execute(select(tables.parked))).all()
