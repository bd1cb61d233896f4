"""Receivers that wait for a rollback: ``connect(..., after_rollback=True)``."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from users import models_on

import aldis
from aldis.signals import post_save
from aldis.testing import Signals


@pytest.fixture
async def sqlite_models(tmp_path):
    """Return models on a file of SQLite's."""
    async with models_on(f"sqlite+aiosqlite:///{tmp_path}/test.db") as found:
        yield found


def listening(models, **options) -> list[str]:
    """Connect a receiver that waits for a rollback; return what it hears."""
    heard: list[str] = []

    @models.Base.meta.signals.post_save.connect_via(models.User, after_rollback=True, **options)
    async def removed(sender, model_instance):
        heard.append(model_instance.name)

    return heard


async def test_it_runs_when_the_transaction_was_rolled_back(models) -> None:
    heard = []

    @models.Base.meta.signals.post_save.connect_via(models.User, after_rollback=True)
    async def removed(sender, model_instance, column_values):
        # The transaction is over: the row is gone, the instance is new again, and what is saved here is committed.
        state = inspect(model_instance)
        heard.append((model_instance.name, column_values["id"], state.transient, await models.User.query.count()))
        await models.Log.query.create(text=model_instance.name)

    async with models.database.transaction():
        await models.User.query.create(name="kept")
    with pytest.raises(LookupError):
        async with models.database.transaction():
            user = await models.User.query.create(name="Ada")
            number = user.id
            raise LookupError
    assert heard == [("Ada", number, True, 1)]
    assert [row["text"] for row in await models.stored(models.Log)] == ["Ada"]


async def test_it_runs_when_a_later_receiver_or_the_database_refuses(models) -> None:
    heard = listening(models)
    told = []
    models.Base.meta.signals.pre_save.connect(
        lambda sender, model_instance: told.append(model_instance.name), models.User, weak=False, after_rollback=True
    )

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def rule(sender, model_instance):
        if model_instance.name == "refused":
            raise LookupError

    await models.User.query.create(name="Ada")
    with pytest.raises(LookupError):
        await models.User.query.create(name="refused")
    with pytest.raises(Exception, match="(?i)unique|duplicate"):
        await models.User.query.create(name="Ada")
    assert (heard, told) == (["refused"], ["refused", "Ada"])  # nobody was told that the second Ada is saved


async def test_rollback_to_a_savepoint_is_told_at_the_end(models) -> None:
    heard = listening(models)
    async with models.database.transaction():
        await models.User.query.create(name="kept")
        with pytest.raises(LookupError):
            async with models.database.transaction():
                await models.User.query.create(name="a")
                await models.User.query.bulk_create([{"name": "b"}, {"name": "c"}])
                raise LookupError
        assert heard == []
    assert heard == ["a", "b", "c"]
    assert [row["name"] for row in await models.stored()] == ["kept"]


async def test_both_are_told_how_it_ended(sqlite_models) -> None:
    models, heard = sqlite_models, []
    both = {"after_commit": True, "after_rollback": True}
    signal = models.Base.meta.signals.post_save

    @signal.connect_via(models.User, **both)
    async def named(sender, model_instance, committed):
        heard.append(("named", model_instance.name, committed))

    @signal.connect_via(models.User, **both)
    def keywords(sender, **kwargs):
        heard.append(("keywords", kwargs["model_instance"].name, kwargs["committed"]))

    @signal.connect_via(models.User, batched=True, **both)
    async def batched(sender, batch, committed):
        heard.append(("batched", [each.name for each in batch.column("model_instance")], committed))

    @signal.connect_via(models.User, **both)
    async def plain(sender):
        heard.append("plain")

    async with models.database.transaction():
        with pytest.raises(LookupError):
            async with models.database.transaction():
                await models.User.query.create(name="a")
                raise LookupError
        await models.User.query.bulk_create([{"name": "b"}, {"name": "c"}])
    undone = [("named", "a", False), ("keywords", "a", False), ("batched", ["a"], False), "plain"]
    assert heard[:4] == undone
    assert heard.count("plain") == 3
    assert ("batched", ["b", "c"], True) in heard
    assert [each for each in heard if each[0] == "named"][1:] == [("named", "b", True), ("named", "c", True)]
    heard.clear()
    await models.User.query.create(name="d")
    assert heard[:2] == [("named", "d", True), ("keywords", "d", True)]


def test_only_both_have_a_parameter_committed() -> None:
    signal = aldis.signals.post_save.__class__("post_save", {None: ("instance",)})

    async def receiver(sender, committed): ...

    with pytest.raises(aldis.SignalError, match="it requires 'committed', which the signal never sends"):
        signal.connect(receiver, after_rollback=True)
    signal.connect(receiver, after_commit=True, after_rollback=True)


async def test_batched_one_hears_a_batch(models) -> None:
    batches = []

    @models.Base.meta.signals.post_save.connect_via(models.User, after_rollback=True, batched=True)
    async def removed(sender, batch):
        batches.append([each.name for each in batch.column("model_instance")])

    with pytest.raises(LookupError):
        async with models.database.transaction():
            await models.User.query.bulk_create([{"name": "a"}, {"name": "b"}])
            await models.User.query.create(name="c")
            raise LookupError
    assert batches == [["a", "b"], ["c"]]


async def test_errors_are_logged_and_noted_and_take_nobody_along(sqlite_models, caplog) -> None:
    models = sqlite_models

    @models.Base.meta.signals.post_save.connect_via(models.User, after_rollback=True, priority=1)
    async def failing(sender, model_instance):
        raise ValueError(model_instance.name)

    heard = listening(models)
    with pytest.raises(LookupError) as caught:
        async with models.database.transaction():
            for name in ("a", "b"):
                await models.User.query.create(name=name)
            raise LookupError
    assert heard == ["a", "b"]
    assert "2 of the 4 calls of receivers that waited for the rollback raised" in caught.value.__notes__[-1]
    assert [record.getMessage().partition("failing raised, ")[2] for record in caplog.records] == [
        "after the rollback of User 1",
        "after the rollback of User 2",
    ]
    # Where the transaction itself is committed, and a savepoint was not, they come as all others do.
    with pytest.raises(aldis.AfterCommitError, match=r"is committed, and 1 of the 2 calls") as group:
        async with models.database.transaction():
            await models.User.query.create(name="kept")
            with pytest.raises(LookupError):
                async with models.database.transaction():
                    await models.User.query.create(name="c")
                    raise LookupError
    (error,) = group.value.exceptions
    assert (str(error), [row["name"] for row in await models.stored()]) == ("c", ["kept"])


async def test_cancelled_transaction(models) -> None:
    heard, begun = listening(models), asyncio.Event()

    async def block() -> None:
        async with models.database.transaction():
            await models.User.query.create(name="Ada")
            begun.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(block())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert heard == ["Ada"]


async def test_block_that_rolls_back_by_hand(models) -> None:
    heard = listening(models)
    async with models.database.transaction() as connection:
        await models.User.query.create(name="Ada")
        await connection.rollback()
        assert heard == []
    assert heard == ["Ada"]


@pytest.mark.parametrize("how", ["rollback", "close", "raise", "flush"])
async def test_session_that_is_rolled_back(models, how) -> None:
    heard = listening(models)
    await models.User.query.create(name="there")
    heard_ids = []

    @models.Base.meta.signals.post_update.connect_via(models.User, after_rollback=True)
    @models.Base.meta.signals.post_save.connect_via(models.User, after_rollback=True)
    async def read(sender, model_instance):
        heard_ids.append(model_instance.id)

    session = models.database.session()
    ada = models.User(name="Ada")
    session.add(ada)
    await session.flush()
    number = ada.id
    if how == "rollback":
        await session.rollback()
    elif how == "close":
        await session.close()
    elif how == "raise":
        with pytest.raises(LookupError):
            async with session:
                raise LookupError
    else:
        session.add(models.User(name="there"))
        with pytest.raises(Exception, match="(?i)unique|duplicate"):
            await session.flush()
        await session.rollback()
    await session.close()
    assert (heard, heard_ids) == (["Ada"], [number])


async def test_session_that_commits_after_a_savepoint_was_rolled_back(models) -> None:
    heard = listening(models)
    async with models.database.session() as session:
        session.add(models.User(name="kept"))
        await session.flush()
        with pytest.raises(LookupError):
            async with session.begin_nested():
                session.add(models.User(name="undone"))
                await session.flush()
                raise LookupError
        assert heard == []
        await session.commit()
        assert heard == ["undone"]
    assert [row["name"] for row in await models.stored()] == ["kept"]


async def test_session_inside_a_transaction_waits_for_that(sqlite_models) -> None:
    models = sqlite_models
    heard = listening(models)
    async with models.database.transaction():
        async with models.database.session() as session:
            session.add(models.User(name="Ada"))
            await session.flush()
            await session.rollback()
        assert heard == []
    assert heard == ["Ada"]


async def test_operations_through_a_session_wait_for_it(sqlite_models) -> None:
    models = sqlite_models
    heard = listening(models)
    async with models.database.session() as session:
        await models.User(name="Ada").save(using=session)
        await session.rollback()
        assert heard == ["Ada"]
        await models.User(name="Bob").save(using=session)
        await session.commit()
    assert heard == ["Ada"]


def test_plain_session(tmp_path) -> None:
    class Base(aldis.Model, DeclarativeBase): ...

    class Upload(Base):
        __tablename__ = "upload"
        id: Mapped[int] = mapped_column(primary_key=True)

    engine = create_engine(f"sqlite:///{tmp_path}/test.db")
    Base.metadata.create_all(engine)
    heard: list[str] = []

    def tell(sender, committed) -> None:
        heard.append("committed" if committed else "undone")

    post_save.connect(tell, Upload, after_commit=True, after_rollback=True)
    with Session(engine) as session:
        session.add(Upload())
        session.commit()
        session.add(Upload())
        session.flush()
    assert heard == ["committed", "undone"]
    engine.dispose()


async def test_unit_test_that_rolls_back_around_itself(sqlite_models) -> None:
    models = sqlite_models
    heard, signals = listening(models), Signals()
    with pytest.raises(ZeroDivisionError):
        async with models.database.transaction():
            with signals.commit():
                with pytest.raises(LookupError):
                    async with models.database.transaction():
                        await models.User.query.create(name="Ada")
                        raise LookupError
                assert heard == ["Ada"]
                async with models.database.session() as session:
                    session.add(models.User(name="Bob"))
                    await session.flush()
                    await session.rollback()
                assert heard == ["Ada", "Bob"]
                await models.User.query.create(name="Eve")
            raise ZeroDivisionError
    assert heard == ["Ada", "Bob"]  # Eve counted as committed


async def test_connection_that_was_begun_by_hand_is_refused(sqlite_models) -> None:
    models = sqlite_models
    listening(models)
    async with models.database.engine.begin() as connection:
        with pytest.raises(aldis.ConfigurationError, match=r"waits for a rollback \(after_rollback=True\)"):
            await models.User(name="Ada").save(using=connection)


async def test_task_that_was_under_way_is_told(sqlite_models) -> None:
    """The block is rolled back while another task's receivers run: what they were told of is undone, too."""
    models = sqlite_models
    heard, begun = listening(models, priority=1), asyncio.Event()

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def slow(sender):
        begun.set()
        await asyncio.sleep(0.02)

    with pytest.raises(LookupError):
        async with models.database.transaction():
            task = asyncio.create_task(models.User(name="Ada").save())
            await begun.wait()
            raise LookupError
    with pytest.raises(aldis.TransactionEndedError):
        await task
    assert heard == ["Ada"]
