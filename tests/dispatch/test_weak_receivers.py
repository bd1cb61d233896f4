"""Weakly referenced receivers are kept alive from the beginning of a send to its end, and not longer."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref

import pytest

NAMES = ("value",)


@pytest.fixture(params=[1, 3, 7])
def count(request):
    """So many receivers: a few are dereferenced one by one, many at once."""
    return request.param


@pytest.fixture(autouse=True)
def no_collection():
    """What has to die without a garbage collection is not helped by one."""
    gc.disable()
    yield
    gc.enable()


def connected(signal, count, make):
    """Connect functions weakly, and return them."""
    receivers = [make(number) for number in range(count)]
    for each in receivers:
        signal.connect(each, "me")
    return receivers


def logging(log):
    """Return what makes receivers that take note of their calls."""

    def make(number):
        def receive(sender, value):
            log.append((number, value))

        return receive

    return make


def send(signal, value):
    plan = signal.plan("me", NAMES)
    assert plan is None or plan("me", value) is None


def test_receivers_die_at_once_after_a_send(core, count) -> None:
    signal, log = core.Signal(), []
    receivers = connected(signal, count, logging(log))
    send(signal, 1)
    dead = [weakref.ref(receivers.pop()) for _ in range(count)]
    assert [each() for each in dead] == [None] * count
    send(signal, 2)
    assert log == [(number, 1) for number in range(count)]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_receivers_die_at_once_after_a_send_that_failed(core, count, error) -> None:
    signal = core.Signal()

    def make(number):
        def receive(sender, value):
            if number == value:
                raise error

        return receive

    receivers = connected(signal, count, make)
    for number in range(count):
        with pytest.raises(error):
            send(signal, number)
    dead = [weakref.ref(receivers.pop()) for _ in range(count)]
    assert [each() for each in dead] == [None] * count


def test_receiver_that_is_dropped_during_a_send_is_called_and_dies_at_the_end(core, count) -> None:
    signal, log, receivers = core.Signal(), [], []

    def drop(sender, value):
        receivers.clear()

    signal.connect(drop, "me")
    receivers += connected(signal, count, logging(log))
    dead = [weakref.ref(each) for each in receivers]
    send(signal, 1)
    assert log == [(number, 1) for number in range(count)]
    assert [each() for each in dead] == [None] * count


def test_sends_inside_one_another_keep_receivers_until_the_last_ends(core, count) -> None:
    signal, log = core.Signal(), []

    def make(number):
        def receive(sender, value):
            log.append((value, number))
            if number == 0 and value < 3:
                send(signal, value + 1)

        return receive

    receivers = connected(signal, count, make)
    send(signal, 1)
    rest = range(1, count)
    assert log == [(1, 0), (2, 0), (3, 0), *((value, number) for value in (3, 2, 1) for number in rest)]
    dead = [weakref.ref(receivers.pop()) for _ in range(count)]
    assert [each() for each in dead] == [None] * count


async def test_suspended_sends_keep_their_receivers_until_they_end(core, count) -> None:
    signal, log, opened = core.Signal(), [], asyncio.Event()

    def make(number):
        async def receive(sender, value):
            log.append((value, number))
            if value == "waits":
                await opened.wait()

        return receive

    receivers = connected(signal, count, make)
    waiting = asyncio.ensure_future(signal.plan("me", NAMES)("me", "waits"))
    cancelled = asyncio.ensure_future(signal.plan("me", NAMES)("me", "waits"))
    await asyncio.sleep(0)
    cancelled.cancel()
    await signal.plan("me", NAMES)("me", "quick")
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    dead = [weakref.ref(receivers.pop()) for _ in range(count)]
    assert all(each() is not None for each in dead)
    opened.set()
    await waiting
    del waiting, cancelled
    every = range(count)
    assert log == [
        *(("waits", 0), ("waits", 0)),
        *(("quick", number) for number in every),
        *(("waits", number) for number in every[1:]),
    ]
    assert [each() for each in dead] == [None] * count


def test_receiver_that_dies_at_the_end_of_a_send_may_send(core, count) -> None:
    """What a dying receiver sends goes to those that are left, which die as ever."""
    signal, log, receivers = core.Signal(), [], []

    class Farewell:
        def __del__(self):
            send(signal, "farewell")

    def make(number):
        farewell = Farewell() if number == 0 else None

        def receive(sender, value, kept=farewell):
            log.append((value, number))

        return receive

    def drop(sender, value):
        receivers[:1] = []

    signal.connect(drop, "me")
    receivers += connected(signal, count, make)
    dead = [weakref.ref(each) for each in receivers]
    send(signal, "first")
    assert log == [
        *(("first", number) for number in range(count)),
        *(("farewell", number) for number in range(1, count)),
    ]
    assert dead[0]() is None
    receivers.clear()
    assert [each() for each in dead] == [None] * count


def test_a_plan_of_which_a_receiver_has_died_calls_the_others(core, count) -> None:
    signal, log = core.Signal(), []
    receivers = connected(signal, count, logging(log))
    plan = signal.plan("me", NAMES)
    gone = receivers.pop(0)
    del gone
    assert plan("me", 1) is None
    assert log == [(number, 1) for number in range(1, count)]
    dead = [weakref.ref(receivers.pop()) for _ in range(count - 1)]
    assert [each() for each in dead] == [None] * (count - 1)


def test_methods_and_their_owners_die_at_once_after_a_send(core, count) -> None:
    signal, log = core.Signal(), []

    class Owner:
        def __init__(self, number):
            self.number = number

        def receive(self, sender, **kwargs):
            log.append((self.number, kwargs["value"]))

    owners = [Owner(number) for number in range(count)]
    for number in range(count):
        signal.connect(owners[number].receive, "me")
    send(signal, 1)
    assert log == [(number, 1) for number in range(count)]
    dead = [weakref.ref(owners.pop()) for _ in range(count)]
    assert [each() for each in dead] == [None] * count


def test_tracer_that_raises_anywhere_in_a_send_leaves_nothing_behind(core, count) -> None:
    signal, log = core.Signal(), []
    receivers = connected(signal, count, logging(log))
    plan = signal.plan("me", NAMES)

    def raising_at(line):
        def trace(frame, event, arg):
            nonlocal line
            if frame.f_code is plan.__code__:
                line -= event == "line"
                if not line:
                    raise KeyboardInterrupt
                return trace
            return None

        return trace

    before = sys.gettrace()
    for line in range(1, 12):
        sys.settrace(raising_at(line))
        try:
            plan("me", 1)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        log.clear()
        send(signal, 2)
        assert log == [(number, 2) for number in range(count)]
    dead = [weakref.ref(receivers.pop()) for _ in range(count)]
    assert [each() for each in dead] == [None] * count


def test_receiver_whose_twin_is_not_there_when_the_plan_is_made_is_called(core, count, monkeypatch) -> None:
    """Another thread has just replaced the code by one that has no twin."""
    signal, log = core.Signal(), []

    def make(number):
        def receive(sender, **kwargs):
            log.append((number, kwargs["value"]))

        return receive

    receivers = connected(signal, count, make)
    record = type(next(iter(signal._records.values())))
    weak_twin, calls = record.weak_twin, []

    def none_at_first(self):
        calls.append(self)
        return None if len(calls) == 1 else weak_twin(self)

    monkeypatch.setattr(record, "weak_twin", none_at_first)
    send(signal, 1)
    assert log == [(number, 1) for number in range(count)]
    assert len(calls) > len(receivers)
