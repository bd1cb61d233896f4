"""Models that are forwarded, and what is recorded of them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import date
from types import SimpleNamespace

from sqlalchemy import String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis import relay
from aldis.relay import tables
from aldis.relay.event import events_of
from aldis.signals import LIFECYCLE


@asynccontextmanager
async def shop_on(url, name=None, **options):
    """Make models that are forwarded, and their tables."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(url)
        type_annotation_map = {str: String(100)}  # noqa: RUF012

    for signal in LIFECYCLE:
        setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        mail: Mapped[str | None] = mapped_column("email_address")
        born: Mapped[date | None]
        points: Mapped[int] = mapped_column(default=0)

    class Place(Base):
        __tablename__ = "place"
        shelf: Mapped[str] = mapped_column(primary_key=True)
        number: Mapped[int] = mapped_column(primary_key=True)
        label: Mapped[str]

    for model in (User, Place):
        for signal in ("post_save", "post_update", "post_delete"):
            relay.forward(
                model.meta.signals[signal], model, name=f"{name}_{model.__name__}" if name else None, **options
            )
    async with Base.database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield SimpleNamespace(Base=Base, User=User, Place=Place, database=Base.database, signals=Base.meta.signals)
    await Base.database.dispose()


async def recorded(database) -> list[relay.Event]:
    """Return the events in the outbox, in order."""
    async with database.engine.connect() as connection:
        rows = (await connection.execute(tables.outbox.select().order_by(tables.outbox.c.id))).all()
    return [event for row in rows for event in events_of(row, "test")]


async def effects_of(warehouse) -> list[tuple[int, int]]:
    """Return what the receiver of ``warehouse.py`` wrote, in order: items, and their numbers."""
    effect = warehouse.Effect.__table__
    async with warehouse.Base.database.engine.connect() as connection:
        found = await connection.execute(select(effect.c.item, effect.c.number).order_by(effect.c.position))
        return [tuple(row) for row in found]
