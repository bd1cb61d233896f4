"""What a signal does beyond blinker, and what of blinker it keeps, on both cores."""

from __future__ import annotations

import asyncio
import gc
import inspect
import traceback
import weakref

import blinker
import pytest


class Sender:
    """A sender that is known by identity."""


def test_signal_is_a_blinker_signal(core) -> None:
    assert isinstance(core.Signal(), blinker.Signal)
    assert isinstance(core.NamedSignal("paid"), blinker.NamedSignal)
    assert isinstance(core.NamedSignal("paid"), core.Signal)
    assert isinstance(core.Namespace(), blinker.Namespace)
    assert core.ANY is blinker.ANY
    assert core.Signal.ANY is blinker.ANY


def test_receivers_run_in_the_order_they_were_connected_whoever_they_listen_to(core) -> None:
    signal, calls = core.Signal(), []
    senders = [Sender, core.ANY, Sender, core.ANY, core.ANY, Sender]
    for number, sender in enumerate(senders):
        signal.connect(lambda sender, number=number: calls.append(number), sender, weak=False)
    signal.send(Sender)
    assert calls == [0, 1, 2, 3, 4, 5]
    calls.clear()
    signal.send(Sender())
    assert calls == [1, 3, 4]


def test_receiver_connected_both_ways_runs_once_where_it_stood_first(core) -> None:
    signal, calls = core.Signal(), []

    def first(sender):
        calls.append("first")

    def second(sender):
        calls.append("second")

    signal.connect(first, Sender)
    signal.connect(second)
    signal.connect(first)
    signal.send(Sender)
    assert calls == ["first", "second"]
    calls.clear()
    signal.send("somebody else")
    assert calls == ["second", "first"]


def test_reconnected_receiver_goes_to_the_end(core) -> None:
    signal, calls = core.Signal(), []

    def first(sender):
        calls.append("first")

    def second(sender):
        calls.append("second")

    signal.connect(first)
    signal.connect(second)
    signal.connect(first)
    signal.send()
    signal.disconnect(first)
    signal.connect(first)
    signal.send()
    assert calls == ["first", "second", "second", "first"]


@pytest.mark.parametrize(
    ("connected", "sent", "hears"),
    [
        ("a", "".join(["a"]), True),
        ("a", "b", False),
        (10**20, 10**20 + 0, True),
        (1, True, True),
        (1, "1", False),
        (0, 5, False),
        (-1, -2, False),
        ((), (1,), False),
    ],
)
def test_strings_and_integers_are_known_by_value(core, connected, sent, hears) -> None:
    signal = core.Signal()
    signal.connect(lambda sender: None, connected, weak=False)
    assert signal.has_receivers_for(sent) is hears
    assert len(signal.send(sent)) == hears


def test_equal_objects_are_different_senders(core) -> None:
    class Equal:
        def __eq__(self, other: object) -> bool:
            return True

    one, other = Equal(), Equal()
    signal = core.Signal()
    signal.connect(lambda sender: None, one, weak=False)
    assert (len(signal.send(one)), len(signal.send(other))) == (1, 0)


def test_bound_method_is_a_sender_by_its_object_and_function(core) -> None:
    class Thing:
        def act(self):
            raise NotImplementedError

    thing = Thing()
    signal = core.Signal()
    signal.connect(lambda sender: None, thing.act, weak=False)
    assert len(signal.send(thing.act)) == 1
    assert len(signal.send(Thing().act)) == 0


def test_receiver_names_only_what_it_uses(core) -> None:
    signal = core.Signal()

    def none(sender):
        return ()

    def one(sender, values):
        return (values,)

    def swapped(sender, values, instance):
        return values, instance

    def positional_only(sender, instance, /):
        return (instance,)

    def keyword_only(sender, *, values):
        return (values,)

    def rest(sender, values, **kwargs):
        return values, kwargs

    def rest_keyword_only(sender, *, values, **kwargs):
        return values, kwargs

    def optional(sender, absent=3, values=None):
        return absent, values

    def variadic(*args, **kwargs):
        return args, kwargs

    for receiver in (
        none,
        one,
        swapped,
        positional_only,
        keyword_only,
        rest,
        rest_keyword_only,
        optional,
        variadic,
    ):
        signal.connect(receiver)
    results = dict(signal.send("me", instance="i", values="v", extra="e"))
    assert results == {
        none: (),
        one: ("v",),
        swapped: ("v", "i"),
        positional_only: ("i",),
        keyword_only: ("v",),
        rest: ("v", {"instance": "i", "extra": "e"}),
        rest_keyword_only: ("v", {"instance": "i", "extra": "e"}),
        optional: (3, "v"),
        variadic: (("me",), {"instance": "i", "values": "v", "extra": "e"}),
    }


def test_each_receiver_has_keywords_of_its_own(core) -> None:
    signal, seen = core.Signal(), []

    def greedy(sender, **kwargs):
        seen.append(dict(kwargs))
        kwargs.clear()

    def late(sender, **kwargs):
        seen.append(dict(kwargs))
        kwargs["more"] = 1

    signal.connect(greedy)
    signal.connect(late)
    for _ in range(2):
        signal.send("me", a=1, b=2)
    assert seen == [{"a": 1, "b": 2}] * 4


def puts_back(kwargs):
    kwargs["a"] = kwargs.pop("a")


def renames(kwargs):
    kwargs["c"] = kwargs.pop("b")


@pytest.mark.parametrize(
    "spoil",
    [
        dict.popitem,
        dict.clear,
        lambda kwargs: kwargs.update(a="spoilt"),
        lambda kwargs: kwargs.setdefault("c", 3),
        puts_back,
        renames,
    ],
    ids=["last removed", "all removed", "changed", "added", "order changed", "renamed"],
)
def test_what_a_receiver_does_to_its_keywords_no_other_sees(core, spoil) -> None:
    signal, seen, kept = core.Signal(), [], []

    def spoils(sender, **kwargs):
        spoil(kwargs)

    def keeps(sender, **kwargs):
        seen.append(list(kwargs.items()))
        kept.append(kwargs)

    def spoils_what_it_keeps(sender, **kwargs):
        seen.append(list(kwargs.items()))
        kept.append(kwargs)
        spoil(kwargs)

    def sees(sender, **kwargs):
        seen.append(list(kwargs.items()))

    for receiver in (spoils, keeps, spoils_what_it_keeps, sees):
        signal.connect(receiver)
    signal.send("me", a=1, b=2)
    assert seen == [[("a", 1), ("b", 2)]] * 3
    spoilt = {"a": 1, "b": 2}
    spoil(spoilt)
    assert kept == [{"a": 1, "b": 2}, spoilt]


def test_closure_over_the_keywords_keeps_them(core) -> None:
    signal, kept = core.Signal(), []

    def receiver(sender, a, **kwargs):
        kept.append(lambda: (a, kwargs))

    def another(sender, a, **kwargs):
        kept.append(lambda: (a, kwargs))

    signal.connect(receiver)
    signal.connect(another)
    signal.send("me", a=1, b=2)
    assert [look() for look in kept] == [(1, {"b": 2}), (1, {"b": 2})]
    assert kept[0]()[1] is not kept[1]()[1]


def test_receiver_whose_code_is_replaced_runs_the_new_code(core) -> None:
    signal = core.Signal()

    def receiver(sender, **kwargs):
        return "old"

    def new(sender, **kwargs):
        return "new"

    signal.connect(receiver)
    before = signal.send("me", a=1)
    receiver.__code__ = new.__code__
    assert (before, signal.send("me", a=1)) == ([(receiver, "old")], [(receiver, "new")])


def test_decorated_receiver_is_called_by_the_names_inside(core) -> None:
    import functools

    def with_session(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, session="a session", **kwargs)

        return wrapper

    signal = core.signals.pre_delete

    @with_session
    def receiver(sender, session, instance):
        return sender, session, instance

    plain = core.Signal()
    plain.connect(receiver)
    assert plain.send("me", instance="i", other="o") == [(receiver, ("me", "a session", "i"))]
    with signal.connected_to(receiver, Sender):
        assert signal.has_receivers_for(Sender)


def test_decorator_that_names_a_parameter_itself_gets_it(core) -> None:
    import functools

    def loud(function):
        @functools.wraps(function)
        def wrapper(sender, instance, **kwargs):
            return instance, function(sender, instance=instance, **kwargs)

        return wrapper

    @loud
    def receiver(sender, **kwargs):
        return kwargs

    signal = core.Signal()
    signal.connect(receiver)
    for _ in range(2):
        assert signal.send("me", instance=1, a=2) == [(receiver, (1, {"instance": 1, "a": 2}))]


def test_wrapper_may_return_any_callable(core) -> None:
    import functools

    class Wrapped:
        def __init__(self, function):
            self.function = function

        def __call__(self, *args, **kwargs):
            self.function(*args, **kwargs).close()
            return args, kwargs

    async def receiver(sender, a, **kwargs):
        raise AssertionError("not awaited")

    signal = core.Signal()
    signal.connect(receiver)
    for wrapper in (Wrapped, lambda function: functools.partial(Wrapped(function))):
        ((_, (args, kwargs)),) = signal.send("me", _async_wrapper=wrapper, a=1, b=2)
        assert (args[0], dict(zip("a", args[1:], strict=False)) | kwargs) == ("me", {"a": 1, "b": 2})


def test_callables_of_every_kind_receive(core) -> None:
    import functools

    class Callable:
        def __call__(self, sender, a):
            return a

        def method(self, sender, **kwargs):
            return kwargs

        @classmethod
        def of_class(cls, sender, a):
            return a

        @staticmethod
        def static(sender, a):
            return a

    thing = Callable()
    partial = functools.partial(lambda sender, b, a: (a, b), b=2)
    signal = core.Signal()
    for receiver in (thing, thing.method, Callable.of_class, thing.static, partial):
        signal.connect(receiver, weak=False)
    values = [value for _, value in signal.send("me", a=1)]
    assert values == [1, {"a": 1}, 1, 1, (1, 2)]


def test_weakly_connected_method_lives_as_long_as_its_object(core) -> None:
    class Thing:
        def __init__(self):
            self.heard = []

        def hear(self, sender, **kwargs):
            self.heard.append(kwargs)

    thing = Thing()
    signal = core.Signal()
    signal.connect(thing.hear)
    signal.send("me", a=1)
    assert thing.heard == [{"a": 1}]
    assert signal.send("me", a=1)[0][0] == thing.hear
    del thing
    gc.collect()
    assert signal.send("me", a=2) == []
    assert not signal.receivers


@pytest.mark.parametrize("kwargs", ["", ", **kwargs"])
def test_weak_receiver_in_a_cycle_with_what_it_closes_over_is_let_go(core, kwargs) -> None:
    signal = core.Signal()
    namespace: dict[str, object] = {}
    exec(f"def receiver(sender{kwargs}): return receiver", namespace)
    watch = weakref.ref(namespace["receiver"])
    signal.connect(namespace["receiver"])
    assert len(signal.send("me", a=1)) == 1
    del namespace
    gc.collect()
    assert watch() is None
    assert not signal.receivers


def test_dead_sender_is_forgotten_before_its_address_is_reused(core) -> None:
    signal = core.Signal()
    addresses = set()
    reused = 0
    for _ in range(100_000):  # at once on most builds; not on a free-threaded one, nor under a sanitizer
        sender = Sender()
        reused += id(sender) in addresses
        addresses.add(id(sender))
        assert signal.send(sender) == []
        signal.connect(test_signal_is_a_blinker_signal, sender)
        assert signal.has_receivers_for(sender)
        del sender
        if reused == 50:
            break
    assert reused, "no address was reused: this shows nothing"
    assert not any(signal._by_sender.values())


def test_last_connect_decides_whether_a_receiver_is_weak(core) -> None:
    signal = core.Signal()

    def receiver(sender, **kwargs):
        pass

    signal.connect(receiver)
    assert len(signal.send()) == 1
    signal.connect(receiver, "somebody", weak=False)
    del receiver
    gc.collect()
    assert len(signal.send()) == 1


def test_send_keeps_the_receivers_that_it_began_with(core) -> None:
    signal, calls = core.Signal(), []

    def late(sender):
        calls.append("late")

    def leaving(sender):
        calls.append("leaving")

    def first(sender):
        calls.append("first")
        signal.disconnect(leaving)
        signal.connect(late)

    signal.connect(first)
    signal.connect(leaving)
    signal.send()
    assert calls == ["first", "leaving"]
    calls.clear()
    signal.send()
    assert calls == ["first", "late"]


def test_send_keeps_a_weak_receiver_that_dies_meanwhile(core) -> None:
    signal, calls, hold = core.Signal(), [], {}

    def first(sender):
        hold.clear()
        gc.collect()

    signal.connect(first)
    hold["second"] = lambda sender: calls.append("second")
    signal.connect(hold["second"])
    signal.send()
    signal.send()
    assert calls == ["second"]


def test_receiver_may_send_its_own_signal(core) -> None:
    signal, depths = core.Signal(), []

    def receiver(sender, depth, **kwargs):
        depths.append((depth, kwargs))
        if depth < 3:
            signal.send(sender, depth=depth + 1, other=depth)

    signal.connect(receiver)
    signal.send("me", depth=0)
    assert depths == [(0, {}), (1, {"other": 0}), (2, {"other": 1}), (3, {"other": 2})]


def test_error_carries_a_note_and_stops_the_send(core) -> None:
    signal, calls = core.NamedSignal("paid"), []
    error = ValueError("no")

    def failing(sender, **kwargs):
        raise error

    signal.connect(failing)
    signal.connect(lambda sender: calls.append(1), weak=False)
    for _ in range(2):  # the same exception object again: still one note
        with pytest.raises(ValueError, match="no") as caught:
            signal.send(Sender, a=1)
        assert caught.value is error
    assert error.__notes__ == [
        f"aldis: at the receiver {__name__}.{failing.__qualname__} of the signal 'paid', sender {__name__}.Sender"
    ]
    assert calls == []


def test_traceback_shows_the_receivers_own_line(core) -> None:
    signal = core.Signal()

    def failing(sender, **kwargs):
        raise ValueError("no")  # this line

    signal.connect(failing)
    with pytest.raises(ValueError, match="no") as caught:
        signal.send("me", a=1)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.name, last.filename, last.line) == ("failing", __file__, 'raise ValueError("no")  # this line')


def test_note_survives_a_sender_whose_repr_fails(core) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    def failing(sender):
        raise ValueError("no")

    signal = core.Signal()
    signal.connect(failing)
    with pytest.raises(ValueError, match="no") as caught:
        signal.send(Broken())
    assert "Broken" in caught.value.__notes__[0]


def test_muted_signal_calls_nobody(core) -> None:
    signal = core.Signal()
    signal.connect(lambda sender: None, weak=False)
    with signal.muted():
        assert signal.is_muted
        assert signal.send() == []
        assert signal.has_receivers_for(None)
    assert len(signal.send()) == 1
    signal.is_muted = True
    assert signal.send() == []


def test_plain_send_to_a_coroutine_function_is_refused_unless_wrapped(core) -> None:
    signal = core.Signal()

    async def receiver(sender, a):
        return a

    def run(function):
        def wrapper(*args, **kwargs):
            try:
                function(*args, **kwargs).send(None)
            except StopIteration as stop:
                return stop.value

        return wrapper

    signal.connect(receiver)
    with pytest.raises(RuntimeError) as caught:
        signal.send("me", a=1)
    assert str(caught.value) == "Cannot send to a coroutine function."
    assert signal.send("me", a=1, _async_wrapper=run) == [(receiver, 1)]
    assert signal.send("me", _async_wrapper=run, **{"a": 1, "b": 2}) == [(receiver, 1)]
    assert signal.send("me", **{"".join(["_async_", "wrapper"]): run, "a": 1}) == [(receiver, 1)]


def test_send_without_a_sender(core) -> None:
    signal = core.Signal()
    signal.connect(lambda sender, **kwargs: (sender, kwargs), weak=False)
    assert signal.send()[0][1] == (None, {})
    assert signal.send(a=1)[0][1] == (None, {"a": 1})


def test_send_of_very_many_keywords(core) -> None:
    names = [f"k{number}" for number in range(300)]
    namespace: dict[str, object] = {}
    exec(f"def named(sender, {', '.join(reversed(names))}): return k0, k299", namespace)
    signal = core.Signal()
    signal.connect(namespace["named"])
    signal.connect(lambda sender, k5, **kwargs: (k5, len(kwargs)), weak=False)
    values = [value for _, value in signal.send("me", **{name: number for number, name in enumerate(names)})]
    assert values == [(0, 299), (5, 299)]


def test_any_number_of_different_keywords_is_forgotten_again(core) -> None:
    signal = core.Signal()
    signal.connect(lambda sender, **kwargs: kwargs, weak=False)
    for number in range(1000):
        assert signal.send("me", **{f"k{number}": number})[0][1] == {f"k{number}": number}


def test_signals_of_a_namespace(core) -> None:
    shop = core.Namespace()
    paid = shop.signal("paid", "Somebody paid.")
    assert shop.signal("paid") is paid
    assert (paid.name, paid.__doc__, dict(shop)) == ("paid", "Somebody paid.", {"paid": paid})
    assert "'paid'" in repr(paid)
    assert core.module.signal("x") is core.module.default_namespace["x"]


def test_connect_and_disconnect_are_told(core) -> None:
    signal, told = core.Signal(), []

    def connected(sender, receiver, sender_=None, **kwargs):
        told.append(("connected", sender, receiver, kwargs))

    def disconnected(sender, receiver, **kwargs):
        told.append(("disconnected", sender, receiver, kwargs))

    signal.receiver_connected.connect(lambda s, **kw: told.append(("connected", s, kw)), weak=False)
    signal.receiver_disconnected.connect(lambda s, **kw: told.append(("disconnected", s, kw)), weak=False)
    assert isinstance(signal.receiver_connected, core.Signal)
    signal.connect(connected, "me")
    signal.disconnect(connected, "me")
    assert told[0] == ("connected", signal, {"receiver": connected, "sender": "me", "weak": True})
    assert told[1] == ("disconnected", signal, {"receiver": connected, "sender": "me"})
    del disconnected


def test_signatures_and_docstrings_are_there(core) -> None:
    assert list(inspect.signature(core.Signal.send).parameters) == ["self", "sender", "_async_wrapper", "kwargs"]
    assert list(inspect.signature(core.Signal().send_async).parameters) == ["sender", "_sync_wrapper", "kwargs"]
    assert "Raises:" in inspect.getdoc(core.Signal.send)
    assert "Example:" in inspect.getdoc(core.Signal.has_receivers_for)
    parameters = list(inspect.signature(core.emitters.post_save).parameters)
    assert parameters == ["signal", "sender", *core.signals.post_save.parameters]
    assert "model_instance: the model instance" in inspect.getdoc(core.emitters.post_save)
    assert core.emitters.post_save.__name__ == "post_save"


def test_disconnecting_a_stranger_is_no_error(core) -> None:
    signal = core.Signal()
    signal.disconnect(lambda sender: None)
    signal.disconnect(lambda sender: None, "me")
    assert not signal.has_receivers_for("me")


def test_wrapper_may_call_another_closure_of_the_same_code(core) -> None:
    def make(word):
        async def receiver(sender, **kwargs):
            return word, kwargs

        return receiver

    signal, receiver, other = core.Signal(), make("receiver"), make("other")
    signal.connect(receiver, weak=False)

    def wrapper(found):
        assert found is receiver
        return other

    for _ in range(2):
        ((_, coroutine),) = signal.send("x", _async_wrapper=wrapper, a=1)
        assert asyncio.run(coroutine) == ("other", {"a": 1})
        ((_, result),) = asyncio.run(signal.send_async("x", a=1))
        assert result == ("receiver", {"a": 1})


@pytest.mark.parametrize("way", ["the class", "anybody", "a class above"])
def test_class_that_nobody_heard_is_heard_after_a_connect(core, way) -> None:
    class Base:
        pass

    class Sender(Base):
        pass

    signal, names, log = core.Signal(), ("value",), []
    assert signal.plan(Sender, names) is None
    assert signal.plan(Sender, names) is None

    def receiver(sender, value):
        log.append((sender, value))

    options = {"the class": (Sender,), "anybody": (core.ANY,), "a class above": (Base,)}
    signal.connect(receiver, *options[way], subclasses=way == "a class above")
    signal.plan(Sender, names)(Sender, 1)
    assert log == [(Sender, 1)]
    signal.disconnect(receiver, *options[way])
    assert signal.plan(Sender, names) is None


def test_plan_that_a_class_overrides_is_called_wherever_the_class_stands(core) -> None:
    calls = []

    class Counting(core.Signal):
        def plan(self, sender, names=None):
            calls.append(sender)
            return super().plan(sender, names)

    class CountingNamed(core.NamedSignal, Counting):
        pass

    class Below(CountingNamed):
        pass

    for signal in (Counting(), CountingNamed("x"), Below("y")):
        signal.connect(lambda sender: None, weak=False)
        signal.plan("me", ())("me")
    assert calls == ["me"] * 3
