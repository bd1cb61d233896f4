"""The comparisons of ``quick.py`` on one database: what is written, by whom, and what issue 23 asks.

aldis has one async receiver before and one after, and its savepoint; Core and the raw driver have neither.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from itertools import count, cycle
from typing import Any, NamedTuple

from sqlalchemy import bindparam, event, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

import aldis
from quick_drivers import RAW
from saving import URLS, connect, disconnect, mapped, now

PLACES = {name.rpartition(" ")[2]: url for name, url in URLS.items()}
"""The databases' URLs, by the name of the driver."""

BULK_SIZES = (1, 5, 20, 50, 200, 1_000)
UPDATE_SIZES = (20, 200, 1_000)
STORED = 1_000
"""Rows that are stored, to be updated and deleted."""

BOUNDS = {
    "asyncpg": (1.25, 1.0, 0.8, 0.8, 0.8),
    "psycopg": (1.25, 1.0, 0.6, 0.6, 0.6),
    "asyncmy": (1.0, 0.8, 0.7, 0.7, 0.7),
}
"""``bulk_create`` of 1, 5, 20, 50 and 200 rows over Core's."""
ONE = {"asyncpg": 1.4, "psycopg": 1.4, "asyncmy": 1.5, "SQLite": 1.4}
"""One row over the raw driver's statement, not pinned to a core."""
UPDATES = {"asyncpg": (0.75, 0.5), "psycopg": (0.65, None), "asyncmy": (0.2, None)}
"""``bulk_update`` over Core's executemany: wall time, and CPU time."""

Call = Callable[[Any], Awaitable[Any]]
"""What is timed: it takes a payload."""


class Way(NamedTuple):
    """A candidate."""

    begin: Callable[[], AbstractAsyncContextManager[Call]]
    """Opens a transaction, and rolls it back in the end."""
    prepare: Callable[[], Any]
    """Makes the payload of a call."""


class Comparison(NamedTuple):
    """Two candidates for the same work."""

    name: str
    ours: Way
    theirs: Way
    calls: int
    """How often each is called in a lap."""
    bound: float | None = None
    cpu_bound: float | None = None
    of_turns: int = 1
    """It is measured in one of so many turns."""


class Undo(Exception):
    """Rolls the transaction of a lap back."""


def engine_of(url: str) -> AsyncEngine:
    """Return an engine with a pool of ten; one of SQLite whose readers do not wait for a writer."""
    engine = create_async_engine(url, pool_size=10, max_overflow=0)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def write_ahead(connection: Any, _record: Any) -> None:
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 30000"):
                connection.execute(f"PRAGMA {pragma}").close()

    return engine


class Place:
    """A database, with a table of five columns that all candidates write to.

    Args:
        name: The driver's name, or SQLite.
        url: Where it is.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.engine = engine_of(url)
        self.base, self.model = mapped(f"quick_{os.getpid()}", aldis.Model)
        self.database = self.base.database = aldis.Database(engine_of(url))
        self.table = self.model.__table__
        self.numbers = count()
        self.kept: list[Any] = []
        self.stored: list[Any] = []
        self.turns = cycle(range(STORED))

    async def begin(self) -> None:
        """Make the table, with some rows."""
        async with self.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.create_all)
        self.stored = await self.model.query.bulk_create(self.instances(STORED))
        self.kept = connect(self.model, ("save", "update", "delete"), 1)

    async def end(self) -> None:
        """Drop the table."""
        disconnect(self.model, self.kept)
        async with self.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.drop_all)
        await self.dispose()

    async def dispose(self) -> None:
        """Close the connections."""
        await self.engine.dispose()
        await self.database.dispose()

    def rows(self, size: int) -> list[dict[str, Any]]:
        """Return rows, each with values of its own."""
        numbers = [next(self.numbers) for _ in range(size)]
        return [
            {"name": f"name {number}", "email": f"{number}@example.org", "age": number, "created": now()}
            for number in numbers
        ]

    def instances(self, size: int) -> list[Any]:
        """Return new instances."""
        return [self.model(**row) for row in self.rows(size)]

    def changed(self, size: int) -> list[Any]:
        """Return stored instances with new values."""
        instances = self.stored[:size]
        for instance in instances:
            number = next(self.numbers)
            instance.name, instance.age = f"name {number}", number
        return instances

    def changes(self, size: int) -> list[dict[str, Any]]:
        """Return the parameters of an UPDATE of stored rows."""
        numbers = [next(self.numbers) for _ in range(size)]
        return [
            {"key": instance.id, "new_name": f"name {number}", "new_age": number}
            for instance, number in zip(self.stored, numbers, strict=False)
        ]

    def one(self) -> Any:
        """Return a stored instance, another one each time."""
        return self.stored[next(self.turns)]

    @asynccontextmanager
    async def aldis(self, call: Call) -> AsyncIterator[Call]:
        """Begin a transaction of aldis."""
        with suppress(Undo):
            async with self.database.transaction():
                yield call
                raise Undo

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Call]:
        """Begin a session, which executes INSERTs."""
        async with AsyncSession(self.database.engine) as session:
            statement = insert(self.model)
            yield lambda rows: session.execute(statement, rows)
            await session.rollback()

    @asynccontextmanager
    async def core(self, make: Callable[[AsyncConnection], Call]) -> AsyncIterator[Call]:
        """Begin a transaction of Core."""
        async with self.engine.connect() as connection:
            yield make(connection)
            await connection.rollback()

    @asynccontextmanager
    async def raw(self, kind: str) -> AsyncIterator[Call]:
        """Begin a transaction of Core, and return a statement of the driver's own in it."""
        async with self.engine.connect() as connection:
            await connection.exec_driver_sql("SELECT 1")
            yield await RAW[self.name](connection, self.table.name, kind)
            await connection.rollback()


def comparisons(place: Place) -> list[Comparison]:
    """Return the comparisons on a database."""
    return [*of_new_rows(place), *of_one_row(place), *of_changed_rows(place)]


def of_new_rows(place: Place) -> list[Comparison]:
    """Return those of many new rows."""
    model, found = place.model, []
    statement = insert(place.table).returning(place.table.c.id, sort_by_parameter_order=True)

    def core(connection: AsyncConnection) -> Call:
        async def call(rows: Any) -> None:
            assert len((await connection.execute(statement, rows)).scalars().all()) == len(rows)

        return call

    for size, bound in zip(BULK_SIZES, (*BOUNDS.get(place.name, (None,) * 5), None), strict=True):
        ours = Way(lambda: place.aldis(model.query.bulk_create), lambda size=size: place.instances(size))
        theirs = Way(lambda: place.core(core), lambda size=size: place.rows(size))
        name = f"{place.name}: bulk_create of {size:,} over Core's sorted RETURNING"
        found.append(Comparison(name, ours, theirs, max(40 // (size + 3), 1), bound))
    many = Way(lambda: place.aldis(lambda row: model.query.bulk_create([row])), lambda: place.instances(1)[0])
    found.append(Comparison(f"{place.name}: bulk_create([x]) over x.save()", many, saves(place), 20, 1.25))
    for size in (20, 200):
        ours = Way(place.session, lambda size=size: place.rows(size))
        theirs = Way(lambda: place.aldis(model.query.bulk_create), lambda size=size: place.rows(size))
        name = f"{place.name}: session.execute(insert, {size} rows) over bulk_create"
        found.append(Comparison(name, ours, theirs, max(40 // size, 1), 1.1))
    return found


def saves(place: Place) -> Way:
    """Return the candidate that saves one instance."""
    return Way(lambda: place.aldis(lambda instance: instance.save()), lambda: place.instances(1)[0])


def of_one_row(place: Place) -> list[Comparison]:
    """Return those of one row: over the raw driver's statement, and over Core's."""
    bound, table = ONE[place.name], place.table

    def core(connection: AsyncConnection) -> Call:
        statement = insert(table).returning(table.c.id)

        async def call(row: Any) -> None:
            assert (await connection.execute(statement, row)).scalar_one()

        return call

    new = Way(lambda: place.raw("save"), lambda: tuple(place.rows(1)[0].values()))
    updating = Way(lambda: place.aldis(lambda instance: instance.update(name=f"name {next(place.numbers)}")), place.one)
    updated = Way(lambda: place.raw("update"), lambda: (f"name {next(place.numbers)}", place.one().id))
    deleting = Way(lambda: place.aldis(lambda instance: instance.delete()), place.one)
    deleted = Way(lambda: place.raw("delete"), lambda: (place.one().id,))
    inserted = Way(lambda: place.core(core), lambda: place.rows(1)[0])
    return [
        Comparison(f"{place.name}: save() over the raw driver's INSERT", saves(place), new, 20, bound),
        Comparison(f"{place.name}: save() over Core's INSERT ... RETURNING", saves(place), inserted, 20, 1.0),
        Comparison(f"{place.name}: update() over the raw driver's UPDATE", updating, updated, 20, bound),
        Comparison(f"{place.name}: delete() over the raw driver's DELETE", deleting, deleted, 20, bound),
    ]


def of_changed_rows(place: Place) -> list[Comparison]:
    """Return those of many changed rows."""
    table, found = place.table, []
    statement = update(table).where(table.c.id == bindparam("key"))
    statement = statement.values(name=bindparam("new_name"), age=bindparam("new_age"))
    bound, cpu_bound = UPDATES.get(place.name, (None, None))

    def core(connection: AsyncConnection) -> Call:
        return lambda changes: connection.execute(statement, changes)

    for size in UPDATE_SIZES:
        ours = Way(lambda: place.aldis(place.model.query.bulk_update), lambda size=size: place.changed(size))
        theirs = Way(lambda: place.core(core), lambda size=size: place.changes(size))
        name = f"{place.name}: bulk_update of {size:,} over Core's executemany"
        found.append(Comparison(name, ours, theirs, 1, bound, cpu_bound))
    return found
