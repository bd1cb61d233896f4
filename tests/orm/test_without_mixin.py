"""Receivers hear mapped classes that are no aldis Models, from SQLAlchemy's sessions."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import Column, Integer, Table, Text, create_engine, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, registry

import aldis
from aldis.signals import post_delete, post_save, post_update, pre_save


@pytest.fixture
def classes():
    """Return the classes of an application that has methods and columns of aldis' names."""

    class Base(DeclarativeBase): ...

    class Guest(Base):
        __tablename__ = "guest"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        query: Mapped[str | None]
        kind: Mapped[str] = mapped_column(default="guest")
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "guest"}  # noqa: RUF012

        def save(self, session) -> str:
            session.add(self)
            session.commit()
            return "the application's own"

    class Member(Guest):
        __mapper_args__ = {"polymorphic_identity": "member"}  # noqa: RUF012

    return Base, Guest, Member


@pytest.fixture
def engine():
    """Return the engine of a plain application."""
    engine = create_engine("sqlite://")
    yield engine
    engine.dispose()


@pytest.fixture
def heard():
    """Return the signals that receivers have heard."""
    return []


def test_plain_session_fires_and_the_applications_methods_stay(classes, engine, heard) -> None:
    Base, Guest, _ = classes

    def told(sender, model_instance, is_update) -> None:
        heard.append((sender, model_instance.name, is_update))

    Base.metadata.create_all(engine)
    with post_save.connected_to(told, Guest), Session(engine) as session:
        ada = Guest(name="Ada", query="?")
        assert ada.save(session) == "the application's own"
        ada.name = "Eve"
        session.commit()
        assert heard == [(Guest, "Ada", False), (Guest, "Eve", True)]
    with Session(engine) as session:
        session.add(Guest(name="Bob"))
        session.commit()
    assert len(heard) == 2


async def test_async_session_fires_with_waiting_receivers_and_databases(classes, heard) -> None:
    Base, Guest, _ = classes

    class Log(aldis.Model, Base):
        __tablename__ = "log"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]

    engine = create_async_engine("sqlite+aiosqlite://")
    Log.database = database = aldis.Database(engine)

    async def write(sender, column_values) -> None:
        column_values["name"] = column_values["name"].title()
        await Log.query.create(text="a guest")

    async def mail(sender, model_instance) -> None:
        heard.append(model_instance.name)

    async with database:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        pre_save.connect(write, Guest)
        post_save.connect(mail, Guest, after_commit=True)
        async with AsyncSession(engine) as session:
            session.add(Guest(name="ada"))
            await session.flush()
            assert heard == []
            await session.rollback()
            assert await session.scalar(select(Log.id)) is None, "the receiver wrote in the session's transaction"
            session.add(Guest(name="bob"))
            await session.commit()
            assert heard == ["Bob"]
            assert await session.scalar(select(Log.text)) == "a guest"
        pre_save.disconnect(write, Guest)
        post_save.disconnect(mail, Guest)


def test_statements_fire(classes, engine, heard) -> None:
    Base, Guest, _ = classes

    def told(sender, row_count) -> None:
        heard.append(row_count)

    Base.metadata.create_all(engine)
    connected = (each.connected_to(told, Guest) for each in (post_save, post_update, post_delete))
    with next(connected), next(connected), next(connected), Session(engine) as session:
        session.execute(insert(Guest), [{"name": "Ada"}, {"name": "Bob"}])
        session.execute(update(Guest).values(name="Eve"))
        session.execute(delete(Guest).where(Guest.id == 1))
    assert heard == [1, 1, 2, 1]


def test_row_that_is_listened_to_by_several_bases_is_told_of_once(classes, engine, heard) -> None:
    Base, Guest, Member = classes

    def told(sender) -> None:
        heard.append(sender)

    Base.metadata.create_all(engine)
    post_save.connect(told, Member)
    post_save.connect(told, Base, subclasses=True)

    class Late(Base):
        __tablename__ = "late"
        id: Mapped[int] = mapped_column(primary_key=True)

    Late.__table__.create(engine)
    with Session(engine) as session:
        session.add_all([Member(name="Ada"), Guest(name="Bob"), Late()])
        session.commit()
    post_save.disconnect(told)
    assert sorted(each.__name__ for each in heard) == ["Guest", "Late", "Member"]


def test_class_that_is_mapped_later(engine, heard) -> None:
    class Guest: ...

    def told(sender) -> None:
        heard.append(sender)

    with post_save.connected_to(told, Guest):
        own = registry()
        table = Table("guest", own.metadata, Column("id", Integer, primary_key=True), Column("name", Text))
        own.map_imperatively(Guest, table)
        own.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Guest())
            session.commit()
    assert heard == [Guest]


def test_signals_alone_are_enough_to_import() -> None:
    program = """
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from aldis.signals import post_save
class Base(DeclarativeBase): ...
class Guest(Base):
    __tablename__ = "guest"
    id: Mapped[int] = mapped_column(primary_key=True)
@post_save.connect_via(Guest)
def told(sender): print("told")
engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add(Guest())
    session.commit()
engine.dispose()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True)
    assert (done.stdout, done.stderr) == ("told\n", "")
