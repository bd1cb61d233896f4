"""``bulk_create`` of 10,000 with one receiver before and one after: a lap for each line that is read, its time printed.

A process of its own, since a process has one core: two of them take turns.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from time import perf_counter

from bulk import AldisRows

ROWS = 10_000


def main(url: str, table: str) -> None:
    """Run the laps; print the microseconds a row of each."""
    with asyncio.Runner() as runner:
        it = AldisRows(url, 1)
        it.model.__table__.name = table
        runner.run(it.begin())
        for _ in sys.stdin:
            rows = it.prepare(ROWS)
            gc.collect()
            began = perf_counter()
            runner.run(it.run(rows))
            print((perf_counter() - began) * 1e6 / ROWS, flush=True)
        runner.run(it.end())


if __name__ == "__main__":
    main(*sys.argv[1:])
