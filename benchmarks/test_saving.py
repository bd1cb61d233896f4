"""One row at a time, 1,000 in one transaction; microseconds a row are in the JSON's ``extra_info``."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from aldis.bench import receivers
from plain import plain_await
from saving import PEERS, ROWS, URLS, Aldis, AldisSession, PlainSession

TURNS, FLUSHED = 60, 10_000
"""Turns of the three flushes, and how many instances each flushes."""

SHORT_TURNS, SHORT = 200, 200
"""Turns, and rows of a lap, where a small difference is measured."""
WARMING = 5
"""Rows before them that are not timed."""

CASES = [
    pytest.param(where, what, peer, id=f"{where}-{what}-{peer}")
    for where in URLS
    for what in ("save", "update", "delete")
    for peer, (kind, _) in PEERS.items()
    if what in kind.does
    and (where == "SQLite" or peer != "Edgy")
    and (where in {"SQLite", "PostgreSQL, asyncpg"} or peer in {"Core", "aldis"})
]


@pytest.mark.parametrize(("where", "what", "peer"), CASES)
def test_one_at_a_time(benchmark, tmp_path, where, what, peer) -> None:
    if peer == "Edgy" and find_spec("edgy") is None:
        pytest.skip("Edgy asks for SQLAlchemy 2.0")
    kind, receivers = PEERS[peer]
    with asyncio.Runner() as runner:
        it = kind(URLS[where].format(folder=tmp_path, name="bench"), receivers)
        try:
            runner.run(it.begin())
        except OSError as error:
            pytest.skip(f"no answer from {where}: {error}")

        def setup():
            return (runner.run(it.rows(what)),), {}

        benchmark.group = f"{what}, {where}"
        benchmark.extra_info.update(peer=peer, kind=f"one {what}", where=where, number=ROWS)
        benchmark.pedantic(
            lambda work: runner.run(awaited(work)), setup=setup, rounds=3 if peer == "Edgy" else 9, warmup_rounds=1
        )
        runner.run(it.end())


@pytest.mark.parametrize("where", ["SQLite", "PostgreSQL, asyncpg"])
def test_cost_of_receivers(benchmark, tmp_path, where) -> None:
    """One model with none, with 5 + 5 receivers, and with a plain loop over 5 before and after each save, in turn.

    The laps are short, and the median of the differences of one turn counts: a difference is a twentieth of what a save
    varies by from one moment to the next, and no two fastest laps show it. Nor do two models: their attributes have
    other places in CPython's cache of types' attributes, where two in one place cost each save microseconds.

    A signal can hardly be faster than the plain loop: it awaits the same receivers where a save has just gone to the
    database and back, and nothing is any more in the processor's nearest caches.
    """
    with asyncio.Runner() as runner:
        it = Aldis(URLS[where].format(folder=tmp_path, name="bench"), 0)
        runner.run(it.begin())
        turn = {"nobody": (0, 0), "aldis": (5, 0), "plain loop": (0, 5)}
        more, plain = {"aldis": [], "plain loop": []}, []
        for lap in range(SHORT_TURNS):
            took = {}
            plain.append(plain_await())
            for name in turn if lap % 2 else reversed(turn):
                connected, around = turn[name]
                it.connect(connected)
                instances, loop = it.new()[: SHORT + WARMING], receivers("async", around)
                runner.run(it.save([instances.pop() for _ in range(WARMING)], loop))  # the first makes the plans
                began = perf_counter()
                runner.run(it.save(instances, loop))
                took[name] = perf_counter() - began
                it.disconnect()
            for name, differences in more.items():
                differences.append((took[name] - took["nobody"]) * 1e6 / SHORT)
        runner.run(it.end())
    benchmark.group = "receivers (the time says nothing)"
    kind = "5 + 5 receivers over none"
    figures = [
        *([kind, name, median(differences)] for name, differences in more.items()),
        [f"{kind}, in plain awaits", "aldis", median(more["aldis"]) / median(plain)],
    ]
    benchmark.extra_info.update(where=where, figures=figures)
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.parametrize("where", ["PostgreSQL, asyncpg"])
def test_flush(benchmark, tmp_path, where) -> None:
    """A session's flush of 10,000 new instances: without aldis, with it and nobody listening, and with receivers.

    The three take turns, and those of one turn are compared: what the collector and the machine add from one turn to
    the next differs by more than a receiver takes. The middle one of the turns' comparisons counts. The classes are
    other ones in each turn, so that it is not always the same attributes that share a place in CPython's cache of them.
    On SQLite, where SQLAlchemy inserts row by row, a flush takes six times as long, and the difference is lost in it.
    """
    url, took, awaits = URLS[where].format(folder=tmp_path, name="flush"), [], []
    orders = list(itertools.permutations(range(3)))
    with asyncio.Runner() as runner:
        for turn in range(TURNS):
            plain, ours = PlainSession(url), AldisSession(url)
            runner.run(plain.begin())
            runner.run(ours.begin())
            times, flushes = [0.0, 0.0, 0.0], (plain.flush, ours.flush, ours.heard)
            awaits.append(plain_await())
            for number in orders[turn % len(orders)]:
                times[number] = runner.run(flushes[number](FLUSHED)) * 1e6 / FLUSHED
            took.append(times)
            runner.run(plain.end())
            runner.run(ours.end())
    plain, unheard, heard = map(median, zip(*took, strict=True))
    more = median((each[2] - each[1]) / 2 for each in took)
    benchmark.group = "flush (the time says nothing)"
    benchmark.extra_info.update(
        where=where,
        figures=[
            ["a session's flush of 10,000", "SQLAlchemy", plain],
            ["a session's flush of 10,000", "aldis, nobody listens", unheard],
            ["a session's flush of 10,000", "aldis, 1 + 1 receivers", heard],
            ["flush, nobody listens, over SQLAlchemy's", "aldis", median(each[1] / each[0] for each in took)],
            ["flush, a row and receiver", "aldis", more],
            ["flush, a row and receiver, in plain awaits", "aldis", more / median(awaits)],
        ],
    )
    benchmark.pedantic(lambda: None, rounds=1)


def test_memory_of_a_stream(benchmark, tmp_path) -> None:
    """How a process grows that loads 2,000,000 rows, in MiB."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("the size of a process is read from Linux's /proc")
    script = Path(__file__).with_name("stream_memory.py")
    command = [sys.executable, str(script), URLS["SQLite"].format(folder=tmp_path, name="stream")]
    grown = float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    benchmark.group = "memory (the time says nothing)"
    benchmark.extra_info.update(where="SQLite", figures=[["stream of 2,000,000 rows, MiB", "aldis", grown]])
    benchmark.pedantic(lambda: None, rounds=1)


async def awaited(work) -> None:
    """Await the coroutine of a lap."""
    await work()
