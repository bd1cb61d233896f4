"""New rows that SQLAlchemy's unit of work writes: each instance has its own row, or the call fails."""

from __future__ import annotations

import pytest
from sqlalchemy import String, event, func, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm.exc import FlushError

import aldis

pytestmark = pytest.mark.asyncio

TRIGGERS = {
    "postgresql": [
        """
        CREATE OR REPLACE FUNCTION down() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.id := 1000 - NEW.id; RETURN NEW; END'
        """,
        "CREATE TRIGGER down BEFORE INSERT ON star FOR EACH ROW EXECUTE FUNCTION down()",
    ],
    "mariadb": ["CREATE TRIGGER down BEFORE INSERT ON star FOR EACH ROW SET NEW.id = 1000 - NEW.size"],
    "sqlite": ["CREATE TRIGGER passed_over BEFORE INSERT ON star WHEN NEW.size = 2 BEGIN SELECT RAISE(IGNORE); END"],
}


async def test_rows_of_a_table_with_a_trigger(models) -> None:
    class Star(models.Base):
        __tablename__ = "star"
        id: Mapped[int] = mapped_column(primary_key=True)
        size: Mapped[int]

    event.listen(Star, "before_insert", lambda *_: None)
    engine = models.Base.database.engine
    async with engine.begin() as connection:
        await connection.run_sync(Star.__table__.create)
        for statement in TRIGGERS[engine.dialect.name]:
            await connection.execute(text(statement))
    stars = [Star(size=size) for size in (1, 2, 3)]
    try:
        if engine.dialect.name == "sqlite":
            with pytest.raises(aldis.RowMismatchError, match="star stored no row") as raised:
                await Star.query.bulk_create(stars)
            assert isinstance(raised.value, FlushError)
            with pytest.raises(aldis.RowMismatchError, match="star stored no row"):
                await stars[1].save()
            assert await Star.query.count() == 0
            assert await stars[0].save() is stars[0]
        else:
            await Star.query.bulk_create(stars)
            assert {star.id: star.size for star in stars} == {star.id: star.size for star in await Star.query.all()}
    finally:
        async with engine.begin() as connection:
            await connection.run_sync(Star.__table__.drop)


async def test_one_event_tells_of_all_defaults(models) -> None:
    if models.Base.database.engine.dialect.name != "sqlite":
        pytest.skip("of SQLAlchemy's events alone")

    class Star(models.Base):
        __tablename__ = "star"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20), default="nobody")
        place: Mapped[str] = mapped_column(String(20), default=func.lower("HERE"))

    told = []
    event.listen(Star, "refresh_flush", lambda target, context, names: told.append(sorted(names)))
    async with models.Base.database.engine.begin() as connection:
        await connection.run_sync(Star.__table__.create)
    star = await Star.query.create()
    assert (star.name, star.place) == ("nobody", "here")
    await Star.query.create(place="there")
    assert told[0] in (["id", "name", "place"], ["name", "place"])
    assert len(told) == 2
    assert "name" in told[1]


PASSING_OVER = {
    "postgresql": [
        """
        CREATE OR REPLACE FUNCTION passed_over() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN IF NEW.size = 2 THEN RETURN NULL; END IF; RETURN NEW; END'
        """,
        "CREATE TRIGGER passed_over BEFORE INSERT ON star FOR EACH ROW EXECUTE FUNCTION passed_over()",
    ],
    "sqlite": TRIGGERS["sqlite"],
}


@pytest.mark.parametrize("flushes", [False, True])
async def test_row_that_a_trigger_drops_is_no_conflict(models, flushes) -> None:
    engine = models.Base.database.engine
    if engine.dialect.name not in PASSING_OVER:
        pytest.skip("no trigger of this database drops a row")

    class Star(models.Base):
        __tablename__ = "star"
        id: Mapped[int] = mapped_column(primary_key=True)
        size: Mapped[int]
        name: Mapped[str] = mapped_column(String(20), unique=True)

    if flushes:
        event.listen(Star, "before_insert", lambda *_: None)
    async with engine.begin() as connection:
        await connection.run_sync(Star.__table__.create)
        for statement in PASSING_OVER[engine.dialect.name]:
            await connection.execute(text(statement))
    try:
        stars = [Star(size=1, name="a"), Star(size=3, name="a"), Star(size=4, name="b")]
        await Star.query.bulk_create(stars, ignore_conflicts=True)
        assert [(star.size, star.name) for star in await Star.query.order_by(Star.size).all()] == [(1, "a"), (4, "b")]
        assert stars[1].id is None
        others = [Star(size=5, name="a"), Star(size=6, name="c"), Star(size=2, name="d")]
        with pytest.raises(aldis.RowMismatchError, match="star stored no row") as raised:
            await Star.query.bulk_create(others, ignore_conflicts=True)
        assert isinstance(raised.value, FlushError)  # as SQLAlchemy raises it
        if not flushes:
            assert raised.value.__notes__ == ["aldis: at row 3 of bulk_create"]
        assert await Star.query.count() == len(stars) - 1
        assert [star.id for star in others] == [None] * 3
    finally:
        async with engine.begin() as connection:
            await connection.run_sync(Star.__table__.drop)
