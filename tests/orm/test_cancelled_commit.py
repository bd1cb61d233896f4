"""A cancellation while the COMMIT is under way: its outcome is told, or a note says that nobody knows it."""

from __future__ import annotations

import asyncio
import gc
from contextlib import contextmanager

import pytest
import sqlalchemy
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.util import await_only

import aldis

UNKNOWN = "nobody knows whether that was done"

SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(60); RETURN NULL; {exception} END $$
"""
"""A check at the COMMIT that takes a minute, unless it is cancelled."""


@pytest.fixture
def told(models):
    """Return what receivers have been told that wait for the end of the transaction: names, and how it ended."""
    found: list[tuple[str, bool]] = []

    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True, after_rollback=True)
    async def tell(sender, model_instance, committed):
        found.append((model_instance.name, committed))

    return found


@contextmanager
def unanswered(models, name, is_done):
    """Leave a COMMIT (``do_commit``), or a ROLLBACK, without an answer; yield the event that it is under way.

    Args:
        models: On which engine.
        name: The dialect's function.
        is_done: The database does it all the same.
    """
    dialect = models.database.engine.sync_engine.dialect
    send, reached = getattr(dialect, name), asyncio.Event()

    def wait(connection) -> None:
        if is_done:
            send(connection)
        reached.set()
        await_only(asyncio.sleep(60))

    setattr(dialect, name, wait)
    try:
        yield reached
    finally:
        delattr(dialect, name)


async def names_in(models) -> list[str]:
    return sorted(row["name"] for row in await models.stored())


async def found_out(models, user, is_stored: bool) -> None:
    """Check that ``load()`` finds out, and that the instance can be used afterwards."""
    assert inspect(user).transient
    if is_stored:
        assert (await user.load()).name == "Ada"
        await user.update(name="Eve")
    else:
        with pytest.raises(aldis.ObjectNotFound, match="its row is gone"):
            await user.load()
        user.name = "Eve"
        await user.save()
    assert await names_in(models) == ["Eve"]


@pytest.mark.parametrize("then", ["raises", "catches", "rolls back"])
@pytest.mark.parametrize("is_done", [False, True], ids=["not done", "done"])
async def test_commit_of_the_block_itself(models, told, is_done, then) -> None:
    user = models.User(name="Ada")

    async def work() -> None:
        async with models.database.transaction() as connection:
            await user.save()
            try:
                await connection.commit()
            except asyncio.CancelledError:
                if then == "rolls back":
                    await connection.rollback()
                if then != "catches":
                    raise

    with unanswered(models, "do_commit", is_done) as reached:
        task = asyncio.create_task(work())
        await reached.wait()
        task.cancel()
        await asyncio.wait([task])
    if then == "catches":
        await task
    else:
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert [UNKNOWN in note for note in caught.value.__notes__] == [True]
    assert told == []
    await found_out(models, user, is_done)


@pytest.mark.parametrize("is_done", [False, True], ids=["not done", "done"])
async def test_commit_of_a_session(models, told, caplog, is_done) -> None:
    """Nobody knows whether it was done: a receiver that was told of a rollback would delete what the row needs."""

    async def work() -> None:
        async with models.database.session() as session:
            session.add(models.User(name="Ada"))
            await session.commit()

    with unanswered(models, "do_commit", is_done) as reached:
        task = asyncio.create_task(work())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert told == []
    assert "nobody knows whether it was done: 1 calls" in caplog.text
    assert await names_in(models) == ["Ada"] * is_done


@pytest.mark.parametrize("is_cancelled_again", [False, True], ids=["once", "twice"])
async def test_session_that_is_cancelled_right_after_its_commit(models, told, is_cancelled_again) -> None:
    """The pool resets the connection then, and SQLAlchemy does not tell of the end of the transaction."""
    called = asyncio.Event()

    @models.Base.meta.signals.post_save.connect_via(models.User, after_commit=True, priority=-1)
    async def wait(sender, model_instance):
        called.set()
        if is_cancelled_again:
            await asyncio.sleep(60)
        raise ValueError("of a receiver")

    async def work() -> None:
        async with models.database.session() as session:
            session.add(models.User(name="Ada"))
            await session.commit()

    with unanswered(models, "do_rollback", is_done=False) as reached:
        task = asyncio.create_task(work())
        async with asyncio.timeout(30):
            await reached.wait()
            task.cancel()
            await called.wait()
            if is_cancelled_again:
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert told == [("Ada", True)]
    assert await names_in(models) == ["Ada"]
    del task
    gc.collect()  # the error's traceback may hold the connection
    if not sqlalchemy.__version__.startswith("2.0."):  # it loses the place in the pool, of plain sessions too
        assert models.database.engine.pool.checkedout() == 0


async def test_commit_of_a_session_that_the_database_refuses(models, told) -> None:
    """It answers, and so it is known to be rolled back."""
    dialect = models.database.engine.sync_engine.dialect

    def refused(connection) -> None:
        dialect.do_rollback(connection)
        raise dialect.loaded_dbapi.IntegrityError("a constraint that is checked at the COMMIT")

    dialect.do_commit = refused
    try:
        async with models.database.session() as session:
            session.add(models.User(name="Ada"))
            with pytest.raises(IntegrityError):
                await session.commit()
    finally:
        del dialect.do_commit
    assert told == [("Ada", False)]


async def work_that_commits(models, user, whose: str) -> None:
    if whose == "save":
        await user.save()
        return
    async with models.database.transaction() as connection:
        await user.save()
        if whose == "block itself":
            await connection.commit()


@pytest.mark.parametrize("whose", ["save", "block", "block itself"])
@pytest.mark.parametrize("obeys", [True, False], ids=["server obeys", "server goes on"])
async def test_server_that_is_at_the_commit(models, told, whose, obeys) -> None:
    """psycopg asks the server to cancel the COMMIT, and waits for its answer; asyncpg asks, and closes the connection.

    Only PostgreSQL can be kept at a COMMIT.
    """
    if models.database.engine.dialect.name != "postgresql":
        pytest.skip("only PostgreSQL has checks at the COMMIT that take their time")
    aldis.Database(models.database.engine, commit_timeout=0.05)
    async with models.database.engine.begin() as connection:
        await connection.exec_driver_sql(
            SLOW.format(exception="" if obeys else "EXCEPTION WHEN query_canceled THEN RETURN NULL;")
        )
        await connection.exec_driver_sql(
            'CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON "user" DEFERRABLE INITIALLY DEFERRED '
            "FOR EACH ROW WHEN (NEW.name = 'Ada') EXECUTE FUNCTION slow()"
        )
    user = models.User(name="Ada")
    task = asyncio.create_task(work_that_commits(models, user, whose))
    try:
        await until_waiting(models)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        await until_ended(models)
        assert [UNKNOWN in note for note in caught.value.__notes__] == [True]
        assert told == []
        await found_out(models, user, is_stored=not obeys)
    finally:
        async with models.database.engine.begin() as connection:
            await connection.exec_driver_sql("DROP FUNCTION slow CASCADE")


async def until_waiting(models) -> None:
    """Wait until the server is at the check."""
    await until_counted(models, 1, "wait_event = 'PgSleep'")


async def until_ended(models) -> None:
    """Wait until others see whether the transaction was committed: it still writes when its check is over."""
    await until_counted(models, 0, "backend_xid IS NOT NULL")


async def until_counted(models, count: int, condition: str) -> None:
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {condition}"
    async with asyncio.timeout(45), models.database.engine.connect() as connection:
        while (await connection.exec_driver_sql(query)).scalar() != count:
            await connection.rollback()
            await asyncio.sleep(0.01)
