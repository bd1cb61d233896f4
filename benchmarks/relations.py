"""``relation("friends").add()`` of 1,000, and SQLAlchemy Core's executemany of the same rows.

``python benchmarks/relations.py URL [LAPS]`` prints both and their ratio. The two take turns, each lap in a transaction
of its own; the medians of the laps are compared. The rows' dictionaries are made before Core's clock starts, the
instances before both.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from statistics import median
from time import perf_counter

from sqlalchemy import Column, ForeignKey, Integer, Table, delete, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

import aldis
from aldis.signals import post_relation_add, pre_relation_add

COUNT = 1_000


class Base(aldis.Model, DeclarativeBase):
    """The base of the models."""


friends = Table(
    "bench_friends",
    Base.metadata,
    Column("person_id", ForeignKey("bench_person.id"), primary_key=True),
    Column("friend_id", ForeignKey("bench_person.id"), primary_key=True),
)


class Person(Base):
    """Somebody."""

    __tablename__ = "bench_person"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    friends = relationship(
        "Person",
        secondary=friends,
        primaryjoin=lambda: Person.id == friends.c.person_id,
        secondaryjoin=lambda: Person.id == friends.c.friend_id,
    )


async def receiver(sender: object, related: list[Person]) -> None:
    """Listen, before or after."""


async def receiver_after(sender: object, related: list[Person], row_count: int) -> None:
    """Listen after."""


class Laps:
    """The laps of one database.

    Args:
        url: The database.
    """

    def __init__(self, url: str) -> None:
        self.database = aldis.Database(url)

    async def begin(self) -> None:
        """Make the tables and the people."""
        Base.database = self.database
        async with self.database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
        self.people = await Person.query.bulk_create([{} for _ in range(COUNT)])
        self.rows = [{"person_id": self.people[0].id, "friend_id": each.id} for each in self.people]

    async def core(self) -> float:
        """Return the seconds of Core's executemany."""
        async with self.database.engine.begin() as connection:
            await connection.execute(delete(friends))
        rows = [{**row} for row in self.rows]
        gc.collect()
        began = perf_counter()
        async with self.database.engine.begin() as connection:
            await connection.execute(insert(friends), rows)
        return perf_counter() - began

    async def relation(self) -> float:
        """Return the seconds of ``add()``."""
        async with self.database.engine.begin() as connection:
            await connection.execute(delete(friends))
        gc.collect()
        began = perf_counter()
        assert await self.people[0].relation("friends").add(*self.people) == COUNT
        return perf_counter() - began

    async def end(self) -> None:
        """Drop the tables."""
        async with self.database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
        await self.database.dispose()


async def main(url: str, laps: int = 60) -> None:
    """Run the laps, with nobody listening and with two receivers."""
    it = Laps(url)
    await it.begin()
    for heard in (False, True):
        if heard:
            pre_relation_add.connect(receiver, Person)
            post_relation_add.connect(receiver_after, Person)
        both = [(await it.core(), await it.relation()) for _ in range(laps)][laps // 10 :]
        core, relation = (median(column) * 1e3 for column in zip(*both, strict=True))
        words = "two receivers" if heard else "nobody listens"
        print(f"{words}: Core {core:.2f} ms, relation().add {relation:.2f} ms, ratio {relation / core:.2f}")
    await it.end()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
