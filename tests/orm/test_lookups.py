"""The bulk methods that find rows let the database say which rows meet the values that are given."""

from __future__ import annotations

import enum
from decimal import Decimal

import pytest
from sqlalchemy import ARRAY, CHAR, Enum, Float, Integer, Numeric, String, TypeDecorator, func
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column

import aldis

pytestmark = pytest.mark.asyncio


class Lowered(TypeDecorator[str]):
    impl = String(20)
    cache_ok = True

    def bind_expression(self, bindparam):
        return func.lower(bindparam)


async def test_rows_are_found_that_python_takes_for_others(models) -> None:
    class Coin(models.Base):
        __tablename__ = "coin"
        id: Mapped[int] = mapped_column(primary_key=True)
        code = mapped_column(CHAR(5))
        price = mapped_column(Numeric(8, 2))
        mail = mapped_column(Lowered)
        note = mapped_column(String(20))

    async with models.Base.database.engine.begin() as connection:
        await connection.run_sync(Coin.__table__.create)
    try:
        for name, values in (("code", ["ab", "cd"]), ("price", [1.5, Decimal("2.5")]), ("mail", ["Ada", "bob"])):
            rows = [{name: value, "note": str(value)} for value in values]
            first = await Coin.query.bulk_get_or_create(rows, unique_fields=[name])
            again = await Coin.query.bulk_get_or_create(rows, unique_fields=[name])
            assert [coin.id for coin in again] == [coin.id for coin in first]
            changed = await Coin.query.bulk_update_or_create(
                [{name: value, "note": "new"} for value in values], unique_fields=[name]
            )
            assert [(coin.id, coin.note) for coin in changed] == [(coin.id, "new") for coin in first]
        assert await Coin.query.count() == 6
        await Coin.query.bulk_create([Coin(mail="eve", note="1"), Coin(mail="EVE", note="2")])
        with pytest.raises(aldis.MultipleObjectsReturned, match=r"more than one Coin meets mail='(Eve|eve)'"):
            await Coin.query.bulk_get_or_create([{"mail": "Eve"}], unique_fields=["mail"])
    finally:
        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Coin.__table__.drop)


async def test_rows_of_a_batch_that_the_database_takes_for_one(models) -> None:
    class Coin(models.Base):
        __tablename__ = "coin"
        id: Mapped[int] = mapped_column(primary_key=True)
        mail = mapped_column(Lowered, unique=True)
        price = mapped_column(Numeric(8, 2))
        weight = mapped_column(Float(24))
        note = mapped_column(String(20))

    told = []

    def note(sender, model_instance):
        told.append(model_instance.note)

    async with models.Base.database.engine.begin() as connection:
        await connection.run_sync(Coin.__table__.create)
    try:
        rows = [{"mail": mail, "note": mail} for mail in ("Ada", "bob", "ADA", "ada")]
        coins = await Coin.query.bulk_get_or_create(rows, unique_fields=["mail"])
        assert [coin.note for coin in coins] == ["Ada", "bob", "Ada", "Ada"]
        assert await Coin.query.count() == 2
        # What is stored is another value than the one that was given: it is found where the database finds it.
        for name, value in (("price", Decimal("1.239")), ("weight", 0.1)):
            with Coin.meta.signals.post_save.connected_to(note, Coin):
                coins = await Coin.query.bulk_get_or_create(
                    [{name: value, "note": number} for number in "12"], unique_fields=[name]
                )
            stored = await Coin.query.filter(getattr(Coin, name) == value).count()
            assert len(told) == len({coin.id for coin in coins}) == (1 if stored else 2)
            told.clear()
    finally:
        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Coin.__table__.drop)


@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("numbers", [[1, True], [True, 1]])
async def test_values_of_two_types_that_are_equal_in_python_alone(models, numbers, is_stored) -> None:
    class Coin(models.Base):
        __tablename__ = "coin"
        id: Mapped[int] = mapped_column(primary_key=True)
        number = mapped_column(Integer)

    async def one_by_one() -> list[Coin]:
        return [(await Coin.query.get_or_create(number=number))[0] for number in numbers]

    async def at_once() -> list[Coin]:
        return await Coin.query.bulk_get_or_create([{"number": number} for number in numbers], unique_fields=["number"])

    async with models.Base.database.engine.begin() as connection:
        await connection.run_sync(Coin.__table__.create)
    try:
        if is_stored:
            await Coin.query.create(number=1)
        refused = models.Base.database.engine.dialect.name == "postgresql"  # it has no integer = boolean
        for call in (at_once, one_by_one):
            if refused:
                with pytest.raises(DBAPIError):
                    await call()
            else:
                assert len({coin.id for coin in await call()}) == 1
        assert refused or await Coin.query.count() == 1
    finally:
        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Coin.__table__.drop)


async def test_unique_values_that_python_cannot_hash(models) -> None:
    if models.Base.database.engine.dialect.name != "postgresql":
        pytest.skip("only PostgreSQL has arrays")

    class Road(models.Base):
        __tablename__ = "road"
        id: Mapped[int] = mapped_column(primary_key=True)
        stops = mapped_column(ARRAY(Integer), unique=True)
        note = mapped_column(String(20))

    async with models.Base.database.engine.begin() as connection:
        await connection.run_sync(Road.__table__.create)
    try:
        rows = [{"stops": stops, "note": str(stops)} for stops in ([1, 2], [3], [1, 2])]
        roads = await Road.query.bulk_get_or_create(rows, unique_fields=["stops"])
        assert [road.note for road in roads] == ["[1, 2]", "[3]", "[1, 2]"]
        rows = [{"stops": stops, "note": "new"} for stops in ([1, 2], [4])]
        assert [road.note for road in await Road.query.bulk_get_or_create(rows, unique_fields=["stops"])] == [
            "[1, 2]",
            "new",
        ]
        with pytest.raises(aldis.ConfigurationError, match="has the unique values of another"):
            await Road.query.bulk_update_or_create([rows[0], rows[0]], unique_fields=["stops"])
        changed = await Road.query.bulk_update_or_create(rows, unique_fields=["stops"])
        assert [(road.stops, road.note) for road in changed] == [([1, 2], "new"), ([4], "new")]
        assert await Road.query.count() == 3
    finally:
        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Road.__table__.drop)


class Suit(enum.Enum):
    hearts = 1
    spades = 2


@pytest.mark.parametrize("names", [[Suit.hearts, "hearts"], ["hearts", Suit.hearts]])
async def test_stored_row_is_found_by_each_of_the_values_that_are_bound_alike(models, names) -> None:
    class Deck(models.Base):
        __tablename__ = "deck"
        id: Mapped[int] = mapped_column(primary_key=True)
        suit = mapped_column(Enum(Suit, native_enum=False))

    async with models.Base.database.engine.begin() as connection:
        await connection.run_sync(Deck.__table__.create)
    try:
        deck = await Deck.query.create(suit=Suit.hearts)
        rows = [{"suit": name} for name in [*names, "spades"]]
        found = await Deck.query.bulk_get_or_create(rows, unique_fields=["suit"])
        assert [each.id for each in found[:2]] == [deck.id] * 2
        assert await Deck.query.count() == 2
    finally:
        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Deck.__table__.drop)
