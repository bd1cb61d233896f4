"""An instance that a session has deleted, and the calls on it: none of them writes nothing in silence."""

from __future__ import annotations

import pytest
from sqlalchemy import inspect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from users import models_and_pages_on

import aldis


@pytest.fixture
async def models(url):
    """Return models of two roads to the database: that of ``Page``, with a version counter, is a flush."""
    async with models_and_pages_on(url) as found:
        yield found


@pytest.fixture(params=["User", "Page"])
def model(request, models):
    return getattr(models, request.param)


@pytest.fixture(params=[False, True], ids=["kept", "expired"])
async def deleted(request, models, model):
    """Return an instance that a session has deleted; without ``expire_on_commit``, SQLAlchemy's keeps it."""
    one = await model.query.create(name="a")
    async with AsyncSession(models.database.engine, expire_on_commit=request.param) as session:
        session.add(one)
        await session.delete(one)
        await session.commit()
    return one


@pytest.mark.parametrize("call", ["save", "update"])
async def test_instance_whose_deletion_is_committed_is_not_updated(models, model, deleted, call) -> None:
    with pytest.raises(aldis.ObjectNotFound, match="force_insert"):
        await (deleted.save() if call == "save" else deleted.update(name="b"))
    assert await models.stored(model) == []
    await model.query.create(name="other")  # no transaction was left open


async def test_instance_whose_deletion_is_committed_is_deleted_no_more(models, model, deleted) -> None:
    assert await deleted.delete() == 0
    deleted.name = "again"
    await deleted.save()
    assert [row["name"] for row in await models.stored(model)] == ["again"]


async def test_instance_whose_deletion_is_committed_cannot_be_loaded(models, deleted) -> None:
    with pytest.raises(aldis.ObjectNotFound):
        await deleted.load()


async def test_instance_whose_deletion_is_committed_is_inserted_on_request(models, model, deleted) -> None:
    deleted.name = "again"
    await deleted.save(force_insert=True)
    assert [row["name"] for row in await models.stored(model)] == ["again"]
    await deleted.update(name="changed")
    assert [row["name"] for row in await models.stored(model)] == ["changed"]
    assert inspect(deleted).session is None


@pytest.mark.parametrize("call", ["save", "update"])
async def test_instance_that_the_open_session_has_deleted_is_refused_as_by_add(models, model, call) -> None:
    one = await model.query.create(name="a")
    async with AsyncSession(models.database.engine, expire_on_commit=False) as session:
        session.add(one)
        await one.delete()
        with pytest.raises(InvalidRequestError, match="has been deleted"):
            await (one.save() if call == "save" else one.update(name="b"))
        await session.rollback()
    await one.load()
    await one.update(name="b")
    assert [row["name"] for row in await models.stored(model)] == ["b"]
