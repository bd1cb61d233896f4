"""Saves, bulk methods and flushes as OpenTelemetry sees them."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy.ext.asyncio import AsyncSession

import aldis
from aldis import tracing


@pytest.fixture
def seen():
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.instrument(provider)

    def names():
        told = [
            each.name.rpartition(".")[2]
            + (f" x{each.attributes['aldis.rows']}" if "aldis.rows" in each.attributes else "")
            for each in exporter.get_finished_spans()
        ]
        exporter.clear()
        return told

    yield names
    tracing.uninstrument()


@pytest.fixture
def connected(models):
    """Connect a receiver for each row, one for a batch, one for after the commit; return who was called with what."""
    called, signals = [], models.Base.meta.signals

    async def single(sender, model_instance):
        called.append(model_instance.name)

    def batched(sender, batch):
        called.append(len(batch))

    async def late(sender, model_instance):
        called.append(f"late {model_instance.name}")

    signals.pre_save.connect(single, models.User, weak=False)
    signals.post_save.connect(batched, models.User, weak=False, batched=True)
    signals.post_save.connect(late, models.User, weak=False, after_commit=True)
    return called


async def test_save_has_its_spans(models, seen, connected) -> None:
    await models.User.query.create(name="Ada")
    assert seen() == ["single", "pre_save User", "batched", "post_save User", "late"]
    assert connected == ["Ada", 1, "late Ada"]


async def test_bulk_has_one_span_a_signal_and_chunk(models, seen, connected) -> None:
    await models.User.query.bulk_create([{"name": f"u{number}"} for number in range(3)], batch_size=2)
    assert seen() == [
        "pre_save User x2",
        "batched",
        "post_save User x2",
        "pre_save User x1",
        "batched",
        "post_save User x1",
        "late",
        "late",
        "late",
    ]
    assert connected == ["u0", "u1", 2, "u2", 1, "late u0", "late u1", "late u2"]


async def test_flush_has_one_span_a_signal(models, seen, connected) -> None:
    async with AsyncSession(models.Base.database.engine, expire_on_commit=False) as session:
        session.add_all([models.User(name="Ada"), models.User(name="Bob")])
        await session.commit()
    spans = seen()
    assert spans.count("batched") == 1
    assert spans.count("post_save User x2") == 1
    assert spans.count("late") == 2
    assert sorted(map(str, connected)) == ["2", "Ada", "Bob", "late Ada", "late Bob"]


async def test_skipped_row_of_a_bulk_is_skipped_while_traced(models, seen) -> None:
    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def without_bob(sender, model_instance):
        if model_instance.name == "Bob":
            raise aldis.SkipOperation

    await models.User.query.bulk_create([{"name": "Ada"}, {"name": "Bob"}, {"name": "Eve"}])
    assert [row["name"] for row in await models.stored()] == ["Ada", "Eve"]
    assert seen() == ["pre_save User x3", "pre_save User x1"]
