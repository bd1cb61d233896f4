"""A rollback brings many instances back, however often the block has updated them, and the block keeps few of them."""

from __future__ import annotations

import asyncio
import gc

import pytest
from sqlalchemy import inspect
from users import models_on

from aldis.errors import TransactionEndedError
from aldis.orm.mapping.instance_state import Snapshot
from aldis.orm.transactions.rollback import FEWEST

ROWS = 300
TIMES = 12


class Stop(Exception):
    """Rolls a block back."""


@pytest.fixture
async def models(tmp_path):
    """Return models on a file of SQLite's."""
    async with models_on(f"sqlite+aiosqlite:///{tmp_path}/test.db") as found:
        yield found


def snapshots() -> int:
    """Return how many earlier conditions are kept."""
    return sum(type(each) is Snapshot for each in gc.get_objects())


def condition(instance: object) -> tuple[object, ...]:
    """Return all that a rollback brings back."""
    state = inspect(instance)
    values = {name: value for name, value in vars(instance).items() if name != "_sa_instance_state"}
    return values, dict(state.committed_state), state.modified, state.key, set(state.expired_attributes)


@pytest.mark.parametrize("saved_first", [False, True])
async def test_block_of_many_updates_keeps_and_restores_the_conditions_of_the_first(models, saved_first) -> None:
    users = await models.User.query.bulk_create([models.User(name=f"n{number}") for number in range(ROWS)])
    before = []
    kept = snapshots()
    with pytest.raises(Stop):
        async with models.database.transaction():
            for lap in range(TIMES):
                for user in users:
                    user.name = f"lap {lap} of {user.id}"
                before = before or [condition(user) for user in users]
                for user in users[: 3 if saved_first else 0]:
                    await user.save()
                await models.User.query.bulk_update(users)
                for user in users[-3:]:
                    await user.update(name=f"after lap {lap} of {user.id}")
            most = snapshots() - kept
            raise Stop
    assert [condition(user) for user in users] == before
    assert most <= FEWEST + 2 * ROWS


async def test_block_lets_go_of_updated_instances_that_nobody_holds(models) -> None:
    created = await models.User.query.bulk_create([models.User(name=f"n{number}") for number in range(ROWS)])
    kept_one = created[-1]
    del created
    before = ()
    kept = snapshots()
    with pytest.raises(Stop):
        async with models.database.transaction():
            for lap in range(TIMES):
                loaded = [user for user in await models.User.query.order_by("id") if user.id != kept_one.id]
                for user in (*loaded, kept_one):
                    user.name = f"lap {lap} of {user.id}"
                before = before or condition(kept_one)
                await models.User.query.bulk_update([*loaded, kept_one])
                del user, loaded
            most = snapshots() - kept
            raise Stop
    assert condition(kept_one) == before
    assert most <= FEWEST + 2 * ROWS


@pytest.mark.parametrize("many", [False, True])
async def test_save_under_way_when_its_block_ends_is_restored_to_before_the_block(models, many) -> None:
    user = await models.User.query.create(name="a")
    user.name = "pending"
    before, arrived = condition(user), asyncio.Event()

    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def stay(sender, model_instance):
        arrived.set()
        await asyncio.Event().wait()

    with pytest.raises(Stop):
        async with models.database.transaction():
            if many:
                await models.User.query.bulk_update([user])
            else:
                await user.update(name="pending")
            user.name = "later"
            task = asyncio.create_task(user.save())
            async with asyncio.timeout(5):
                await arrived.wait()
            raise Stop
    task.cancel()
    with pytest.raises((TransactionEndedError, asyncio.CancelledError)):
        await task
    assert condition(user) == before
