"""Kinds of many-to-many: dicts, scalars, inheritance, conditions in the join; by flushes and by ``relation()``."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import pytest_asyncio
from sqlalchemy import Column, ForeignKey, Table, and_
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    attribute_keyed_dict,
    mapped_column,
    relationship,
    selectinload,
)

import aldis
from aldis.signals import LIFECYCLE

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def models():
    """Return models on a database in memory."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database("sqlite+aiosqlite://")

    for signal in LIFECYCLE:
        setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

    def link(name):
        return Table(
            name,
            Base.metadata,
            Column("place_id", ForeignKey("place.id"), primary_key=True),
            Column("lamp_id", ForeignKey("lamp.id"), primary_key=True),
        )

    names, mains, lits = link("names"), link("mains"), link("lits")

    class Place(Base):
        __tablename__ = "place"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(default="place")
        street_id: Mapped[int | None] = mapped_column(ForeignKey("street.id"))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "place"}  # noqa: RUF012
        by_name = relationship("Lantern", secondary=names, collection_class=attribute_keyed_dict("name"))
        main = relationship("Lantern", secondary=mains, uselist=False)
        lit = relationship(
            "Lantern",
            secondary=lits,
            secondaryjoin=lambda: and_(Lantern.id == lits.c.lamp_id, Lantern.is_lit.is_(True)),
        )

    class Street(Base):
        __tablename__ = "street"
        id: Mapped[int] = mapped_column(primary_key=True)
        places = relationship("Place", cascade="all, delete-orphan")

    class House(Place):
        __tablename__ = "house"
        id: Mapped[int] = mapped_column(ForeignKey("place.id"), primary_key=True)
        floors: Mapped[int] = mapped_column(default=1)
        __mapper_args__ = {"polymorphic_identity": "house"}  # noqa: RUF012

    class Lantern(Base):
        __tablename__ = "lamp"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(default="")
        is_lit: Mapped[bool] = mapped_column(default=True)

    async with Base.database:
        async with Base.database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
        told = []

        def connect(name):
            def receiver(sender, relation, related, row_count):
                names = None if related is None else [each.name for each in related]
                told.append((name, sender.__name__, relation, names, row_count))

            Base.meta.signals[f"post_relation_{name}"].connect(receiver, Place, weak=False, subclasses=True)

        connect("add")
        connect("remove")
        yield SimpleNamespace(Base=Base, Place=Place, House=House, Lantern=Lantern, Street=Street, told=told)


async def lamps_of(models, *names):
    return [await models.Lantern.query.create(name=name) for name in names]


async def test_dict(models) -> None:
    one, two = await lamps_of(models, "one", "two")
    place = await models.Place.query.create(by_name={"one": one})
    await place.relation("by_name").add(two)
    assert place.by_name == {"one": one, "two": two}
    await place.relation("by_name").set([one])
    assert place.by_name == {"one": one}
    del place.by_name["one"]
    await place.save()
    assert models.told == [
        ("add", "Place", "by_name", ["one"], 1),
        ("add", "Place", "by_name", ["two"], 1),
        ("remove", "Place", "by_name", ["two"], 1),
        ("remove", "Place", "by_name", ["one"], 1),
    ]


async def test_scalar(models) -> None:
    one, two = await lamps_of(models, "one", "two")
    place = await models.Place.query.create(main=one)
    place.main = two
    await place.save()
    await place.relation("main").clear()
    assert place.main is None
    await place.relation("main").add(one)
    assert place.main is one
    assert models.told == [
        ("add", "Place", "main", ["one"], 1),
        ("remove", "Place", "main", ["one"], 1),
        ("add", "Place", "main", ["two"], 1),
        ("remove", "Place", "main", None, 1),
        ("add", "Place", "main", ["one"], 1),
    ]


async def test_scalar_is_replaced_by_its_relation(models) -> None:
    one, two = await lamps_of(models, "one", "two")
    place = await models.Place.query.create(main=one)
    models.told.clear()
    main = place.relation("main")
    assert await main.add(two) == 1
    assert place.main is two
    assert [lamp.name async for lamp in main] == ["two"]
    assert (await main.add(two), await main.add()) == (0, 0)
    assert await main.set([one]) == 2
    assert [lamp.name async for lamp in main] == ["one"]
    assert models.told == [
        ("remove", "Place", "main", ["one"], 1),
        ("add", "Place", "main", ["two"], 1),
        ("remove", "Place", "main", ["two"], 1),
        ("add", "Place", "main", ["one"], 1),
    ]
    for several in (main.add(one, two), main.set([one, two])):
        with pytest.raises(aldis.errors.ConfigurationError, match=r"Place\.main got 2 instances: with uselist=False"):
            await several

    def skip(sender):
        raise aldis.SkipOperation

    models.Place.meta.signals.pre_relation_remove.connect(skip, models.Place)
    assert await main.add(two) == 0
    assert place.main is one
    assert [lamp.name async for lamp in main] == ["one"]


async def test_skipped_scalar_is_what_it_was(models) -> None:
    one, two = await lamps_of(models, "one", "two")
    place = await models.Place.query.create(main=one)

    def skip(sender):
        raise aldis.SkipOperation

    models.Place.meta.signals.pre_relation_remove.connect(skip, models.Place)
    place.main = two
    await place.save()
    assert place.main is one
    assert [lamp.name async for lamp in place.relation("main")] == ["one"]


async def test_class_below_the_one_that_declares_it_is_the_sender(models) -> None:
    (one,) = await lamps_of(models, "one")
    house = await models.House.query.create(by_name={"one": one})
    found = await models.House.query.get(id=house.id)
    await found.relation("by_name").remove(one)
    await found.relation("main").add(one)
    await found.delete()
    assert models.told == [
        ("add", "House", "by_name", ["one"], 1),
        ("remove", "House", "by_name", ["one"], 1),
        ("add", "House", "main", ["one"], 1),
        ("remove", "House", "main", ["one"], 1),
    ]


async def test_rows_that_a_condition_of_the_join_leaves_out_stay(models) -> None:
    one, two = await lamps_of(models, "one", "two")
    place = await models.Place.query.create()
    await place.relation("lit").add(one, two)
    await two.update(is_lit=False)
    assert [lamp.name async for lamp in place.relation("lit")] == ["one"]
    assert await place.relation("lit").clear() == 1
    await two.update(is_lit=True)
    assert [lamp.name async for lamp in place.relation("lit")] == ["two"]
    assert models.told[-1] == ("remove", "Place", "lit", ["one"], 1)


async def test_bulk_create_with_collections(models) -> None:
    one, two = await lamps_of(models, "one", "two")
    await models.Place.query.bulk_create(
        [models.Place(by_name={"one": one}), models.Place(by_name={"one": one, "two": two})]
    )
    assert models.told == [
        ("add", "Place", "by_name", ["one"], 1),
        ("add", "Place", "by_name", ["one", "two"], 2),
    ]


async def test_merged_collection(models) -> None:
    one, two = await lamps_of(models, "one", "two")
    place = await models.Place.query.create(by_name={"one": one})
    place = await models.Place.query.options(selectinload(models.Place.by_name)).get(id=place.id)
    place.by_name = {"two": two}
    models.told.clear()
    async with models.Base.database.session() as session:
        await session.merge(place)
        await session.commit()
    assert models.told == [
        ("remove", "Place", "by_name", ["one"], 1),
        ("add", "Place", "by_name", ["two"], 1),
    ]


async def test_receiver_adds_to_the_instance_that_is_flushed(models) -> None:
    (one,) = await lamps_of(models, "one")

    @models.Place.meta.signals.post_save.connect_via(models.Place)
    async def give_a_lamp(sender, model_instance, is_update):
        if not is_update:
            await model_instance.relation("main").add(one)

    async with models.Base.database.session(expire_on_commit=False) as session:
        place = models.Place()
        session.add(place)
        await session.commit()
        assert [lamp.name async for lamp in place.relation("main")] == ["one"]
    await models.Place.query.create()
    assert models.told == [("add", "Place", "main", ["one"], 1)] * 2


async def test_signals_that_are_turned_off(models) -> None:
    one, two = await lamps_of(models, "one", "two")
    with aldis.signals_disabled():
        place = await models.Place.query.create(by_name={"one": one})
        await place.relation("by_name").add(two)
    assert models.told == []
    assert await place.relation("by_name").query.count() == 2


async def test_deletion_that_only_the_flush_finds(models) -> None:
    (one,) = await lamps_of(models, "one")
    street = await models.Street.query.create(places=[models.Place(main=one)])
    street = await models.Street.query.options(selectinload(models.Street.places)).get(id=street.id)
    street.places.clear()
    await street.save()
    assert await models.Place.query.count() == 0
    assert models.told == [
        ("add", "Place", "main", ["one"], 1),
        ("remove", "Place", "main", ["one"], 1),
    ]


CALLS_OF_A_SCALAR = {
    "add": lambda relation, lamp: relation.add(lamp),
    "set": lambda relation, lamp: relation.set([lamp]),
    "remove": lambda relation, lamp: relation.remove(lamp),
    "clear": lambda relation, lamp: relation.clear(),
}


@pytest.mark.parametrize("call", CALLS_OF_A_SCALAR)
@pytest.mark.parametrize("waits", ["nothing", "another one", "none"])
@pytest.mark.parametrize("given", ["the linked one", "another one"])
async def test_scalar_is_as_it_was_after_a_rolled_back_call(models, given, waits, call) -> None:
    one, two = await lamps_of(models, "one", "two")
    place = await models.Place.query.create(main=one)
    if waits != "nothing":
        place.main = two if waits == "another one" else None
    shown = place.main
    with pytest.raises(LookupError):
        async with models.Base.database.transaction():
            await CALLS_OF_A_SCALAR[call](place.relation("main"), one if given == "the linked one" else two)
            raise LookupError
    assert place.main is shown
    await place.save()
    assert [lamp.name async for lamp in place.relation("main")] == ([] if shown is None else [shown.name])
    place.main = None
    await place.save()
    assert [lamp async for lamp in place.relation("main")] == []


async def test_scalar_shows_the_linked_one_where_another_is_removed(models) -> None:
    one, two = await lamps_of(models, "one", "two")
    place = await models.Place.query.create(main=one)
    assert await place.relation("main").remove(two) == 0
    assert place.main is one
    place.main = two
    await place.save()
    assert [lamp.name async for lamp in place.relation("main")] == ["two"]
