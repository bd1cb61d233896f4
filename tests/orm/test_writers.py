"""Which writer serves, and that every instance has the key of its own row, whatever stands in the way."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import uuid
import weakref
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import JSON, Computed, DateTime, Double, Enum, Identity, Numeric, String, Uuid, event, inspect
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column

import aldis
from aldis.orm.mapping.table import mapping_of
from aldis.orm.saving.prepared import MOST, writer

ROWS = 60
"""Enough for the writers that are for many rows only."""


COPYING = {"asyncpg", "psycopg"}
"""The drivers that have COPY."""

MANY = {*COPYING, "asyncmy"}
"""The drivers whose writers take rows whatever their key is."""


def driver_of(models) -> str:
    return models.database.engine.dialect.driver


@pytest.fixture
def served(models, caplog):
    """Return a function that tells how the batches so far were written: ``"fast"``, or why not."""
    caplog.set_level(logging.DEBUG, "aldis.writers")

    def tell() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.name == "aldis.writers"]
        caplog.clear()
        by_us = [
            message.partition(": ")[2].startswith("written by ") and "SQLAlchemy" not in message for message in found
        ]
        return ["fast" if ours else message for ours, message in zip(by_us, found, strict=True)]

    return tell


async def create(models, *classes) -> None:
    async with models.database.engine.begin() as connection:
        for each in classes:
            await connection.run_sync(each.__table__.create)


async def sql(models, statement: str) -> None:
    async with models.database.engine.begin() as connection:
        await connection.exec_driver_sql(statement)


async def agree(model, instances) -> None:
    """Read each instance's row back by its key, and compare them field by field."""
    columns = list(inspect(model).column_attrs.keys())
    rows = {inspect(row).identity: row for row in await model.query.all()}
    assert len({inspect(instance).identity for instance in instances}) == len(instances)
    for instance in instances:
        row = rows[inspect(instance).identity]
        assert {name: instance.__dict__[name] for name in columns if name in instance.__dict__} == {
            name: row.__dict__[name] for name in columns if name in instance.__dict__
        }
        assert (inspect(instance).detached, inspect(instance).modified) == (True, False)


def some_column(name: str, chance: random.Random):
    """Return a column of some type, and a function that makes values for it."""
    kinds = {
        str: (String(40), lambda: "".join(chance.choices("aé\t\\N\n'\"", k=5))),
        int: (None, lambda: chance.randrange(-(2**31), 2**31)),
        float: (None, lambda: chance.random()),
        bool: (None, lambda: chance.random() < 0.5),
        Decimal: (Numeric(20, 6), lambda: Decimal(chance.randrange(-(10**12), 10**12)) / 1000),
        datetime: (DateTime(), lambda: datetime(2026, 1, 1) + timedelta(seconds=chance.randrange(10**8))),  # noqa: DTZ001
        uuid.UUID: (Uuid(), lambda: uuid.UUID(int=chance.getrandbits(128), version=4)),
        dict: (JSON(), lambda: {"a": [chance.randrange(9), None, "ü"]}),
        "enum": (Enum("red", "blue", name=f"colour_{name}"), lambda: chance.choice(["red", "blue"])),
    }
    kind = chance.choice(list(kinds))
    type_, value = kinds[kind]
    if chance.random() < 0.3:
        return str if kind == "enum" else kind, type_, lambda: None if chance.random() < 0.5 else value()
    return str if kind == "enum" else kind, type_, value


@pytest.mark.parametrize("seed", range(8))
async def test_rows_of_every_kind_agree_with_their_instances(models, served, seed) -> None:
    chance = random.Random(seed)
    namespace: dict = {"__tablename__": "some", "__annotations__": {}}
    key = chance.choice(["auto", "auto", "identity", "always", "client", "composite"])
    if key == "composite":
        for name in ("one", "two"):
            namespace["__annotations__"][name] = Mapped[int]
            namespace[name] = mapped_column(primary_key=True, autoincrement=False)
    else:
        options = {"identity": [Identity(start=5)], "always": [Identity(always=True)]}.get(key, [])
        namespace["__annotations__"]["id"] = Mapped[uuid.UUID if key == "client" else int]
        namespace["id"] = mapped_column(
            *options, primary_key=True, **({"default": uuid.uuid4} if key == "client" else {})
        )
    makers = {}
    for number in range(chance.randrange(1, 7)):
        name = f"column_{number}"
        kind, type_, makers[name] = some_column(name, chance)
        namespace["__annotations__"][name] = Mapped[kind | None]
        namespace[name] = mapped_column(
            f"Column {number}" if seed == 0 else f"other_{number}", *([] if type_ is None else [type_])
        )
    if chance.random() < 0.3:
        namespace["__annotations__"]["made"] = Mapped[int]
        namespace["made"] = mapped_column(server_default="7")
    if chance.random() < 0.5:
        namespace["__annotations__"]["called"] = Mapped[int]
        namespace["called"] = mapped_column(default=lambda: chance.randrange(1000))
    Some = type("Some", (models.Base,), namespace)
    await create(models, Some)
    numbers = iter(range(10**6))

    def new():
        values = {name: make() for name, make in makers.items() if chance.random() < 0.9 or chance.random() < 0.5}
        if key == "composite":
            values |= {"one": next(numbers), "two": chance.randrange(100)}
        return Some(**values) if chance.random() < 0.5 else values

    before = await Some.query.bulk_create([new() for _ in range(10)])
    for gone in chance.sample(before, 3):
        await gone.delete()
        before.remove(gone)

    def full():
        values = {name: make() for name, make in makers.items()}
        if key == "composite":
            values |= {"one": next(numbers), "two": chance.randrange(100)}
        return values

    mixed = await Some.query.bulk_create([new() for _ in range(ROWS)], batch_size=chance.choice([7, 25, 1000]))
    served()
    uniform = await Some.query.bulk_create([full() for _ in range(ROWS)], batch_size=chance.choice([30, 1000]))
    numbered_by_sqlite = driver_of(models) == "aiosqlite" and key in {"auto", "identity", "always"}
    # psycopg binds an enum's names without a type: such rows go one by one.
    has_typeless = driver_of(models) == "psycopg" and any(isinstance(each.type, Enum) for each in Some.__table__.c)
    if seed and not hasattr(Some, "made") and (driver_of(models) in MANY or numbered_by_sqlite) and not has_typeless:
        assert set(served()) == {"fast"}
    async with models.database.transaction():
        await Some.query.create(**full())
        inside = await Some.query.bulk_create([full() for _ in range(ROWS)])
    await agree(Some, [*before, *mixed, *uniform, *inside])


def test_datetimes_are_written_as_sqlalchemy_writes_them() -> None:
    class Later(datetime): ...

    dialect = sqlite.dialect()
    zone = timezone(timedelta(hours=2))
    values = [
        datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001
        datetime(2026, 1, 2),  # noqa: DTZ001
        datetime(1, 1, 1),  # noqa: DTZ001
        datetime.max,  # noqa: DTZ901
        datetime(2026, 1, 2, 3, tzinfo=zone),
        Later(2026, 1, 2, 3, 4, 5),
        None,
    ]
    of_its_own = sqlite.DATETIME(storage_format="%(year)04d", regexp=r"(\d+)")
    for type_ in (DateTime(), DateTime(timezone=True), of_its_own):
        theirs = type_.dialect_impl(dialect).bind_processor(dialect)
        ours = writer(dialect, type_)
        assert [ours(value) for value in values] == [theirs(value) for value in values]
    with pytest.raises(TypeError, match="only accepts Python datetime"):
        writer(dialect, DateTime())("2026-01-02")


async def test_plain_rows_take_the_fast_writer_where_there_is_one(models, served) -> None:
    users = await models.User.query.bulk_create([{"name": f"u{number}"} for number in range(ROWS)])
    fast = driver_of(models) in {"aiosqlite", *MANY}
    assert (served() == ["fast"]) == fast
    await agree(models.User, users)
    await models.Tag.query.bulk_create([{"space": "a", "word": f"{number}"} for number in range(ROWS)])
    assert (served() == ["fast"]) == fast
    await models.Log.query.bulk_create([{"text": "x"}] * ROWS)
    assert (served() == ["fast"]) == (driver_of(models) in MANY)  # SQLite tells no more than the key


async def test_watched_connection_shows_all_of_its_statements(models, served) -> None:
    seen = []

    def watch(connection, cursor, statement, parameters, context, executemany):
        seen.append(statement)

    engine = models.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", watch)
    async with models.database.transaction():
        user = await models.User.query.create(name="ada")
        await user.update(name="Ada")
        await user.delete()
        await models.User.query.bulk_create([{"name": f"u{number}"} for number in range(ROWS)])
    event.remove(engine, "before_cursor_execute", watch)
    assert served() != ["fast"]
    kinds = [statement.split()[0] for statement in seen if "SAVEPOINT" not in statement and "BEGIN" not in statement]
    assert kinds[:3] == ["INSERT", "UPDATE", "DELETE"]
    assert set(kinds[3:]) == {"INSERT"}


@pytest.mark.parametrize("name", ["before_execute", "before_cursor_execute", "after_cursor_execute"])
async def test_listener_of_a_connection_sees_saves_from_then_on(models, name) -> None:
    seen: list[str] = []

    def watch(_connection, *args) -> None:
        seen.extend(str(each) for each in args if str(each).startswith("INSERT"))

    async with models.database.transaction() as connection:
        await models.User(name="before").save()
        event.listen(connection.sync_connection, name, watch)
        await models.User(name="seen").save()
        await models.User(name="seen too").save()
        event.remove(connection.sync_connection, name, watch)
        await models.User(name="after").save()
    assert len(seen) == 2
    assert {row["name"] for row in await models.stored()} == {"before", "seen", "seen too", "after"}


async def test_trigger_that_changes_keys(models) -> None:
    if driver_of(models) not in COPYING:
        pytest.skip("elsewhere a trigger cannot change the key of the row that it is called for")
    await sql(
        models,
        "CREATE FUNCTION shift() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id := NEW.id + 1000; RETURN NEW; END'",
    )
    await sql(models, 'CREATE TRIGGER shift BEFORE INSERT ON "user" FOR EACH ROW EXECUTE FUNCTION shift()')
    users = await models.User.query.bulk_create([{"name": f"u{number}"} for number in range(ROWS)])
    assert all(user.id > 1000 for user in users)
    await agree(models.User, users)


async def test_values_of_many_rows_stand_in_mariadb_as_they_were(models, served) -> None:
    if driver_of(models) != "asyncmy":
        pytest.skip("elsewhere values are parameters")

    class Value(models.Base):
        __tablename__ = "values, of (%s)"
        id: Mapped[int] = mapped_column(primary_key=True)
        word: Mapped[str | None] = mapped_column("a 'word' with %s, and % alone", String(60), key="word")
        when: Mapped[datetime] = mapped_column(DATETIME(fsp=6))
        number: Mapped[float] = mapped_column(Double)
        raw: Mapped[bytes]

    await create(models, Value)
    words = ["%s", "%%", "'); DROP TABLE user; --", "\\", "\\'", '"', "\0\n\r\x1a", "ü 🙂", "", None, "NULL", "x" * 60]
    chance = random.Random(1)
    rows = [
        Value(
            word=words[number % len(words)],
            when=datetime(2026, 1, 1) + timedelta(microseconds=chance.randrange(10**15)),  # noqa: DTZ001
            number=chance.choice([0.1, 1e300, -2.5e-7, 3.0]),
            raw=chance.randbytes(20),
        )
        for number in range(ROWS)
    ]
    await Value.query.bulk_create(rows)
    assert served() == ["fast"]
    await agree(Value, rows)
    more = [Value(word=row.word, when=row.when, number=row.number, raw=row.raw) for row in rows]
    async with models.database.transaction() as connection:
        await connection.exec_driver_sql("SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')")
        await Value.query.bulk_create(more)
        assert served() == ["fast"]
    await agree(Value, more)
    await models.database.engine.dispose()  # the connection goes on like this


async def test_long_rows_go_in_statements_of_bounded_length(models, monkeypatch) -> None:
    if driver_of(models) != "asyncmy":
        pytest.skip("elsewhere there is no such statement")
    monkeypatch.setattr("aldis.orm.databases.asyncmy.LONGEST", 1000)
    users = await models.User.query.bulk_create([{"name": f"{number:x<60}"} for number in range(300)])
    assert [user.id for user in users] == sorted({user.id for user in users})
    await agree(models.User, users)


async def test_trigger_that_inserts_into_the_same_table(models, served) -> None:
    if driver_of(models) != "aiosqlite":
        pytest.skip("of SQLite's own way to number rows")
    await sql(
        models,
        "CREATE TRIGGER echo AFTER INSERT ON user WHEN new.name NOT LIKE 'echo%' BEGIN "
        "INSERT INTO user (name, email_address, is_verified, created) "
        "VALUES ('echo ' || new.name, '', 0, new.created); END",
    )
    users = await models.User.query.bulk_create([{"name": f"u{number}"} for number in range(ROWS)])
    assert served() != ["fast"]
    assert await models.User.query.count() == 2 * ROWS
    await agree(models.User, users)


async def test_constraint_that_passes_over_conflicts(models) -> None:
    if driver_of(models) != "aiosqlite":
        pytest.skip("of SQLite's ON CONFLICT clause")

    class Word(models.Base):
        __tablename__ = "word"
        id: Mapped[int] = mapped_column(primary_key=True)
        word: Mapped[str] = mapped_column(unique=True, sqlite_on_conflict_unique="REPLACE")

    await create(models, Word)
    await Word.query.create(word="b")
    words = await Word.query.bulk_create([{"word": word} for word in "abc"])
    await agree(Word, words)
    assert await Word.query.count() == 3


async def test_keys_that_sqlite_would_choose_at_random(models, served) -> None:
    if driver_of(models) != "aiosqlite":
        pytest.skip("of SQLite's own way to number rows")
    await models.User.query.create(id=2**63 - 3, name="last")
    users = await models.User.query.bulk_create([{"name": f"u{number}"} for number in range(5)])
    assert served() != ["fast"]
    await agree(models.User, users)


@pytest.mark.parametrize("obstacle", ["security", "partition", "view"])
async def test_rows_reach_what_is_no_plain_table(models, obstacle) -> None:
    if driver_of(models) not in COPYING:
        pytest.skip("of PostgreSQL's own kinds of relations")

    class Item(models.Base):
        __tablename__ = "item"
        id: Mapped[int] = mapped_column(primary_key=True)
        word: Mapped[str]

    if obstacle == "partition":
        await sql(models, "CREATE TABLE item (id serial, word varchar(100), PRIMARY KEY (id)) PARTITION BY RANGE (id)")
        await sql(models, "CREATE TABLE item_low PARTITION OF item FOR VALUES FROM (0) TO (1000000)")
    elif obstacle == "view":
        await sql(models, "CREATE TABLE item_table (id serial PRIMARY KEY, word varchar(100))")
        await sql(models, "CREATE VIEW item AS SELECT id, word FROM item_table")
    else:
        await create(models, Item)
    if obstacle == "security":
        await sql(models, "ALTER TABLE item ENABLE ROW LEVEL SECURITY")
    try:
        items = await Item.query.bulk_create([{"word": f"{number}"} for number in range(ROWS)])
        await agree(Item, items)
    finally:
        if obstacle == "view":
            await sql(models, "DROP VIEW item")
            await sql(models, "DROP TABLE item_table")


async def test_writers_at_the_same_time_do_not_mix_up_their_keys(models) -> None:
    if driver_of(models) == "aiosqlite":
        pytest.skip("SQLite has one writer at a time")

    async def write(who: int):
        created = []
        for lap in range(4):
            created += await models.User.query.bulk_create(
                [{"name": f"{who} {lap} {number}"} for number in range(ROWS)], batch_size=25
            )
        return created

    created = await asyncio.gather(*map(write, range(4)))
    await agree(models.User, [user for each in created for user in each])


async def test_computed_columns_come_back(models) -> None:
    class Sum(models.Base):
        __tablename__ = "sum"
        id: Mapped[int] = mapped_column(primary_key=True)
        one: Mapped[int]
        double: Mapped[int] = mapped_column(Computed("one * 2", persisted=True))

    await create(models, Sum)
    sums = await Sum.query.bulk_create([{"one": number} for number in range(ROWS)])
    assert [each.double for each in sums] == [2 * number for number in range(ROWS)]
    await agree(Sum, sums)


async def test_rows_from_an_async_iterable_are_read_batch_by_batch(models) -> None:
    read, written = [], []

    async def rows():
        for number in range(10):
            read.append(number)
            yield {"name": f"u{number}"}
            await asyncio.sleep(0)

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def note(sender, model_instance):
        written.append((model_instance.name, len(read)))

    users = await models.User.query.bulk_create(rows(), batch_size=4)
    assert [user.name for user in users] == [f"u{number}" for number in range(10)]
    assert [count for _, count in written] == [4] * 4 + [8] * 4 + [10] * 2


async def test_failure_in_a_later_batch_undoes_the_earlier_ones(models) -> None:
    rows = [models.User(name=f"u{number}") for number in range(ROWS)]
    before = [dict(inspect(row).dict) for row in rows]

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def fail(sender, model_instance):
        if model_instance.name == "u55":
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await models.User.query.bulk_create(rows, batch_size=25)
    assert await models.stored() == []
    assert [dict(inspect(row).dict) for row in rows] == before
    assert all(inspect(row).transient and inspect(row).modified for row in rows)
    history = inspect(rows[3]).attrs.name.history
    assert (list(history.added), list(history.deleted)) == (["u3"], [])
    models.Base.meta.signals.post_save.disconnect(fail)
    await models.User.query.bulk_create(rows)
    await agree(models.User, rows)


async def test_bad_row_is_named(models) -> None:
    with pytest.raises(TypeError, match="row 42 is 5: bulk_create takes instances of User"):
        await models.User.query.bulk_create([*({"name": f"u{number}"} for number in range(41)), 5], batch_size=20)
    assert await models.stored() == []
    stored = await models.User.query.create(name="ada")
    with pytest.raises(aldis.AlreadyStoredError, match="row 2, .* is stored already"):
        await models.User.query.bulk_create([{"name": "x"}, stored])


async def test_many_bulks_in_a_transaction_are_put_back_and_keep_nobody_alive(models) -> None:
    kept = [[models.User(name=f"{lap} {number}") for number in range(500)] for lap in range(4)]
    dropped = []
    with pytest.raises(ValueError, match="no"):
        async with models.database.transaction():
            for lap, users in enumerate(kept):
                await models.User.query.bulk_create(users)
                await users[0].update(name=f"{lap} changed")
                others = await models.User.query.bulk_create(
                    [{"name": f"{lap} other {number}"} for number in range(500)]
                )
                dropped.append(weakref.ref(others[-1]))
                del others
            gc.collect()
            assert [reference() for reference in dropped] == [None] * 4
            raise ValueError("no")
    for lap, users in enumerate(kept):
        for number, user in enumerate(users):
            state = inspect(user)
            assert (state.transient, state.modified, user.name, "id" in state.dict) == (
                True,
                True,
                f"{lap} {number}",
                False,
            )
    assert await models.stored() == []


async def test_what_is_kept_for_rows_of_any_columns_is_bounded(models) -> None:
    columns = [f"c{number}" for number in range(9)]
    Wide = type(
        "Wide",
        (models.Base,),
        {
            "__tablename__": "wide",
            "__annotations__": {"id": Mapped[int], **dict.fromkeys(columns, Mapped[int | None])},
            "id": mapped_column(primary_key=True),
        },
    )
    await create(models, Wide)
    async with models.database.transaction():
        for number in range(1, MOST + 51):  # each bit is a column
            names = [name for place, name in enumerate(columns) if number >> place & 1]
            await Wide.query.bulk_create([dict.fromkeys(names, number)] * 2)
    statements = mapping_of(Wide).prepared
    assert [len(known) for known in statements.values()] == [MOST]
    assert await Wide.query.count() == 2 * (MOST + 50)


async def test_value_that_cannot_be_sent_leaves_the_connection_in_step(models) -> None:
    async with models.database.transaction():
        for write in (
            lambda: models.User(name="\ud800").save(),
            lambda: models.User.query.bulk_create([{"name": "a"}, {"name": "\ud800"}, {"name": "c"}]),
        ):
            with pytest.raises((UnicodeError, DBAPIError)):
                await write()
            user = await models.User.query.create(name=f"after {write.__code__.co_firstlineno}")
            assert (await models.User.query.get(id=user.id)).name == user.name
        await models.User.query.bulk_create([{"name": f"u{number}"} for number in range(ROWS)])
        assert await models.User.query.count() == ROWS + 2
