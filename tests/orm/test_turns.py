"""Tasks that share a transaction take turns: programs that hang, starve or lose under simpler rules."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import nullcontext

import pytest
from sqlalchemy import inspect, text
from users import models_on

import aldis
from aldis.orm.transactions.ambient import open_transaction

FACTORIES = [None, *([asyncio.eager_task_factory] if sys.version_info >= (3, 12) else [])]

pytestmark = pytest.mark.parametrize(
    "factory", FACTORIES, ids=["tasks", "eager tasks"][: len(FACTORIES)], indirect=True
)


@pytest.fixture
async def factory(request):
    """Make tasks the ordinary way, or those that begin at once."""
    asyncio.get_running_loop().set_task_factory(request.param)
    yield
    asyncio.get_running_loop().set_task_factory(None)


@pytest.fixture
async def models(url, factory):
    """Return models on a database of the run's own."""
    async with models_on(url) as found:
        yield found


@pytest.fixture
def impatient(models):
    """Let nobody wait for long, in a test where somebody waits for what never comes.

    Elsewhere a server that is busy for half a second would fail a test that has nothing to do with it.
    """
    aldis.Database(models.database.engine, turn_timeout=0.4)


@pytest.fixture
def names(models):
    """Return a function that reads the names that are stored."""

    async def read() -> list[str]:
        return sorted(row["name"] for row in await models.stored())

    return read


async def test_saves_that_are_gathered_in_a_block(models, names) -> None:
    async with models.database.transaction():
        await asyncio.gather(*(models.User(name=name).save() for name in "abc"))
    assert await names() == ["a", "b", "c"]


@pytest.mark.parametrize("first", ["good", "bad"])
async def test_one_that_fails_takes_no_other_along(models, names, first) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def rule(sender, model_instance):
        await asyncio.sleep(0.02 if model_instance.name == "good" else 0.01)
        if model_instance.name == "bad":
            raise LookupError

    users = [models.User(name=first), models.User(name="good" if first == "bad" else "bad")]
    async with models.database.transaction():
        answers = await asyncio.gather(*(user.save() for user in users), return_exceptions=True)
    assert {user.name: type(answer) for user, answer in zip(users, answers, strict=True)} == {
        "good": models.User,
        "bad": LookupError,
    }
    assert {user.name: inspect(user).detached for user in users} == {"good": True, "bad": False}
    assert await names() == ["good"]


async def test_receiver_gathers_saves_of_its_own(models, names) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def more(sender, model_instance):
        if len(model_instance.name) < 3:
            await asyncio.gather(*(models.User.query.create(name=model_instance.name + letter) for letter in "xy"))

    await models.User.query.create(name="a")
    assert await names() == ["a", "ax", "axx", "axy", "ay", "ayx", "ayy"]


@pytest.mark.usefixtures("impatient")
async def test_awaited_sibling_times_out_by_name(models, names) -> None:
    """A receiver waits for a task of the block, which waits for the receiver's operation: nobody could go on."""

    is_running = asyncio.Event()

    async def sibling():
        await is_running.wait()
        await models.User.query.create(name="sibling")

    begun = time.monotonic()
    with pytest.raises(aldis.TurnTimeoutError) as caught:
        async with models.database.transaction():
            task = asyncio.create_task(sibling())

            @models.Base.meta.signals.post_save.connect_via(models.User)
            async def wait(sender, model_instance):
                if model_instance.name == "waits":
                    is_running.set()
                    await task

            await models.User.query.create(name="waits")
    assert time.monotonic() - begun < 25
    message = str(caught.value)
    assert message.count("an operation on User") == 2
    assert f"its receiver {__name__}.{wait.__qualname__} is running" in message
    assert await names() == []


@pytest.mark.usefixtures("impatient")
async def test_batch_task_of_whoever_came_first(models, names) -> None:
    """GraphQL's data loaders: one task a tick, started in the context of whoever asked first, serves all who ask."""
    waiting = []

    def load() -> asyncio.Future[int]:
        future = asyncio.get_running_loop().create_future()
        waiting.append(future)
        if len(waiting) == 1:
            tasks.append(asyncio.get_running_loop().create_task(batch()))
        return future

    async def batch() -> None:
        await asyncio.sleep(0)
        try:
            count = await models.User.query.count()
        except Exception as error:
            for future in waiting:
                future.set_exception(error)
            return
        for future in waiting:
            future.set_result(count)

    tasks: list[asyncio.Task[None]] = []

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def receiver(sender):
        await load()

    async def resolver() -> int:
        return await load()

    async with models.database.transaction():
        try:
            await asyncio.gather(resolver(), models.User.query.create(name="a"))
        except aldis.TurnTimeoutError:
            pass  # the task belongs to the block, and the save waits for it: the contract lets it end so, in time
    assert await names() in (["a"], [])


async def test_timeout_around_a_slow_child(models, names) -> None:
    """A receiver starts a slow task that saves; the caller's time is over before the task's."""
    tasks, is_slow, over = [], asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        await models.Log.query.create(text="slow")

    @models.Base.meta.signals.post_save.connect_via(models.Log)
    async def wait(sender):
        is_slow.set()
        await over.wait()

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def receiver(sender):
        tasks.append(asyncio.create_task(slow()))
        await is_slow.wait()
        limit.reschedule(asyncio.get_running_loop().time())
        await asyncio.sleep(3600)

    async with models.database.transaction():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60) as limit:
                await models.User.query.create(name="a")
        assert not tasks[0].done()
        over.set()
    (answer,) = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answer, aldis.TransactionEndedError)
    assert (await names(), await models.stored(models.Log)) == ([], [])


@pytest.mark.parametrize("touched", [True, False])
async def test_half_of_a_transfer(models, names, touched, caplog) -> None:
    """``gather`` cancels nobody: the block is rolled back, and the other half goes on."""

    over, has_begun = asyncio.Event(), asyncio.Event()

    async def debit() -> None:
        await models.User.query.create(name="debit")
        await has_begun.wait()
        raise ValueError("no funds")

    async def credit() -> None:
        if touched:
            await models.User.query.create(name="credit 1")
        has_begun.set()
        await over.wait()
        await models.User.query.create(name="credit 2")

    with pytest.raises(ValueError, match="no funds"):
        async with models.database.transaction():
            half = asyncio.create_task(credit())
            await asyncio.gather(debit(), half)
    over.set()
    (answer,) = await asyncio.gather(half, return_exceptions=True)
    if touched:
        assert isinstance(answer, aldis.TransactionEndedError)
        assert await names() == []
    else:  # it had no part in what was rolled back
        assert (answer, await names()) == (None, ["credit 2"])
        assert "was started in a transaction that was rolled back" in caplog.text
    await models.User.query.create(name="next")
    assert "next" in await names()


@pytest.mark.parametrize("is_under_way", [True, False], ids=["under way", "just over"])
async def test_update_that_waits_when_the_save_before_it_is_rolled_back(models, names, is_under_way) -> None:
    """It knows its instance as a stored one, and has to put it back before the save does, which makes it a new one.

    The connection is lost: where nothing has to be sent, the block is rolled back before the update's task goes on.
    """
    is_lost = asyncio.Event()

    @models.Base.meta.signals.post_save.connect_via(models.Log)
    async def lose(sender):
        await asyncio.sleep(0.02)
        await connection.invalidate()
        is_lost.set()
        await asyncio.sleep(0.1 if is_under_way else 0)

    user, tasks = models.User(name="a"), []
    with pytest.raises(LookupError):
        async with models.database.transaction() as connection:
            await user.save()
            save = models.Log(text="has the turn").save()
            loop = asyncio.get_running_loop()
            loop.call_later(0.005, lambda: tasks.append(loop.create_task(user.update(name="b"))))
            if is_under_way:
                tasks.append(loop.create_task(save))
                await is_lost.wait()
            else:
                await save
            raise LookupError
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(each) for each in answers} == {aldis.TransactionEndedError}
    assert (inspect(user).transient, user.name, await names()) == (True, "a", [])
    await user.save()
    assert await names() == ["a"]


@pytest.mark.parametrize("many", [True, False], ids=["bulk", "save"])
@pytest.mark.parametrize("is_inner", [True, False], ids=["inner", "outermost"])
async def test_update_that_comes_when_the_block_of_the_save_ends(models, names, is_inner, many) -> None:
    """The block takes nobody in any more, and then fails.

    The update is part of the block around it, which goes on; where there is none, it has a transaction of its own.
    """
    is_ending, go_on = asyncio.Event(), asyncio.Event()
    user = models.User(name="a")
    # SQLite lets it write when the block is over; another connection of a server's does not see the block's row.
    is_late = is_inner or models.database.engine.dialect.name == "sqlite"

    @models.Base.meta.signals.post_save.connect_via(models.Log)
    async def slow(sender):
        is_ending.set()
        await go_on.wait()

    async def update() -> None:
        await is_ending.wait()
        await asyncio.sleep(0.05)
        await user.update(name="b")

    async def block() -> None:
        async with models.database.transaction():
            tasks.append(asyncio.create_task(update()))
            await (models.User.query.bulk_create([user]) if many else user.save())
            tasks.append(asyncio.create_task(models.Log(text="slow").save()))
            await asyncio.sleep(0.01)

    tasks: list[asyncio.Task[None]] = []
    async with models.database.transaction() if is_inner else nullcontext():
        ending = asyncio.create_task(block())
        await is_ending.wait()
        if is_late:
            await asyncio.sleep(0.1)
        elif models.database.engine.dialect.name == "postgresql":
            await asyncio.wait([tasks[0]])
        else:
            await until_an_update_is_under_way(models)
        ending.cancel()
        await asyncio.sleep(0.05)
        go_on.set()
        answers = await asyncio.gather(ending, *tasks, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert isinstance(answers[1], aldis.TransactionEndedError if is_late else aldis.ObjectNotFound)
    assert (inspect(user).key, user.name, await names()) == (None, "a", [])


async def until_an_update_is_under_way(models) -> None:
    """Wait until MariaDB runs an UPDATE, which cannot end while another transaction has the lock of its row.

    Not by ``information_schema.innodb_trx``, which is not renewed while somebody reads it every tenth of a second.
    """
    running = text("SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'UPDATE%'")
    count = 0
    async with asyncio.timeout(25):
        while not count:
            async with models.database.engine.connect() as connection:
                count = await connection.scalar(running)
            await asyncio.sleep(0.05)


async def test_refused_once(models, names) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def half() -> list[type]:
        await models.User.query.create(name="1")
        begun.set()
        await over.wait()
        return [type(each) for each in [await tried("2"), await tried("3")]]

    async def tried(name: str):
        try:
            return await models.User.query.create(name=name)
        except aldis.TransactionEndedError as error:
            return error

    with pytest.raises(LookupError):
        async with models.database.transaction():
            task = asyncio.create_task(half())
            await begun.wait()
            raise LookupError
    over.set()
    assert await task == [aldis.TransactionEndedError, models.User]
    assert await names() == ["3"]


async def test_block_ends_though_workers_are_never_idle(models, names) -> None:
    saved_in = []
    is_over = False

    async def note(sender):
        saved_in.append(open_transaction(models.database).connection)

    async def worker(number: int) -> None:
        index = 0
        while not is_over:
            await models.User.query.create(name=f"{number}.{index}")
            index += 1

    with models.User.meta.signals.post_save.connected_to(note, models.User):
        async with models.database.transaction() as connection:
            tasks = [asyncio.create_task(worker(number)) for number in range(2)]
            await asyncio.sleep(0.03)
            inside = saved_in.count(connection)
        is_over = True
        await asyncio.gather(*tasks)
    # One that is under way is waited for; those that come have transactions of their own.
    assert saved_in.count(connection) - inside <= 1


async def test_nested_blocks_of_two_tasks(models, names) -> None:
    async def handler(number: int, fails: bool) -> None:
        async with models.database.transaction():
            await models.User.query.create(name=f"a{number}")
            await asyncio.sleep(0.01)
            await models.User.query.create(name=f"b{number}")
            if fails:
                raise LookupError

    async with models.database.transaction():
        await asyncio.gather(handler(1, False), handler(2, True), handler(3, False), return_exceptions=True)
    assert await names() == ["a1", "a3", "b1", "b3"]


async def test_stream_lets_others_in_between_two_rows(models, names) -> None:
    if models.database.engine.dialect.name in {"mysql", "mariadb"}:
        pytest.skip("an unbuffered cursor of MariaDB's has its connection for itself")
    await models.User.query.bulk_create([{"name": name} for name in "abc"])
    async with models.database.transaction():
        task = asyncio.create_task(models.Log(text="beside").save())
        async for _ in models.User.query.order_by("id"):
            await task
            await models.Log(text="inside").save()
    assert len(await models.stored(models.Log)) == 4


async def test_own_sql_waits_for_the_operation_under_way(models, names) -> None:
    """SQL on the connection would else be inside the savepoint of another task's save, and be rolled back with it."""

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def refuse(sender):
        await asyncio.sleep(0.05)
        raise LookupError

    async with models.database.transaction() as connection:
        task = asyncio.create_task(models.User.query.create(name="refused"))
        await asyncio.sleep(0.02)
        await connection.execute(text("INSERT INTO log (text) VALUES ('mine')"))
        with pytest.raises(LookupError):
            await task
    assert ([row["text"] for row in await models.stored(models.Log)], await names()) == (["mine"], [])


async def test_task_of_a_receiver_that_refuses(models, names) -> None:
    """The task's saves inside the operation are rolled back with it, and nobody is told of them."""
    told, tasks = [], []

    @models.Base.meta.signals.post_save.connect_via(models.Log, after_commit=True)
    async def mail(sender, model_instance):
        told.append(model_instance.text)

    @models.Base.meta.signals.post_save.connect_via(models.Log)
    async def slow(sender):
        await asyncio.sleep(0.03)

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def receiver(sender, model_instance):
        tasks.append(asyncio.create_task(models.Log.query.create(text=model_instance.name)))
        await asyncio.sleep(0.01)
        if model_instance.name == "refused":
            raise LookupError

    await models.User.query.create(name="kept")
    with pytest.raises(LookupError):
        await models.User.query.create(name="refused")
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [models.Log, aldis.TransactionEndedError]
    assert ([row["text"] for row in await models.stored(models.Log)], told) == (["kept"], ["kept"])


async def test_operation_is_waited_for_at_the_end_of_the_block(models, names) -> None:
    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def slow(sender):
        await asyncio.sleep(0.05)

    async with models.database.transaction():
        task = asyncio.create_task(models.User(name="a").save())
        await asyncio.sleep(0.01)
    assert task.done()
    assert await names() == ["a"]


async def test_stopped_process_is_no_silence(models, names, monkeypatch) -> None:
    """While nothing runs, an operation can send no statement: a timeout that went on would blame it for that."""
    loop, is_running = asyncio.get_running_loop(), asyncio.Event()
    clock, stopped = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: clock() + stopped)

    def stop() -> None:
        nonlocal stopped
        stopped += 45  # seconds; the timeout is 30

    @models.Base.meta.signals.pre_save.connect_via(models.User)
    async def slow(sender):
        is_running.set()
        loop.call_later(0.03, stop)
        await asyncio.sleep(0.05)
        await asyncio.sleep(0.05)  # whoever waits has looked at the clock meanwhile

    async with models.database.transaction():
        task = asyncio.create_task(models.User(name="a").save())
        await is_running.wait()
    assert (task.done(), stopped) == (True, 45)
    assert await names() == ["a"]


async def test_detached_task_outlives_what_started_it(models, names) -> None:
    tasks = []

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def receiver(sender):
        async with aldis.detached():
            tasks.append(asyncio.create_task(models.Log(text="kept").save()))
        raise LookupError

    with pytest.raises(LookupError):
        await models.User.query.create(name="refused")
    await asyncio.gather(*tasks)
    assert ([row["text"] for row in await models.stored(models.Log)], await names()) == (["kept"], [])


async def test_gather_on_a_connection_that_was_begun_by_hand(models, names) -> None:
    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def rule(sender, model_instance):
        await asyncio.sleep(0.01)
        if model_instance.name == "bad":
            raise LookupError

    async with models.database.engine.begin() as connection:
        saves = [models.User(name=name).save(using=connection) for name in ("a", "bad", "b")]
        answers = await asyncio.gather(*saves, return_exceptions=True)
    assert [type(answer) for answer in answers] == [models.User, LookupError, models.User]
    assert await names() == ["a", "b"]
