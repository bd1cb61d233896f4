"""Threads that connect, disconnect and send at once; and that nothing is kept of a million sends."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import weakref

import pytest

SECONDS = float(os.environ.get("ALDIS_TEST_THREAD_SECONDS", "2"))
SENDS = int(os.environ.get("ALDIS_TEST_LEAK_SENDS", "1000000"))


class Sender:
    """A sender that is known by identity."""


def test_threads_lose_no_receiver_and_call_no_stale_one(core) -> None:
    signal = core.Signal()
    senders = [Sender() for _ in range(4)] + ["a", core.ANY]
    failures: list[str] = []
    stop = time.monotonic() + SECONDS
    everybody = set()
    signal.connect(lambda sender, **kwargs: everybody.add("called"), weak=False)

    def work(number: int) -> None:
        rounds = 0
        try:
            while time.monotonic() < stop:
                rounds += 1
                calls: list[int] = []

                def receiver(sender, serial, calls=calls, **kwargs):
                    calls.append(serial)

                sender = senders[(number + rounds) % len(senders)]
                speaker = "anybody" if sender is core.ANY else sender
                signal.connect(receiver, sender, weak=bool(rounds % 2))
                signal.send(speaker, serial=(number, rounds), other=1)
                if (number, rounds) not in calls:
                    failures.append(f"thread {number}: a receiver that was connected was not called")
                signal.disconnect(receiver, *(() if rounds % 3 else (sender,)))
                calls.clear()
                signal.send(speaker, serial=(number, rounds))
                if (number, rounds) in calls:
                    failures.append(f"thread {number}: a receiver that was disconnected was called")
                if rounds % 5 == 0:
                    passing = Sender()
                    signal.connect(receiver, passing)
                    del passing, receiver
        except BaseException as error:
            failures.append(f"thread {number}: {error!r}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []
    assert everybody == {"called"}
    gc.collect()
    assert len(list(signal.receivers_for("nobody in particular"))) == 1


def test_threads_that_send_while_receivers_die_signals_are_muted_and_rows_are_told_of(core) -> None:
    """A receiver that is always connected is called once by each send; nobody sees what another did to its keywords."""
    signal, mutable, bulk = core.Signal(), core.Signal(), core.Signal()
    senders = [Sender() for _ in range(4)] + ["a", 7]
    local = threading.local()
    failures: list[str] = []
    graveyard: list[object] = []
    stop = time.monotonic() + SECONDS

    def always(sender, serial=None, **kwargs):
        local.calls += 1
        if "mine" in kwargs or kwargs.get("check", serial) != serial:
            failures.append(f"{serial} got {kwargs}")
        kwargs["mine"] = 1

    def spoils(sender, **kwargs):
        if "mine" in kwargs:
            failures.append("another receiver's change was seen")
        kwargs.clear()

    class Owner:
        def hear(self, sender, **kwargs):
            local.heard += 1

    signal.connect(always)
    signal.connect(spoils)
    bulk.connect(always)

    def send(sender, serial: int) -> None:
        before = local.calls
        signal.send(sender, serial=serial, check=serial, x=1)
        if local.calls != before + 1:
            failures.append(f"the one receiver was called {local.calls - before} times")

    def connect_one_that_dies_elsewhere(sender, serial: int) -> None:
        owner = Owner()
        signal.connect(owner.hear, sender if serial % 2 else core.ANY)
        before = local.heard
        send(sender, serial)
        if local.heard <= before:
            failures.append("a receiver that was connected was not called")
        graveyard.append(owner)
        if len(graveyard) > 30:
            del graveyard[: serial % 30]

    def mute(sender, serial: int) -> None:
        before = local.calls
        mutable.connect(always, priority=serial % 3)
        with mutable.muted():
            mutable.send(sender, serial=serial)
        mutable.send(sender, serial=serial)
        mutable.disconnect(always)
        local.calls = before

    def tell_of_rows(sender, serial: int) -> None:
        before = local.calls
        rows = list(range(20))
        core.Series(core.emitters.post_delete, bulk, sender, (rows, rows, rows, False)).go()
        if local.calls != before + 20:
            failures.append(f"of 20 rows {local.calls - before} were told of")

    def open_a_sender(sender, serial: int) -> None:
        passing = Sender()
        signal.connect(spoils, passing)
        send(passing, serial)
        senders[serial % 3] = passing

    def send_new_keywords(sender, serial: int) -> None:
        signal.send(sender, **{f"k{serial % 100}": 1, "z": 2})

    steps = [send] * 6 + [
        connect_one_that_dies_elsewhere,
        mute,
        tell_of_rows,
        open_a_sender,
        send_new_keywords,
    ]

    def work(number: int) -> None:
        local.calls = local.heard = 0
        serial = number
        try:
            while time.monotonic() < stop:
                serial += 4
                steps[serial * 7 % len(steps)](senders[serial % len(senders)], serial)
        except BaseException as error:
            failures.append(f"thread {number}: {error!r}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures[:5] == []
    graveyard.clear()
    gc.collect()
    assert len(signal.receivers) == 2


def interrupted(core, *meanwhile):
    """Return a signal that runs functions, one after the other, when it has just begun to make a plan."""
    waiting = list(meanwhile)

    class Interrupted(core.Signal):
        def _make_plan(self, key):
            if waiting:
                waiting.pop(0)(self)
            return super()._make_plan(key)

    return Interrupted()


def test_receiver_that_connects_to_a_sender_while_everybodys_plan_is_made_is_called(core) -> None:
    calls, sender = [], Sender()

    def receiver(sender, **kwargs):
        calls.append(kwargs)

    signal = interrupted(core, lambda signal: signal.connect(receiver, sender))
    signal.send(sender, number=1)
    signal.send(sender, number=2)
    assert calls[-1] == {"number": 2}


def test_plan_that_two_threads_make_at_once_is_made_once(core) -> None:
    calls, sender = [], Sender()
    made = []

    def receiver(sender, **kwargs):
        calls.append(kwargs)

    def make_it_first(signal):
        made.append(signal._find(sender))

    signal = interrupted(core, make_it_first)
    assert signal._find(sender) is made[0]
    signal.connect(receiver)  # what is kept of the plan, wherever it is, is void with it
    signal.send(sender, number=1)
    assert calls == [{"number": 1}]


def test_weak_death_in_another_thread_while_the_ledger_is_locked_is_settled(core) -> None:
    ledger = core.LEDGER
    signal = core.Signal()

    def receiver(sender):
        raise AssertionError("called")

    signal.connect(receiver)
    hold = [receiver]
    del receiver
    with ledger:
        thread = threading.Thread(target=hold.clear)
        thread.start()
        thread.join(120)
        assert not thread.is_alive(), "the death of a receiver waited for the lock"
    assert not signal.receivers
    assert signal.send() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork_while_another_thread_holds_the_lock_leaves_the_child_a_free_one(core) -> None:
    ledger, entered, done = core.LEDGER, threading.Event(), threading.Event()

    def hold() -> None:
        with ledger:
            entered.set()
            done.wait(180)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(120)
    child = os.fork()
    if child == 0:
        try:
            core.Signal().connect(hold)
        finally:
            os._exit(0)
    try:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            finished, status = os.waitpid(child, os.WNOHANG)
            if finished:
                break
            time.sleep(0.01)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
            pytest.fail("the child waits for a lock that nobody holds")
        assert status == 0
    finally:
        done.set()
        thread.join()


def test_a_million_sends_leave_nothing_behind(core) -> None:
    """Errors, cancellations, suspensions and abandoned sends among them; references and blocks stay as they were."""
    import types

    @types.coroutine
    def trap():
        yield

    async def quick(sender, **kwargs):
        pass

    async def suspends(sender, instance):
        await trap()

    def fails(sender, **kwargs):
        raise failure

    class Owner:
        def method(self, sender, **kwargs):
            pass

    failure = ValueError("no")
    owner = Owner()
    quiet, noisy, failing = core.Signal(), core.Signal(), core.Signal()
    quiet.connect(quick)
    quiet.connect(owner.method)
    quiet.connect(lambda sender, instance: None, weak=False)
    for receiver in (quick, suspends, quick):
        noisy.connect(receiver)
    failing.connect(quick)
    failing.connect(fails)
    values = [object() for _ in range(6)]
    emit = core.emitters.pre_save

    def finish(rest) -> None:
        try:
            while True:
                rest.send(None)
        except StopIteration:
            pass

    def one_round() -> None:
        assert emit(quiet, Sender, *values) is None
        finish(emit(noisy, Sender, *values))
        cancelled = emit(noisy, Sender, *values)
        cancelled.send(None)
        with pytest.raises(KeyError):
            cancelled.throw(KeyError("cancelled"))
        closed = noisy.send_async(Sender, instance=values[0])
        closed.send(None)
        closed.close()
        finish(noisy.send_async(Sender, instance=values[0], a=1))
        quiet.send(Sender, _async_wrapper=lambda function: None.__class__ and (lambda *a, **k: None), instance=1)
        with pytest.raises(ValueError, match="no"):
            emit(failing, Sender, *values)
        failure.__traceback__ = None
        for _ in range(93):
            emit(quiet, Sender, *values)

    watched = [*values, quick, suspends, fails, owner, Sender, failure, *quiet._records.values()]
    for _ in range(20):
        one_round()
    gc.collect()
    references = [sys.getrefcount(each) for each in watched]
    blocks = sys.getallocatedblocks()
    for _ in range(SENDS // 100):
        one_round()
    gc.collect()
    assert [sys.getrefcount(each) for each in watched] == references
    assert abs(sys.getallocatedblocks() - blocks) < 1000


def test_signal_in_a_cycle_with_its_receivers_is_collected(core) -> None:
    class Owner:
        def __init__(self, signal):
            self.signal = signal

        def method(self, sender, **kwargs):
            return self.signal

    def make():
        signal = core.Signal()
        owner = Owner(signal)

        def receiver(sender, **kwargs):
            return signal

        signal.connect(receiver, weak=False)
        signal.connect(owner.method, Sender, weak=False)
        signal.send(Sender, a=1)
        return [weakref.ref(each) for each in (signal, owner, receiver)]

    watches = make()
    gc.collect()
    assert [watch() for watch in watches] == [None] * 3
