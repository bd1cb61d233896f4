"""What ``changes`` and ``when=changed(...)`` add to ``bulk_update`` of 10,000 loaded rows, beside plain loops.

``changes``: the laps with a receiver that names it, less those with one that does not; the plain loop goes over the
rows, compares one value, and keeps the old and the new one. A condition that holds for no row: the laps with a receiver
that has it, less those where nobody listens; the plain loop calls one function of one argument for each row.

The times are of the thread's processor, in the steps of an update that find and call receivers, and judge conditions:
its other steps, which read and write the rows, are the same in all laps, and take a hundred times as long. The values
are looked at once before the clock starts: who comes first waits for the memory. The laps take turns, and the figures
are of their medians.

Run it: ``python benchmarks/changes_of_rows.py [LAPS]``.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import tempfile
from statistics import median
from time import thread_time
from typing import Any

import aldis
from aldis import changed
from aldis.dispatch.on_request import asking_of
from aldis.orm.mapping.rowwise import types
from aldis.orm.saving.operation import Bulk
from aldis.orm.saving.row_changes import Changes
from saving import mapped

ROWS = 10_000
MOST = 2.5
"""The most that each may take, in plain loops."""


async def hear(sender: Any, model_instance: Any) -> None:
    """Hear a row."""


async def hear_changes(sender: Any, model_instance: Any, changes: Any) -> None:
    """Hear what has changed."""


def judge(value: Any) -> bool:
    """Judge a row."""
    return False


def timed(of: type[Any], name: str, times: list[float], look: bool = False) -> None:
    """Let a method of a class note how long it takes, where asked once the values of the rows were looked at."""
    method = getattr(of, name)

    def begin(arguments: tuple[Any, ...]) -> float:
        if look:
            rows = arguments[-1]
            for column_values, state in zip(rows.column_values, rows.states, strict=True):
                types([column_values, state.committed_state])
        return thread_time()

    async def run(*arguments: Any) -> Any:
        began = begin(arguments)
        try:
            return await method(*arguments)
        finally:
            times.append(thread_time() - began)

    def run_plain(*arguments: Any) -> Any:
        began = begin(arguments)
        try:
            return method(*arguments)
        finally:
            times.append(thread_time() - began)

    setattr(of, name, run if inspect.iscoroutinefunction(method) else run_plain)


class Laps:
    """The laps: each sets the name of all rows, and updates them.

    Args:
        url: The database.
    """

    def __init__(self, url: str) -> None:
        self.base, self.model = mapped("changed_row", aldis.Model)
        self.base.database = aldis.Database(url)
        self.number = 0
        self.signals: list[float] = []
        timed(Bulk, "update_class", [], look=True)
        for name in ("changes_of", "emit_before_update", "is_idle_after", "emit_after_update"):
            timed(Bulk, name, self.signals)
        timed(Changes, "keep", self.signals)

    async def begin(self) -> None:
        """Make the table and its rows."""
        async with self.base.database.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.drop_all)
            await connection.run_sync(self.base.metadata.create_all)
        rows = [self.model(name=self.name(row), email="a@example.org", age=row) for row in range(ROWS)]
        self.rows = await self.model.query.bulk_create(rows)

    def name(self, row: int) -> str:
        """Return the present name of a row."""
        return f"name {row} of lap {self.number}"

    async def update(self, signal: str = "", receiver: Any = None, **options: Any) -> float:
        """Return the milliseconds of an update that a receiver hears, in what finds and calls receivers."""
        self.number += 1
        for row, instance in enumerate(self.rows):
            instance.name = self.name(row)
        if receiver is not None:
            self.model.meta.signals[signal].connect(receiver, self.model, **options)
            asking_of(self.model.meta.signals[signal], self.model, True)  # once after a connect, not in each update
        self.signals.clear()
        gc.collect()
        await self.model.query.bulk_update(self.rows)
        if receiver is not None:
            self.model.meta.signals[signal].disconnect(receiver, self.model)
        return sum(self.signals) * 1e3

    def compare(self) -> float:
        """Return the milliseconds of a loop that compares one value of each row, and keeps the old and the new one."""
        old = [self.name(row) for row in range(ROWS)]
        self.number += 1
        for row, instance in enumerate(self.rows):
            instance.name = self.name(row)
        kept = []
        gc.collect()
        began = thread_time()
        for instance, before in zip(self.rows, old, strict=True):
            if instance.name != before:
                kept.append((before, instance.name))
        took = thread_time() - began
        assert len(kept) == ROWS
        return took * 1e3

    def call(self) -> float:
        """Return the milliseconds of a loop that calls one function for each row."""
        rows = self.rows
        gc.collect()
        began = thread_time()
        for row in rows:
            judge(row)
        return (thread_time() - began) * 1e3

    async def end(self) -> None:
        """Drop the table."""
        async with self.base.database.engine.begin() as connection:
            await connection.run_sync(self.base.metadata.drop_all)
        await self.base.database.dispose()


def show(what: str, with_it: list[float], without: list[float], loop: list[float]) -> None:
    """Print a figure."""
    added = median(with_it) - median(without)
    print(f"{what:46} {added:6.2f} ms more, the loop {median(loop):5.2f} ms: {added / median(loop):5.2f} (most {MOST})")


async def main(laps: int = 15) -> None:
    """Run the laps, and print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        it = Laps(f"sqlite+aiosqlite:///{folder}/rows.db")
        await it.begin()
        conditions: dict[str, dict[str, Any]] = {
            "an attribute that is not written": {"when": changed("email")},
            "a value that is not written": {"when": changed("name", to="nobody")},
            "a value that was not there": {"when": changed("name", was="nobody")},
        }
        times: dict[Any, list[float]] = {}

        def note(key: Any, value: float) -> None:
            times.setdefault(key, []).append(value)

        signals = ("pre_update", "post_update")
        for number in range(laps + 2):
            if number == 2:
                times.clear()
            note("loop", it.compare())
            note("calls", it.call())
            note("nobody", await it.update())
            for signal in signals:
                note(signal, await it.update(signal, hear))
                note((signal, "changes"), await it.update(signal, hear_changes))
                for name, options in conditions.items():
                    note((signal, name), await it.update(signal, hear, **options))
        await it.end()
        print(f"bulk_update of {ROWS:,} rows: {median(times['nobody']):.2f} ms in its signals where nobody listens")
        for signal in signals:
            show(f"{signal}, changes", times[signal, "changes"], times[signal], times["loop"])
            for name in conditions:
                show(f"{signal}, {name}", times[signal, name], times["nobody"], times["calls"])


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
