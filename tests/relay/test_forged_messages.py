"""Forged and malformed messages among real ones: each real one has its effect once, in order, and no lane stops.

A seed gives the same messages again. ``ALDIS_TEST_FORGED=100000`` sends as many of both, and says how long the slowest
real one was under way; ``ALDIS_TEST_SEED`` sets the seed.
"""

from __future__ import annotations

import json
import logging
import os
import random
import time
from collections import defaultdict

import msgspec
import pytest
from shops import shop_on
from sqlalchemy import func, select
from test_brokers import broker, receiving, until  # noqa: F401 - a fixture

from aldis import relay
from aldis.relay.brokers import transport_to
from aldis.relay.event import lane_of
from aldis.signals import post_save

COUNT = int(os.environ.get("ALDIS_TEST_FORGED", "150"))
SEED = int(os.environ.get("ALDIS_TEST_SEED", "1"))
KEYS = 40
AT_ONCE = 50

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


@pytest.fixture
async def shop(tmp_path, name):
    async with shop_on(f"sqlite+aiosqlite:///{tmp_path}/shop.db", name) as found:
        yield found


async def test_real_events_among_forged_ones_have_their_effect_once_and_in_order(shop, broker, name) -> None:
    sender = f"{name}_User"
    plain, stored, delays = defaultdict(list), defaultdict(list), []
    sent_at: dict[tuple[int, int], float] = {}

    @relay.receiver(post_save, sender, name=f"{name}_plain", retries=0)
    async def hear(sender, instance: Numbered):
        plain[instance.id].append(instance.number)
        delays.append(time.monotonic() - sent_at[instance.id, instance.number])

    @relay.receiver(post_save, sender, name=f"{name}_stored", database=shop.database, retries=0)
    async def store(sender, instance: Numbered):
        await shop.Place.query.create(shelf=str(instance.id), number=instance.number, label="x")
        stored[instance.id].append(instance.number)

    chance, numbers = random.Random(SEED), dict.fromkeys(range(KEYS), 0)
    async with receiving(broker):
        transport = transport_to(broker)
        async with transport.open():
            for first in range(0, COUNT, AT_ONCE):
                events = []
                for key in chance.sample(range(KEYS), min(KEYS, AT_ONCE, COUNT - first)):
                    number = numbers[key]
                    numbers[key] += 1
                    sent_at[key, number] = time.monotonic()
                    data = json.dumps({"instance": {"id": key, "number": number}, "row_count": 1}).encode()
                    event_id = f"{name}{key}.{number}"
                    events.append(
                        relay.Event(event_id, sender, "post_save", str(key), 1, time.time(), data, lane_of(key))
                    )
                for _ in range(AT_ONCE):
                    await send_forged(transport, chance, sender)
                await transport.publish(events)
                total = sum(numbers.values())
                await arrived(plain, total - 1000)
            await arrived(plain, total)
            await arrived(stored, total)
    expected = {key: list(range(count)) for key, count in numbers.items() if count}
    assert dict(stored) == expected
    assert dict(plain) == expected
    async with shop.database.engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(shop.Place.__table__)) == total
    log.info("%s: %d real events, the slowest under way for %.2f s", broker[:4], total, max(delays))
