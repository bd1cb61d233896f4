"""Sessions on every database: what a flush tells, what receivers may do in one, and what is left when it fails."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import pytest
import pytest_asyncio
from sqlalchemy import Column, ForeignKey, Integer, String, Table, delete, func, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, relationship

import aldis
from aldis.context import CURRENT_INSTANCE, CURRENT_MODEL_INSTANCE, EXPLICIT_SPECIFIED_VALUES
from aldis.signals import LIFECYCLE


@pytest_asyncio.fixture
async def session(models):
    """Return a session on the test's database."""
    async with AsyncSession(models.database.engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def told(models):
    """Return a list of what is told: the signal, the sender, and the keywords with copies of its dicts."""
    calls = []
    for signal in LIFECYCLE:

        def receiver(sender, name=signal.name, **keywords):
            copied = {key: dict(value) if type(value) is dict else value for key, value in keywords.items()}
            calls.append((name, sender, copied))

        models.Base.meta.signals[signal.name].connect(receiver, weak=False)
    return calls


def names(told) -> list[str]:
    """Return the names of the signals, and forget them."""
    found = [name for name, _, _ in told]
    told.clear()
    return found


async def stored_names(models) -> list[str]:
    """Return the names of the users that are committed."""
    return sorted(row["name"] for row in await models.stored())


async def test_keywords_of_an_insert(models, session, told) -> None:
    log = models.Log(text="x")
    session.add(log)
    await session.commit()
    same = {"instance": log, "model_instance": log, "values": {}, "is_update": False, "is_migration": False}
    (row,) = await models.stored(models.Log)
    assert row["user_id"] is None  # as a flush of SQLAlchemy's, which writes NULL where nothing was set
    assert told == [
        ("pre_save", models.Log, {**same, "column_values": {"text": "x", "user_id": None}}),
        ("post_save", models.Log, {**same, "column_values": row, "row_count": 1, "operation_skipped": False}),
    ]


async def test_keywords_of_an_update(models, session, told) -> None:
    tag = models.Tag(space="s", word="w")
    session.add(tag)
    await session.commit()
    told.clear()
    tag.word = "v"
    await session.commit()
    same = {"instance": tag, "model_instance": tag, "values": {}, "is_update": True, "is_migration": False}
    written = {"word": "v", "used": 99}
    assert told == [
        ("pre_save", models.Tag, {**same, "column_values": written}),
        ("post_save", models.Tag, {**same, "column_values": written, "row_count": 1, "operation_skipped": False}),
    ]
    assert await models.stored(models.Tag) == [{"space": "s", "word": "v", "used": 99}]


async def test_keywords_of_a_delete(models, session, told) -> None:
    user = models.User(name="ada")
    session.add(user)
    await session.commit()
    told.clear()
    await session.delete(user)
    await session.commit()
    same = {"instance": user, "model_instance": user}
    assert told == [
        ("pre_delete", models.User, {**same, "injected_filters": None}),
        ("post_delete", models.User, {**same, "row_count": 1, "operation_skipped": False}),
    ]


async def test_context_tells_which_row_it_is(models, session) -> None:
    found = []

    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def look(sender, instance):
        await asyncio.sleep(0)
        found.append((CURRENT_INSTANCE.get(), CURRENT_MODEL_INSTANCE.get(), EXPLICIT_SPECIFIED_VALUES.get()))

    users = [models.User(name="a"), models.User(name="b")]
    session.add_all(users)
    await session.commit()
    assert found == [(user, user, frozenset()) for user in users]
    assert (CURRENT_INSTANCE.get(), CURRENT_MODEL_INSTANCE.get(), EXPLICIT_SPECIFIED_VALUES.get()) == (None,) * 3


async def test_defaults_are_made_once(models, session) -> None:
    seen = []

    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def look(sender, column_values):
        seen.append(column_values["email_address"])

    user = models.User(name="ada")
    session.add(user)
    await session.commit()
    assert seen == [user.mail] == ["ada@example.org"]


async def test_what_receivers_change_is_written_and_shown(models, session) -> None:
    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def change(sender, instance, column_values, is_update):
        if is_update:
            del column_values["name"]
            column_values["email_address"] = "new"
        else:
            column_values["name"] = column_values["name"].title()
            instance.is_verified = True

    user = models.User(name="ada")
    session.add(user)
    await session.commit()
    assert (user.name, user.is_verified) == ("Ada", True)
    user.name, user.mail = "eve", "old"
    await session.commit()
    assert (user.name, user.mail) == ("Ada", "new")
    (row,) = await models.stored()
    assert (row["name"], row["is_verified"], row["email_address"]) == ("Ada", True, "new")


async def test_unknown_column_is_refused(models, session) -> None:
    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def change(sender, column_values):
        column_values["nmae"] = "x"

    session.add(models.User(name="ada"))
    with pytest.raises(
        aldis.UnknownAttributeError, match="'nmae' in column_values is no column of User. Did you mean 'name'"
    ):
        await session.commit()
    await session.rollback()
    assert await stored_names(models) == []


@pytest.mark.parametrize("when", ["pre", "post"])
async def test_objects_that_receivers_add_are_flushed_and_told_of_once(models, session, told, when) -> None:
    @models.Base.meta.signals[f"{when}_save"].connect_via(models.User)
    async def log(sender, instance):
        session.add(models.Log(text=instance.name))

    session.add_all([models.User(name="ada"), models.User(name="eve")])
    await session.flush()
    senders = [(name, sender.__name__) for name, sender, _ in told]
    assert senders.count(("pre_save", "Log")) == senders.count(("post_save", "Log")) == 2
    assert len(senders) == 8
    assert await session.scalar(select(func.count()).select_from(models.Log)) == 2
    await session.commit()
    assert [row["text"] for row in await models.stored(models.Log)] == ["ada", "eve"]


async def test_object_that_a_receiver_deletes_is_deleted_and_told_of(models, session, told) -> None:
    old = models.User(name="old")
    session.add(old)
    await session.commit()
    told.clear()

    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def replace(sender, instance):
        if instance is not old and inspect(old).persistent:
            await session.delete(old)

    session.add(models.User(name="new"))
    await session.commit()
    assert names(told) == ["pre_save", "pre_delete", "post_save", "post_delete"]
    assert await stored_names(models) == ["new"]


async def test_instance_that_is_changed_by_its_own_post_receiver_is_updated(models, session, told) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def number(sender, instance, is_update):
        if not is_update:
            instance.name = f"{instance.name}-{instance.id}"

    session.add(models.User(name="ada"))
    await session.flush()
    assert [(name, keywords["is_update"]) for name, _, keywords in told] == [
        ("pre_save", False),
        ("post_save", False),
        ("pre_save", True),
        ("post_save", True),
    ]
    await session.commit()
    assert await stored_names(models) == ["ada-1"]


@pytest.mark.parametrize("when", ["pre", "post"])
async def test_receivers_that_never_stop(models, session, when) -> None:
    @models.Base.meta.signals[f"{when}_save"].connect_via(models.Log)
    async def more(sender):
        session.add(models.Log(text="more"))

    session.add(models.Log(text="first"))
    with pytest.raises(aldis.EndlessFlushError, match=r"more to write 100 times over \(Log\)"):
        await session.commit()
    await session.rollback()
    assert await models.stored(models.Log) == []


async def test_skip_of_an_insert(models, session, told) -> None:
    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def skip(sender, instance, column_values):
        if instance.name == "eve":
            column_values["mail"] = "eve@example.org"
            raise aldis.SkipOperation

    eve = models.User(name="eve")
    session.add_all([models.User(name="ada"), eve])
    await session.commit()
    assert [(k["instance"].name, k["row_count"], k["operation_skipped"]) for n, _, k in told if n == "post_save"] == [
        ("eve", 0, True),
        ("ada", 1, False),
    ]
    assert (await stored_names(models), inspect(eve).transient, "mail" in eve.__dict__) == (["ada"], True, False)


async def test_skip_of_everything(models, session, told) -> None:
    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def skip(sender):
        raise aldis.SkipOperation

    session.add(models.User(name="ada"))
    await session.commit()
    assert names(told) == ["pre_save", "post_save"]
    assert await stored_names(models) == []


async def test_skip_of_an_update_and_a_delete(models, session, told) -> None:
    user = models.User(name="ada")
    session.add(user)
    await session.commit()
    told.clear()
    for name in ("pre_save", "pre_delete"):

        @models.Base.meta.signals[name].connect_via(models.User)
        async def skip(sender):
            raise aldis.SkipOperation

    user.name = "eve"
    await session.commit()
    await session.delete(user)
    await session.commit()
    assert names(told) == ["pre_save", "post_save", "pre_delete", "post_delete"]
    assert (await stored_names(models), user.name, inspect(user).persistent) == (["ada"], "ada", True)


@pytest.mark.parametrize("when", ["pre", "post"])
@pytest.mark.parametrize("kind", ["save", "delete"])
async def test_receiver_that_raises_undoes_the_flush(models, session, when, kind) -> None:
    old = models.User(name="old")
    session.add(old)
    await session.commit()

    @models.Base.meta.signals[f"{when}_{kind}"].connect_via(models.User)
    async def failing(sender, instance):
        await asyncio.sleep(0)
        raise ValueError(f"no to {instance.name}")

    if kind == "save":
        session.add_all([models.User(name="ada"), models.Log(text="x")])
    else:
        await session.delete(old)
    with pytest.raises(ValueError, match="no to") as caught:
        await session.commit()
    assert f"{when}_{kind}" in caught.value.__notes__[0]
    await session.rollback()
    assert (await stored_names(models), await models.stored(models.Log)) == (["old"], [])
    models.Base.meta.signals[f"{when}_{kind}"].disconnect(failing, models.User)
    session.add(models.User(name="again"))
    await session.commit()
    assert await stored_names(models) == ["again", "old"]


async def test_what_receivers_save_is_in_the_sessions_transaction(models, session) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def log(sender, instance):
        await models.Log.query.create(text=instance.name, user_id=instance.id)
        assert await models.Log.query.count() >= 1

    session.add(models.User(name="ada"))
    await session.flush()
    await session.rollback()
    assert (await stored_names(models), await models.stored(models.Log)) == ([], [])
    session.add(models.User(name="eve"))
    await session.commit()
    assert [row["text"] for row in await models.stored(models.Log)] == ["eve"]


async def test_receiver_that_saves_an_instance_of_the_session(models, session, told) -> None:
    log = models.Log(text="none")
    session.add(log)
    await session.commit()
    told.clear()

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def note(sender, instance):
        await log.update(text=instance.name)

    session.add(models.User(name="ada"))
    await session.commit()
    assert [(name, sender.__name__) for name, sender, _ in told] == [
        ("pre_save", "User"),
        ("post_save", "User"),
        ("pre_update", "Log"),
        ("post_update", "Log"),
    ]
    assert [row["text"] for row in await models.stored(models.Log)] == ["ada"]


async def test_off_switches(models, session, told) -> None:
    session.info["aldis"] = False
    session.add(models.User(name="a"))
    await session.commit()
    await session.execute(update(models.User).values(mail="x"))
    await session.commit()
    del session.info["aldis"]
    with aldis.signals_disabled():
        session.add(models.User(name="b"))
        await session.commit()
        await session.execute(delete(models.User).where(models.User.name == "a"))
        await session.commit()
        await models.User.query.create(name="c")
        await models.User.query.bulk_create([{"name": "d"}])
        await models.User.query.filter(name="d").delete()
    assert told == []
    with models.Base.meta.signals.pre_save.muted(), models.Base.meta.signals.post_save.muted():
        session.add(models.User(name="e"))
        await session.commit()
    assert told == []
    session.add(models.User(name="f"))
    await session.commit()
    assert names(told) == ["pre_save", "post_save"]


class TestAfterCommit:
    """Receivers that wait for the session's outermost commit."""

    @pytest.fixture
    def heard(self, models):
        """Return the names of users that a receiver has heard of after the commit, and how many were stored then."""
        calls = []

        @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
        async def hear(sender, column_values):
            calls.append((column_values["name"], len(await models.stored())))

        return calls

    async def test_commit(self, models, session, heard) -> None:
        session.add_all([models.User(name="a"), models.User(name="b")])
        await session.flush()
        assert heard == []
        await session.commit()
        assert heard == [("a", 2), ("b", 2)]
        session.add(models.User(name="c"))
        await session.commit()
        assert heard[2:] == [("c", 3)]

    async def test_rollback(self, models, session, heard) -> None:
        session.add(models.User(name="a"))
        await session.flush()
        await session.rollback()
        await session.commit()
        session.add(models.User(name="b"))
        await session.flush()
        await session.close()
        assert heard == []

    async def test_savepoints(self, models, session, heard) -> None:
        session.add(models.User(name="a"))
        async with session.begin_nested():
            session.add(models.User(name="b"))
        nested = await session.begin_nested()
        session.add(models.User(name="c"))
        await session.flush()
        await nested.rollback()
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                session.add_all([models.User(name="d"), models.User(name="a")])
        assert heard == []
        await session.commit()
        assert [name for name, _ in heard] == ["a", "b"]

    async def test_session_in_a_transaction_of_the_database(self, models, heard) -> None:
        async with models.database.transaction():
            async with models.database.session(expire_on_commit=False) as session:
                session.add(models.User(name="a"))
                await session.commit()
                session.add(models.User(name="b"))
                await session.flush()
                await session.rollback()
            assert heard == []
        assert heard == [("a", 1)]

    async def test_model_saved_using_the_session(self, models, session, heard) -> None:
        await models.User(name="a").save(using=session)
        assert heard == []
        await session.commit()
        assert heard == [("a", 1)]

    async def test_statement(self, models, session) -> None:
        calls = []

        @models.Base.meta.signals.post_update.connect_via(models.User, after_commit=True)
        async def hear(sender, row_count):
            calls.append(row_count)

        session.add(models.User(name="a"))
        await session.commit()
        await session.execute(update(models.User).values(mail="x"))
        assert calls == []
        await session.commit()
        assert calls == [1]

    async def test_receiver_that_raises_undoes_nothing_and_leaves_the_session_usable(self, models, session) -> None:
        @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
        async def failing(sender):
            raise ValueError("no")

        session.add(models.User(name="a"))
        with pytest.raises(aldis.AfterCommitError):
            await session.commit()
        assert await stored_names(models) == ["a"]
        session.add(models.Log(text="x"))
        await session.commit()
        assert len(await models.stored(models.Log)) == 1


class TestOwnMethods:
    """``save()``, ``update()``, ``delete()`` and ``load()`` of an instance that a session holds."""

    async def test_each_fires_its_own_signals_once(self, models, session, told) -> None:
        user = models.User(name="ada")
        session.add(user)
        assert await user.save(values={"is_verified": True}) is user
        assert [(name, k["values"], k["is_update"]) for name, _, k in told] == [
            ("pre_save", {"is_verified": True}, False),
            ("post_save", {"is_verified": True}, False),
        ]
        told.clear()
        assert await user.update(name="eve") is user
        assert [(name, k["values"], k["row_count"] if "row_count" in k else None) for name, _, k in told] == [
            ("pre_update", {"name": "eve"}, None),
            ("post_update", {"name": "eve"}, 1),
        ]
        told.clear()
        await user.save()
        assert [(name, k["column_values"], k["is_update"]) for name, _, k in told] == [
            ("pre_save", {}, True),
            ("post_save", {}, True),
        ]
        told.clear()
        await session.execute(update(models.User).values(name="zoe"), execution_options={"synchronize_session": False})
        told.clear()
        assert (await user.load()).name == "zoe"
        assert await user.delete() == 1
        assert names(told) == ["pre_delete", "post_delete"]
        await session.commit()
        assert (told, await stored_names(models)) == ([], [])

    async def test_force_insert(self, models, session) -> None:
        user = models.User(name="ada")
        session.add(user)
        await session.commit()
        first = user.id
        await session.execute(delete(models.User), execution_options={"synchronize_session": False})
        await user.save(force_insert=True)
        await session.commit()
        assert [row["id"] for row in await models.stored()] == [first]

    @pytest.mark.parametrize("when", ["pre", "post"])
    async def test_failure_undoes_it_alone(self, models, session, when) -> None:
        session.add(models.User(name="before"))
        await session.flush()
        user, other = models.User(name="ada"), models.Log(text="pending")
        session.add_all([user, other])

        @models.Base.meta.signals[f"{when}_save"].connect_via(models.User)
        async def failing(sender):
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await user.save(values={"mail": "x"})
        assert (inspect(user).pending, inspect(other).pending, user.id, other.id) == (True, True, None, None)
        assert "mail" not in user.__dict__
        models.Base.meta.signals[f"{when}_save"].disconnect(failing, models.User)
        await session.commit()
        assert (await stored_names(models), len(await models.stored(models.Log))) == (["ada", "before"], 1)

    async def test_failed_update_keeps_what_is_pending(self, models, session) -> None:
        user, other = models.User(name="ada"), models.User(name="bob")
        session.add_all([user, other])
        await session.commit()
        other.mail = "pending"
        with pytest.raises(IntegrityError):
            await user.update(name="bob")
        assert (user.name, other.mail, session.is_modified(other)) == ("ada", "pending", True)
        await session.commit()
        assert [(row["name"], row["email_address"]) for row in await models.stored()] == [
            ("ada", "ada@example.org"),
            ("bob", "pending"),
        ]

    async def test_skip(self, models, session) -> None:
        user = models.User(name="ada")
        session.add(user)
        await session.commit()
        for name in ("pre_save", "pre_update", "pre_delete"):

            @models.Base.meta.signals[name].connect_via(models.User)
            async def skip(sender):
                raise aldis.SkipOperation

        assert await user.update(name="eve") is None
        assert await user.save(values={"name": "eve"}) is None
        assert await user.delete() == 0
        await session.commit()
        assert (user.name, await stored_names(models)) == ("ada", ["ada"])

    async def test_bad_input(self, models, session) -> None:
        user = models.User(name="ada")
        session.add(user)
        with pytest.raises(aldis.NotSavedError, match="cannot be updated: it has not been saved"):
            await user.update(name="x")
        with pytest.raises(aldis.NotSavedError, match="cannot be deleted: it has not been saved"):
            await user.delete()
        with pytest.raises(aldis.NotSavedError, match="cannot be loaded: it has not been saved"):
            await user.load()
        with pytest.raises(aldis.UnknownAttributeError, match="'nmae' is no attribute of User. Did you mean 'name'"):
            await user.save(values={"nmae": "x"})
        await session.commit()
        assert await stored_names(models) == ["ada"]
        await session.execute(delete(models.User), execution_options={"synchronize_session": False})
        with pytest.raises(aldis.ObjectNotFound, match="cannot be loaded: its row is gone"):
            await user.load()


class TestStatements:
    """``session.execute()`` of ORM statements."""

    @pytest_asyncio.fixture(autouse=True)
    async def users(self, models):
        """Store three users."""
        with aldis.signals_disabled():
            return await models.User.query.bulk_create([{"name": name} for name in ("ada", "bob", "eve")])

    async def test_update(self, models, session, told) -> None:
        result = await session.execute(update(models.User).where(models.User.name < "c").values(is_verified=True))
        assert result.rowcount == 2
        (_, _, before), (_, sender, after) = told
        queryset = before["instance"]
        assert isinstance(queryset, aldis.QuerySet)
        assert sender is models.User
        assert sorted(user.name for user in await queryset.all()) == ["ada", "bob"]
        written = {"values": {"is_verified": True}, "column_values": {"is_verified": True}}
        same = {"instance": queryset, "model_instance": None, **written, "is_update": True, "is_migration": False}
        assert (before, after) == (same, {**same, "row_count": 2, "operation_skipped": False})

    async def test_receivers_change_what_an_update_writes(self, models, session) -> None:
        @models.Base.meta.signals.pre_update.connect_via(models.User)
        async def change(sender, column_values):
            del column_values["is_verified"]
            column_values["email_address"] = "all"

        await session.execute(update(models.User).values({models.User.is_verified: True, "mail": "x"}))
        await session.commit()
        assert {(row["is_verified"], row["email_address"]) for row in await models.stored()} == {(False, "all")}

    async def test_filters_are_injected_into_a_delete(self, models, session, told) -> None:
        @models.Base.meta.signals.pre_delete.connect_via(models.User)
        async def spare(sender, injected_filters):
            injected_filters.append(models.User.name != "ada")
            injected_filters.append({"is_verified": False})

        result = await session.execute(delete(models.User).where(models.User.name != "eve"))
        await session.commit()
        assert (result.rowcount, told[-1][2]["row_count"]) == (1, 1)
        assert await stored_names(models) == ["ada", "eve"]

    async def test_skip(self, models, session, told) -> None:
        for name in ("pre_update", "pre_delete", "pre_bulk"):

            @models.Base.meta.signals[name].connect_via(models.User)
            async def skip(sender):
                raise aldis.SkipOperation

        for statement in (
            update(models.User).values(name="x"),
            delete(models.User),
            insert(models.User).values(name="x"),
        ):
            result = await session.execute(statement)
            assert (result.rowcount, result.all()) == (0, [])
        assert names(told) == ["pre_update", "post_update", "pre_delete", "post_delete", "pre_bulk", "post_bulk"]
        await session.commit()
        assert await stored_names(models) == ["ada", "bob", "eve"]

    async def test_insert_fires_like_bulk_create(self, models, session, told) -> None:
        rows = [{"name": "x"}, {"name": "y", "is_verified": True}]
        await session.execute(insert(models.User), rows)
        await session.commit()
        assert [name for name, _, _ in told] == [
            "pre_bulk",
            *["pre_save"] * 2,
            *["post_save"] * 2,
            "post_bulk",
        ]
        bulk = told[-1][2]
        assert (bulk["operation"], bulk["raw_values"], bulk["row_count_create"]) == ("bulk_create", rows, 2)
        stored = {row["name"]: row for row in await models.stored()}
        for _, _, keywords in told[3:5]:
            written = keywords["column_values"]
            assert written == stored[written["name"]]
            assert keywords["model_instance"].id == written["id"]

    async def test_insert_that_returns_instances(self, models, session, told) -> None:
        if not session.bind.dialect.insert_returning:
            pytest.skip("no INSERT ... RETURNING here")
        found = (
            await session.scalars(insert(models.User).returning(models.User), [{"name": "x"}, {"name": "y"}])
        ).all()
        assert [user.name for user in found] == ["x", "y"]
        keys = [k["column_values"]["id"] for name, _, k in told if name == "post_save"]
        assert keys == [user.id for user in found]

    async def test_row_of_an_insert_is_changed_and_another_skipped(self, models, session) -> None:
        @models.Base.meta.signals.pre_save.connect_via(models.User)
        async def change(sender, column_values):
            if column_values["name"] == "x":
                raise aldis.SkipOperation
            column_values["name"] += "!"

        await session.execute(insert(models.User), [{"name": "x"}, {"name": "y"}])
        await session.execute(insert(models.User).values([{"name": "x"}, {"name": "z"}]))
        await session.commit()
        assert await stored_names(models) == ["ada", "bob", "eve", "y!", "z!"]

    async def test_update_by_key_fires_like_bulk_update(self, models, session, users, told) -> None:
        ada, bob, _ = users

        @models.Base.meta.signals.pre_update.connect_via(models.User)
        async def skip(sender, values, column_values):
            if values["name"] == "x":
                raise aldis.SkipOperation
            column_values["email_address"] = "new"

        await session.execute(update(models.User), [{"id": ada.id, "name": "x"}, {"id": bob.id, "name": "y"}])
        await session.commit()
        assert names(told) == ["pre_bulk", *["pre_update"] * 2, *["post_update"] * 2, "post_bulk"]
        assert [(row["name"], row["email_address"]) for row in await models.stored()][:2] == [
            ("ada", "ada@example.org"),
            ("y", "new"),
        ]

    async def test_receiver_that_raises(self, models, session) -> None:
        @models.Base.meta.signals.post_update.connect_via(models.User)
        async def failing(sender):
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await session.execute(update(models.User).values(mail="x"))
        await session.rollback()
        assert "x" not in {row["email_address"] for row in await models.stored()}


async def test_expired_instance(models, told) -> None:
    async with AsyncSession(models.database.engine) as session:  # expires instances at each commit
        user = models.User(name="ada")
        session.add(user)
        await session.commit()
        told.clear()
        user.name = "eve"
        await session.commit()
        assert [k["column_values"] for _, _, k in told] == [{"name": "eve"}] * 2
    assert await stored_names(models) == ["eve"]


async def test_detached_instance_that_is_added_again(models, told) -> None:
    user = await models.User.query.create(name="ada")
    told.clear()
    async with AsyncSession(models.database.engine, expire_on_commit=False) as session:
        session.add(user)
        user.name = "eve"
        await session.commit()
    assert names(told) == ["pre_save", "post_save"]
    assert await stored_names(models) == ["eve"]


async def test_flush_of_some_instances(models, session, told) -> None:
    if version("sqlalchemy") >= "2.1":
        pytest.skip("SQLAlchemy 2.1 has given it up")
    ada, eve = models.User(name="ada"), models.User(name="eve")
    session.add_all([ada, eve])
    await session.flush([ada])
    assert [keywords["instance"].name for _, _, keywords in told] == ["ada", "ada"]


async def test_two_sessions_at_once(models) -> None:
    waiting, done = asyncio.Event(), []

    @models.Base.meta.signals.post_save.connect_via(models.Log)
    async def wait(sender, instance):
        done.append(instance.text)
        if instance.text == "first":
            await waiting.wait()

    if models.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")

    async def write(text: str) -> None:
        async with AsyncSession(models.database.engine) as session:
            session.add(models.Log(text=text))
            await session.commit()
        if text == "second":
            waiting.set()

    await asyncio.gather(write("first"), write("second"))
    assert sorted(done) == ["first", "second"]  # whoever gets a connection sooner
    assert len(await models.stored(models.Log)) == 2


async def test_receiver_of_a_row_that_the_flush_itself_finds(models, session) -> None:
    class Desk(models.Base):
        __tablename__ = "desk"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    models.User.desks = relationship(Desk)
    async with models.database.engine.begin() as connection:
        await connection.run_sync(models.Base.metadata.create_all)
    user = models.User(name="ada", desks=[Desk(name="a"), Desk(name="b")])
    session.add(user)
    await session.commit()

    @models.Base.meta.signals.pre_save.connect_via(Desk)
    async def change(sender, instance, column_values, is_update):
        assert (is_update, column_values) == (True, {"user_id": None})
        await models.Log.query.create(text=instance.name)
        if instance.name == "b":
            column_values["name"] = "free"

    await session.delete(user)
    await session.commit()
    assert [(row["name"], row["user_id"]) for row in await models.stored(Desk)] == [("a", None), ("free", None)]
    assert sorted(row["text"] for row in await models.stored(models.Log)) == ["a", "b"]

    @models.Base.meta.signals.pre_save.connect_via(Desk)
    async def skip(sender):
        raise aldis.SkipOperation

    models.Base.meta.signals.pre_save.disconnect(change, Desk)
    eve = models.User(name="eve", desks=[])
    session.add(eve)
    await session.commit()
    with aldis.signals_disabled():
        eve.desks.append(Desk(name="c"))
        await session.commit()
    await session.delete(eve)
    with pytest.raises(aldis.ConfigurationError, match="because of a relationship: it cannot leave that out"):
        await session.commit()
    await session.rollback()
    assert await stored_names(models) == ["eve"]


async def test_class_that_is_mapped_imperatively(models, session, told) -> None:
    table = Table("plain", models.Base.metadata, Column("id", Integer, primary_key=True), Column("name", String(20)))

    class Plain(aldis.Model):
        def __init__(self, name) -> None:
            self.name = name

    models.Base.registry.map_imperatively(Plain, table)
    async with models.database.engine.begin() as connection:
        await connection.run_sync(models.Base.metadata.create_all)
    seen = []
    kept = [
        signal.connect_via(Plain)(lambda sender, instance, name=signal.name: seen.append(name))
        for signal in LIFECYCLE
        if signal.name.endswith(("_save", "_delete"))
    ]
    plain = Plain("x")
    session.add(plain)
    await session.commit()
    await session.delete(plain)
    await session.commit()
    assert (seen, len(kept)) == (["pre_save", "post_save", "pre_delete", "post_delete"], 4)


@pytest.mark.parametrize("name", ["pre_save", "post_save"])
@pytest.mark.parametrize("is_held", [False, True])
async def test_error_of_a_receiver_names_the_row_of_the_flush(models, name, is_held) -> None:
    User = models.User

    async def refuse(sender, model_instance):
        if model_instance.name == "c2":
            raise ValueError("no")

    async with models.database.session() as session:
        users = [User(name=name) for name in "abc"]
        session.add_all(users)
        if is_held:  # stored rows are told of one by one, new ones in a series
            await session.commit()
            for user in users:
                await session.refresh(user)
            for user in users:
                user.name += "2"
        else:
            users[2].name = "c2"
        with models.User.meta.signals[name].connected_to(refuse, User), pytest.raises(ValueError, match="no") as caught:
            await session.flush()
    assert caught.value.__notes__[-1] == "aldis: at row 3 of the flush"
