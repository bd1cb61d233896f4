"""Receivers that hang, end tasks or the process: each counts as a failure, and the relay goes on."""

from __future__ import annotations

import asyncio
import sys

import pytest

from aldis import relay
from aldis.relay.receivers import ReceiverStoppedError
from aldis.signals import post_save


def event(number: int = 0, key: str = "7", data: bytes = b'{"instance":{"id":7}}') -> relay.Event:
    return relay.Event(f"e.{number}", "User", "post_save", key, 1, 0.0, data, 7)


async def cancel_a_task_of_its_own() -> None:
    task = asyncio.create_task(asyncio.sleep(10))
    task.cancel()
    await task


async def exit_the_process() -> None:
    sys.exit(3)


async def raise_a_group() -> None:
    raise BaseExceptionGroup("several", [asyncio.CancelledError()])


async def hang() -> None:
    await asyncio.sleep(3600)


FAULTS = {
    cancel_a_task_of_its_own: (ReceiverStoppedError, "r raised CancelledError"),
    exit_the_process: (ReceiverStoppedError, r"r raised SystemExit\(3\)"),
    raise_a_group: (ReceiverStoppedError, "r raised BaseExceptionGroup"),
    hang: (TimeoutError, "the call took longer than patience=0.05 seconds"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
async def test_fault_is_an_ordinary_error_of_the_receiver(receivers, fault) -> None:
    # Impatient with the one that hangs only: the others end by themselves, however late.
    @relay.receiver(post_save, "User", name="r", patience=0.05 if fault is hang else 60)
    async def receive(sender):
        await fault()

    error, text = FAULTS[fault]
    with pytest.raises(error, match=text):
        await receivers["r"].call(event())


async def test_task_that_is_cancelled_is_cancelled(receivers) -> None:
    begun = asyncio.Event()

    @relay.receiver(post_save, "User", name="r")
    async def receive(sender):
        begun.set()
        await hang()

    task = asyncio.create_task(receivers["r"].call(event()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_timeout_of_the_receiver_itself_is_its_own(receivers) -> None:
    @relay.receiver(post_save, "User", name="r")
    def receive(sender):
        raise TimeoutError("the mail server")

    with pytest.raises(TimeoutError, match="^the mail server$"):
        await receivers["r"].call(event())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
async def test_event_comes_again_and_the_others_go_on(shop, fault) -> None:
    got, faulty = set(), []
    patience = 1 if fault is hang else 60

    @relay.receiver(post_save, "User", name="r", database=shop.database, retries=99, backoff=0.05, patience=patience)
    async def receive(sender, instance):
        await shop.Place.query.create(shelf="s", number=instance.id, label=instance.name)
        if instance.name == "bad" and not faulty:
            faulty.append(instance.id)
            await fault()
        got.add(instance.id)  # a call comes again where the transaction that it shared with others is undone

    runner = relay.Relay(shop.database, poll=0.05)
    running = asyncio.create_task(runner.run())
    users = await shop.User.query.bulk_create([{"name": "bad" if number == 3 else "good"} for number in range(40)])
    async with asyncio.timeout(120):
        while len(got) < 40 or await shop.Place.query.count() < 40:  # a call that is not committed would be undone
            await asyncio.sleep(0.02)
            assert not running.done()
    runner.stop()
    async with asyncio.timeout(60):
        await running
    assert got == {user.id for user in users}
    assert await shop.Place.query.count() == 40


async def test_stopping_waits_for_a_hanging_receiver_a_bounded_time(shop) -> None:
    begun = asyncio.Event()

    @relay.receiver(post_save, "User", name="r", database=shop.database)
    async def receive(sender, instance):
        await shop.Place.query.create(shelf="s", number=instance.id, label=instance.name)
        begun.set()
        await hang()

    await shop.User.query.create(name="Ada")
    runner = relay.Relay(shop.database, poll=0.05, stop_timeout=0.2)
    running = asyncio.create_task(runner.run())
    await begun.wait()
    runner.stop()
    async with asyncio.timeout(60):
        await running
    assert await shop.Place.query.count() == 0  # undone, and the event comes again
    assert (await relay.status(shop.database)).waiting == 1


async def test_receiver_that_ignores_its_cancellation_does_not_hold_up_the_end(shop, caplog, monkeypatch) -> None:
    monkeypatch.setattr("aldis.relay.background.END_SECONDS", 0.5)
    begun, released = asyncio.Event(), asyncio.Event()

    @relay.receiver(post_save, "User", name="r")
    async def receive(sender):
        begun.set()
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    await shop.User.query.create(name="Ada")
    runner = relay.Relay(shop.database, poll=0.05, stop_timeout=0.1)
    running = asyncio.create_task(runner.run())
    await begun.wait()
    runner.stop()
    try:
        async with asyncio.timeout(60):
            await running
    finally:
        released.set()
        left_alone = asyncio.all_tasks() - {asyncio.current_task()}
        if left_alone:  # its transaction ends before the tables are dropped
            await asyncio.wait(left_alone, timeout=60)
    assert "did not end within" in caplog.text
