"""Cancellation at every await of an operation: all or nothing, the instance agrees, the connection goes back."""

from __future__ import annotations

import asyncio
import types
from importlib.metadata import version

import pytest
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession

import aldis
from aldis.orm.databases import sqlite


@types.coroutine
def cancelled_at(coroutine, number: int):
    """Run a coroutine, and cancel the task at its ``number``-th suspension, from 1."""
    suspensions, value, error = 0, None, None
    while True:
        try:
            yielded = coroutine.send(value) if error is None else coroutine.throw(error)
        except StopIteration as stop:
            assert suspensions < number, f"the cancellation at suspension {number} of {suspensions} was lost"
            return stop.value
        suspensions += 1
        if suspensions == number:
            asyncio.current_task().cancel()
        value = error = None
        try:
            value = yield yielded
        except BaseException as raised:
            error = raised


def more_than(suspensions: int, models) -> int:
    """Return how many suspensions a driver has at least: psycopg does not wait for an answer that is there already."""
    return 1 if models.database.engine.driver == "psycopg" else suspensions + 1


async def cancel_everywhere(operation, check, at_least: int) -> None:
    """Run an operation again and again, cancelled one suspension later each time."""
    for number in range(1, 1000):

        async def run(number=number):
            return await cancelled_at(operation(), number)

        task = asyncio.create_task(run())
        try:
            await task
        except asyncio.CancelledError:
            await check()
        else:
            assert number > at_least
            return
    raise AssertionError("it never ended")


@pytest.fixture
def settled(models):
    """Return what waits until the pool has all of its connections back."""
    pool = models.database.engine.pool

    async def wait() -> None:
        try:
            async with asyncio.timeout(60):
                while pool.checkedout():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{pool.checkedout()} connections are still out") from None

    return wait


async def test_cancelled_save_is_all_or_nothing(models, settled) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def log(sender, model_instance):
        await asyncio.sleep(0)
        await models.Log.query.create(text=model_instance.name, user_id=model_instance.id)

    tried = []

    def operation():
        tried.append(models.User(name=f"user {len(tried)}"))
        return tried[-1].save()

    async def check() -> None:
        await settled()
        user = tried[-1]
        stored = {row["name"] for row in await models.stored()}
        logged = {row["text"] for row in await models.stored(models.Log)}
        assert (user.name in stored) == (user.name in logged)
        if user.name not in stored:
            assert inspect(user).transient
            assert "id" not in inspect(user).dict

    await cancel_everywhere(operation, check, more_than(3, models))
    assert tried[-1].name in {row["name"] for row in await models.stored()}


async def test_cancelled_update_and_delete_are_all_or_nothing(models, settled) -> None:
    user = await models.User.query.create(name="0")
    names = iter(range(1, 1000))

    async def check() -> None:
        await settled()
        (row,) = await models.stored()
        assert (inspect(user).dict["name"], inspect(user).modified) == (row["name"], False)

    await cancel_everywhere(lambda: user.update(name=str(next(names))), check, more_than(1, models))

    async def check_delete() -> None:
        await settled()
        if await models.stored():
            assert inspect(user).detached
        else:  # cancelled during the commit
            assert inspect(user).transient
            await user.save()

    await cancel_everywhere(user.delete, check_delete, more_than(1, models))
    assert await models.stored() == []


async def test_databases_of_one_engine_listen_to_it_once(models) -> None:
    engine = models.database.engine
    for _ in range(3):
        aldis.Database(engine)
        await engine.dispose()  # it makes a new pool
    listeners = [*engine.sync_engine.pool.dispatch.invalidate]
    assert listeners.count(sqlite.roll_back) == (engine.dialect.driver == "aiosqlite")


async def test_cancelled_transaction_is_all_or_nothing(models, settled) -> None:
    async def operation():
        async with models.database.transaction():
            await models.User.query.bulk_create([{"name": name} for name in ("a", "b")])
            async with models.database.transaction():
                await models.User.query.filter(name="a").update(name="c")

    async def check() -> None:
        await settled()
        names = [row["name"] for row in await models.stored()]
        assert names in ([], ["c", "b"])
        if names:
            await models.User.query.delete()

    await cancel_everywhere(operation, check, more_than(3, models))


async def test_cancelled_saves_inside_a_transaction_are_all_or_nothing(models, settled) -> None:
    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def log(sender, values):
        await models.Log.query.create(text="log")

    tried = []

    async def operation():
        one, two = models.User(name="one"), models.User(name="two")
        tried.append((one, two))
        async with models.database.transaction():
            await one.save()
            await two.save()
            await one.update(name="One")
            await two.delete()

    async def check() -> None:
        await settled()
        names, logs = await models.stored(), await models.stored(models.Log)
        assert ([row["name"] for row in names], len(logs)) in (([], 0), (["One"], 2))
        one, two = tried[-1]
        expected = (False, "One", True) if names else (True, "one", True)
        assert (inspect(one).transient, one.name, inspect(two).transient) == expected
        if names:
            await models.User.query.delete()
            await models.Log.query.delete()

    await cancel_everywhere(operation, check, more_than(5, models))
    one, _ = tried[-1]
    assert (inspect(one).detached, one.name) == (True, "One")


@pytest.mark.parametrize("own", [False, True], ids=["commit", "save"])
async def test_cancelled_session_is_all_or_nothing(models, settled, own) -> None:
    @models.Base.meta.signals.pre_save.connect_via(models.User)
    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def receiver(sender):
        await asyncio.sleep(0)

    tried = []

    async def operation():
        name = f"user {len(tried)}"
        tried.append(name)
        async with AsyncSession(models.database.engine) as session:
            user = models.User(name=name)
            session.add(user)
            session.add(models.Log(text=name))
            if own:
                await user.save()
            await session.commit()

    async def check() -> None:
        if version("sqlalchemy") >= "2.1":  # 2.0.41 loses a connection whose own rollback is cut off
            await settled()
        stored = {row["name"] for row in await models.stored()}
        logged = {row["text"] for row in await models.stored(models.Log)}
        assert (tried[-1] in stored) == (tried[-1] in logged)

    await cancel_everywhere(operation, check, more_than(5, models))
    assert tried[-1] in {row["name"] for row in await models.stored()}


async def test_session_is_usable_after_a_cancelled_receiver(models, settled) -> None:
    entered = asyncio.Event()

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def receiver(sender):
        entered.set()
        await asyncio.sleep(60)

    async with AsyncSession(models.database.engine) as session:
        session.add(models.User(name="ada"))
        commit = asyncio.create_task(session.commit())
        await entered.wait()
        commit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await commit
        await session.rollback()
        session.add(models.Log(text="x"))
        await session.commit()
    await settled()
    assert (await models.stored(), len(await models.stored(models.Log))) == ([], 1)


async def test_lock_that_a_new_aiosqlite_would_keep_is_told_of(caplog) -> None:
    driver = types.SimpleNamespace()  # without the queue, which is private
    sqlite.roll_back(types.SimpleNamespace(driver_connection=driver), None, None)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "find the database locked" in record.message
