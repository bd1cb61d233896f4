"""A task of trio: signals work, and the first await of a model says that models need asyncio."""

from __future__ import annotations

import asyncio

import pytest
import trio
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis


class Base(aldis.Model, DeclarativeBase):
    database = aldis.Database("sqlite+aiosqlite://")


class User(Base):
    __tablename__ = "user_of_trio"
    id: Mapped[int] = mapped_column(primary_key=True)


async def save() -> None:
    await User().save()


async def read() -> None:
    await User.query.first()


async def stream() -> None:
    async for _ in User.query:
        pass


async def transaction() -> None:
    async with Base.database.transaction():
        pass


async def session() -> None:
    async with Base.database.session() as opened:
        await opened.get(User, 1)


@pytest.mark.parametrize("first_await", [save, read, stream, transaction, session])
def test_models_say_that_they_need_asyncio(first_await) -> None:
    with pytest.raises(aldis.ConfigurationError) as caught:
        trio.run(first_await)
    assert "needs asyncio, as SQLAlchemy's drivers do, and this is a task of trio: signals work here" in str(
        caught.value
    )


def test_signals_work() -> None:
    heard = []
    signal = aldis.Signal()

    @signal.connect
    async def hear(sender) -> None:
        await trio.lowlevel.checkpoint()
        heard.append(sender)

    trio.run(signal.send_async, "lamp")
    assert heard == ["lamp"]


def test_asyncio_beside_trio_is_not_refused() -> None:
    async def count() -> int:
        async with Base.database, Base.database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
            return await User.query.count()

    assert asyncio.run(count()) == 0
    assert trio.run(trio.to_thread.run_sync, asyncio.run, count()) == 0
