"""``send_async`` under asyncio, trio and uvloop: order, contexts, cancellation, misuse."""

from __future__ import annotations

import asyncio
import collections.abc
import contextvars
import gc
import sys

import anyio
import pytest

BACKENDS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("trio", {}), id="trio"),
    pytest.param(
        ("asyncio", {"use_uvloop": True}),
        id="uvloop",
        marks=pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not run on Windows"),
    ),
]


@pytest.fixture(params=BACKENDS)
def run(request):
    """Run a coroutine function on one event loop after the other."""
    name, options = request.param
    return lambda function: anyio.run(function, backend=name, backend_options=options)


def test_receivers_are_awaited_one_after_the_other(core, run) -> None:
    signal, calls = core.Signal(), []

    def receiver(number):
        async def receive(sender, a, **kwargs):
            calls.append((number, "starts"))
            await anyio.sleep(0.001)
            calls.append((number, "ends"))
            return a + number

        return receive

    receivers = [receiver(number) for number in range(3)]
    for each in receivers:
        signal.connect(each)

    async def main():
        return await signal.send_async("me", a=10, b=1)

    assert run(main) == list(zip(receivers, (10, 11, 12), strict=True))
    assert calls == [(number, what) for number in range(3) for what in ("starts", "ends")]


def test_cancellation_reaches_the_receiver_that_is_awaited(core, run) -> None:
    signal, calls = core.Signal(), []

    async def first(sender):
        calls.append("first")

    async def waiting(sender):
        try:
            await anyio.sleep(60)
        finally:
            calls.append("cancelled")

    async def never(sender):
        calls.append("never")

    for each in (first, waiting, never):
        signal.connect(each)

    async def main():
        with anyio.move_on_after(0.01) as scope:
            await signal.send_async("me")
        return scope.cancelled_caught

    assert run(main)
    assert calls == ["first", "cancelled"]


def test_scopes_of_a_receiver_work(core, run) -> None:
    signal = core.Signal()

    async def receiver(sender):
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep(60)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
        return scope.cancelled_caught

    signal.connect(receiver)

    async def main():
        rest = core.emitters.pre_delete(signal, "me", 1, 2, 3)
        await rest
        return await signal.send_async("me")

    assert run(main) == [(receiver, True)]


def test_nothing_is_called_before_the_send_is_awaited(core) -> None:
    signal, calls = core.Signal(), []

    async def receiver(sender):
        calls.append(1)

    signal.connect(receiver)
    sending = signal.send_async("me")
    assert calls == []
    sending.close()
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        sending.send(None)
    with pytest.warns(RuntimeWarning, match="coroutine 'send_async' was never awaited"):
        signal.send_async("me")
        gc.collect()
    assert calls == []


async def test_receivers_that_were_connected_when_it_is_awaited_are_called(core) -> None:
    signal = core.Signal()
    sending = signal.send_async("me")

    async def receiver(sender):
        return 1

    signal.connect(receiver)
    assert await sending == [(receiver, 1)]


async def test_send_is_a_coroutine_for_tasks_gather_and_timeouts(core) -> None:
    signal = core.Signal()

    async def receiver(sender):
        await asyncio.sleep(0)
        return asyncio.current_task()

    signal.connect(receiver)
    assert isinstance(signal.send_async, collections.abc.Callable)
    task = asyncio.create_task(signal.send_async("me"))
    assert await task == [(receiver, task)]
    assert len(await asyncio.gather(signal.send_async(1), signal.send_async(2))) == 2
    assert len(await asyncio.wait_for(signal.send_async(), 10)) == 1
    current = asyncio.current_task()
    assert await signal.send_async("me") == [(receiver, current)]


async def test_context_of_the_caller_is_the_receivers(core) -> None:
    variable = contextvars.ContextVar("variable", default=0)
    signal = core.Signal()

    async def receiver(sender):
        variable.set(variable.get() + 1)
        await asyncio.sleep(0)
        variable.set(variable.get() + 1)

    signal.connect(receiver)
    await signal.send_async("me")
    assert variable.get() == 2
    await asyncio.create_task(signal.send_async("me"))
    assert variable.get() == 2


async def test_plain_function_needs_a_wrapper(core) -> None:
    signal = core.Signal()

    def receiver(sender, a):
        return a

    def wrap(function):
        async def wrapper(*args, **kwargs):
            await asyncio.sleep(0)
            return function(*args, **kwargs)

        return wrapper

    signal.connect(receiver)
    with pytest.raises(RuntimeError) as caught:
        await signal.send_async("me", a=1)
    assert str(caught.value) == "Cannot send to a non-coroutine function."
    assert await signal.send_async("me", a=1, b=2, _sync_wrapper=wrap) == [(receiver, 1)]


async def test_swallowed_cancellation_lets_the_later_receivers_run(core) -> None:
    signal = core.Signal()

    async def stubborn(sender):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "stayed"

    async def after(sender):
        return "after"

    signal.connect(stubborn)
    signal.connect(after)
    task = asyncio.create_task(signal.send_async("me"))
    await asyncio.sleep(0)
    task.cancel()
    assert await task == [(stubborn, "stayed"), (after, "after")]


def test_driven_by_hand_it_behaves_as_a_coroutine(core) -> None:
    import types

    signal = core.Signal()

    @types.coroutine
    def trap(value):
        return (yield value)

    async def receiver(sender):
        got = [await trap("one")]
        try:
            await trap("two")
        except KeyError as error:
            got.append(error)
        got.append(await trap("three"))
        return got

    signal.connect(receiver)
    sending = signal.send_async("me")
    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        sending.send(1)
    assert sending.send(None) == "one"
    assert sending.send(1) == "two"
    error = KeyError("x")
    assert sending.throw(error) == "three"
    with pytest.raises(StopIteration) as stop:
        sending.send(3)
    assert stop.value.value == [(receiver, [1, error, 3])]
    assert isinstance(sending, collections.abc.Coroutine)

    rest = core.emitters.pre_delete(signal, "me", 1, 2, 3)
    assert rest.send(None) == "one"
    assert rest.send(1) == "two"
    assert rest.throw(KeyError("y")) == "three"
    with pytest.raises(StopIteration):
        rest.send(3)


def test_close_closes_the_receiver_that_is_awaited(core) -> None:
    import types

    signal, calls = core.Signal(), []

    @types.coroutine
    def trap():
        yield

    async def receiver(sender):
        try:
            await trap()
        finally:
            calls.append("closed")

    signal.connect(receiver)
    for make in (lambda: signal.send_async("me"), lambda: core.emitters.pre_delete(signal, "me", 1, 2, 3)):
        sending = make()
        sending.send(None)
        sending.close()
        sending.close()
    assert calls == ["closed", "closed"]


def test_send_that_is_awaited_already_cannot_be_entered_again(core) -> None:
    signal, errors = core.Signal(), []

    async def receiver(sender):
        try:
            sending.send(None)
        except ValueError as error:
            errors.append(str(error))

    signal.connect(receiver)
    sending = signal.send_async("me")
    with pytest.raises(StopIteration):
        sending.send(None)
    assert errors == ["coroutine already executing"]


def test_throwing_into_a_send_that_has_not_begun_ends_it(core) -> None:
    sending = core.Signal().send_async("me")
    with pytest.raises(KeyError):
        sending.throw(KeyError("x"))
    with pytest.raises(RuntimeError, match="cannot reuse"):
        sending.send(None)
