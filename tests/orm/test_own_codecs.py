"""A program's own codecs of asyncpg and dumpers of psycopg write each value, however many rows go together."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import Numeric, SmallInteger, event, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from new_databases import database_on

COUNTS = [1, 3, 1200]
"""Rows: those of 1,200 go by COPY otherwise."""


@pytest.fixture(params=["asyncpg", "psycopg"])
def url(request):
    with database_on(request.param) as found:
        yield found


@pytest.fixture
async def Word(url):
    """Return a model whose connections write texts in capitals and negate amounts; asyncpg's add 1 to a size."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(url)

    class Word(Base):
        __tablename__ = "word"
        id: Mapped[int] = mapped_column(primary_key=True)
        word: Mapped[str]
        amount: Mapped[Decimal] = mapped_column(Numeric)
        size: Mapped[int] = mapped_column(SmallInteger)

    engine = Base.database.engine
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()
    event.listen(engine.sync_engine, "connect", set_codecs if engine.dialect.driver == "asyncpg" else set_dumpers)
    yield Word
    await Base.database.dispose()


def set_codecs(adapter, _record) -> None:
    async def set_them(connection) -> None:
        for name, encode, decode in (
            ("text", str.upper, str),
            ("varchar", str.upper, str),
            ("int2", lambda value: str(value + 1), int),
            ("numeric", lambda value: str(-value), Decimal),
        ):
            await connection.set_type_codec(name, schema="pg_catalog", encoder=encode, decoder=decode, format="text")

    adapter.run_async(set_them)


def set_dumpers(connection, _record) -> None:
    from psycopg.adapt import Dumper
    from psycopg.types.numeric import DecimalDumper
    from psycopg.types.string import StrDumper

    class Capitals(Dumper):
        oid = StrDumper.oid

        def dump(self, value):
            return value.upper().encode()

    class Negated(Dumper):
        oid = DecimalDumper.oid

        def dump(self, value):
            return str(-value).encode()

    adapters = connection.driver_connection.adapters
    for kind, dumper in ((str, Capitals), (Decimal, Negated)):
        adapters.register_dumper(kind, dumper)


async def stored(Word) -> list[tuple]:
    """Return the rows as text, as another connection reads them."""
    other = aldis.Database(Word.database.engine.url)
    async with other, other.engine.connect() as connection:
        columns = [text(f"CAST({name} AS text)") for name in ("word", "amount", "size")]
        return [tuple(row) for row in await connection.execute(select(*columns).select_from(Word).order_by(Word.word))]


@pytest.mark.parametrize("count", COUNTS)
async def test_each_row_is_written_as_alone(Word, count) -> None:
    added = int(Word.database.engine.dialect.driver == "asyncpg")
    rows = [{"word": f"w{number:04}", "amount": Decimal(number), "size": 1} for number in range(count)]
    expected = [(f"W{number:04}", str(Decimal(-number)), str(1 + added)) for number in range(count)]
    for each in rows[:2]:
        await Word.query.create(**each)
    assert await stored(Word) == expected[:2]
    await Word.query.delete()
    created = await Word.query.bulk_create(rows)
    assert await stored(Word) == expected
    for each in created:
        each.word, each.amount, each.size = f"x{each.word[1:]}", Decimal(2), 5
    await Word.query.bulk_update(created)
    assert await stored(Word) == [(f"X{number:04}", "-2", str(5 + added)) for number in range(count)]
