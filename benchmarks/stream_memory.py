"""Load 2,000,000 rows into SQLite through ``bulk_create_stream``, receivers attached; print the growth in MiB.

A process of its own, since only so is its size that of the load.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from saving import Aldis

ROWS, WARM = 2_000_000, 20_000
"""Rows of the load, and those after which the process is taken to have all its memory."""


def resident() -> float:
    """Return the resident size of this process in MiB (Linux's proc(5), "statm")."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096 / 2**20


async def main(url: str) -> float:
    """Load the rows, and return the growth."""
    it = Aldis(url, 1)
    await it.begin()
    rows = ({"name": f"name {number}", "email": "a@example.org", "age": number} for number in range(ROWS))
    done, begin, most = 0, 0.0, 0.0
    async with it.model.query.bulk_create_stream(rows) as batches:
        async for batch in batches:
            done += len(batch)
            most = max(most, resident())
            if not begin and done >= WARM:
                begin = most
    await it.end()
    return most - begin


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1])))
