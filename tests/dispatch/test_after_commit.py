"""``after_commit=True``, ``after_rollback=True``: calls that wait for whoever owns the transaction, on both cores."""

from __future__ import annotations

import gc

import pytest


class Sender:
    """A sender that is known by identity."""


@pytest.fixture
def queue(core):
    """Pretend to be in a transaction."""
    waiting = core.deferral.Queue()
    token = core.deferral.AFTER_COMMIT.set(waiting)
    yield waiting
    core.deferral.AFTER_COMMIT.reset(token)


def receivers(signal, calls):
    """Connect one receiver of each kind, in turn waiting and not."""

    @signal.connect_via(Sender, after_commit=True)
    def waits(sender, instance):
        calls.append(("waits", instance))

    @signal.connect_via(Sender)
    def does_not(sender, **kwargs):
        calls.append(("does not", kwargs["instance"]))

    @signal.connect_via(Sender, after_commit=True)
    async def waits_too(sender, **kwargs):
        calls.append(("waits too", kwargs["instance"]))

    return waits, does_not, waits_too


async def test_calls_wait_in_order(core, queue) -> None:
    signal, calls = core.Signal(), []
    receivers(signal, calls)
    for instance in (1, 2):
        assert core.emitters.pre_delete(signal, Sender, instance, None, None) is None
    assert calls == [("does not", 1), ("does not", 2)]
    calls.clear()
    await queue.run()
    assert calls == [("waits", 1), ("waits too", 1), ("waits", 2), ("waits too", 2)]


async def test_without_a_transaction_they_are_called_at_once(core) -> None:
    signal, calls = core.Signal(), []
    receivers(signal, calls)
    assert core.emitters.pre_delete(signal, Sender, 1, None, None) is None
    assert calls == [("waits", 1), ("does not", 1), ("waits too", 1)]


async def test_queue_of_a_transaction_that_has_ended_is_passed_by(core, queue) -> None:
    signal, calls = core.Signal(), []
    receivers(signal, calls)
    queue.is_open = False
    core.emitters.pre_delete(signal, Sender, 1, None, None)
    assert (calls, queue.calls) == ([("waits", 1), ("does not", 1), ("waits too", 1)], [])


async def test_generic_sends_name_the_receiver_and_let_it_wait(core, queue) -> None:
    signal = core.Signal()

    @signal.connect_via(Sender, after_commit=True)
    async def waits(sender, instance):
        raise AssertionError("called")

    assert list(signal.receivers_for(Sender)) == [waits]
    assert await signal.send_async(Sender, instance=1, other=2) == [(waits, None)]
    with pytest.raises(RuntimeError, match=r"Cannot send to a coroutine function"):
        signal.send(Sender, instance=1)
    signal.disconnect(waits)

    @signal.connect_via(Sender, after_commit=True)
    def plain(sender, instance):
        raise AssertionError("called")

    assert signal.send(Sender, instance=1, other=2) == [(plain, None)]
    assert [(call.receiver, call.args, call.kwargs) for call in queue.calls] == [
        (waits, (Sender, 1), {}),
        (plain, (Sender, 1), {}),
    ]


async def test_last_connect_decides_and_weak_receivers_may_die(core, queue) -> None:
    signal, calls = core.Signal(), []

    def receiver(sender, **kwargs):
        calls.append(kwargs)

    signal.connect(receiver, after_commit=True)
    signal.send(Sender, a=1)
    signal.connect(receiver)
    signal.send(Sender, a=2)
    assert calls == [{"a": 2}]
    signal.connect(receiver, after_commit=True)
    del receiver
    queue.calls.clear()
    gc.collect()
    assert signal.send(Sender, a=3) == []


async def test_error_after_the_commit_names_the_receiver(core, queue) -> None:
    signal, calls = core.Signal(), []

    @signal.connect_via(Sender, after_commit=True)
    async def failing(sender):
        raise ValueError("no")

    signal.connect(lambda sender: calls.append(1), weak=False, after_commit=True)
    signal.send_async(Sender).close()
    core.emitters.pre_delete(signal, Sender, 1, None, None)
    with pytest.raises(core.deferral.AfterCommitError, match=r"is committed, and 1 of the 2") as caught:
        await queue.run()
    (error,) = caught.value.exceptions
    assert error.__notes__ == [
        f"aldis: at the receiver {__name__}.{failing.__qualname__}, after the commit of {Sender!r}",
    ]
    assert calls == [1]


async def test_outside_a_transaction_nothing_is_rolled_back(core) -> None:
    signal, heard = core.Signal(), []
    signal.connect(lambda sender: heard.append("undone"), weak=False, after_rollback=True)
    signal.connect(
        lambda sender, committed: heard.append(committed), weak=False, after_rollback=True, after_commit=True
    )
    signal.send("shop")
    assert heard == [True]
