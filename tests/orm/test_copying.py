"""COPY serves where the catalog proves it equal to an INSERT, and nowhere else."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime
from decimal import Decimal

import pytest
import pytest_asyncio
from sqlalchemy import Column, DateTime, Integer, Numeric, String, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase

import aldis
from new_databases import database_on

COUNT = 1200
PLAIN = "CREATE TABLE kept (id serial PRIMARY KEY, n integer, v varchar(50), at timestamp)"


@pytest.fixture(scope="module")
def url():
    with database_on("asyncpg") as found:
        yield found


@pytest_asyncio.fixture
async def database(url):
    found = aldis.Database(url)
    yield found
    await make(found, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    await found.dispose()


async def make(database, *statements) -> None:
    async with database.engine.begin() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


def model_on(database, **columns):
    class Base(aldis.Model, DeclarativeBase):
        pass

    Base.database = database
    of = columns or {"n": Column(Integer), "v": Column(String(50)), "at": Column(DateTime)}
    return type("Kept", (Base,), {"__tablename__": "kept", "id": Column(Integer, primary_key=True), **of})


@pytest.fixture
def way(caplog):
    caplog.set_level(logging.DEBUG, "aldis.writers")

    def tell() -> str:
        found = [record.getMessage() for record in caplog.records if record.name == "aldis.writers"]
        caplog.clear()
        return found[-1].rpartition("by ")[2]

    return tell


def values(number: int) -> dict:
    at = datetime(2026, 1, 1, microsecond=number % 10**6)  # noqa: DTZ001
    return {"n": number, "v": None if number == 7 else f"\t\\N {number}", "at": at}


async def check(database, rows) -> None:
    async with database.engine.connect() as connection:
        stored = {row.n: row for row in await connection.execute(text("SELECT * FROM kept"))}
    assert {row.n: (row.id, row.v, row.at) for row in rows} == {
        number: (row.id, row.v, row.at) for number, row in stored.items()
    }


TABLES = {
    "serial": (PLAIN,),
    "identity": (PLAIN.replace("serial", "int GENERATED ALWAYS AS IDENTITY"),),
    "text, bigint key": (PLAIN.replace("varchar(50)", "text").replace("serial", "bigserial"),),
    "after trigger": (
        PLAIN,
        "CREATE TABLE other (n int)",
        (
            "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO other VALUES (NEW.n); RETURN NULL; END $$"
        ),
        "CREATE TRIGGER act AFTER INSERT ON kept FOR EACH ROW EXECUTE FUNCTION act()",
    ),
}
OTHERS = {
    "another integer": (PLAIN.replace("n integer", "n double precision"),),
    "a domain": ("CREATE DOMAIN whole AS integer", PLAIN.replace("n integer", "n whole")),
    "another time": (PLAIN.replace("at timestamp", "at timestamptz"), "SET TIME ZONE 'UTC'"),
    "char": (PLAIN.replace("varchar(50)", "char(50)"),),
    "another default of the key": (
        "CREATE SEQUENCE numbers START 5000",
        PLAIN,
        "ALTER TABLE kept ALTER id SET DEFAULT nextval('numbers')",
    ),
    "before trigger": (
        PLAIN,
        "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := NEW.id + 9; RETURN NEW; END $$",
        "CREATE TRIGGER act BEFORE INSERT ON kept FOR EACH ROW EXECUTE FUNCTION act()",
    ),
    "rule": (PLAIN, "CREATE RULE act AS ON INSERT TO kept DO ALSO NOTIFY kept"),
    "row security": (PLAIN, "ALTER TABLE kept ENABLE ROW LEVEL SECURITY"),
    "partitions": (
        PLAIN + " PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF kept FOR VALUES FROM (0) TO (1000000)",
    ),
}


@pytest.mark.parametrize("kind", [*TABLES, *OTHERS])
async def test_copy_serves_where_it_is_equal(database, way, kind) -> None:
    await make(database, *(TABLES | OTHERS)[kind])
    Kept = model_on(database)
    for first in (0, COUNT):
        rows = await Kept.query.bulk_create([Kept(**values(number)) for number in range(first, first + COUNT)])
        assert way() == ("COPY" if kind in TABLES else "one INSERT over arrays")
        if kind not in {"char", "another time"}:  # there PostgreSQL gives back other values than were given
            async with database.engine.begin() as connection:
                await connection.execute(text("DELETE FROM kept WHERE n < :first"), {"first": first})
            await check(database, rows)
    await Kept.query.create(**values(10**6))


async def test_copy_after_a_type_was_altered(database, way) -> None:
    await make(database, PLAIN)
    Kept = model_on(database)
    async with database.transaction():
        await Kept.query.bulk_create([Kept(**values(number)) for number in range(COUNT)])
    assert way() == "COPY"
    await make(database, "ALTER TABLE kept ALTER n TYPE double precision", "DELETE FROM kept")
    rows = await Kept.query.bulk_create([Kept(**values(number)) for number in range(COUNT)])
    assert way() == "one INSERT over arrays"
    await check(database, rows)


async def test_copy_of_numbers_that_an_insert_rounds(database, way) -> None:
    await make(database, "CREATE TABLE kept (id serial PRIMARY KEY, v numeric(10, 4))")
    Kept = model_on(database, v=Column(Numeric(10, 2)))
    await Kept.query.bulk_create([Kept(v=Decimal("1.2345")) for _ in range(COUNT)])
    assert way() == "one INSERT over arrays"
    assert {row.v for row in await Kept.query.all()} == {Decimal("1.2300")}


async def test_row_that_copy_refuses_is_named(database, way) -> None:
    await make(database, PLAIN)
    Kept = model_on(database)
    rows = [Kept(**values(number)) for number in range(COUNT)]
    rows[1100].v = "x" * 51
    with pytest.raises(DBAPIError, match="too long") as caught:
        await Kept.query.bulk_create(rows)
    assert "aldis: at row 1,101 of bulk_create" in caught.value.__notes__
    assert await Kept.query.count() == 0
    rows[1100].v = "y"
    await Kept.query.bulk_create(rows)
    await check(database, rows)


async def test_user_without_rights_on_the_sequence_or_the_table_takes_the_insert(database, way) -> None:
    role = f"copier_{uuid.uuid4().hex}"  # roles are the server's, and other runs have theirs
    await make(
        database,
        PLAIN.replace("serial", "int GENERATED ALWAYS AS IDENTITY"),
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT INSERT (n, v, at), SELECT ON kept TO {role}",
    )
    Kept = model_on(database)
    other = aldis.Database(database.engine.url.set(username=role).render_as_string(hide_password=False))
    try:
        for _ in range(2):
            await Kept.query.using(other).bulk_create([Kept(**values(number)) for number in range(COUNT)])
            assert way() == "one INSERT over arrays"
        await make(database, f"GRANT INSERT ON kept TO {role}")
        async with other.transaction() as connection:
            await connection.execute(text("SELECT 1"))
            await Kept.query.using(connection).bulk_create([Kept(**values(number)) for number in range(COUNT)])
        assert way() == "one INSERT over arrays"
    finally:
        await other.dispose()
        await make(database, "DROP TABLE kept", f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_given_keys_are_copied(database, way) -> None:
    await make(database, PLAIN)
    Kept = model_on(database)
    rows = await Kept.query.bulk_create([Kept(id=number + 10, **values(number)) for number in range(COUNT)])
    assert way() == "COPY"
    await check(database, rows)
    event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *_: None)
    await Kept.query.bulk_create([Kept(**values(number + COUNT)) for number in range(9)])
    assert way() == "SQLAlchemy's INSERT of many rows"
