"""``instance.relation(name)``: rows of a secondary table, written by one statement and with their signals."""

from __future__ import annotations

import asyncio
import re
import warnings

import pytest
import pytest_asyncio
from linked import linked_on, recorded
from sqlalchemy import Column, ForeignKey, Table, event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    make_transient_to_detached,
    mapped_column,
    relationship,
    selectinload,
)
from sqlalchemy.orm.exc import DetachedInstanceError

import aldis
from aldis.orm.mapping import many_to_many

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def models(url):
    """Return linked models, whose tables are empty."""
    async with linked_on(url) as found:
        yield found


async def tags_of(models, *words):
    return [await models.Tag.query.create(space="s", word=word) for word in words]


def statements_on(database):
    """Return the list of the INSERT and DELETE statements that are run from now on, with how many rows each has."""
    found = []

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def note(connection, cursor, statement, parameters, context, executemany):
        if statement.startswith(("INSERT", "DELETE")):
            found.append((statement.split()[0], len(parameters) if executemany else 1))

    return found


async def test_add_writes_the_rows_and_tells_of_them(models) -> None:
    post = await models.Post.query.create(title="a")
    one, two = await tags_of(models, "one", "two")
    told = recorded(models)
    assert await post.relation("tags").add(one, two) == 2
    assert await models.rows(models.post_tag) == [
        (post.id, "s", "one", 7, "somebody"),
        (post.id, "s", "two", 7, "somebody"),
    ]
    assert told == [
        ("pre_relation_add", "Post", post, "tags", [one, two], "post_tag", "-"),
        ("post_relation_add", "Post", post, "tags", [one, two], "post_tag", 2),
    ]


async def test_remove_takes_what_is_linked(models) -> None:
    post = await models.Post.query.create()
    one, two, three = await tags_of(models, "one", "two", "three")
    await post.relation("tags").add(one, two)
    told = recorded(models)
    found = await models.Post.query.get(id=post.id)
    assert await found.relation("tags").remove(two, three) == 1
    assert [row[2] for row in await models.rows(models.post_tag)] == ["one"]
    assert told == [
        ("pre_relation_remove", "Post", found, "tags", [two, three], "post_tag", "-"),
        ("post_relation_remove", "Post", found, "tags", [two], "post_tag", 1),
    ]


async def test_set_removes_and_adds_the_difference(models) -> None:
    post = await models.Post.query.create()
    one, two, three = await tags_of(models, "one", "two", "three")
    await post.relation("tags").add(one, two)
    told = recorded(models)
    assert await post.relation("tags").set(iter([two, three])) == 2
    assert [row[2] for row in await models.rows(models.post_tag)] == ["three", "two"]
    assert [(name, [tag.word for tag in related], count) for name, _, _, _, related, _, count in told] == [
        ("pre_relation_remove", ["one"], "-"),
        ("post_relation_remove", ["one"], 1),
        ("pre_relation_add", ["three"], "-"),
        ("post_relation_add", ["three"], 1),
    ]
    told.clear()
    assert await post.relation("tags").set([three, two]) == 0
    assert told == []


async def test_clear_is_one_statement_that_names_nobody(models) -> None:
    post, other = [await models.Post.query.create() for _ in range(2)]
    tags = await tags_of(models, "one", "two")
    await post.relation("tags").add(*tags)
    await other.relation("tags").add(*tags)
    told = recorded(models)
    assert await post.relation("tags").clear() == 2
    assert {row[0] for row in await models.rows(models.post_tag)} == {other.id}
    assert told == [
        ("pre_relation_remove", "Post", post, "tags", None, "post_tag", "-"),
        ("post_relation_remove", "Post", post, "tags", None, "post_tag", 2),
    ]


async def test_other_side_of_a_pair_is_a_relation_too(models) -> None:
    posts = [await models.Post.query.create() for _ in range(3)]
    (tag,) = await tags_of(models, "one")
    told = recorded(models)
    await tag.relation("posts").add(*posts)
    assert [post.id async for post in tag.relation("posts").query.order_by("id")] == [post.id for post in posts]
    assert [(name, sender, relation) for name, sender, _, relation, *_ in told] == [
        ("pre_relation_add", "Tag", "posts"),
        ("post_relation_add", "Tag", "posts"),
    ]


async def test_instances_of_one_class_are_linked(models) -> None:
    ada, bob, eve = [await models.Person.query.create(name=name) for name in ("Ada", "Bob", "Eve")]
    assert await ada.relation("friends").add(eve, bob) == 2
    assert await models.rows(models.friends) == [(ada.id, bob.id), (ada.id, eve.id)]
    assert [person.name async for person in ada.relation("friends")] == ["Bob", "Eve"]  # the relationship's order
    assert [person.name async for person in bob.relation("friend_of")] == ["Ada"]
    assert [person async for person in bob.relation("friends")] == []
    assert await eve.relation("friend_of").remove(ada) == 1
    assert await models.rows(models.friends) == [(ada.id, bob.id)]


async def test_query_is_a_queryset_of_what_is_linked(models) -> None:
    ada, bob, eve = [await models.Person.query.create(name=name) for name in ("Ada", "Bob", "Eve")]
    await ada.relation("friends").add(bob, eve)
    query = ada.relation("friends").query
    assert isinstance(query, aldis.QuerySet)
    assert await query.count() == 2
    assert (await query.get(name="Bob")).id == bob.id
    assert await query.filter(name="Eve").update(name="Eva") == 1
    assert {person.name for person in await models.Person.query} == {"Ada", "Bob", "Eva"}


@pytest.mark.parametrize("relation", ["read", "liked"])
async def test_dynamic_and_write_only_collections(models, relation) -> None:
    ada = await models.Person.query.create(name="Ada")
    posts = [await models.Post.query.create() for _ in range(2)]
    assert await ada.relation(relation).add(*posts) == 2
    assert await ada.relation(relation).remove(posts[0]) == 1
    assert [post.id async for post in ada.relation(relation)] == [posts[1].id]


async def test_many_are_one_statement(models) -> None:
    ada = await models.Person.query.create(name="Ada")
    people = await models.Person.query.bulk_create([{"name": str(number)} for number in range(300)])
    found = statements_on(models.database)
    assert await ada.relation("friends").add(*people) == 300
    assert found == [("INSERT", 300)]
    found.clear()
    assert await ada.relation("friends").remove(*people) == 300
    assert found == [("DELETE", 1)]


async def test_conflict_undoes_the_call(models) -> None:
    post = await models.Post.query.create()
    one, two = await tags_of(models, "one", "two")
    await post.relation("tags").add(one)
    told = recorded(models)
    with pytest.raises(IntegrityError):
        await post.relation("tags").add(two, one)
    assert [row[2] for row in await models.rows(models.post_tag)] == ["one"]
    assert [name for name, *_ in told] == ["pre_relation_add"]


async def test_conflicts_are_ignored_on_request(models) -> None:
    post = await models.Post.query.create()
    one, two, three = await tags_of(models, "one", "two", "three")
    await post.relation("tags").add(one)
    told = recorded(models)
    assert await post.relation("tags").add(one, two, three, ignore_conflicts=True) == 2
    assert await post.relation("tags").add(one, ignore_conflicts=True) == 0
    assert [row[2] for row in await models.rows(models.post_tag)] == ["one", "three", "two"]
    assert [(related, count) for name, _, _, _, related, _, count in told if name == "post_relation_add"] == [
        ([two, three], 2),
        ([], 0),
    ]


async def test_only_conflicts_are_ignored(models) -> None:
    if models.database.engine.dialect.name == "sqlite":
        pytest.skip("foreign keys are not enforced there")
    ada, bob = [await models.Person.query.create(name=name) for name in ("Ada", "Bob")]
    gone = await models.Person.query.get(id=bob.id)
    await bob.delete()
    with pytest.raises(IntegrityError):
        await ada.relation("friends").add(gone, ignore_conflicts=True)


async def test_one_given_twice_is_one_row(models) -> None:
    ada, bob = [await models.Person.query.create(name=name) for name in ("Ada", "Bob")]
    told = recorded(models)
    assert await ada.relation("friends").add(bob, await models.Person.query.get(id=bob.id)) == 1
    assert [related for _, _, _, _, related, *_ in told] == [[bob], [bob]]
    assert await ada.relation("friends").add() == 0


@pytest.mark.parametrize("call", ["add", "remove", "set", "clear"])
async def test_skipped_call_writes_nothing(models, call) -> None:
    post = await models.Post.query.create()
    one, two = await tags_of(models, "one", "two")
    await post.relation("tags").add(one)
    ends = []

    def skip(sender):
        raise aldis.SkipOperation

    def note(sender, related, row_count, operation_skipped):
        ends.append((related, row_count, operation_skipped))

    kind = "add" if call == "add" else "remove"
    models.Post.meta.signals[f"pre_relation_{kind}"].connect(skip, models.Post)
    models.Post.meta.signals[f"post_relation_{kind}"].connect(note, models.Post)
    relation = post.relation("tags")
    made = {"add": (two,), "remove": (one,), "set": ([],), "clear": ()}[call]
    assert await getattr(relation, call)(*made) == 0
    assert [row[2] for row in await models.rows(models.post_tag)] == ["one"]
    related = {"add": [two], "remove": [one], "set": [one], "clear": None}[call]
    if call == "set":
        ((found, *rest),) = ends
        assert ([tag.word for tag in found], *rest) == (["one"], 0, True)
    else:
        assert ends == [(related, 0, True)]


@pytest.mark.parametrize("name", ["pre_relation_add", "post_relation_add"])
async def test_receiver_that_raises_undoes_the_call(models, name) -> None:
    post = await models.Post.query.create()
    (one,) = await tags_of(models, "one")
    found = await models.Post.query.options(selectinload(models.Post.tags)).get(id=post.id)

    def fail(sender):
        raise ValueError("no")

    models.Post.meta.signals[name].connect(fail, models.Post)
    with pytest.raises(ValueError, match="no"):
        await found.relation("tags").add(one)
    assert await models.rows(models.post_tag) == []
    assert found.tags == []


async def test_loaded_collections_show_the_change(models) -> None:
    post = await models.Post.query.create()
    one, two, three = await tags_of(models, "one", "two", "three")
    await post.relation("tags").add(one)
    post = await models.Post.query.options(selectinload(models.Post.tags)).get(id=post.id)
    two = await models.Tag.query.options(selectinload(models.Tag.posts)).get(pk=("s", "two"))
    await post.relation("tags").add(two, three)
    assert [tag.word for tag in post.tags] == ["one", "two", "three"]
    assert two.posts == {post}
    await post.relation("tags").remove(one, two)
    assert [tag.word for tag in post.tags] == ["three"]
    assert two.posts == set()
    await post.save()  # nothing is left to write
    assert [row[2] for row in await models.rows(models.post_tag)] == ["three"]
    await post.relation("tags").clear()
    assert post.tags == []


async def test_rolled_back_change_is_taken_out_of_loaded_collections(models) -> None:
    post = await models.Post.query.create()
    one, two = await tags_of(models, "one", "two")
    await post.relation("tags").add(one)
    post = await models.Post.query.options(selectinload(models.Post.tags)).get(id=post.id)
    with pytest.raises(RuntimeError):
        async with models.database.transaction():
            await post.relation("tags").add(two)
            await post.relation("tags").remove(one)
            raise RuntimeError
    assert [tag.word for tag in post.tags] == ["one"]
    assert [row[2] for row in await models.rows(models.post_tag)] == ["one"]


async def test_receivers_queries_are_in_the_transaction(models) -> None:
    post = await models.Post.query.create()
    (one,) = await tags_of(models, "one")
    seen = []

    @models.Post.meta.signals.post_relation_add.connect_via(models.Post)
    async def read(sender, instance):
        seen.append(await instance.relation("tags").query.count())

    @models.Post.meta.signals.post_relation_add.connect_via(models.Post, after_commit=True)
    async def notify(sender, related):
        seen.append([tag.word for tag in related])

    async with models.database.transaction():
        await post.relation("tags").add(one)
        assert seen == [1]
    assert seen == [1, ["one"]]


async def test_instance_of_a_session_goes_through_it(models) -> None:
    told = recorded(models)
    async with models.database.session() as session:
        post = models.Post(title="a")
        tags = [models.Tag(space="s", word=word) for word in ("one", "two", "three")]
        session.add_all([post, *tags])
        post.tags.append(tags[2])
        await session.flush()
        told.clear()
        assert await post.relation("tags").add(*tags[:2]) == 2
        assert [tag.word for tag in post.tags] == ["three", "one", "two"]
        assert [tag.word async for tag in post.relation("tags").query.order_by("word")] == ["one", "three", "two"]
        assert await tags[2].relation("posts").remove(post) == 1
        assert [tag.word for tag in post.tags] == ["one", "two"]
        assert tags[2].posts == set()
        await session.commit()
    assert [name.removeprefix("post_") for name, *_ in told if name.startswith("post")] == [
        "relation_add",
        "relation_remove",
    ]
    assert [row[2] for row in await models.rows(models.post_tag)] == ["one", "two"]


async def test_rollback_of_the_session_undoes_it(models) -> None:
    post = await models.Post.query.create()
    (one,) = await tags_of(models, "one")
    async with models.database.session() as session:
        held = await session.get(models.Post, post.id, options=[selectinload(models.Post.tags)])
        await held.relation("tags").add(one)
        assert held.tags == [one]
        await session.rollback()
        await session.refresh(held, ["tags"])
        assert held.tags == []
    assert await models.rows(models.post_tag) == []


async def test_what_cannot_be_is_refused_with_advice(models) -> None:
    post = await models.Post.query.create()
    (one,) = await tags_of(models, "one")
    ada = await models.Person.query.create(name="Ada")
    with pytest.raises(aldis.UnknownAttributeError, match=r"'tag' is no attribute of Post\. Did you mean 'tags'\?"):
        post.relation("tag")
    with pytest.raises(aldis.UnknownAttributeError, match="'title' is no relationship of Post"):
        post.relation("title")
    with pytest.raises(aldis.ConfigurationError, match=r"one-to-many.*Set post\.author = \.\.\..*await post\.save"):
        ada.relation("posts")
    with pytest.raises(aldis.ConfigurationError, match=r"many-to-one.*set post\.author"):
        post.relation("author")
    with pytest.raises(aldis.ConfigurationError, match="viewonly"):
        post.relation("seen_tags")
    with pytest.raises(aldis.NotSavedError, match="Save it first"):
        await models.Post().relation("tags").add(one)
    with pytest.raises(aldis.NotSavedError, match="Save it first"):
        await post.relation("tags").add(one, models.Tag(space="s", word="new"))
    with pytest.raises(aldis.ConfigurationError, match="it takes instances of Tag"):
        await post.relation("tags").add(one, ada)
    with pytest.raises(aldis.ConfigurationError, match=r"give them one by one, add\(\*\.\.\.\)"):
        await post.relation("tags").add([one])
    with pytest.raises(aldis.ConfigurationError, match="it takes an iterable"):
        await post.relation("tags").set(one)
    assert await models.rows(models.post_tag) == []


async def test_collection_that_is_not_loaded_says_what_to_do(models) -> None:
    await models.Post.query.create(id=1)
    post = await models.Post.query.get(id=1)
    with pytest.raises(DetachedInstanceError, match=re.escape('await post.relation("tags").add(...)')):
        post.tags.append(models.Tag(space="s", word="one"))
    ada = await models.Person.query.create(id=1)
    with pytest.raises(DetachedInstanceError, match=r"Person\.query\.options\(selectinload\(Person\.posts\)\)"):
        ada.posts.append(post)
    with pytest.raises(DetachedInstanceError, match="selectinload"):
        post.author  # noqa: B018
    async with models.database.session() as session:  # where it can be loaded, it is
        held = await session.get(models.Post, 1)
        assert await session.run_sync(lambda _: held.tags) == []


async def test_more_than_one_statement_can_name_are_unlinked(models, monkeypatch) -> None:
    monkeypatch.setattr(many_to_many, "MOST", 4)
    post = await models.Post.query.create()
    tags = await tags_of(models, *map(str, range(5)))
    await post.relation("tags").add(*tags)
    told = recorded(models)
    found = statements_on(models.database)
    assert await post.relation("tags").remove(*tags) == 5
    assert len(found) == 3  # of two keys of two columns each
    assert told[-1][4:] == (tags, "post_tag", 5)
    assert await models.rows(models.post_tag) == []


async def test_tasks_of_one_transaction_take_turns(models) -> None:
    post = await models.Post.query.create()
    tags = await tags_of(models, "one", "two", "three")
    told = recorded(models)
    async with models.database.transaction():
        await asyncio.gather(*(post.relation("tags").add(tag) for tag in tags))
        with pytest.raises(IntegrityError):
            await post.relation("tags").add(tags[0])
        await post.relation("tags").remove(tags[1])
    assert [row[2] for row in await models.rows(models.post_tag)] == ["one", "three"]
    assert sum(name == "post_relation_add" for name, *_ in told) == 3


async def test_instance_of_a_plain_session_is_refused(models) -> None:
    with Session() as session:
        post = models.Post(id=1)
        make_transient_to_detached(post)
        session.add(post)
        with pytest.raises(aldis.ConfigurationError, match="belongs to a plain Session"):
            await post.relation("tags").clear()


async def test_conflicts_are_ignored_where_the_table_has_no_key(models) -> None:
    class Base(aldis.Model, DeclarativeBase):
        database = models.Base.database

    unkeyed = Table(
        "unkeyed",
        Base.metadata,
        Column("box_id", ForeignKey("unkeyed_box.id")),
        Column("ball_id", ForeignKey("unkeyed_ball.id")),
    )

    class Box(Base):
        __tablename__ = "unkeyed_box"
        id: Mapped[int] = mapped_column(primary_key=True)
        balls = relationship("Ball", secondary=unkeyed)

    class Ball(Base):
        __tablename__ = "unkeyed_ball"
        id: Mapped[int] = mapped_column(primary_key=True)

    async with Base.database.transaction() as connection:
        await connection.run_sync(Base.metadata.create_all)
    box, one, two = await Box.query.create(), await Ball.query.create(), await Ball.query.create()
    assert await box.relation("balls").add(one) == 1
    assert await box.relation("balls").add(one, two, ignore_conflicts=True) == 1
    assert await box.relation("balls").add(one, two, ignore_conflicts=True) == 0
    async with Base.database.transaction() as connection:
        linked = sorted((await connection.execute(select(unkeyed.c.ball_id))).scalars())
        await connection.run_sync(Base.metadata.drop_all)
    assert linked == [one.id, two.id]


async def test_collection_of_a_save_that_failed_is_used_without_a_warning(models) -> None:
    post = await models.Post.query.create(tags=[])
    one, two = await tags_of(models, "one", "two")

    def refuse(sender):
        raise ValueError

    post.tags.append(one)
    with models.Base.meta.signals.post_relation_add.connected_to(refuse, models.Post), pytest.raises(ValueError):
        await post.save()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        post.tags.append(two)
        await post.save()
    assert [row[2] for row in await models.rows(models.post_tag)] == ["one", "two"]
