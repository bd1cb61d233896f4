"""The peers that save rows one at a time: for each, a class that does something to 1,000 rows in one transaction.

All write the same row of five columns, one of them a datetime made in Python, with one receiver before and one after
where the library has them, and both are async where it can call such. Where a library works otherwise, it says how.
"""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, bindparam, delete, insert, make_url, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.bench import NAMES, VALUES

ROWS = 1_000

Receiver = Callable[..., Awaitable[None]]

Lap = Callable[[], Awaitable[None]]
"""The timed part: one thing done to the rows, in one transaction."""


def now() -> datetime:
    """The datetime of a row; without a zone, which not every library keeps."""
    return datetime.now(UTC).replace(tzinfo=None)


async def before(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Does nothing before."""


async def after(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Does nothing after."""


def connect(
    model: type[Any], kinds: Iterable[str], count: int, batched: bool = False, weak: bool = True
) -> list[tuple[Any, Any]]:
    """Connect so many receivers before and after each kind of thing that is done; return each with its signal."""
    kept = []
    for kind, when, _ in itertools.product(kinds, ("pre", "post"), range(count)):
        if batched:

            async def receiver(sender: Any, batch: Any) -> None: ...

        else:

            async def receiver(sender: Any, instance: Any, **kwargs: Any) -> None: ...

        signal = model.meta.signals[f"{when}_{kind}"]
        kept.append((signal, signal.connect(receiver, model, weak, batched=batched)))
    return kept


def disconnect(model: type[Any], kept: list[tuple[Any, Any]]) -> None:
    """Disconnect them all."""
    for signal, receiver in kept:
        signal.disconnect(receiver, model)
    kept.clear()


class Core:
    """SQLAlchemy Core: the statement is made once, and executed with parameters."""

    does = ("save", "update", "delete")

    def __init__(self, url: str, receivers: int) -> None:
        self.engine = create_async_engine(url)
        self.table = Table(
            "core_row",
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column("name", String(50)),
            Column("email", String(50)),
            Column("age", Integer),
            Column("created", DateTime),
        )
        columns = self.table.c
        self.insert = insert(self.table)
        self.update = update(self.table).where(columns.id == bindparam("key")).values(name=bindparam("new"))
        self.delete = delete(self.table).where(columns.id == bindparam("key"))

    async def begin(self) -> None:
        """Make the table."""
        async with self.engine.begin() as connection:
            await connection.run_sync(self.table.metadata.drop_all)
            await connection.run_sync(self.table.metadata.create_all)

    async def rows(self, what: str) -> Lap:
        """Make the rows ready, and return the part that is timed."""
        if what == "save":
            return self.save
        keys: list[int] = []
        async with self.engine.begin() as connection:
            for number in range(ROWS):
                result = await connection.execute(self.insert, self.row(number))
                keys.append(result.inserted_primary_key[0])
        return lambda: self.change(what, keys)

    def row(self, number: int) -> dict[str, Any]:
        """One row."""
        return {"name": f"name {number}", "email": "a@example.org", "age": number, "created": now()}

    async def save(self) -> None:
        """INSERT, and fetch the key."""
        async with self.engine.begin() as connection:
            for number in range(ROWS):
                result = await connection.execute(self.insert, self.row(number))
                _ = result.inserted_primary_key

    async def change(self, what: str, keys: list[int]) -> None:
        """UPDATE or DELETE by key."""
        async with self.engine.begin() as connection:
            for key in keys:
                if what == "update":
                    await connection.execute(self.update, {"key": key, "new": "new"})
                else:
                    await connection.execute(self.delete, {"key": key})

    async def end(self) -> None:
        """Drop the table."""
        async with self.engine.begin() as connection:
            await connection.run_sync(self.table.metadata.drop_all)
        await self.engine.dispose()


def mapped(table: str, *mixins: type[Any]) -> tuple[type[Any], type[Any]]:
    """Return a declarative base with these mixins, and the row mapped to a table."""

    class Base(*mixins, DeclarativeBase): ...

    class Row(Base):
        __tablename__ = table
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(50))
        email: Mapped[str] = mapped_column(String(50))
        age: Mapped[int]
        created: Mapped[datetime] = mapped_column(default=now)

    return Base, Row


class Aldis:
    """aldis: ``save()``, ``update(name=...)``, ``delete()``."""

    does = ("save", "update", "delete")

    def __init__(self, url: str, receivers: int) -> None:
        Base, Row = mapped("aldis_row", aldis.Model)
        Base.database = aldis.Database(url)
        self.model, self.base, self.kept = Row, Base, []
        self.connect(receivers)

    def connect(self, count: int) -> None:
        """Connect so many before and after each thing that is done."""
        self.kept += connect(self.model, self.does, count, weak=False)

    def disconnect(self) -> None:
        """Disconnect them all."""
        disconnect(self.model, self.kept)

    async def begin(self) -> None:
        """Make the table."""
        async with self.base.database.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.drop_all)
            await connection.run_sync(self.base.metadata.create_all)

    def new(self) -> list[Any]:
        """Instances that are not stored."""
        return [self.model(name=f"name {number}", email="a@example.org", age=number) for number in range(ROWS)]

    async def rows(self, what: str) -> Lap:
        """Make the rows ready, and return the part that is timed."""
        if what == "save":
            return lambda: self.save(self.new())
        instances = await self.model.query.bulk_create(self.new())
        return lambda: self.change(what, instances)

    async def save(self, instances: list[Any], around: Sequence[Receiver] = ()) -> None:
        """Save each; ``around`` are awaited in a plain loop before each save, and in one after it."""
        keywords = dict(zip(NAMES, VALUES, strict=True))
        async with self.base.database.transaction():
            for instance in instances:
                for receiver in around:
                    await receiver(self.model, **keywords)
                await instance.save()
                for receiver in around:
                    await receiver(self.model, **keywords)

    async def change(self, what: str, instances: list[Any]) -> None:
        """Update or delete each."""
        async with self.base.database.transaction():
            for instance in instances:
                await (instance.update(name="new") if what == "update" else instance.delete())

    async def end(self) -> None:
        """Drop the table, and disconnect."""
        self.disconnect()
        async with self.base.database.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.drop_all)
        await self.base.database.dispose()


class PlainSession:
    """SQLAlchemy's unit of work, without aldis: the peer of a session's signals."""

    mixin: tuple[type[Any], ...] = ()

    def __init__(self, url: str) -> None:
        Base, Row = mapped("session_row", *self.mixin)
        self.engine, self.base, self.model = create_async_engine(url), Base, Row

    async def begin(self) -> None:
        """Make the table, and flush some rows: the work that is done once is done."""
        async with self.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.create_all)
        await self.flush(ROWS)

    async def flush(self, count: int) -> float:
        """Flush new instances, and roll back; return the seconds of the flush alone."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            session.add_all(
                [self.model(name=f"name {number}", email="a@example.org", age=number) for number in range(count)]
            )
            gc.collect()
            began = perf_counter()
            await session.flush()
            took = perf_counter() - began
            await session.rollback()
        return took

    async def end(self) -> None:
        """Disconnect."""
        await self.engine.dispose()


class AldisSession(PlainSession):
    """The same with the mixin."""

    mixin = (aldis.Model,)

    async def heard(self, count: int) -> float:
        """Flush with one receiver before and one after."""
        kept = connect(self.model, ("save",), 1)
        took = await self.flush(count)
        disconnect(self.model, kept)
        return took


class Edgy:
    """Edgy: ``save()`` with its signals; it asks for SQLAlchemy 2.0."""

    does = ("save",)

    def __init__(self, url: str, receivers: int) -> None:
        import edgy

        target = make_url(url)
        plain = target.set(drivername=target.get_backend_name()).render_as_string(hide_password=False)
        self.database = edgy.Database(plain)
        registry = edgy.Registry(database=self.database)

        class EdgyRow(edgy.Model):
            id: int = edgy.IntegerField(primary_key=True, autoincrement=True)
            name: str = edgy.CharField(max_length=50)
            email: str = edgy.CharField(max_length=50)
            age: int = edgy.IntegerField()
            created: datetime = edgy.DateTimeField(default=now)

            class Meta:
                registry = None
                tablename = "edgy_row"

        self.model = EdgyRow.copy_edgy_model(registry=registry)
        self.registry = registry
        self.model.meta.signals.pre_save.connect(before, self.model)
        self.model.meta.signals.post_save.connect(after, self.model)

    async def begin(self) -> None:
        """Make the table."""
        await self.registry.__aenter__()
        await self.registry.create_all()

    async def rows(self, what: str) -> Lap:
        """Return the part that is timed."""

        async def save() -> None:
            async with self.database.transaction():
                for number in range(ROWS):
                    await self.model(name=f"name {number}", email="a@example.org", age=number).save()

        return save

    async def end(self) -> None:
        """Drop the table."""
        await self.registry.drop_all()
        await self.registry.__aexit__(None, None, None)


class Tortoise:
    """Tortoise: ``save()`` with its signals."""

    does = ("save",)

    def __init__(self, url: str, receivers: int) -> None:
        from tortoise import Tortoise as Orm
        from tortoise.backends.base.executor import EXECUTOR_CACHE
        from tortoise.signals import post_save, pre_save

        from tortoise_models import TortoiseRow

        EXECUTOR_CACHE.clear()  # it keeps the SQL of the database that a model was first used with
        target = make_url(url)
        self.orm, self.model = Orm, TortoiseRow
        self.url = (
            f"sqlite://{target.database}"
            if target.get_backend_name() == "sqlite"
            else target.set(drivername="asyncpg").render_as_string(hide_password=False)
        )

        async def pre(sender: Any, instance: Any, using_db: Any, update_fields: Any) -> None: ...

        async def post(sender: Any, instance: Any, created: Any, using_db: Any, update_fields: Any) -> None: ...

        pre_save(TortoiseRow)(pre)
        post_save(TortoiseRow)(post)

    async def begin(self) -> None:
        """Make the table."""
        await self.orm.init(db_url=self.url, modules={"models": ["tortoise_models"]})
        await self.orm.generate_schemas(safe=True)

    async def rows(self, what: str) -> Lap:
        """Return the part that is timed."""
        from tortoise.transactions import in_transaction

        async def save() -> None:
            async with in_transaction():
                for number in range(ROWS):
                    await self.model(name=f"name {number}", email="a@example.org", age=number, created=now()).save()

        return save

    async def end(self) -> None:
        """Drop the table."""
        await self.orm.get_connection("default").execute_script("DROP TABLE tortoise_row")
        await self.orm.close_connections()


PEERS: dict[str, tuple[Any, int]] = {
    "Core": (Core, 0),
    "aldis": (Aldis, 1),
    "Tortoise": (Tortoise, 1),
    "Edgy": (Edgy, 1),
}
"""Each peer, and how many receivers it has before and after."""

URLS = {
    "SQLite": "sqlite+aiosqlite:///{folder}/{name}.db",
    "PostgreSQL, asyncpg": os.environ.get(
        "ALDIS_TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/test"
    ).replace("postgresql://", "postgresql+asyncpg://"),
    "PostgreSQL, psycopg": os.environ.get(
        "ALDIS_TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/test"
    ).replace("postgresql://", "postgresql+psycopg://"),
    "MariaDB, asyncmy": os.environ.get("ALDIS_TEST_MARIADB_URL", "mariadb://root@127.0.0.1:3306/test").replace(
        "mariadb://", "mariadb+asyncmy://"
    ),
}
"""Where the rows go."""
