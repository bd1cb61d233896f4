"""The deaths on the ledger: settled one after the other, in whichever thread they fall, on both cores."""

from __future__ import annotations

import gc
import sys
import threading
import time

import pytest


class Owner:
    """Has a receiver, which dies with it."""

    def receive(self, sender, **kwargs): ...


def test_more_deaths_than_the_recursion_limit_are_settled_by_the_next_who_takes_the_lock(core) -> None:
    signal = core.Signal()
    crowd = [Owner() for _ in range(sys.getrecursionlimit() + 100)]
    for owner in crowd:
        signal.connect(owner.receive)
    del owner
    inside, leave, errors = threading.Event(), threading.Event(), []

    def hold() -> None:
        try:
            with core.LEDGER:
                inside.set()
                leave.wait(120)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(120)
    crowd.clear()
    leave.set()
    thread.join(120)
    assert not thread.is_alive()
    assert errors == []
    assert not signal.receivers
    assert signal.send("anybody") == []


def test_one_thread_connects_while_another_lets_many_receivers_die(core) -> None:
    signal, errors, stop = core.Signal(), [], time.monotonic() + 2

    def connects() -> None:
        def receiver(sender, **kwargs): ...

        try:
            while time.monotonic() < stop:
                signal.connect(receiver)
                signal.send("anybody", a=1)
                signal.disconnect(receiver)
        except BaseException as error:
            errors.append(error)

    def lets_die() -> None:
        try:
            while time.monotonic() < stop:
                crowd = [Owner() for _ in range(500)]
                for owner in crowd:
                    signal.connect(owner.receive)
                del owner, crowd
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=each, daemon=True) for each in (connects, lets_die)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert not any(thread.is_alive() for thread in threads), "a thread waits for a lock that is never released"
    assert errors == []
    gc.collect()
    assert not signal.receivers


def test_death_inside_the_lock_waits_until_its_thread_leaves_it(core) -> None:
    ledger, signal, owner = core.LEDGER, core.Signal(), Owner()
    signal.connect(owner.receive)
    with ledger:
        with ledger:
            del owner
            assert len(signal.receivers) == 1
        assert len(signal.receivers) == 1
    assert not signal.receivers


def test_exception_while_deaths_are_settled_releases_the_lock_and_loses_no_death(core) -> None:
    ledger, done = core.LEDGER, []

    def interrupted() -> None:
        done.append("interrupted")
        if len(done) == 1:
            raise KeyboardInterrupt

    ledger.deaths.extend([interrupted, lambda: done.append("after")])
    with pytest.raises(KeyboardInterrupt), ledger:
        raise AssertionError("entered")
    thread = threading.Thread(target=ledger.strike_out)
    thread.start()
    thread.join(120)
    assert not thread.is_alive()
    assert done == ["interrupted", "interrupted", "after"]


def test_object_that_connects_and_dies_while_a_plan_is_made(core) -> None:
    signal = core.Signal()

    class Restless:
        """Disconnects when the collector finds it."""

        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            signal.connect(self.speak, weak=False)
            signal.disconnect(self.speak)

        def speak(self, sender, **kwargs): ...

    for number in range(200):
        signal.connect(lambda sender, **kwargs: None, weak=False)
        signal.connect(test_object_that_connects_and_dies_while_a_plan_is_made, str(number))
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for number in range(200):
            Restless()
            assert signal.has_receivers_for(str(number))
            signal.disconnect(test_object_that_connects_and_dies_while_a_plan_is_made, str(number))
    finally:
        gc.set_threshold(*threshold)
