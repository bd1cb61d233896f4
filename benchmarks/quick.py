"""``make bench-quick``: in two minutes, the ratios that a change of the writers or of a send can spoil.

    python benchmarks/quick.py --only asyncpg --only blinker --turns 100

Two candidates take turns in one run: a lap of one, a lap of the other, in the order that changes each time. A figure is
the median of the turns' ratios, of wall time and of the process's CPU time. Each lap is inside an open transaction,
which is rolled back after it; the first call of a lap is not timed. Of 50 tasks, each request is a transaction of its
own. A database that does not answer is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from aldis import Signal
from aldis.bench import laps_of_blinker, laps_of_send, measure
from quick_rows import PLACES, Comparison, Place, Way, comparisons
from quick_tasks import of_tasks

TURNS = 40
SIZES = (0, 1, 5)
"""Receivers of a send."""


class Figure(NamedTuple):
    """A line of the table; a bound that is ``None`` is not asked for."""

    name: str
    wall: float
    cpu: float | None = None
    bound: float | None = None
    cpu_bound: float | None = None

    def is_met(self) -> bool:
        """Tell whether both ratios are within their bounds."""
        is_fast = self.bound is None or self.wall <= self.bound
        return is_fast and (self.cpu is None or self.cpu_bound is None or self.cpu <= self.cpu_bound)

    def line(self) -> str:
        """Return the line."""
        cpu = "" if self.cpu is None else f"{self.cpu:.2f}"
        asked = "" if self.bound is None else f"{self.bound:.3g}"
        if self.cpu_bound is not None:
            asked += f" (CPU {self.cpu_bound:g})"
        met = "" if self.bound is None else "met" if self.is_met() else "MISSED"
        return f"{self.name:<66}{self.wall:>6.2f}{cpu:>7} {asked:>16}  {met}".rstrip()


async def lap(way: Way, calls: int) -> tuple[float, float]:
    """Return the seconds of wall time and of CPU time of one call."""
    first, *payloads = [way.prepare() for _ in range(calls + 1)]  # kept until the end: nothing is freed meanwhile
    async with way.begin() as call:
        await call(first)
        cpu, wall = process_time(), perf_counter()
        for payload in payloads:
            await call(payload)
        wall, cpu = perf_counter() - wall, process_time() - cpu
    return wall / calls, cpu / calls


async def compare(each: Comparison, turns: int) -> Figure:
    """Let the two candidates take turns."""
    took: dict[Way, list[tuple[float, float]]] = {each.ours: [], each.theirs: []}
    for way in took:
        await lap(way, each.calls)
    gc.collect()
    gc.disable()
    try:
        for turn in range(max(turns // each.of_turns, 1)):
            for way in list(took)[:: 1 if turn % 2 else -1]:
                took[way].append(await lap(way, each.calls))
            gc.collect(0)
    finally:
        gc.enable()
    ratios = [(a / b, x / y) for (a, x), (b, y) in zip(took[each.ours], took[each.theirs], strict=True)]
    wall, cpu = (median(column) for column in zip(*ratios, strict=True))
    return Figure(each.name, wall, cpu, each.bound, each.cpu_bound)


def is_wanted(name: str, only: list[str]) -> bool:
    """Tell whether one of the words that were asked for is in the name of a comparison."""
    return not only or any(word.lower() in name.lower() for word in only)


async def run_place(place: Place, only: list[str], turns: int) -> None:
    """Print the figures of a database."""
    wanted = [each for each in [*comparisons(place), *of_tasks(place)] if is_wanted(each.name, only)]
    if not wanted:
        return
    try:
        await asyncio.wait_for(place.begin(), 10)
    except (SQLAlchemyError, OSError, TimeoutError, ImportError) as error:
        print(f"{place.name}: left out, it does not answer ({type(error).__name__})", flush=True)
        await place.dispose()
        return
    try:
        for each in wanted:
            print((await compare(each, turns)).line(), flush=True)
    finally:
        await place.end()


def run_sends(only: list[str], turns: int) -> None:
    """Print the figures of a send."""
    for kind in ("sync", "async"):
        for size in SIZES:
            name = f"send to {size} {kind} receivers over blinker's"
            if is_wanted(name, only):
                ours, theirs = laps_of_send(Signal(), kind, size), laps_of_blinker(kind, size)
                ratios = [measure(ours, 0.02) / measure(theirs, 0.02) for _ in range(max(turns // 8, 1))]
                print(Figure(name, median(ratios)).line(), flush=True)


def main() -> None:
    """Read the command line, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], help="comparisons with this word in their name")
    parser.add_argument("--turns", type=int, default=TURNS)
    given = parser.parse_args()
    began = perf_counter()
    print(f"{'ours over theirs':<66}{'wall':>6}{'CPU':>7} {'asked, at most':>16}")
    run_sends(given.only, given.turns)
    with tempfile.TemporaryDirectory() as folder:
        for name, url in PLACES.items():
            asyncio.run(run_place(Place(name, url.format(folder=folder, name="quick")), given.only, given.turns))
    print(f"{perf_counter() - began:.0f} seconds", file=sys.stderr)


if __name__ == "__main__":
    main()
