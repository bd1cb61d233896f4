"""Bad receivers, senders and emissions: each gets an error that says what, which value, and what to do."""

from __future__ import annotations

import weakref

import pytest


class Thing:
    pass


def test_what_is_not_callable_is_refused(core) -> None:
    with pytest.raises(core.SignalError, match=r"cannot connect 5: a int is not callable\. Connect a function"):
        core.Signal().connect(5)


def test_receiver_without_weak_references_is_refused_weakly(core) -> None:
    class Slotted:
        __slots__ = ()

        def __call__(self, sender):
            return "heard"

    signal = core.Signal()
    receiver = Slotted()
    with pytest.raises(core.SignalError, match=r"takes no weak references. Connect it with weak=False"):
        signal.connect(receiver)
    assert not signal.receivers
    signal.connect(receiver, weak=False)
    assert signal.send() == [(receiver, "heard")]


def test_sender_that_could_not_be_known_again_is_refused(core) -> None:
    with pytest.raises(core.SignalError, match=r"cannot listen to \[1\]: a list is unhashable"):
        core.Signal().connect(print, [1])

    class Unhashable(str):
        __slots__ = ()
        __hash__ = None

    with pytest.raises(core.SignalError, match="a Unhashable is unhashable"):
        core.Signal().connect(print, Unhashable("me"))


def test_unhashable_sender_that_can_be_watched_is_known_by_identity(core) -> None:
    class Equal:
        def __eq__(self, other):
            return True

        __hash__ = None

    sender = Equal()
    signal = core.Signal()
    signal.connect(lambda sender: 1, sender, weak=False)
    assert (len(signal.send(sender)), len(signal.send(Equal()))) == (1, 0)


@pytest.mark.parametrize("refer", [weakref.ref, weakref.proxy])
def test_dead_sender_is_refused(core, refer) -> None:
    dead = refer(Thing())
    with pytest.raises(core.SignalError, match=r"cannot listen to <weak.*: the object that it refers to is gone"):
        core.Signal().connect(print, dead)


def test_live_proxy_is_a_sender_of_its_own(core) -> None:
    thing = Thing()
    proxy = weakref.proxy(thing)
    signal = core.Signal()
    signal.connect(lambda sender: 1, proxy, weak=False)
    assert (len(signal.send(proxy)), len(signal.send(thing))) == (1, 0)


def test_misspelt_parameter_is_refused_with_the_nearest_name(core) -> None:
    def receiver(sender, instnce):
        pass

    signal = core.signals.post_save
    with pytest.raises(core.SignalError) as caught:
        signal.connect(receiver, Thing)
    message = str(caught.value)
    assert f"{__name__}.{receiver.__qualname__} cannot receive 'post_save'" in message
    assert "requires 'instnce', which the signal never sends. Did you mean 'instance'?" in message
    assert "post_save sends: sender, instance, model_instance, values," in message
    assert not signal.has_receivers_for(Thing)


def test_parameter_of_django_is_answered_by_its_like(core) -> None:
    def paid(sender, amount):
        pass

    post_save, post_delete = core.signals.post_save, core.signals.post_delete
    for signal, receiver, told in (
        (post_save, lambda sender, created: None, "Django's created is `not is_update` here. post_save sends:"),
        (post_save, lambda sender, update_fields: None, "Django's update_fields are the names in `values` here"),
        (post_save, lambda sender, raw: None, r"load fixtures inside aldis.signals_disabled\(\)"),
        (post_delete, lambda sender, using: None, "Django's using has no like here"),
        (core.Signal.of(paid), lambda sender, created: None, "Did you mean 'amount'"),
    ):
        with pytest.raises(core.SignalError, match=told):
            signal.connect(receiver, Thing)


def test_parameter_with_a_default_is_not_required(core) -> None:
    def receiver(sender, instance, session=None):
        return session

    with core.signals.post_save.connected_to(receiver, Thing):
        assert core.signals.post_save.has_receivers_for(Thing)


def test_receiver_without_a_place_for_the_sender_is_refused(core) -> None:
    with pytest.raises(core.SignalError, match="takes no positional argument, and the sender is one"):
        core.signals.post_save.connect(lambda *, instance: None, Thing)
    with pytest.raises(core.SignalError, match="first parameter is 'instance', where the sender goes"):
        core.signals.post_save.connect(lambda instance: None, Thing)


def test_migration_receiver_is_checked_against_its_sender(core) -> None:
    def receiver(sender, tag):
        pass

    signal = core.signals.pre_migrate
    for sender in ("upgrade", core.ANY):
        signal.connect(receiver, sender)
        signal.disconnect(receiver)
    with pytest.raises(core.SignalError, match="requires 'tag', which the signal never sends"):
        signal.connect(receiver, "revision")


def test_emission_with_a_missing_parameter_names_it(core) -> None:
    with pytest.raises(TypeError) as caught:
        core.emitters.post_delete(core.Signal(), Thing, 1, 2, 3)
    assert str(caught.value) == "post_delete() missing 1 required positional argument: 'operation_skipped'"


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((1, 2, 3, 4, 5, 6, 7), {}),
        ((1, 2, 3, 4, 5), {"operation_skiped": True}),
        ((1, 2, 3, 4, 5), {"row_count": 1}),
        ((), {"sender": Thing}),
    ],
)
def test_emission_that_does_not_fit_fails_the_same_way_on_both_cores(core, args, kwargs) -> None:
    def post_delete(signal, sender, instance, model_instance, row_count, operation_skipped):
        raise AssertionError("called")

    with pytest.raises(TypeError) as expected:
        post_delete(*args, **kwargs)
    with pytest.raises(TypeError) as caught:
        core.emitters.post_delete(*args, **kwargs)
    assert str(caught.value) == str(expected.value).replace(post_delete.__qualname__, "post_delete")


def test_send_with_two_senders_fails_the_same_way_on_both_cores(core) -> None:
    for send in (core.Signal().send, core.Signal().send_async):
        with pytest.raises(TypeError, match=r"takes from 1 to 2 positional arguments but 3 were given"):
            send(1, 2)
    with pytest.raises(TypeError, match=r"takes from 1 to 2 positional arguments but 3 positional arguments"):
        core.Signal().send(1, 2, _async_wrapper=None)


def test_emission_through_what_is_no_signal_is_refused(core) -> None:
    with pytest.raises(TypeError, match=r"cannot emit through 5: it is a int, not a signal"):
        core.emitters.pre_delete(5, Thing, 1, 2, 3)


def test_migration_emitter_refuses_a_strange_sender(core) -> None:
    with pytest.raises(core.SignalError, match=r"pre_migrate cannot be sent by 'stamp'; its senders are 'upgrade'"):
        core.emitters.pre_migrate(core.Signal(), "stamp", None)


def test_broadcaster_takes_signals_only(core) -> None:
    signals = core.Broadcaster()
    with pytest.raises(core.SignalError, match=r"cannot set 'on_verify' to <function.*is not a signal"):
        signals.on_verify = lambda: None
    with pytest.raises(core.SignalError, match="do not begin with '_'"):
        signals["_x"] = core.Signal()
    with pytest.raises(core.SignalError, match="cannot take the lifecycle signals from .*: it has no 'post_bulk'"):
        signals.set_lifecycle_signals_from(object())
    with pytest.raises(core.SignalError, match="cannot delete 'on_verify': it was not set here"):
        del signals.on_verify
    assert len(signals) == 0
