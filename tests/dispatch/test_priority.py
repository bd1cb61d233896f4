"""The order of receivers by priority, on both cores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cores import core_of


def names_told(signal, sender="shop"):
    told = []
    signal.send(sender, told=told)
    return told


def receiver_named(name):
    def receiver(sender, told):
        told.append(name)

    return receiver


def test_higher_goes_first_and_equals_in_order_of_connection(core) -> None:
    signal = core.Signal()
    for name, priority in (("a", 0), ("b", 5), ("c", -1), ("d", 5), ("e", 0)):
        signal.connect(receiver_named(name), weak=False, priority=priority)
    assert names_told(signal) == ["b", "d", "a", "e", "c"]


def test_receivers_of_any_and_of_the_sender_are_in_one_order(core) -> None:
    signal = core.Signal()
    signal.connect(receiver_named("own"), "shop", weak=False)
    signal.connect(receiver_named("any, first"), weak=False, priority=1)
    signal.connect(receiver_named("own, first"), "shop", weak=False, priority=1)
    signal.connect(receiver_named("any"), weak=False)
    assert names_told(signal) == ["any, first", "own, first", "own", "any"]
    assert names_told(signal, "other") == ["any, first", "any"]


def test_priority_is_that_of_the_connection_and_a_new_one_keeps_its_place(core) -> None:
    signal = core.Signal()
    late = receiver_named("late")
    signal.connect(receiver_named("first"), "shop", weak=False)
    signal.connect(late, "shop")
    assert names_told(signal) == ["first", "late"]
    signal.connect(late, "elsewhere", priority=1)
    assert names_told(signal) == ["first", "late"]
    signal.connect(late, "shop", priority=1)
    assert names_told(signal) == ["late", "first"]
    signal.connect(receiver_named("last"), "shop", weak=False)
    signal.connect(late, "shop")
    assert names_told(signal) == ["first", "late", "last"]


async def test_emitters_keep_it(core) -> None:
    signal, told = core.Signal(), []

    @signal.connect_via(object)
    async def second(sender, instance):
        told.append("second")

    @signal.connect_via(object, priority=10)
    def first(sender, instance):
        told.append("first")

    assert core.emitters.post_delete(signal, object, 1, 1, 1, False) is None
    assert told == ["first", "second"]
    assert list(signal.receivers_for(object)) == [first, second]


@pytest.mark.parametrize("priority", ["first", 1.5, None, True])
def test_what_is_no_integer_is_refused(core, priority) -> None:
    signal = core.Signal()
    with pytest.raises(core.SignalError, match="is an int, 0 by default, a higher one first"):
        signal.connect(receiver_named("a"), weak=False, priority=priority)
    assert not signal.receivers


@pytest.mark.parametrize("backend", ["compiled", "pure"])
@given(connected=st.lists(st.tuples(st.integers(-2, 2), st.booleans()), max_size=12))
def test_order_is_that_of_a_stable_sort(backend, connected) -> None:
    signal = core_of(backend).Signal()
    for number, (priority, for_any) in enumerate(connected):
        sender = core_of(backend).ANY if for_any else "shop"
        signal.connect(receiver_named(number), sender, weak=False, priority=priority)
    assert names_told(signal) == sorted(range(len(connected)), key=lambda number: -connected[number][0])
