"""Mutable values that were changed in place have their contents back after a call that failed, and a rollback."""

from __future__ import annotations

from collections import OrderedDict, UserList
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from sqlalchemy import JSON, Integer, PickleType, String, TypeDecorator, inspect
from sqlalchemy.ext.mutable import Mutable, MutableComposite, MutableDict, MutableList, MutableSet
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


def replace(note) -> None:
    note.words, note.lines, note.tags, note.point = {"z": 1}, [9], {9}, Point(8, 8)


@pytest.mark.parametrize("call", ["update", "save", "bulk_update"])
@pytest.mark.parametrize("refused_by", ["pre", "post", "block", "skip"])
async def test_values_that_a_refused_call_had_replaced_are_watched_again(models, call, refused_by) -> None:
    note = await models.Note.query.get(id=(await new(models).save()).id)
    assert contents(note) == BEFORE  # composites are made when they are read
    name = "save" if call == "save" else "update"

    def replace_before(sender, model_instance):
        replace(model_instance)
        if refused_by == "pre":
            raise LookupError
        if refused_by == "skip":
            raise aldis.SkipOperation

    def refuse_after(sender):
        if refused_by == "post":
            raise LookupError

    signals = models.Note.meta.signals
    if call == "bulk_update":
        note.name = "b"
    with (
        signals[f"pre_{name}"].connected_to(replace_before, models.Note),
        signals[f"post_{name}"].connected_to(refuse_after, models.Note),
        pytest.raises(LookupError),
    ):
        async with models.database.transaction():
            await CALLS[call](note)
            raise LookupError
    assert contents(note) == BEFORE
    change(note)
    await note.save()
    assert contents(await models.Note.query.get(id=note.id)) == AFTER


async def test_a_found_instance_does_not_share_the_values_of_the_given_one(models) -> None:
    stored = await new(models).save()
    given = models.Note(id=stored.id, name="b", words={"g": 1}, lines=[3], tags={3}, point=Point(1, 2))

    def refuse(sender, model_instance):
        change_some(model_instance)
        raise LookupError

    def change_some(note) -> None:
        note.words["refused"] = 1
        note.lines.append("refused")
        note.tags.add("refused")

    with models.Note.meta.signals.pre_update.connected_to(refuse, models.Note), pytest.raises(LookupError):
        await models.Note.query.bulk_update_or_create([given])
    assert contents(given) == ({"g": 1}, [3], {3}, (1, 2))
    (found,) = await models.Note.query.bulk_update_or_create([given])
    assert contents(found)[:3] == ({"g": 1}, [3], {3})
    change_some(found)
    await found.save()
    assert contents(await models.Note.query.get(id=stored.id))[0] == {"g": 1, "refused": 1}
    assert contents(given) == ({"g": 1}, [3], {3}, (1, 2))


class Words(Mutable, OrderedDict):
    """A dict whose items are not where ``dict`` has them."""

    @classmethod
    def coerce(cls, key, value):
        return value if isinstance(value, cls) else cls(value)

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self.changed()


class Lines(Mutable, UserList):
    """A list that has its items in an attribute."""

    @classmethod
    def coerce(cls, key, value):
        return value if isinstance(value, cls) else cls(value)

    def append(self, item):
        super().append(item)
        self.changed()


class Plain(TypeDecorator):
    """Stores a dict or a list."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return dict(value) if isinstance(value, dict) else [*value]


class Slotted(MutableComposite):
    """A composite that has its attributes in slots."""

    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x

    def __composite_values__(self):
        return (self.x,)

    def __eq__(self, other):
        return isinstance(other, Slotted) and other.x == self.x

    def __hash__(self):
        return hash(self.x)

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
        self.changed()


@pytest.mark.parametrize("refused_by", ["pre", "post"])
async def test_values_of_types_of_ones_own(url, refused_by) -> None:
    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(url)

    class Note(Base):
        __tablename__ = "note_of_ones_own"
        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int]
        words: Mapped[Words] = mapped_column(Words.as_mutable(Plain))
        lines: Mapped[Lines] = mapped_column(Lines.as_mutable(Plain))
        slotted: Mapped[Slotted] = composite(mapped_column("x", Integer))

    def refuse(sender, model_instance):
        model_instance.words["refused"] = 1
        model_instance.lines.append("refused")
        model_instance.slotted.x = 9
        if refused_by == "pre":
            raise LookupError

    def refuse_after(sender):
        raise LookupError

    async with Base.database as database:
        async with database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
        try:
            note = await Note(number=1, words=Words(a=1), lines=Lines(["a"]), slotted=Slotted(2)).save()
            signals = Note.meta.signals
            with (
                signals.pre_update.connected_to(refuse, Note),
                signals.post_update.connected_to(refuse_after, Note),
                pytest.raises(LookupError),
            ):
                await note.update(number=2)
            assert (dict(note.words), [*note.lines], note.slotted.x) == ({"a": 1}, ["a"], 2)
            note.words["b"] = 2
            note.lines.append("b")
            note.slotted.x = 3
            await note.save()
            found = await Note.query.get(id=note.id)
            assert (dict(found.words), [*found.lines], found.slotted.x) == ({"a": 1, "b": 2}, ["a", "b"], 3)
        finally:
            async with database.transaction() as connection:
                await connection.run_sync(Base.metadata.drop_all)


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
