"""The signals of a class: created, rewired, inherited."""

from __future__ import annotations

from collections.abc import MutableMapping

import blinker
import pytest


def test_missing_name_is_created_and_kept(core) -> None:
    signals = core.Broadcaster()
    assert signals.on_verify is signals["on_verify"]
    assert signals.on_verify.name == "on_verify"
    assert list(signals) == ["on_verify"]
    assert "on_verify" in signals
    assert "on_rest" not in signals


def test_foreign_signal_serves(core) -> None:
    signals = core.Broadcaster()
    foreign = blinker.Signal()
    signals.pre_delete = foreign
    assert signals["pre_delete"] is foreign


def test_derived_sees_later_changes_until_it_sets_its_own(core) -> None:
    base = core.Broadcaster({"pre_save": core.Signal()})
    derived = core.Broadcaster(parents=[base])
    assert derived.pre_save is base.pre_save
    base.pre_save = core.Signal()
    assert derived.pre_save is base.pre_save
    derived.pre_save = own = core.Signal()
    base.pre_save = core.Signal()
    assert derived.pre_save is own
    del derived.pre_save
    assert derived.pre_save is base.pre_save


def test_name_that_a_parent_gets_later_is_the_childs_too(core) -> None:
    top = core.Broadcaster()
    middle = core.Broadcaster(parents=[top])
    derived = core.Broadcaster(parents=[middle])
    top.one, middle.one = (core.Signal() for _ in range(2))
    assert derived.one is middle.one
    del middle.one
    assert derived.one is top.one
    made = top.two
    assert derived.two is made
    own = derived.three
    assert top.three is not own
    assert derived.three is own
    del derived.three
    assert derived.three is top.three


def test_first_parent_that_has_a_name_decides(core) -> None:
    left, right = core.Broadcaster(), core.Broadcaster()
    both = core.Broadcaster(parents=[left, right])
    right.pre_save = core.Signal()
    assert both.pre_save is right.pre_save
    left.pre_save = core.Signal()
    assert both.pre_save is left.pre_save


def test_second_parent_goes_before_the_parent_of_both(core) -> None:
    """As with classes: ``class Derived(Left, Right)``, where both are derived from Base."""
    base = core.Broadcaster({"pre_save": core.Signal()})
    left, right = core.Broadcaster(parents=[base]), core.Broadcaster(parents=[base])
    derived = core.Broadcaster(parents=[left, right])
    assert derived.pre_save is base.pre_save
    right.pre_save = core.Signal()
    assert derived.pre_save is right.pre_save
    left.pre_save = core.Signal()
    assert derived.pre_save is left.pre_save
    del left["pre_save"], right["pre_save"]
    assert derived.pre_save is base.pre_save


def test_parents_without_an_order_of_their_own_are_asked_in_that_of_the_first(core) -> None:
    """Classes of these bases cannot be made: ``class Derived(Base, Middle)``, where Middle is derived from Base."""
    base, middle_signal = core.Broadcaster({"pre_save": core.Signal()}), core.Signal()
    middle = core.Broadcaster({"pre_save": middle_signal, "post_save": middle_signal}, parents=[base])
    derived = core.Broadcaster(parents=[base, middle])
    assert (derived.pre_save, derived.post_save) == (base.pre_save, middle_signal)


def test_lifecycle_signals_are_taken_from_a_module_or_a_mapping(core) -> None:
    signals = core.Broadcaster()
    signals.set_lifecycle_signals_from(core.signals)
    names = [name for name in core.signals.__all__ if name.startswith(("pre_", "post_")) and "migrate" not in name]
    assert sorted(signals) == sorted(names)
    assert all(signals[name] is getattr(core.signals, name) for name in names)
    own = {name: core.Signal() for name in names}
    signals.pre_save = mine = core.Signal()
    signals.set_lifecycle_signals_from(own, overwrite=False)
    assert signals.pre_save is mine
    assert signals.post_save is core.signals.post_save
    signals.set_lifecycle_signals_from(own)
    assert {name: signals[name] for name in names} == own


def test_methods_of_a_mapping_create_no_signal(core) -> None:
    base = core.Broadcaster({"pre_save": core.Signal()})
    derived = core.Broadcaster({"on_verify": core.Signal()}, parents=[base])
    assert isinstance(derived, MutableMapping)
    assert dict(derived) == {"pre_save": base.pre_save, "on_verify": derived.on_verify}
    assert list(derived.items()) == list(zip(derived.keys(), derived.values(), strict=True))
    assert derived.get("pre_save") is base.pre_save
    assert (derived.get("on_rest"), derived.get("on_rest", 1), derived.pop("on_rest", 2)) == (None, 1, 2)
    with pytest.raises(KeyError, match="pre_save"):
        derived.pop("pre_save")
    assert list(derived) == ["pre_save", "on_verify"]


def test_methods_of_a_mapping_set_and_forget_signals(core) -> None:
    base = core.Broadcaster({"pre_save": core.Signal()})
    derived = core.Broadcaster(parents=[base])
    mine = core.Signal()
    assert derived.setdefault("pre_save", mine) is base.pre_save
    assert derived.setdefault("on_verify", mine) is mine
    assert derived.setdefault("on_rest").name == "on_rest"
    derived.update({"pre_save": mine})
    assert derived.pop("pre_save") is mine
    assert derived.pre_save is base.pre_save
    assert derived.popitem()[0] == "on_rest"
    assert list(derived) == ["pre_save", "on_verify"]
    derived.clear()
    assert list(derived) == ["pre_save"]
    with pytest.raises(KeyError, match="no signal is set here"):
        derived.popitem()
    assert core.Broadcaster(base) != base


def test_method_is_not_hidden_by_a_signal(core) -> None:
    signals = core.Broadcaster()
    with pytest.raises(core.SignalError, match=r"cannot set 'update' as an attribute.*signals\['update'\] = "):
        signals.update = core.Signal()
    signals["update"] = own = core.Signal()
    assert signals["update"] is own
    signals.register = own
    assert signals.register is own


def test_lifecycle_signals_are_not_created_by_being_taken(core) -> None:
    other = core.Broadcaster({"pre_save": core.Signal()})
    with pytest.raises(core.SignalError, match="it has no 'post_bulk'"):
        core.Broadcaster().set_lifecycle_signals_from(other)
    assert list(other) == ["pre_save"]
