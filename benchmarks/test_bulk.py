"""Many rows at once, in one transaction; microseconds a row are in the JSON's ``extra_info``.

The peers take turns, lap by lap, and the fastest of each counts, so that other work of the machine hits them alike.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from bulk import AldisRows, CoreRows, CoreWithoutKeys, DjangoRows, EdgyRows, SessionRows, TortoiseRows, wait
from plain import plain_await
from saving import URLS

LAPS = {10_000: 9, 100_000: 7}
TURNS = {10_000: 40, 100_000: 11}
"""Turns of the laps with receivers and without."""

OURS = {
    "aldis": AldisRows,
    "aldis, 1 + 1 receivers": lambda url: AldisRows(url, 1),
    "aldis, 1 + 1 receivers, one default": lambda url: AldisRows(url, 1, fill=True),
    "aldis, 5 + 5 receivers": lambda url: AldisRows(url, 5),
    "aldis, 5 + 5 batched receivers": lambda url: AldisRows(url, 5, batched=True),
}
CORE = {"Core, sorted RETURNING": CoreRows, "Core, without keys": CoreWithoutKeys}
SLOW = {"Core, sorted RETURNING", "AsyncSession.add_all", "Edgy, without keys"}
OTHERS = {"Tortoise, without keys": TortoiseRows, "Django": DjangoRows}


def peers(where: str, count: int) -> dict:
    """Return who takes part."""
    found = {**OURS, **CORE}
    if where in {"SQLite", "PostgreSQL, asyncpg"}:
        found |= OTHERS
    if count == 10_000:
        found |= {"AsyncSession.add_all": SessionRows}
        if where == "SQLite" and find_spec("edgy"):
            found |= {"Edgy, without keys": EdgyRows}
    elif where == "SQLite":
        del found["Core, sorted RETURNING"]  # 73 microseconds a row, row by row
    return found


@pytest.mark.parametrize("count", LAPS)
@pytest.mark.parametrize("where", URLS)
def test_bulk_create(benchmark, tmp_path, where, count) -> None:
    if count > 10_000 and where not in {"SQLite", "PostgreSQL, asyncpg"}:
        pytest.skip("10,000 tell enough")
    took: dict[str, list[float]] = {}
    with asyncio.Runner() as runner:
        taking_part = {}
        for number, (name, kind) in enumerate(peers(where, count).items()):
            taking_part[name] = it = kind(URLS[where].format(folder=tmp_path, name=f"bulk{number}"))
            if isinstance(it, (AldisRows, CoreRows)):
                it.model.__table__.name += f"_{number}"
            wait(runner, it.begin())
        try:
            for lap in range(LAPS[count]):
                for name, it in list(taking_part.items())[:: 1 if lap % 2 else -1]:
                    if name in SLOW and lap > 2:
                        continue
                    rows = it.prepare(count)
                    gc.collect()
                    began = perf_counter()
                    wait(runner, it.run(rows))
                    took.setdefault(name, []).append((perf_counter() - began) * 1e6 / count)
                    del rows
        finally:
            for it in taking_part.values():
                wait(runner, it.end())
    kind = f"bulk_create of {count:,}"
    figures = [[kind, name, min(laps)] for name, laps in took.items()]
    benchmark.group = "bulk (the time says nothing)"
    benchmark.extra_info.update(where=where, figures=figures)
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.parametrize("count", TURNS)
@pytest.mark.parametrize("where", ["SQLite", "PostgreSQL, asyncpg"])
def test_cost_of_receivers_of_many(benchmark, tmp_path, where, count) -> None:
    """One model with receivers and with none, in turn; the middle one of the turns' differences counts.

    One, for the reason that ``test_cost_of_receivers`` gives; and two fastest laps are of two moments.
    """
    ways = {
        "none": (0, False),
        "1 + 1 receivers": (1, False),
        "5 + 5 receivers": (5, False),
        "5 + 5 batched receivers": (5, True),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    plain = []
    with asyncio.Runner() as runner:
        it = AldisRows(URLS[where].format(folder=tmp_path, name="cost"))
        it.model.__table__.name += "_cost"
        runner.run(it.begin())
        for turn in range(TURNS[count]):
            plain.append(plain_await())
            for name in list(ways)[:: 1 if turn % 2 else -1]:
                it.connect(*ways[name])
                rows = it.prepare(count)
                gc.collect()
                began = perf_counter()
                runner.run(it.run(rows))
                took[name].append((perf_counter() - began) * 1e6 / count)
                it.disconnect()
        runner.run(it.end())
    figures = []
    for name in ("1 + 1 receivers", "5 + 5 receivers"):
        more = median(each - none for each, none in zip(took[name], took["none"], strict=True))
        figures += [
            [f"over none, of {count:,}", name, more],
            [f"over none, of {count:,}, in plain awaits", name, more / median(plain)],
        ]
    batched = median(each / none for each, none in zip(took["5 + 5 batched receivers"], took["none"], strict=True))
    figures.append([f"ratio to none, of {count:,}", "5 + 5 batched receivers", batched])
    benchmark.group = "bulk (the time says nothing)"
    benchmark.extra_info.update(where=where, figures=figures)
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.parametrize("where", URLS)
def test_pure_core(benchmark, tmp_path, where) -> None:
    """The two cores in a process each, in turn: the middle one of the turns' ratios counts."""
    script, laps = str(Path(__file__).with_name("bulk_laps.py")), {}
    for core, pure in (("compiled", "0"), ("pure", "1")):
        command = [sys.executable, script, URLS[where].format(folder=tmp_path, name=core), f"bulk_{core}"]
        environment = {**os.environ, "ALDIS_PURE_PYTHON": pure}
        laps[core] = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
    took: dict[str, list[float]] = {core: [] for core in laps}
    for turn in range(TURNS[10_000]):
        for core in list(laps)[:: 1 if turn % 2 else -1]:
            laps[core].stdin.write("\n")
            took[core].append(float(laps[core].stdout.readline()))
    for process in laps.values():
        process.communicate()
    ratio = median(pure / compiled for pure, compiled in zip(took["pure"], took["compiled"], strict=True))
    benchmark.group = "bulk (the time says nothing)"
    benchmark.extra_info.update(
        where=where,
        figures=[
            ["bulk_create of 10,000, 1 + 1 receivers, by core", "compiled", min(took["compiled"])],
            ["bulk_create of 10,000, 1 + 1 receivers, by core", "pure", min(took["pure"])],
            ["bulk_create of 10,000, pure core over compiled", "aldis, 1 + 1 receivers", ratio],
        ],
    )
    benchmark.pedantic(lambda: None, rounds=1)


def test_bulk_update(benchmark, tmp_path) -> None:
    where, count, figures = "SQLite", 10_000, []
    with asyncio.Runner() as runner:
        for name, kind in {"aldis": AldisRows, "Edgy": EdgyRows}.items():
            if name == "Edgy" and not find_spec("edgy"):
                continue
            it = kind(URLS[where].format(folder=tmp_path, name=f"update{name}"))
            runner.run(it.begin())
            try:
                rows = it.prepare(count)
                runner.run(it.run(rows))
                if name == "Edgy":
                    rows = runner.run(it.stored())
                laps = []
                for _ in range(3):
                    gc.collect()
                    began = perf_counter()
                    runner.run(it.update(rows))
                    laps.append((perf_counter() - began) * 1e6 / count)
                figures.append(["bulk_update of 10,000", name, min(laps)])
            finally:
                runner.run(it.end())
    benchmark.group = "bulk (the time says nothing)"
    benchmark.extra_info.update(where=where, figures=figures)
    benchmark.pedantic(lambda: None, rounds=1)
