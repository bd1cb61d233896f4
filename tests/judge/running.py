"""Many examples: drawn by Hypothesis, performed, and their differences gathered by group."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from .calls import CALLS
from .differences import Difference, differences
from .examples import Example, examples_of
from .outcomes import perform
from .pairs import Court, stock, url_of

__all__ = ["Bench", "Finding", "Tally", "bench_of", "judge"]


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
        tempfile.TemporaryDirectory() as folder,
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
    covered: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """How many examples had (call, "column" or "class" or "table", kind)."""

    def add(self, example: Example, found: list[Difference] | None) -> None:
        if found is None:
            self.unprepared += 1
            return
        self.tried += 1
        spec = example.spec
        self.covered[example.call, "class", spec.class_kind] += 1
        self.covered[example.call, "table", spec.table_kind] += 1
        self.covered.update((example.call, "column", column) for column in spec.columns)
        self.differing += bool(found)
        for difference in found:
            group = group_of(example, difference)
            if group in self.findings:
                self.findings[group].count += 1
            else:
                self.findings[group] = Finding(example, difference, self.tried)


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
    """Draw and perform examples.

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

    @seed(number)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(examples_of(driver, specs, calls))
    def each(example: Example) -> None:
        tally.add(example, bench.differences(example, is_self_check=is_self_check))

    each()
    tally.seconds = time.monotonic() - began
    return tally
