"""Shapes that go through a flush: several tables, version counters, relationships by object, cascades; same signals."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import pytest_asyncio
from sqlalchemy import Column, ForeignKey, Table, inspect
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.orm.exc import StaleDataError

import aldis


@pytest_asyncio.fixture
async def shapes(models):
    """Return models of every shape that needs the unit of work; their tables exist."""
    Base, User = models.Base, models.User

    class Animal(Base):
        __tablename__ = "animal"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        name: Mapped[str] = mapped_column(default="nameless")
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012

    class Dog(Animal):
        __tablename__ = "dog"
        id: Mapped[int] = mapped_column(ForeignKey("animal.id"), primary_key=True)
        bark: Mapped[str] = mapped_column("bark_text", default="woof")
        __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012

    class Cat(Animal):  # single-table
        lives: Mapped[int | None] = mapped_column(default=9)
        __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012

    class Page(Base):
        __tablename__ = "page"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]
        version: Mapped[int] = mapped_column()
        __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

    class Post(Base):
        __tablename__ = "post"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]
        author_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
        author = relationship(User)
        comments = relationship("Comment", cascade="all, delete-orphan", back_populates="post")
        labels = relationship("Label", secondary="post_label")

    class Comment(Base):
        __tablename__ = "comment"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]
        post_id: Mapped[int] = mapped_column(ForeignKey("post.id"))
        post = relationship(Post, back_populates="comments")

    class Label(Base):
        __tablename__ = "label"
        id: Mapped[int] = mapped_column(primary_key=True)
        word: Mapped[str]

    Table(
        "post_label",
        Base.metadata,
        Column("post_id", ForeignKey("post.id"), primary_key=True),
        Column("label_id", ForeignKey("label.id"), primary_key=True),
    )
    async with models.database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    return SimpleNamespace(
        Animal=Animal, Dog=Dog, Cat=Cat, Page=Page, Post=Post, Comment=Comment, Label=Label, **vars(models)
    )


def listen(shapes, model, *names):
    """Record what the signals of a model send."""
    calls = []
    for name in names:

        async def receiver(sender, name=name, **kwargs):
            told = {key: dict(value) if isinstance(value, dict) else value for key, value in kwargs.items()}
            calls.append((name, sender, told))

        shapes.Base.meta.signals[name].connect(receiver, model, weak=False)
    return calls


async def test_joined_inheritance_writes_both_tables_with_the_same_signals(shapes) -> None:
    calls = listen(shapes, shapes.Dog, "pre_save", "post_save", "pre_delete", "post_delete")
    dog = await shapes.Dog.query.create(name="Rex")
    assert (dog.bark, dog.kind, inspect(dog).detached, inspect(dog).modified) == ("woof", "dog", True, False)
    assert await shapes.stored(shapes.Dog) == [{"id": dog.id, "bark_text": "woof"}]
    assert (await shapes.stored(shapes.Animal))[0]["name"] == "Rex"
    assert [(name, told["is_update"], told["values"]) for name, _, told in calls] == [
        ("pre_save", False, {"name": "Rex"}),
        ("post_save", False, {"name": "Rex"}),
    ]
    assert calls[0][2]["column_values"] == {"kind": "dog", "name": "Rex", "bark_text": "woof"}
    assert calls[1][2]["column_values"] == {"id": dog.id, "kind": "dog", "name": "Rex", "bark_text": "woof"}
    assert calls[1][2]["row_count"] == 1

    dog.bark, dog.name = "wuff", "Rexy"
    await dog.save()
    assert calls[-1][2]["column_values"] == {"name": "Rexy", "bark_text": "wuff"}
    await dog.update(bark="arf")
    found = await shapes.Dog.query.get(name="Rexy")
    assert (found.bark, (await dog.load()).bark) == ("arf", "arf")
    assert await dog.delete() == 1
    assert (await shapes.stored(shapes.Dog), await shapes.stored(shapes.Animal)) == ([], [])
    assert [name for name, _, _ in calls[-2:]] == ["pre_delete", "post_delete"]


async def test_single_table_inheritance_takes_the_direct_road(shapes) -> None:
    cat = await shapes.Cat.query.create(name="Tom")
    await shapes.Dog.query.create(name="Rex")
    assert (cat.kind, cat.lives) == ("cat", 9)
    assert await shapes.Cat.query.update(lives=8) == 1
    assert {animal.name: type(animal) for animal in await shapes.Animal.query.all()} == {
        "Tom": shapes.Cat,
        "Rex": shapes.Dog,
    }
    assert await shapes.Cat.query.delete() == 1
    assert len(await shapes.stored(shapes.Animal)) == 1


async def test_receivers_change_what_a_flush_writes(shapes) -> None:
    @shapes.Base.meta.signals.pre_save.connect_via(shapes.Dog)
    async def edit(sender, column_values):
        column_values["bark_text"] = "loud"
        column_values.pop("name", None)

    dog = await shapes.Dog.query.create(name="Rex", bark="quiet")
    assert (dog.bark, dog.name) == ("loud", "nameless")
    dog.bark = "quiet"
    await dog.save()
    assert (await shapes.stored(shapes.Dog))[0]["bark_text"] == "loud"


async def test_version_counter_counts_and_refuses_stale_instances(shapes) -> None:
    page = await shapes.Page.query.create(text="one")
    stale = await shapes.Page.query.get(id=page.id)
    page.text = "two"
    await page.save()
    assert (page.version, (await shapes.stored(shapes.Page))[0]["version"]) == (2, 2)
    stale.text = "three"
    with pytest.raises(StaleDataError):
        await stale.save()
    assert (stale.text, inspect(stale).modified, stale.version) == ("three", True, 1)
    assert (await shapes.stored(shapes.Page))[0]["text"] == "two"


async def test_relationships_set_by_object(shapes) -> None:
    ada = await shapes.User.query.create(name="Ada")
    post = await shapes.Post.query.create(title="one", author=ada)
    assert post.author_id == ada.id
    bob = await shapes.User.query.create(name="Bob")
    post.author = bob
    await post.save()
    assert (await shapes.stored(shapes.Post))[0]["author_id"] == bob.id
    await post.update(author=ada)
    assert (await shapes.stored(shapes.Post))[0]["author_id"] == ada.id


async def test_related_objects_are_written_and_deleted_with_it(shapes) -> None:
    Post, Comment, Label = shapes.Post, shapes.Comment, shapes.Label
    post = Post(title="one", comments=[Comment(text="a"), Comment(text="b")], labels=[Label(word="x")])
    await post.save()
    assert [row["text"] for row in await shapes.stored(Comment)] == ["a", "b"]
    assert all(inspect(comment).detached for comment in post.comments)
    assert await post.delete() == 1
    assert [await shapes.stored(model) for model in (Post, Comment)] == [[], []]
    assert len(await shapes.stored(Label)) == 1


async def test_failure_undoes_the_related_objects_too(shapes) -> None:
    async def failing(sender):
        raise ValueError("no")

    comment = shapes.Comment(text="a")
    post = shapes.Post(title="one", comments=[comment])
    with shapes.Base.meta.signals.post_save.connected_to(failing, shapes.Post):
        with pytest.raises(ValueError, match="no"):
            await post.save()
    assert (inspect(post).transient, inspect(comment).transient, post.comments) == (True, True, [comment])
    assert (await shapes.stored(shapes.Post), await shapes.stored(shapes.Comment)) == ([], [])
    await post.save()
    assert comment.post_id == post.id
    with shapes.Base.meta.signals.post_delete.connected_to(failing, shapes.Post):
        with pytest.raises(ValueError, match="no"):
            await post.delete()
    assert (inspect(post).detached, inspect(comment).detached) == (True, True)
    assert len(await shapes.stored(shapes.Comment)) == 1


async def test_bulk_create_of_such_rows(shapes) -> None:
    calls = listen(shapes, shapes.Dog, "pre_save", "post_save")
    dogs = await shapes.Dog.query.bulk_create([{"name": "a"}, shapes.Dog(name="b")])
    assert {row["id"]: row["name"] for row in await shapes.stored(shapes.Animal)} == {dog.id: dog.name for dog in dogs}
    assert [(name, told["model_instance"]) for name, _, told in calls] == [
        ("pre_save", dogs[0]),
        ("pre_save", dogs[1]),
        ("post_save", dogs[0]),
        ("post_save", dogs[1]),
    ]
    ada = await shapes.User.query.create(name="Ada")
    posts = await shapes.Post.query.bulk_create([{"title": "one"}, {"title": "two", "author": ada}])
    assert [post.author_id for post in posts] == [None, ada.id]


async def test_one_statement_for_several_tables_is_refused(shapes) -> None:
    refused = r"Dog is mapped to more than one table: \w+\(\) cannot do that with one statement\. Use instances"
    with pytest.raises(aldis.ConfigurationError, match=refused):
        await shapes.Dog.query.update(bark="x")
    with pytest.raises(aldis.ConfigurationError, match=refused):
        await shapes.Dog.query.delete()


async def test_rollback_around_a_bulk_of_such_rows_puts_them_back(shapes) -> None:
    @shapes.Base.meta.signals.pre_save.connect_via(shapes.Post)
    async def touch(sender, model_instance):
        model_instance.title = "touched"

    comment = shapes.Comment(text="a")
    posts = [shapes.Post(title="one", comments=[comment]), shapes.Post(title="two")]
    with pytest.raises(ValueError, match="no"):
        async with shapes.database.transaction():
            await shapes.Post.query.bulk_create(posts)
            raise ValueError("no")
    assert [post.title for post in posts] == ["one", "two"]
    assert [inspect(each).transient for each in (*posts, comment)] == [True] * 3
    assert posts[0].comments == [comment]
    assert await shapes.stored(shapes.Post) == []


@pytest.mark.filterwarnings("ignore:DELETE statement on table:sqlalchemy.exc.SAWarning")  # a plain session warns, too
@pytest.mark.parametrize(("name", "values"), [("Dog", {}), ("Post", {"title": "a"}), ("Page", {"text": "a"})])
async def test_delete_of_a_row_that_is_gone_answers_0(shapes, name, values) -> None:
    model = getattr(shapes, name)
    gone, there = await model.query.create(**values), await model.query.create(**values)
    calls = listen(shapes, model, "post_delete")
    async with shapes.database.engine.begin() as connection:
        for table in reversed(model.__mapper__.tables):
            await connection.execute(table.delete().where(table.c.id == gone.id))
    assert await gone.delete() == 0
    assert await there.delete() == 1
    assert [told["row_count"] for _, _, told in calls] == [0, 1]
    assert await model.query.count() == 0
    assert inspect(gone).transient
    await gone.save()
    assert await model.query.count() == 1


async def test_delete_of_a_row_that_has_another_version_is_refused(shapes) -> None:
    page = await shapes.Page.query.create(text="a")
    await (await shapes.Page.query.get(id=page.id)).update(text="other")
    with pytest.raises(StaleDataError):
        await page.delete()
    assert await shapes.Page.query.count() == 1
    assert inspect(page).detached
