"""The peers that save many rows at once: the same row of five columns, in one transaction.

Instances (of SQLAlchemy's Core, which has none, dictionaries) are made before the clock starts, with all of their
values: Tortoise, Django and Edgy apply a Python-side default when an instance is made. aldis and SQLAlchemy's session
would apply it when it is saved; its share is a figure of its own.
"""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC
from typing import Any

from sqlalchemy import insert, make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

import aldis
from saving import connect, disconnect, mapped, now

Payload = Any
"""The rows that are saved in one lap."""


def wait(runner: asyncio.Runner, done: object) -> None:
    """Run a coroutine to its end; Django's call is done by now."""
    if inspect.iscoroutine(done):
        runner.run(done)


class CoreRows:
    """SQLAlchemy Core: ``INSERT ... RETURNING`` in the order of the parameters, its own road to keys."""

    def __init__(self, url: str) -> None:
        self.engine = create_async_engine(url)
        self.base, self.model = mapped("bulk_core_row")

    async def begin(self) -> None:
        """Make the table."""
        async with self.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.drop_all)
            await connection.run_sync(self.base.metadata.create_all)

    def prepare(self, count: int) -> Payload:
        """Make the rows to save."""
        return [
            {"name": f"name {number}", "email": "a@example.org", "age": number, "created": now()}
            for number in range(count)
        ]

    async def run(self, rows: Payload) -> None:
        """Save it."""
        table = self.model.__table__
        statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
        async with self.engine.begin() as connection:
            keys = (await connection.execute(statement, rows)).scalars().all()
        assert len(keys) == len(rows)

    async def end(self) -> None:
        """Drop the table."""
        async with self.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.drop_all)
        await self.engine.dispose()


class CoreWithoutKeys(CoreRows):
    """SQLAlchemy Core: executemany, which tells no keys."""

    async def run(self, rows: Payload) -> None:
        """Save it."""
        async with self.engine.begin() as connection:
            await connection.execute(insert(self.model.__table__), rows)


class SessionRows(CoreRows):
    """SQLAlchemy's session: ``add_all`` and ``commit``."""

    def prepare(self, count: int) -> Payload:
        """Make the rows to save."""
        return [
            self.model(name=f"name {number}", email="a@example.org", age=number, created=now())
            for number in range(count)
        ]

    async def run(self, rows: Payload) -> None:
        """Save it."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            session.add_all(rows)
            await session.commit()


class AldisRows:
    """aldis: ``bulk_create`` with so many receivers before and after.

    Args:
        url: The database.
        receivers: How many, before and after each.
        batched: They are called once a batch.
        fill: The datetimes are left to the column's default.
    """

    def __init__(self, url: str, receivers: int = 0, batched: bool = False, fill: bool = False) -> None:
        self.fill = fill
        self.base, self.model = mapped("bulk_aldis_row", aldis.Model)
        self.base.database = aldis.Database(url)
        self.kept = []
        self.connect(receivers, batched)

    def connect(self, count: int, batched: bool = False) -> None:
        """Connect so many before and after."""
        self.kept += connect(self.model, ("save", "update"), count, batched)

    def disconnect(self) -> None:
        """Disconnect them all."""
        disconnect(self.model, self.kept)

    async def begin(self) -> None:
        """Make the table."""
        async with self.base.database.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.drop_all)
            await connection.run_sync(self.base.metadata.create_all)

    def prepare(self, count: int) -> Payload:
        """Make the rows to save."""
        rows = [self.model(name=f"name {number}", email="a@example.org", age=number) for number in range(count)]
        if not self.fill:
            for row in rows:
                row.created = now()
        return rows

    async def run(self, rows: Payload) -> None:
        """Save it."""
        await self.model.query.bulk_create(rows)
        assert rows[-1].id is not None

    async def update(self, rows: Payload) -> None:
        """Update one column of each."""
        for row in rows:
            row.name = "new"
        await self.model.query.bulk_update(rows, update_fields=["name"])

    async def end(self) -> None:
        """Drop the table, and disconnect."""
        self.disconnect()
        async with self.base.database.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.drop_all)
        await self.base.database.dispose()


class TortoiseRows:
    """Tortoise: ``bulk_create``, which fires no signals and tells no keys."""

    def __init__(self, url: str) -> None:
        from saving import Tortoise

        self.it = Tortoise(url, 0)

    async def begin(self) -> None:
        """Make the table."""
        await self.it.begin()

    def prepare(self, count: int) -> Payload:
        """Make the rows to save."""
        return [
            self.it.model(name=f"name {number}", email="a@example.org", age=number, created=now())
            for number in range(count)
        ]

    async def run(self, rows: Payload) -> None:
        """Save it."""
        from tortoise.transactions import in_transaction

        async with in_transaction():
            await self.it.model.bulk_create(rows)

    async def end(self) -> None:
        """Drop the table."""
        await self.it.end()


class DjangoRows:
    """Django: ``bulk_create``, which fires no signals; it is not async."""

    model: Any = None

    def __init__(self, url: str) -> None:
        import django
        from django.conf import settings
        from django.db import connections, models

        if not settings.configured:
            settings.configure(DATABASES={"default": {}}, INSTALLED_APPS=[], USE_TZ=True)
            django.setup()
        target = make_url(url)
        sqlite = target.get_backend_name() == "sqlite"
        wanted = {
            "ENGINE": "django.db.backends.sqlite3" if sqlite else "django.db.backends.postgresql",
            "NAME": target.database,
            "HOST": target.host or "",
            "PORT": target.port or "",
            "USER": target.username or "",
            "PASSWORD": target.password or "",
        }
        connections.databases["bulk"] = connections.configure_settings({"default": {}, "bulk": wanted})["bulk"]
        if hasattr(connections._connections, "bulk"):
            del connections["bulk"]
        self.connection = connections["bulk"]
        if DjangoRows.model is None:

            class DjangoRow(models.Model):  # noqa: DJ008 - nobody reads it
                id = models.AutoField(primary_key=True)
                name = models.CharField(max_length=50)
                email = models.CharField(max_length=50)
                age = models.IntegerField()
                created = models.DateTimeField()

                class Meta:
                    app_label = "bulk"

            DjangoRows.model = DjangoRow

    def begin(self) -> None:
        """Make the table."""
        with self.connection.schema_editor() as editor:
            editor.create_model(self.model)

    def prepare(self, count: int) -> Payload:
        """Make the rows to save."""
        return [
            self.model(name=f"name {number}", email="a@example.org", age=number, created=now().replace(tzinfo=UTC))
            for number in range(count)
        ]

    def run(self, rows: Payload) -> None:
        """Save it."""
        from django.db import transaction

        with transaction.atomic(using="bulk"):
            self.model.objects.using("bulk").bulk_create(rows)

    def end(self) -> None:
        """Drop the table."""
        with self.connection.schema_editor() as editor:
            editor.delete_model(self.model)
        self.connection.close()


class EdgyRows:
    """Edgy: ``bulk_create`` and ``bulk_update``; it asks for SQLAlchemy 2.0."""

    def __init__(self, url: str) -> None:
        from saving import Edgy

        self.it = Edgy(url, 0)

    async def begin(self) -> None:
        """Make the table."""
        await self.it.begin()

    def prepare(self, count: int) -> Payload:
        """Make the rows to save."""
        return [self.it.model(name=f"name {number}", email="a@example.org", age=number) for number in range(count)]

    async def run(self, rows: Payload) -> None:
        """Save it."""
        await self.it.model.query.bulk_create(rows)

    async def stored(self) -> Payload:
        """Return the rows that are stored, as instances."""
        return await self.it.model.query.all()

    async def update(self, rows: Payload) -> None:
        """Update one column of each."""
        for row in rows:
            row.name = "new"
        await self.it.model.query.bulk_update(rows, update_fields=["name"])

    async def end(self) -> None:
        """Drop the table."""
        await self.it.end()
