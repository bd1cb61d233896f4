"""The commands as functions: called from anywhere, with receivers of any kind, and with every way to fail."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from types import SimpleNamespace

import pytest
from alembic import command
from alembic.util import CommandError
from projects import add_revision, make_project, tables_in
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

import aldis
from aldis import migrations
from aldis.migrations.command_lock import COMMAND_LOCK
from aldis.signals import post_migrate, pre_migrate, revision_applied

REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("REQUEST", default="none")


@pytest.fixture(autouse=True)
def signals_are_free():
    yield
    for signal in (pre_migrate, post_migrate, revision_applied):
        signal._clear_state()
    assert not COMMAND_LOCK.lock.locked()


@pytest.fixture(params=["plain env.py", "async env.py"])
def project(request, sqlite, tmp_path):
    """Return the configuration, the URL for looking, and whether env.py is async."""
    plain, async_ = sqlite.make()
    is_async = request.param.startswith("async")
    return make_project(tmp_path, async_ if is_async else plain, is_async), plain


WAITS = (
    "import waiting_revision; waiting_revision.begun.set(); assert waiting_revision.go_on.wait(60); "
    "op.create_table('three', sa.Column('id', sa.Integer))"
)


@pytest.fixture
def waiting_revision(monkeypatch):
    """Return the module by which the revision ``WAITS`` says that it has begun, and is let go on."""
    module = SimpleNamespace(begun=threading.Event(), go_on=threading.Event())
    monkeypatch.setitem(sys.modules, "waiting_revision", module)
    return module


def recording(*, is_async: bool) -> list:
    """Connect receivers that record what they get, where they run, and what the context holds."""
    told = []

    def record(signal, sender, config):
        loop = asyncio.get_running_loop() if is_async else None
        told.append((signal, sender, REQUEST.get(), threading.current_thread() is threading.main_thread(), loop))

    for signal in (pre_migrate, post_migrate):
        if is_async:

            async def receiver(sender, config, signal=signal.name) -> None:
                await asyncio.sleep(0.001)
                record(signal, sender, config)

        else:

            def receiver(sender, config, signal=signal.name) -> None:
                record(signal, sender, config)

        signal.connect(receiver, weak=False)
    return told


BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["plain receivers", "async receivers"])


@BOTH
def test_called_by_a_plain_script(project, is_async) -> None:
    config, url = project
    told = recording(is_async=is_async)
    REQUEST.set("script")
    migrations.upgrade(config, "head")
    assert [each[:4] for each in told] == [
        ("pre_migrate", "upgrade", "script", True),
        ("post_migrate", "upgrade", "script", True),
    ]
    assert told[0][4] is told[1][4], "both signals have one event loop: a pool's connections are of use on that only"
    assert tables_in(url) == {"alembic_version", "one", "two"}
    migrations.downgrade(config, "base")
    assert tables_in(url) == {"alembic_version"}


@BOTH
async def test_called_where_an_event_loop_runs(project, is_async) -> None:
    config, url = project
    told = recording(is_async=is_async)
    REQUEST.set("loop")
    migrations.upgrade(config, "head")
    assert [each[:3] for each in told] == [("pre_migrate", "upgrade", "loop"), ("post_migrate", "upgrade", "loop")]
    assert tables_in(url) == {"alembic_version", "one", "two"}


@BOTH
async def test_called_in_a_thread_beside_a_loop(project, is_async) -> None:
    config, url = project
    told = recording(is_async=is_async)
    REQUEST.set("thread")
    await asyncio.to_thread(migrations.upgrade, config, "head")
    assert [each[:4] for each in told] == [
        ("pre_migrate", "upgrade", "thread", False),
        ("post_migrate", "upgrade", "thread", False),
    ]
    assert tables_in(url) == {"alembic_version", "one", "two"}


@BOTH
async def test_called_below_sqlalchemys_greenlet(project, is_async) -> None:
    config, url = project
    told = recording(is_async=is_async)
    await greenlet_spawn(migrations.upgrade, config, "head")
    assert [each[0] for each in told] == ["pre_migrate", "post_migrate"]
    assert {each[4] for each in told} == {asyncio.get_running_loop() if is_async else None}
    assert tables_in(url) == {"alembic_version", "one", "two"}


@BOTH
async def test_awaited_while_the_loop_goes_on(project, waiting_revision, is_async) -> None:
    config, url = project
    told = recording(is_async=is_async)
    REQUEST.set("task")

    async def tick() -> None:
        ticks = 0
        while ticks < 20:
            await asyncio.sleep(0)
            ticks += waiting_revision.begun.is_set()
        waiting_revision.go_on.set()

    ticking = asyncio.create_task(tick())
    add_revision(_folder(config), "c3", "b2", WAITS)
    await migrations.aupgrade(config, "head")
    await ticking
    assert [each[:4] for each in told] == [
        ("pre_migrate", "upgrade", "task", True),
        ("post_migrate", "upgrade", "task", True),
    ]
    assert {each[4] for each in told} == {asyncio.get_running_loop() if is_async else None}
    await migrations.adowngrade(config, "a1")
    assert tables_in(url) == {"alembic_version", "one", "three"}  # three's downgrade does nothing


def _folder(config):
    from pathlib import Path

    return Path(config.get_main_option("script_location")).parent


@BOTH
async def test_connection_that_was_given_is_used(sqlite, tmp_path, is_async) -> None:
    plain, async_ = sqlite.make()
    config = make_project(tmp_path, "sqlite:///nowhere/at/all.db", is_async=True)
    told = recording(is_async=is_async)
    engine = create_async_engine(async_)

    def run(connection) -> None:
        config.attributes["connection"] = connection
        migrations.upgrade(config, "head")

    async with engine.connect() as connection:
        await connection.run_sync(run)
    assert [each[0] for each in told] == ["pre_migrate", "post_migrate"]
    async with engine.connect() as connection:
        config.attributes["connection"] = connection.sync_connection
        await migrations.adowngrade(config, "a1")
    await engine.dispose()
    assert [each[0] for each in told[2:]] == ["pre_migrate", "post_migrate"]
    assert tables_in(plain) == {"alembic_version", "one"}


@BOTH
async def test_plain_connection_stays_in_its_thread(sqlite, tmp_path, is_async) -> None:
    plain, _ = sqlite.make()
    config = make_project(tmp_path, "sqlite:///nowhere/at/all.db", is_async=False)
    told = recording(is_async=is_async)
    engine = create_engine(plain)  # its connections refuse any other thread
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        migrations.upgrade(config, "a1")
        await migrations.aupgrade(config, "b2")
    engine.dispose()
    assert [each[0] for each in told] == ["pre_migrate", "post_migrate"] * 2
    assert tables_in(plain) == {"alembic_version", "one", "two"}


async def test_several_at_once_take_turns(sqlite, tmp_path) -> None:
    urls = [sqlite.make() for _ in range(4)]
    configs = [
        make_project(tmp_path / f"{number}", async_ if number % 2 else plain, bool(number % 2))
        for number, (plain, async_) in enumerate(urls)
    ]
    told = recording(is_async=True)
    engine = create_async_engine(urls[0][1])
    async with engine.connect() as connection:
        configs[0].attributes["connection"] = connection.sync_connection
        await asyncio.gather(
            *(migrations.aupgrade(config, "head") for config in configs[:3]),
            asyncio.to_thread(migrations.upgrade, configs[3], "head"),
        )
    await engine.dispose()
    assert len(told) == 8
    assert all(tables_in(plain) == {"alembic_version", "one", "two"} for plain, _ in urls)


async def test_command_that_would_wait_for_itself_says_so(sqlite, tmp_path) -> None:
    urls = [sqlite.make() for _ in range(2)]
    configs = [make_project(tmp_path / f"{number}", url, True) for number, (_, url) in enumerate(urls)]
    engine = create_async_engine(urls[0][1])

    @revision_applied.connect
    async def receiver(sender, revision_id) -> None:
        if revision_id == "a1":
            inside.set()
            await asyncio.sleep(0.01)

    inside = asyncio.Event()
    async with engine.connect() as connection:
        configs[0].attributes["connection"] = connection.sync_connection
        first = asyncio.create_task(migrations.aupgrade(configs[0], "head"))
        await inside.wait()
        with pytest.raises(aldis.ConfigurationError, match="another Alembic command is running on this event loop"):
            migrations.upgrade(configs[1], "head")
        await first
    await engine.dispose()
    assert tables_in(urls[0][0]) == {"alembic_version", "one", "two"}
    assert tables_in(urls[1][0]) == set()


def test_receiver_may_run_a_command_itself(sqlite, tmp_path) -> None:
    urls = [sqlite.make() for _ in range(2)]
    configs = [make_project(tmp_path / f"{number}", url, False) for number, (url, _) in enumerate(urls)]

    @post_migrate.connect
    async def receiver(sender, config) -> None:
        if config is configs[0]:
            await migrations.aupgrade(configs[1], "head")

    migrations.upgrade(configs[0], "head")
    assert tables_in(urls[1][0]) == {"alembic_version", "one", "two"}


@BOTH
async def test_pre_migrate_that_raises_stops_before_anything_is_touched(project, is_async, tmp_path) -> None:
    config, url = project

    def refuse(sender, **kwargs) -> None:
        raise RuntimeError("not tonight")

    async def refuse_async(sender, **kwargs) -> None:
        refuse(sender)

    after = []
    pre_migrate.connect(refuse_async if is_async else refuse, weak=False)
    post_migrate.connect(lambda sender, **kwargs: after.append(sender), weak=False)
    for call in (
        lambda: migrations.upgrade(config, "head"),
        lambda: migrations.downgrade(config, "base"),
        lambda: migrations.revision(config, "no"),
        lambda: migrations.migrate(config, "no"),
    ):
        with pytest.raises(RuntimeError, match="not tonight") as caught:
            call()
        assert "pre_migrate" in caught.value.__notes__[0]
        assert "refuse" in caught.value.__notes__[0]
    for awaited in (
        migrations.aupgrade(config, "head"),
        migrations.arevision(config, "no"),
        migrations.amigrate(config),
    ):
        with pytest.raises(RuntimeError, match="not tonight"):
            await awaited
    assert tables_in(url) == set()
    assert len(list(tmp_path.glob("migrations/versions/*.py"))) == 2
    assert after == []


@BOTH
def test_post_migrate_that_raises_comes_too_late_to_undo(project, is_async) -> None:
    config, url = project

    def fail(sender, **kwargs) -> None:
        raise RuntimeError("the cache is cold")

    async def fail_async(sender, **kwargs) -> None:
        fail(sender)

    post_migrate.connect(fail_async if is_async else fail, weak=False)
    with pytest.raises(RuntimeError, match="the cache is cold"):
        migrations.upgrade(config, "head")
    assert tables_in(url) == {"alembic_version", "one", "two"}


@BOTH
async def test_skipped_command_returns_none_and_logs(project, is_async, caplog, tmp_path) -> None:
    config, url = project
    after = []

    def skip(sender, **kwargs) -> None:
        raise aldis.SkipOperation("another deploy is at it")

    async def skip_async(sender, **kwargs) -> None:
        skip(sender)

    pre_migrate.connect(skip_async if is_async else skip, weak=False)
    post_migrate.connect(lambda sender, **kwargs: after.append(sender), weak=False)
    migrations.upgrade(config, "head")
    await migrations.aupgrade(config, "head")
    assert migrations.revision(config, "no") is None
    assert [each.getMessage() for each in caplog.records if each.name == "aldis.migrations"] == [
        "upgrade was skipped: another deploy is at it",
        "upgrade was skipped: another deploy is at it",
        "revision was skipped: another deploy is at it",
    ]
    assert (tables_in(url), after) == (set(), [])


def test_skip_after_the_command_is_an_error(project) -> None:
    config, _ = project

    @post_migrate.connect
    def skip(sender, **kwargs) -> None:
        raise aldis.SkipOperation

    with pytest.raises(aldis.SkipOperation):
        migrations.upgrade(config, "head")


def test_failed_command_fires_no_post_migrate(project) -> None:
    config, _ = project
    told = recording(is_async=True)
    with pytest.raises(CommandError, match="nowhere"):
        migrations.upgrade(config, "nowhere")
    with pytest.raises(CommandError, match="Range revision not allowed"):
        migrations.upgrade(config, "a1:b2")
    assert [each[0] for each in told] == ["pre_migrate", "pre_migrate"]


def test_revision_that_fails_leaves_those_before_it(project, tmp_path) -> None:
    config, url = project
    add_revision(tmp_path, "c3", "b2", "op.execute('nonsense')")
    told = recording(is_async=False)
    applied = []
    revision_applied.connect(lambda sender, revision_id: applied.append(revision_id), weak=False)
    with pytest.raises(Exception, match="nonsense"):
        migrations.upgrade(config, "head")
    assert [each[0] for each in told] == ["pre_migrate"]
    assert applied == ["a1", "b2"]
    assert tables_in(url) == {"alembic_version", "one", "two"}


@BOTH
def test_each_revision_is_told_with_its_connection(project, is_async, tmp_path) -> None:
    config, _url = project
    add_revision(tmp_path, "c3", "a1", "import time; time.sleep(0.06)")
    add_revision(tmp_path, "d4", ("b2", "c3"), "pass")  # a merge
    told = []

    def receive(sender, revision_id, down_revision, connection, seconds) -> None:
        version = connection.scalars(text("SELECT version_num FROM alembic_version"))
        assert 0 < seconds < 60
        assert (sender, revision_id) != ("upgrade", "c3") or seconds > 0.05, "it sleeps for so long"
        told.append((sender, revision_id, down_revision, revision_id in set(version)))

    async def receive_async(sender, revision_id, down_revision, connection, seconds) -> None:
        await asyncio.sleep(0.001)
        receive(sender, revision_id, down_revision, connection, seconds)

    revision_applied.connect(receive_async if is_async else receive, weak=False)
    migrations.upgrade(config, "head")
    assert sorted(told[1:3]) == [("upgrade", "b2", "a1", True), ("upgrade", "c3", "a1", True)]
    assert told[0] == ("upgrade", "a1", None, True)
    assert told[3] == ("upgrade", "d4", ("b2", "c3"), True)
    told.clear()
    migrations.downgrade(config, "base")
    assert [each for each in told if each[1] in {"a1", "d4"}] == [
        ("downgrade", "d4", ("b2", "c3"), False),
        ("downgrade", "a1", None, False),
    ]


def test_receiver_of_a_revision_that_raises_undoes_it(sqlite, tmp_path) -> None:
    plain, _ = sqlite.make()
    config = make_project(tmp_path, plain, False)
    add_revision(tmp_path, "c3", "b2", "op.execute('INSERT INTO one VALUES (1)')")

    @revision_applied.connect
    def receiver(sender, revision_id) -> None:
        if revision_id == "c3":
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        migrations.upgrade(config, "head")
    engine = create_engine(plain)
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == ["b2"]
        assert connection.scalars(text("SELECT id FROM one")).all() == []
    engine.dispose()


def test_stamps_and_sql_apply_nothing(sqlite, tmp_path) -> None:
    plain, _ = sqlite.make()
    config = make_project(tmp_path, plain, False)
    told, applied = recording(is_async=False), []
    revision_applied.connect(lambda sender, revision_id: applied.append(revision_id), weak=False)
    migrations.upgrade(config, "head", sql=True)
    assert "CREATE TABLE two" in config.output_buffer.getvalue()
    command.stamp(config, "head")
    assert applied == []
    assert [each[:2] for each in told] == [("pre_migrate", "upgrade"), ("post_migrate", "upgrade")]


async def test_cancelled_task_waits_for_the_end_of_the_command(sqlite, waiting_revision, tmp_path) -> None:
    plain, _ = sqlite.make()
    config = make_project(tmp_path, plain, False)
    add_revision(tmp_path, "c3", "b2", WAITS)
    told = recording(is_async=True)
    task = asyncio.create_task(migrations.aupgrade(config, "head"))
    assert await asyncio.to_thread(waiting_revision.begun.wait, 60)
    task.cancel()
    await asyncio.sleep(0.1)
    assert not task.done()
    waiting_revision.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "three" in tables_in(plain), "the command went on to its end before the task did"
    assert [each[0] for each in told] == ["pre_migrate"]


def test_receivers_share_a_pool_that_is_closed_with_the_loop(databases, tmp_path) -> None:
    plain, async_ = databases.make()
    database = aldis.Database(async_)
    config = make_project(tmp_path, plain, False)

    async def ask(sender, **kwargs) -> None:
        async with database.engine.connect() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1

    pre_migrate.connect(ask)
    post_migrate.connect(ask)
    migrations.upgrade(config, "head")
    assert database.engine.pool.checkedin() == 0

    async def application() -> None:
        async with database:
            await ask("the application")  # it would fail on a connection of the other loop's

    asyncio.run(application())


def test_configure_outside_of_a_command_says_where_it_belongs() -> None:
    with pytest.raises(aldis.ConfigurationError, match=r"its place is in env\.py"):
        migrations.configure()


def test_null_fields_need_autogenerate(project, tmp_path) -> None:
    config, _ = project
    with pytest.raises(CommandError, match=r"User\.email: there is nothing to make nullable in an empty revision"):
        migrations.revision(config, "no", null_fields=["User.email"])
    with pytest.raises(CommandError, match=r"null_fields is 'User\.email': give a sequence of names"):
        migrations.migrate(config, "no", null_fields="User.email")
    assert len(list(tmp_path.glob("migrations/versions/*.py"))) == 2
