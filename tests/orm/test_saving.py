"""One instance: what save, create and delete write, what their signals say, and what a failure leaves behind."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import delete, inspect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.context import CURRENT_INSTANCE, CURRENT_MODEL_INSTANCE, EXPLICIT_SPECIFIED_VALUES


def record(models, *names, model=None):
    """Record what the named signals send."""
    calls = []
    for name in names:

        async def receiver(sender, name=name, **kwargs):
            snapshot = {key: dict(value) if isinstance(value, dict) else value for key, value in kwargs.items()}
            calls.append((name, sender, snapshot))

        models.Base.meta.signals[name].connect(receiver, model or models.User, weak=False)
    return calls


async def test_create_inserts_and_tells(models) -> None:
    calls = record(models, "pre_save", "post_save")
    query = models.User.query
    user = await query.create(name="Ada")
    assert (user.id, user.name, user.mail, user.is_verified) == (1, "Ada", "Ada@example.org", False)
    assert await models.stored() == [
        {
            "id": 1,
            "name": "Ada",
            "email_address": "Ada@example.org",
            "is_verified": False,
            "created": user.created,
        }
    ]
    before = {"name": "Ada", "email_address": "Ada@example.org", "is_verified": False, "created": user.created}
    common = {
        "instance": query,
        "model_instance": user,
        "values": {"name": "Ada"},
        "is_update": False,
        "is_migration": False,
    }
    assert calls == [
        ("pre_save", models.User, {**common, "column_values": before}),
        (
            "post_save",
            models.User,
            {**common, "column_values": {**before, "id": 1}, "row_count": 1, "operation_skipped": False},
        ),
    ]


async def test_saved_instance_is_detached_and_clean(models) -> None:
    user = models.User(name="Ada")
    assert await user.save() is user
    state = inspect(user)
    assert (state.detached, state.modified, state.identity) == (True, False, (1,))
    async with AsyncSession(models.database.engine) as session:
        session.add(user)
        user.name = "Ada L."
        await session.commit()
    assert (await models.stored())[0]["name"] == "Ada L."


async def test_save_of_a_stored_instance_updates_what_changed(models) -> None:
    user = await models.User.query.create(name="Ada")
    calls = record(models, "pre_save", "post_save")
    user.name = "Ada L."
    await user.save(values={"is_verified": True})
    assert [(name, kwargs["is_update"], kwargs["values"], kwargs["column_values"]) for name, _, kwargs in calls] == [
        ("pre_save", True, {"is_verified": True}, {"name": "Ada L.", "is_verified": True}),
        ("post_save", True, {"is_verified": True}, {"name": "Ada L.", "is_verified": True}),
    ]
    assert calls[0][2]["instance"] is user
    assert (await models.stored())[0]["name"] == "Ada L."
    assert not inspect(user).modified


async def test_onupdate_and_natural_keys(models) -> None:
    tag = await models.Tag.query.create(space="a", word="b")
    assert (tag.used, inspect(tag).identity) == (0, ("a", "b"))
    tag.word = "c"
    await tag.save()
    assert (tag.used, inspect(tag).identity) == (99, ("a", "c"))
    assert await models.stored(models.Tag) == [{"space": "a", "word": "c", "used": 99}]


async def test_server_default_is_on_the_instance(models) -> None:
    calls = record(models, "post_save", model=models.Log)
    log = await models.Log.query.create(text="hello")
    assert log.at is not None
    assert calls[0][2]["column_values"]["at"] == log.at


async def test_save_that_changes_nothing_writes_nothing(models) -> None:
    user = await models.User.query.create(name="Ada")
    calls = record(models, "pre_save", "post_save")
    await user.save()
    assert [(kwargs["column_values"], kwargs.get("row_count")) for _, _, kwargs in calls] == [({}, None), ({}, 0)]


async def test_receiver_changes_what_is_written(models) -> None:
    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def clean(sender, column_values):
        if "name" in column_values:
            column_values["name"] = column_values["name"].strip().title()

    user = await models.User.query.create(name="  ada ")
    assert user.name == "Ada"
    user.name = " bob "
    await user.save()
    assert user.name == "Bob"
    assert [row["name"] for row in await models.stored()] == ["Bob"]


async def test_receiver_that_raises_undoes_the_insert_and_the_instance(models) -> None:
    for name in ("pre_save", "post_save"):

        async def failing(sender, **kwargs):
            raise ValueError("no")

        user = models.User(name="Ada")
        with models.Base.meta.signals[name].connected_to(failing, models.User):
            with pytest.raises(ValueError, match="no") as caught:
                await user.save(values={"mail": "x"})
        assert "failing of the signal" in caught.value.__notes__[0]
        assert inspect(user).transient
        assert inspect(user).dict.keys() - {"_sa_instance_state"} == {"name"}
        assert await models.stored() == []
    assert (await user.save()).id is not None


async def test_receiver_that_raises_undoes_the_update_and_keeps_the_change_pending(models) -> None:
    user = await models.User.query.create(name="Ada")

    async def failing(sender, **kwargs):
        raise ValueError("no")

    user.name = "Bob"
    with models.Base.meta.signals.post_save.connected_to(failing, models.User):
        with pytest.raises(ValueError, match="no"):
            await user.save()
    history = inspect(user).attrs.name.history
    assert (list(history.added), list(history.deleted)) == (["Bob"], ["Ada"])
    assert [row["name"] for row in await models.stored()] == ["Ada"]
    await user.save()
    assert [row["name"] for row in await models.stored()] == ["Bob"]


async def test_database_error_undoes_everything(models) -> None:
    await models.User.query.create(name="Ada")
    user = models.User(name="Ada")
    with pytest.raises(IntegrityError):
        await user.save()
    assert inspect(user).transient
    assert len(await models.stored()) == 1


async def test_skip_operation_writes_nothing_and_says_so(models) -> None:
    calls = record(models, "post_save", "post_delete")
    stored = await models.User.query.create(name="Ada")
    calls.clear()

    async def skip(sender):
        raise aldis.SkipOperation

    signals = models.Base.meta.signals
    with signals.pre_save.connected_to(skip, models.User), signals.pre_delete.connected_to(skip, models.User):
        assert await models.User.query.create(name="Bob") is None
        assert await models.User(name="Bob").save() is None
        assert await stored.delete() == 0
    told = [(name, kwargs["row_count"], kwargs["operation_skipped"]) for name, _, kwargs in calls]
    assert told == [("post_save", 0, True), ("post_save", 0, True), ("post_delete", 0, True)]
    assert [row["name"] for row in await models.stored()] == ["Ada"]
    assert inspect(stored).detached


async def test_delete_deletes_and_tells(models) -> None:
    user = await models.User.query.create(name="Ada")
    calls = record(models, "pre_delete", "post_delete")
    assert await user.delete() == 1
    assert calls == [
        ("pre_delete", models.User, {"instance": user, "model_instance": user, "injected_filters": None}),
        (
            "post_delete",
            models.User,
            {"instance": user, "model_instance": user, "row_count": 1, "operation_skipped": False},
        ),
    ]
    assert await models.stored() == []
    assert await user.save() is user
    assert len(await models.stored()) == 1


async def test_receiver_that_raises_undoes_the_delete(models) -> None:
    user = await models.User.query.create(name="Ada")

    async def failing(sender, **kwargs):
        raise ValueError("no")

    with models.Base.meta.signals.post_delete.connected_to(failing, models.User), pytest.raises(ValueError, match="no"):
        await user.delete()
    assert len(await models.stored()) == 1
    assert await user.delete() == 1


async def test_log_row_of_a_receiver_shares_the_transaction(models) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def log(sender, instance, model_instance):
        await models.Log.query.create(text=f"saved {model_instance.name}", user_id=model_instance.id)
        if model_instance.name == "Bob":
            raise ValueError("no")

    await models.User.query.create(name="Ada")
    with pytest.raises(ValueError, match="no"):
        await models.User.query.create(name="Bob")
    assert [row["text"] for row in await models.stored(models.Log)] == ["saved Ada"]
    assert [row["name"] for row in await models.stored()] == ["Ada"]


async def test_transaction_is_all_or_nothing_and_nests(models) -> None:
    with pytest.raises(ValueError, match="no"):
        async with models.database.transaction():
            await models.User.query.create(name="Ada")
            raise ValueError("no")
    assert await models.stored() == []
    async with models.database.transaction():
        await models.User.query.create(name="Ada")
        with pytest.raises(IntegrityError):
            await models.User.query.create(name="Ada")
        with pytest.raises(ValueError, match="no"):
            async with models.database.transaction():
                await models.User.query.create(name="Bob")
                raise ValueError("no")
        await models.User.query.create(name="Eve")
    assert [row["name"] for row in await models.stored()] == ["Ada", "Eve"]


async def test_task_that_outlives_a_transaction_has_one_of_its_own(models) -> None:
    go = asyncio.Event()

    async def later():
        await go.wait()
        await models.User.query.create(name="late")

    async with models.database.transaction():
        task = asyncio.create_task(later())
        await models.User.query.create(name="early")
    go.set()
    await task
    assert [row["name"] for row in await models.stored()] == ["early", "late"]


async def test_cancelled_save_leaves_nothing(models) -> None:
    begun = asyncio.Event()

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def wait(sender):
        begun.set()
        await asyncio.sleep(3600)

    user = models.User(name="Ada")
    task = asyncio.create_task(user.save())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert inspect(user).transient
    assert await models.stored() == []
    assert models.database.engine.pool.checkedout() == 0


async def test_using_a_connection(models) -> None:
    async with models.database.engine.connect() as connection:
        await models.User(name="Ada").save(using=connection)
        transaction = await connection.begin()
        await models.User.query.using(connection).create(name="Bob")
        await transaction.rollback()
    assert [row["name"] for row in await models.stored()] == ["Ada"]


async def test_context_variables_tell_who_is_saved(models) -> None:
    seen = []

    async def look(sender, **kwargs):
        seen.append((CURRENT_INSTANCE.get(), CURRENT_MODEL_INSTANCE.get(), EXPLICIT_SPECIFIED_VALUES.get()))

    signals = models.Base.meta.signals
    for name in ("pre_save", "post_save", "pre_delete"):
        signals[name].connect(look, models.User)
    query = models.User.query
    user = await query.create(name="Ada", is_verified=True)
    await user.delete()
    assert seen == [(query, user, {"name", "is_verified"})] * 2 + [(user, user, None)]
    assert (CURRENT_INSTANCE.get(), CURRENT_MODEL_INSTANCE.get(), EXPLICIT_SPECIFIED_VALUES.get()) == (None,) * 3


async def test_rewired_signal_is_fired_instead_and_inherited(models) -> None:
    calls = record(models, "pre_save")
    own, heard = aldis.Signal(), []
    models.User.meta.signals.pre_save = own

    @own.connect
    async def receiver(sender, instance):
        heard.append(sender)

    await models.User.query.create(name="Ada")
    assert (calls, heard) == ([], [models.User])
    assert models.Log.meta.signals.pre_save is models.Base.meta.signals.pre_save


async def test_bad_input_is_refused_before_anything_is_written(models) -> None:
    with pytest.raises(TypeError, match="'nam' is an invalid keyword argument for User"):
        await models.User.query.create(nam="Ada")
    with pytest.raises(aldis.UnknownAttributeError, match=r"'nam' is no attribute of User. Did you mean 'name'\?"):
        await models.User(name="Ada").save(values={"nam": "Ada"})
    with pytest.raises(aldis.NotSavedError, match="has not been saved"):
        await models.User(name="Ada").delete()
    user = await models.User.query.create(name="Ada")
    await models.User.query.using(models.database).create(name="Bob")
    async with models.database.engine.begin() as connection:
        await connection.execute(delete(models.User).where(models.User.name == "Ada"))
    user.name = "Eve"
    with pytest.raises(aldis.ObjectNotFound, match=r"User \(1,\) cannot be updated: its row is gone"):
        await user.save()


async def test_unmapped_class_and_missing_database_are_refused() -> None:
    class Base(aldis.Model, DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(aldis.ConfigurationError, match="Base is not mapped to a table"):
        Base.query  # noqa: B018
    with pytest.raises(aldis.ConfigurationError, match="User has no database: set `database"):
        await User().save()


@pytest.mark.parametrize("url", ["sqlite:///x.db", "nonsense", "nodb://x"])
def test_database_that_cannot_serve_is_refused(url) -> None:
    with pytest.raises(
        aldis.ConfigurationError, match="is not a database that aldis can use: .* Give the URL of an async"
    ):
        aldis.Database(url)
