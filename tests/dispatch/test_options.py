"""Options belong to one connection; conditions, and classes that are heard with all below them, on both cores."""

from __future__ import annotations

import asyncio
import gc

import pytest


class Base: ...


class Middle(Base): ...


class Leaf(Middle): ...


@pytest.fixture
def waiting(core):
    """Pretend to be in a transaction."""
    queue = core.deferral.Queue()
    token = core.deferral.AFTER_COMMIT.set(queue)
    yield queue
    core.deferral.AFTER_COMMIT.reset(token)


def fire(core, signal, sender, instance=1):
    """Fire a `pre_delete`, the shortest of them."""
    return core.emitters.pre_delete(signal, sender, instance, None, None)


def test_a_connection_without_options_leaves_those_of_another_alone(core, waiting) -> None:
    signal, told = core.Signal(), []

    def receiver(sender, **kwargs):
        told.append(sender)

    signal.connect(receiver, "a", after_commit=True)
    signal.connect(receiver, "b")
    for _ in range(4):
        fire(core, signal, "a")
        fire(core, signal, "b")
    assert told == ["b"] * 4
    assert len(waiting.calls) == 4
    signal.connect(receiver, "a")
    fire(core, signal, "a")
    assert told[-1] == "a"
    signal.connect(receiver, "a", batched=True)
    signal.connect(receiver, "b", priority=3)
    assert [(each.sender, each.batched, each.priority) for each in core.connections(signal)] == [
        ("a", True, 0),
        ("b", False, 3),
    ]


def test_receiver_of_any_and_of_a_sender_is_called_once_by_the_senders_connection(core, waiting) -> None:
    signal, told = core.Signal(), []

    def receiver(sender, **kwargs):
        told.append(sender)

    signal.connect(receiver, after_commit=True)
    signal.connect(receiver, "a")
    fire(core, signal, "a")
    assert (told, len(waiting.calls)) == (["a"], 0)
    fire(core, signal, "b")
    assert (told, len(waiting.calls)) == (["a"], 1)
    signal.disconnect(receiver, "a")
    fire(core, signal, "a")
    assert (told, len(waiting.calls)) == (["a"], 2)


def test_options_go_with_their_connection(core) -> None:
    signal = core.Signal()

    def receiver(sender, **kwargs): ...

    signal.connect(receiver, "a", priority=1)
    signal.disconnect(receiver, "a")
    signal.connect(receiver, "a")
    assert [each.priority for each in core.connections(signal)] == [0]
    signal.connect(receiver, "b", priority=1)
    signal.connect(receiver, "a", weak=False)
    assert [(each.priority, each.is_weak) for each in core.connections(signal)] == [(0, False), (1, False)]
    signal.disconnect(receiver)
    assert not signal._special
    kept = Base()
    signal.connect(receiver, kept, priority=1)
    del kept
    gc.collect()
    assert not signal._special


async def test_condition_decides_whether_the_receiver_is_called(core) -> None:
    signal, told = core.Signal(), []

    @signal.connect_via("shop", when=lambda amount: amount > 100)
    def large(sender, amount):
        told.append(("large", amount))
        return "large"

    @signal.connect_via("shop", when=lambda sender, **sent: sent["currency"] == "EUR")
    async def euros(sender, currency):
        told.append(("euros", currency))

    @signal.connect_via("shop")
    def all_of_them(sender, amount):
        told.append(("all", amount))

    names = ("amount", "currency")
    for _ in range(4):
        told.clear()
        for values in ((5, "EUR"), (500, "USD")):
            if (rest := signal.plan("shop", names)("shop", *values)) is not None:
                await rest
        assert told == [("euros", "EUR"), ("all", 5), ("large", 500), ("all", 500)]
    signal.disconnect(euros)
    for _ in range(4):
        assert signal.send("shop", amount=5) == [(all_of_them, None)]
        assert signal.send("shop", amount=500) == [(large, "large"), (all_of_them, None)]


async def test_condition_of_the_last_receiver_and_of_one_that_waits(core, waiting) -> None:
    signal, told = core.Signal(), []

    @signal.connect_via("shop", when=lambda instance: instance > 1, after_commit=True)
    def late(sender, instance):
        told.append(("late", instance))

    @signal.connect_via("shop", when=lambda instance: instance > 1)
    async def last(sender, instance):
        await asyncio.sleep(0)
        told.append(("last", instance))

    assert fire(core, signal, "shop", 1) is None
    await fire(core, signal, "shop", 2)
    assert told == [("last", 2)]
    await waiting.run()
    assert told == [("last", 2), ("late", 2)]


async def test_condition_of_many_rows(core) -> None:
    signal, told = core.Signal(), []
    signal.connect(lambda sender, instance: told.append(instance), weak=False, when=lambda instance: instance != "b")

    @signal.connect_via(str, when=lambda sender, instance: instance in "ac")
    async def waits(sender, instance, **kwargs):
        await asyncio.sleep(0)
        told.append(instance.upper())

    rows = list("abc")
    await core.Series(core.emitters.post_delete, signal, str, (rows, rows, [1, 2, 3], False)).run()
    assert told == ["a", "A", "c", "C"]


def test_conditions_combine(core) -> None:
    signal, told = core.Signal(), []
    large = core.Condition(lambda amount: amount > 100)
    shop = core.Condition(lambda sender: sender == "shop")
    signal.connect(lambda sender, amount: told.append((sender, amount)), weak=False, when=(large & shop) | ~shop)
    for _ in range(2):
        for sender in ("shop", "test"):
            for amount in (5, 500):
                signal.plan(sender, ("amount",))(sender, amount)
    assert told == [("shop", 500), ("test", 5), ("test", 500)] * 2


def test_error_of_a_condition_names_the_receiver(core) -> None:
    signal = core.NamedSignal("paid")

    @signal.connect_via("shop", when=lambda instance: instance.missing)
    def receiver(sender): ...

    for send in (lambda: signal.send("shop", instance=1), lambda: fire(core, signal, "shop")):
        with pytest.raises(AttributeError) as caught:
            send()
        where = f"{__name__}.{receiver.__qualname__} of the signal 'paid', sender 'shop'"
        assert caught.value.__notes__ == [f"aldis: at the receiver {where}"]


def test_condition_that_could_never_be_judged_is_refused(core) -> None:
    signal = core.LifecycleSignal("paid", {None: ("amount", "currency")})

    async def asks(amount): ...

    refused = {
        "it requires 'amout', which the signal never sends. Did you mean 'amount'": lambda amout: True,
        "a coroutine function cannot be judged": asks,
        "a int is not callable": 5,
        "'amount' can be given by position only": lambda amount, /: True,
    }
    for message, when in refused.items():
        with pytest.raises(core.SignalError, match=message):
            signal.connect(lambda sender: None, weak=False, when=when)
    assert not signal.receivers
    signal.connect(lambda sender: None, weak=False, when=lambda amount, rate=1: True)


def test_class_is_heard_with_all_below_it(core) -> None:
    signal, told = core.Signal(), []

    def receiver(sender, **kwargs):
        told.append(sender)

    fire(core, signal, Leaf)
    signal.connect(receiver, Base, subclasses=True)

    class Later(Middle): ...

    for sender in (Base, Middle, Leaf, Later, str, "Base", Base()):
        fire(core, signal, sender)
        assert signal.has_receivers_for(sender) is (sender in (Base, Middle, Leaf, Later))
        assert list(signal.receivers_for(sender)) == [receiver] * (sender in (Base, Middle, Leaf, Later))
    assert told == [Base, Middle, Leaf, Later]
    signal.connect(receiver, Base)
    told.clear()
    for sender in (Base, Leaf):
        fire(core, signal, sender)
    assert told == [Base]
    signal.connect(receiver, Base, subclasses=True)
    signal.disconnect(receiver, Base)
    fire(core, signal, Leaf)
    assert told == [Base]
    assert not signal.has_receivers_for(Leaf)
    assert not signal._bases


def test_nearest_connection_decides(core) -> None:
    signal, told = core.Signal(), []

    def receiver(sender, **kwargs):
        told.append("receiver")

    signal.connect(lambda sender: told.append("before"), weak=False)
    signal.connect(receiver, priority=-1)
    signal.connect(lambda sender: told.append("after"), weak=False)
    signal.connect(receiver, Base, priority=1, subclasses=True)

    def order(sender):
        told.clear()
        fire(core, signal, sender)
        return [*told]

    assert order(str) == ["before", "after", "receiver"]
    assert order(Leaf) == ["receiver", "before", "after"]
    signal.connect(receiver, Middle, subclasses=True)
    assert order(Leaf) == ["before", "receiver", "after"]
    assert order(Base) == ["receiver", "before", "after"]
    signal.connect(receiver, Leaf, priority=-1)
    assert order(Leaf) == ["before", "after", "receiver"]


def test_only_a_class_has_classes_below_it(core) -> None:
    with pytest.raises(core.SignalError, match="subclasses=True needs a class as the sender, not 'shop'"):
        core.Signal().connect(lambda sender: None, "shop", weak=False, subclasses=True)


def test_classes_below_that_are_gone_leave_nothing_behind(core) -> None:
    signal = core.Signal()
    signal.connect(lambda sender: None, Base, weak=False, subclasses=True)

    def make():
        class Passing(Base): ...

        fire(core, signal, Passing)

    for _ in range(50):
        make()
    gc.collect()
    assert len(signal._weak_senders) == len(signal._by_sender) == 1
