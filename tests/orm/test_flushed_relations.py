"""The signals of relations that a flush changes: of a session's, and of the one in which aldis itself writes."""

from __future__ import annotations

import sys

import pytest
import pytest_asyncio
from linked import linked_on, models, recorded
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, selectinload

import aldis
from aldis.dispatch import of_relations
from aldis.orm.mapping import many_to_many
from aldis.orm.session import flush, links
from aldis.signals import post_save


@pytest_asyncio.fixture
async def linked(url):
    """Return linked models, whose tables are empty."""
    async with linked_on(url) as found:
        yield found


def tags_of(linked, *words):
    return [linked.Tag(space="s", word=word) for word in words]


async def stored(linked, *words):
    """Return a post with tags, stored, and what its session has told of it is forgotten."""
    async with linked.database.session(expire_on_commit=False) as session:
        post = linked.Post(tags=tags_of(linked, *words))
        session.add(post)
        await session.commit()
    return post.id


@pytest.mark.asyncio
async def test_changes_of_a_list(linked) -> None:
    number = await stored(linked, "one", "two")
    told = recorded(linked, in_words=True)
    async with linked.database.session() as session:
        post = await session.get(linked.Post, number, options=[selectinload(linked.Post.tags)])
        three, four = tags_of(linked, "three", "four")
        session.add_all([three, four])
        await session.flush()
        assert told == []
        post.tags = [post.tags[0], three]
        post.tags.append(four)
        await session.commit()
    assert told == [
        ("pre_relation_remove", "Post", "tags", ["two"], "-"),
        ("pre_relation_add", "Post", "tags", ["three", "four"], "-"),
        ("post_relation_remove", "Post", "tags", ["two"], 1),
        ("post_relation_add", "Post", "tags", ["three", "four"], 2),
    ]
    assert [row[2] for row in await linked.rows(linked.post_tag)] == ["four", "one", "three"]


@pytest.mark.asyncio
async def test_pair_whose_both_ends_are_new_is_told_by_the_first_class(linked) -> None:
    told = recorded(linked, in_words=True)
    async with linked.database.session(expire_on_commit=False) as session:
        (tag,) = tags_of(linked, "one")
        tag.posts.add(linked.Post(id=5))
        session.add(tag)
        await session.commit()
    assert told == [
        ("pre_relation_add", "Post", "tags", ["one"], "-"),
        ("post_relation_add", "Post", "tags", ["one"], 1),
    ]


@pytest.mark.asyncio
async def test_end_whose_collection_has_the_change_tells_of_it(linked) -> None:
    number = await stored(linked, "one")
    told = recorded(linked, in_words=True)
    async with linked.database.session() as session:
        tag = await session.get(linked.Tag, ("s", "one"), options=[selectinload(linked.Tag.posts)])
        two = linked.Post(id=number + 1)
        session.add(two)
        await session.flush()
        session.expire(two)
        await session.refresh(two)
        tag.posts.add(two)  # whose own collection is not loaded
        await session.commit()
    assert told == [
        ("pre_relation_add", "Tag", "posts", [number + 1], "-"),
        ("post_relation_add", "Tag", "posts", [number + 1], 1),
    ]


@pytest.mark.asyncio
async def test_instances_of_one_class(linked) -> None:
    told = recorded(linked, in_words=True)
    async with linked.database.session() as session:
        ada, bob = linked.Person(id=1, name="Ada"), linked.Person(id=2, name="Bob")
        session.add_all([ada, bob])
        await session.flush()
        ada, bob = (
            await session.scalars(
                select(linked.Person)
                .order_by(linked.Person.id)
                .options(selectinload(linked.Person.friends), selectinload(linked.Person.friend_of))
                .execution_options(populate_existing=True)
            )
        ).all()
        ada.friends.append(bob)
        bob.friends.append(bob)
        await session.commit()
    assert told == [
        ("pre_relation_add", "Person", "friends", [2], "-"),
        ("pre_relation_add", "Person", "friends", [2], "-"),
        ("post_relation_add", "Person", "friends", [2], 1),
        ("post_relation_add", "Person", "friends", [2], 1),
    ]
    assert await linked.rows(linked.friends) == [(1, 2), (2, 2)]


@pytest.mark.parametrize("relation", ["read", "liked"])
@pytest.mark.asyncio
async def test_dynamic_and_write_only_collections(linked, relation) -> None:
    told = recorded(linked, in_words=True)
    async with linked.database.session(expire_on_commit=False) as session:
        one, two = linked.Post(id=1), linked.Post(id=2)
        ada = linked.Person(id=1)
        session.add_all([one, two, ada])
        getattr(ada, relation).add(one)
        await session.commit()
        getattr(ada, relation).add(two)
        getattr(ada, relation).remove(one)
        await session.commit()
    assert told == [
        ("pre_relation_add", "Person", relation, [1], "-"),
        ("post_relation_add", "Person", relation, [1], 1),
        ("pre_relation_remove", "Person", relation, [1], "-"),
        ("pre_relation_add", "Person", relation, [2], "-"),
        ("post_relation_remove", "Person", relation, [1], 1),
        ("post_relation_add", "Person", relation, [2], 1),
    ]
    assert await linked.rows(getattr(linked, relation)) == [(1, 2)]


@pytest.mark.parametrize("loaded", [True, False])
@pytest.mark.asyncio
async def test_deletion_of_a_side_tells_of_the_rows_that_go_with_it(linked, loaded) -> None:
    number = await stored(linked, "one", "two")
    told = recorded(linked, in_words=True)
    async with linked.database.session() as session:
        post = await session.get(linked.Post, number, options=[selectinload(linked.Post.tags)] * loaded)
        await session.delete(post)
        await session.commit()
    assert [(*first[:3], sorted(first[3]), first[4]) for first in told] == [
        ("pre_relation_remove", "Post", "tags", ["one", "two"], "-"),
        ("post_relation_remove", "Post", "tags", ["one", "two"], 2),
    ]
    assert await linked.rows(linked.post_tag) == []


@pytest.mark.asyncio
async def test_deletion_of_both_sides_is_told_once(linked) -> None:
    number = await stored(linked, "one", "two")
    told = recorded(linked, in_words=True)
    async with linked.database.session() as session:
        tag, post = await session.get(linked.Tag, ("s", "one")), await session.get(linked.Post, number)
        await session.delete(tag)
        await session.delete(post)
        await session.commit()
    pairs = [(each, count) for name, _, _, related, count in told for each in related if name.startswith("post")]
    assert sorted(pairs) == [("one", 2), ("two", 2)]


@pytest.mark.asyncio
async def test_passive_deletes_tells_of_nothing(linked) -> None:
    if linked.database.engine.dialect.name == "sqlite":
        pytest.skip("foreign keys are not enforced there")
    async with linked.database.session() as session:
        ada = linked.Person(id=1)
        ada.liked.add(linked.Post(id=1))
        session.add(ada)
        await session.commit()
        told = recorded(linked, in_words=True)
        await session.delete(ada)
        await session.commit()
    assert told == []
    assert await linked.rows(linked.liked) == []


@pytest.mark.asyncio
async def test_viewonly_tells_of_nothing(linked) -> None:
    number = await stored(linked, "one")
    told = recorded(linked, in_words=True)
    async with linked.database.session() as session:
        post = await session.get(linked.Post, number, options=[selectinload(linked.Post.seen_tags)])
        post.seen_tags.append(linked.Tag(space="s", word="two"))
        await session.commit()
    assert told == []


@pytest.mark.asyncio
async def test_skipped_change_is_taken_out_of_the_collections(linked) -> None:
    number = await stored(linked, "one", "two")
    ends = []

    def skip(sender):
        raise aldis.SkipOperation

    def note(sender, related, row_count, operation_skipped):
        ends.append(([each.word for each in related], row_count, operation_skipped))

    for kind in ("add", "remove"):
        linked.Post.meta.signals[f"pre_relation_{kind}"].connect(skip, linked.Post, weak=False)
        linked.Post.meta.signals[f"post_relation_{kind}"].connect(note, linked.Post, weak=False)
    async with linked.database.session(expire_on_commit=False) as session:
        post = await session.get(linked.Post, number, options=[selectinload(linked.Post.tags)])
        (three,) = tags_of(linked, "three")
        post.tags.remove(next(tag for tag in post.tags if tag.word == "one"))
        post.tags.append(three)
        await session.commit()
        assert ends == [(["one"], 0, True), (["three"], 0, True)]
        assert {tag.word for tag in post.tags} == {"one", "two"}
        assert three.posts == set()
        await session.commit()
    assert [row[2] for row in await linked.rows(linked.post_tag)] == ["one", "two"]
    assert len(ends) == 2


@pytest.mark.asyncio
async def test_skipped_change_of_a_write_only_collection(linked) -> None:
    async with linked.database.session() as session:
        ada = linked.Person(id=1)
        posts = [linked.Post(id=number) for number in (1, 2)]
        session.add_all([ada, *posts])
        ada.liked.add(posts[0])
        await session.commit()

        def skip(sender):
            raise aldis.SkipOperation

        linked.Person.meta.signals.pre_relation_add.connect(skip, linked.Person)
        linked.Person.meta.signals.pre_relation_remove.connect(skip, linked.Person)
        ada.liked.add(posts[1])
        ada.liked.remove(posts[0])
        await session.commit()
    assert await linked.rows(linked.liked) == [(1, 1)]


@pytest.mark.asyncio
async def test_skipped_row_keeps_its_relations(linked) -> None:
    async with linked.database.session(expire_on_commit=False) as session:
        ada, post, other = linked.Person(id=1, name="Ada"), linked.Post(id=1), linked.Post(id=2, tags=[])
        session.add_all([ada, post, other])
        await session.commit()
        told = recorded(linked, in_words=True)

        def skip(sender):
            raise aldis.SkipOperation

        for model in (linked.Person, linked.Post):
            model.meta.signals.pre_save.connect(skip, model)
        ada.name = "Eva"
        ada.liked.add(post)
        other.title = "new"
        (tag,) = tags_of(linked, "one")
        other.tags.append(tag)
        await session.commit()
        assert (ada.name, other.title, other.tags, tag.posts) == ("Ada", "", [], set())
    assert told == []
    assert await linked.rows(linked.liked) == []
    assert await linked.rows(linked.post_tag) == []


@pytest.mark.asyncio
async def test_deletion_cannot_be_skipped_by_halves(linked) -> None:
    number = await stored(linked, "one")

    def skip(sender):
        raise aldis.SkipOperation

    linked.Post.meta.signals.pre_relation_remove.connect(skip, linked.Post)
    async with linked.database.session() as session:
        await session.delete(await session.get(linked.Post, number))
        with pytest.raises(aldis.ConfigurationError, match="Raise SkipOperation in a receiver of its own pre_delete"):
            await session.commit()
    assert len(await linked.rows(linked.post_tag)) == 1


@pytest.mark.asyncio
async def test_what_receivers_change_is_told_too(linked) -> None:
    number = await stored(linked, "one")
    told = recorded(linked, in_words=True)

    @linked.Post.meta.signals.pre_relation_add.connect_via(linked.Post)
    def receiver(sender, instance, related):
        if any(each.word == "two" for each in related):
            instance.tags.remove(related[0])
            instance.tags.append(linked.Tag(space="s", word="three"))

    async with linked.database.session() as session:
        post = await session.get(linked.Post, number, options=[selectinload(linked.Post.tags)])
        post.tags.append(linked.Tag(space="s", word="two"))
        await session.commit()
    assert told == [
        ("pre_relation_add", "Post", "tags", ["two"], "-"),
        ("pre_relation_add", "Post", "tags", ["three"], "-"),
        ("post_relation_add", "Post", "tags", [], 0),
        ("post_relation_add", "Post", "tags", ["three"], 1),
    ]


@pytest.mark.asyncio
async def test_receiver_that_raises_fails_the_flush(linked) -> None:
    def fail(sender):
        raise ValueError("no")

    linked.Post.meta.signals.post_relation_add.connect(fail, linked.Post)
    async with linked.database.session() as session:
        session.add(linked.Post(tags=tags_of(linked, "one")))
        with pytest.raises(ValueError, match="no"):
            await session.commit()
    assert await linked.rows(linked.post_tag) == []


@pytest.mark.asyncio
async def test_save_and_delete_without_a_session(linked) -> None:
    told = recorded(linked, in_words=True)
    post = await linked.Post.query.create(id=3, tags=tags_of(linked, "one"))
    post = await linked.Post.query.options(selectinload(linked.Post.tags)).get(id=3)
    post.tags.append(*tags_of(linked, "two"))
    await post.save()
    await post.delete()
    assert told == [
        ("pre_relation_add", "Post", "tags", ["one"], "-"),
        ("post_relation_add", "Post", "tags", ["one"], 1),
        ("pre_relation_add", "Post", "tags", ["two"], "-"),
        ("post_relation_add", "Post", "tags", ["two"], 1),
        ("pre_relation_remove", "Post", "tags", ["one", "two"], "-"),
        ("post_relation_remove", "Post", "tags", ["one", "two"], 2),
    ]
    assert await linked.rows(linked.post_tag) == []


@pytest.mark.asyncio
async def test_write_only_collection_without_a_session(linked) -> None:
    told = recorded(linked, in_words=True)
    post = await linked.Post.query.create(id=1)
    await linked.Person.query.create(id=1)
    ada = await linked.Person.query.get(id=1)
    ada.liked.add(post)
    await ada.save()
    assert told == [
        ("pre_relation_add", "Person", "liked", [1], "-"),
        ("post_relation_add", "Person", "liked", [1], 1),
    ]


@pytest.mark.asyncio
async def test_after_commit_and_receivers_queries(linked) -> None:
    seen = []

    @linked.Post.meta.signals.post_relation_add.connect_via(linked.Post)
    async def count(sender, instance):
        seen.append(await instance.relation("tags").query.count())

    @linked.Post.meta.signals.post_relation_add.connect_via(linked.Post, after_commit=True)
    async def notify(sender, related):
        seen.append([tag.word for tag in related])

    @linked.Post.meta.signals.post_relation_add.connect_via(linked.Post, after_commit=True, batched=True)
    async def notify_at_once(sender, batch):
        seen.append([[tag.word for tag in related] for related in batch.column("related")])

    async with linked.database.session() as session:  # which expires its instances at the commit
        session.add(linked.Post(tags=tags_of(linked, "one", "two")))
        await session.flush()
        assert seen == [2]
        await session.commit()
    assert seen == [2, ["one", "two"], [["one", "two"]]]


@pytest.mark.parametrize("plain", [True, False])
def test_plain_session(plain, tmp_path) -> None:
    linked = models(plain=plain)
    told = recorded(linked, in_words=True)
    engine = create_engine(f"sqlite:///{tmp_path}/test.db")
    linked.Base.metadata.create_all(engine)
    with Session(engine) as session:
        post = linked.Post(id=1, tags=tags_of(linked, "one", "two"))
        session.add(post)
        session.commit()
        post.tags.pop()
        session.commit()
        session.delete(post)
        session.commit()
    engine.dispose()
    assert told == [
        ("pre_relation_add", "Post", "tags", ["one", "two"], "-"),
        ("post_relation_add", "Post", "tags", ["one", "two"], 2),
        ("pre_relation_remove", "Post", "tags", ["two"], "-"),
        ("post_relation_remove", "Post", "tags", ["two"], 1),
        ("pre_relation_remove", "Post", "tags", ["one"], "-"),
        ("post_relation_remove", "Post", "tags", ["one"], 1),
    ]


@pytest.mark.skipif(sys.gettrace() is not None, reason="something else is looking at each call")
def test_nothing_is_computed_where_nobody_listens_to_relations(monkeypatch, tmp_path) -> None:
    connected = set()
    monkeypatch.setattr(of_relations, "CONNECTED", connected)
    monkeypatch.setattr(flush, "CONNECTED", connected)
    linked = models(plain=True)
    saved = []
    post_save.connect(lambda sender: saved.append(sender.__name__), linked.Post, weak=False)
    files, calls = {links.__file__, many_to_many.__file__, of_relations.__file__}, []

    def note(frame, event, arg):
        if event == "call" and frame.f_code.co_filename in files:
            calls.append(frame.f_code.co_name)

    engine = create_engine(f"sqlite:///{tmp_path}/test.db")
    linked.Base.metadata.create_all(engine)

    def change(session):
        post = linked.Post(id=1, tags=[linked.Tag(space="s", word="one")])
        session.add(post)
        session.flush()
        post.tags.clear()
        session.flush()
        session.delete(post)
        session.flush()
        session.rollback()

    with Session(engine) as session:
        change(session)  # the class is read when it is first flushed
        sys.setprofile(note)
        try:
            change(session)
        finally:
            sys.setprofile(None)
    engine.dispose()
    assert saved == ["Post", "Post"]
    assert calls == []
