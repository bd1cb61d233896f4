"""Mutable values that were changed in place have their contents back after a call that failed, and a rollback."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from sqlalchemy import JSON, PickleType, String, inspect
from sqlalchemy.ext.mutable import MutableComposite, MutableDict, MutableList, MutableSet
from sqlalchemy.orm import DeclarativeBase, Mapped, composite, mapped_column

import aldis


@dataclass
class Point(MutableComposite):
    x: int
    y: int

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
        self.changed()


@pytest.fixture
async def models(url):
    """Return a class with a value of each Mutable type."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(url)

    class Note(Base):
        __tablename__ = "note"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(50))
        words: Mapped[dict] = mapped_column(MutableDict.as_mutable(JSON))
        lines: Mapped[list] = mapped_column(MutableList.as_mutable(JSON))
        tags: Mapped[set] = mapped_column(MutableSet.as_mutable(PickleType))
        point: Mapped[Point] = composite(mapped_column("x"), mapped_column("y"))

    async with Base.database as database:
        async with database.transaction() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
        yield SimpleNamespace(Base=Base, Note=Note, database=database)
        async with database.transaction() as connection:
            await connection.run_sync(Base.metadata.drop_all)


def new(models):
    return models.Note(name="a", words={"a": 1}, lines=[1], tags={1}, point=Point(1, 2))


def change(note) -> None:
    note.words["b"] = 2
    del note.words["a"]
    note.lines.append(2)
    note.tags.add(2)
    note.point.y = 9


def contents(note) -> tuple[object, ...]:
    return dict(note.words), list(note.lines), set(note.tags), (note.point.x, note.point.y)


BEFORE = ({"a": 1}, [1], {1}, (1, 2))
AFTER = ({"b": 2}, [1, 2], {1, 2}, (1, 9))

CALLS = {
    "update": lambda note: note.update(name="b"),
    "save": lambda note: note.save(values={"name": "b"}),
    "delete": lambda note: note.delete(),
    "bulk_update": lambda note: type(note).query.bulk_update([note]),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("when", ["pre", "post"])
async def test_receiver_that_changes_stored_values_and_refuses(models, call, when) -> None:
    note = await models.Note.query.get(id=(await new(models).save()).id)
    values = (note.words, note.lines, note.tags, note.point)
    name = call if call in {"delete", "save"} else "update"

    def refuse(sender, model_instance):
        change(model_instance)
        raise LookupError

    models.Note.meta.signals[f"{when}_{name}"].connect(refuse, models.Note)
    if call == "bulk_update":
        note.name = "b"
    with pytest.raises(LookupError):
        await CALLS[call](note)
    assert contents(note) == BEFORE
    assert (note.words, note.lines, note.tags, note.point) == values
    models.Note.meta.signals[f"{when}_{name}"].disconnect(refuse)
    change(note)  # they are watched as before
    assert inspect(note).modified
    await note.save()
    assert contents(await models.Note.query.get(id=note.id)) == AFTER


@pytest.mark.parametrize("call", ["save", "bulk_create"])
@pytest.mark.parametrize("when", ["pre", "post"])
async def test_receiver_that_changes_new_values_and_refuses(models, call, when) -> None:
    note = new(models)

    def refuse(sender, model_instance):
        change(model_instance)
        raise LookupError

    models.Note.meta.signals[f"{when}_save"].connect(refuse, models.Note)
    with pytest.raises(LookupError):
        await (note.save() if call == "save" else models.Note.query.bulk_create([new(models), note]))
    if call == "bulk_create":
        assert await models.Note.query.count() == 0
    assert contents(note) == BEFORE
    assert inspect(note).transient


async def test_changes_in_a_block_that_is_rolled_back(models) -> None:
    note = await new(models).save()

    async def write_twice() -> None:
        async with models.database.transaction():
            await note.update(name="b")
            change(note)
            await note.save()
            raise LookupError

    with pytest.raises(LookupError):
        await write_twice()
    assert contents(note) == BEFORE
    assert not inspect(note).modified
    await note.update(name="c")
    assert contents(await models.Note.query.get(id=note.id)) == BEFORE


async def test_refused_call_leaves_the_composite_as_it_is(models) -> None:
    note = await new(models).save()
    point = note.point

    @models.Note.meta.signals.pre_update.connect_via(models.Note)
    def refuse(sender):
        raise LookupError

    with pytest.raises(LookupError):
        await note.update(name="b")
    assert note.point is point
    models.Note.meta.signals.pre_update.disconnect(refuse)
    point.y = 9
    await note.save()
    assert contents(await models.Note.query.get(id=note.id))[3] == (1, 9)
