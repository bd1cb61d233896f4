"""Forged and malformed messages among real ones: each real one has its effect once, in order, and no lane stops.

A seed gives the same messages again. ``make soak-relay`` sends 100,000 of both through each broker, and through the
table of each kind of database. It says for how long a lane with a real event made no progress at most.
``ALDIS_TEST_FORGED`` sets the number, ``ALDIS_TEST_SEED`` the seed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import time
from collections import defaultdict, deque

import msgspec
import pytest
from shops import shop_on
from sqlalchemy import func, insert, select
from sqlalchemy.event import listens_for
from sqlalchemy.ext.asyncio import create_async_engine
from test_brokers import broker, receiving, until  # noqa: F401 - a fixture

from aldis import relay
from aldis.relay import tables
from aldis.relay.background import background
from aldis.relay.brokers import transport_to
from aldis.relay.event import LANES, lane_of
from aldis.relay.inbox import Inbox
from aldis.relay.receivers import Receiver
from aldis.signals import post_save, post_update
from new_databases import database_on

COUNT = int(os.environ.get("ALDIS_TEST_FORGED", "150"))
SEED = int(os.environ.get("ALDIS_TEST_SEED", "1"))
KEYS = 40
"""Keys of real events, and messages that are sent at once."""

TICK_SECONDS = 0.02

log = logging.getLogger("forged")

TEXTS = [
    "", " ", "x", "a" * 49, "a" * 5000, "a%00b", "%zz%", "%ED%A0%80", "a%0Ab", "nan", "-1", "16", "1" * 40, "1e9", "٣",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "aldis", "aldis.Evil.post_save", "aldis..post_save",
    "{}", "[]", "null", "' OR 1=1 --", "../../etc/passwd", "${jndi:ldap://x}", "dead", "*", ">", "#",
]  # fmt: skip

BODIES = [
    b"", b"null", b"[]", b"{}", b"{", b"\x80\x04pickle.", b"\xff\xfe", b"\0" * 100, b'{"instance":5}',
    b'{"instance":null}', b'{"instance":[]}', b'{"instance":{"id":NaN}}', b'{"instance":{"id":1e999}}',
    b'{"instance":{"id":"x","number":{}}}', b'{"instance":' + b"[" * 20_000,
    b'{"instance":{"id":' + b"9" * 5000 + b"}}", b'{"instance":{},"row_count":"x"}',
    b'{"instance":{"a":"\\ud800"}}', b'{"instance":{"a":"\xff"}}', b'"' + b"x" * 100_000 + b'"',
]  # fmt: skip


class Numbered(msgspec.Struct, frozen=True):
    id: int
    number: int


def forge(chance: random.Random, sender: str, prefix: str, types: bool) -> tuple[dict[str, object], bytes]:
    """Return the headers and the body of a message that is no event of ours, or one that nobody can read.

    Args:
        chance: Decides.
        sender: The sender of the real ones.
        prefix: The prefix of the headers with attributes.
        types: Headers may be other than texts.
    """
    lane = chance.randrange(16)
    attributes: dict[str, object] = {
        "specversion": "1.0",
        "id": f"forged{chance.getrandbits(60)}",
        "source": "forged",
        "type": f"aldis.{sender}.post_save",
        "subject": f"forged{chance.randrange(5)}",
        "time": "2026-01-01T00:00:00Z",
        "partitionkey": "7",
        "schemaversion": "1",
        "lane": str(lane),
    }
    odd: list[object] = [*TEXTS]
    if types:
        odd += [None, 5, -(2**40), 1.5, True, bytearray(b"\xff"), [1, "a"], {"a": 1}]
    for _ in range(chance.choice([0, 0, 1, 1, 2, 5])):
        name = chance.choice([*attributes, "more"])
        if chance.random() < 0.3:
            attributes.pop(name, None)
        else:
            attributes[name] = chance.choice(odd)
    headers: dict[str, object] = {f"{prefix}{name}": value for name, value in attributes.items()}
    for name in ("content-type", "correlation_id", "reply_to", "message_id", "traceparent"):
        if chance.random() < 0.1:
            headers[name] = chance.choice(odd)
    if chance.random() < 0.05:
        headers = {}
    body = chance.choice(BODIES)
    if chance.random() < 0.2:
        whole = bytearray(json.dumps({"instance": {"id": "a", "number": 1}, "row_count": 1}).encode())
        for _ in range(chance.randrange(1, 6)):
            whole[chance.randrange(len(whole))] = chance.randrange(256)
        body = bytes(whole)
    return headers, body


async def send_forged(transport, chance: random.Random, sender: str) -> None:
    """Send one past all that is ours, as a stranger would."""
    kind = transport.url[:4]
    headers, body = forge(chance, sender, transport.prefix, types=kind == "amqp")
    lane, client = chance.randrange(16), transport.broker._connection
    if kind == "nats":
        texts = {name: str(value) for name, value in headers.items()}
        await client.publish(f"aldis.{sender}.post_save.{lane}", body, headers=texts or None)
    elif kind == "redi":
        stream = f"aldis:{sender}:{lane}"
        if chance.random() < 0.3:
            fields = {chance.choice(["__data__", "x", ""]): chance.choice([b"", b"\x89BIN\r\n\x1a\n\x00", *BODIES])}
            await client.xadd(stream, fields)
        else:
            texts = {name: str(value) for name, value in headers.items()}
            await transport.broker.publish(body, stream=stream, headers=texts)
    else:
        import aio_pika

        message = aio_pika.Message(body, headers=headers)
        if chance.random() < 0.2:
            message.content_type = chance.choice(TEXTS[:10])[:255]
            message.reply_to = chance.choice(["nowhere", "amq.rabbitmq.reply-to.x", ""])
            message.correlation_id = chance.choice(TEXTS[:10])[:255]
        await transport.exchange.publish(message, f"{sender}.post_save.{lane}", mandatory=False)


async def arrived(numbers: dict[int, list[int]], count: int) -> None:
    """Wait until so many events have arrived; fail when none does for a minute."""
    found = sum(map(len, numbers.values()))
    while found < count:
        before = found
        await until(lambda: sum(map(len, numbers.values())) > before)  # noqa: B023 - awaited here
        found = sum(map(len, numbers.values()))


class Clock:
    """Tells the time without that in which the event loop got no processor: other processes may share the machine."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.lost = 0.0

    def now(self) -> float:
        return time.monotonic() - self.lost

    async def watch(self) -> None:
        """Count the lost time; runs until it is cancelled."""
        while True:
            begun, used = time.monotonic(), time.thread_time()
            await asyncio.sleep(TICK_SECONDS)
            late = time.monotonic() - begun - TICK_SECONDS
            if late > TICK_SECONDS:
                self.lost += max(late - (time.thread_time() - used), 0.0)


class Progress:
    """For how long a lane of a receiver with a real event that waited stood still at most, by the clock.

    A lane stands still while none of its events is settled: neither a real one has its effect, nor a forged one is put
    aside. A real event may wait for longer, in a lane that goes on: behind forged ones.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.waiting: dict[int, deque[float]] = {lane: deque() for lane in range(LANES)}
        self.latest = dict.fromkeys(range(LANES), 0.0)
        self.latest_real = dict.fromkeys(range(LANES), 0.0)
        self.longest = self.longest_real = 0.0

    def __str__(self) -> str:
        return f"{self.longest:.2f} s (and had no effect of a real event for {self.longest_real:.2f} s)"

    def begin(self) -> None:
        self.longest = self.longest_real = 0.0

    def sent(self, lane: int) -> None:
        self.waiting[lane].append(self.clock.now())

    def settled(self, lane: int) -> None:
        now = self.clock.now()
        if self.waiting[lane]:
            self.longest = max(self.longest, now - max(self.waiting[lane][0], self.latest[lane]))
        self.latest[lane] = now

    def received(self, lane: int) -> None:
        self.settled(lane)
        now = self.clock.now()
        self.longest_real = max(self.longest_real, now - max(self.waiting[lane].popleft(), self.latest_real[lane]))
        self.latest_real[lane] = now


@pytest.fixture
def progresses(name, monkeypatch) -> tuple[Progress, Progress]:
    """Return the progress of the receiver without a database, and of the one with a database.

    The first is told of what was tried until it had its effect or was buried, the second of what its inbox has settled.
    """
    clock = Clock()
    found = {f"{name}_plain": Progress(clock), f"{name}_stored": Progress(clock)}
    take_all, persevere = Inbox.take_all, Receiver.persevere

    async def watched_take_all(inbox, events):
        await take_all(inbox, events)
        for event in events:
            found[inbox.receiver.name].settled(event.lane)

    async def watched_persevere(receiver, event, bury):
        await persevere(receiver, event, bury)
        found[receiver.name].settled(event.lane)

    monkeypatch.setattr(Inbox, "take_all", watched_take_all)
    monkeypatch.setattr(Receiver, "persevere", watched_persevere)
    plain, stored = found.values()
    return plain, stored


@pytest.fixture
async def shop(postgresql, name):
    # The test is about order, not about the disk.
    options = {"server_settings": {"synchronous_commit": "off"}}
    async with shop_on(create_async_engine(postgresql, pool_size=LANES + 4, connect_args=options), name) as found:
        yield found


async def test_real_events_among_forged_ones_have_their_effect_once_and_in_order(
    shop, broker, name, caplog, progresses
) -> None:
    caplog.set_level(logging.CRITICAL, "aldis.relay")  # pytest would keep every message that is passed over
    sender = f"{name}_User"
    plain, stored = defaultdict(list), defaultdict(list)
    plain_progress, stored_progress = progresses
    clock = plain_progress.clock

    @relay.receiver(post_save, sender, name=f"{name}_plain", retries=0)
    async def hear(sender, instance: Numbered):
        plain[instance.id].append(instance.number)
        plain_progress.received(lane_of(instance.id))

    @relay.receiver(post_save, sender, name=f"{name}_stored", database=shop.database, retries=0)
    async def store(sender, instance: Numbered):
        await shop.Place.query.create(shelf=str(instance.id), number=instance.number, label="x")
        stored[instance.id].append(instance.number)
        stored_progress.received(lane_of(instance.id))

    chance, numbers = random.Random(SEED), dict.fromkeys(range(KEYS), 0)

    async def send_real(transport, keys):
        events = []
        for key in keys:
            number = numbers[key]
            numbers[key] += 1
            data = json.dumps({"instance": {"id": key, "number": number}, "row_count": 1}).encode()
            lane = lane_of(key)
            events.append(
                relay.Event(f"{name}{key}.{number}", sender, "post_save", str(key), 1, time.time(), data, lane)
            )
            plain_progress.sent(lane)
            stored_progress.sent(lane)
        await transport.publish(events)

    async with receiving(broker), background(clock.watch()):
        transport = transport_to(broker)
        async with transport.open():
            await send_real(transport, range(KEYS))
            await arrived(plain, KEYS)
            await arrived(stored, KEYS)  # every lane is read by now
            plain_progress.begin()
            stored_progress.begin()
            for first in range(0, COUNT, KEYS):
                for _ in range(min(KEYS, COUNT - first)):
                    await send_forged(transport, chance, sender)
                await send_real(transport, chance.sample(range(KEYS), min(KEYS, COUNT - first)))
                total = sum(numbers.values())
                await arrived(plain, total - 1000)
                await arrived(stored, total - 1000)
            await arrived(plain, total)
            await arrived(stored, total)
    expected = {key: list(range(count)) for key, count in numbers.items() if count}
    assert dict(stored) == expected
    assert dict(plain) == expected
    async with shop.database.engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(shop.Place.__table__)) == total
    log.warning(
        "%s: %d real events among %d forged ones, each once and in order; a lane stood still for %s at most "
        "without a database, for %s with one; other programs had the processor for %.0f of %.0f s",
        broker.partition(":")[0],
        total,
        COUNT,
        plain_progress,
        stored_progress,
        clock.lost,
        time.monotonic() - clock.begun,
    )


class Pointed(msgspec.Struct, frozen=True):
    id: int
    points: int


def forge_row(chance: random.Random, sender: str) -> dict[str, object]:
    """Return a row of the outbox that no aldis has written: whoever may write there may write anything.

    Args:
        chance: Decides.
        sender: The sender of the real ones.
    """
    row: dict[str, object] = {
        "lane": chance.randrange(LANES),
        "sender": sender,
        "signal": "post_update",
        "version": 1,
        "batch": f"{chance.getrandbits(100):x}",
        "count": 1,
        "keys": b'["forged"]',
        "payload": b'[{"id":"a","points":1}]',
        "rest": b"",
        "created_at": time.time(),
    }
    odd: dict[str, list[object]] = {
        "lane": [-1, -17, LANES, 32_767],
        "sender": [text[:200] for text in TEXTS],
        "signal": [text[:40] for text in TEXTS],
        "version": [0, -1, 2**31 - 1],
        "batch": [text[:32] for text in TEXTS],
        "count": [0, -1, 2**31 - 1],
        "keys": [*BODIES, b"[1,2]", b"[[]]", b"[null]", b'["a\\u0000b"]', b"[" + b"9" * 5000 + b"]"],
        "payload": [*BODIES, b"[null]", b"[1,2]", *[b"[" + body + b"]" for body in BODIES]],
        "rest": [*BODIES, b"}", b',"row_count":'],
        "created_at": [0.0, -1.0, 1e300],
    }
    for name in chance.sample([*odd], chance.choice([1, 1, 2, 5])):
        row[name] = chance.choice(odd[name])
    return row


@pytest.fixture(params=["sqlite", "asyncpg", "asyncmy"])
def engine(request, tmp_path):
    """Return the engine of a database of the test's own, of each kind."""
    if request.param != "sqlite":
        with database_on(request.param, with_force=request.param == "asyncpg") as url:
            yield create_async_engine(url)
        return
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/test.db")

    @listens_for(engine.sync_engine, "connect")
    def set_up(connection, record):
        connection.execute("PRAGMA journal_mode = WAL")  # as docs/operations.md has it
        connection.execute("PRAGMA synchronous = OFF")  # the test is about order, not about the disk

    yield engine


async def test_real_rows_of_the_table_among_forged_ones(engine, name, caplog, progresses) -> None:
    caplog.set_level(logging.CRITICAL)  # asyncmy logs what an INSERT has ignored
    chance, (plain_progress, stored_progress) = random.Random(SEED), progresses
    clock = plain_progress.clock
    plain, stored = defaultdict(list), defaultdict(list)
    async with shop_on(engine, name) as shop, background(clock.watch()):
        sender = f"{name}_User"

        @relay.receiver([post_save, post_update], sender, name=f"{name}_plain", retries=0)
        async def hear(sender, instance: Pointed):
            plain[instance.id].append(instance.points)
            plain_progress.received(lane_of(instance.id))

        @relay.receiver([post_save, post_update], sender, name=f"{name}_stored", database=shop.database, retries=0)
        async def store(sender, instance: Pointed):
            await shop.Place.query.create(shelf=str(instance.id), number=instance.points, label="x")
            stored[instance.id].append(instance.points)
            stored_progress.received(lane_of(instance.id))

        runner = relay.Relay(shop.database, poll=0.1)
        running = asyncio.create_task(runner.run())
        users = [shop.User(name="Ada", points=0) for _ in range(KEYS)]
        await shop.User.query.bulk_create(users)
        total = 0

        def sent(some) -> None:
            nonlocal total
            total += len(some)
            for user in some:
                plain_progress.sent(lane_of(user.id))
                stored_progress.sent(lane_of(user.id))

        sent(users)
        await arrived(plain, total)
        await arrived(stored, total)
        plain_progress.begin()
        stored_progress.begin()
        for first in range(0, COUNT, KEYS):
            count = min(KEYS, COUNT - first)
            async with shop.database.engine.begin() as connection:
                await connection.execute(insert(tables.outbox), [forge_row(chance, sender) for _ in range(count)])
            some = chance.sample(users, count)
            for user in some:
                user.points += 1
            await shop.User.query.bulk_update(some, ["points"])
            sent(some)
            await arrived(plain, total - 1000)
            await arrived(stored, total - 1000)
        await arrived(plain, total)
        await arrived(stored, total)
        runner.stop()
        await running
        expected = {user.id: list(range(user.points + 1)) for user in users}
        assert dict(stored) == expected
        assert dict(plain) == expected
        assert await shop.Place.query.count() == total
    caplog.set_level(logging.WARNING)
    log.warning(
        "%s: %d real events among %d forged rows of the table, each once and in order; a lane stood still for %s at "
        "most without a database, for %s with one; other programs had the processor for %.0f of %.0f s",
        engine.dialect.name,
        total,
        COUNT,
        plain_progress,
        stored_progress,
        clock.lost,
        time.monotonic() - clock.begun,
    )
