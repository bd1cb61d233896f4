"""Many examples: drawn, performed, and their differences gathered by group."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .calls import CALLS, Call
from .differences import Difference, differences
from .examples import Drawing, Example
from .outcomes import perform
from .pairs import Court, Spec, stock, url_of

__all__ = ["ENOUGH", "Bench", "Finding", "Tally", "bench_of", "judge"]

ENOUGH: Final = 5
"""So many examples has each pair of a call and a kind, if there is time for them."""

IN_VAIN: Final = 20
"""So many examples are drawn for a pair whose rows cannot be prepared."""

MEMORY: Final = Path("/dev/shm")
"""Files in memory, where there is such a folder: a commit of SQLite's waits for the disk else."""

Covered = tuple[str, str, str]
"""A call; "column", "class" or "table"; and a kind."""


@dataclass
class Bench:
    """A court with the event loop that its connections belong to."""

    court: Court
    run: Callable[[Coroutine[Any, Any, Any]], Any]

    def differences(self, example: Example, *, is_self_check: bool = False) -> list[Difference] | None:
        """Perform an example; None where its rows cannot be prepared."""
        trial = self.run(perform(self.court, example, is_self_check=is_self_check))
        return None if trial is None else differences(trial)


@contextmanager
def bench_of(driver: str) -> Iterator[Bench]:
    """Make a database on a driver, for as long as the block runs."""
    with (
        elsewhere(),
        tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder,
        url_of(driver, folder) as url,
        asyncio.Runner() as runner,
    ):
        court = Court(driver, url)
        runner.run(court.begin())
        try:
            yield Bench(court, runner.run)
        finally:
            runner.run(court.end())


@contextmanager
def elsewhere() -> Iterator[None]:
    """Let the process be in another time zone than the database: who converts a time without a zone can be told."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "America/New_York"
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@dataclass
class Finding:
    """A group of differences: the first example that showed it."""

    example: Example
    difference: Difference
    number: int
    """How many examples were tried when it was found."""
    count: int = 1


@dataclass
class Tally:
    """The result of many examples."""

    driver: str
    tried: int = 0
    differing: int = 0
    unprepared: int = 0
    seconds: float = 0.0
    findings: dict[tuple[str, ...], Finding] = field(default_factory=dict)
    covered: Counter[Covered] = field(default_factory=Counter)
    """How many examples had a call and a kind; 0 of those that can be together, and were not."""

    def add(self, example: Example, found: list[Difference] | None) -> None:
        if found is None:
            self.unprepared += 1
            return
        self.tried += 1
        self.covered.update(pairs_of(example.call, example.spec))
        self.differing += bool(found)
        for difference in found:
            group = group_of(example, difference)
            if group in self.findings:
                self.findings[group].count += 1
            else:
                self.findings[group] = Finding(example, difference, self.tried)


def pairs_of(call: str, spec: Spec) -> list[Covered]:
    """Return the pairs of the call and a kind that an example has."""
    columns = [(call, "column", column) for column in spec.columns]
    return [(call, "class", spec.class_kind), (call, "table", spec.table_kind), *columns]


class Thin:
    """The pairs of a call and a kind that have had too few examples.

    Args:
        calls: The calls that each spec can have.
        tally: What was tried.
    """

    def __init__(self, calls: dict[Spec, list[Call]], tally: Tally) -> None:
        self.tally = tally
        self.specs: dict[Covered, list[tuple[Spec, Call]]] = {}
        for spec, fitting in calls.items():
            for call in dict.fromkeys(fitting):
                for pair in pairs_of(call.name, spec):
                    self.specs.setdefault(pair, []).append((spec, call))
        tally.covered.update(dict.fromkeys(self.specs, 0))
        self.left = list(self.specs)
        self.drawn: Counter[Covered] = Counter()

    def draw(self, drawing: Drawing) -> Example | None:
        """Draw an example of a thin pair; none where there is none left."""
        while self.left:
            place = drawing.chance.randrange(len(self.left))
            pair = self.left[place]
            if self.tally.covered[pair] >= ENOUGH or self.drawn[pair] >= IN_VAIN:
                self.left[place] = self.left[-1]
                self.left.pop()
                continue
            self.drawn[pair] += 1
            return drawing.of(*drawing.chance.choice(self.specs[pair]))
        return None


def group_of(example: Example, difference: Difference) -> tuple[str, ...]:
    """Return the common part of the differences of one group."""
    about = ""
    if difference.field == "error":
        about = f"{difference.ours.partition(':')[0]} / {difference.theirs.partition(':')[0]}"
    spec = example.spec
    return (
        example.call,
        difference.field,
        difference.attribute,
        difference.given,
        spec.class_kind,
        spec.table_kind,
        about,
    )


def judge(bench: Bench, count: int, number: int, *, is_self_check: bool = False, only: tuple[str, ...] = ()) -> Tally:
    """Draw and perform examples; an interrupt ends that, and what was found so far is returned.

    Args:
        bench: Where.
        count: How many.
        number: The seed: the same number draws the same examples.
        is_self_check: Compare SQLAlchemy with itself.
        only: Names of calls, class kinds, table kinds and column kinds; by default all.
    """
    driver = bench.court.driver
    tally = Tally(driver)
    calls = tuple(name for name in only if name in CALLS)
    specs = [
        spec
        for spec in stock(driver)
        if all(name in CALLS or name in {spec.class_kind, spec.table_kind, *spec.columns} for name in only)
    ]
    specs = [spec for spec in specs if any(CALLS[name].only(spec) for name in calls or CALLS)]
    began = time.monotonic()

    drawing = Drawing(driver, specs, number, calls)
    thin = Thin(drawing.calls, tally)
    with suppress(KeyboardInterrupt):
        for each in range(count):
            example = (thin.draw(drawing) if each % 2 else None) or drawing.any()
            tally.add(example, bench.differences(example, is_self_check=is_self_check))
    tally.seconds = time.monotonic() - began
    return tally
