"""A queryset finds, updates and deletes rows, with its signals; on every database."""

from __future__ import annotations

import asyncio
import copy
from datetime import datetime

import pytest
import pytest_asyncio
from sqlalchemy import ForeignKey, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, relationship, selectinload

import aldis

NAMES = ("Ada", "Bob", "Eve", "Fay")


@pytest_asyncio.fixture
async def users(models):
    """Return four stored users, by name."""
    found = await models.User.query.bulk_create([{"name": name, "is_verified": name < "C"} for name in NAMES])
    return {user.name: user for user in found}


def names(found) -> list[str]:
    return [user.name for user in found]


async def test_queries_are_lazy_and_leave_the_one_they_come_from_alone(models, users) -> None:
    User = models.User
    everybody = User.query
    verified = everybody.filter(User.is_verified.is_(True))
    assert sorted(names(await everybody.all())) == list(NAMES)
    assert sorted(names(await verified.all())) == ["Ada", "Bob"]
    assert names(await verified.filter(User.name != "Ada").all()) == ["Bob"]
    assert names(await everybody.filter(User.name > "B", is_verified=False).order_by("name").all()) == ["Eve", "Fay"]
    assert names(await everybody.exclude(is_verified=True).order_by("-name").all()) == ["Fay", "Eve"]
    assert names(await everybody.exclude().order_by(User.name.desc()).limit(2).offset(1).all()) == ["Eve", "Bob"]


async def test_found_instances_are_detached_and_can_be_saved(models, users) -> None:
    user = await models.User.query.get(name="Ada")
    assert (inspect(user).detached, inspect(user).modified, user.mail) == (True, False, "Ada@example.org")
    user.is_verified = False
    await user.save()
    assert not (await models.User.query.get(name="Ada")).is_verified


async def test_awaited_query_returns_all_instances(models, users) -> None:
    assert names(await models.User.query.filter(is_verified=False).order_by("name")) == ["Eve", "Fay"]


async def test_pk_stands_for_the_primary_key(models, users) -> None:
    User, bob = models.User, users["Bob"]
    assert (await User.query.get(pk=bob.id)).name == "Bob"
    assert sorted(names(await User.query.exclude(pk=bob.id))) == ["Ada", "Eve", "Fay"]
    tag = await models.Tag.query.create(space="a", word="b")
    assert (await models.Tag.query.get(pk=("a", "b"))).used == tag.used
    with pytest.raises(TypeError, match="pk is 'a', and Tag's primary key is space, word: give a tuple of these"):
        models.Tag.query.filter(pk="a")


def test_attribute_of_the_model_is_not_the_querysets(models) -> None:
    with pytest.raises(AttributeError) as caught:
        models.User.query.mail  # noqa: B018
    assert str(caught.value) == (
        "a QuerySet has no attribute 'mail', and User has: in a receiver, `instance` is what the call was made on, "
        "here the QuerySet. Take `model_instance`."
    )
    with pytest.raises(AttributeError, match="'QuerySet' object has no attribute 'nothing'"):
        models.User.query.nothing  # noqa: B018
    assert repr(copy.copy(models.User.query)) == "<QuerySet of User>"


async def test_one_row(models, users) -> None:
    query = models.User.query
    assert (await query.get(models.User.name == "Bob")).id == users["Bob"].id
    assert await query.get_or_none(name="nobody") is None
    assert (await query.order_by("name").first()).name == "Ada"
    assert await query.filter(name="nobody").first() is None
    assert await query.limit(0).first() is None
    with pytest.raises(aldis.ObjectNotFound, match=r"no User meets name='nobody'\."):
        await query.get(name="nobody")
    with pytest.raises(aldis.MultipleObjectsReturned, match=r"more than one User meets is_verified=True: narrow it"):
        await query.get(is_verified=True)


async def test_numbers_and_values(models, users) -> None:
    query = models.User.query.filter(is_verified=True)
    assert await query.count() == 2
    assert await query.order_by("name").limit(1).count() == 1
    assert await query.exists()
    assert not await query.filter(name="nobody").exists()
    assert await query.order_by("name").values("name", "is_verified") == [
        {"name": "Ada", "is_verified": True},
        {"name": "Bob", "is_verified": True},
    ]
    assert set((await query.values())[0]) == {"id", "name", "mail", "is_verified", "created"}


async def test_iteration_streams(models, users) -> None:
    seen = []
    async for user in models.User.query.order_by("name"):
        assert inspect(user).detached
        seen.append(user.name)
        if len(seen) == 3:
            break
    assert seen == ["Ada", "Bob", "Eve"]
    await asyncio.sleep(0)


async def test_there_and_back_to_sqlalchemy(models, users) -> None:
    statement = models.User.query.filter(is_verified=True).select.where(models.User.name == "Bob")
    assert names(await aldis.QuerySet.from_select(statement).all()) == ["Bob"]
    async with AsyncSession(models.database.engine) as session:
        assert names(await session.scalars(statement)) == ["Bob"]
    for other in (select(models.User.name), select(models.User, models.Log), select(func.count())):
        with pytest.raises(TypeError, match="it has to select one mapped class"):
            aldis.QuerySet.from_select(other)


async def test_loader_options(models, users) -> None:
    class Post(models.Base):
        __tablename__ = "post"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]
        author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
        author = relationship(models.User)

    async with models.database.engine.begin() as connection:
        await connection.run_sync(Post.__table__.create)
    await Post.query.create(title="one", author_id=users["Ada"].id)
    post = await Post.query.options(selectinload(Post.author)).get(title="one")
    assert post.author.name == "Ada"
    assert await Post.query.filter(author=users["Ada"]).exists()


async def test_reading_sees_the_open_transaction(models, users) -> None:
    async with models.database.transaction() as connection:
        await models.User.query.create(name="new")
        assert await models.User.query.count() == 5
        assert await models.User.query.using(connection).count() == 5
        await connection.rollback()
    assert await models.User.query.count() == 4


async def test_update_of_many_tells_once_and_writes_what_receivers_leave(models, users) -> None:
    calls = []
    signals = models.Base.meta.signals

    async def before(sender, **kwargs):
        calls.append({**kwargs, "column_values": dict(kwargs["column_values"])})
        kwargs["column_values"]["email_address"] = "changed"

    async def after(sender, **kwargs):
        calls.append(kwargs)

    signals.pre_update.connect(before, models.User)
    signals.post_update.connect(after, models.User)
    query = models.User.query.filter(is_verified=False)
    assert await query.update(mail="new", is_verified=True) == 2
    told = {
        "instance": query,
        "model_instance": None,
        "values": {"mail": "new", "is_verified": True},
        "is_update": True,
        "is_migration": False,
    }
    assert calls == [
        {**told, "column_values": {"email_address": "new", "is_verified": True}},
        {
            **told,
            "column_values": {"email_address": "changed", "is_verified": True},
            "row_count": 2,
            "operation_skipped": False,
        },
    ]
    assert await models.User.query.filter(mail="changed", is_verified=True).count() == 2


async def test_update_takes_sql_and_respects_a_limit(models, users) -> None:
    User = models.User
    assert await User.query.order_by("-name").limit(1).update(name=User.name + "!") == 1
    assert [row["name"] for row in await models.stored()] == ["Ada", "Bob", "Eve", "Fay!"]
    assert await models.Tag.query.update(used=1) == 0
    await models.Tag.query.bulk_create([{"space": "a", "word": word} for word in "xyz"])
    assert await models.Tag.query.order_by("word").limit(2).update(used=5) == 2
    assert [row["used"] for row in await models.stored(models.Tag)] == [5, 5, 0]


async def test_delete_of_many_is_narrowed_by_injected_filters(models, users) -> None:
    calls = []
    signals = models.Base.meta.signals

    @signals.pre_delete.connect_via(models.User)
    async def protect(sender, instance, model_instance, injected_filters):
        calls.append((instance, model_instance))
        injected_filters.append(models.User.name != "Eve")
        injected_filters.append({"is_verified": False})

    @signals.post_delete.connect_via(models.User)
    async def after(sender, **kwargs):
        calls.append(kwargs)

    query = models.User.query.filter(models.User.name != "Ada")
    assert await query.delete() == 1
    assert calls == [
        (query, None),
        {"instance": query, "model_instance": None, "row_count": 1, "operation_skipped": False},
    ]
    assert [row["name"] for row in await models.stored()] == ["Ada", "Bob", "Eve"]


async def test_delete_respects_a_limit(models, users) -> None:
    assert await models.User.query.order_by("name").limit(3).delete() == 3
    assert [row["name"] for row in await models.stored()] == ["Fay"]
    assert await models.User.query.delete() == 1


async def test_receiver_that_raises_undoes_update_and_delete(models, users) -> None:
    signals = models.Base.meta.signals

    async def failing(sender, **kwargs):
        raise ValueError("no")

    with signals.post_update.connected_to(failing, models.User), signals.post_delete.connected_to(failing, models.User):
        with pytest.raises(ValueError, match="no"):
            await models.User.query.update(mail="x")
        with pytest.raises(ValueError, match="no"):
            await models.User.query.delete()
        with pytest.raises(ValueError, match="no"):
            await users["Ada"].update(name="x")
    assert [(row["name"], row["email_address"]) for row in await models.stored()] == [
        (name, f"{name}@example.org") for name in NAMES
    ]
    assert (users["Ada"].name, inspect(users["Ada"]).modified) == ("Ada", False)


async def test_skipped_update_and_delete(models, users) -> None:
    signals, told = models.Base.meta.signals, []

    async def skip(sender):
        raise aldis.SkipOperation

    async def after(sender, row_count, operation_skipped):
        told.append((row_count, operation_skipped))

    for name in ("update", "delete"):
        signals[f"pre_{name}"].connect(skip, models.User)
        signals[f"post_{name}"].connect(after, models.User)
    assert (await models.User.query.update(mail="x"), await models.User.query.delete()) == (0, 0)
    assert await users["Ada"].update(name="x") is None
    assert told == [(0, True)] * 3
    assert [row["name"] for row in await models.stored()] == list(NAMES)


async def test_update_of_one_writes_the_named_attributes_alone(models, users) -> None:
    calls = []

    async def receiver(sender, instance, model_instance, values, column_values, is_update):
        calls.append((instance, model_instance, values, dict(column_values), is_update))

    models.Base.meta.signals.pre_update.connect(receiver, models.User)
    ada = users["Ada"]
    ada.mail = "pending"
    assert await ada.update(name="Ada L.") is ada
    assert calls == [(ada, ada, {"name": "Ada L."}, {"name": "Ada L."}, True)]
    row = (await models.stored())[0]
    assert (row["name"], row["email_address"]) == ("Ada L.", "Ada@example.org")
    history = inspect(ada).attrs.mail.history
    assert (list(history.added), list(history.deleted)) == (["pending"], ["Ada@example.org"])
    await ada.save()
    assert (await models.stored())[0]["email_address"] == "pending"


async def test_update_of_one_with_the_value_that_it_has_writes_nothing_as_a_flush_does(models, users) -> None:
    told = []

    async def after(sender, column_values, row_count):
        told.append((column_values, row_count))

    models.Base.meta.signals.post_update.connect(after, models.User)
    await users["Ada"].update(name="Ada")
    assert told == [({}, 0)]


async def test_load_reads_the_row_again(models, users) -> None:
    ada = users["Ada"]
    await models.User.query.filter(name="Ada").update(mail="new")
    ada.name = "lost"
    assert await ada.load() is ada
    assert (ada.name, ada.mail, inspect(ada).modified) == ("Ada", "new", False)
    await models.User.query.delete()
    with pytest.raises(aldis.ObjectNotFound, match="cannot be loaded: its row is gone"):
        await ada.load()
    with pytest.raises(aldis.ObjectNotFound, match="cannot be updated: its row is gone"):
        await ada.update(name="x")


async def test_get_or_create_and_update_or_create(models, users) -> None:
    query = models.User.query
    ada, created = await query.get_or_create(name="Ada", defaults={"mail": "unused"})
    assert (ada.id, ada.mail, created) == (users["Ada"].id, "Ada@example.org", False)
    zoe, created = await query.get_or_create(name="Zoe", defaults={"mail": "z"})
    assert (zoe.mail, created) == ("z", True)
    zoe, created = await query.update_or_create(name="Zoe", defaults={"mail": "y"})
    assert (zoe.mail, created) == ("y", False)
    yan, created = await query.update_or_create(name="Yan", defaults={"mail": "n"})
    assert (yan.mail, created) == ("n", True)
    assert [row["email_address"] for row in await models.stored()][-2:] == ["y", "n"]
    async with models.database.engine.begin() as connection:
        for mail in ("first", "second"):
            xue, created = await query.using(connection).update_or_create(name="Xue", defaults={"mail": mail})
            assert (xue.mail, created) == (mail, mail == "first")
    assert (await models.stored())[-1]["email_address"] == "second"


@pytest.mark.parametrize("inside", [False, True])
async def test_get_or_create_returns_what_somebody_else_created_meanwhile(models, inside) -> None:
    if models.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite lets nobody else write meanwhile")
    User = models.User

    @models.Base.meta.signals.pre_save.connect_via(User)
    async def meanwhile(sender, values):
        async with models.database.engine.begin() as theirs:
            row = {"name": "Ada", "email_address": "theirs", "is_verified": False, "created": datetime(2026, 1, 1)}  # noqa: DTZ001
            await theirs.execute(User.__table__.insert(), row)

    async def ask():
        return await User.query.get_or_create(name="Ada")

    if inside:
        async with models.database.transaction():
            ada, created = await ask()
    else:
        ada, created = await ask()
    assert (ada.mail, created) == ("theirs", False)
    assert len(await models.stored()) == 1


async def test_receivers_of_a_save_on_a_given_connection_are_in_its_transaction(models) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def log(sender, model_instance):
        await models.Log.query.create(text="saved", user_id=model_instance.id)

    async with models.database.engine.connect() as connection:
        transaction = await connection.begin()
        await models.User(name="Ada").save(using=connection)
        await transaction.rollback()
    assert (await models.stored(), await models.stored(models.Log)) == ([], [])


@pytest.mark.parametrize(
    "ask", [lambda query, name: query.order_by(f"-{name}"), lambda query, name: query.values(name)]
)
async def test_relationship_is_no_value_of_a_row(models, ask) -> None:
    """SQLAlchemy would take all pairs of rows of both tables."""

    class Post(models.Base):
        __tablename__ = "post_of_somebody"
        id: Mapped[int] = mapped_column(primary_key=True)
        user_id: Mapped[int] = mapped_column(ForeignKey(models.User.id))
        user = relationship(models.User, backref="posts")

    for query, name, advice in (
        (Post.query, "user", r"name user_id, or load it with options\(selectinload\(Post.user\)\)"),
        (models.User.query, "posts", r"load it with options\(selectinload\(User.posts\)\)"),
    ):
        with pytest.raises(aldis.UnknownAttributeError, match=f"'{name}' is a relationship of .*: {advice}"):
            found = ask(query, name)
            if asyncio.iscoroutine(found):
                await found


async def test_bad_input_names_the_attribute(models, users) -> None:
    query = models.User.query
    for ask in (
        lambda: query.filter(nam="Ada"),
        lambda: query.order_by("-nam"),
        lambda: query.values("nam"),
        lambda: query.update(nam="Ada"),
        lambda: query.get(nam="Ada"),
        lambda: users["Ada"].update(nam="Ada"),
    ):
        with pytest.raises(aldis.UnknownAttributeError, match=r"'nam' is no attribute of User. Did you mean 'name'\?"):
            found = ask()
            if asyncio.iscoroutine(found):
                await found
    with pytest.raises(TypeError, match="was given nothing to write"):
        await query.update()
    with pytest.raises(aldis.NotSavedError, match="cannot be updated: it has not been saved"):
        await models.User(name="x").update(name="y")
    with pytest.raises(aldis.NotSavedError, match="cannot be loaded: it has not been saved"):
        await models.User(name="x").load()

    async def inject(sender, injected_filters):
        injected_filters.append("name = 'Ada'")

    with models.Base.meta.signals.pre_delete.connected_to(inject, models.User):
        with pytest.raises(TypeError, match="was injected as a filter: add a SQLAlchemy expression"):
            await query.delete()
    assert len(await models.stored()) == 4
