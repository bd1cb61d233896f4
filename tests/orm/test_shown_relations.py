"""Collections that were loaded before ``instance.relation(name)`` writes: they show what is linked afterwards."""

from __future__ import annotations

import pytest
import pytest_asyncio
from linked import linked_on
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

import aldis

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def models(url):
    """Return linked models, whose tables are empty."""
    async with linked_on(url) as found:
        yield found


@pytest_asyncio.fixture
async def tags(models):
    return [await models.Tag.query.create(space="s", word=word) for word in "abcd"]


async def post_with(models, tags):
    """Return a post whose collection is loaded, and the same row as another part of the program has it."""
    post = await models.Post.query.create()
    await post.relation("tags").add(*tags)
    loaded = await models.Post.query.options(selectinload(models.Post.tags)).get(id=post.id)
    return loaded, post


async def linked_words(models) -> str:
    return "".join(sorted(row[2] for row in await models.rows(models.post_tag)))


def words_of(post) -> str:
    return "".join(tag.word for tag in post.tags)


@pytest.mark.parametrize("elsewhere", ["clear", "set"])
async def test_set_shows_no_more_what_was_unlinked_elsewhere(models, tags, elsewhere) -> None:
    a, b, c, d = tags
    loaded, post = await post_with(models, [a, b])
    await (post.relation("tags").clear() if elsewhere == "clear" else post.relation("tags").set([d]))
    await loaded.relation("tags").set([c])
    assert words_of(loaded) == await linked_words(models) == "c"
    loaded.tags.remove(loaded.tags[0])
    await loaded.save()
    assert await linked_words(models) == ""


async def test_set_shows_what_was_linked_elsewhere(models, tags) -> None:
    a, b, *_ = tags
    loaded, post = await post_with(models, [a])
    await post.relation("tags").add(b)
    await loaded.relation("tags").set([b])
    assert words_of(loaded) == await linked_words(models) == "b"


async def test_set_leaves_what_is_not_saved_waiting(models, tags) -> None:
    a, b, *_ = tags
    loaded, _ = await post_with(models, [a])
    loaded.tags.append(models.Tag(space="s", word="x"))
    loaded.tags.remove(loaded.tags[0])
    await loaded.relation("tags").set([b])
    assert words_of(loaded) == "xb"
    await loaded.save()
    assert await linked_words(models) == "bx"


async def test_clear_leaves_nothing_to_write(models, tags) -> None:
    loaded, _ = await post_with(models, tags[:2])
    loaded.tags.remove(loaded.tags[0])
    await loaded.relation("tags").clear()
    assert not inspect(loaded).attrs.tags.history.has_changes()
    await loaded.save()
    assert words_of(loaded) == await linked_words(models) == ""


async def test_skipped_removal_stays_shown(models, tags) -> None:
    @models.Base.meta.signals.pre_relation_remove.connect_via(models.Post)
    def skip(sender):
        raise aldis.SkipOperation

    loaded, _ = await post_with(models, tags[:2])
    await loaded.relation("tags").set(tags[2:3])
    assert words_of(loaded) == await linked_words(models) == "abc"


@pytest.mark.parametrize("call", ["remove", "set", "clear"])
async def test_rolled_back_removal_keeps_the_order(models, tags, call) -> None:
    loaded, _ = await post_with(models, tags)
    loaded.tags.sort(key=lambda tag: "cadb".index(tag.word))
    relation = loaded.relation("tags")
    with pytest.raises(LookupError):
        async with models.database.transaction():
            await {"remove": lambda: relation.remove(*tags[:2]), "set": lambda: relation.set(tags[1:2])}.get(
                call, relation.clear
            )()
            raise LookupError
    assert words_of(loaded) == "cadb"
    assert await linked_words(models) == "abcd"


def appended(tags, tag):
    tags.append(tag)
    return tags


CHANGES = {
    "append": appended,
    "remove": lambda tags, tag: [tags.remove(tags[0]), tags][1],
    "replace": lambda tags, tag: [tag],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("write", ["save", "bulk_update"])
@pytest.mark.parametrize("fails", ["pre_", "post_", "the block"])
async def test_collection_that_a_receiver_changes_is_put_back(models, tags, fails, write, change) -> None:
    a, b, c, d = tags
    loaded, _ = await post_with(models, [a, b])
    kept = [*loaded.tags]
    signals = models.Post.meta.signals
    kind = "save" if write == "save" else "update"
    changing = [True]

    def change_tags(sender, model_instance):
        if changing:
            model_instance.tags = CHANGES[change](model_instance.tags, c)

    def refuse(sender):
        if changing:
            raise LookupError

    signals[f"pre_{kind}"].connect(change_tags, models.Post)
    if fails != "the block":
        signals[f"{fails}{kind}"].connect(refuse, models.Post)
    with pytest.raises(LookupError):
        async with models.database.transaction():
            await (loaded.save() if write == "save" else models.Post.query.bulk_update([loaded]))
            raise LookupError
    changing.clear()
    assert loaded.tags == kept
    loaded.tags.append(d)
    await loaded.save()
    assert words_of(loaded) == await linked_words(models) == "abd"


@pytest.mark.parametrize("fails", ["pre_save", "post_save"])
@pytest.mark.parametrize("write", ["save", "bulk_create"])
async def test_collection_of_a_new_instance_that_a_receiver_changes_is_put_back(models, tags, write, fails) -> None:
    a, b, c, _ = tags
    post, other = models.Post(tags=[a]), models.Post(tags=[b])
    signals = models.Post.meta.signals
    changing = [True]

    def append(sender, model_instance):
        if changing:
            model_instance.tags.append(c)

    def refuse(sender, model_instance):
        if changing and model_instance is post:
            raise LookupError

    signals.pre_save.connect(append, models.Post)
    signals[fails].connect(refuse, models.Post)
    with pytest.raises(LookupError):
        await (post.save() if write == "save" else models.Post.query.bulk_create([other, post]))
    changing.clear()
    assert (post.tags, other.tags) == ([a], [b])
    await post.save()
    assert words_of(post) == await linked_words(models) == "a"


WAITING = {
    "append": lambda post, tag: post.tags.append(tag),
    "append at the other end": lambda post, tag: tag.posts.add(post),
    "remove": lambda post, tag: post.tags.remove(tag),
}


@pytest.mark.parametrize("call", ["add", "set", "remove", "clear"])
@pytest.mark.parametrize(
    ("waits", "is_loaded"), [*((each, True) for each in WAITING), ("append at the other end", False)]
)
async def test_change_that_waits_does_so_after_a_rolled_back_call(models, tags, waits, is_loaded, call) -> None:
    post = await models.Post.query.create()
    await post.relation("tags").add(tags[0])
    post = await models.Post.query.options(*[selectinload(models.Post.tags)][: int(is_loaded)]).get(id=post.id)
    tag = await models.Tag.query.options(selectinload(models.Tag.posts)).get(space="s", word="b")
    if waits == "remove":
        (tag,) = post.tags
    WAITING[waits](post, tag)
    relation = post.relation("tags")
    with pytest.raises((LookupError, IntegrityError)):  # a removed one is stored still: it cannot be added
        async with models.database.transaction():
            await {"add": relation.add, "remove": relation.remove, "set": lambda tag: relation.set([tag])}.get(
                call, lambda _: relation.clear()
            )(tag)
            raise LookupError
    await (post if is_loaded else tag).save()
    assert await linked_words(models) == ("" if waits == "remove" else "ab")


@pytest.mark.parametrize("call", ["remove", "set", "clear"])
@pytest.mark.parametrize("end", ["post", "tag"])
async def test_addition_that_waits_is_taken_out_by_a_call(models, tags, end, call) -> None:
    """The collection at one end is loaded; at the other the addition waits for its loading."""
    post = await models.Post.query.options(selectinload(models.Post.tags)).get(id=(await models.Post.query.create()).id)
    tag = tags[0]
    post.tags.append(tag)
    relation, other = (post.relation("tags"), tag) if end == "post" else (tag.relation("posts"), post)
    await {"remove": lambda: relation.remove(other), "set": lambda: relation.set([])}.get(call, relation.clear)()
    if end == "tag" and call != "remove":  # nobody knows which posts these were
        post.tags.clear()
    assert post.tags == []
    async with AsyncSession(models.database.engine, expire_on_commit=False) as session:
        session.add_all([post, tag])
        await session.commit()
    assert await linked_words(models) == ""


async def test_removal_that_waits_is_taken_out_by_a_call(models, tags) -> None:
    post, _ = await post_with(models, tags[:1])
    (tag,) = post.tags
    post.tags.remove(tag)
    await post.relation("tags").add(tag, ignore_conflicts=True)
    assert post.tags == [tag]
    async with AsyncSession(models.database.engine, expire_on_commit=False) as session:
        session.add_all([post, tag])
        await session.commit()
    assert await linked_words(models) == "a"


async def test_each_call_of_a_long_transaction_is_taken_back(models, tags) -> None:
    """A transaction keeps the first condition alone of an instance that is saved often; of a collection each change."""
    a, b, *_ = tags
    post, _ = await post_with(models, [a])
    with pytest.raises(LookupError):
        async with models.database.transaction():
            await post.relation("tags").add(b)
            await post.relation("tags").remove(a)
            await models.Tag.query.bulk_create([models.Tag(space="t", word=str(number)) for number in range(1100)])
            held = [await models.Post.query.create() for _ in range(3)]
            raise LookupError
    assert held
    assert words_of(post) == await linked_words(models) == "a"
