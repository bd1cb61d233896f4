"""The emitters: start at once, return what is left to await, and nothing when nothing is left."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import tracemalloc

import blinker
import pytest


class Model:
    """A sender."""


def emit(core, signal, sender=Model, **values):
    """Emit a `pre_delete`, the shortest of them."""
    return core.emitters.pre_delete(signal, sender, values.get("instance"), values.get("model_instance"), None)


async def test_nobody_listens(core) -> None:
    assert emit(core, core.Signal()) is None


async def test_receivers_that_do_not_suspend_leave_nothing_to_await(core) -> None:
    signal, calls = core.Signal(), []

    async def one(sender, instance):
        calls.append(("one", sender, instance))

    def two(sender, **kwargs):
        calls.append(("two", sender, kwargs))
        return "ignored"

    async def three(sender, instance, **kwargs):
        calls.append(("three", instance, kwargs))
        return "ignored"

    for receiver in (one, two, three):
        signal.connect(receiver)
    assert emit(core, signal, instance=1, model_instance=2) is None
    assert calls == [
        ("one", Model, 1),
        ("two", Model, {"instance": 1, "model_instance": 2, "injected_filters": None}),
        ("three", 1, {"model_instance": 2, "injected_filters": None}),
    ]


async def test_suspended_receiver_leaves_the_rest_to_await_in_order(core) -> None:
    signal, calls = core.Signal(), []

    def note(name):
        async def receiver(sender, **kwargs):
            calls.append(f"{name} starts")
            await asyncio.sleep(0)
            calls.append(f"{name} ends")

        return receiver

    signal.connect(note("one"), weak=False)
    signal.connect(lambda sender: calls.append("plain"), weak=False)
    signal.connect(note("two"), weak=False)
    rest = emit(core, signal)
    assert calls == ["one starts"]
    assert rest is not None
    assert await rest is None
    assert calls == ["one starts", "one ends", "plain", "two starts", "two ends"]
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await rest


async def test_rest_is_a_coroutine_for_tasks_gather_and_timeouts(core) -> None:
    signal, calls = core.Signal(), []

    async def receiver(sender, **kwargs):
        await asyncio.sleep(0.001)
        calls.append(1)

    signal.connect(receiver)
    await asyncio.create_task(emit(core, signal))
    await asyncio.gather(emit(core, signal), emit(core, signal))
    await asyncio.wait_for(emit(core, signal), 10)
    assert calls == [1, 1, 1, 1]


async def test_rest_that_is_never_awaited_warns(core) -> None:
    signal = core.Signal()

    async def receiver(sender, **kwargs):
        await asyncio.sleep(0)

    signal.connect(receiver)
    with pytest.warns(RuntimeWarning, match="coroutine 'rest' was never awaited"):
        emit(core, signal)
        gc.collect()


async def test_error_before_and_after_a_suspension_stops_the_rest(core) -> None:
    for early in (True, False):
        signal, calls = core.NamedSignal("pre_delete"), []

        async def failing(sender, early=early):
            if not early:
                await asyncio.sleep(0)
            raise ValueError("no")

        async def waiting(sender):
            await asyncio.sleep(0)

        signal.connect(waiting)
        signal.connect(failing)
        signal.connect(lambda sender, calls=calls: calls.append(1), weak=False)
        with pytest.raises(ValueError, match="no") as caught:
            await emit(core, signal)
        where = f"{__name__}.{failing.__qualname__} of the signal 'pre_delete', sender {__name__}.Model"
        assert caught.value.__notes__ == [f"aldis: at the receiver {where}"]
        assert calls == []


async def test_plain_function_that_returns_a_coroutine_is_awaited(core) -> None:
    signal, calls = core.Signal(), []

    async def work():
        await asyncio.sleep(0)
        calls.append("done")

    signal.connect(lambda sender: work(), weak=False)
    await emit(core, signal)
    assert calls == ["done"]


async def test_task_that_a_plain_function_returns_is_left_alone(core) -> None:
    signal, tasks = core.Signal(), []

    def start(sender):
        tasks.append(asyncio.create_task(asyncio.sleep(0)))
        return tasks[0]

    signal.connect(start)
    assert emit(core, signal) is None
    assert not tasks[0].done()
    await tasks[0]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="inspect.markcoroutinefunction is of 3.12")
async def test_function_marked_as_a_coroutine_function_may_return_any_awaitable(core) -> None:
    import inspect

    signal, calls = core.Signal(), []

    @inspect.markcoroutinefunction
    def receiver(sender):
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, 1)
        future.add_done_callback(lambda future: calls.append(1))
        return future

    signal.connect(receiver)
    await emit(core, signal)
    assert calls == [1]


async def test_foreign_signal_serves(core) -> None:
    signal, calls = blinker.Signal(), []

    async def receiver(sender, instance):
        await asyncio.sleep(0)
        calls.append((sender, instance))

    def plain(sender, **kwargs):
        calls.append(sorted(kwargs))

    signal.connect(receiver, Model)
    signal.connect(plain, "somebody else")
    await emit(core, signal, instance=1)
    assert emit(core, signal, "somebody else") is None
    assert calls == [(Model, 1), ["injected_filters", "instance", "model_instance"]]
    with signal.muted():
        assert emit(core, signal) is None


def test_by_keyword_and_by_position(core) -> None:
    signal, calls = core.Signal(), []
    signal.connect(lambda sender, **kwargs: calls.append((sender, kwargs)), weak=False)
    core.emitters.pre_delete(signal, Model, 1, 2, 3)
    core.emitters.pre_delete(signal, Model, 1, injected_filters=3, model_instance=2)
    core.emitters.pre_delete(injected_filters=3, model_instance=2, instance=1, sender=Model, signal=signal)
    assert calls == [(Model, {"instance": 1, "model_instance": 2, "injected_filters": 3})] * 3


def test_every_lifecycle_signal_sends_what_the_list_says(core) -> None:
    for lifecycle in core.signals.LIFECYCLE:
        for sender, names in lifecycle._parameters.items():
            calls = []
            signal = core.Signal()
            signal.connect(lambda sender, calls=calls, **kwargs: calls.append((sender, kwargs)), weak=False)
            values = {name: object() for name in names}
            getattr(core.emitters, lifecycle.name)(signal, sender or Model, *values.values())
            getattr(core.emitters, lifecycle.name)(signal, sender or Model, **values)
            told = {name: value for name, value in values.items() if name != "changes"}
            assert calls == [(sender or Model, told)] * 2


def test_changes_goes_only_to_receivers_that_name_it(core) -> None:
    told = []

    def by_name(sender, changes, **kwargs):
        told.append(("by name", changes, "changes" in kwargs))

    def by_position(sender, instance, changes):
        told.append(("by position", changes, instance))

    def keyword_only(sender, *, changes, **kwargs):
        told.append(("keyword only", changes, min(kwargs)))

    def everything(sender, **kwargs):
        told.append(("everything", sorted(kwargs)))

    def condition(changes):
        return changes is not None

    names = core.signals.pre_save.parameters[:-1]
    for signal in (core.Signal(), blinker.Signal()):
        told.clear()
        for receiver in (by_name, by_position, keyword_only, everything):
            signal.connect(receiver)
        core.emitters.pre_save(signal, Model, 1, 2, 3, 4, 5, 6, {"a": 1})
        assert sorted(told) == [
            ("by name", {"a": 1}, False),
            ("by position", {"a": 1}, 1),
            ("everything", sorted(names)),
            ("keyword only", {"a": 1}, "column_values"),
        ]
    signal, told = core.Signal(), []
    signal.connect(lambda sender, **kwargs: told.append(sorted(kwargs)), weak=False, when=condition)
    core.emitters.pre_save(signal, Model, 1, 2, 3, 4, 5, 6)
    assert told == []
    core.emitters.pre_save(signal, Model, 1, 2, 3, 4, 5, changes={}, is_migration=6)
    assert told == [sorted(names)]


def test_condition_of_any_keyword_gets_no_changes(core) -> None:
    signal, told = core.Signal(), []
    signal.connect(lambda sender: None, weak=False, when=lambda **sent: told.append("changes" in sent))
    core.emitters.post_save(signal, Model, 1, 2, 3, 4, 5, 6, 7, 8, {})
    both = core.Condition(lambda **sent: told.append("changes" in sent) or True)
    signal = core.Signal()
    signal.connect(lambda sender: None, weak=False, when=both & (lambda changes: told.append(changes)))
    core.emitters.post_save(signal, Model, 1, 2, 3, 4, 5, 6, 7, 8, {})
    assert told == [False, False, {}]


def test_changes_of_a_signal_of_ones_own_is_a_keyword_like_others(core) -> None:
    signal, told = core.Signal(), []
    signal.connect(lambda sender, **kwargs: told.append(kwargs), weak=False)
    signal.send("me", model_instance=1, changes=2)
    assert told == [{"model_instance": 1, "changes": 2}]


def test_emitter_says_that_changes_may_be_left_out(core) -> None:
    emit = core.emitters.post_save
    assert inspect.signature(emit).parameters["changes"].default is None
    signal = core.Signal()
    with pytest.raises(TypeError, match="operation_skipped"):
        emit(signal, Model, 1, 2, 3, 4, 5, 6, 7)
    with pytest.raises(TypeError, match="changes"):
        emit(signal, Model, 1, 2, 3, 4, 5, 6, 7, 8, 9, changes=9)
    with pytest.raises(TypeError, match="row_count"):
        emit(signal, Model, 1, 2, 3, 4, 5, 6, 7, row_count=8)


def test_nothing_is_allocated_for_a_sender_that_nobody_listens_to(core) -> None:
    if core.backend == "pure":
        pytest.skip("a Python function call allocates its frame")
    signal = core.Signal()
    signal.connect(lambda sender: None, "somebody else", weak=False)
    emitter, has_receivers_for = core.emitters.pre_delete, signal.has_receivers_for
    emitter(signal, Model, 1, 2, 3)
    repeat = list(range(1000))
    tracemalloc.start()
    try:
        for _ in repeat:
            pass
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()
        for _ in repeat:
            emitter(signal, Model, 1, 2, 3)
            has_receivers_for(Model)
        after = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after[1] - before[0] <= sys.getsizeof(before) + 2 * sys.getsizeof(1 << 40)


async def test_plain_receiver_that_raises_stop_iteration_does_not_end_the_send_quietly(core) -> None:
    signal = core.Signal()

    async def waiting(sender):
        await asyncio.sleep(0)

    def stopping(sender):
        raise StopIteration("done")

    signal.connect(waiting)
    signal.connect(stopping)
    with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
        await emit(core, signal)
