"""``load()`` of an instance that no session holds, beside ``session.refresh()`` of one that a session holds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import pytest_asyncio
from documents import DICT_AS_JSON
from sqlalchemy import ForeignKey, String, event, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.mutable import MutableComposite
from sqlalchemy.orm import (
    Mapped,
    attribute_keyed_dict,
    column_property,
    composite,
    mapped_column,
    relationship,
    selectinload,
)
from sqlalchemy.orm.exc import DetachedInstanceError
from users import models_on

pytestmark = pytest.mark.asyncio


@dataclass
class Point(MutableComposite):
    x: int
    y: int

    def __setattr__(self, name: str, value: int) -> None:
        object.__setattr__(self, name, value)
        self.changed()


@pytest_asyncio.fixture
async def shop():
    """Return classes with what is to be read again, and a session's engine."""
    async with models_on("sqlite+aiosqlite://") as models:

        class Owner(models.Base):
            __tablename__ = "owner"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(String(20))
            letter: Mapped[str] = mapped_column(String(20), default="dear", deferred=True)
            lamps: Mapped[list[Lamp]] = relationship(back_populates="owner", cascade="all, delete-orphan")
            shades: Mapped[list[Shade]] = relationship(lazy="selectin")

        class Lamp(models.Base):
            __tablename__ = "lamp"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(String(20))
            double: Mapped[str] = column_property(name + name)
            settings: Mapped[dict] = mapped_column(DICT_AS_JSON, default=dict)
            x: Mapped[int] = mapped_column(default=1)
            y: Mapped[int] = mapped_column(default=2)
            point: Mapped[Point] = composite("x", "y")
            owner_id: Mapped[int | None] = mapped_column(ForeignKey("owner.id"))
            owner: Mapped[Owner | None] = relationship(back_populates="lamps")
            bulbs: Mapped[list[Bulb]] = relationship(lazy="selectin", order_by="Bulb.id", back_populates="lamp")
            by_name: Mapped[dict[str, Bulb]] = relationship(
                lazy="selectin", collection_class=attribute_keyed_dict("name"), viewonly=True
            )

        class Bulb(models.Base):
            __tablename__ = "bulb"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(String(20))
            lamp_id: Mapped[int] = mapped_column(ForeignKey("lamp.id"))
            lamp: Mapped[Lamp] = relationship(lazy="joined", back_populates="bulbs")

        class Shade(models.Base):
            __tablename__ = "shade"
            id: Mapped[int] = mapped_column(primary_key=True)
            owner_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))

        async with models.Base.database.transaction() as connection:
            await connection.run_sync(models.Base.metadata.create_all)
        yield SimpleNamespace(Base=models.Base, Owner=Owner, Lamp=Lamp, Bulb=Bulb, Shade=Shade)


async def by_load(instance) -> None:
    assert await instance.load() is instance


async def by_refresh(instance) -> None:
    async with AsyncSession(type(instance).database.engine, autoflush=False) as session:
        session.add(instance)
        await session.refresh(instance)
        session.expunge_all()


def statements_on(shop) -> list[str]:
    statements: list[str] = []
    engine = shop.Base.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    return statements


WAYS = pytest.mark.parametrize("read_again", [by_load, by_refresh])


@WAYS
async def test_mutable_value_that_is_changed_in_place_afterwards_is_written(shop, read_again) -> None:
    lamp = await shop.Lamp.query.create(name="a", settings={"k": 1})
    await read_again(lamp)
    lamp.settings["k"] = 2
    assert inspect(lamp).modified
    lamp.point.x = 7
    await lamp.save()
    assert await shop.Lamp.query.values("settings", "x", "y") == [{"settings": {"k": 2}, "x": 7, "y": 2}]


@WAYS
async def test_changes_that_were_not_saved_are_lost(shop, read_again) -> None:
    owner, other = await shop.Owner.query.create(name="o"), await shop.Owner.query.create(name="p")
    lamp = await shop.Lamp.query.create(name="a", owner_id=owner.id)
    await read_again(lamp)
    lamp.name, lamp.point, lamp.settings["k"] = "lost", Point(5, 6), 1
    lamp.owner = other
    lamp.bulbs = [shop.Bulb(name="b")]
    await shop.Lamp.query.update(y=9)
    await read_again(lamp)
    assert not inspect(lamp).modified
    assert (lamp.name, lamp.double, lamp.settings, lamp.point, lamp.owner_id) == ("a", "aa", {}, Point(1, 9), owner.id)
    assert lamp.bulbs == []
    with pytest.raises(DetachedInstanceError):
        _ = lamp.owner
    await lamp.save()
    assert await shop.Bulb.query.count() == 0
    assert (await shop.Lamp.query.get()).owner_id == owner.id


@WAYS
async def test_relationships_that_are_read_with_the_instance_are_read_again(shop, read_again) -> None:
    lamp = await shop.Lamp.query.create(name="a")
    await shop.Bulb.query.create(name="b", lamp_id=lamp.id)
    await read_again(lamp)
    (bulb,) = lamp.bulbs
    assert (bulb.name, bulb.lamp is lamp, lamp.by_name["b"] is bulb) == ("b", True, True)
    assert not inspect(lamp).modified
    lamp.bulbs.append(shop.Bulb(name="c"))
    await lamp.save()
    assert await shop.Bulb.query.order_by("id").values("name", "lamp_id") == [
        {"name": "b", "lamp_id": lamp.id},
        {"name": "c", "lamp_id": lamp.id},
    ]


@WAYS
async def test_relationships_that_a_query_has_loaded_are_read_again(shop, read_again) -> None:
    await shop.Owner(name="o", lamps=[shop.Lamp(name="a")]).save()
    owner = await shop.Owner.query.options(selectinload(shop.Owner.lamps)).get()
    await shop.Lamp.query.create(name="b", owner_id=owner.id)
    lamp = owner.lamps[0]
    await read_again(owner)
    assert sorted(each.name for each in owner.lamps) == ["a", "b"]
    await read_again(lamp)
    assert (lamp.name, lamp.owner_id) == ("a", owner.id)


async def test_deferred_column_is_read_together_with_the_others(shop) -> None:
    await shop.Owner.query.create(name="o")
    owner = await shop.Owner.query.get()
    await shop.Shade.query.create(owner_id=owner.id)
    statements = statements_on(shop)
    await owner.load()
    assert (owner.letter, len(owner.shades), len(statements)) == ("dear", 1, 2)


async def test_plain_instance_is_read_by_one_statement(shop) -> None:
    shade = await shop.Shade.query.create(owner_id=(await shop.Owner.query.create(name="o")).id)
    statements = statements_on(shop)
    await shade.load()
    assert len(statements) == 1


async def test_other_tasks_may_use_the_instance_meanwhile(shop) -> None:
    owner = await shop.Owner.query.create(name="o")
    lamp = await shop.Lamp.query.create(name="a", owner_id=owner.id)
    seen = []

    async def read() -> None:
        while True:
            seen.append((lamp.name, inspect(lamp).session_id))
            await asyncio.sleep(0)

    reading = asyncio.create_task(read())
    await asyncio.gather(lamp.load(), lamp.load())
    assert len(seen) > 1
    assert set(seen) == {("a", None)}
    await asyncio.gather(lamp.load(), lamp.load(), lamp.update(name="a"))
    reading.cancel()
    assert {name for name, _ in seen} == {"a"}


@WAYS
async def test_related_instances_keep_their_own_changes_where_they_are_not_read(shop, read_again) -> None:
    owner = await shop.Owner(name="o", lamps=[shop.Lamp(name="a")]).save()
    owner.name = "lost"
    await read_again(owner)
    assert owner.name == "o"
    with pytest.raises(DetachedInstanceError):
        _ = owner.lamps


@WAYS
async def test_events_tell_that_the_instance_was_expired_and_refreshed(shop, read_again) -> None:
    lamp = await shop.Lamp.query.create(name="a")
    told = []

    def note(name):
        return lambda target, *given: told.append((name, given[-1])) if target is lamp else None

    for name in ("load", "expire", "refresh"):
        event.listen(shop.Lamp, name, note(name))
    await read_again(lamp)
    assert told == [("expire", None), ("refresh", None)]


@WAYS
async def test_old_collection_warns_that_it_is_no_longer_the_instances(shop, read_again) -> None:
    lamp = await shop.Lamp.query.create(name="a")
    await read_again(lamp)
    old = lamp.bulbs
    await read_again(lamp)
    with pytest.warns(Warning, match="invalidated"):
        old.append(shop.Bulb(name="x"))
