"""PostgreSQL: many rows store the same as one row, whatever the column's types, and are refused where one row is.

Each value is inserted alone by SQLAlchemy Core first. What that stored, as PostgreSQL writes it, is what every way of
writing many rows has to store; what that was refused, they have to be refused, by an error of the same kind that names
the row.
"""

from __future__ import annotations

import enum
import ipaddress
import uuid
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
import pytest_asyncio
from sqlalchemy import (
    ARRAY,
    CHAR,
    JSON,
    REAL,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    PickleType,
    SmallInteger,
    String,
    Text,
    Time,
    Uuid,
    func,
    insert,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import NullType, TypeDecorator, UserDefinedType

import aldis
from new_databases import database_on

ZONE = timezone(timedelta(hours=-5))
NOW = datetime(2024, 2, 3, 4, 5, 6, 789)  # noqa: DTZ001 - naive datetimes are part of what is tried
AWARE = NOW.replace(tzinfo=ZONE)


class Colour(enum.Enum):
    red = 1
    blue = 2


class OtherStr(str):
    __slots__ = ()


class OtherInt(int): ...


class Lower(TypeDecorator):
    impl, cache_ok = String, True

    def bind_expression(self, bindvalue):
        return func.lower(bindvalue)


class Cut(TypeDecorator):
    """Its expression has a parameter of its own."""

    impl, cache_ok = String, True

    def bind_expression(self, bindvalue):
        return func.left(bindvalue, 2)


class Bang(TypeDecorator):
    impl, cache_ok = String, True

    def process_bind_param(self, value, dialect):
        return "none!" if value is None else value + "!"


class Named(UserDefinedType):
    cache_ok = True

    def __init__(self, name):
        self.name = name

    def get_col_spec(self, **_):
        return self.name


INTEGERS = [1, -5, 2**31, 2**40, 2**63, True, OtherInt(7), Decimal(3), Decimal("3.5"), 2.5, "4", None]
NUMBERS = [1, Decimal("1.005"), Decimal("NaN"), Decimal("1E+3"), 1.5, float("nan"), True, "2.50", OtherInt(3), None]
STRINGS = ["a", "", "é'\\\"{},NULL", "NULL", "x" * 300, "a\0b", OtherStr("sub"), 5, b"raw", None, "  pad ", Colour.red]
TIMES = [NOW, AWARE, NOW.date(), time(1, 2), "2024-01-01", datetime.max, None]  # noqa: DTZ901

CASES = {
    "integer": (Integer, None, INTEGERS),
    "smallint": (SmallInteger, None, INTEGERS),
    "bigint on integer": (BigInteger, "integer", INTEGERS),
    "integer on numeric": (Integer, "numeric(10,2)", INTEGERS),
    "integer on text": (Integer, "text", INTEGERS),
    "numeric": (Numeric, None, NUMBERS),
    "numeric(10,2)": (lambda: Numeric(10, 2), None, NUMBERS),
    "numeric on float": (Numeric, "float8", NUMBERS),
    "numeric on text": (Numeric, "text", NUMBERS),
    "float": (Float, None, NUMBERS),
    "double": (Double, None, NUMBERS),
    "float on numeric": (Float, "numeric(6,2)", NUMBERS),
    "real": (REAL, None, NUMBERS),
    "string": (String, None, STRINGS),
    "string(5)": (lambda: String(5), None, STRINGS),
    "char(4)": (lambda: CHAR(4), None, ["a", "ab  ", "abcdef", None]),
    "string on char": (String, "char(4)", ["a", "ab  ", "abcdef", None]),
    "string on uuid": (String, "uuid", [str(uuid.UUID(int=5)), "x", None]),
    "string on integer": (String, "integer", ["4", None]),
    "string on citext": (String, "citext", STRINGS),
    "citext": (postgresql.CITEXT, None, STRINGS),
    "string on domain": (String, "filled", ["ab", ""]),
    "boolean": (Boolean, None, [True, False, 1, 0, 2, "t", None]),
    "timestamp": (DateTime, None, TIMES),
    "timestamptz": (lambda: DateTime(timezone=True), None, TIMES),
    "timestamp on timestamptz": (DateTime, "timestamptz", TIMES),
    "timestamptz on timestamp": (lambda: DateTime(timezone=True), "timestamp", TIMES),
    "timestamp on date": (DateTime, "date", TIMES),
    "date": (Date, None, TIMES),
    "time": (Time, None, [*TIMES, time(1, 2, 3, 4), time(1, tzinfo=ZONE)]),
    "timetz": (lambda: Time(timezone=True), None, [time(1, tzinfo=ZONE), time(1, 2), None]),
    "interval": (Interval, None, [timedelta(days=-1, seconds=1), timedelta(400), 5, None]),
    "bytea": (LargeBinary, None, [b"", b"\\x00\0'", bytearray(b"ab"), memoryview(b"mv"), "s", None]),
    "uuid": (Uuid, None, [uuid.UUID(int=1), str(uuid.UUID(int=2)), None]),
    "uuid as text": (lambda: Uuid(as_uuid=False), None, [str(uuid.UUID(int=2)), None]),
    "uuid on text": (Uuid, "text", [uuid.UUID(int=1), None]),
    "uuid that is not native": (lambda: Uuid(native_uuid=False), None, [uuid.UUID(int=1), None]),
    "json": (JSON, None, [{"a": [1, None]}, [], [1, 2], "s", 1, None, {"b": object()}]),
    "json, null": (lambda: JSON(none_as_null=True), None, [{"a": 1}, None]),
    "jsonb": (postgresql.JSONB, None, [{"a": 1, "b": "é"}, [[1]], None, "x\0"]),
    "json on text": (JSON, "text", [{"a": 1}]),
    "jsonpath": (postgresql.JSONPATH, None, ["$.a", None]),
    "enum": (lambda: Enum(Colour), "colour", [Colour.red, "blue", "nope", None]),
    "enum of strings": (lambda: Enum("sad", "ok", name="mood"), None, ["sad", "nope", None]),
    "enum that is not native": (lambda: Enum(Colour, native_enum=False), None, [Colour.red, "red", None]),
    "enum on text": (lambda: Enum("sad", "ok", name="mood"), "text", ["sad", None]),
    "array of integers": (lambda: ARRAY(Integer), None, [[1, 2], [], [None], [[1, 2], [3, 4]], None]),
    "array of texts": (lambda: ARRAY(Text), None, [["a", "{,}"], [], None]),
    "inet": (postgresql.INET, None, ["10.0.0.1", "10.0.0.0/8", ipaddress.ip_address("::1"), None, "x"]),
    "bit": (lambda: postgresql.BIT(3), None, ["101", "1", None]),
    "money": (postgresql.MONEY, None, ["12.50", "$3", 12, Decimal("2.5"), None]),
    "oid": (postgresql.OID, None, [5, None]),
    "tsvector": (postgresql.TSVECTOR, None, ["a b", "'x':1", None]),
    "hstore": (postgresql.HSTORE, None, [{"a": "1", "b": None}, {}, None]),
    "range": (postgresql.INT4RANGE, None, [postgresql.Range(1, 5), postgresql.Range(empty=True), "[1,3)", None]),
    "multirange": (postgresql.INT4MULTIRANGE, None, [[postgresql.Range(1, 5)], [], None]),
    "domain": (lambda: postgresql.DOMAIN("positive", Integer), "positive", [1, 0, None]),
    "integer on domain": (Integer, "positive", [1, 0, None]),
    "pickle": (PickleType, None, [{"a": 1}, None]),
    "bind_expression": (Lower, "text", ["ABC", None]),
    "bind_expression with a parameter": (Cut, "text", ["ABC", None]),
    "process_bind_param of None": (Bang, "text", ["a", None]),
    "composite": (lambda: Named("pair"), None, [(1, "x"), "(1,x)", None]),
    "xml": (lambda: Named("xml"), None, ["<a/>", "<", None]),
    "no type, on text": (NullType, "text", ["a", 5, None]),
    "no type, on integer": (NullType, "integer", ["5", 5, None]),
    "no type, on timestamp": (NullType, "timestamp", [NOW, AWARE]),
}

TYPES = (
    "CREATE EXTENSION citext",
    "CREATE EXTENSION hstore",
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "CREATE TYPE colour AS ENUM ('red', 'blue')",
    "CREATE TYPE pair AS (a int, b text)",
    "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    "CREATE DOMAIN filled AS text CHECK (VALUE <> '')",
)


@pytest.fixture(scope="module", params=["asyncpg", "psycopg"])
def url(request):
    with database_on(request.param) as found:
        yield found


@pytest_asyncio.fixture
async def database(url):
    found = aldis.Database(url)
    async with found.engine.begin() as connection:
        for statement in TYPES:
            with_out = statement.replace("EXTENSION", "EXTENSION IF NOT EXISTS")
            if "EXTENSION" in statement:
                await connection.execute(text(with_out))
            elif not await connection.scalar(
                text(
                    "SELECT 1 FROM pg_type WHERE typname = :name AND typnamespace = 'public'::regnamespace".replace(
                        "::", "\\:\\:"
                    )
                ),
                {"name": statement.split()[2]},
            ):
                await connection.execute(text(statement))
    yield found
    await found.dispose()


async def stored(database):
    async with database.engine.connect() as connection:
        return list(await connection.scalars(text("SELECT CAST(v AS text) FROM kept ORDER BY id")))


async def outcome(database, Some, values):
    """Return the stored values, in their order, or the error; the table is empty afterwards."""
    try:
        if len(values) == 1:
            async with database.engine.begin() as connection:
                await connection.execute(insert(Some.__table__), {"v": values[0]})
        else:
            await Some.query.bulk_create([Some(v=value) for value in values])
        return await stored(database)
    except (StatementError, TypeError) as error:  # psycopg's own TypeErrors come as they are
        return error
    finally:
        async with database.engine.begin() as connection:
            await connection.execute(text("DELETE FROM kept"))


@pytest.mark.parametrize("case", CASES)
async def test_many_rows_store_what_one_row_stores(database, case) -> None:
    type_, of_table, values = CASES[case]
    engine = database.engine

    class Base(aldis.Model, DeclarativeBase):
        pass

    Base.database = database
    Some = type(
        "Some",
        (Base,),
        {"__tablename__": "kept", "id": Column(Integer, primary_key=True), "v": Column(type_())},
    )
    of_table = of_table or Some.__table__.c.v.type.compile(dialect=engine.dialect)
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE IF EXISTS kept"))
        await connection.exec_driver_sql(f"CREATE TABLE kept (id serial PRIMARY KEY, v {of_table})")
    alone = [await outcome(database, Some, [value]) for value in values]
    good = [(value, one[0]) for value, one in zip(values, alone, strict=True) if isinstance(one, list)]
    for value, one in zip(values, alone, strict=True):
        many = await outcome(database, Some, [value] * 3)
        if isinstance(one, list):
            assert many == one * 3, value
        else:
            assert not isinstance(many, list), (value, many)
            assert type(many) is type(one), (value, one, many)
    for _, group in by_type(good):
        assert await outcome(database, Some, [value for value, _ in group]) == [text for _, text in group]
    both = good + good[::-1]
    assert await outcome(database, Some, [value for value, _ in both]) == [text for _, text in both]
    bad = [(value, one) for value, one in zip(values, alone, strict=True) if not isinstance(one, list)]
    for value, one in bad if good else ():
        rows = [good[0][0]] * 3 + [value] + [good[-1][0]] * 2
        many = await outcome(database, Some, rows)
        assert type(many) is type(one), (value, many)
        assert "aldis: at row 4 of bulk_create" in many.__notes__


def by_type(good):
    kinds: dict = {}
    for value, one in good:
        kinds.setdefault(type(value), []).append((value, one))
    return [(kind, group) for kind, group in kinds.items() if len(group) > 1]


async def test_strings_and_nulls_are_stored_whatever_is_set_of_nulls_in_arrays(database) -> None:
    class Base(aldis.Model, DeclarativeBase):
        pass

    Base.database = database

    class Some(Base):
        __tablename__ = "kept"
        id = Column(Integer, primary_key=True)
        word = Column(String)
        number = Column(Integer)

    words = ["NULL", None, "", "{}", 'a"b', "\\", '\\"', "a,b", " ", "null"]
    async with database.transaction() as connection:
        await connection.execute(text("DROP TABLE IF EXISTS kept"))
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(text("SET LOCAL array_nulls = off"))
        for some in (words, [word for word in words if word is not None]):
            rows = [Some(word=word, number=number) for number, word in enumerate(some)]
            await Some.query.bulk_create(rows)
            found = await connection.execute(text("SELECT word, number FROM kept ORDER BY id"))
            assert [*map(tuple, found)] == [(row.word, row.number) for row in rows]
            for row in rows:
                row.word, row.number = row.word and row.word[::-1], -row.id
            await Some.query.bulk_update(rows)
            found = await connection.execute(text("SELECT word, number FROM kept ORDER BY id"))
            assert [*map(tuple, found)] == [(row.word, row.number) for row in rows]
            await connection.execute(text("DELETE FROM kept"))
