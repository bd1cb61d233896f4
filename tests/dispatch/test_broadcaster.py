"""The signals of a class: created, rewired, inherited."""

from __future__ import annotations

import blinker


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
