"""Instances after a delete by the unit of work, and related ones after a skip: they can be saved as any other."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import pytest_asyncio
from sqlalchemy import ForeignKey, String, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    composite,
    defer,
    make_transient,
    mapped_column,
    relationship,
    selectinload,
)

import aldis
from aldis.signals import LIFECYCLE

pytestmark = pytest.mark.asyncio


@dataclass
class Point:
    x: int
    y: int


@pytest_asyncio.fixture
async def models(url):
    """Return models whose tables exist, and are dropped when the test is over."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(url)

    for signal in LIFECYCLE:
        setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

    class Parent(Base):
        __tablename__ = "parent_of_kids"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        kids: Mapped[list[Kid]] = relationship(back_populates="parent", cascade="all, delete-orphan")

    class Kid(Base):
        __tablename__ = "kid_of_parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent_of_kids.id"))
        parent: Mapped[Parent | None] = relationship(back_populates="kids")

    class Spot(Base):
        __tablename__ = "spot_of_point"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        x: Mapped[int]
        y: Mapped[int]
        place: Mapped[Point] = composite("x", "y")

    class Counted(Base):
        __tablename__ = "counted"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        version: Mapped[int] = mapped_column(default=0)
        __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

    class Revised(Base):
        __tablename__ = "revised"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        revision: Mapped[int] = mapped_column(default=0, onupdate=7)

    async with Base.database:
        async with Base.database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield SimpleNamespace(
            Base=Base, Parent=Parent, Kid=Kid, Spot=Spot, Counted=Counted, Revised=Revised, database=Base.database
        )
        async with Base.database.transaction() as connection:
            await connection.run_sync(Base.metadata.drop_all)


async def names(models, model):
    async with models.database.transaction() as connection:
        return list(await connection.scalars(select(model.name).order_by(model.id)))


async def save(instance) -> None:
    await instance.save()


async def bulk_create(instance) -> None:
    await type(instance).query.bulk_create([instance])


@pytest.mark.parametrize("write", [save, bulk_create])
@pytest.mark.parametrize("kind", ["Parent", "Counted"])
async def test_instance_that_was_deleted_is_new_again(models, kind, write) -> None:
    model = getattr(models, kind)
    one = await model(name="a").save()
    await one.delete()
    state = inspect(one)
    assert (state.transient, state.session, await names(models, model)) == (True, None, [])
    await write(one)
    assert await names(models, model) == ["a"]


async def test_instance_whose_session_is_gone_is_nobodys(models) -> None:
    session = AsyncSession(models.database.engine, expire_on_commit=False)
    one = models.Parent(name="a")
    session.add(one)
    await session.commit()
    await session.delete(one)
    await session.commit()
    del session
    gc.collect()
    make_transient(one)
    assert inspect(one).session_id is not None, "SQLAlchemy forgets the number of a session that is gone"
    await models.Parent.query.bulk_create([one, models.Parent(name="b")])
    assert await names(models, models.Parent) == ["a", "b"]


async def test_kids_that_a_cascade_has_deleted_are_new_again(models) -> None:
    parent = await models.Parent(name="a", kids=[models.Kid(name="k"), models.Kid(name="l")]).save()
    kids = list(parent.kids)
    await parent.delete()
    assert [inspect(kid).transient for kid in kids] == [True, True]
    await parent.save()
    assert await names(models, models.Kid) == ["k", "l"]


async def test_orphan_is_new_again_and_may_be_adopted(models) -> None:
    parent = await models.Parent(name="a", kids=[models.Kid(name="k"), models.Kid(name="l")]).save()
    orphan = parent.kids.pop(0)
    await parent.save()
    assert await names(models, models.Kid) == ["l"]
    parent.kids.append(orphan)
    await parent.save()
    assert sorted(await names(models, models.Kid)) == ["k", "l"]


@pytest.mark.parametrize("how", ["receiver", "block"])
async def test_delete_that_is_rolled_back_leaves_all_stored(models, how) -> None:
    parent = await models.Parent(name="a", kids=[models.Kid(name="k")]).save()
    (kid,) = parent.kids

    async def refuse(sender, instance) -> None:
        raise ValueError("refused")

    if how == "receiver":
        models.Parent.meta.signals.post_delete.connect(refuse, models.Parent)
    with pytest.raises(ValueError, match="refused"):
        async with models.database.transaction():
            await parent.delete()
            raise ValueError("refused")
    models.Parent.meta.signals.post_delete.disconnect(refuse, models.Parent)
    parent.name, kid.name = "b", "m"
    await parent.save()
    await kid.save()
    assert (await names(models, models.Parent), await names(models, models.Kid)) == (["b"], ["m"])
    await parent.delete()
    assert (await names(models, models.Parent), await names(models, models.Kid)) == ([], [])


@pytest.mark.filterwarnings("ignore:Object of type <Parent> not in session")
@pytest.mark.parametrize("write", ["save", "create", "bulk_create", "bulk_update", "update"])
async def test_row_is_written_though_its_new_parent_is_skipped(models, write) -> None:
    Kid, heard = models.Kid, []

    async def skip(sender, model_instance) -> None:
        raise aldis.SkipOperation

    async def note(sender, model_instance, row_count) -> None:
        heard.append((model_instance.name, row_count))

    kid = None if write in {"create", "bulk_create"} else await Kid(name="old").save()
    models.Parent.meta.signals.pre_save.connect(skip, models.Parent)
    for kind in ("save", "update"):
        models.Base.meta.signals[f"post_{kind}"].connect(note, Kid)
    parent = models.Parent(name="skipped")
    if write == "create":
        await Kid.query.create(name="new", parent=parent)
    elif write == "bulk_create":
        await Kid.query.bulk_create([Kid(name="new", parent=parent)])
    elif write == "update":
        await kid.update(name="new", parent=parent)
    else:
        kid.name, kid.parent = "new", parent
        await (kid.save() if write == "save" else Kid.query.bulk_update([kid]))
    assert (await names(models, Kid), heard) == (["new"], [("new", 1)])
    assert await names(models, models.Parent) == []


@pytest.mark.filterwarnings("ignore:Object of type <Parent> not in session")
async def test_session_writes_a_stored_row_though_its_new_parent_is_skipped(models) -> None:
    async def skip(sender, model_instance) -> None:
        raise aldis.SkipOperation

    kid = await models.Kid(name="old").save()
    models.Parent.meta.signals.pre_save.connect(skip, models.Parent)
    async with models.database.session() as session:
        session.add(kid)
        kid.name, kid.parent = "new", models.Parent(name="skipped")
        await session.commit()
        assert kid in session
    assert await names(models, models.Kid) == ["new"]


@pytest.mark.parametrize("write", ["save", "update", "bulk_update", "mapping"])
async def test_class_with_a_composite_is_written_without_its_columns(models, write) -> None:
    stored = await models.Spot(name="a", place=Point(1, 2)).save()
    spot = await models.Spot.query.options(defer(models.Spot.x)).get(id=stored.id)
    if write == "mapping":
        assert await models.Spot.query.bulk_update([{"id": stored.id, "name": "b"}]) == 1
    elif write == "update":
        await spot.update(name="b")
    else:
        spot.name = "b"
        await (spot.save() if write == "save" else models.Spot.query.bulk_update([spot]))
    found = await models.Spot.query.get(id=stored.id)
    assert (found.name, found.place) == ("b", Point(1, 2))


@pytest.mark.parametrize("write", ["update", "bulk_update"])
async def test_change_of_a_column_with_a_default_waits_while_the_default_is_written(models, write) -> None:
    one = await models.Revised(name="a").save()
    one.revision = 99
    if write == "update":
        await one.update(name="b")
    else:
        one.name = "b"
        await models.Revised.query.bulk_update([one], ["name"])
    found = await models.Revised.query.get(id=one.id)
    assert (found.name, found.revision, one.revision) == ("b", 7, 99)
    await one.save()
    assert (await models.Revised.query.get(id=one.id)).revision == 99


async def test_loaded_kids_are_deleted_with_their_parent_and_saved_again(models) -> None:
    await models.Parent(name="a", kids=[models.Kid(name="k")]).save()
    parent = await models.Parent.query.options(selectinload(models.Parent.kids)).get(name="a")
    async with models.database.transaction():
        await parent.delete()
        await parent.save()
    assert (await names(models, models.Parent), await names(models, models.Kid)) == (["a"], ["k"])
