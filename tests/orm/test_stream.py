"""Loads that are handed over batch by batch: in one transaction or many, left early, failing, in constant memory."""

from __future__ import annotations

import gc
import weakref

import pytest
from sqlalchemy import inspect

import aldis
from aldis.context import CURRENT_INSTANCE


def rows(*names: str):
    """Yield rows."""
    yield from ({"name": name} for name in names)


async def stored_names(models) -> list[str]:
    """Return the names that are stored."""
    return [row["name"] for row in await models.stored()]


async def test_batches_and_signals(models) -> None:
    steps = []
    for name in ("pre_bulk", "pre_save", "post_save", "post_bulk"):

        def receiver(sender, name=name, model_instance=None, row_count_create=None, **kwargs):
            steps.append((name, row_count_create if name == "post_bulk" else getattr(model_instance, "name", None)))

        models.Base.meta.signals[name].connect(receiver, models.User, weak=False)
    async with models.User.query.bulk_create_stream(rows("a", "b", "c"), batch_size=2) as batches:
        async for batch in batches:
            assert CURRENT_INSTANCE.get() is None
            steps.append(("batch", [(user.id is not None, inspect(user).detached) for user in batch]))
    assert steps == [
        ("pre_bulk", None),
        ("pre_save", "a"),
        ("pre_save", "b"),
        ("post_save", "a"),
        ("post_save", "b"),
        ("batch", [(True, True)] * 2),
        ("pre_save", "c"),
        ("post_save", "c"),
        ("batch", [(True, True)]),
        ("post_bulk", 3),
    ]
    assert await stored_names(models) == ["a", "b", "c"]


async def test_it_is_one_transaction(models) -> None:
    held = []
    with pytest.raises(ValueError, match="no"):
        async with models.User.query.bulk_create_stream(rows("a", "b", "c"), batch_size=1) as batches:
            async for batch in batches:
                held += batch
                await models.Log.query.create(text=batch[0].name)
                if batch[0].name == "b":
                    raise ValueError("no")
    assert (await stored_names(models), await models.stored(models.Log)) == ([], [])
    assert [(inspect(user).transient, "id" in user.__dict__) for user in held] == [(True, False)] * 2


async def test_left_early_keeps_what_was_saved(models) -> None:
    ended = []

    @models.Base.meta.signals.post_bulk.connect_via(models.User)
    async def end(sender, row_count_create):
        ended.append(row_count_create)

    for commit_every in (None, 1):
        async with models.User.query.bulk_create_stream(
            rows(*[f"{name}{commit_every}" for name in "abc"]), batch_size=1, commit_every=commit_every
        ) as batches:
            async for batch in batches:
                if batch[0].name.startswith("b"):
                    break
        await models.Log.query.create(text="outside")  # no transaction was left open
    async with models.User.query.bulk_create_stream(rows("never")):
        pass
    assert await stored_names(models) == ["aNone", "bNone", "a1", "b1"]
    assert (ended, len(await models.stored(models.Log))) == ([2, 2, 0], 2)


async def test_commits_every_so_many_rows_and_tells_where_to_go_on(models) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def picky(sender, model_instance):
        if model_instance.name == "f":
            raise ValueError("not f")

    names = list("abcdefgh")
    seen = []
    with pytest.raises(ValueError, match="not f") as caught:
        async with models.User.query.bulk_create_stream(rows(*names), batch_size=1, commit_every=2) as batches:
            async for batch in batches:
                seen += [user.name for user in batch]
    assert (seen, await stored_names(models)) == (list("abcde"), list("abcd"))
    assert caught.value.rows_committed == 4
    assert caught.value.__notes__[-2:] == [
        "aldis: at row 6 of bulk_create",
        "aldis: 4 rows were committed before; go on with row 5",
    ]
    models.Base.meta.signals.post_save.disconnect(picky, models.User)
    rest = rows(*names[caught.value.rows_committed :])
    async with models.User.query.bulk_create_stream(rest, batch_size=3, commit_every=3) as batches:
        assert [len(batch) async for batch in batches] == [3, 1]
    assert await stored_names(models) == names


async def test_skipped(models) -> None:
    @models.Base.meta.signals.pre_bulk.connect_via(models.User)
    async def skip(sender):
        raise aldis.SkipOperation

    async with models.User.query.bulk_create_stream(rows("a")) as batches:
        assert [batch async for batch in batches] == []
    assert await stored_names(models) == []


async def test_async_source_conflicts_and_progress(models) -> None:
    async def source():
        for name in ("a", "b", "a"):
            yield models.User(name=name)

    told = []
    async with models.User.query.bulk_create_stream(
        source(), batch_size=2, ignore_conflicts=True, progress=lambda done, total: told.append((done, total))
    ) as batches:
        assert [[user.name for user in batch] async for batch in batches] == [["a", "b"], []]
    assert (told, await stored_names(models)) == ([(2, None), (3, None)], ["a", "b"])


async def test_bad_input(models) -> None:
    with pytest.raises(ValueError, match="commit_every is 0; it takes a number of rows, from 1"):
        models.User.query.bulk_create_stream([], commit_every=0)
    async with models.database.transaction():
        with pytest.raises(
            aldis.ConfigurationError, match="commit_every is 1, and the transaction that is open is not"
        ):
            async with models.User.query.bulk_create_stream([], commit_every=1):
                pass
    with pytest.raises(TypeError, match="row 2 is 7: bulk_create takes instances of User"):
        async with models.User.query.bulk_create_stream([{"name": "a"}, 7]) as batches:
            async for _ in batches:
                pass
    assert await stored_names(models) == []


@pytest.mark.usefixtures("short_collections")
async def test_nothing_is_kept_of_the_batches_that_were_handed_over(models) -> None:
    alive, most = [], 0
    source = ({"name": str(number)} for number in range(3000))
    async with models.User.query.bulk_create_stream(source, batch_size=100) as batches:
        async for batch in batches:
            alive += [weakref.ref(user) for user in batch]
            del batch
            gc.collect()
            most = max(most, sum(each() is not None for each in alive))
    assert (len(alive), most <= 200) == (3000, True)


async def test_update_of_a_generator_keeps_two_batches(models) -> None:
    users = await models.User.query.bulk_create([{"name": f"name {number}"} for number in range(60)])
    seen, alive = [], []

    async def receiver(sender, model_instance, **kwargs) -> None:
        seen.append(weakref.ref(model_instance))

    models.User.meta.signals.pre_update.connect(receiver, models.User)

    def changes():
        for user in users:
            alive.append(sum(reference() is not None for reference in seen))
            yield {"id": user.id, "mail": "new"}

    assert await models.User.query.bulk_update(changes(), batch_size=5) == 60
    assert len(seen) == 60
    assert max(alive) <= 10
    assert {row["email_address"] for row in await models.stored()} == {"new"}


async def test_update_in_batches_is_undone_as_one(models) -> None:
    users = await models.User.query.bulk_create([{"name": f"name {number}", "mail": "old"} for number in range(20)])
    for user in users:
        user.mail = "new"

    async def receiver(sender, model_instance, **kwargs) -> None:
        if model_instance is users[17]:
            raise ValueError("no")

    models.User.meta.signals.post_update.connect(receiver, models.User)
    with pytest.raises(ValueError, match="no") as caught:
        await models.User.query.bulk_update(users, batch_size=5)
    assert caught.value.__notes__[-1] == "aldis: at row 18 of bulk_update"
    assert {row["email_address"] for row in await models.stored()} == {"old"}
    assert [(user.mail, inspect(user).modified) for user in users] == [("new", True)] * 20
