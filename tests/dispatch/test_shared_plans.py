"""Senders that have the same receivers share the function that calls them, and nothing else."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest

NAMES = ("value",)


@pytest.fixture(params=[1, 4])
def count(request):
    return request.param


def connected(signal, senders, count, log, weak=False):
    """Connect some receivers to each sender, and return them."""

    def make(number):
        def receive(sender, **kwargs):
            log.append((sender, number, kwargs["value"]))

        return receive

    receivers = [make(number) for number in range(count)]
    for sender in senders:
        for each in receivers:
            signal.connect(each, sender, weak=weak)
    return receivers


@pytest.mark.parametrize("weak", [False, True])
def test_senders_with_the_same_receivers_share_a_function(core, count, weak) -> None:
    signal, log = core.Signal(), []
    receivers = connected(signal, "abc", count, log, weak)
    functions = {signal.plan(sender, NAMES) for sender in "abc"}
    assert len(functions) == 1
    for sender in "abc":
        signal.plan(sender, NAMES)(sender, 1)
    assert log == [(sender, number, 1) for sender in "abc" for number in range(count)]
    assert len(receivers) == count


def test_disconnect_from_one_sender_leaves_the_others_their_receivers(core, count) -> None:
    signal, log = core.Signal(), []
    receivers = connected(signal, "abc", count, log)
    for sender in "abc":
        signal.plan(sender, NAMES)
    signal.disconnect(receivers[0], "b")
    for sender in "abc":
        plan = signal.plan(sender, NAMES)
        if plan is not None:
            plan(sender, 1)
    assert log == [(sender, number, 1) for sender in "abc" for number in range(count) if (sender, number) != ("b", 0)]


def test_other_names_and_other_orders_get_functions_of_their_own(core) -> None:
    signal, log = core.Signal(), []
    first, second = connected(signal, "a", 2, log)
    for each in (second, first):
        signal.connect(each, "b", weak=False)
    functions = [signal.plan(sender, names) for sender in "ab" for names in (NAMES, ("value", "other"))]
    assert len(set(functions)) == 4
    signal.plan("b", ("value", "other"))("b", 1, 2)
    assert log == [("b", 1, 1), ("b", 0, 1)]


def test_receiver_that_is_disconnected_is_kept_by_nobody(core, count) -> None:
    signal = core.Signal()
    receivers = connected(signal, "abc", count, [])
    for sender in "abc":
        signal.plan(sender, NAMES)
    dead = [weakref.ref(each) for each in receivers]
    while receivers:
        signal.disconnect(receivers.pop())
    gc.collect()
    assert [each() for each in dead] == [None] * count


def test_profiler_sees_the_receivers_of_a_sender_that_came_later(core, count) -> None:
    """The first sender's function calls twins, which a profiler would not know."""
    signal, seen = core.Signal(), []
    receivers = connected(signal, "ab", count, [])
    signal.plan("a", NAMES)("a", 1)

    def profile(frame, event, arg):
        if event == "call":
            seen.append(frame.f_code)

    sys.setprofile(profile)
    try:
        signal.plan("b", NAMES)("b", 1)
    finally:
        sys.setprofile(None)
    assert [code for code in seen if code.co_name == "receive"] == [each.__code__ for each in receivers]


def test_receiver_whose_code_is_replaced_is_called_by_its_new_one_for_each_sender(core) -> None:
    signal, log = core.Signal(), []
    (receiver,) = connected(signal, "ab", 1, log)
    for sender in "ab":
        signal.plan(sender, NAMES)(sender, 1)

    def over(log, number):
        def receive(sender, value):
            log.append(("new", sender, number, value))

        return receive

    receiver.__code__ = over(log, 0).__code__
    for sender in "ab":
        signal.plan(sender, NAMES)(sender, 2)
    assert log == [("a", 0, 1), ("b", 0, 1), ("new", "a", 0, 2), ("new", "b", 0, 2)]


def test_profiler_sees_a_receiver_whose_plan_took_over_one_for_other_names(core) -> None:
    """Without ``instance`` the receiver's default counts, and no twin can be called."""
    signal, seen = core.Signal(), []
    without, names = ("values",), ("instance", "values")

    def receive(sender, instance=None, **kwargs):
        return kwargs

    for sender in "ab":
        signal.connect(receive, sender)
    signal.plan("b", names)("b", 1, 2)
    signal.plan("a", without)("a", 2)
    signal.plan("b", without)("b", 2)

    def profile(frame, event, arg):
        if event == "call" and frame.f_code.co_name == "receive":
            seen.append(frame.f_code is receive.__code__)

    sys.setprofile(profile)
    try:
        signal.plan("b", names)("b", 1, 2)
    finally:
        sys.setprofile(None)
    assert seen == [True]
