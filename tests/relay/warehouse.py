"""Models and a receiver, for the processes that the tests start: rows saved here, and their effects elsewhere."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis import relay
from aldis.signals import post_save, post_update

NAME = os.environ["WAREHOUSE"]
"""The run's own: brokers are shared with other runs."""


class Base(aldis.Model, DeclarativeBase):
    database = aldis.Database(os.environ["WAREHOUSE_DATABASE"], pool_size=20)


class Item(Base):
    """A saved row: its number tells how often it was saved."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]
    word: Mapped[str] = mapped_column(String(40))


class Effect(Base):
    """The receiver's rows."""

    __tablename__ = "effect"
    position: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    item: Mapped[int]
    number: Mapped[int]


relay.forward(post_save, Item, name=NAME)
relay.forward(post_update, Item, name=NAME)


@relay.receiver([post_save, post_update], NAME, name=f"{NAME}_stock", database=Base.database, backoff=0.2, patience=5)
async def stock(sender, instance):
    await Effect.query.create(item=instance.id, number=instance.number)
    if instance.word == "prepared":
        await prepare_once()


async def prepare_once() -> None:
    """Prepare a statement and stop before its parameters: the first process that comes here does, and says so."""
    if not is_first():
        return
    async with Base.database.transaction() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        await driver.prepare("SELECT 42")
        print("prepared", flush=True)  # noqa: T201 - the test reads it
        await asyncio.sleep(60)


def is_first() -> bool:
    """Tell whether no process has asked before."""
    try:
        Path(os.environ["WAREHOUSE_PREPARED"]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
