"""Minutes of tasks on PostgreSQL whose receivers fail, whose time runs out, and whose connections are killed and cut.

Twenty tasks save rows, alone and in blocks. A receiver writes an audit row in the same transaction, another one is told
after the commit. Between aldis and the server stands a proxy that cuts connections at a random byte; somebody else has
the server terminate some of its backends. All the while, each task holds its rows against what aldis told it:

- A call that answered: its rows and their audit rows are there, ``after_commit`` was called once for each, and the
  instances are stored.
- A call that raised, or ran out of time: all of that holds, or nothing is there, nobody was told, and the instances are
  new. A receiver's error always means the latter.
- A call whose COMMIT nobody answered, as a note of its error says: nobody was told, and ``load()`` finds out.

At the end there are as many rows as were told of, and as many audit rows; those aside whose COMMIT was not answered. No
task's error is left unretrieved, and the process has grown by two hundredths at most since its second minute; garbage
is collected, and free memory given back, before each look.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import logging
import os
import random
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import ARRAY, String, any_, func, inspect, literal, make_url, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.signals import LIFECYCLE

__all__ = ["Endurance", "Figures"]

TASKS: Final = 20
GROWTH: Final = 1.02
"""The memory at the end, at most, over that after two minutes."""
SETTLED: Final = 120.0
"""Seconds after which the process has its size."""

LATE: Final = 2.0
"""Seconds after which a call is held against its rows: a COMMIT that was cut may be on its way."""
TOGETHER: Final = 10
"""Calls that are held against their rows at once."""

UNKNOWN: Final = "nobody knows whether that was done"
"""The words of aldis about a COMMIT that was not answered."""


class Refused(Exception):
    """Raised by receivers and blocks that are told to fail."""


@dataclass
class Figures:
    """The figures of a run, and what was wrong in it."""

    seconds: float = 0
    counts: Counter[str] = field(default_factory=Counter)
    sizes: list[tuple[float, int]] = field(default_factory=list)
    """The size of the process, in bytes, by the second."""
    blocks: list[tuple[float, int]] = field(default_factory=list)
    """Python's blocks of memory in use, by the second: with a size that grows, they tell a leak from gaps."""
    wrong: list[str] = field(default_factory=list)
    complaints: Counter[str] = field(default_factory=Counter)
    """The event loop's complaints: of tasks and futures whose exception nobody has retrieved."""

    def memory(self) -> tuple[int, int] | None:
        """Return the size after two minutes, and that at the end; medians of five looks each."""
        early = [size for second, size in self.sizes if second >= SETTLED][:5]
        late = [size for _, size in self.sizes[-5:]]
        return (sorted(early)[len(early) // 2], sorted(late)[len(late) // 2]) if len(early) == len(late) == 5 else None


@dataclass
class Unit:
    """A call, or a block of calls: done, or not done, as a whole.

    Attributes:
        kept: The labels of the rows that are there if it is done.
        instances: The instance of each label, those aside that are not to be there.
    """

    kept: list[str] = field(default_factory=list)
    instances: dict[str, Any] = field(default_factory=dict)


class Endurance:
    """A run.

    Args:
        url: A PostgreSQL database that nobody else uses, to be reached by asyncpg.
        seconds: How long it runs; longer, where no row is told of by then.
        seed: Draws the calls, the times and the bytes; the interleavings are the machine's.
    """

    def __init__(self, url: str, seconds: float, seed: int = 0) -> None:
        self.direct = make_url(url)
        self.seconds = seconds
        self.draw = random.Random(seed)
        self.name = f"aldis-endurance-{uuid.uuid4().hex[:12]}"
        """By which the server knows the connections that may be killed."""
        self.figures = Figures(seconds)
        self.counts = self.figures.counts
        self.told: Counter[str] = Counter()
        """The labels that ``after_commit`` was called for, and that are not yet held against the rows."""
        self.plans: dict[str, tuple[float, str]] = {}
        """How long the receiver of a row sleeps, and when it fails: "before", "after", "told" or never."""
        self.end = 0.0

    async def run(self) -> Figures:
        """Run."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self.complain)
        fill_interned()
        self.plain = create_async_engine(self.direct, pool_size=5)
        async with Proxy(self.direct.host or "127.0.0.1", self.direct.port or 5432, self.draw, self.counts) as proxy:
            through = self.direct.set(host="127.0.0.1", port=proxy.port).update_query_dict({"ssl": "disable"})
            self.database = aldis.Database(
                through,
                pool_size=TASKS // 2,
                max_overflow=0,
                connect_args={"server_settings": {"application_name": self.name}},
                after_commit_errors="raise",
            )
            self.make_models()
            async with self.plain.begin() as connection:
                await connection.run_sync(self.Base.metadata.drop_all)
                await connection.run_sync(self.Base.metadata.create_all)
            self.end = asyncio.get_running_loop().time() + self.seconds
            proxy.cuts = True
            others = [asyncio.create_task(each) for each in (self.kill(), self.look())]
            await asyncio.gather(*(self.work(number) for number in range(TASKS)))
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            proxy.cuts = False
            await self.database.dispose()
        await self.compare()
        await self.plain.dispose()
        gc.collect()  # a task whose error nobody has retrieved is complained of when it is gone
        await asyncio.sleep(0.1)
        loop.set_exception_handler(None)
        return self.figures

    def make_models(self) -> None:
        """Make the two models, and connect their receivers."""

        class Base(aldis.Model, DeclarativeBase):
            database = self.database

        for signal in LIFECYCLE:
            setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

        class Entry(Base):
            __tablename__ = "endurance_entry"
            id: Mapped[int] = mapped_column(primary_key=True)
            label: Mapped[str] = mapped_column(String(40), unique=True)
            note: Mapped[str] = mapped_column(String(40), default="")

        class Audit(Base):
            __tablename__ = "endurance_audit"
            id: Mapped[int] = mapped_column(primary_key=True)
            label: Mapped[str] = mapped_column(String(40), index=True)

        signals = Base.meta.signals

        @signals.pre_save.connect_via(Entry)
        async def before(sender: Any, model_instance: Any) -> None:
            pause, refuses = self.plans.get(model_instance.label, (0, ""))
            if pause:
                await asyncio.sleep(pause)
            if refuses == "before":
                raise Refused

        @signals.post_save.connect_via(Entry)
        async def audit(sender: Any, model_instance: Any, is_update: bool) -> None:
            await Audit.query.create(label=model_instance.label)
            if self.plans.get(model_instance.label, (0, ""))[1] == "after":
                raise Refused

        @signals.post_save.connect_via(Entry, after_commit=True)
        async def tell(sender: Any, model_instance: Any) -> None:
            self.told[model_instance.label] += 1
            self.counts["told"] += 1
            if self.plans.get(model_instance.label, (0, ""))[1] == "told":
                raise Refused

        self.Base, self.Entry, self.Audit = Base, Entry, Audit
        self.receivers = (before, audit, tell)

    def complain(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take note of what the loop complains of."""
        self.figures.complaints[f"{context['message']}: {context.get('exception')!r}"] += 1

    # The tasks

    async def work(self, number: int) -> None:
        """Do one call after the other; every so many, hold them against the rows."""
        loop = asyncio.get_running_loop()
        made = 0
        units: deque[tuple[float, Unit, str]] = deque()
        while loop.time() < self.end or not self.counts["told"]:
            made += 1
            unit, outcome = await self.attempt(f"t{number}.{made}")
            units.append((loop.time(), unit, outcome))
            old = sum(at < loop.time() - LATE for at, _, _ in units)
            if old >= TOGETHER:
                await self.hold([units.popleft()[1:] for _ in range(old)])
        await asyncio.sleep(LATE)
        await self.hold([each[1:] for each in units])

    async def attempt(self, name: str) -> tuple[Unit, str]:
        """Make a call or a block of calls; return it, and how it ended."""
        unit, draw = Unit(), self.draw
        call = draw.choice([self.save, self.save, self.update, self.bulk, self.block, self.block, self.block])
        limit = draw.expovariate(10) if draw.random() < 0.3 else 30
        self.counts["operations"] += 1
        try:
            async with asyncio.timeout(limit):
                await call(name, unit)
        except Refused:
            outcome = "refused"
        except aldis.AfterCommitError:
            outcome = "answered"
        except TimeoutError as error:
            outcome = "unknown" if is_unknown(error) else "timed out"
        except (SQLAlchemyError, OSError, aldis.TransactionEndedError) as error:
            outcome = "unknown" if is_unknown(error) else "lost"
        except Exception as error:
            outcome = "lost" if type(error).__module__.startswith("asyncpg.") else "wrong"
            if outcome == "wrong":
                self.figures.wrong.append(f"{name} raised {error!r}")
        else:
            outcome = "answered"
        self.counts[outcome] += 1
        return unit, outcome

    def entry(self, label: str, unit: Unit, fails: bool = True) -> Any:
        """Return a new instance, whose receivers do as is drawn."""
        draw = self.draw
        refuses = draw.choice(("before", "after", "told")) if fails and draw.random() < 0.15 else ""
        self.plans[label] = draw.choice((0, 0, 0, 0.002, 0.01)), refuses
        instance = unit.instances[label] = self.Entry(label=label)
        return instance

    async def save(self, name: str, unit: Unit) -> None:
        """Save one row."""
        instance = self.entry(name, unit)
        unit.kept.append(name)
        await instance.save()

    async def update(self, name: str, unit: Unit) -> None:
        """Save a row in a block, and update it there."""
        async with self.database.transaction():
            instance = self.entry(name, unit, fails=False)
            unit.kept.append(name)
            await instance.save()
            await instance.update(note="updated")

    async def bulk(self, name: str, unit: Unit) -> None:
        """Create some rows at once."""
        rows = [self.entry(f"{name}.{number}", unit, fails=not number) for number in range(4)]
        unit.kept += [row.label for row in rows]
        await self.Entry.query.bulk_create(rows)

    async def block(self, name: str, unit: Unit) -> None:
        """Save rows in a block: alone, at once, and in a block inside it that fails; it may fail itself."""
        async with self.database.transaction():
            for number in range(self.draw.choice((1, 2, 3))):
                label = f"{name}.{number}"
                kind = self.draw.choice(("save", "gather", "block"))
                if kind == "save":
                    await self.kept(label, unit)
                elif kind == "gather":
                    both = [self.kept(f"{label}.{each}", unit) for each in range(3)]
                    for error in await asyncio.gather(*both, return_exceptions=True):
                        if isinstance(error, BaseException):
                            raise error
                else:
                    await self.inside(label, unit)
            if self.draw.random() < 0.1:
                raise Refused

    async def kept(self, label: str, unit: Unit) -> None:
        """Save a row in a block, which goes on if a receiver refuses that."""
        instance = self.entry(label, unit)
        with suppress(Refused):
            await instance.save()
            unit.kept.append(label)

    async def inside(self, label: str, unit: Unit) -> None:
        """Save two rows in a block inside the block, which may fail."""
        kept = len(unit.kept)
        try:
            async with self.database.transaction():
                await self.kept(f"{label}.x", unit)
                await self.kept(f"{label}.y", unit)
                if self.draw.random() < 0.3:
                    raise Refused
        except Refused:
            del unit.kept[kept:]

    # What is held against the rows

    async def until_ended(self) -> None:
        """Wait until the server has ended the transactions that are older than the calls to be held."""
        now = text("SELECT statement_timestamp()")
        old = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name AND xact_start < :begun")
        async with self.plain.connect() as connection:
            begun = await connection.scalar(now) - timedelta(seconds=LATE)
        count = 1
        async with asyncio.timeout(120):
            while count:
                async with self.plain.connect() as connection:
                    count = await connection.scalar(old, {"name": self.name, "begun": begun})
                await asyncio.sleep(0.1 if count else 0)

    async def hold(self, units: list[tuple[Unit, str]]) -> None:
        """Hold what was told of calls against their rows."""
        await self.until_ended()
        labels = [label for unit, _ in units for label in unit.instances]
        async with self.plain.connect() as connection:
            rows, audits = [
                Counter(await connection.scalars(select(column).where(column == any_(literal(labels, ARRAY(String))))))
                for column in (self.Entry.label, self.Audit.label)
            ]
        for unit, outcome in units:
            if outcome == "unknown":
                await self.find_out(unit, rows)
            self.hold_one(unit, outcome, rows, audits)
        for label in labels:
            self.told.pop(label, None)
            self.plans.pop(label, None)

    def hold_one(self, unit: Unit, outcome: str, rows: Counter[str], audits: Counter[str]) -> None:
        """Hold one call against its rows."""
        there = [label for label in unit.instances if label in rows]
        told = [label for label in unit.instances if self.told[label]]
        wrong = self.figures.wrong
        if outcome in {"refused", "lost"} and there:
            wrong.append(f"{outcome}, and {there} are there")
        if outcome == "answered" and set(there) != set(unit.kept):
            wrong.append(f"answered, and of {unit.kept} there are {there}")
        if outcome in {"timed out", "unknown"} and there and set(there) != set(unit.kept):
            wrong.append(f"{outcome}, and of {unit.kept} there are {there}: half of it")
        if outcome == "unknown":
            self.counts["rows of unknown calls"] += len(there)
            if told:
                wrong.append(f"nobody knows of its COMMIT, and {told} were told")
        elif set(told) != set(there) or any(self.told[label] > 1 for label in told):
            wrong.append(f"{outcome}: {there} are there, and {[(label, self.told[label]) for label in told]} were told")
        for label, instance in unit.instances.items():
            is_there = label in rows
            if audits[label] != is_there:
                wrong.append(
                    f"{outcome}: {label} has {audits[label]} audit rows, and is {'' if is_there else 'not '}there"
                )
            if (inspect(instance).key is not None) != is_there:
                wrong.append(
                    f"{outcome}: {label} has the key {inspect(instance).key}, and is {'' if is_there else 'not '}there"
                )

    async def find_out(self, unit: Unit, rows: Counter[str]) -> None:
        """Ask ``load()`` whether a COMMIT that was not answered was done."""
        for label, instance in unit.instances.items():
            if label not in unit.kept:
                continue
            for _ in range(100):
                try:
                    await instance.load()
                except aldis.ObjectNotFound:
                    break
                except (SQLAlchemyError, OSError):
                    continue  # the line was cut again
                except Exception as error:
                    if not type(error).__module__.startswith("asyncpg."):
                        self.figures.wrong.append(f"load() of {label} raised {error!r}")
                        break
                else:
                    self.counts["found by load()"] += 1
                    break

    async def compare(self) -> None:
        """Count the rows at the end."""
        async with self.plain.connect() as connection:
            count = select(func.count(func.distinct(self.Audit.label)))
            self.counts["audit"] = await connection.scalar(count) or 0
            self.counts["rows"] = await connection.scalar(select(func.count()).select_from(self.Entry)) or 0
        if (
            not self.counts["rows"]
            == self.counts["audit"]
            == self.counts["told"] + self.counts["rows of unknown calls"]
        ):
            self.figures.wrong.append("rows, told and audit differ")

    # What others do

    async def kill(self) -> None:
        """Have the server terminate a backend now and then."""
        kill = text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = :name ORDER BY random() LIMIT 1"
        )
        while True:
            await asyncio.sleep(self.draw.uniform(0.1, 0.6))
            async with self.plain.connect() as connection:
                self.counts["kills"] += len((await connection.execute(kill, {"name": self.name})).all())

    async def look(self) -> None:
        """Look at the size of the process now and then."""
        begun = time.monotonic()
        while True:
            await asyncio.sleep(2)
            gc.collect()
            trim()
            second = time.monotonic() - begun
            self.figures.sizes.append((second, size()))
            self.figures.blocks.append((second, sys.getallocatedblocks()))


def size() -> int:
    """Return the resident size of the process, in bytes; 0 where there is no /proc."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


def trim() -> None:
    """Give what is free back to the system, where the C library is glibc.

    It keeps what was freed between what is in use, more of it each minute, and a process that allocates nothing more
    would seem to grow: in ten minutes by 3 of 72 MiB, while what was in use stayed the same to a tenth of a MiB.
    """
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if give_back is not None:
        give_back(0)


def fill_interned() -> None:
    """Let Python's table of interned strings have the size that it comes to.

    Strings that come and go use up its places, nine with each connection that asyncpg opens. It is made anew then, with
    room for three times those that are there: once, somewhere in ten minutes, by 1.8 of 75 MiB, and never again.
    """
    for number in range(100_000):
        sys.intern(f"a string that goes {number}")


def is_unknown(error: BaseException) -> bool:
    """Tell whether an error, or the cancellation that a timeout was made of, says that nobody knows of a COMMIT."""
    found: BaseException | None = error
    while found is not None:
        if any(UNKNOWN in note for note in getattr(found, "__notes__", ())):
            return True
        found = found.__cause__ or found.__context__
    return False


class Proxy:
    """Stands before the server, and cuts connections after a random number of bytes, of either side."""

    def __init__(self, host: str, port: int, draw: random.Random, counts: Counter[str]) -> None:
        self.target = (host, port)
        self.draw = draw
        self.counts = counts
        self.cuts = False
        self.tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, in a task that is kept."""
        self.keep(self.connect(reader, writer))

    def keep(self, work: Awaitable[None]) -> None:
        """Run a task."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect to the server, and pass on what both send."""
        try:
            there, back = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        left = [int(self.draw.expovariate(1 / 60_000))] if self.cuts else [sys.maxsize]

        def abort() -> None:
            writer.transport.abort()
            back.transport.abort()

        self.keep(self.pump(reader, back, left, abort))
        self.keep(self.pump(there, writer, left, abort))

    async def pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, left: list[int], abort: Callable[[], None]
    ) -> None:
        """Pass on what one side sends, until so many bytes of both have passed."""
        try:
            while piece := await source.read(65536):
                left[0] -= len(piece)
                if left[0] <= 0 and self.cuts:
                    self.counts["cuts"] += 1
                    sink.write(piece[: left[0] or None])
                    break
                sink.write(piece)
                await sink.drain()
        except OSError:
            pass
        finally:
            with suppress(Exception):
                sink.close()  # what was written before the cut is sent
                await sink.wait_closed()
            abort()


def report(figures: Figures) -> bool:
    """Print the figures of a run; return whether all was right."""
    memory = figures.memory()
    wrong = len(figures.wrong) + sum(figures.complaints.values())
    for line, count in [*Counter(figures.wrong).most_common(10), *figures.complaints.most_common(10)]:
        print(f"WRONG, {count} times: {line}")
    print(json.dumps({"seconds": figures.seconds, **figures.counts}))
    if memory is not None:
        early, late = memory
        print("MiB by the minute:", *(f"{size / 2**20:.1f}" for size in by_minute(figures.sizes)))
        print("thousand blocks in use:", *(f"{blocks / 1000:.1f}" for blocks in by_minute(figures.blocks)))
        print(f"memory: {early / 2**20:.1f} MiB after {SETTLED:g} s, {late / 2**20:.1f} at the end: {late / early:.3f}")
        wrong += late > GROWTH * early
    print(f"{wrong} wrong")
    return not wrong


def by_minute(looks: list[tuple[float, int]]) -> list[int]:
    """Return the first look of each minute."""
    return list({int(second) // 60: value for second, value in reversed(looks)}.values())[::-1]


def main() -> int:
    """Read the command line, and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--url", help="a PostgreSQL database that nobody else uses; by default one is made, and dropped"
    )
    given = parser.parse_args()
    logging.getLogger("aldis").setLevel(logging.CRITICAL)
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # it logs each connection that was cut
    if given.url is not None:
        return not report(asyncio.run(Endurance(given.url, given.seconds, given.seed).run()))
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from new_databases import database_on

    with database_on("asyncpg", with_force=True) as url:
        return not report(asyncio.run(Endurance(url, given.seconds, given.seed).run()))


if __name__ == "__main__":
    sys.exit(main())
