"""Receivers that take a batch: as one receiver among others, on both cores."""

from __future__ import annotations

import asyncio
import gc

import pytest


class Model: ...


def test_send_is_a_batch_of_one(core) -> None:
    signal, told = core.Signal(), []

    @signal.connect_via("shop", batched=True)
    def receiver(sender, batch):
        told.append((sender, len(batch), batch[0], batch.column("amount")))
        return "done"

    assert signal.send("shop", amount=5, currency="EUR") == [(receiver, "done")]
    assert told == [("shop", 1, {"amount": 5, "currency": "EUR"}, [5])]
    assert list(signal.receivers_for("shop")) == [receiver]


async def test_async_send_is_a_batch_of_one(core) -> None:
    signal, told = core.Signal(), []

    @signal.connect_via("shop", batched=True)
    async def receiver(sender, batch, **kwargs):
        await asyncio.sleep(0)
        told.append((list(batch), kwargs))
        return "done"

    assert await signal.send_async("shop", amount=5) == [(receiver, "done")]
    assert told == [([{"amount": 5}], {})]


async def test_emitter_is_a_batch_of_one_in_the_order_of_connection(core) -> None:
    signal, told = core.NamedSignal("post_delete"), []
    signal.connect(lambda sender, instance: told.append(("first", instance)), weak=False)

    @signal.connect_via(Model, batched=True)
    async def receiver(sender, batch):
        await asyncio.sleep(0)
        told.append(("batch", [*batch]))

    signal.connect(lambda sender, instance: told.append(("last", instance)), weak=False)
    rest = core.emitters.post_delete(signal, Model, 1, 1, 1, False)
    assert told == [("first", 1)]
    await rest
    row = {"instance": 1, "model_instance": 1, "row_count": 1, "operation_skipped": False}
    assert told == [("first", 1), ("batch", [row]), ("last", 1)]


def test_batched_receiver_of_a_lifecycle_signal_may_require_the_batch_and_nothing_else(core) -> None:
    signal = core.LifecycleSignal(
        "post_delete", {None: ("instance", "model_instance", "row_count", "operation_skipped")}
    )
    signal.connect(lambda sender, batch: None, weak=False, batched=True)
    signal.connect(lambda sender, **kwargs: None, weak=False, batched=True)
    with pytest.raises(
        core.SignalError, match=r"requires 'instance', which the signal never sends. Did you mean 'batch'"
    ):
        signal.connect(lambda sender, instance: None, weak=False, batched=True)
    with pytest.raises(core.SignalError, match="requires 'batch', which the signal never sends"):
        signal.connect(lambda sender, batch: None, weak=False)
    assert len(list(signal.receivers_for(Model))) == 2


def test_last_connect_decides(core) -> None:
    signal, told = core.Signal(), []

    def receiver(sender, batch=None, amount=None):
        told.append((None if batch is None else len(batch), amount))

    signal.connect(receiver)
    signal.connect(receiver, batched=True)
    signal.send("shop", amount=5)
    signal.connect(receiver)
    signal.send("shop", amount=5)
    assert told == [(1, None), (None, 5)]
    assert len(signal.receivers) == 1


def test_weakly_referenced_batched_receiver_dies(core) -> None:
    signal, told = core.Signal(), []

    class Keeper:
        def keep(self, sender, batch):
            told.append(len(batch))

    keeper = Keeper()
    signal.connect(keeper.keep, batched=True)
    signal.send("shop", amount=1)
    del keeper
    gc.collect()
    signal.send("shop", amount=1)
    assert told == [1]


def test_exception_names_the_receiver(core) -> None:
    signal = core.NamedSignal("paid")

    @signal.connect_via("shop", batched=True)
    def fails(sender, batch):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no") as caught:
        signal.send("shop", amount=1)
    assert "fails of the signal 'paid', sender 'shop'" in caught.value.__notes__[0]


async def test_after_commit_the_batch_waits(core) -> None:
    signal, told = core.Signal(), []
    signal.connect(lambda sender, batch: told.append([*batch]), weak=False, batched=True, after_commit=True)
    queue = core.deferral.Queue()
    token = core.deferral.AFTER_COMMIT.set(queue)
    signal.send("shop", amount=1)
    core.deferral.AFTER_COMMIT.reset(token)
    assert told == []
    await queue.run()
    assert told == [[{"amount": 1}]]


def test_batch_is_a_sequence_that_makes_rows_when_they_are_looked_at(core) -> None:
    from aldis.dispatch.batching import Batch

    batch = Batch(("instance", "is_update"), (["a", "b", "c", "d"], False), [0, 1, 3])
    assert len(batch) == 3
    assert batch[-1] == {"instance": "d", "is_update": False}
    assert batch[1:] == [{"instance": "b", "is_update": False}, {"instance": "d", "is_update": False}]
    assert [row["instance"] for row in reversed(batch)] == ["d", "b", "a"]
    assert batch.column("instance") == ["a", "b", "d"]
    assert batch.column("is_update") == [False] * 3
    assert repr(batch) == "<Batch of 3 rows: instance, is_update>"
    with pytest.raises(KeyError, match="the signal sends instance, is_update"):
        batch.column("nothing")
    with pytest.raises(IndexError):
        _ = batch[3]
