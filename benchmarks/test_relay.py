"""The costs of the relay: on the saving side, and against a bare publisher of FastStream's to the same broker.

Who is compared takes turns, lap by lap, and the fastest lap of each counts.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import perf_counter, process_time

import pytest
from faststream import AckPolicy, Header
from faststream.nats import JStream
from faststream.rabbit import ExchangeType, RabbitExchange, RabbitQueue
from faststream.redis import StreamSub
from sqlalchemy import func, make_url, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis import relay
from aldis.relay.brokers import transport_to
from aldis.relay.relay import WINDOW
from aldis.relay.tables import inbox, insert_if_new
from aldis.signals import post_save

POSTGRESQL = make_url(os.environ.get("ALDIS_TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/test")).set(
    drivername="postgresql+asyncpg"
)
BROKERS = {
    "NATS JetStream": os.environ.get("ALDIS_TEST_NATS_URL", "nats://127.0.0.1:4222"),
    "RabbitMQ": os.environ.get("ALDIS_TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672"),
    "Redis Streams": os.environ.get("ALDIS_TEST_REDIS_URL", "redis://127.0.0.1:6379"),
}
ROWS = 100_000
EVENTS = 20_000
EVENTS_END_TO_END = 5_000
WARM_SECONDS = 2.0
"""Until the receivers have all their lanes."""
BODY = b'{"instance":{"id":12345,"name":"name 12345","email":"a@example.org","age":12345},"is_update":false}'


def models() -> tuple[type, type, type]:
    """Return a base with two models alike, of which the second is forwarded."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(POSTGRESQL, pool_size=relay.LANES + 4)

    class Columns:
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        email: Mapped[str]
        age: Mapped[int]

    plain, forwarded = (
        type(called, (Columns, Base), {"__tablename__": f"relay_{called}_{uuid.uuid4().hex[:6]}".lower()})
        for called in ("Plain", "Forwarded")
    )
    relay.forward(post_save, forwarded, name=forwarded.__tablename__)
    return Base, plain, forwarded


async def emptied(base: type) -> None:
    """Empty the tables, and let PostgreSQL write out its dirty pages."""
    async with base.database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f"TRUNCATE {', '.join(base.metadata.tables)}"))
        await connection.execute(text("CHECKPOINT"))


async def save(model: type, count: int) -> float:
    """Save rows; return the seconds that it took."""
    rows = [model(name=f"name {number}", email="a@example.org", age=number) for number in range(count)]
    gc.collect()
    began = perf_counter()
    await model.query.bulk_create(rows)
    return perf_counter() - began


def keep(benchmark, **figures: object) -> None:
    benchmark.group = "relay (the time says nothing)"
    benchmark.extra_info.update(figures)
    benchmark.pedantic(lambda: None, rounds=1)


async def made(base: type) -> None:
    async with base.database.engine.begin() as connection:
        await connection.run_sync(base.metadata.create_all)


async def dropped(base: type) -> None:
    async with base.database.engine.begin() as connection:
        await connection.run_sync(base.metadata.drop_all)
    await base.database.dispose()


def test_saving_side(benchmark) -> None:
    base, *both = models()
    took: dict[type, list[float]] = {each: [] for each in both}
    with asyncio.Runner() as runner:
        runner.run(made(base))
        try:
            for lap in range(9):
                for model in both[:: 1 if lap % 2 else -1]:
                    took[model].append(runner.run(save(model, ROWS)) * 1e6 / ROWS)
                    runner.run(emptied(base))
        finally:
            runner.run(dropped(base))
    plain, forwarded = (min(took[each]) for each in both)
    keep(benchmark, kind="saving", plain=plain, forwarded=forwarded)


def publisher(way, name: str):
    """Return a function that publishes one message with FastStream alone, and awaits the confirmation."""

    async def publish(number: int, headers: dict[str, str] | None = None) -> None:
        lane = number % relay.LANES
        if way.url.startswith("nats"):
            await way.broker.publish(BODY, f"aldis.{name}.bare.{lane}", headers=headers, stream="aldis")
        elif way.url.startswith("redis"):
            await way.broker.publish(BODY, stream=f"aldis:{name}:{lane}", headers=headers)
        else:
            key = f"{name}.bare.{lane}"
            await way.broker.publish(BODY, exchange="aldis", routing_key=key, persist=True, headers=headers)

    return publish


async def bare(url: str, abreast: int, count: int) -> tuple[float, float]:
    """Publish with FastStream alone, so many at once; return events a second, and microseconds of CPU an event."""
    way = transport_to(url)
    publish = publisher(way, uuid.uuid4().hex[:8])

    async with way.open():
        gc.collect()
        began, cpu = perf_counter(), process_time()
        for first in range(0, count, abreast):
            await asyncio.gather(*[publish(number) for number in range(first, min(first + abreast, count))])
        return count / (perf_counter() - began), (process_time() - cpu) * 1e6 / count


async def relayed(base: type, model: type, url: str) -> tuple[float, float]:
    """Pass on the saved events, the reading of the outbox included; return the same figures as :func:`bare`."""
    await save(model, EVENTS)
    runner = relay.Relay(base.database, url)
    gc.collect()
    began, cpu = perf_counter(), process_time()
    assert await runner.pass_all() == EVENTS
    return EVENTS / (perf_counter() - began), (process_time() - cpu) * 1e6 / EVENTS


@pytest.mark.parametrize("name", BROKERS)
def test_throughput(benchmark, name) -> None:
    url = BROKERS[name]
    base, _, model = models()
    figures: dict[str, list[tuple[float, float]]] = {"bare": [], "one by one": [], "relay": []}
    with asyncio.Runner() as runner:
        runner.run(made(base))
        try:
            for _ in range(3):
                figures["bare"].append(runner.run(bare(url, WINDOW, EVENTS)))
                figures["relay"].append(runner.run(relayed(base, model, url)))
                figures["one by one"].append(runner.run(bare(url, 1, EVENTS // 5)))
        finally:
            runner.run(dropped(base))
    rates = {each: max(rate for rate, _ in laps) for each, laps in figures.items()}
    cpu = {f"{each} cpu": min(cpu for _, cpu in laps) for each, laps in figures.items()}
    keep(benchmark, kind="throughput", broker=name, **rates, **cpu)


@asynccontextmanager
async def without_traces(url: str, name: str) -> AsyncIterator[None]:
    """Delete the consumers, queues and streams that a block has made, by the sender's and the receiver's name."""
    try:
        yield
    finally:
        way = transport_to(url)
        async with way.open():
            client = way.broker._connection
            for lane in range(relay.LANES):
                with suppress(Exception):
                    if url.startswith("nats"):
                        await client.jetstream().delete_consumer("aldis", f"{name}_{lane}")
                    elif url.startswith("redis"):
                        await client.delete(f"aldis:{name}:{lane}")
                    else:
                        await (await client.channel()).queue_delete(f"aldis.{name}.{lane}")
            if url.startswith("nats"):
                await client.jetstream().purge_stream("aldis", subject=f"aldis.{name}.>")


def subscribe(way, name: str, handle) -> None:
    """Let FastStream alone call a function with the messages: as many subscribers as aldis has lanes."""
    for lane in range(relay.LANES):
        if way.url.startswith("nats"):
            options = {"queue": f"{name}_{lane}", "stream": JStream("aldis", declare=False)}
            subscriber = way.broker.subscriber(
                f"aldis.{name}.bare.{lane}", **options, ack_policy=AckPolicy.NACK_ON_ERROR
            )
        elif way.url.startswith("redis"):
            stream = StreamSub(f"aldis:{name}:{lane}", group=name, consumer=name, polling_interval=1000)
            subscriber = way.broker.subscriber(stream=stream, ack_policy=AckPolicy.NACK_ON_ERROR)
        else:
            queue = RabbitQueue(f"aldis.{name}.{lane}", durable=True, routing_key=f"{name}.bare.{lane}")
            exchange = RabbitExchange("aldis", type=ExchangeType.TOPIC, durable=True)
            subscriber = way.broker.subscriber(queue, exchange, ack_policy=AckPolicy.NACK_ON_ERROR)
        subscriber(handle)


async def until_noted(base: type, name: str) -> None:
    """Wait until the inbox has all events of a receiver."""
    noted = select(func.count()).where(inbox.c.receiver == name)
    while True:
        async with base.database.engine.connect() as connection:
            if await connection.scalar(noted) == EVENTS_END_TO_END:
                return
        await asyncio.sleep(0.01)


async def bare_end_to_end(base: type, url: str) -> tuple[float, float]:
    """Publish and subscribe with FastStream alone; each message's INSERT into the inbox is committed, then confirmed.

    Returns:
        Events a second, and microseconds of CPU an event.
    """
    way, name, done = transport_to(url), f"bare{uuid.uuid4().hex[:8]}", asyncio.Event()
    publish, statement, calls = publisher(way, name), insert_if_new(inbox, "postgresql"), 0

    async def take(body: dict[str, object], event_id: str = Header("event-id")) -> None:
        nonlocal calls
        row = {"receiver": name, "event_id": event_id, "received_at": time.time()}
        async with base.database.engine.begin() as connection:
            await connection.execute(statement, row)
        calls += 1
        if calls == EVENTS_END_TO_END:
            done.set()

    async with without_traces(url, name), way.open():
        subscribe(way, name, take)
        await way.broker.start()
        gc.collect()
        began, cpu = perf_counter(), process_time()
        for first in range(0, EVENTS_END_TO_END, WINDOW):
            numbers = range(first, min(first + WINDOW, EVENTS_END_TO_END))
            await asyncio.gather(*[publish(number, {"event-id": f"{name}.{number}"}) for number in numbers])
        await done.wait()
        await until_noted(base, name)
        return figures_since(began, cpu)


async def end_to_end(base: type, model: type, url: str) -> tuple[float, float]:
    """Save rows, and wait until the receiver's transactions are committed; return as :func:`bare_end_to_end`."""
    name, done, calls = model.__tablename__, asyncio.Event(), 0

    async def receive(sender: str, event_id: str) -> None:
        nonlocal calls
        calls += 1
        if calls == EVENTS_END_TO_END:
            done.set()

    relay.receiver(post_save, name, name=name, database=base.database)(receive)
    running = relay.Relay(base.database, url)
    started, app = asyncio.Event(), relay.app(url)
    running.on_started = started.set
    async with without_traces(url, name):
        await app.start()
        task = asyncio.create_task(running.run())
        try:
            await started.wait()
            await asyncio.sleep(WARM_SECONDS)
            gc.collect()
            began, cpu = perf_counter(), process_time()
            await save(model, EVENTS_END_TO_END)
            await done.wait()
            await until_noted(base, name)
            return figures_since(began, cpu)
        finally:
            running.stop()
            await task
            await app.stop()
            del relay.RECEIVERS[name]


def figures_since(began: float, cpu: float) -> tuple[float, float]:
    """Return events a second, and microseconds of CPU an event."""
    return EVENTS_END_TO_END / (perf_counter() - began), (process_time() - cpu) * 1e6 / EVENTS_END_TO_END


@pytest.mark.parametrize("name", BROKERS)
def test_end_to_end(benchmark, name) -> None:
    url = BROKERS[name]
    base, _, model = models()
    figures: dict[str, list[tuple[float, float]]] = {"bare": [], "aldis": []}
    with asyncio.Runner() as runner:
        runner.run(made(base))
        try:
            for _ in range(3):
                figures["bare"].append(runner.run(bare_end_to_end(base, url)))
                figures["aldis"].append(runner.run(end_to_end(base, model, url)))
                runner.run(emptied(base))
        finally:
            runner.run(dropped(base))
    rates = {each: max(rate for rate, _ in laps) for each, laps in figures.items()}
    cpu = {f"{each} cpu": min(cpu for _, cpu in laps) for each, laps in figures.items()}
    keep(benchmark, kind="end to end", broker=name, **rates, **cpu)
