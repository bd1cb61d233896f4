"""Batched receivers of models: once a chunk, among others that are called row by row."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

import aldis


def named(batch) -> list[str]:
    return [row["model_instance"].name for row in batch]


def rows(count: int) -> list[dict[str, str]]:
    return [{"name": f"u{number}"} for number in range(count)]


async def test_bulk_calls_it_once_a_chunk_between_its_neighbours(models) -> None:
    told = []
    signals, User = models.Base.meta.signals, models.User
    for name in ("pre_save", "post_save"):
        signals[name].connect(
            lambda sender, model_instance, name=name: told.append((name, "a", model_instance.name)), weak=False
        )

        async def batched(sender, batch, name=name) -> None:
            await asyncio.sleep(0)
            assert sender is User
            told.append((name, "batch", named(batch)))

        signals[name].connect(batched, weak=False, batched=True)
        signals[name].connect(
            lambda sender, model_instance, name=name: told.append((name, "b", model_instance.name)), weak=False
        )
    users = await User.query.bulk_create(rows(3), batch_size=2)
    assert [user.id for user in users] == [row["id"] for row in await models.stored()]
    chunks = [["u0", "u1"], ["u2"]]
    assert told == [
        (name, *what)
        for chunk in chunks
        for name in ("pre_save", "post_save")
        for what in [*(("a", each) for each in chunk), ("batch", chunk), *(("b", each) for each in chunk)]
    ]


async def test_what_it_changes_is_written(models) -> None:
    @models.Base.meta.signals.pre_save.connect_via(models.User, batched=True)
    def capitals(sender, batch) -> None:
        for row in batch:
            row["column_values"]["name"] = row["column_values"]["name"].upper()
            assert row["is_update"] is False

    written = []

    @models.Base.meta.signals.post_save.connect_via(models.User, batched=True)
    async def after(sender, batch) -> None:
        written.extend((values["id"], values["name"]) for values in batch.column("column_values"))
        assert batch.column("row_count") == [1] * len(batch)
        assert set(batch.column("operation_skipped")) == {False}

    users = await models.User.query.bulk_create(rows(30))
    assert [user.name for user in users] == [f"U{number}" for number in range(30)]
    assert written == [(user.id, user.name) for user in users]
    assert [row["name"] for row in await models.stored()] == [f"U{number}" for number in range(30)]


async def test_one_save_is_a_batch_of_one(models) -> None:
    told = []
    for name in ("pre_save", "post_save", "pre_update", "post_update", "pre_delete", "post_delete"):
        models.Base.meta.signals[name].connect(
            lambda sender, batch, name=name: told.append((name, named(batch))), weak=False, batched=True
        )
    user = await models.User.query.create(name="Ada")
    await user.update(name="Eve")
    await user.delete()
    assert told == [
        ("pre_save", ["Ada"]),
        ("post_save", ["Ada"]),
        ("pre_update", ["Eve"]),
        ("post_update", ["Eve"]),
        ("pre_delete", ["Eve"]),
        ("post_delete", ["Eve"]),
    ]


async def test_row_that_is_skipped_is_in_no_batch_after_it(models) -> None:
    told = []
    signals, User = models.Base.meta.signals, models.User

    @signals.pre_save.connect_via(User)
    async def skip_odd(sender, model_instance) -> None:
        if int(model_instance.name[1:]) % 2:
            raise aldis.SkipOperation

    signals.pre_save.connect(lambda sender, batch: told.append(("pre", named(batch))), weak=False, batched=True)
    signals.pre_save.connect(lambda sender, model_instance: told.append(model_instance.name), weak=False)
    signals.post_save.connect(
        lambda sender, batch: told.append(("post", batch.column("operation_skipped"))), weak=False, batched=True
    )
    users = await User.query.bulk_create(rows(5))
    assert [user.name for user in users] == ["u0", "u2", "u4"]
    assert told == [("pre", ["u0", "u2", "u4"]), "u0", "u2", "u4", ("post", [False, True, False, True, False])]
    assert [row["name"] for row in await models.stored()] == ["u0", "u2", "u4"]


async def test_batch_that_is_skipped_is_skipped_as_a_whole(models) -> None:
    signals, User, told = models.Base.meta.signals, models.User, []

    @signals.pre_save.connect_via(User, batched=True)
    async def skip(sender, batch) -> None:
        if batch[0]["model_instance"].name == "u2":
            raise aldis.SkipOperation

    signals.pre_save.connect(lambda sender, model_instance: told.append(model_instance.name), weak=False)
    assert len(await User.query.bulk_create(rows(6), batch_size=2)) == 4
    assert told == ["u0", "u1", "u4", "u5"]
    assert [row["name"] for row in await models.stored()] == ["u0", "u1", "u4", "u5"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_exception_undoes_all_and_names_the_receiver(models, is_async) -> None:
    def fails(sender, batch) -> None:
        if len(batch) == 1:
            raise ValueError("no")

    async def fails_async(sender, batch) -> None:
        fails(sender, batch)

    models.Base.meta.signals.post_save.connect(fails_async if is_async else fails, weak=False, batched=True)
    with pytest.raises(ValueError, match="no") as caught:
        await models.User.query.bulk_create(rows(5), batch_size=2)
    assert "fails" in caught.value.__notes__[0]
    assert "of the signal 'post_save'" in caught.value.__notes__[0]
    assert caught.value.__notes__[1] == "aldis: at row 5 of bulk_create"
    assert await models.stored() == []


async def test_updates_and_streams_and_flushes_call_it(models) -> None:
    told = []
    signals, User = models.Base.meta.signals, models.User
    for name in ("pre_update", "post_update", "pre_save", "post_save"):
        signals[name].connect(
            lambda sender, batch, name=name: told.append((name, len(batch))), weak=False, batched=True
        )
    users = await User.query.bulk_create(rows(4))
    for user in users:
        user.is_verified = True
    await User.query.bulk_update(users, batch_size=3)
    async with User.query.bulk_create_stream(({"name": f"s{number}"} for number in range(3)), batch_size=2) as stream:
        async for _ in stream:
            pass
    async with AsyncSession(models.database.engine) as session:
        session.add_all([User(name=f"f{number}") for number in range(3)])
        await session.commit()
    assert told == [
        ("pre_save", 4),
        ("post_save", 4),
        *[("pre_update", 3), ("post_update", 3), ("pre_update", 1), ("post_update", 1)],
        *[("pre_save", 2), ("post_save", 2), ("pre_save", 1), ("post_save", 1)],
        *[("pre_save", 3), ("post_save", 3)],
    ]


async def test_after_commit_it_is_called_once_a_chunk(models) -> None:
    told = []

    @models.Base.meta.signals.post_save.connect_via(models.User, batched=True, after_commit=True)
    async def after(sender, batch) -> None:
        told.append((named(batch), len(await models.stored())))

    async with models.database.transaction():
        await models.User.query.bulk_create(rows(3), batch_size=2)
        assert told == []
    assert told == [(["u0", "u1"], 3), (["u2"], 3)]


async def test_context_tells_of_no_single_row(models) -> None:
    seen = []

    @models.Base.meta.signals.pre_save.connect_via(models.User, batched=True)
    def before(sender, batch) -> None:
        seen.append((aldis.context.CURRENT_MODEL_INSTANCE.get(), aldis.context.EXPLICIT_SPECIFIED_VALUES.get()))

    await models.User.query.bulk_create(rows(3))
    assert seen == [(None, None)]


async def test_receiver_for_each_row_after_the_commit_gets_what_it_names_beside_a_batched_one(models) -> None:
    told, signal = [], models.Base.meta.signals.post_save

    async def late(sender, model_instance):
        told.append(model_instance.name)

    signal.connect(late, models.User, weak=False, after_commit=True)
    signal.connect(lambda sender, batch: told.append(len(batch)), weak=False, batched=True)
    await models.User.query.bulk_create(rows(2))
    assert told == [2, "u0", "u1"]
