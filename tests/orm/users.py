"""Models whose tables and signals are a test's own.

In a module of a name of its own: SQLAlchemy looks annotations up by it, and there are several ``conftest``.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

from sqlalchemy import ForeignKey, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateTable

import aldis
from aldis.signals import LIFECYCLE


@asynccontextmanager
async def models_on(url):
    """Make models whose tables exist, and drop these at the end."""

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
        for statement in statements_that_create(Base.metadata, connection.dialect):
            await connection.exec_driver_sql(statement)

    async def stored(model=User):
        """Return the rows of a model's table as mappings, by column key, in the order of the primary key."""
        table = model.__table__
        async with database.engine.connect() as connection:
            result = await connection.execute(table.select().order_by(*table.primary_key))
            return [dict(row) for row in result.mappings()]

    yield SimpleNamespace(Base=Base, User=User, Log=Log, Tag=Tag, database=database, stored=stored)
    async with database.engine.begin() as connection:
        await drop(connection, Base.metadata)
    await database.dispose()


CREATE: dict[str, list[str]] = {}
"""The statements that create the tables, by dialect: SQLAlchemy takes as long as the database to make them."""


def statements_that_create(metadata, dialect) -> list[str]:
    if dialect.name not in CREATE:
        CREATE[dialect.name] = [str(CreateTable(each).compile(dialect=dialect)) for each in metadata.sorted_tables]
    return CREATE[dialect.name]


async def drop(connection, metadata) -> None:
    """Drop the tables, of which a test may have dropped some, without asking for each whether it is there."""
    if len(metadata.tables) > 3:  # a test's own, that may have types of their own
        await connection.run_sync(metadata.drop_all)
        return
    quote = connection.dialect.identifier_preparer.quote
    names = [quote(each.name) for each in reversed(metadata.sorted_tables)]
    for some in names if connection.dialect.name == "sqlite" else [", ".join(names)]:
        await connection.exec_driver_sql(f"DROP TABLE IF EXISTS {some}")


@asynccontextmanager
async def models_and_pages_on(url):
    """Make these models, and ``Page`` with a version counter, whose road to the database is a flush."""
    async with models_on(url) as found:

        class Page(found.Base):
            __tablename__ = "page"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            version: Mapped[int] = mapped_column()
            __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

        async with found.database.engine.begin() as connection:
            await connection.run_sync(found.Base.metadata.create_all)
        yield SimpleNamespace(**vars(found), Page=Page)
