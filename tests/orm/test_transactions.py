"""How transactions begin and end: commits inside a block, AUTOCOMMIT, unknown outcomes, SQLite's writers."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
import time
import weakref
from contextlib import asynccontextmanager, closing, nullcontext

import pytest
from sqlalchemy import event, func, inspect, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.util import await_only
from users import models_on

import aldis
from aldis.orm.transactions.writers_queue import only_writer

ENDED = "was committed on its connection, inside its block"


@pytest.fixture
async def sqlite_models(tmp_path):
    """Return models on a file of SQLite's, whose driver waits a short time for a lock."""
    async with models_on(f"sqlite+aiosqlite:///{tmp_path}/test.db?timeout=0.2") as found:
        yield found


@pytest.fixture
async def patient_models(tmp_path):
    """Return models on a file of SQLite's, whose driver waits long for a lock: nobody waits in vain."""
    async with models_on(f"sqlite+aiosqlite:///{tmp_path}/test.db?timeout=60") as found:
        yield found


@pytest.fixture
def told(models):
    """Return the names that a receiver which waits for the commit has been told."""
    names: list[str] = []

    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True)
    async def tell(sender, model_instance):
        names.append(model_instance.name)

    return names


async def names_in(models) -> list[str]:
    return sorted(row["name"] for row in await models.stored())


@pytest.mark.parametrize("raises", [False, True])
async def test_block_that_commits_itself_is_committed(models, told, raises) -> None:
    user = models.User(name="Ada")

    async def block() -> None:
        async with models.database.transaction() as connection:
            await user.save()
            await connection.commit()
            if raises:
                raise LookupError

    if raises:
        with pytest.raises(LookupError):
            await block()
    else:
        await block()
    assert (await names_in(models), told, inspect(user).detached) == (["Ada"], ["Ada"], True)
    await user.update(name="Eve")
    assert await names_in(models) == ["Eve"]


async def test_block_that_commits_itself_leaves_no_listener(models) -> None:
    """Whoever listens to an engine has all statements go through SQLAlchemy, which takes longer."""
    dialect, heard = models.database.engine.sync_engine.dialect, []

    async def commit_by_hand(name: str) -> None:
        async with models.database.transaction() as connection:
            await models.User.query.create(name=name)
            await connection.commit()

    marked = bool(dialect._has_events)
    await asyncio.gather(*map(commit_by_hand, ("Ada", "Bob", "Eve")))
    assert (list(dialect.dispatch.handle_error), bool(dialect._has_events)) == ([], marked)
    event.listen(models.database.engine.sync_engine, "handle_error", heard.append)
    await commit_by_hand("Zoe")
    with pytest.raises(DBAPIError):
        async with models.database.engine.connect() as connection:
            await connection.execute(text("SELECT no_such_column"))
    assert len(heard) == 1


async def test_transaction_that_is_over_keeps_nobody_alive(models, told) -> None:
    async def work(name: str) -> weakref.WeakSet:
        async with models.database.transaction() as connection:
            user = await models.User.query.create(name=name)
            async with models.database.transaction():
                await user.update(name=f"{name}!")
        return weakref.WeakSet((connection.sync_connection, user))

    alive = [await work(name) for name in "abc"]
    gc.collect()
    assert [list(each) for each in alive] == [[], [], []]


async def test_nothing_follows_the_commit_of_the_block_itself(models, told) -> None:
    late = models.User(name="Bob")
    async with models.database.transaction() as connection:
        await models.User.query.create(name="Ada")
        await connection.commit()
        with pytest.raises(aldis.TransactionEndedError, match=ENDED):
            await late.save()
        with pytest.raises(aldis.TransactionEndedError, match=ENDED):
            await models.User.query.bulk_create([{"name": "Eve"}])
        with pytest.raises(aldis.TransactionEndedError, match=ENDED):
            async with models.database.transaction():
                pass
    assert (await names_in(models), told, inspect(late).transient) == (["Ada"], ["Ada"], True)
    await late.save()
    assert (await names_in(models), told) == (["Ada", "Bob"], ["Ada", "Bob"])


async def test_autocommit_engine_is_refused_by_name(models, told) -> None:
    engine = models.database.engine
    await models.User.query.create(name="Ada")
    automatic = aldis.Database(engine.execution_options(isolation_level="AUTOCOMMIT"))
    bob = models.User(name="Bob")
    with pytest.raises(aldis.RefusedError, match="an operation on User that is new would write .* in AUTOCOMMIT"):
        await bob.save(using=automatic)
    with pytest.raises(aldis.RefusedError, match=r"isolation_level=\"AUTOCOMMIT\""):
        await models.User.query.using(automatic).bulk_create([{"name": "Eve"}])
    with pytest.raises(aldis.RefusedError, match=r"a transaction\(\) block would write"):
        async with automatic.transaction():
            pass
    async with automatic.engine.connect() as connection:
        with pytest.raises(aldis.RefusedError, match="AUTOCOMMIT"):
            await bob.save(using=connection)
    assert inspect(bob).transient
    assert await models.User.query.using(automatic).count() == 1  # what only reads is not refused
    async with AsyncSession(automatic.engine, expire_on_commit=False) as session:
        session.add(bob)
        await session.commit()
    assert (await names_in(models), told) == (["Ada", "Bob"], ["Ada", "Bob"])


async def test_autocommit_that_the_engine_was_made_with(tmp_path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/test.db", isolation_level="AUTOCOMMIT")
    async with models_on(engine) as models:
        with pytest.raises(aldis.RefusedError, match="AUTOCOMMIT"):
            await models.User.query.create(name="Ada")
        assert await models.User.query.count() == 0


@pytest.mark.parametrize("arrives", [True, False], ids=["done", "not done"])
async def test_load_finds_out_whether_a_commit_was_done(models, told, arrives, caplog) -> None:
    """The COMMIT is not answered; whoever is cancelled meanwhile waits for ``commit_timeout`` seconds."""
    aldis.Database(models.database.engine, commit_timeout=0.05)
    dialect = models.database.engine.sync_engine.dialect
    commit = dialect.do_commit
    reached = asyncio.Event()

    def unanswered(connection) -> None:
        if arrives:
            commit(connection)
        reached.set()
        await_only(asyncio.sleep(60))

    users = [models.User(name=name) for name in "abc"]

    async def cancelled_at_commit(call) -> asyncio.CancelledError:
        reached.clear()
        dialect.do_commit = unanswered
        task = asyncio.ensure_future(call)
        await reached.wait()
        task.cancel()
        try:
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
        finally:
            del dialect.do_commit
        return caught.value

    for call in (users[0].save(), models.User.query.bulk_create(users[1:])):
        error = await cancelled_at_commit(call)
        assert "nobody knows whether that was done" in error.__notes__[-1]
    assert (told, [inspect(user).transient for user in users]) == ([], [True] * 3)
    if arrives:
        assert [(await user.load()).name for user in users] == ["a", "b", "c"]
        assert all(inspect(user).detached for user in users)
        await users[2].update(name="d")
        assert await names_in(models) == ["a", "b", "d"]
    else:
        for user in users:
            with pytest.raises(aldis.ObjectNotFound, match="its row is gone"):
                await user.load()
        for user in users:
            await user.save()
        assert await names_in(models) == ["a", "b", "c"]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("whose", ["save", "block", "user", "user, caught", "user, caught and rolled back"])
async def test_commit_that_readers_hold_up_is_rolled_back(sqlite_models, whose) -> None:
    """SQLite keeps a transaction open whose COMMIT failed: whoever gets the connection next would commit it."""
    models, ada = sqlite_models, sqlite_models.User(name="Ada")
    await models.User.query.create(name="Bob")

    async def work() -> None:
        if whose == "save":
            await ada.save()
            return
        async with models.database.transaction() as connection:
            await ada.save()
            if whose == "user":
                await connection.commit()
            elif whose.startswith("user, caught"):
                with pytest.raises(OperationalError):
                    await connection.commit()
                if whose.endswith("rolled back"):
                    await connection.rollback()

    with closing(sqlite3.connect(models.database.engine.url.database)) as other:
        other.execute("BEGIN")
        other.execute("SELECT name FROM user").fetchall()  # it has a lock to read until it ends
        if whose.startswith("user, caught"):
            await work()
        else:
            with pytest.raises(OperationalError, match="database is locked"):
                await work()
        assert inspect(ada).transient
        other.rollback()
    assert await names_in(models) == ["Bob"]
    await models.User.query.create(name="Cy")
    assert await names_in(models) == ["Bob", "Cy"]
    await ada.save()
    assert await names_in(models) == ["Ada", "Bob", "Cy"]


async def test_read_only_block_refuses_writes(models) -> None:
    await models.User.query.create(name="Ada")
    async with models.database.transaction(read_only=True) as connection:
        assert await models.User.query.count() == 1
        with pytest.raises(aldis.RefusedError, match=r"an operation on User that is new would write.*read_only=True"):
            await models.User(name="Bob").save()
        with pytest.raises(aldis.RefusedError, match="read_only=True"):
            await models.User.query.bulk_create([{"name": "Bob"}])
        async with models.database.transaction():
            with pytest.raises(aldis.RefusedError, match="read_only=True"):
                await models.User.query.filter(name="Ada").update(name="Eve")
        assert await models.User.query.count() == 1
        if models.database.engine.dialect.name != "sqlite":
            with pytest.raises(DBAPIError, match="(?i)read.only"):
                await connection.execute(text("UPDATE log SET text = 'x'"))
    async with models.database.transaction():
        async with models.database.transaction(read_only=True):
            with pytest.raises(aldis.RefusedError, match="read_only=True"):
                await models.User(name="Bob").save()
        await models.User(name="Eve").save()
    assert await names_in(models) == ["Ada", "Eve"]


@asynccontextmanager
async def other_process_writes(models):
    """Hold the lock to write, as another process does: not by the queue of this one."""
    other = sqlite3.connect(models.database.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


async def test_what_only_reads_does_not_wait_for_a_writer(sqlite_models) -> None:
    models = sqlite_models
    async with other_process_writes(models):
        async with models.database.transaction(read_only=True):
            assert await models.User.query.count() == 0
        with pytest.raises(OperationalError, match="locked"):
            async with models.database.transaction():
                pass
    async with models.database.transaction():  # nor for one of this process, of another task
        reading = asyncio.create_task(read_beside(models))
        assert await reading == 0


async def read_beside(models) -> int:
    async with aldis.detached(), models.database.transaction(read_only=True):
        return await models.User.query.count()


async def test_deferred_transactions_begin_without_the_lock(patient_models) -> None:
    models = patient_models
    aldis.Database(models.database.engine, begin="deferred")
    async with other_process_writes(models), models.database.transaction():
        assert await models.User.query.count() == 0
    await models.User.query.create(name="Ada")
    both = asyncio.Barrier(2)

    async def read_then_write(name: str) -> str:
        async with models.database.transaction():
            await models.User.query.count()
            await both.wait()  # SQLAlchemy's way: both have read, and only one can write
            return (await models.User.query.create(name=name)).name

    answers = await asyncio.gather(read_then_write("b"), read_then_write("c"), return_exceptions=True)
    (error,) = [answer for answer in answers if not isinstance(answer, str)]
    assert isinstance(error, OperationalError)
    (written,) = [answer for answer in answers if isinstance(answer, str)]
    assert await names_in(models) == ["Ada", written]


async def test_writers_of_two_threads_queue_for_the_file(sqlite_models) -> None:
    """Each thread has its own event loop and its own database object, and all write to one file."""
    models = sqlite_models
    url = models.database.engine.url.update_query_dict({"timeout": "60"})
    order: list[str] = []
    holds, come = threading.Event(), threading.Event()

    async def first() -> None:
        async with aldis.Database(url) as database, database.transaction():
            holds.set()
            await asyncio.to_thread(come.wait, 60)
            await asyncio.sleep(0.05)  # the other thread waits by now
            await models.User(name="first").save(using=database)
            order.append("first")

    async def second() -> None:
        async with aldis.Database(url) as database:
            await asyncio.to_thread(holds.wait, 60)
            asyncio.get_running_loop().call_later(0.02, come.set)
            await models.User(name="second").save(using=database)
            order.append("second")

    await asyncio.gather(*(asyncio.to_thread(asyncio.run, each()) for each in (first, second)))
    assert (order, await names_in(models)) == (["first", "second"], ["first", "second"])


async def test_writer_waits_no_longer_than_the_driver(sqlite_models, monkeypatch) -> None:
    monkeypatch.setattr("aldis.orm.transactions.writers_queue.DEFAULT_TIMEOUT", 100.0)
    models = sqlite_models
    async with models.database.transaction():

        async def write() -> None:
            async with aldis.detached():
                await models.User(name="late").save()

        begun = time.monotonic()
        with pytest.raises(OperationalError, match="locked"):
            await asyncio.create_task(write())
        assert 0.15 < time.monotonic() - begun < 60
    await write()
    assert await names_in(models) == ["late"]


async def test_event_loop_that_ended_while_it_waited_holds_nobody_up(patient_models) -> None:
    """A thread's loop is stopped with a writer in the queue: whoever comes next gets the turn."""
    models = patient_models
    url = models.database.engine.url

    async def wait_in_vain() -> None:
        async with aldis.Database(url) as database:
            writer, pool = only_writer(database.engine.sync_engine), database.engine.pool
            asyncio.ensure_future(models.User(name="lost").save(using=database))  # noqa: RUF006 - nobody awaits it
            while writer.timeout is None or pool.checkedout():  # the connection that was asked for it would be lost
                await asyncio.sleep(0.01)

    async with models.database.transaction():
        await asyncio.to_thread(asyncio.run, wait_in_vain())
    await models.User.query.create(name="next")
    assert await names_in(models) == ["next"]


async def test_select_waits_for_no_release_of_a_savepoint(models) -> None:
    seen: list[str] = []

    def watch(_connection, _cursor, statement, *_) -> None:
        seen.append(statement.split()[0])

    async with models.database.transaction() as connection:
        event.listen(connection.sync_connection, "before_cursor_execute", watch)
        await models.User(name="Ada").save()
        await models.User.query.filter(name="Ada").get()
        await connection.scalar(select(func.count()).select_from(models.User))
        await connection.execute(text("INSERT INTO log (text) VALUES ('mine')"))
    assert [each for each in seen if each in {"SELECT", "RELEASE"}] == ["SELECT", "SELECT", "RELEASE"]
    assert await names_in(models) == ["Ada"]


@pytest.mark.parametrize("by_hand", [False, True])
async def test_select_that_fails_inside_a_savepoint_of_the_users(models, by_hand) -> None:
    """PostgreSQL takes nothing but a rollback then: the release that was due before must not come ahead of it."""
    kept, lost = models.User(name="kept"), models.User(name="lost")
    async with models.database.transaction() as connection:
        await kept.save()
        if by_hand:
            await connection.execute(text("SAVEPOINT mine"))
        else:
            nested = await connection.begin_nested()
        await lost.save()
        with pytest.raises(DBAPIError):
            await connection.scalar(select(func.no_such_function()))
        if by_hand:
            await connection.execute(text("ROLLBACK TO SAVEPOINT mine"))
        else:
            await nested.rollback()
        await models.User(name="later").save()
    assert await names_in(models) == ["kept", "later"]


@pytest.mark.parametrize("is_bulk", [False, True])
@pytest.mark.parametrize("fails", [False, True])
async def test_block_whose_own_statement_has_failed_is_not_committed(models, told, fails, is_bulk) -> None:
    """PostgreSQL answers its COMMIT by a ROLLBACK, and no error; the other databases go on after a statement fails."""
    users = [models.User(name=name) for name in ("ada", "bob")]
    is_refused = fails and models.database.engine.dialect.name == "postgresql"
    with pytest.raises(PendingRollbackError, match="begin_nested") if is_refused else nullcontext():
        async with models.database.transaction() as connection:
            await (models.User.query.bulk_create(users) if is_bulk else users[0].save())
            with pytest.raises(DBAPIError) if fails else nullcontext():
                await connection.scalar(text("select no_such_function()" if fails else "select 1"))
    count = 0 if is_refused else 1 + is_bulk
    assert len(await models.stored()) == count
    assert [user.id is not None for user in users] == [count > 0, count > 1]
    assert len(told) == count
    await models.User(name="later").save()
    assert len(await models.stored()) == count + 1


async def test_block_whose_failed_statement_was_in_a_savepoint_is_committed(models, told) -> None:
    async with models.database.transaction() as connection:
        await models.User(name="ada").save()
        with pytest.raises(DBAPIError):
            async with connection.begin_nested():
                await connection.scalar(text("select no_such_function()"))
    assert [row["name"] for row in await models.stored()] == ["ada"]
    assert len(told) == 1
