"""The databases, new for each run, and models on them: tables and signals are each test's own."""

from __future__ import annotations

import asyncio
import os
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import pytest_asyncio
from sqlalchemy import ForeignKey, String, func, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.signals import LIFECYCLE

SERVERS = {
    "asyncpg": ("ALDIS_TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/test", "postgresql+asyncpg"),
    "psycopg": ("ALDIS_TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/test", "postgresql+psycopg"),
    "asyncmy": ("ALDIS_TEST_MARIADB_URL", "mariadb://root@127.0.0.1:3306/test", "mariadb+asyncmy"),
}
"""The variable with a server's URL, its default, and the driver to reach it with."""


async def execute(url, statement: str) -> None:
    """Run one statement outside a transaction."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


@pytest.fixture(scope="session", params=["aiosqlite", *SERVERS])
def url(request, tmp_path_factory):
    """Return the URL of a database that exists for this run only."""
    if request.param == "aiosqlite":
        yield f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite')}/test.db"
        return
    variable, default, driver = SERVERS[request.param]
    server = make_url(os.environ.get(variable, default)).set(drivername=driver)
    name = f"aldis_{uuid.uuid4().hex}"
    try:
        asyncio.run(execute(server, f"CREATE DATABASE {name}"))
    except (OSError, DBAPIError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no answer from {server.render_as_string()} ({variable}): {error}")
    yield server.set(database=name).render_as_string(hide_password=False)
    asyncio.run(execute(server, f"DROP DATABASE {name}"))


@pytest_asyncio.fixture
async def models(url):
    """Return models whose tables exist, and are dropped when the test is over."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(url)
        type_annotation_map = {str: String(100)}  # noqa: RUF012

    for signal in LIFECYCLE:
        setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(unique=True)
        mail: Mapped[str] = mapped_column(
            "email_address", default=lambda context: f"{context.get_current_parameters()['name']}@example.org"
        )
        is_verified: Mapped[bool] = mapped_column(default=False)
        created: Mapped[datetime] = mapped_column(default=lambda: datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))

    class Log(Base):
        __tablename__ = "log"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]
        user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
        at: Mapped[datetime] = mapped_column(server_default=func.current_timestamp())

        __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    class Tag(Base):
        __tablename__ = "tag"
        space: Mapped[str] = mapped_column(primary_key=True)
        word: Mapped[str] = mapped_column(primary_key=True)
        used: Mapped[int] = mapped_column(default=0, onupdate=99)

    database = Base.database
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)

    async def stored(model=User):
        """Return the rows of a model's table as mappings, by column key, in the order of the primary key."""
        table = model.__table__
        async with database.engine.connect() as connection:
            result = await connection.execute(table.select().order_by(*table.primary_key))
            return [dict(row) for row in result.mappings()]

    yield SimpleNamespace(Base=Base, User=User, Log=Log, Tag=Tag, database=database, stored=stored)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
    await database.dispose()
