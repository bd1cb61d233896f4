"""Receivers that wait for the commit, on every database."""

from __future__ import annotations

import pytest
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError

import aldis


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


async def test_its_error_undoes_nothing(models) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
    async def failing(sender):
        raise ValueError("no")

    user = models.User(name="Ada")
    with pytest.raises(ValueError, match="no") as caught:
        await user.save()
    assert "after the commit" in caught.value.__notes__[-1]
    assert (inspect(user).detached, len(await models.stored())) == (True, 1)


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
