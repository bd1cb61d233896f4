"""Models and a receiver, for the processes that the tests start: what is saved, and what came of it elsewhere."""

from __future__ import annotations

import os

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
    """What is saved: its number tells how often it was."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]
    word: Mapped[str] = mapped_column(String(40))


class Effect(Base):
    """What the receiver wrote."""

    __tablename__ = "effect"
    position: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    item: Mapped[int]
    number: Mapped[int]


relay.forward(post_save, Item, name=NAME)
relay.forward(post_update, Item, name=NAME)


@relay.receiver([post_save, post_update], NAME, name=f"{NAME}_stock", database=Base.database, backoff=0.2, patience=5)
async def stock(sender, instance):
    await Effect.query.create(item=instance.id, number=instance.number)
