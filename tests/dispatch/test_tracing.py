"""Spans, log lines, slow receivers and the count of errors, on both cores."""

from __future__ import annotations

import asyncio
import gc
import logging
import re

import blinker
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Model: ...


@pytest.fixture
def spans(core):
    """The spans that end, in that order, while a test runs."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    core.tracing.instrument(provider)
    yield exporter.get_finished_spans
    core.tracing.uninstrument()


@pytest.fixture
def lines(core, caplog):
    """What is logged while a test runs."""
    caplog.set_level(logging.DEBUG, "aldis")
    yield lambda: [each.getMessage() for each in caplog.records if each.name == "aldis"]
    core.tracing.log_sends(False)
    core.tracing.set_slow_receiver_seconds(None)


def told(spans):
    return [(each.name, dict(each.attributes), each.status.status_code.name) for each in spans]


def parents(spans):
    by_id = {each.context.span_id: each.name for each in spans}
    return {each.name: by_id.get(each.parent.span_id) if each.parent else None for each in spans}


def test_sends_are_logged_though_signals_were_set_aside_by_gc_freeze(core, lines) -> None:
    signal = core.Signal()
    signal.connect(lambda sender: None, weak=False)
    for _ in range(3):
        signal.send("before")  # its plan is made and rendered
    gc.freeze()
    try:
        core.tracing.log_sends()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
    signal.send("after")
    assert len(lines()) > 0


async def test_span_of_the_send_and_in_it_one_of_each_receiver(core, spans) -> None:
    signal, seen = core.NamedSignal("post_delete"), []

    @signal.connect_via(Model)
    async def waits(sender, instance):
        await asyncio.sleep(0.01)
        seen.append(instance)

    @signal.connect_via(Model)
    def plain(sender, **kwargs):
        seen.append(sorted(kwargs))

    rest = core.emitters.post_delete(signal, Model, 1, 1, 1, False)
    assert seen == []
    await rest
    assert seen == [1, ["instance", "model_instance", "operation_skipped", "row_count"]]
    first, second, send = spans()
    where = f"{__name__}.test_span_of_the_send_and_in_it_one_of_each_receiver.<locals>"
    attributes = {"aldis.signal": "post_delete", "aldis.sender": f"{__name__}.Model"}
    assert told([first, second, send]) == [
        (f"{where}.waits", {**attributes, "aldis.receiver": f"{where}.waits"}, "UNSET"),
        (f"{where}.plain", {**attributes, "aldis.receiver": f"{where}.plain"}, "UNSET"),
        ("post_delete Model", {**attributes, "aldis.receivers": 2}, "UNSET"),
    ]
    assert parents([first, second, send]) == {
        f"{where}.waits": "post_delete Model",
        f"{where}.plain": "post_delete Model",
        "post_delete Model": None,
    }
    assert first.end_time - first.start_time > 5e6


def test_emission_of_plain_receivers_is_over_at_once(core, spans) -> None:
    signal = core.Signal()
    signal.connect(lambda sender: None, weak=False)
    assert core.emitters.post_delete(signal, Model, 1, 1, 1, False) is None
    assert [each.name for each in spans()][-1] == "a signal without a name Model"


def test_results_wrappers_and_refusals_are_those_of_a_send_that_is_not_watched(core, spans) -> None:
    signal = core.Signal()

    @signal.connect
    def plain(sender, amount):
        return amount

    assert signal.send("shop", amount=5, unused=1) == [(plain, 5)]
    with pytest.raises(RuntimeError, match="Cannot send to a non-coroutine function"):
        asyncio.run(signal.send_async("shop", amount=5))

    def in_async(receiver):
        async def wrapped(*args):
            return receiver(*args)

        return wrapped

    assert asyncio.run(signal.send_async("shop", amount=5, _sync_wrapper=in_async)) == [(plain, 5)]
    signal.disconnect(plain)
    assert signal.send("shop") == asyncio.run(signal.send_async("shop")) == []

    @signal.connect
    async def waits(sender, amount):
        await asyncio.sleep(0)
        return amount

    assert asyncio.run(signal.send_async("shop", amount=6)) == [(waits, 6)]
    with pytest.raises(RuntimeError, match="Cannot send to a coroutine function"):
        signal.send("shop", amount=5)
    assert signal.send("shop", amount=7, _async_wrapper=lambda each: lambda *args: asyncio.run(each(*args))) == [
        (waits, 7)
    ]


@pytest.mark.parametrize("way", ["send", "send_async", "emit", "robust"])
def test_error_is_on_the_span_and_has_one_note(core, spans, way) -> None:
    signal = core.NamedSignal("post_delete")

    async def fails(sender):
        await asyncio.sleep(0)
        raise ValueError("no")

    def fails_plain(sender):
        raise ValueError("no")

    signal.connect(fails_plain if way == "send" else fails, Model)
    before = sum(core.tracing.errors().values())

    async def go():
        if way == "send":
            signal.send(Model)
        elif way == "send_async":
            await signal.send_async(Model)
        elif way == "emit":
            await core.emitters.post_delete(signal, Model, 1, 1, 1, False)
        else:
            raise (await signal.send_robust_async(Model))[0][1]

    with pytest.raises(ValueError, match="no") as caught:
        asyncio.run(go())
    (note,) = caught.value.__notes__
    assert "of the signal 'post_delete'" in note
    receiver, send = spans()
    assert receiver.status.status_code.name == "ERROR"
    assert receiver.status.description == "ValueError: no"
    assert [event.name for event in receiver.events] == ["exception"]
    assert send.status.status_code.name == ("UNSET" if way == "robust" else "ERROR")
    assert sum(core.tracing.errors().values()) == before + 1


def test_skipping_is_no_error(core, spans) -> None:
    signal = core.NamedSignal("pre_delete")

    @signal.connect_via(Model)
    def keeps(sender):
        raise core.SkipOperation

    before = core.tracing.errors()
    with pytest.raises(core.SkipOperation):
        core.emitters.pre_delete(signal, Model, 1, 1, None)
    assert [(each.status.status_code.name, each.attributes["aldis.skipped"]) for each in spans()] == [
        ("UNSET", True),
        ("UNSET", True),
    ]
    assert core.tracing.errors() == before


async def test_errors_are_counted_by_signal_and_receiver_and_metered(core) -> None:
    reader = InMemoryMetricReader()
    core.tracing.instrument(TracerProvider(), MeterProvider([reader]))
    signal = core.NamedSignal("paid")

    @signal.connect
    async def fails(sender):
        raise ValueError("no")

    class Fails:
        def __call__(self, sender):
            raise ValueError("no")

    try:
        for _ in range(3):
            with pytest.raises(ValueError, match="no"):
                await signal.send_async("shop")
    finally:
        core.tracing.uninstrument()
    signal.disconnect(fails)
    signal.connect(Fails(), weak=False)
    with pytest.raises(ValueError, match="no"):
        signal.send("shop")
    where = f"{__name__}.test_errors_are_counted_by_signal_and_receiver_and_metered.<locals>"
    found = core.tracing.errors()
    assert found["paid", f"{where}.fails"] == 3
    assert found["paid", f"{where}.Fails"] == 1
    (metric,) = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.data.data_points
    assert (metric.name, point.value, dict(point.attributes)) == (
        "aldis.receiver.errors",
        3,
        {"aldis.signal": "paid", "aldis.receiver": f"{where}.fails"},
    )


async def test_receiver_after_the_commit_is_seen_when_it_runs(core, spans) -> None:
    signal = core.NamedSignal("paid")

    @signal.connect_via("shop", after_commit=True)
    async def late(sender): ...

    @signal.connect_via("shop", after_commit=True)
    def late_too(sender): ...

    queue = core.deferral.Queue()
    token = core.deferral.AFTER_COMMIT.set(queue)
    await core.delivery.send_async(signal, signal._find("shop").receivers, "shop", None, {}, either=True)
    core.deferral.AFTER_COMMIT.reset(token)
    assert [each.name for each in spans()] == ["paid 'shop'"]
    await queue.run()
    assert [each.name.rpartition(".")[2] for each in spans()] == ["paid 'shop'", "late", "late_too"]


def test_foreign_signal_is_watched_too(core, spans) -> None:
    signal = blinker.NamedSignal("pre_delete")
    signal.connect(lambda sender, **kwargs: None, weak=False)
    assert core.emitters.pre_delete(signal, Model, 1, 1, None) is None
    assert [each.name for each in spans()][-1] == "pre_delete Model"


def test_rows_of_a_series_are_seen_as_one(core, spans) -> None:
    signal = core.NamedSignal("post_delete")
    signal.connect(lambda sender, instance: None, weak=False)
    series = core.Series(core.emitters.post_delete, signal, Model, ([1, 2, 3], [1, 2, 3], 1, False))
    with core.delivery.many(series.signal, series.sender, series.count):
        assert series.go() is None
    (span,) = spans()
    assert (span.name, span.attributes["aldis.rows"]) == ("post_delete Model", 3)


def test_turned_off_no_plan_is_watched(core, spans) -> None:
    signal = core.NamedSignal("paid")
    signal.connect(lambda sender: None, weak=False)
    signal.send("shop")
    core.tracing.uninstrument()
    signal.send("shop")
    assert len(spans()) == 2
    assert core.delivery.WATCHERS == []


async def test_cancelled_receiver_ends_its_spans(core, spans) -> None:
    signal = core.NamedSignal("post_delete")

    @signal.connect_via(Model)
    async def hangs(sender):
        await asyncio.Event().wait()

    async def emit():
        await core.emitters.post_delete(signal, Model, 1, 1, 1, False)

    task = asyncio.create_task(emit())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [each.status.description for each in spans()] == ["CancelledError: ", "CancelledError: "]


def test_rest_that_is_never_awaited_lets_go(core, spans, recwarn) -> None:
    signal, seen = core.NamedSignal("post_delete"), []

    @signal.connect_via(Model)
    async def waits(sender):
        try:
            await asyncio.sleep(0)
        finally:
            seen.append("closed")

    rest = core.emitters.post_delete(signal, Model, 1, 1, 1, False)
    rest.close()
    del rest
    gc.collect()
    assert seen == ["closed"]


def test_lines_tell_of_sends_and_receivers(core, lines) -> None:
    signal = core.NamedSignal("paid")

    @signal.connect
    def thanks(sender): ...

    @signal.connect
    def fails(sender):
        raise ValueError("no")

    signal.disconnect(fails)
    signal.send("shop")
    assert lines() == []
    core.tracing.log_sends()
    signal.connect(fails)
    with pytest.raises(ValueError, match="no"):
        signal.send("shop")
    first, second, third = (re.sub(r"\d+\.\d+ s", "0.1 s", line) for line in lines())
    assert first.startswith("paid of 'shop' at ")
    assert first.endswith("thanks: 0.1 s")
    assert second.endswith(": 0.1 s, raised ValueError")
    assert third.startswith("paid of 'shop' to 2 receivers: 0.1 s")
    core.tracing.log_sends(False)
    signal.disconnect(fails)
    signal.send("shop")
    assert len(lines()) == 3


def test_slow_receiver_is_warned_of(core, lines, monkeypatch) -> None:
    signal, clock = core.NamedSignal("paid"), [0.0]
    monkeypatch.setattr(core.tracing, "perf_counter", lambda: clock[0])

    @signal.connect
    def slow(sender):
        clock[0] += 0.02

    signal.connect(lambda sender: None, weak=False)
    assert core.tracing.slow_receiver_seconds() is None
    signal.send("shop")
    assert lines() == []
    core.tracing.set_slow_receiver_seconds(0.01)
    signal.send("shop")
    (line,) = lines()
    assert "slow took 0.020 s" in line
    assert line.endswith("of paid, sender 'shop' (aldis.slow_receiver_seconds is 0.01)")
    core.tracing.set_slow_receiver_seconds(5)
    assert core.tracing.slow_receiver_seconds() == 5.0
    signal.send("shop")
    core.tracing.set_slow_receiver_seconds(None)
    signal.send("shop")
    assert len(lines()) == 1
    assert core.delivery.WATCHERS == []


@pytest.mark.parametrize("seconds", [-1, float("nan"), "1", True])
def test_what_is_no_number_of_seconds_is_refused(core, seconds) -> None:
    with pytest.raises(core.ConfigurationError, match=r"slow_receiver_seconds cannot be .*: it is a number of sec"):
        core.tracing.set_slow_receiver_seconds(seconds)
    assert core.tracing.slow_receiver_seconds() is None


def test_without_opentelemetry_the_extra_is_named(core, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(core.ConfigurationError, match=r'pip install "aldis\[tracing\]"'):
        core.tracing.instrument()
    assert core.delivery.WATCHERS == []


def test_seconds_are_an_attribute_of_the_package() -> None:
    import aldis

    assert aldis.slow_receiver_seconds is None
    with pytest.raises(aldis.ConfigurationError):
        aldis.slow_receiver_seconds = -1
    aldis.slow_receiver_seconds = 0.5
    try:
        assert aldis.slow_receiver_seconds == aldis.tracing.slow_receiver_seconds() == 0.5
    finally:
        aldis.slow_receiver_seconds = None
    assert "slow_receiver_seconds" in dir(aldis)
