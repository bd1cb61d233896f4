"""The same random connects, deaths, mutes and sends, to both cores and to blinker: no difference but the documented.

The documented differences that show here: blinker calls receivers in no particular order, and counts a sender whose
receivers are all disconnected as one that has receivers.
"""

from __future__ import annotations

import gc
from types import SimpleNamespace

import blinker
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cores import core_of


class Sender:
    """A sender that is known by identity."""


SHAPES = {
    "everything": "def receiver(sender, **kwargs): log(number, sender, kwargs)",
    "instance": "def receiver(sender, instance, **kw): log(number, sender, dict(kw, instance=instance))",
    "variadic": "def receiver(*args, **kwargs): log(number, *args, kwargs)",
    "optional": "def receiver(sender, instance, x=0, **kw): log(number, sender, dict(kw, instance=instance, x=x))",
}
VALUE_SENDERS = ["a", "b", 1, 2, True, "1", None, "".join(["a"])]
places = st.integers(0, 5)
senders = st.one_of(st.just("ANY"), st.integers(0, 3), st.sampled_from(VALUE_SENDERS).map(lambda value: (value,)))


class Same(RuleBasedStateMachine):
    """Three signals that must behave alike."""

    @initialize()
    def begin(self) -> None:
        self.sides = []
        for name in ("compiled", "pure", "blinker"):
            signal = blinker.Signal() if name == "blinker" else core_of(name).Signal()
            self.sides.append(SimpleNamespace(name=name, signal=signal, calls=[], receivers={}, methods={}))
        self.objects = {place: Sender() for place in range(4)}
        self.count = 0

    def sender(self, which):
        if which == "ANY":
            return blinker.ANY
        return which[0] if isinstance(which, tuple) else self.objects[which]

    def make(self, side, shape, number):
        def log(number, sender, kwargs):
            side.calls.append((number, sender, tuple(sorted(kwargs.items()))))

        namespace = {"log": log, "number": number}
        exec(SHAPES[shape], namespace)
        return namespace.pop("receiver")

    @rule(place=places, shape=st.sampled_from(sorted(SHAPES)), which=senders, weak=st.booleans())
    def connect_a_new_receiver(self, place, shape, which, weak):
        self.count += 1
        for side in self.sides:
            receiver = side.receivers[place] = self.make(side, shape, self.count)
            side.signal.connect(receiver, self.sender(which), weak)
            del receiver

    @rule(place=places, which=senders, weak=st.booleans())
    def connect_a_method(self, place, which, weak):
        self.count += 1
        for side in self.sides:
            function = self.make(side, "everything", self.count)
            thing = type("Thing", (), {"hear": lambda self, sender, function=function, **kw: function(sender, **kw)})()
            side.methods[place] = thing
            side.signal.connect(thing.hear, self.sender(which), weak)
            del thing

    @rule(place=places, which=senders, weak=st.booleans())
    def connect_again(self, place, which, weak):
        for side in self.sides:
            if place in side.receivers:
                side.signal.connect(side.receivers[place], self.sender(which), weak)

    @rule(place=places, which=senders, weak=st.booleans(), priority=st.integers(-1, 1), conditional=st.booleans())
    def connect_with_options(self, place, which, weak, priority, conditional):
        """The options are this connection's; blinker has none, and calls the same receivers."""
        for side in self.sides:
            if place in side.receivers:
                receiver, sender = side.receivers[place], self.sender(which)
                if side.name == "blinker":
                    side.signal.connect(receiver, sender, weak)
                else:
                    when = (lambda values: values == 2) if conditional else None
                    side.signal.connect(receiver, sender, weak, priority=priority, when=when)

    @rule(place=places, which=senders)
    def disconnect(self, place, which):
        for side in self.sides:
            if place in side.receivers:
                side.signal.disconnect(side.receivers[place], self.sender(which))
            if place in side.methods:
                side.signal.disconnect(side.methods[place].hear, self.sender(which))

    @rule(place=places)
    def let_receivers_die(self, place):
        for side in self.sides:
            side.receivers.pop(place, None)
            side.methods.pop(place, None)
        gc.collect(0)

    @rule(place=st.integers(0, 3))
    def let_a_sender_die(self, place):
        del self.objects[place]
        gc.collect(0)
        self.objects[place] = Sender()

    @rule()
    def tidy_up(self):
        for side in self.sides:
            side.signal._cleanup_bookkeeping()

    @rule(which=senders, extra=st.dictionaries(st.sampled_from("xyz"), st.integers(), max_size=2))
    def send(self, which, extra):
        results = []
        for side in self.sides:
            side.calls.clear()
            results.append(len(side.signal.send(self.sender(which), instance=1, values=2, **extra)))
        assert len(set(results)) == 1, results
        assert self.sides[0].calls == self.sides[1].calls
        assert sorted(map(repr, self.sides[0].calls)) == sorted(map(repr, self.sides[2].calls))

    @rule(which=senders)
    def send_muted(self, which):
        for side in self.sides:
            side.calls.clear()
            with side.signal.muted():
                assert side.signal.send(self.sender(which), instance=1, values=2) == []
            assert not side.calls

    @invariant()
    def has_the_same_connections(self):
        if hasattr(self, "sides"):
            ours = [
                [
                    each._replace(receiver=None, sender=None, file="", when=str(each.when))
                    for each in core_of(side.name).connections(side.signal)
                ]
                for side in self.sides[:2]
            ]
            assert ours[0] == ours[1]

    @invariant()
    def has_receivers(self):
        if not hasattr(self, "sides"):
            return
        compiled, pure, theirs = (side.signal for side in self.sides)
        for which in ["ANY", 0, 1, 2, 3, ("a",), (1,), (None,)]:
            sender = self.sender(which)
            says = compiled.has_receivers_for(sender)
            assert says == pure.has_receivers_for(sender)
            assert says == bool(list(theirs.receivers_for(sender)))
            assert not says or theirs.has_receivers_for(sender)
            live = [len(list(side.receivers_for(sender))) for side in (compiled, pure, theirs)]
            assert len(set(live)) == 1, live
        assert bool(compiled.receivers) == bool(pure.receivers) == bool(theirs.receivers)
        assert len(compiled.receivers) == len(pure.receivers) == len(theirs.receivers)


TestSame = Same.TestCase
TestSame.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
