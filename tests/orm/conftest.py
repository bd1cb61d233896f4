"""Models on an SQLite file of their own for each test; their signals belong to the test too."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest_asyncio
from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.signals import LIFECYCLE


@pytest_asyncio.fixture
async def models(tmp_path):
    """Return a namespace of models whose tables exist."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(f"sqlite+aiosqlite:///{tmp_path}/test.db")

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

    async with Base.database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield type("Models", (), {"Base": Base, "User": User, "Log": Log, "Tag": Tag, "database": Base.database})
    await Base.database.dispose()
