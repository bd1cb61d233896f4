"""Events that a database refuses, and clocks that jump: no lane stops, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.event import listens_for
from sqlalchemy.ext.asyncio import create_async_engine

from aldis import relay
from aldis.relay import tables
from aldis.relay.brokers.transport import Transport
from aldis.relay.inbox import Inbox
from aldis.signals import post_save


class Pointed(msgspec.Struct):
    id: int


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
    async with asyncio.timeout(60):
        await inbox.take(event(0, "a\0b"))
        await inbox.take(event(0, "a\0b"))
        await inbox.take(event(1, "c"))
    assert got == ["a\0b", "c"]


async def test_error_with_a_nul_and_line_breaks_can_be_noted(shop) -> None:
    def receive(sender, key):
        raise LookupError("a\0b\nCRITICAL forged")

    inbox = inbox_of(shop, receive, retries=0)
    async with asyncio.timeout(60):
        await inbox.take(event())
    (letter,) = await relay.dead_letters(shop.database)
    assert letter.error == r"LookupError: a\x00b\nCRITICAL forged"


async def test_event_that_the_database_refuses_is_passed_over_and_the_next_one_comes(shop, caplog, monkeypatch) -> None:
    monkeypatch.setattr("aldis.relay.inbox.PAUSE_SECONDS", 1000.0)  # of a database that serves nobody
    got = []

    def receive(sender, key):
        got.append(key)

    inbox = inbox_of(shop, receive)
    record, row = inbox.effects.record, inbox.effects.row

    async def refusing(connection, events, is_guarded=True):
        if any(each.id == "refused" for each in events):
            await connection.execute(insert(tables.parked), {"receiver": "r"})  # lacks what may not be NULL
        return await record(connection, events, is_guarded)

    inbox.effects.record = refusing
    inbox.effects.row = lambda event, *rest: {**row(event, *rest), "event": object()}  # it cannot be parked either
    async with asyncio.timeout(60):
        await asyncio.gather(*[inbox.take(each) for each in (event(1, "1"), event(2, "2", "refused"), event(3, "3"))])
        await inbox.take(event(4, "2"))
    assert sorted(got) == ["1", "2", "3"]
    assert "r passes over event refused, which the database refuses: IntegrityError: " in caplog.text or (
        "r passes over event refused, which the database refuses: OperationalError: " in caplog.text
    )
    assert "INSERT INTO" not in caplog.text  # neither the statement nor its values


async def parked_events(shop) -> list[tuple[str, int, bool]]:
    return [(row.event_id, row.attempts, row.dead_at is not None) for row in await parked_rows(shop)]


async def test_later_events_of_a_key_that_has_failed_in_the_same_transaction_are_parked_behind_it(shop) -> None:
    got, fails = [], True

    def receive(sender, event_id):
        if event_id == "e.1" and fails:
            raise LookupError
        got.append(event_id)

    inbox = inbox_of(shop, receive, backoff=0.0)
    events = [event(0, "a"), event(1, "b"), event(2, "a"), event(3, "b"), event(4, "c"), event(3, "b")]
    async with asyncio.timeout(60):
        await inbox.take_all(events)
        assert got == ["e.0", "e.2", "e.4"]
        assert await parked_events(shop) == [("e.1", 1, False), ("e.3", 0, False)]
        await inbox.take_all(events)  # they come again, as after a crash
        assert got == ["e.0", "e.2", "e.4"]
        fails = False
        while await inbox.effects.retry_one():
            pass
    assert got == ["e.0", "e.2", "e.4", "e.1", "e.3"]
    assert await parked_events(shop) == []


async def test_dead_event_holds_up_no_later_one_of_its_key_in_the_same_transaction(shop) -> None:
    got = []

    def receive(sender, event_id, instance: Pointed):
        got.append(event_id)

    inbox = inbox_of(shop, receive)
    unreadable = relay.Event("e.1", "User", "post_save", "a", 1, 0.0, b'{"instance":{"id":"x"}}', 7)
    async with asyncio.timeout(60):
        await inbox.take_all([event(0, "a"), unreadable, event(2, "a"), unreadable])
    assert got == ["e.0", "e.2"]
    assert await parked_events(shop) == [("e.1", 1, True)]


async def test_events_of_a_lane_share_a_transaction_unless_the_receiver_is_slow(shop) -> None:
    commits = 0

    @listens_for(shop.database.engine.sync_engine, "commit")
    def count(connection):
        nonlocal commits
        commits += 1

    inbox = inbox_of(shop, lambda sender: None)
    await inbox.take_all([event(number, "a") for number in range(10)])
    assert commits == (1 if shop.database.engine.dialect.insert_returning else 10)
    inbox.effects.call_seconds, before = 1.0, commits
    await inbox.take_all([event(number, "a") for number in range(10, 20)])
    assert commits - before == 10


async def test_event_that_is_locked_elsewhere_is_waited_for(shop, url, caplog, monkeypatch) -> None:
    """A lock is somebody else's fault: however often the wait for it ends in an error, the event is not given up."""
    monkeypatch.setattr("aldis.relay.inbox.PAUSE_SECONDS", 0.05)
    monkeypatch.setattr("aldis.relay.inbox.REFUSALS", 1)
    limits = {
        "postgresql": "SET lock_timeout = '100ms'",
        "mysql": "SET innodb_lock_wait_timeout = 1",
        "mariadb": "SET innodb_lock_wait_timeout = 1",
    }
    engine = shop.database.engine
    if (limit := limits.get(engine.dialect.name)) is None:
        pytest.skip("SQLite locks its file, not a row")

    @listens_for(engine.sync_engine, "begin")
    def wait_briefly(connection):
        connection.exec_driver_sql(limit)

    got = []

    def receive(sender, key):
        got.append(key)

    inbox = inbox_of(shop, receive)
    other = create_async_engine(url)
    async with other.connect() as holder:
        await inbox.effects.record(holder, [event()])
        taking = asyncio.create_task(inbox.take(event()))
        async with asyncio.timeout(120):
            while caplog.text.count("it is tried again") < 2:
                await asyncio.sleep(0.02)
        assert (taking.done(), got) == (False, [])
        await holder.rollback()
        async with asyncio.timeout(120):
            await taking
    await other.dispose()
    assert got == ["7"]


async def test_event_whose_commit_is_refused_has_failed_and_is_tried_again(shop) -> None:
    """A constraint that is deferred fails at the COMMIT, when the receiver has returned."""
    if shop.database.engine.dialect.name != "postgresql":
        pytest.skip("PostgreSQL alone defers a unique constraint")
    async with shop.database.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE once (number INT UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
    calls = []

    async def receive(sender, key):
        calls.append(key)
        async with shop.database.transaction() as connection:
            for _ in range(2 if len(calls) == 1 else 1):
                await connection.execute(text("INSERT INTO once VALUES (1)"))

    inbox = inbox_of(shop, receive, retries=1, backoff=0)
    async with asyncio.timeout(60):
        await inbox.take(event())
        assert await inbox.effects.retry_one()
    async with shop.database.engine.connect() as connection:
        numbers = list(await connection.scalars(text("SELECT number FROM once")))
        parked = await connection.scalar(select(func.count()).select_from(tables.parked))
    assert (calls, numbers, parked) == (["7", "7"], [1], 0)


async def test_event_is_not_repeated_for_an_error_after_its_commit(shop, caplog) -> None:
    calls = []

    async def receive(sender, key):
        calls.append(key)
        await shop.User.query.create(name="Ada")

    async def fail(sender, model_instance):
        raise LookupError("too late")

    shop.signals.post_save.connect(fail, shop.User, after_commit=True)
    inbox = inbox_of(shop, receive, retries=1, backoff=0)
    async with asyncio.timeout(60):
        await inbox.take(event())
        assert not await inbox.effects.retry_one()
    assert (calls, await shop.User.query.count()) == (["7"], 1)
    assert "too late" in caplog.text


@pytest.mark.parametrize("table", [tables.inbox, tables.parked], ids=str)
async def test_event_waits_for_a_database_that_serves_nobody(shop, caplog, monkeypatch, table) -> None:
    monkeypatch.setattr("aldis.relay.inbox.PAUSE_SECONDS", 0.05)
    got = []

    def receive(sender, key):
        got.append(key)

    inbox = inbox_of(shop, receive)
    async with shop.database.engine.begin() as connection:
        await connection.run_sync(table.drop)
    taking = asyncio.create_task(inbox.take(event()))
    async with asyncio.timeout(120):
        while caplog.text.count("it is tried again") < 8:
            await asyncio.sleep(0.02)
    assert not taking.done()
    async with shop.database.engine.begin() as connection:
        await connection.run_sync(table.create)
    async with asyncio.timeout(60):
        await taking
    assert got == ["7"]


async def test_parked_events_that_cannot_be_read_are_looked_at_at_growing_pauses(shop, caplog, monkeypatch) -> None:
    monkeypatch.setattr("aldis.relay.inbox.PAUSE_SECONDS", 0.02)
    inbox = inbox_of(shop, lambda sender: None)
    async with shop.database.engine.begin() as connection:
        await connection.run_sync(tables.parked.drop)
    begun, looking = time.monotonic(), asyncio.create_task(inbox.retry())
    async with asyncio.timeout(60):
        while caplog.text.count("r cannot look at its parked events") < 6:
            await asyncio.sleep(0.01)
    assert time.monotonic() - begun > 0.02 * (2 + 4 + 8 + 16 + 32)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    async with shop.database.engine.begin() as connection:
        await connection.run_sync(tables.parked.create)


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
    async with asyncio.timeout(60):
        while await inbox.effects.retry_one():
            pass
    assert got == ["2"]
    (row,) = await parked_rows(shop)
    assert (row.event_id, row.attempts) == ("e.1", 3)
    assert row.dead_at is not None


async def parked_rows(shop):
    async with shop.database.engine.connect() as connection:
        return (await connection.execute(select(tables.parked))).all()


async def test_row_that_can_never_be_passed_on_does_not_hold_up_its_lane(shop, caplog) -> None:
    class TooLargeError(Exception):
        pass

    class Small(Transport):
        """A broker that takes some events only."""

        refusals = (TooLargeError,)

        async def connect(self) -> None: ...

        async def stop(self) -> None: ...

        async def publish(self, events) -> None:
            if any(b"xxx" in each.data for each in events):
                raise TooLargeError
            got.extend(each.key for each in events)

    got: list[str] = []
    first = await shop.User.query.create(id=16, name="Ada")
    async with shop.database.engine.begin() as connection:
        await connection.execute(update(tables.outbox).values(payload=b"{"))
    await shop.User.query.bulk_create([{"id": 32, "name": "Bob"}, {"id": 48, "name": "xxx"}])
    await shop.User.query.create(id=64, name="Eve")
    running = relay.Relay(shop.database)
    running.transport = Small(None)
    running.transport.broker = running.transport
    await running.pass_all()
    assert got == ["32", "64"]
    assert "row 1 of the outbox is set aside: UnsendableError: its keys or its events cannot be read" in caplog.text
    assert "set aside: UnsendableError: the broker does not take event " in caplog.text
    assert await relay.status(shop.database) == relay.Status(waiting=0, age=0.0, aside=0, dead=3, receivers={})
    Small.refusals = ()
    async with shop.database.engine.begin() as connection:
        await connection.execute(update(tables.outbox).where(tables.outbox.c.id > 1).values(payload=b"[{},{}]"))
        await connection.execute(delete(tables.outbox).where(tables.outbox.c.id == 1))
    await relay.retry(shop.database)
    await running.pass_all()
    assert got == ["32", "64", "32", "48"]
    assert first.id == 16
