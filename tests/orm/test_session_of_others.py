"""Libraries that work with SQLAlchemy's sessions: their models fire signals with nothing but the mixin."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

import aldis
from aldis.signals import LIFECYCLE


def record(model: type[aldis.Model]) -> list[tuple[str, str]]:
    """Return a list of the signals that a model fires from now on, each with what it was fired for."""
    steps: list[tuple[str, str]] = []
    for signal in LIFECYCLE:
        if "instance" not in signal.parameters:
            continue

        def receiver(sender, instance, name=signal.name, **keywords):
            what = keywords.get("operation") or getattr(keywords.get("model_instance"), "name", "queryset")
            steps.append((name, what))

        signal.connect(receiver, model, weak=False)
    return steps


@pytest_asyncio.fixture
async def session(url):
    """Return a session."""
    database = aldis.Database(url)
    async with database, AsyncSession(database.engine, expire_on_commit=False) as session:
        yield session


async def create(session: AsyncSession, metadata, *tables) -> None:
    """Create tables."""
    async with session.bind.begin() as connection:
        await connection.run_sync(metadata.drop_all, tables)
        await connection.run_sync(metadata.create_all, tables)


@functools.cache
def advanced_alchemy() -> tuple[type[Any], type[Any]]:
    """Return a model of Advanced Alchemy's, and its repository."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses what SQLAlchemy 2.1 deprecates
        from advanced_alchemy.base import BigIntAuditBase
        from advanced_alchemy.repository import SQLAlchemyAsyncRepository

    class Author(aldis.Model, BigIntAuditBase):
        __tablename__ = "aa_author"
        name: Mapped[str] = mapped_column(String(50))

    class Authors(SQLAlchemyAsyncRepository[Author]):
        model_type = Author

    return Author, Authors


async def test_advanced_alchemy(session) -> None:
    Author, Authors = advanced_alchemy()
    await create(session, Author.metadata, Author.__table__)
    steps = record(Author)
    authors = Authors(session=session)
    ada = await authors.add(Author(name="ada"))
    assert steps == [("pre_save", "ada"), ("post_save", "ada")]
    steps.clear()
    await authors.add_many([Author(name="b"), Author(name="c")])
    assert sorted(steps) == sorted((when, name) for when in ("pre_save", "post_save") for name in "bc")
    steps.clear()
    ada.name = "eve"
    await authors.update(ada)
    assert steps == [("pre_save", "eve"), ("post_save", "eve")]
    steps.clear()
    await authors.upsert(Author(id=ada.id, name="zoe"))
    assert [name for name, _ in steps] == ["pre_save", "post_save"]
    steps.clear()
    await authors.delete(ada.id)
    assert steps == [("pre_delete", "zoe"), ("post_delete", "zoe")]
    steps.clear()
    await authors.delete_where(Author.name == "b")
    assert [name for name, _ in steps] == ["pre_delete", "post_delete"]
    await session.commit()
    assert [author.name for author in await session.scalars(select(Author))] == ["c"]
    await session.close()
    async with session.bind.begin() as connection:
        await connection.run_sync(Author.metadata.drop_all, [Author.__table__])


@functools.cache
def hero_of(sqlmodel) -> type[Any]:
    """Return a model of SQLModel's."""

    class Hero(aldis.Model, sqlmodel.SQLModel, table=True):
        __tablename__ = "sm_hero"
        id: int | None = sqlmodel.Field(default=None, primary_key=True)
        name: str = sqlmodel.Field(max_length=50)
        age: int = 7

    return Hero


async def test_sqlmodel(session) -> None:
    sqlmodel = pytest.importorskip("sqlmodel", reason="its release asks for SQLAlchemy 2.0")
    from sqlmodel.ext.asyncio.session import AsyncSession as TheirSession

    Hero = hero_of(sqlmodel)
    await create(session, Hero.metadata, Hero.__table__)
    steps = record(Hero)
    async with TheirSession(session.bind, expire_on_commit=False) as theirs:
        hero = Hero(name="ada")
        theirs.add(hero)
        await theirs.commit()
        hero.name = "eve"
        await theirs.commit()
        found = (await theirs.exec(sqlmodel.select(Hero))).one()
        await theirs.delete(found)
        await theirs.commit()
    assert steps == [
        ("pre_save", "ada"),
        ("post_save", "ada"),
        ("pre_save", "eve"),
        ("post_save", "eve"),
        ("pre_delete", "eve"),
        ("post_delete", "eve"),
    ]
    async with session.bind.begin() as connection:
        await connection.run_sync(Hero.metadata.drop_all, [Hero.__table__])
