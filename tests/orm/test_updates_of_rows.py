"""bulk_update writes the same as single updates, and every row its own values, by one statement where that is known."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import (
    CHAR,
    JSON,
    DateTime,
    Double,
    FetchedValue,
    LargeBinary,
    Numeric,
    String,
    Text,
    TypeDecorator,
    event,
    func,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Mapped, mapped_column

import aldis
from aldis.orm.databases.asyncpg import AsyncpgDriver
from aldis.orm.databases.psycopg import PsycopgDriver

COUNT = 250
WAYS = {
    "aiosqlite": "executemany",
    "asyncpg": "one UPDATE over arrays",
    "psycopg": "one UPDATE over arrays",
    "asyncmy": "UPDATE with a CASE a column",
}


@pytest.fixture
def ways(models, caplog):
    """Return a function that tells how the batches so far were updated."""
    caplog.set_level(logging.DEBUG, "aldis.writers")

    def tell() -> list[str]:
        found = [record.getMessage() for record in caplog.records if "updated" in record.getMessage()]
        caplog.clear()
        return found

    return tell


def driver_of(models) -> str:
    return models.database.engine.dialect.driver


@pytest.fixture
def Kept(models):
    class Kept(models.Base):
        __tablename__ = "kept"
        id: Mapped[int] = mapped_column(primary_key=True)
        word: Mapped[str | None] = mapped_column("Word %s", String(100), key="word")
        number: Mapped[float | None] = mapped_column(Double)
        amount: Mapped[Decimal | None] = mapped_column(Numeric(20, 3))
        at: Mapped[datetime | None] = mapped_column(DateTime)
        raw: Mapped[bytes | None] = mapped_column(LargeBinary)
        data: Mapped[dict | None] = mapped_column(JSON)
        body: Mapped[str | None] = mapped_column(Text)
        is_on: Mapped[bool | None]

    return Kept


async def filled(models, Kept, count: int = COUNT):
    async with models.database.engine.begin() as connection:
        await connection.run_sync(Kept.__table__.create)
    return await Kept.query.bulk_create([Kept(word=f"w{number}") for number in range(count)])


def change(row, number: int) -> None:
    row.word = f"'%s\\ \" é🙂 {number}"
    row.number = number / 7
    row.amount = Decimal(number).scaleb(-3)
    row.at = datetime(2026, 1, 1) + timedelta(seconds=number * 1003)  # noqa: DTZ001
    row.raw = bytes([number % 256, 0, 255])
    row.data = {"n": [number, None]}
    row.body = None if number % 3 else "x" * number
    row.is_on = bool(number % 2)


async def rows_of(Kept):
    return {row["id"]: row for row in await Kept.query.values(*[each.key for each in Kept.__mapper__.column_attrs])}


@pytest.mark.parametrize("is_watched", [False, True])
async def test_each_row_gets_its_own_values(models, ways, Kept, is_watched) -> None:
    rows = await filled(models, Kept)
    if is_watched:
        event.listen(models.database.engine.sync_engine, "before_cursor_execute", lambda *_: None)
    some = rows[40:] + rows[:10]
    for number, row in enumerate(some):
        change(row, number)
    await Kept.query.bulk_update(some)
    # Two statements: of the rows whose body is None as before, that column is not written.
    expected = "SQLAlchemy's executemany" if is_watched else WAYS[driver_of(models)]
    found = [way for way in ways() if "not updated in one statement" not in way]
    assert len(found) == 2
    assert all(way.endswith(f"updated by {expected}") for way in found)
    stored = await rows_of(Kept)
    for row in rows:
        known = {name: value for name, value in row.__dict__.items() if name in stored[row.id]}
        assert known == {name: stored[row.id][name] for name in known}
    assert all(len(row.__dict__) > 8 for row in some)


async def test_keys_of_words(models, ways) -> None:
    tags = await models.Tag.query.bulk_create([{"space": "a", "word": f"w{number}"} for number in range(30)])
    for number, tag in enumerate(tags):
        tag.used = number
    await models.Tag.query.bulk_update(tags)
    assert {row["word"]: row["used"] for row in await models.stored(models.Tag)} == {
        f"w{number}": number for number in range(30)
    }


async def test_row_that_is_gone_is_an_error(models, Kept) -> None:
    rows = await filled(models, Kept, 20)
    await Kept.query.filter(id=rows[7].id).delete()
    for row in rows:
        row.body = "new"
    with pytest.raises(aldis.ObjectNotFound, match=rf"\({rows[7].id},\) cannot be updated: its row is gone"):
        await Kept.query.bulk_update(rows)
    assert {row["body"] for row in (await rows_of(Kept)).values()} == {None}


class Upper(TypeDecorator):
    impl, cache_ok = String, True

    def process_bind_param(self, value, dialect):
        return value.upper()


KEYS = {
    "CHAR": (CHAR(5), ["ab ", "cd "], ("asyncpg", "psycopg", "asyncmy")),
    "without case": (String(9, collation="utf8mb4_general_ci"), ["AB", "CD"], ("asyncmy",)),
    "without case on SQLite": (String(9, collation="NOCASE"), ["AB", "CD"], ("aiosqlite",)),
    "a type's own": (Upper(9), ["ab", "cd"], tuple(WAYS)),
}
"""Types of keys, with texts that the database takes for the keys "ab" and "cd"."""


def keys_of(kind, models):
    """Return a type of keys, and its texts; skip a database that has it not."""
    of, keys, drivers = KEYS[kind]
    if driver_of(models) not in drivers:
        pytest.skip("another database's")
    return of, keys


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("is_heard", [False, True])
async def test_keys_are_compared_as_the_database_does(models, kind, is_heard) -> None:
    of, keys = keys_of(kind, models)

    class Word(models.Base):
        __tablename__ = "word"
        key: Mapped[str] = mapped_column(of, primary_key=True)
        number: Mapped[int | None] = mapped_column()
        made: Mapped[int | None] = mapped_column(server_default="7", server_onupdate=FetchedValue())

    async with models.database.engine.begin() as connection:
        await connection.run_sync(Word.__table__.create)
    told = []

    async def note(sender, model_instance, changes):
        told.append((dict(changes), model_instance.made))

    if is_heard:
        Word.meta.signals.post_update.connect(note, Word)
    for many in (keys[:1], keys):
        await Word.query.delete()
        await Word.query.bulk_create([Word(key=key, number=number) for number, key in enumerate(("ab", "cd"))])
        assert await Word.query.bulk_update([{"key": key, "number": 5} for key in many]) == len(many)
        assert [row["number"] for row in await models.stored(Word)] == [5, 5 if len(many) == 2 else 1]
    if is_heard:
        assert told == [({"number": aldis.Change(old, 5)}, 7) for old in (0, 0, 1)]


async def test_row_that_is_there_twice_gets_the_last_values(models, Kept) -> None:
    rows = await filled(models, Kept, 5)
    again = [await Kept.query.get(id=rows[0].id) for _ in range(2)]
    for number, row in enumerate(again):
        row.word = f"change {number}"
    await Kept.query.bulk_update(again)
    assert (await rows_of(Kept))[rows[0].id]["word"] == "change 1"


@pytest.mark.parametrize("kind", KEYS)
async def test_two_keys_of_one_row_write_it_twice(models, kind) -> None:
    of, keys = keys_of(kind, models)

    class Word(models.Base):
        __tablename__ = "word"
        key: Mapped[str] = mapped_column(of, primary_key=True)
        number: Mapped[int] = mapped_column()

    async with models.database.engine.begin() as connection:
        await connection.run_sync(Word.__table__.create)
    await Word.query.create(key="ab", number=0)
    assert await Word.query.bulk_update([{"key": key, "number": len(key)} for key in ("ab", keys[0])]) == 2
    assert [row["number"] for row in await models.stored(Word)] == [len(keys[0])]


IGNORING = {
    "sqlite": ["CREATE TRIGGER act BEFORE UPDATE ON kept WHEN OLD.number = 1 BEGIN SELECT RAISE(IGNORE); END"],
    "postgresql": [
        "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER act BEFORE UPDATE ON kept FOR EACH ROW WHEN (OLD.number = 1) EXECUTE FUNCTION act()",
    ],
}
"""A trigger that leaves out the updates of a row."""


async def test_row_that_a_trigger_leaves_out_is_an_error_at_any_number_of_rows(models, Kept) -> None:
    statements = IGNORING.get(models.database.engine.dialect.name)
    if statements is None:
        pytest.skip("its triggers leave out no row")
    rows = await filled(models, Kept, 3)
    for number, row in enumerate(rows):
        await row.update(number=number)
    async with models.database.engine.begin() as connection:
        for each in statements:
            await connection.exec_driver_sql(each)
    try:
        for some in ([rows[1]], rows):
            for row in some:
                row.body = "new"
            with pytest.raises(aldis.ObjectNotFound, match=rf"\({rows[1].id},\) cannot be updated") as caught:
                await Kept.query.bulk_update(some)
            assert f"aldis: at row {some.index(rows[1]) + 1} of bulk_update" in caught.value.__notes__
            assert {row["body"] for row in (await rows_of(Kept)).values()} == {None}
    finally:
        if models.database.engine.dialect.name == "postgresql":
            async with models.database.engine.begin() as connection:
                await connection.exec_driver_sql("DROP FUNCTION act CASCADE")


async def test_unique_values_move_up(models) -> None:
    users = await models.User.query.bulk_create([{"name": f"u{number:02}"} for number in range(30)])
    for number, user in enumerate(reversed(users), 1):
        user.name = f"u{30 - number + 1:02}"
    # From the last to the first, each takes a name that the one before has left.
    await models.User.query.bulk_update(users[::-1])
    assert [row["name"] for row in await models.stored()] == [f"u{number:02}" for number in range(1, 31)]


async def test_error_names_its_row_and_nothing_is_written(models, Kept) -> None:
    if driver_of(models) == "aiosqlite":
        pytest.skip("SQLite takes a text of any length")
    rows = await filled(models, Kept, 130)
    for number, row in enumerate(rows):
        row.word = f"new {number}" if number != 111 else "x" * 101
    with pytest.raises(DBAPIError) as caught:
        await Kept.query.bulk_update(rows)
    assert "aldis: at row 112 of bulk_update" in caught.value.__notes__
    assert "new 3" not in str(caught.value)
    assert {row["word"][0] for row in (await rows_of(Kept)).values()} == {"w"}


@pytest.mark.parametrize("error", [KeyError, AttributeError, ZeroDivisionError, UnicodeError, RuntimeError])
async def test_any_error_of_a_type_is_sqlalchemys_and_names_its_row(models, error) -> None:
    class Checked(TypeDecorator):
        impl = String(10)
        cache_ok = True

        def process_bind_param(self, value, dialect):
            if value == "bad":
                raise error("as told")
            return value

    class Coded(models.Base):
        __tablename__ = "coded"
        id: Mapped[int] = mapped_column(primary_key=True)
        code: Mapped[str] = mapped_column(Checked)

    async with models.database.engine.begin() as connection:
        await connection.run_sync(Coded.__table__.create)
    rows = await Coded.query.bulk_create([Coded(code=word) for word in "abc"])
    rows[0].code, rows[1].code, rows[2].code = "z", "bad", "y"
    new = [Coded(code=word) for word in ("z", "bad", "y")]
    for call, given in ((Coded.query.bulk_update, rows), (Coded.query.bulk_create, new)):
        with pytest.raises(StatementError) as raised:
            await call(given)
        assert type(raised.value) is StatementError
        assert type(raised.value.orig) is error
        assert f"aldis: at row 2 of {call.__name__}" in raised.value.__notes__
    assert [row.code for row in await Coded.query.order_by(Coded.id)] == ["a", "b", "c"]


async def test_long_texts_are_stored_whole_or_refused(models, Kept) -> None:
    rows = await filled(models, Kept, 30)
    for row in rows:
        row.body = "y" * 70_000
    try:
        await Kept.query.bulk_update(rows)
    except DBAPIError:
        assert driver_of(models) == "asyncmy"  # a TEXT of MariaDB's takes 65,535 bytes
    lengths = {len(row["body"] or "") for row in (await rows_of(Kept)).values()}
    assert lengths == ({0} if driver_of(models) == "asyncmy" else {70_000})


async def test_values_of_several_types_are_written_as_alone(models, Kept) -> None:
    if driver_of(models) != "asyncmy":
        pytest.skip("elsewhere there is no one type of a CASE")
    rows = await filled(models, Kept, 3)
    for row, value in zip(rows, [1.1, Decimal("1.10"), True], strict=True):
        row.word = value
    await Kept.query.bulk_update(rows)
    assert [row["word"] for row in (await rows_of(Kept)).values()] == ["1.1", "1.10", "1"]


OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state_change >= :begun"
)


async def test_update_of_many_rows_goes_by_the_index(models, Kept) -> None:
    if driver_of(models) not in {"asyncpg", "psycopg"}:
        pytest.skip("of PostgreSQL's planner")
    rows = await filled(models, Kept, 100)
    async with models.database.engine.begin() as connection:
        await connection.execute(text("INSERT INTO kept (\"Word %s\") SELECT 'x' FROM generate_series(1, 60000)"))
    async with models.database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE kept"))

    async with models.database.engine.connect() as connection:
        begun = await connection.scalar(text("SELECT statement_timestamp()"))

    async def scans() -> int:
        """Count the scans when the sessions that have worked here are over: at its end, each adds its own."""
        await models.database.engine.dispose()
        async with models.database.engine.connect() as connection, asyncio.timeout(60):
            while await connection.scalar(text(OTHERS), {"begun": begun}):
                await connection.rollback()
                await asyncio.sleep(0.01)
            await connection.execute(text("SELECT pg_stat_clear_snapshot(), pg_stat_force_next_flush()"))
            await connection.commit()
            return await connection.scalar(text("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'kept'"))

    before = await scans()
    for lap in range(7):  # beyond those for which PostgreSQL plans anew
        for row in rows:
            row.body = f"lap {lap}"
        await Kept.query.bulk_update(rows)
    assert await scans() == before
    async with models.database.engine.connect() as connection:
        assert await connection.scalar(select(func.count()).where(Kept.__table__.c.body == "lap 6")) == 100


@pytest.mark.parametrize("count", [20, 10_000])
async def test_plan_of_an_update_among_a_million_rows_is_by_the_index(models, Kept, monkeypatch, count) -> None:
    if driver_of(models) not in {"asyncpg", "psycopg"}:
        pytest.skip("of PostgreSQL's planner")
    await filled(models, Kept, 2)
    async with models.database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("INSERT INTO kept (body) SELECT 'x' FROM generate_series(1, 999998)"))
        await connection.execute(text("ANALYZE kept"))
    kind = AsyncpgDriver if driver_of(models) == "asyncpg" else PsycopgDriver
    run, plans = kind.run_arrays, []

    async def run_explained(self, transaction, sql, arrays, returns):
        plans.append("\n".join([row[0] for row in (await run(self, transaction, f"EXPLAIN {sql}", arrays, True))[0]]))
        return await run(self, transaction, sql, arrays, returns)

    monkeypatch.setattr(kind, "run_arrays", run_explained)
    rows = [{"id": number, "at": datetime.min} for number in range(1, 1_000_001, 1_000_000 // count)]  # noqa: DTZ901
    assert await Kept.query.bulk_update(rows, batch_size=count) == count
    (plan,) = plans
    assert "Index Cond: (id = aldis_rows." in plan, plan
