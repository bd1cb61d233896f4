"""Many tasks at once, as a web service has them: 50 tasks on a pool of ten connections, for ``quick.py``.

A request is a transaction of its own: one row is created and then updated, another is read by its key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from quick_rows import STORED, Call, Comparison, Place, Way
from saving import Tortoise, mapped, now

TASKS = 50
REQUESTS = 4
"""Requests of each task in a lap."""

OF_TURNS = 8
"""A lap takes as long as eight of others."""

Request = Callable[[int], Awaitable[None]]
"""Answers a request, which has a number of its own."""


def all_tasks(request: Request) -> Call:
    """Return a lap: each task answers its requests, one after the other."""

    async def task(first: int) -> None:
        for number in range(first, first + REQUESTS):
            await request(number)

    async def run(first: int) -> None:
        async with asyncio.TaskGroup() as group:
            for each in range(TASKS):
                group.create_task(task(first + each * REQUESTS))

    return run


def of_tasks(place: Place) -> list[Comparison]:
    """Return the comparisons of tasks on a database: it asks for 1.5 times the requests of a session."""
    if place.name not in {"SQLite", "asyncpg"}:
        return []

    def first() -> int:
        for _ in range(TASKS * REQUESTS):
            number = next(place.numbers)
        return number

    ours = Way(lambda: by_aldis(place), first)
    peers = [("AsyncSession", by_session, 1 / 1.5)]
    if find_spec("tortoise"):
        peers.append(("Tortoise", by_tortoise, 1.0))
    return [
        Comparison(
            f"{place.name}: {TASKS} tasks over {name}'s",
            ours,
            Way(lambda begin=begin: begin(place), first),
            1,
            bound,
            of_turns=OF_TURNS,
        )
        for name, begin, bound in peers
    ]


def values(number: int) -> dict[str, Any]:
    """Return the values of a row."""
    return {"name": f"name {number}", "email": "a@example.org", "age": number, "created": now()}


@asynccontextmanager
async def by_aldis(place: Place) -> AsyncIterator[Call]:
    """aldis, with one receiver before and one after."""
    query = place.model.query

    async def request(number: int) -> None:
        async with place.database.transaction():
            new = await query.create(**values(number))
            await new.update(name="new")
            await query.get(id=place.stored[number % STORED].id)

    yield all_tasks(request)


@asynccontextmanager
async def by_session(place: Place) -> AsyncIterator[Call]:
    """SQLAlchemy's session, with a class of its own that nobody listens to."""
    _, model = mapped(place.table.name)

    async def request(number: int) -> None:
        async with AsyncSession(place.engine, expire_on_commit=False) as session, session.begin():
            new = model(**values(number))
            session.add(new)
            await session.flush()
            new.name = "new"
            await session.flush()
            await session.get(model, place.stored[number % STORED].id)

    yield all_tasks(request)


@asynccontextmanager
async def by_tortoise(place: Place) -> AsyncIterator[Call]:
    """Tortoise, with one receiver before and one after; its own table, on its own pool."""
    from tortoise.transactions import in_transaction

    tortoise = Tortoise(place.engine.url.render_as_string(hide_password=False), 1)
    if place.name == "asyncpg":
        tortoise.url += "?minsize=10&maxsize=10"
    await tortoise.begin()
    model = tortoise.model
    key = (await model.create(**values(0))).id

    async def request(number: int) -> None:
        async with in_transaction():
            new = await model.create(**values(number))
            new.name = "new"
            await new.save(update_fields=["name"])
            await model.get(id=key)

    yield all_tasks(request)
    await tortoise.end()
