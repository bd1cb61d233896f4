"""``session.execute(insert(User), rows)`` and ``update(User), rows`` do the same as the bulk methods."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import pytest_asyncio
from sqlalchemy import String, bindparam, event, insert, inspect, text, update
from sqlalchemy.exc import CompileError, IntegrityError, InvalidRequestError
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, composite, mapped_column, synonym, validates
from users import models_on

import aldis
from aldis import Change
from aldis.context import CURRENT_MODEL_INSTANCE, EXPLICIT_SPECIFIED_VALUES

pytestmark = pytest.mark.asyncio

ROWS = [{"name": "a"}, {"name": "b", "note": "n"}, {"name": "c"}]


@pytest_asyncio.fixture
async def pets():
    """Return a mapped class on SQLite."""
    async with models_on("sqlite+aiosqlite://") as models:

        class Pet(models.Base):
            __tablename__ = "pet"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(String(20), unique=True)
            note: Mapped[str | None] = mapped_column(String(20))
            kind: Mapped[str | None] = mapped_column(String(20), default="cat")

            alias = synonym("note")

            @hybrid_property
            def loud(self) -> str:
                return self.note.upper()

            @loud.inplace.setter
            def _set_loud(self, value: str) -> None:
                self.note = value.lower()

            @validates("name")
            def upper(self, _key: str, value: str) -> str:
                return value.upper()

        async with models.Base.database.engine.begin() as connection:
            # The table has a default that the class does not know.
            await connection.execute(
                text(
                    "CREATE TABLE pet (id INTEGER PRIMARY KEY, name VARCHAR(20) UNIQUE, "
                    "note VARCHAR(20) DEFAULT 'none', kind VARCHAR(20))"
                )
            )
        yield Pet


async def stored(pets) -> list[tuple[str, str | None, str | None]]:
    async with pets.database.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text("SELECT name, note, kind FROM pet ORDER BY id"))]


async def execute(pets, *statement) -> None:
    async with pets.database.session() as session, session.begin():
        await session.execute(*statement)


async def test_batched_receivers_get_the_rows_of_an_insert_and_of_an_update_at_once(pets) -> None:
    sizes = []
    for name in ("pre_save", "post_save", "pre_update", "post_update"):

        @pets.meta.signals[name].connect_via(pets, batched=True)
        async def receiver(sender, batch):
            sizes.append(len(batch))

    await execute(pets, insert(pets), ROWS)
    await execute(pets, update(pets), [{"id": 1, "note": "x"}, {"id": 2, "note": "y"}])
    assert sizes == [3, 3, 2, 2]


async def test_receivers_see_the_instance_of_each_row_and_what_the_caller_named(pets) -> None:
    seen = []

    @pets.meta.signals.post_save.connect_via(pets)
    @pets.meta.signals.post_update.connect_via(pets)
    async def receiver(sender, model_instance, column_values):
        assert CURRENT_MODEL_INSTANCE.get() is model_instance
        seen.append((inspect(model_instance).identity, model_instance.note, EXPLICIT_SPECIFIED_VALUES.get()))

    await execute(pets, insert(pets), ROWS[:2])
    await execute(pets, update(pets), [{"id": 1, "note": "x"}])
    assert seen == [((1,), None, {"name"}), ((2,), "n", {"name", "note"}), ((1,), "x", {"id", "note"})]


@pytest.mark.parametrize("is_heard", [False, True])
async def test_insert_stores_what_a_plain_statement_stores(pets, is_heard) -> None:
    called = []
    event.listen(pets, "before_insert", lambda *_: called.append("before_insert"))
    if is_heard:

        @pets.meta.signals.pre_save.connect_via(pets)
        async def receiver(sender, model_instance):
            assert model_instance.note in {None, "n"}

    await execute(pets, insert(pets), [*ROWS, {"name": "d", "kind": None, "note": None}])
    await execute(pets, insert(pets).values(name="e", kind=None))
    assert called == []
    assert await stored(pets) == [
        ("a", "none", "cat"),
        ("b", "n", "cat"),
        ("c", "none", "cat"),
        ("d", "none", "cat"),
        ("e", "none", None),
    ]


async def test_error_names_its_row_and_undoes_the_statement_alone(pets) -> None:
    @pets.meta.signals.post_save.connect_via(pets)
    async def receiver(sender, model_instance):
        if model_instance.name == "bad":
            raise ValueError("bad")

    async with pets.database.session() as session, session.begin():
        await session.execute(insert(pets), [{"name": "a"}])
        with pytest.raises(ValueError, match="bad") as of_receiver:
            await session.execute(insert(pets), [{"name": "x"}, {"name": "bad"}])
        with pytest.raises(IntegrityError) as of_database:
            await session.execute(insert(pets), [{"name": "x"}, {"name": "y"}, {"name": "a"}])
    assert "aldis: at row 2 of bulk_create" in of_receiver.value.__notes__
    assert "aldis: at row 3 of bulk_create" in of_database.value.__notes__
    assert [name for name, _, _ in await stored(pets)] == ["a"]


async def test_receivers_change_what_an_update_by_key_writes(pets) -> None:
    @pets.meta.signals.pre_update.connect_via(pets)
    async def receiver(sender, model_instance, column_values):
        model_instance.kind = "dog"
        column_values["note"] += "!"

    await execute(pets, insert(pets), ROWS[:2])
    async with pets.database.session() as session, session.begin():
        await session.execute(update(pets), [{"id": 1, "note": "x"}])
    assert await stored(pets) == [("a", "x!", "dog"), ("b", "n", "cat")]


async def test_receivers_are_told_what_changed(pets) -> None:
    seen = []

    @pets.meta.signals.pre_update.connect_via(pets)
    @pets.meta.signals.post_update.connect_via(pets)
    @pets.meta.signals.post_save.connect_via(pets)
    async def receiver(sender, changes):
        seen.append(dict(changes))

    await execute(pets, insert(pets), [{"name": "b", "note": "n"}])
    await execute(pets, update(pets), [{"id": 1, "note": "x", "name": "b"}])
    inserted = {
        "id": Change(None, 1),
        "name": Change(None, "b"),
        "note": Change(None, "n"),
        "kind": Change(None, "cat"),
    }
    assert seen == [inserted, {"note": Change("n", "x")}, {"note": Change("n", "x")}]


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize(
    ("key", "message"),
    [("k", "bulk synchronize of persistent objects not supported"), (None, "No primary key value supplied")],
)
async def test_rows_without_keys_are_sqlalchemys_error(pets, rows, key, message) -> None:
    told = []

    def receiver(sender) -> None:
        told.append(sender)

    pets.meta.signals.post_update.connect(receiver, pets, rows=rows)
    await execute(pets, insert(pets), ROWS[:2])
    statement, parameters = update(pets), [{"note": "x"}, {"id": 2, "note": "x"}]
    if key is not None:
        statement = statement.where(pets.id == bindparam("k")).values(note=bindparam("v"))
        parameters = [{"k": 1, "v": "x"}, {"k": 2, "v": "x"}]
    async with pets.database.session() as session:
        with pytest.raises(InvalidRequestError, match=message):
            await session.execute(statement, parameters)
        assert told == []
        await session.execute(update(pets), [{"id": 1, "note": "y"}])
        await session.commit()
    assert told == [pets]
    assert [note for _, note, _ in await stored(pets)] == ["y", "n"]


async def test_rows_past_the_orm_are_refused_while_receivers_hear_updates(pets) -> None:
    @pets.meta.signals.pre_update.connect_via(pets)
    def receiver(sender) -> None: ...

    await execute(pets, insert(pets), ROWS[:2])
    statement = update(pets).where(pets.name == bindparam("k")).values(note=bindparam("v"))
    statement = statement.execution_options(dml_strategy="core_only")
    with pytest.raises(aldis.RefusedError, match="given without their primary keys"):
        await execute(pets, statement, [{"k": "a", "v": "x"}])
    pets.meta.signals.pre_update.disconnect(receiver, pets)

    @pets.meta.signals.pre_bulk.connect_via(pets)
    def bulk(sender) -> None: ...

    await execute(pets, statement, [{"k": "a", "v": "x"}])
    assert [note for _, note, _ in await stored(pets)] == ["x", "n"]


@pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
async def test_names_that_are_no_columns(pets, is_heard) -> None:
    """SQLAlchemy's INSERT passes over them in parameters; in values() it knows synonyms, and refuses a hybrid."""

    async def receiver(sender) -> None: ...

    if is_heard:
        pets.meta.signals.pre_save.connect(receiver, pets)
    await execute(pets, insert(pets), [{"name": "a", "loud": "X"}])
    await execute(pets, insert(pets), [{"name": "b", "alias": "X"}])
    await execute(pets, insert(pets).values([{"name": "c", "alias": "X"}]))
    with pytest.raises(CompileError, match="loud"):
        await execute(pets, insert(pets).values([{"name": "d", "loud": "X"}]))
    assert await stored(pets) == [("a", "none", "cat"), ("b", "none", "cat"), ("c", "X", "cat")]


async def test_composite_that_is_none_is_refused_heard_or_not(pets) -> None:
    @dataclass
    class Point:
        x: int
        y: int

    class Place(pets.__base__):
        __tablename__ = "place"
        id: Mapped[int] = mapped_column(primary_key=True)
        x: Mapped[int | None]
        y: Mapped[int | None]
        point = composite(Point, "x", "y")

    async with pets.database.engine.begin() as connection:
        await connection.run_sync(Place.__table__.create)
    told = []

    async def insert_both() -> None:
        async with pets.database.session() as session:
            await session.execute(insert(Place), [{"point": Point(1, 2)}, {"point": None}])

    with pytest.raises(AttributeError) as plain:
        await insert_both()
    Place.meta.signals.pre_save.connect(lambda sender, model_instance: told.append(model_instance), Place, weak=False)
    with pytest.raises(AttributeError) as heard:
        await insert_both()
    assert str(heard.value) == str(plain.value)
    assert told == []
    async with pets.database.session() as session:
        await session.execute(insert(Place), [{"point": Point(1, 2)}])
        await session.commit()
    assert [place.point for place in told] == [Point(1, 2)]
    assert [place.point for place in await Place.query.all()] == [Point(1, 2)]
