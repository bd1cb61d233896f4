"""New rows of one parent, which a flush of one of them leads to: one that conflicts or is skipped is left out alone."""

from __future__ import annotations

import warnings
from itertools import pairwise

import pytest
from sqlalchemy import Column, ForeignKey, String, Table, inspect, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

import aldis
from aldis.signals import post_save, pre_save


class Base(aldis.Model, DeclarativeBase):
    pass


tagged = Table(
    "tagged",
    Base.metadata,
    Column("book_id", ForeignKey("book.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class Shelf(Base):
    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list[Book]] = relationship(back_populates="shelf", foreign_keys="Book.shelf_id")
    lent: Mapped[list[Book]] = relationship(foreign_keys="Book.lent_from_id")


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list[Book]] = relationship(secondary=tagged, back_populates="tags")


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(20), unique=True)
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id"))
    lent_from_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id"))
    sequel_of_id: Mapped[int | None] = mapped_column(ForeignKey("book.id"))
    shelf: Mapped[Shelf | None] = relationship(back_populates="books", foreign_keys=shelf_id)
    tags: Mapped[list[Tag]] = relationship(secondary=tagged, back_populates="books")
    sequel_of: Mapped[Book | None] = relationship(remote_side="Book.id", back_populates="sequels")
    sequels: Mapped[list[Book]] = relationship(back_populates="sequel_of")


async def new(model):
    return model()


async def stored(model):
    found = model()
    await found.save()
    return found


async def stored_and_unloaded(model):
    return await model.query.get(id=(await stored(model)).id)


async def stored_and_loaded(model):
    return await model.query.options(selectinload(model.books)).get(id=(await stored(model)).id)


PARENTS = [new, stored, stored_and_unloaded, stored_and_loaded]
TITLES = ["a", "b", "c", "d", "e"]


async def written(*columns) -> dict[str, tuple]:
    """Return the columns of each stored book, by title."""
    async with Base.database.engine.connect() as connection:
        rows = await connection.execute(select(Book.__table__.c.title, *columns))
        return {title: tuple(others) for title, *others in rows}


@pytest.fixture
def told(database):
    """Return the titles that receivers before and after a save were told of, and whether the row was written."""
    found: list[tuple] = []

    async def before(sender, model_instance):
        found.append(("before", model_instance.title))

    async def after(sender, model_instance, row_count):
        found.append(("after", model_instance.title, row_count))

    with pre_save.connected_to(before, Book), post_save.connected_to(after, Book):
        yield found


def told_once(conflicts=(), titles=TITLES) -> list[tuple]:
    return sorted(
        [*(("before", title) for title in titles), *(("after", title, int(title not in conflicts)) for title in titles)]
    )


@pytest.mark.parametrize("batch_size", [2, 100])
@pytest.mark.parametrize("conflicts", ["", "a", "c", "e", "bd", "abcde"])
@pytest.mark.parametrize("parent", PARENTS)
async def test_conflicting_row_takes_none_of_its_siblings_with_it(told, parent, conflicts, batch_size) -> None:
    shelf = await parent(Shelf)
    for title in conflicts:
        await Book.query.create(title=title)
    told.clear()
    books = [Book(title=title, shelf=shelf) for title in TITLES]
    saved = await Book.query.bulk_create(books, ignore_conflicts=True, batch_size=batch_size)
    assert [book.title for book in saved] == [title for title in TITLES if title not in conflicts]
    assert sorted(told) == told_once(conflicts)
    assert [inspect(book).key is None for book in books] == [title in conflicts for title in TITLES]
    of_shelf = {title: (None if title in conflicts else shelf.id,) for title in TITLES}
    assert await written(Book.__table__.c.shelf_id) == of_shelf


@pytest.mark.parametrize("conflicts", ["", "a", "c", "abcde"])
@pytest.mark.parametrize("parent", PARENTS)
async def test_conflicting_row_of_a_many_to_many_relationship(told, parent, conflicts) -> None:
    tag = await parent(Tag)
    for title in conflicts:
        await Book.query.create(title=title)
    await Book.query.bulk_create([Book(title=title, tags=[tag]) for title in TITLES], ignore_conflicts=True)
    async with Base.database.engine.connect() as connection:
        both = select(Book.__table__.c.title).join_from(tagged, Book.__table__).order_by(Book.__table__.c.title)
        assert [*await connection.scalars(both)] == [title for title in TITLES if title not in conflicts]


async def test_instances_are_not_compared_by_their_values(told, monkeypatch) -> None:
    """A dataclass compares all of its fields, and so its children, which compare theirs."""

    def refuse(self, other: object) -> bool:
        raise RecursionError

    await Book.query.create(title="b")
    tags = [Tag(), Tag()]
    books = [Book(title=title, tags=[*tags]) for title in "abc"]
    for model in (Tag, Book):
        monkeypatch.setattr(model, "__eq__", refuse)
        monkeypatch.setattr(model, "__hash__", None)
    saved = await Book.query.bulk_create(books, ignore_conflicts=True)
    assert [book.title for book in saved] == ["a", "c"]


@pytest.mark.parametrize("conflicts", ["", "a", "c"])
async def test_row_that_others_need_is_written_with_them(told, conflicts) -> None:
    """The later row comes first: its own foreign key needs the other's row."""
    for title in conflicts:
        await Book.query.create(title=title)
    told.clear()
    first, second, third = Book(title="a"), Book(title="b"), Book(title="c")
    second.sequel_of, third.sequel_of = first, second
    await Book.query.bulk_create([third, second, first], ignore_conflicts=True)
    expected = {"a": (None,), "b": (first.id,), "c": (second.id,)}
    if conflicts:  # what refers to a row that is not written is not written either
        expected = {title: link for title, link in expected.items() if title < conflicts} | {conflicts: (None,)}
    assert await written(Book.__table__.c.sequel_of_id) == expected
    assert {title for kind, title, *count in told if count == [1]} == expected.keys() - {*conflicts}
    assert {title for kind, title, *count in told if count == [0]} == {"a", "b", "c"} - (expected.keys() - {*conflicts})


async def test_long_chain_of_rows(told) -> None:
    await Book.query.create(title="300")
    told.clear()
    books = [Book(title=str(number)) for number in range(400)]
    for former, book in pairwise(books):
        book.sequel_of = former
    saved = await Book.query.bulk_create(reversed(books), ignore_conflicts=True)
    assert len(saved) == 300
    assert {int(title) for title in await written()} == {*range(301)}


@pytest.mark.parametrize("ignore_conflicts", [False, True])
@pytest.mark.parametrize("skipped", ["a", "c", "bd"])
@pytest.mark.parametrize("parent", PARENTS)
async def test_skipped_row_is_not_written_by_the_flush_of_its_siblings(told, parent, skipped, ignore_conflicts) -> None:
    shelf = await parent(Shelf)
    books = [Book(title=title, shelf=shelf) for title in TITLES]

    async def skip(sender, model_instance):
        if model_instance.title in skipped:
            raise aldis.SkipOperation

    with pre_save.connected_to(skip, Book), warnings.catch_warnings():
        warnings.simplefilter("error")
        saved = await Book.query.bulk_create(books, ignore_conflicts=ignore_conflicts)
    assert [book.title for book in saved] == [title for title in TITLES if title not in skipped]
    assert sorted(told) == told_once(skipped)
    of_shelf = {title: (shelf.id,) for title in TITLES if title not in skipped}
    assert await written(Book.__table__.c.shelf_id) == of_shelf
    await Book.query.bulk_create([book for book in books if book.title in skipped])
    assert await written(Book.__table__.c.shelf_id) == dict.fromkeys(TITLES, (shelf.id,))


async def test_row_whose_foreign_key_only_its_parent_sets_is_written_with_it(told) -> None:
    """Nothing but the flush of the shelf sets the other foreign key: it leads to the book, and takes it along."""
    shelf = Shelf()
    books = [Book(title="a", shelf=shelf), Book(title="b")]
    shelf.lent.append(books[1])
    await Book.query.bulk_create(books, ignore_conflicts=True)
    assert await written(Book.__table__.c.shelf_id, Book.__table__.c.lent_from_id) == {
        "a": (shelf.id, None),
        "b": (None, shelf.id),
    }
    assert sorted(told) == told_once((), "ab")


@pytest.mark.parametrize("ignore_conflicts", [False, True])
@pytest.mark.parametrize("parent", PARENTS)
async def test_links_wait_again_where_the_operation_is_undone(told, parent, ignore_conflicts) -> None:
    shelf = await parent(Shelf)
    await Book.query.create(title="c")
    books = [Book(title=title, shelf=shelf) for title in TITLES]
    if not ignore_conflicts:
        books[2].title = "another"

    def waiting() -> list[str]:
        return [book.title for book in inspect(shelf).attrs.books.history.added]

    async def skip(sender, model_instance):
        if model_instance.title == "b":
            raise aldis.SkipOperation

    async def refuse(sender, model_instance):
        if model_instance.title == "e":
            raise ZeroDivisionError

    before = waiting()
    with pre_save.connected_to(skip, Book), post_save.connected_to(refuse, Book):
        with pytest.raises(ZeroDivisionError):
            await Book.query.bulk_create(books, ignore_conflicts=ignore_conflicts)
    assert {inspect(book).key for book in books} == {None}
    assert waiting() == before
    assert [book.shelf for book in books] == [shelf] * 5
    books[2].title = "another"
    await Book.query.bulk_create(books)
    of_shelf = dict.fromkeys(("a", "b", "another", "d", "e"), (shelf.id,))
    assert await written(Book.__table__.c.shelf_id) == {"c": (None,), **of_shelf}
