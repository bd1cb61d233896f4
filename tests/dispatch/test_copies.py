"""Copies of signals: ``copy``, ``deepcopy`` and ``pickle`` do what they do with blinker's, on both cores."""

from __future__ import annotations

import copy
import gc
import pickle

import blinker
import pytest

import aldis


class Sender:
    """A sender that is known by identity."""


def receiver(sender, **kwargs):
    return "heard"


def one_more(sender, **kwargs):
    return "one more"


def results(signal, sender="shop"):
    return sorted(value for _, value in signal.send(sender, a=1))


def both(core):
    return blinker.Signal, core.Signal


def test_shallow_copy_shares_the_receivers(core) -> None:
    for kind in both(core):
        signal = kind()
        signal.connect(receiver)
        copied = copy.copy(signal)
        for _ in range(4):
            assert results(signal) == results(copied) == ["heard"]
        copied.connect(one_more)
        assert results(signal) == results(copied) == ["heard", "one more"]
        signal.disconnect(receiver)
        assert results(signal) == results(copied) == ["one more"]


def test_deep_copy_has_the_receivers_and_goes_its_own_way(core) -> None:
    sender = Sender()
    for kind in both(core):
        signal = kind()
        signal.connect(receiver, sender)
        signal.connect(one_more, "shop", weak=False)
        copied = copy.deepcopy(signal)
        assert type(copied) is kind
        for _ in range(4):
            assert results(copied, sender) == ["heard"]
            assert results(copied) == ["one more"]
        copied.disconnect(receiver)
        copied.connect(receiver, "shop")
        assert results(copied) == ["heard", "one more"]
        assert results(signal) == ["one more"]
        assert results(signal, sender) == ["heard"]


def test_deep_copy_keeps_options_and_notes_deaths(core) -> None:
    signal = core.Signal()
    sender = Sender()

    def passing(sender, **kwargs):
        return "passing"

    signal.connect(receiver, sender)
    signal.connect(passing, sender, priority=5, when=lambda a: a == 1)
    copied = copy.deepcopy(signal)
    assert [value for _, value in copied.send(sender, a=1)] == ["passing", "heard"]
    assert [value for _, value in copied.send(sender, a=2)] == ["heard"]
    del passing
    gc.collect()
    assert [value for _, value in copied.send(sender, a=1)] == ["heard"]
    assert len(copied.receivers) == 1
    del sender
    gc.collect()
    assert not copied._by_sender


def test_copies_have_the_docstring_and_the_attributes_of_a_user(core) -> None:
    signal = core.NamedSignal("paid", "Somebody paid.")
    signal.shop = "corner"
    for copied in (copy.copy(signal), copy.deepcopy(signal)):
        assert (copied.name, copied.__doc__, copied.shop) == ("paid", "Somebody paid.", "corner")
    assert core.NamedSignal("sent").__doc__ == core.NamedSignal.__doc__ != core.Signal.__doc__


def test_dict_of_a_signal_is_empty_until_a_user_gives_it_an_attribute(core) -> None:
    signal = core.NamedSignal("paid", "Somebody paid.")
    signal.connect(print)
    signal.receiver_connected.connect(lambda *_args, **_kwargs: None, weak=False)
    signal.disconnect(print)
    assert vars(signal) == {}


def test_pickle_of_a_signal(core) -> None:
    kinds = both(core) if core.backend == aldis.backend else (blinker.Signal,)
    for kind in kinds:  # a name leads to the classes of the core that runs
        signal = kind()
        signal.connect(receiver, weak=False)
        assert results(pickle.loads(pickle.dumps(signal))) == ["heard"]
        signal.connect(receiver, weak=True)
        with pytest.raises(TypeError, match="cannot pickle 'weakref"):
            pickle.dumps(signal)


def test_copies_of_lifecycle_signals_know_their_parameters(core) -> None:
    signal = core.LifecycleSignal("paid", {None: ("amount",)})
    signal.connect(receiver)
    for copied in (copy.copy(signal), copy.deepcopy(signal)):
        assert copied.name == "paid"
        assert copied.plan("shop")("shop", 5) is None
        with pytest.raises(core.SignalError, match="Did you mean 'amount'"):
            copied.connect(lambda sender, amout: None, weak=False)
    muted = core.Signal()
    muted.connect(receiver)
    muted.is_muted = True
    assert copy.copy(muted).is_muted
    assert copy.deepcopy(muted).send("shop") == []


NAMES = ("value",)


@pytest.mark.parametrize("by_pickle", [False, True])
def test_copy_of_a_signal_that_was_sent_has_plans_of_its_own(core, by_pickle) -> None:
    if by_pickle and core.backend != aldis.backend:
        pytest.skip("a name leads to the classes of the core that runs")
    signal = core.Signal()
    signal.connect(receiver, "a", weak=False)
    signal.plan("a", NAMES)("a", 1)
    copied = pickle.loads(pickle.dumps(signal)) if by_pickle else copy.deepcopy(signal)
    assert len(copied.send("a", value=1)) == 1
    copied.disconnect(receiver, "a")
    assert copied.plan("a", NAMES) is None
    assert signal.plan("a", NAMES) is not None


def test_muted_copy_is_silent_and_hears_what_is_connected_later(core) -> None:
    signal = core.Signal()
    sender = Sender()
    signal.connect(receiver, sender, weak=False)
    copied = copy.copy(signal)
    assert signal.plan(sender, NAMES) is not None
    with copied.muted():
        assert copied.plan(sender, NAMES) is None
        assert signal.plan(sender, NAMES) is not None
        assert copied.plan(sender, NAMES) is None
    log = []

    def later(sender, value):
        log.append(value)

    assert copied.plan(sender, NAMES)(sender, 1) is None
    signal.connect(later, sender)
    copied.plan(sender, NAMES)(sender, 2)
    assert log == [2]
