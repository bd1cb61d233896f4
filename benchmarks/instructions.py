"""Instructions and statements of a save inside a transaction, of the sources that stand in several folders.

    python benchmarks/instructions.py src ../before/src
    python benchmarks/instructions.py --rows 20 src ../before/src     # of a bulk_create of 20 rows
    python benchmarks/instructions.py --update src ../before/src      # of stored rows, with --rows of a bulk_update

Each folder has a compiled core (``setup.py build_ext --inplace``). Valgrind counts: it needs no right that ``perf``
asks for, and counts the same on a machine that is busy. The count is that of all threads, aiosqlite's too: what 400
saves take more than 100; of many rows, as many fewer as fit. One receiver is called before each save, and one after it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import re
import subprocess
import sys
from pathlib import Path

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.signals import post_save, post_update, pre_save, pre_update

FEW, MANY = 100, 400
MOST_ROWS = 20_000
"""So many rows are written at most."""


async def save(count: int, rows: int, is_update: bool) -> None:
    """Make saves in a transaction while Valgrind counts, and print what they sent to SQLite."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database("sqlite+aiosqlite://")

    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        email: Mapped[str]

    @pre_update.connect_via(User)
    @pre_save.connect_via(User)
    async def before(sender, instance):
        pass

    @post_update.connect_via(User)
    @post_save.connect_via(User)
    async def after(sender, instance):
        pass

    stored: list[User] = []

    async def updates(number: int) -> None:
        if not stored:
            stored.extend([await User.query.create(name="Ada", email="ada@example.org") for _ in range(rows or 1)])
        for _ in range(number):
            for each in stored:
                each.name += "!"
            await (User.query.bulk_update(stored) if rows else stored[0].save())

    async def saves(number: int) -> None:
        if is_update:
            await updates(number)
            return
        for _ in range(number):
            users = [User(name="Ada", email="ada@example.org") for _ in range(rows or 1)]
            await (User.query.bulk_create(users) if rows else users[0].save())

    statements: list[str] = []
    async with Base.database as database:
        async with database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await saves(few_and_many(rows)[0] // 5)
        async with database.transaction() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            await driver.set_trace_callback(statements.append)
            await saves(10)
            await driver.set_trace_callback(None)
            gc.collect()
            gc.disable()
            begin_to_count()
            await saves(count)
    kinds = sorted({each.partition(" ")[0] for each in statements})
    print(aldis.__file__, aldis.backend, len(statements) / 10, *kinds, sep="\t")


def few_and_many(rows: int) -> tuple[int, int]:
    """Return how many saves are made in the two runs that are compared."""
    fewer = max(1, rows * MANY // MOST_ROWS)
    return FEW // fewer, MANY // fewer


def begin_to_count() -> None:
    """Tell the Valgrind that runs this process to count."""
    subprocess.run(["callgrind_control", "--instr=on", str(os.getpid())], check=True, stdout=subprocess.DEVNULL)


def counted(source: Path, count: int, rows: int, is_update: bool) -> tuple[int, str]:
    """Return the instructions of a run, and what it printed."""
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null", sys.executable]
    environment = {**os.environ, "PYTHONPATH": str(source.resolve()), "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [*command, __file__, "--count", str(count), "--rows", str(rows), *["--update"] * is_update],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1]), done.stdout.strip()


def main() -> None:
    """Read the command line, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", type=Path, help="folders that have an aldis")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=0, help="those of a bulk_create of so many rows, not of a save")
    parser.add_argument("--update", action="store_true", help="stored rows are written, not new ones")
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.count is not None:
        asyncio.run(save(given.count, given.rows, given.update))
        return
    first = None
    for source in given.sources:
        least = None
        for _ in range(given.rounds):
            counts = few_and_many(given.rows)
            (few, _), (many, said) = (counted(source, count, given.rows, given.update) for count in counts)
            each = (many - few) / (counts[1] - counts[0])
            least = each if least is None else min(least, each)
        first = first or least
        file, backend, statements, *kinds = said.split("\t")
        assert Path(file).is_relative_to(source.resolve()), file
        what = f"bulk_{'update' if given.update else 'create'} of {given.rows}" if given.rows else "save"
        what += " of a stored row" * (given.update and not given.rows)
        print(
            f"{source}: {least:,.0f} instructions a {what}, {least / first:.3f} of the first; "
            f"{statements} statements a {what} ({', '.join(kinds)}); {backend} core"
        )


if __name__ == "__main__":
    main()
