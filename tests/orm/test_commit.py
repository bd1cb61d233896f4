"""Receivers that wait for the commit, on every database."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import defer
from sqlalchemy.util import await_only

import aldis
from aldis.testing import Signals


@pytest.fixture
def heard(models):
    """Return what a receiver that waits for the commit has heard, and how many rows it found then."""
    calls = []

    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
    async def tell(sender, model_instance):
        calls.append((model_instance.name, await models.User.query.count()))

    return calls


async def test_it_runs_after_the_save_has_committed(models, heard) -> None:
    await models.User.query.create(name="Ada")
    await models.User.query.bulk_create([{"name": "Bob"}, {"name": "Eve"}])
    assert heard == [("Ada", 1), ("Bob", 3), ("Eve", 3)]


async def test_it_waits_for_the_outermost_transaction(models, heard) -> None:
    async with models.database.transaction():
        await models.User.query.create(name="Ada")
        async with models.database.transaction():
            await models.User.query.create(name="Bob")
        assert heard == []
    assert heard == [("Ada", 2), ("Bob", 2)]


async def test_it_never_runs_when_the_transaction_or_its_savepoint_rolled_back(models, heard) -> None:
    with pytest.raises(ValueError, match="no"):
        async with models.database.transaction():
            await models.User.query.create(name="Ada")
            raise ValueError("no")
    async with models.database.transaction():
        await models.User.query.create(name="Bob")
        with pytest.raises(ValueError, match="no"):
            async with models.database.transaction():
                await models.User.query.create(name="Eve")
                raise ValueError("no")
        with pytest.raises(IntegrityError):
            await models.User.query.create(name="Bob")
    assert heard == [("Bob", 1)]


async def test_its_error_undoes_nothing(models, caplog) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
    async def failing(sender):
        raise ValueError("no")

    user = models.User(name="Ada")
    with pytest.raises(aldis.AfterCommitError, match="is committed") as caught:
        await user.save()
    (error,) = caught.value.exceptions
    assert isinstance(error, ValueError)
    assert error.__notes__[-1].endswith("after the commit of User 1")
    assert (inspect(user).detached, len(await models.stored())) == (True, 1)
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage().endswith("failing raised, after the commit of User 1")


async def test_all_of_them_are_called_though_one_raises(models, heard) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True, priority=1)
    async def failing(sender, model_instance):
        if model_instance.name != "Eve":
            raise LookupError(model_instance.name)

    with pytest.raises(aldis.AfterCommitError) as caught:
        async with models.database.transaction():
            for name in ("Ada", "Bob", "Eve"):
                await models.User.query.create(name=name)
    assert [str(error) for error in caught.value.exceptions] == ["Ada", "Bob"]
    assert [name for name, _ in heard] == ["Ada", "Bob", "Eve"]


async def test_they_are_called_when_one_is_cancelled(models, heard) -> None:
    begun = asyncio.Event()

    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True, priority=1)
    async def slow(sender):
        begun.set()
        await asyncio.sleep(3600)

    saving = asyncio.create_task(models.User.query.create(name="Ada"))
    await begun.wait()
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert heard == [("Ada", 1)]


async def test_cancellation_during_the_commit_goes_on_though_one_raises(models, caplog) -> None:
    reached = asyncio.Event()
    dialect = models.database.engine.sync_engine.dialect
    commit = dialect.do_commit

    def slow(connection) -> None:
        reached.set()
        await_only(asyncio.sleep(0.02))
        commit(connection)

    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
    async def refuse(sender):
        raise LookupError

    user = models.User(name="a")
    dialect.do_commit = slow
    try:
        task = asyncio.create_task(user.save())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    finally:
        del dialect.do_commit
    assert (inspect(user).detached, [row["name"] for row in await models.stored()]) == (True, ["a"])
    assert ["LookupError" in record.exc_text for record in caplog.records if record.levelname == "ERROR"] == [True]


async def test_database_that_only_logs_their_errors(models, caplog) -> None:
    aldis.Database(models.database.engine, after_commit_errors="log")

    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
    async def failing(sender):
        raise ValueError("no")

    await models.User.query.create(name="Ada")
    async with models.database.session() as session:
        session.add(models.User(name="Bob"))
        await session.commit()
    assert [record.getMessage()[-6:] for record in caplog.records if record.levelname == "ERROR"] == [
        "User 1",
        "User 2",
    ]


@pytest.mark.parametrize("expires", [True, False])
async def test_session_shows_what_was_loaded_or_written(models, expires) -> None:
    found = []

    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
    async def mail(sender, instance):
        found.append((instance.id, instance.name, instance.mail))

    async with models.database.session(expire_on_commit=expires) as session:
        user = models.User(name="Ada")
        session.add(user)
        await session.commit()
        assert found == [(1, "Ada", "Ada@example.org")]
        assert ("name" in inspect(user).expired_attributes) == expires
        await session.refresh(user)
        assert user.name == "Ada"


async def test_session_inside_a_transaction_shows_it_too(models) -> None:
    found = []

    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
    async def mail(sender, instance):
        found.append(instance.name)

    async with models.database.transaction(), models.database.session() as session, session.begin():
        session.add(models.User(name="Ada"))
    assert found == ["Ada"]


async def test_what_was_not_loaded_raises_with_advice(models) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
    async def mail(sender, model_instance):
        return model_instance.name

    await models.User.query.create(name="Ada")
    async with models.database.session(expire_on_commit=False) as session:
        user = await session.get(models.User, 1, options=[defer(models.User.name, raiseload=True)])
        user.mail = "ada@example.org"
        with pytest.raises(aldis.AfterCommitError) as caught:
            await session.commit()
    (error,) = caught.value.exceptions
    assert "what was loaded or written when its signal fired" in error.__notes__[-1]


async def test_what_it_saves_has_a_transaction_of_its_own(models) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
    async def log(sender, model_instance):
        await models.Log.query.create(text=model_instance.name)

    await models.User.query.create(name="Ada")
    assert [row["text"] for row in await models.stored(models.Log)] == ["Ada"]


async def test_transaction_of_a_given_connection(models, heard) -> None:
    async with models.database.engine.connect() as connection:
        await models.User(name="Ada").save(using=connection)
        assert [name for name, _ in heard] == ["Ada"]
        transaction = await connection.begin()
        bob = models.User(name="Bob")
        with pytest.raises(aldis.ConfigurationError, match=r"tell waits for a commit .* Begin it with database.trans"):
            await bob.save(using=connection)
        await transaction.commit()
    assert (inspect(bob).transient, len(await models.stored())) == (True, 1)
    async with models.database.transaction() as connection:
        await models.User(name="Eve").save(using=connection)
        assert len(heard) == 1
    assert [name for name, _ in heard] == ["Ada", "Eve"]


async def test_on_rollback_is_called_when_the_block_or_its_commit_fails(models) -> None:
    undone = []
    async with models.database.transaction(lambda: undone.append("never")):
        pass
    with pytest.raises(ValueError, match="no"):
        async with models.database.transaction(lambda: undone.append("outer")):
            async with models.database.transaction(lambda: undone.append("inner")):
                raise ValueError("no")
    assert undone == ["inner", "outer"]


async def test_transaction_that_is_rolled_back_by_hand(models, heard) -> None:
    user = models.User(name="Ada")
    async with models.database.transaction() as connection:
        await user.save()
        await connection.rollback()
    assert (heard, inspect(user).transient, await models.stored()) == ([], True, [])
    assert models.database.engine.pool.checkedout() == 0


async def test_test_that_rolls_back_lets_them_run(models, heard) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
    async def log(sender, model_instance):
        await models.Log.query.create(text=model_instance.name)

    signals = Signals()
    with pytest.raises(LookupError):
        async with models.database.transaction():
            await models.User.query.create(name="before")
            with signals.commit():
                async with models.database.transaction():
                    await models.User.query.create(name="Ada")
                    assert heard == []
                assert heard == [("Ada", 2)]
                await models.User.query.create(name="Bob")
                with pytest.raises(ValueError, match="no"):
                    async with models.database.transaction():
                        await models.User.query.create(name="Eve")
                        raise ValueError("no")
                async with models.database.session() as session:
                    session.add(models.User(name="Kim"))
                    await session.commit()
            await models.User.query.create(name="after")
            assert await models.Log.query.count() == 3
            raise LookupError
    assert [name for name, _ in heard] == ["Ada", "Bob", "Kim"]
    assert (await models.stored(), await models.stored(models.Log)) == ([], [])
