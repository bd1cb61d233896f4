"""``connect(..., rows=True)``: which signals take it, and what becomes of it."""

from __future__ import annotations

import copy

import pytest

import aldis
from aldis import signals
from aldis.dispatch.connections import connections
from aldis.dispatch.row_receivers import OF_ROWS
from aldis.signals import LIFECYCLE


def hear(sender, **kwargs) -> None: ...


class Sender: ...


@pytest.mark.parametrize("signal", LIFECYCLE, ids=lambda signal: signal.name)
def test_signals_that_statements_fire_take_it(signal) -> None:
    sender = "upgrade" if signal.name.endswith("migrate") or signal.name == "revision_applied" else Sender
    if signal.name in OF_ROWS:
        signal.connect(hear, sender, rows=True)
        assert [each.rows for each in connections(signal) if each.receiver is hear] == [True]
        signal.connect(hear, sender)
        assert [each.rows for each in connections(signal) if each.receiver is hear] == [False], "connected again"
        signal.disconnect(hear)
        return
    with pytest.raises(aldis.SignalError, match=f"hear cannot hear '{signal.name}' with rows=True, which is for"):
        signal.connect(hear, sender, rows=True)
    assert not any(each.receiver is hear for each in connections(signal))


def test_message_gives_advice() -> None:
    with pytest.raises(aldis.SignalError) as caught:
        signals.post_save.connect_via(Sender, rows=True)(hear)
    assert str(caught.value) == (
        f"{__name__}.hear cannot hear 'post_save' with rows=True, which is for post_delete, post_update, pre_delete, "
        "pre_update: post_save is fired for each row already, and statements that update or delete rows do not fire "
        "it. Connect it without rows=True."
    )


def test_signal_of_ones_own_takes_it_once_it_is_a_models() -> None:
    own = aldis.Signal()
    with pytest.raises(aldis.SignalError, match=r"set it first"):
        own.connect(hear, Sender, rows=True)
    aldis.Broadcaster().post_save = own
    with pytest.raises(aldis.SignalError):
        own.connect(hear, Sender, rows=True)
    aldis.Broadcaster().pre_delete = own
    own.connect(hear, Sender, rows=True)
    assert [each.rows for each in connections(own)] == [True]


def test_copies_keep_it() -> None:
    own = aldis.NamedSignal("pre_update")
    aldis.Broadcaster().pre_update = own
    own.connect(hear, Sender, weak=False, rows=True)
    for same in (copy.copy(own), copy.deepcopy(own)):
        assert [each.rows for each in connections(same)] == [True]
