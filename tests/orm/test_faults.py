"""Faults outside: a killed server, a cut line, deadlocks, constraints. All or nothing, and nothing is kept."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import ForeignKey, String, UniqueConstraint, inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, PendingRollbackError, StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from ports import refusing_port

LOST = (StatementError, PendingRollbackError, OSError, asyncpg.InternalClientError)
"""SQLAlchemy's errors when a connection is lost. It has no word for asyncpg's that a dying session left it half-way
through an answer, and lets that pass."""

OPERATIONS = ("save", "update", "delete", "bulk_create", "bulk_update", "queryset update", "in a transaction")


def dialect_of(models) -> str:
    return models.database.engine.dialect.name


class Work:
    """One of each operation, on two users that are stored."""

    def __init__(self, models) -> None:
        self.models = models
        self.new = [models.User(name=name) for name in ("x", "y")]

    async def begin(self) -> None:
        self.ada, self.bob = await self.models.User.query.bulk_create([{"name": "ada"}, {"name": "bob"}])

    async def run(self, operation: str) -> None:
        models, query = self.models, self.models.User.query
        if operation == "save":
            await self.new[0].save()
        elif operation == "update":
            await self.ada.update(name="Ada")
        elif operation == "delete":
            await self.ada.delete()
        elif operation == "bulk_create":
            await query.bulk_create(self.new)
        elif operation == "bulk_update":
            self.ada.name = "Ada"
            await query.bulk_update([self.ada])
        elif operation == "queryset update":
            await query.filter(name="ada").update(name="Ada")
        else:
            async with models.User.meta.database.transaction():
                await self.bob.update(name="Bob")
                await self.new[0].save()
                await self.ada.delete()

    def state(self) -> list[object]:
        """The values that the instances show."""
        found = []
        for each in (self.ada, self.bob, *self.new):
            state = inspect(each)
            found.append((state.key, state.dict.get("id"), state.dict.get("name")))
        return found


@pytest_asyncio.fixture
async def work(models):
    work = Work(models)
    await work.begin()
    return work


async def names(models) -> list[str]:
    return sorted(row["name"] for row in await models.stored())


async def settled(models) -> None:
    """Wait until the pool has all of its connections back."""
    try:
        async with asyncio.timeout(60):
            while models.database.engine.pool.checkedout():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{models.database.engine.pool.checkedout()} connections are still out") from None


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("when", ["pre", "post"])
async def test_connection_killed_by_the_server(models, work, operation, when) -> None:
    if dialect_of(models) == "sqlite":
        pytest.skip("SQLite has no server")
    whose, kill = (
        ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})")
        if dialect_of(models) == "postgresql"
        else ("SELECT connection_id()", "KILL {}")
    )

    async def receiver(sender):
        async with models.database.transaction() as connection:
            number = await connection.scalar(text(whose))
        async with models.database.engine.connect() as other:
            await other.execute(text(kill.format(number)))

    signals = models.Base.meta.signals
    for kind in ("save", "update", "delete"):
        signals[f"{when}_{kind}"].connect(receiver, models.User)
    before = work.state()
    with pytest.raises(LOST):
        await work.run(operation)
    if operation == "bulk_update":
        work.ada.name = "ada"  # it was pending before the call
    assert work.state() == before
    assert await names(models) == ["ada", "bob"]
    await settled(models)
    for kind in ("save", "update", "delete"):
        signals[f"{when}_{kind}"].disconnect(receiver)
    await work.run(operation)
    await settled(models)


class Line:
    """A proxy before the server, which cuts the line when the client has sent a number of pieces."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.pieces = 0
        self.cut_at = 0
        self.loses = ""
        """Which of a COMMIT and its answer is lost, with the line."""
        self.is_sent = False
        self.tasks: set[asyncio.Task] = set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info) -> None:
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def serve(self, reader, writer) -> None:
        self.tasks.add(asyncio.current_task())
        there, back = await asyncio.open_connection(*self.target)
        answers = asyncio.create_task(self.pump(there, writer, False))
        self.tasks.add(answers)
        await self.pump(reader, back, True)
        for each in (writer, back):
            each.close()

    async def pump(self, source, sink, counts: bool) -> None:
        try:
            while piece := await source.read(65536):
                if counts and self.cut_at:
                    self.pieces += 1
                    if self.pieces == self.cut_at:
                        sink.transport.abort()
                        raise ConnectionResetError
                if counts and self.loses and b"COMMIT" in piece:
                    self.is_sent = True
                if self.is_sent and self.loses == ("COMMIT" if counts else "answer"):
                    self.is_sent = False
                    raise ConnectionResetError
                sink.write(piece)
                await sink.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            sink.transport.abort()


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_line_that_is_cut_at_every_message(models, operation) -> None:
    if dialect_of(models) == "sqlite":
        pytest.skip("SQLite has no line")
    direct, url = models.database, models.database.engine.url
    answered = 0
    async with Line(url.host, url.port) as line:
        models.Base.database = models.User.database = aldis.Database(url.set(host="127.0.0.1", port=line.port))
        try:
            for number in range(1, 40):
                line.cut_at = 0
                await models.User.query.using(direct).delete()
                work = Work(models)
                await work.begin()
                before, stored = work.state(), await names(models)
                line.pieces, line.cut_at = 0, number
                try:
                    await work.run(operation)
                except LOST:
                    line.cut_at = 0
                    now = await names(models)
                    if operation == "bulk_update":
                        work.ada.name = "ada"
                    assert work.state() == before
                    # Where the COMMIT was on its way, the database alone knows; else nothing was written.
                    assert now == stored or now == done_by(operation)
                    answered += now == stored
                    await settled(models)
                else:
                    assert await names(models) == done_by(operation)
                    break
            else:
                raise AssertionError("it never came through")
        finally:
            line.cut_at = 0
            await models.Base.database.dispose()
            del models.User.database
            models.Base.database = direct
    assert answered


async def test_operation_in_a_transaction_of_its_own_is_two_trips(models) -> None:
    """The BEGIN goes with the first statement. MariaDB needs none, and SQLAlchemy's pool sends it a ROLLBACK after."""
    if dialect_of(models) == "sqlite":
        pytest.skip("SQLite has no line")
    url = models.database.engine.url
    async with Line(url.host, url.port) as line, aldis.Database(url.set(host="127.0.0.1", port=line.port)) as database:
        line.cut_at = 1000  # it counts the pieces until then
        user = models.User(name="warm")
        await user.save(using=database)  # statements are prepared at first
        await user.update(name="warm again", using=database)
        for write in (models.User(name="new").save, lambda using: user.update(name="newer", using=using)):
            line.pieces = 0
            await write(using=database)
            assert line.pieces == (3 if url.drivername.endswith("asyncmy") else 2)
    assert await names(models) == ["new", "newer"]


async def test_begin_of_asyncpg_goes_with_a_statement_of_sqlalchemys_too(models) -> None:
    url = models.database.engine.url
    if not url.drivername.endswith("asyncpg"):
        pytest.skip("asyncpg's alone is held back")
    async with Line(url.host, url.port) as line, aldis.Database(url.set(host="127.0.0.1", port=line.port)) as database:
        line.cut_at = 1000
        await models.User.query.create(name="ada")
        for _ in range(2):  # statements are prepared at first
            line.pieces = 0
            user = await models.User.query.using(database).get(name="ada")
        assert line.pieces == 2  # the SELECT, and the pool's ROLLBACK
        for _ in range(2):
            line.pieces = 0
            async with database.transaction() as connection:
                user = await models.User.query.using(connection).get(name="ada")
                await user.update(is_verified=not user.is_verified, using=connection)
        assert line.pieces == 3  # the SELECT, the UPDATE, the COMMIT
        for _ in range(2):
            line.pieces = 0
            async with database.transaction(read_only=True) as connection:
                assert await models.User.query.using(connection).count() == 1
        assert line.pieces == 3  # SET TRANSACTION READ ONLY, the SELECT, the COMMIT
        line.pieces = 0
        async with database.transaction():
            pass
        assert line.pieces == 0
        assert (await models.User.query.get(name="ada")).is_verified is user.is_verified


@pytest.mark.parametrize("loses", ["COMMIT", "answer"])
async def test_line_that_is_lost_at_the_commit(models, loses) -> None:
    if dialect_of(models) == "sqlite":
        pytest.skip("SQLite has no line")
    heard, users = [], [models.User(name=name) for name in ("a", "b")]
    for option in ("after_commit", "after_rollback"):
        tell = {option: True}
        models.Base.meta.signals.post_save.connect(
            lambda sender, at=option: heard.append(at), models.User, False, **tell
        )
    direct, url = models.database, models.database.engine.url
    async with Line(url.host, url.port) as line:
        async with aldis.Database(url.set(host="127.0.0.1", port=line.port)) as database:
            models.Base.database = models.User.database = database
            try:
                await models.User.query.count()
                line.loses = loses
                with pytest.raises(LOST) as caught:
                    async with database.transaction():
                        await users[0].save()
                        await models.User.query.bulk_create(users[1:])
                assert "nobody knows whether that was done" in caught.value.__notes__[-1]
                assert (heard, [inspect(user).transient for user in users]) == ([], [True, True])
                line.loses = "COMMIT"  # nobody knows still
                line.server.close()
                await database.engine.dispose()
                for user in users:
                    with pytest.raises(LOST):
                        await user.load()
                    assert inspect(user).transient
            finally:
                models.Base.database = models.User.database = direct
    for user in users:
        if loses == "COMMIT":
            with pytest.raises(aldis.ObjectNotFound):
                await user.load()
            await user.save()
        else:
            await user.load()
        assert inspect(user).detached
    assert await names(models) == ["a", "b"]
    del models.User.database


def done_by(operation: str) -> list[str]:
    return {
        "save": ["ada", "bob", "x"],
        "update": ["Ada", "bob"],
        "delete": ["bob"],
        "bulk_create": ["ada", "bob", "x", "y"],
        "bulk_update": ["Ada", "bob"],
        "queryset update": ["Ada", "bob"],
        "in a transaction": ["Bob", "x"],
    }[operation]


async def test_deadlock_undoes_one_of_the_two_as_a_whole(models) -> None:
    if dialect_of(models) == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    User = models.User
    await User.query.bulk_create([{"name": "a", "mail": ""}, {"name": "b", "mail": ""}])
    ready = [asyncio.Event(), asyncio.Event()]

    async def transfer(mine: int, first: str, second: str):
        ada, bob = await User.query.get(name=first), await User.query.get(name=second)
        try:
            async with models.database.transaction() as connection:
                if dialect_of(models) == "postgresql":
                    await connection.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
                log = await models.Log.query.create(text=f"{first} to {second}")
                await ada.update(mail=str(mine))
                ready[mine].set()
                await ready[1 - mine].wait()
                try:
                    await bob.update(mail=str(mine))
                except DBAPIError as error:
                    caught = error
                    # A caller that goes on regardless cannot get half of it committed.
                    await models.Log.query.create(text="after the deadlock")
                    return caught
        except (DBAPIError, PendingRollbackError) as error:
            assert (inspect(log).transient, inspect(ada).dict["mail"], inspect(bob).dict["mail"]) == (True, "", "")
            return error
        return None

    results = await asyncio.wait_for(asyncio.gather(transfer(0, "a", "b"), transfer(1, "b", "a")), 120)
    await settled(models)
    lost = [result for result in results if result is not None]
    assert len(lost) == 1
    assert "deadlock" in str(lost[0]).lower()
    winner = results.index(None)
    assert {row["email_address"] for row in await models.stored() if row["email_address"]} >= {str(winner)}
    texts = {row["text"] for row in await models.stored(models.Log)}
    assert (("a to b", "b to a")[winner]) in texts
    if dialect_of(models) == "mysql" or dialect_of(models) == "mariadb":
        # The server rolled back all of it: nothing of it may be there.
        assert texts == {("a to b", "b to a")[winner]}


async def test_serialization_failure(models, url) -> None:
    if dialect_of(models) != "postgresql":
        pytest.skip("of PostgreSQL's REPEATABLE READ")
    user = await models.User.query.create(name="ada", mail="")
    strict = aldis.Database(url, isolation_level="REPEATABLE READ")
    mine = await models.User.query.using(strict).get(name="ada")
    with pytest.raises(DBAPIError, match="could not serialize access due to concurrent update"):
        async with strict.transaction():
            assert await models.User.query.using(strict).count() == 1
            await user.update(mail="theirs")
            await mine.update(mail="mine", using=strict)
    assert (inspect(mine).dict["mail"], (await models.stored())[0]["email_address"]) == ("", "theirs")
    assert strict.engine.pool.checkedout() == 0
    await strict.dispose()


async def test_constraint_that_is_checked_at_the_commit(models) -> None:
    if dialect_of(models) != "postgresql":
        pytest.skip("PostgreSQL alone defers a unique constraint")

    class Seat(models.Base):
        __tablename__ = "seat"
        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int]
        __table_args__ = (UniqueConstraint("number", deferrable=True, initially="DEFERRED"),)

    async with models.database.engine.begin() as connection:
        await connection.run_sync(Seat.__table__.create)
    await Seat.query.create(number=1)
    seat = Seat(number=1)
    with pytest.raises(IntegrityError):
        await seat.save()
    assert (inspect(seat).transient, "id" in inspect(seat).dict, len(await models.stored(Seat))) == (True, False, 1)
    with pytest.raises(IntegrityError):
        async with models.database.transaction():
            await seat.save()
            await Seat.query.create(number=2)
    assert (inspect(seat).transient, len(await models.stored(Seat))) == (True, 1)
    for rolls_back in (False, True):  # the block commits itself, and goes on
        async with models.database.transaction() as connection:
            await seat.save()
            with pytest.raises(IntegrityError):
                await connection.commit()
            if rolls_back:
                await connection.rollback()
            with pytest.raises(aldis.TransactionEndedError, match="was rolled back on its connection"):
                await Seat.query.create(number=2)
        assert (inspect(seat).transient, len(await models.stored(Seat))) == (True, 1)
    await settled(models)


@pytest.mark.parametrize("inside", [False, True])
async def test_constraint_violations(models, inside) -> None:
    class Part(models.Base):
        __tablename__ = "part"
        id: Mapped[int] = mapped_column(primary_key=True)
        label: Mapped[str] = mapped_column(unique=True)
        user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    async with models.database.engine.begin() as connection:
        await connection.run_sync(Part.__table__.create)
    await Part.query.create(label="a")
    other = await Part.query.create(label="b")

    async def refused(operation):
        with pytest.raises(IntegrityError) as caught:
            await operation
        assert caught.value.orig is not None
        assert caught.value.__cause__ is caught.value.orig

    async def violate():
        new = Part(label="a")
        await refused(new.save())
        assert inspect(new).transient
        empty = Part(label=None)
        await refused(empty.save())
        assert (inspect(empty).transient, inspect(empty).dict.get("id")) == (True, None)
        many = [Part(label="c"), Part(label="a")]
        await refused(Part.query.bulk_create(many))
        assert all(inspect(each).transient for each in many)
        await refused(other.update(label="a"))
        assert (other.label, inspect(other).modified) == ("b", False)
        await refused(Part.query.filter(label="b").update(label="a"))
        if dialect_of(models) != "sqlite":  # which checks foreign keys only where a pragma says so
            await refused(other.update(user_id=77))

    if inside:
        async with models.database.transaction():
            await violate()
            await Part.query.create(label="z")
    else:
        await violate()
    assert [row["label"] for row in await models.stored(Part)] == ["a", "b", *("z" * inside)]
    await settled(models)


async def test_locked_sqlite(models, url) -> None:
    if dialect_of(models) != "sqlite":
        pytest.skip("SQLite alone has one lock for all")
    impatient = aldis.Database(url, connect_args={"timeout": 0.05})
    user = models.User(name="ada")
    async with models.database.transaction():
        await models.User.query.create(name="first")
        with pytest.raises(OperationalError, match="database is locked"):
            await user.save(using=impatient)
        assert inspect(user).transient
    assert impatient.engine.pool.checkedout() == 0
    await user.save(using=impatient)
    assert await names(models) == ["ada", "first"]
    await impatient.dispose()


async def test_closed_database(models) -> None:
    database = models.database
    user = await models.User.query.create(name="ada")
    await database.dispose()
    for ask in (
        lambda: models.User(name="x").save(),
        lambda: user.update(name="x"),
        lambda: user.delete(),
        lambda: models.User.query.all(),
        lambda: models.User.query.bulk_create([{"name": "x"}]),
    ):
        with pytest.raises(aldis.ClosedDatabaseError, match=r"was closed: `async with database:` opens it again"):
            await ask()
    with pytest.raises(aldis.ClosedDatabaseError, match="was closed"):
        database.session()
    assert (user.name, inspect(user).detached) == ("ada", True)
    database._is_closed = False
    assert await names(models) == ["ada"]


async def test_no_database_to_connect_to() -> None:
    class Base(aldis.Model, DeclarativeBase): ...

    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(10))

    user = User(name="ada")
    with refusing_port() as port:
        Base.database = aldis.Database(f"postgresql+asyncpg://nobody@127.0.0.1:{port}/none")
        with pytest.raises((OSError, DBAPIError)):
            await user.save()
    assert (inspect(user).transient, User.database.engine.pool.checkedout()) == (True, 0)


@pytest.mark.parametrize("kind", ["as it is", "its pipeline", "a pipeline without queues"])
async def test_psycopg_and_one_that_was_rebuilt(models, monkeypatch, kind) -> None:
    if models.database.engine.dialect.driver != "psycopg":
        pytest.skip("of psycopg's pipelines")
    import psycopg

    pipeline, entered = psycopg.AsyncConnection.pipeline, []

    @asynccontextmanager
    async def counted(self):
        async with pipeline(self) as found:
            entered.append(found)
            yield found if kind == "its pipeline" else object()

    monkeypatch.setattr(psycopg.AsyncConnection, "pipeline", counted)
    if kind != "as it is":
        monkeypatch.setattr("aldis.orm.databases.psycopg.trip_class", lambda _driver: None)
    async with models.database.transaction():
        await models.User.query.create(name="Ada")
        before = len(entered)
        ada = await models.User.query.create(name="Bob")
        with pytest.raises(ZeroDivisionError):
            async with models.database.transaction():
                await ada.update(name="Eve")
                raise ZeroDivisionError
        await ada.update(mail="x")
        assert (len(entered) > before) == (kind != "as it is")
    assert [(row["name"], row["email_address"]) for row in await models.stored()] == [
        ("Ada", "Ada@example.org"),
        ("Bob", "x"),
    ]
