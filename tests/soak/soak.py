"""Run random programs by their seeds, and print each seed whose program ends wrong: ``make soak SEEDS=10000``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import math
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from programs import Program, models_of, violations
from seeded_loop import SeededLoop, Stuck
from sqlalchemy import make_url, text

__all__ = ["Run", "soak"]

CANCEL_ONE_IN = 40
"""Of so many steps of a program's tasks, one is a cancellation."""


class Run:
    """The run of one seed: its history, and what was wrong at its end."""

    def __init__(self, seed: int, url: str) -> None:
        self.seed = seed
        self.url = url
        self.wrong: list[str] = []
        self.history: list[str] = []
        self.counts: Counter[str] = Counter()

    def run(self) -> Run:
        """Run the seed's program, on a loop of its own."""
        locks = Locks(self.url) if "postgresql" in self.url else None
        gc.collect()
        if "psycopg" in self.url:
            from psycopg import waiting

            waiting.MAX_BUSY_TIME = math.inf  # it would let others run by the real clock
        gc.disable()  # it would close forgotten generators at moments of its own
        cancel_one_in = CANCEL_ONE_IN if self.seed % 2 else 0
        loop = SeededLoop(self.seed, cancel_one_in, locks)
        try:
            loop.run_until_complete(self.main(loop))
        except Stuck as error:
            self.wrong.append(f"stuck: {error}")
        finally:
            with contextlib.suppress(Exception):
                for task in asyncio.all_tasks(loop):
                    task.cancel()
            loop.close()
            gc.enable()
            if locks is not None:
                locks.close()
        self.counts.update(steps=loop.steps, cancellations=loop.cancellations)
        return self

    async def main(self, loop: SeededLoop) -> None:
        """Make the table, run the program, and hold its history against the rows."""
        options: dict[str, Any] = {"connect_args": {"timeout": 1}} if "sqlite" in self.url else {}
        models = models_of(self.url, **options)
        async with models.database as database:
            async with database.engine.begin() as connection:
                await connection.run_sync(models.Base.metadata.drop_all)
                await connection.run_sync(models.Base.metadata.create_all)
            program = Program(self.seed, models, loop)
            self.history = program.history
            loop.begin_drawing()
            await program.run()
            loop.victims.clear()
            unknown = await program.find_out()
            async with database.engine.connect() as connection:
                found = await connection.execute(text("SELECT label, note FROM soak_row"))
                stored = {row.label: row.note for row in found}
        await asyncio.sleep(1)
        self.wrong = violations(program, stored)
        errors = sum(call.outcome != "done" for call in program.calls)
        self.counts.update(operations=len(program.calls), errors=errors, unknown=unknown)


class Locks:
    """Asks PostgreSQL how many statements wait for a lock; those of a run before, which was stuck, are ended first."""

    def __init__(self, url: str) -> None:
        import psycopg

        address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self.connection = psycopg.connect(address, autocommit=True)
        self.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def __call__(self, outstanding: int) -> bool:
        """Tell whether so many statements wait."""
        row = self.connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
        return row is not None and row[0] >= outstanding

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def soak(seeds: range, url: str) -> list[Run]:
    """Run seeds, and return the runs that ended wrong."""
    wrong = []
    counts: Counter[str] = Counter()
    gc.collect()
    gc.freeze()  # the collection before each run passes over what was imported: more than half of a run's time
    for seed in seeds:
        run = Run(seed, url).run()
        counts += run.counts
        if run.wrong:
            wrong.append(run)
            print(f"seed {seed}: {'; '.join(run.wrong[:3])}", flush=True)
        if (seed + 1) % 100 == 0:
            print(f"{seed + 1} seeds: {len(wrong)} wrong; {dict(counts)}", flush=True)
    print(f"{len(seeds)} seeds, {len(wrong)} wrong; {dict(counts)}")
    return wrong


def main() -> int:
    """Read the command line, and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--only", type=int, help="one seed, whose history is printed")
    parser.add_argument("--url", help="a database that nobody else uses; by default a file of SQLite's")
    given = parser.parse_args()
    logging.getLogger("aldis").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        url = given.url or f"sqlite+aiosqlite:///{Path(folder) / 'soak.db'}"
        if given.only is not None:
            run = Run(given.only, url).run()
            print(*run.history, *[f"WRONG {line}" for line in run.wrong], sep="\n")
            return bool(run.wrong)
        return bool(soak(range(given.first, given.first + given.seeds), url))


if __name__ == "__main__":
    sys.exit(main())
