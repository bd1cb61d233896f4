"""A call on an instance writes the rows that a plain session writes for the same change, related ones too."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import pytest_asyncio
from sqlalchemy import ForeignKey, String, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    composite,
    joinedload,
    mapped_column,
    relationship,
    synonym,
    validates,
)

import aldis

pytestmark = pytest.mark.asyncio


@dataclass
class Point:
    x: int
    y: int


@pytest_asyncio.fixture
async def models(url):
    """Return models whose tables exist, and are dropped when the test is over."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(url)

    class Person(Base):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        first: Mapped[str] = mapped_column(String(20))
        last: Mapped[str] = mapped_column(String(20))
        place: Mapped[Point] = composite(mapped_column("x"), mapped_column("y"))
        nick = synonym("first")
        seen: list = []  # noqa: RUF012

        @hybrid_property
        def full(self) -> str:
            return f"{self.first} {self.last}"

        @full.inplace.setter
        def _set_full(self, value: str) -> None:
            self.first, self.last = value.split()

        @validates("last")
        def check(self, _name, value):
            self.seen.append(inspect(self).attrs.first.history.deleted)
            return value

    class Shelf(Base):
        __tablename__ = "shelf"
        code: Mapped[str] = mapped_column(String(20), primary_key=True)
        color: Mapped[str | None] = mapped_column(String(20))
        books: Mapped[list[Book]] = relationship(
            back_populates="shelf", passive_updates=False, primaryjoin="foreign(Book.shelf_code) == Shelf.code"
        )

    class Book(Base):
        __tablename__ = "book"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str] = mapped_column(String(20))
        # Without a constraint in the database, which would refuse or follow the change of a key by itself.
        shelf_code: Mapped[str | None] = mapped_column(String(20))
        shelf: Mapped[Shelf | None] = relationship(
            back_populates="books", primaryjoin="foreign(Book.shelf_code) == Shelf.code"
        )

    class Cover(Base):
        __tablename__ = "cover"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Album(Base):
        __tablename__ = "album"
        id: Mapped[int] = mapped_column(primary_key=True)
        cover_id: Mapped[int | None] = mapped_column(ForeignKey("cover.id"))
        cover: Mapped[Cover | None] = relationship(cascade="all, delete-orphan", single_parent=True)

    class Animal(Base):
        __tablename__ = "animal"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(String(20))
        name: Mapped[str | None] = mapped_column(String(20))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012

    class Dog(Animal):
        __tablename__ = "dog"
        id: Mapped[int] = mapped_column(ForeignKey("animal.id"), primary_key=True)
        call: Mapped[str] = mapped_column("name", String(20), default="Rex", onupdate="renamed")
        size: Mapped[int] = mapped_column(default=1)
        __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012

    async with Base.database:
        async with Base.database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield SimpleNamespace(
            Base=Base, Person=Person, Shelf=Shelf, Book=Book, Cover=Cover, Album=Album, Animal=Animal, Dog=Dog
        )
        async with Base.database.transaction() as connection:
            await connection.run_sync(Base.metadata.drop_all)


async def rows(models, table):
    """Return the rows of a table, in the order of its key."""
    table = models.Base.metadata.tables[table]
    async with models.Base.database.transaction() as connection:
        return [tuple(row) for row in await connection.execute(select(table).order_by(*table.primary_key))]


async def session_saves(models, *instances):
    async with AsyncSession(models.Base.database.engine, expire_on_commit=False) as session:
        session.add_all(instances)
        await session.commit()


async def each_saves(models, *instances):
    for instance in instances:
        await instance.save()


async def bulk_updates(models, *instances):
    await type(instances[0]).query.bulk_update(instances)


async def bulk_creates(models, *instances):
    await type(instances[0]).query.bulk_create(instances)


UPDATERS = [session_saves, each_saves, bulk_updates]
"""Ways to write stored instances; SQLAlchemy's own is the first, and says what is right."""


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        ({"full": "new last"}, ("new", "last", 1, 2)),
        ({"nick": "new"}, ("new", "old", 1, 2)),
        ({"place": Point(5, 6)}, ("old", "old", 5, 6)),
        ({"place": Point(3, 6)}, ("old", "old", 3, 6)),
        ({"first": "pending"}, ("pending", "old", 1, 2)),
    ],
)
async def test_an_update_writes_what_its_names_set_and_leaves_the_rest_pending(models, values, stored):
    person = await models.Person(first="old", last="old", place=Point(1, 2)).save()
    person.first, person.last, person.place = "pending", "pending", Point(3, 4)
    await person.update(**values)
    assert await rows(models, "person") == [(person.id, *stored)]
    await person.save()
    written = dict(zip(["first", "last", "x", "y"], stored, strict=True))
    pending = {"first": "pending", "last": "pending", "x": 3, "y": 4}
    was = {"first": "old", "last": "old", "x": 1, "y": 2}
    both = [written[name] if written[name] != was[name] else pending[name] for name in was]
    assert await rows(models, "person") == [(person.id, *both)]


@pytest.mark.parametrize("row", [{"place": Point(3, 4)}, {"nick": "Bob"}])
@pytest.mark.parametrize("method", ["bulk_update", "bulk_update_or_create"])
async def test_update_fields_takes_what_update_takes(models, method, row):
    model = models.Person
    person = await model(first="Ada", last="L", place=Point(1, 2)).save()
    write = getattr(model.query, method)
    await write([{"id": person.id, "first": "Ada", "x": 1, "y": 2} | row], [*row])
    await person.load()
    assert (person.first, person.place) == (row.get("nick", "Ada"), row.get("place", Point(1, 2)))
    with pytest.raises(aldis.UnknownAttributeError, match="'places' is no attribute of Person. Did you mean 'place'"):
        await write([], ["places"])


async def test_a_validator_sees_the_history_of_pending_changes_while_an_update_sets_values(models):
    person = await models.Person(first="old", last="old", place=Point(1, 2)).save()
    person.first = "pending"
    del models.Person.seen[:]
    await person.update(full="new last")
    assert models.Person.seen == [["old"]]


async def test_an_update_that_is_refused_leaves_pending_changes_as_they_were(models):
    person = await models.Person(first="old", last="old", place=Point(1, 2)).save()
    person.first = "pending"
    with pytest.raises(ValueError, match="unpack"):
        await person.update(last="new", full="one two three")
    assert (person.first, person.last) == ("pending", "old")
    await person.save()
    assert await rows(models, "person") == [(person.id, "pending", "old", 1, 2)]


@pytest.mark.parametrize("write", UPDATERS)
async def test_related_rows_follow_a_changed_key(models, write):
    await models.Shelf(code="a").save()
    await models.Book.query.bulk_create([models.Book(title=title, shelf_code="a") for title in "xy"])
    shelf = await models.Shelf.query.get(code="a")
    shelf.code = "b"
    await write(models, shelf)
    assert await rows(models, "shelf") == [("b", None)]
    assert [code for *_, code in await rows(models, "book")] == ["b", "b"]


@pytest.mark.parametrize("write", UPDATERS)
async def test_a_related_instance_that_has_changed_is_written_too(models, write):
    await models.Shelf(code="a", color="red").save()
    await models.Book(title="old", shelf_code="a").save()
    book = await models.Book.query.options(joinedload(models.Book.shelf)).get(title="old")
    book.title, book.shelf.color = "new", "blue"
    await write(models, book)
    assert await rows(models, "shelf") == [("a", "blue")]
    assert [title for _, title, _ in await rows(models, "book")] == ["new"]
    assert not inspect(book.shelf).modified
    book.shelf.color = "green"  # with no change of the book itself
    await write(models, book)
    assert await rows(models, "shelf") == [("a", "green")]


async def test_an_update_of_named_attributes_leaves_a_related_instance_pending(models):
    await models.Shelf(code="a", color="red").save()
    await models.Book(title="old", shelf_code="a").save()
    book = await models.Book.query.options(joinedload(models.Book.shelf)).get(title="old")
    book.shelf.color = "blue"
    await book.update(title="new")
    await models.Book.query.bulk_update([book], update_fields=["title"])
    assert await rows(models, "shelf") == [("a", "red")]
    assert inspect(book.shelf).modified


async def test_a_delete_takes_along_the_instance_that_it_owns(models):
    async def session_deletes(album):
        async with AsyncSession(models.Base.database.engine, expire_on_commit=False) as session:
            await session.delete(await session.get(models.Album, album.id))
            await session.commit()

    for delete in (session_deletes, models.Album.delete):
        await models.Album(cover=models.Cover()).save()
        (album,) = await models.Album.query.all()
        await delete(album)
        assert await rows(models, "album") == []
        assert await rows(models, "cover") == []


@pytest.mark.parametrize("write", [session_saves, each_saves, bulk_creates])
async def test_two_tables_of_one_class_may_have_a_column_of_one_name(models, write):
    dogs = [models.Dog(name="base", call="derived"), models.Dog(name="base")]
    await write(models, *dogs)
    ids = [dog.id for dog in dogs]
    assert await rows(models, "animal") == [(key, "dog", "base") for key in ids]
    assert await rows(models, "dog") == [(ids[0], "derived", 1), (ids[1], "Rex", 1)]
    assert [(dog.name, dog.call) for dog in dogs] == [("base", "derived"), ("base", "Rex")]


@pytest.mark.parametrize("write", UPDATERS)
async def test_an_update_writes_the_table_whose_attribute_has_changed(models, write):
    dog = await models.Dog(name="base", call="derived").save()
    dog.name = "new"
    await write(models, dog)
    assert await rows(models, "animal") == [(dog.id, "dog", "new")]
    assert await rows(models, "dog") == [(dog.id, "derived", 1)]
    dog.size = 2
    await write(models, dog)
    assert await rows(models, "dog") == [(dog.id, "renamed", 2)]
    assert (dog.name, dog.call) == ("new", "renamed")


async def test_receivers_see_both_columns_of_one_name(models):
    seen = []

    async def receiver(sender, column_values):
        seen.append(column_values.copy())
        column_values["dog.name"] = "set by a receiver"

    models.Dog.meta.signals.pre_save.connect(receiver, models.Dog)
    dog = await models.Dog(name="base", call="derived").save()
    assert {key: seen[0][key] for key in ("name", "dog.name")} == {"name": "base", "dog.name": "derived"}
    assert await rows(models, "dog") == [(dog.id, "set by a receiver", 1)]
