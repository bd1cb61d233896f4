"""What the relay costs: on the saving side, and against a bare publisher of FastStream's to the same broker.

Who is compared takes turns, lap by lap, and the fastest lap of each counts.
"""

from __future__ import annotations

import asyncio
import gc
import os
import uuid
from time import perf_counter, process_time

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis import relay
from aldis.relay.brokers import transport_to
from aldis.relay.relay import WINDOW
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


def models() -> tuple[type, type, type]:
    """Return a base with two models alike, of which the second is forwarded."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(POSTGRESQL)

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
    """Empty the tables, and let PostgreSQL write out what it has to."""
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


async def bare(url: str, abreast: int, count: int) -> tuple[float, float]:
    """Publish with FastStream alone, so many at once; return events a second, and microseconds of CPU an event."""
    way = transport_to(url)
    name = uuid.uuid4().hex[:8]
    body = b'{"instance":{"id":12345,"name":"name 12345","email":"a@example.org","age":12345},"is_update":false}'

    async def one(number: int) -> None:
        if url.startswith("nats"):
            await way.broker.publish(body, f"aldis.{name}.bare.{number % 16}", stream="aldis")
        elif url.startswith("redis"):
            await way.broker.publish(body, stream=f"aldis:{name}:{number % 16}")
        else:
            await way.broker.publish(body, exchange="aldis", routing_key=f"{name}.bare.{number % 16}", persist=True)

    async with way.open():
        gc.collect()
        began, cpu = perf_counter(), process_time()
        for first in range(0, count, abreast):
            await asyncio.gather(*[one(number) for number in range(first, min(first + abreast, count))])
        return count / (perf_counter() - began), (process_time() - cpu) * 1e6 / count


async def relayed(base: type, model: type, url: str) -> tuple[float, float]:
    """Pass on what was saved, the reading of the outbox included; return the same figures as :func:`bare`."""
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
