"""``send_robust``: all receivers are called, on both cores."""

from __future__ import annotations

import asyncio
import logging

import pytest


def test_exception_is_the_result_and_those_after_it_are_called(core) -> None:
    signal = core.NamedSignal("paid")

    @signal.connect
    def fails(sender, amount):
        raise ValueError(f"not {amount}")

    @signal.connect
    def works(sender, **kwargs):
        return sorted(kwargs)

    (first, error), (second, names) = signal.send_robust("shop", amount=5, currency="EUR")
    assert (first, second, names) == (fails, works, ["amount", "currency"])
    assert repr(error) == "ValueError('not 5')"
    assert [note for note in error.__notes__ if "fails of the signal 'paid', sender 'shop'" in note]
    assert error.__traceback__ is not None


def test_exception_is_logged_with_its_traceback(core, caplog) -> None:
    signal = core.NamedSignal("paid")

    @signal.connect
    def fails(sender):
        raise ValueError("no")

    signal.send_robust("shop")
    (record,) = [each for each in caplog.records if each.name == "aldis"]
    assert record.levelno == logging.ERROR
    assert record.exc_info[1].args == ("no",)
    assert "fails of paid raised" in record.getMessage()


def test_what_is_no_exception_but_an_exit_propagates(core) -> None:
    signal = core.Signal()

    @signal.connect
    def stops(sender):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        signal.send_robust("shop")


def test_coroutine_function_is_refused_before_anybody_is_called(core) -> None:
    signal, told = core.Signal(), []
    signal.connect(lambda sender: told.append(sender), weak=False)

    @signal.connect
    async def waits(sender): ...

    with pytest.raises(RuntimeError, match=r"waits: await send_robust_async\(\)"):
        signal.send_robust("shop")
    assert told == []
    results = signal.send_robust("shop", _async_wrapper=lambda each: lambda *args: asyncio.run(each(*args)))
    assert [result for _, result in results] == [None, None]
    assert told == ["shop"]


async def test_async_takes_plain_and_async_receivers_in_order(core) -> None:
    signal, told = core.Signal(), []

    @signal.connect
    async def waits(sender, amount):
        await asyncio.sleep(0)
        told.append("waits")
        raise LookupError(amount)

    @signal.connect
    def plain(sender):
        told.append("plain")
        return 1

    results = await signal.send_robust_async("shop", amount=5)
    assert told == ["waits", "plain"]
    assert [(receiver, repr(result)) for receiver, result in results] == [(waits, "LookupError(5)"), (plain, "1")]


async def test_async_wrapper_of_plain_receivers_is_used(core) -> None:
    signal = core.Signal()
    signal.connect(lambda sender: "plain", weak=False)

    def wrapper(receiver):
        async def wrapped(*args):
            return f"wrapped {receiver(*args)}"

        return wrapped

    results = await signal.send_robust_async("shop", _sync_wrapper=wrapper)
    assert [result for _, result in results] == ["wrapped plain"]


async def test_cancellation_is_not_kept(core) -> None:
    signal, told = core.Signal(), []

    @signal.connect
    async def hangs(sender):
        await asyncio.Event().wait()

    signal.connect(lambda sender: told.append(sender), weak=False)
    task = asyncio.create_task(signal.send_robust_async("shop"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == []


def test_muted_signal_and_dead_receivers_get_nothing(core) -> None:
    signal = core.Signal()

    def receiver(sender): ...

    signal.connect(receiver)
    with signal.muted():
        assert signal.send_robust("shop") == []
    del receiver
    assert signal.send_robust("shop") == []


def test_batched_and_bound_receivers(core) -> None:
    signal, told = core.Signal(), []

    class Keeper:
        def keep(self, sender, amount):
            told.append(amount)
            return self

    keeper = Keeper()
    signal.connect(keeper.keep)
    signal.connect(lambda sender, batch: told.append([*batch]), weak=False, batched=True)
    results = signal.send_robust("shop", amount=5)
    assert told == [5, [{"amount": 5}]]
    assert results[0] == (keeper.keep, keeper)


async def test_receiver_that_waits_for_the_commit_raises_there(core) -> None:
    signal = core.Signal()

    @signal.connect_via("shop", after_commit=True)
    async def fails(sender):
        raise ValueError("late")

    queue = core.deferral.Queue()
    token = core.deferral.AFTER_COMMIT.set(queue)
    try:
        assert await signal.send_robust_async("shop") == [(fails, None)]
    finally:
        core.deferral.AFTER_COMMIT.reset(token)
    with pytest.raises(ExceptionGroup, match="the transaction is committed") as caught:
        await queue.run()
    assert repr(caught.value.exceptions) == "(ValueError('late'),)"
    ((_, error),) = await signal.send_robust_async("shop")
    assert repr(error) == "ValueError('late')"
