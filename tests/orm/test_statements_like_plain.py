"""A session's statement writes the same rows, whether somebody hears it or not: SQLAlchemy's own."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import sqlalchemy
from sqlalchemy import String, bindparam, insert, select, text, update
from sqlalchemy.exc import CompileError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, composite, mapped_column, synonym

import aldis
from aldis.errors import RefusedError

pytestmark = pytest.mark.asyncio

NAMES = ("id", "word", "size", "x", "y")
IS_2_1 = sqlalchemy.__version__ >= "2.1"


@dataclass
class Point:
    x: int
    y: int


def model_on(*bases):
    """Return a mapped class: its columns have other names than its attributes, defaults, a composite and a hybrid."""

    class Base(*bases, DeclarativeBase):
        pass

    class Word(Base):
        __tablename__ = "like_plain"
        id: Mapped[int] = mapped_column(primary_key=True)
        word: Mapped[str] = mapped_column("the_word", String(20))
        size: Mapped[int | None] = mapped_column(default=5)
        version: Mapped[int | None] = mapped_column(onupdate=9)
        made: Mapped[str | None] = mapped_column(String(9), server_default="made")
        x: Mapped[int] = mapped_column(default=0)
        y: Mapped[int] = mapped_column(default=0)
        place: Mapped[Point] = composite("x", "y")
        term = synonym("word")

        @hybrid_property
        def text(self) -> str:
            return self.word

        @text.inplace.update_expression
        @classmethod
        def _write_text(cls, value):
            return [(cls.word, value), (cls.size, len(value))]

        if IS_2_1:

            @hybrid_property
            def both(self) -> str:
                return self.word

            @both.inplace.bulk_dml
            @classmethod
            def _write_both(cls, mapping, value):
                mapping["word"], mapping["size"] = value, len(value)

    return SimpleNamespace(Base=Base, Word=Word)


def of_two(Word):
    return update(Word).where(Word.id < 3)


STATEMENTS = {
    "hybrid": lambda Word: (of_two(Word).values(text="three"),),
    "synonym": lambda Word: (of_two(Word).values({Word.term: "new"}),),
    "composite": lambda Word: (of_two(Word).values(place=Point(5, 6)),),
    "in an order": lambda Word: (of_two(Word).ordered_values((Word.place, Point(5, 6)), ("size", 3), ("word", "new")),),
    "parameters by column": lambda Word: (of_two(Word), {"the_word": "new"}),
    "parameters by attribute": lambda Word: (of_two(Word), {"word": "new", "size": 3}),
    "bound": lambda Word: (of_two(Word).values(word=bindparam("w")), {"w": "new"}),
    "many": lambda Word: (update(Word), [{"id": 1, "word": "new"}, {"id": 2, "size": None}]),
    "many composites": lambda Word: (update(Word), [{"id": 1, "place": Point(5, 6)}]),
    "many unknown names": lambda Word: (update(Word), [{"id": 1, "none": 1}]),
    "many synonyms": lambda Word: (update(Word), [{"id": 1, "term": "new"}]),
    "new": lambda Word: (
        insert(Word),
        [{"word": "a", "made": None}, {"word": "b", "size": None, "place": Point(1, 2)}],
    ),
    "new with values": lambda Word: (insert(Word).values(word="a", made=None, place=Point(1, 2)),),
    "new with nulls": lambda Word: (
        insert(Word).execution_options(render_nulls=True),
        [{"word": "a", "made": None, "size": None}, {"word": "b", "made": "b", "size": 1}],
    ),
}
REFUSED = {
    "unknown": (lambda Word: (of_two(Word).values(none=1, size=3),), CompileError),
    "unknown alone": (lambda Word: (of_two(Word).values(none=1),), CompileError),
}
if IS_2_1:
    STATEMENTS["many hybrids"] = lambda Word: (update(Word), [{"id": 1, "both": "three"}])
    STATEMENTS["new hybrids"] = lambda Word: (insert(Word), [{"both": "three"}, {"word": "a"}])
    REFUSED["many hybrids"] = (lambda Word: (update(Word), [{"id": 1, "text": "three"}]), InvalidRequestError)


@pytest.fixture
async def engine(url):
    found = create_async_engine(url)
    yield found
    await found.dispose()


async def written_by(engine, models, statement, raised=None):
    """Return the rows after a statement, and the values that a session's instances show."""
    async with engine.begin() as connection:
        await connection.run_sync(models.Base.metadata.create_all)
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session:
            session.add_all([models.Word(word=f"old{number}", size=0, version=0) for number in (1, 2, 3)])
            await session.commit()
            words = (await session.scalars(select(models.Word).order_by(models.Word.id))).all()
            if raised is None:
                await session.execute(*statement(models.Word))
            else:
                with pytest.raises(raised):
                    await session.execute(*statement(models.Word))
                await session.rollback()
            await session.commit()
            shown = [{name: word.__dict__.get(name) for name in NAMES} for word in words]
        async with engine.begin() as connection:
            rows = (await connection.execute(text("SELECT * FROM like_plain ORDER BY id"))).all()
    finally:
        async with engine.begin() as connection:
            await connection.run_sync(models.Base.metadata.drop_all)
    return [tuple(row) for row in rows], shown


def heard(rows):
    """Return a model that a receiver hears, and what it is told."""
    models = model_on(aldis.Model)
    calls = []

    async def receiver(sender, column_values, changes):
        calls.append((dict(column_values), changes))

    signals = models.Word.meta.signals
    signals.post_save.connect(receiver, models.Word, weak=False)
    signals.post_update.connect(receiver, models.Word, weak=False, rows=rows)
    return models, calls


@pytest.mark.parametrize("rows", [False, True], ids=["once", "rows"])
@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_heard_statement_writes_what_a_plain_one_does(engine, name, rows):
    plain, plain_shown = await written_by(engine, model_on(), STATEMENTS[name])
    models, calls = heard(rows)
    written, shown = await written_by(engine, models, STATEMENTS[name])
    assert written == plain
    stored = [dict(zip(NAMES, (row[0], row[1], row[2], row[5], row[6]), strict=True)) for row in written[:3]]
    assert shown in (plain_shown, stored)  # SQLAlchemy leaves the old values of some to its instances
    assert calls


@pytest.mark.parametrize("rows", [False, True], ids=["once", "rows"])
@pytest.mark.parametrize("name", REFUSED)
async def test_a_name_that_sqlalchemy_refuses_is_refused_where_somebody_hears(engine, name, rows):
    statement, error = REFUSED[name]
    plain, _ = await written_by(engine, model_on(), statement, error)
    written, _ = await written_by(engine, heard(rows)[0], statement, error)
    assert written == plain


async def test_receivers_are_told_of_the_columns_of_a_composite(engine):
    models, calls = heard(rows=False)
    await written_by(engine, models, STATEMENTS["many composites"])
    ((column_values, changes),) = calls[3:]
    assert column_values == {"x": 5, "y": 6, "version": 9}
    assert {name: (change.old, change.new) for name, change in changes.items()} == {
        "x": (0, 5),
        "y": (0, 6),
        "version": (0, 9),
    }


async def test_a_column_that_is_named_by_its_own_name_is_refused_where_rows_are_heard(engine):
    with pytest.raises(RefusedError, match=r"sets a column by a name that is not its attribute's \(the_word\)"):
        await written_by(engine, heard(rows=True)[0], lambda Word: (of_two(Word).values(the_word="new"),))


async def test_an_update_of_an_alias_makes_no_defaults(engine):
    def statement(Word):
        alias = aliased(Word)
        return (update(alias).where(alias.id < 3).values(word="new").execution_options(synchronize_session=False),)

    plain, _ = await written_by(engine, model_on(), statement)
    written, _ = await written_by(engine, heard(rows=False)[0], statement)
    assert written == plain
