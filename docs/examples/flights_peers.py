"""The ways without aldis of writing the flights, which ``flights.py`` compares with, and the plot of all of them."""

from __future__ import annotations

import importlib
import importlib.util
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from html import escape
from types import ModuleType
from typing import Any, NamedTuple

from sqlalchemy import insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateTable

Rows = list[dict[str, Any]]


class Peer(NamedTuple):
    """A way of writing rows."""

    name: str
    takes: str
    """How it takes its rows: as instances, dictionaries or tuples."""
    keys: str
    """Whether the primary keys are known afterwards."""
    receivers: str
    """How many receivers it calls."""
    write: Callable[[Rows, str], Awaitable[float]]
    """Makes the rows ready, writes them into a new file, and returns the seconds of the writing."""


class PlainBase(DeclarativeBase):
    """The base of a model without aldis."""


class PlainFlight(PlainBase):
    """The same table, without aldis."""

    __tablename__ = "flight"

    id: Mapped[int] = mapped_column(primary_key=True)
    month: Mapped[int]
    day: Mapped[int]
    carrier: Mapped[str]
    number: Mapped[int]
    tail: Mapped[str | None]
    origin: Mapped[str]
    destination: Mapped[str]
    distance: Mapped[int]
    delay: Mapped[int | None]


async def empty(path: str) -> AsyncEngine:
    """Make the table in a new file; return an engine on it."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    async with engine.begin() as connection:
        await connection.run_sync(PlainBase.metadata.create_all)
    return engine


async def with_session(rows: Rows, path: str) -> float:
    """SQLAlchemy's unit of work."""
    engine = await empty(path)
    instances = [PlainFlight(**row) for row in rows]
    async with AsyncSession(engine, expire_on_commit=False) as session:
        began = time.perf_counter()
        session.add_all(instances)
        await session.commit()
        seconds = time.perf_counter() - began
    await engine.dispose()
    return seconds


async def with_core(rows: Rows, path: str) -> float:
    """SQLAlchemy Core: one INSERT with many parameters."""
    engine = await empty(path)
    began = time.perf_counter()
    async with engine.begin() as connection:
        await connection.execute(insert(PlainFlight.metadata.tables["flight"]), rows)
    seconds = time.perf_counter() - began
    await engine.dispose()
    return seconds


async def with_sqlite3(rows: Rows, path: str) -> float:
    """Python's sqlite3 alone: the floor."""
    names = list(rows[0])
    values = [tuple(row.values()) for row in rows]
    places = ", ".join("?" * len(names))
    statement = f"INSERT INTO flight ({', '.join(names)}) VALUES ({places})"  # noqa: S608 - names of our own
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(str(CreateTable(PlainFlight.metadata.tables["flight"]).compile(dialect=sqlite.dialect())))
        began = time.perf_counter()
        connection.executemany(statement, values)
        connection.commit()
        return time.perf_counter() - began


def model_of_tortoise() -> Any:
    """Return Tortoise's model of the same table."""
    fields = importlib.import_module("tortoise.fields")
    model = importlib.import_module("tortoise.models").Model
    columns = {name: fields.IntField() for name in ("month", "day", "number", "distance")}
    columns |= {name: fields.CharField(max_length=10) for name in ("carrier", "origin", "destination")}
    columns |= {"id": fields.IntField(primary_key=True), "delay": fields.IntField(null=True)}
    columns["tail"] = fields.CharField(max_length=10, null=True)
    meta = type("Meta", (), {"table": "flight"})
    return type("TortoiseFlight", (model,), {**columns, "Meta": meta, "__module__": "flights_of_tortoise"})


async def with_tortoise(rows: Rows, path: str) -> float:
    """Tortoise's ``bulk_create``, in one transaction. It calls no receivers and tells no keys."""
    tortoise = importlib.import_module("tortoise")
    transactions = importlib.import_module("tortoise.transactions")
    flight = model_of_tortoise()
    models = sys.modules[flight.__module__] = ModuleType(flight.__module__)  # where Tortoise looks for its models
    models.__dict__["TortoiseFlight"] = flight
    await tortoise.Tortoise.init(db_url=f"sqlite://{path}", modules={"models": [flight.__module__]})
    await tortoise.Tortoise.generate_schemas()
    instances = [flight(**row) for row in rows]
    began = time.perf_counter()
    async with transactions.in_transaction():
        await flight.bulk_create(instances, batch_size=5_000)
    seconds = time.perf_counter() - began
    await tortoise.Tortoise.close_connections()
    return seconds


PEERS = [
    Peer("SQLAlchemy session", "instances", "yes", "none", with_session),
    Peer("SQLAlchemy Core", "dictionaries", "no", "none", with_core),
    Peer("sqlite3 alone", "tuples", "no", "none", with_sqlite3),
]
if importlib.util.find_spec("tortoise") is not None:
    PEERS.insert(2, Peer("Tortoise", "instances", "no", "none", with_tortoise))


def plot(speeds: Sequence[tuple[str, float]], machine: str) -> str:
    """Return an SVG: a bar for each way, rows a second."""
    left, width, high = 190, 440, 34
    most = max(speed for _, speed in speeds)
    lines = []
    for place, (name, speed) in enumerate(sorted(speeds, key=lambda each: each[1])):
        top = 48 + place * high
        long = max(2, round(width * speed / most))
        kind = "ours" if name.startswith("aldis") else "other"
        lines += [
            f'  <text x="{left - 10}" y="{top + 17}" text-anchor="end">{escape(name)}</text>',
            f'  <rect class="{kind}" x="{left}" y="{top}" width="{long}" height="24" rx="3" />',
            f'  <text x="{left + long + 8}" y="{top + 17}">{speed:,.0f}</text>',
        ]
    height = 48 + len(speeds) * high + 26
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" role="img" '
    return "\n".join(
        [
            head + 'font-family="system-ui, sans-serif" font-size="14">',
            "  <title>Rows a second into SQLite, of rows that are ready</title>",
            "  <style>.ours { fill: #c77700 } .other { fill: #8899aa } text { fill: #222 }</style>",
            f'  <rect width="760" height="{height}" fill="#fff" rx="8" />',
            '  <text x="14" y="28" font-weight="bold">Rows a second into SQLite, of rows that are ready</text>',
            *lines,
            f'  <text x="14" y="{height - 12}" font-size="12">{escape(machine)}</text>',
            "</svg>\n",
        ]
    )
