"""Who passes on which lane: one at a time, so that the events of a key stay in order."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, Integer, bindparam, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool, StaticPool

from ..errors import AldisError
from ..orm.transactions.writers_queue import only_writer
from .background import background
from .event import LANES
from .silence import end_if_silent, end_on_mariadb_if_silent, silence_values
from .tables import delivery, insert_if_new, is_numbered, lane, none_of, outbox

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ..orm.database import Database

__all__ = ["LEASE_SECONDS", "Claim", "Lanes", "separate_engine", "writing"]

log: Final = logging.getLogger("aldis.relay")

LEASE_SECONDS: Final = 10.0
"""How long a lane belongs to a process that says nothing: it may be cut off from the network, and not know."""

ROWS_AT_ONCE: Final = 500
EVENTS_AT_ONCE: Final = 5000

SELECT_ROWS: Final = select(outbox).where(outbox.c.id.in_(bindparam("numbers", expanding=True))).order_by(outbox.c.id)


def separate_engine(database: Database, connections: int, more: int = 0) -> AsyncEngine:
    """Return an engine for the same database with connections of its own.

    A relay holds some for long. Of the application's pool they could be all that there are, and its receivers would
    wait for one for ever. On SQLite none is held, and the database may be in the memory of its connection.

    Args:
        database: The database.
        connections: How many there may be.
        more: How many more for a while.
    """
    sync = database.open_engine.sync_engine
    if sync.dialect.name == "sqlite":
        return database.open_engine
    pool = AsyncAdaptedQueuePool(
        sync.pool._creator, pool_size=connections, max_overflow=more, dialect=sync.dialect, _dispatch=sync.pool.dispatch
    )
    return AsyncEngine(Engine(pool, sync.dialect, sync.url))


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open a transaction that writes; on SQLite the writers of this process wait in a queue before they begin.

    SQLite serves nobody in order: of many that write at once some would wait until they are refused.
    """
    place = only_writer(engine.sync_engine) if engine.dialect.name == "sqlite" else nullcontext()
    async with place, engine.begin() as connection:
        yield connection


class LostLane(AldisError):
    """Another process has taken a lane over, because this one said nothing for too long."""


class Lanes:
    """The lanes of the outbox, for one who takes from them.

    PostgreSQL and MariaDB lock the lane's row for as long as it is passed on (``FOR UPDATE SKIP LOCKED``), and let it
    go when the connection ends, however it does; they end one that is silent for too long. SQLite has no row to lock:
    there a lane is leased, and the lease renewed.

    Args:
        engine: For the database with the outbox, see :func:`separate_engine`.
        receiver: Who takes, where there is no broker; empty for a relay to a broker.
        wanted: The condition for the rows of the outbox that are taken.
    """

    def __init__(self, engine: AsyncEngine, receiver: str = "", wanted: ColumnElement[bool] | None = None) -> None:
        self.engine = engine
        self.receiver = receiver
        self.owner = uuid.uuid4().hex
        if wanted is not None:
            taken = select(delivery.c.outbox_id).where(
                delivery.c.receiver == receiver, delivery.c.outbox_id == outbox.c.id
            )
            wanted &= none_of(taken, engine.dialect.name)
        wanting = (is_numbered if wanted is None else wanted,)
        self.locks = engine.dialect.name != "sqlite"
        # Made once: to make them for each turn was a tenth of a turn's time.
        something = exists(select(outbox.c.id).where(outbox.c.lane == lane.c.lane, *wanting))
        self.select_waiting = select(lane.c.lane).where(lane.c.receiver == receiver, something)
        here = (lane.c.receiver == receiver, lane.c.lane == bindparam("number"))
        self.select_locked = select(lane.c.lane).where(*here).with_for_update(skip_locked=True)
        if engine.dialect.name == "postgresql":
            self.select_locked = self.select_locked.add_columns(end_if_silent(*silence_values(LEASE_SECONDS)))
        in_lane = (outbox.c.lane == bindparam("number"), *wanting)
        most = bindparam("most", type_=Integer)
        self.select_counts = select(outbox.c.id, outbox.c.count).where(*in_lane).order_by(outbox.c.id).limit(most)
        self.update_lease = update(lane).where(*here, lane.c.owner == self.owner)

    async def prepare(self) -> None:
        """Make the lanes' rows, where they are missing."""
        rows = [{"receiver": self.receiver, "lane": number} for number in range(LANES)]
        async with writing(self.engine) as connection:
            await connection.execute(insert_if_new(lane, connection.dialect.name), rows)

    async def waiting(self) -> list[int]:
        """Return the lanes in which something waits."""
        async with self.engine.connect() as connection:
            return list(await connection.scalars(self.select_waiting))

    @asynccontextmanager
    async def claimed(self, number: int) -> AsyncIterator[Claim | None]:
        """Hold a lane for a block; ``None`` where somebody else does."""
        if self.locks:
            async with self.engine.connect() as connection, connection.begin():
                if connection.dialect.name != "postgresql":
                    await end_on_mariadb_if_silent(connection, LEASE_SECONDS)
                if await connection.scalar(self.select_locked, {"number": number}) is None:
                    yield None
                    return
                claim = Claim(self, number, connection)
                async with background(claim.renew()):
                    yield claim
            return
        async with writing(self.engine) as connection:
            now = time.time()
            # A lease that ends much further ahead than one is long was given before the clock went back: it is none.
            # One that was given while this process waited for the lock ends a little further ahead.
            is_free = or_(lane.c.until < now, lane.c.until > now + 2 * LEASE_SECONDS)
            here = (lane.c.receiver == self.receiver, lane.c.lane == number, is_free)
            free = update(lane).where(*here).values(owner=self.owner, until=now + LEASE_SECONDS)
            got = (await connection.execute(free)).rowcount
        if not got:
            yield None
            return
        claim = Claim(self, number, None)
        try:
            async with nullcontext() if isinstance(self.engine.pool, StaticPool) else background(claim.renew()):
                yield claim
        finally:
            if not claim.is_let_go:
                async with writing(self.engine) as connection:
                    await self.let_go(connection, number)

    async def let_go(self, connection: AsyncConnection, number: int) -> None:
        """Give the lease of a lane back; a renewal that is on its way finds it gone."""
        await connection.execute(self.update_lease, {"number": number, "owner": "", "until": 0})


class Claim:
    """A lane that is held."""

    def __init__(self, lanes: Lanes, number: int, connection: AsyncConnection | None) -> None:
        self.lanes = lanes
        self.number = number
        self.connection = connection
        """That whose transaction holds the lock; ``None`` where the lane is leased."""
        self.lock = asyncio.Lock()
        """A connection does one thing at a time."""
        self.renewed_at = time.monotonic()
        """When the lease was given, or renewed."""
        self.is_let_go = False
        """The lease was given back."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncConnection]:
        """Work on the tables as the lane's holder.

        Raises:
            LostLane: Somebody else has taken it over.
        """
        if self.connection is not None:
            async with self.lock:
                yield self.connection
            return
        lanes = self.lanes
        async with writing(lanes.engine) as connection:
            renewed = {"number": self.number, "until": time.time() + LEASE_SECONDS}
            if not (await connection.execute(lanes.update_lease, renewed)).rowcount:
                raise LostLane(
                    f"lane {self.number} was taken over by another process: this one did not renew its lease of "
                    f"{LEASE_SECONDS:.0f} seconds. What it was passing on is passed on again, by the other one."
                )
            yield connection
        self.renewed_at = time.monotonic()

    def is_fresh(self) -> bool:
        """Tell whether the lease was renewed a moment ago."""
        return self.connection is None and time.monotonic() - self.renewed_at < LEASE_SECONDS / 3

    @asynccontextmanager
    async def open_to_read(self) -> AsyncIterator[AsyncConnection]:
        """Read the tables as the lane's holder; on SQLite without a transaction that writes, while the lease is fresh.

        Raises:
            LostLane: Somebody else has taken it over.
        """
        async with self.lanes.engine.connect() if self.is_fresh() else self.open() as connection:
            yield connection

    async def renew(self) -> None:
        """Say now and then that the lane's holder is alive; runs until it is cancelled."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            if self.is_let_go:
                return
            if self.is_fresh():
                continue
            try:
                async with self.open() as connection:
                    await connection.execute(select(1))
            except Exception as error:
                if not self.is_let_go:
                    log.warning("cannot hold lane %d any longer: %s", self.number, error)

    async def read(self, most: int = EVENTS_AT_ONCE) -> tuple[Sequence[Row[Any]], bool]:
        """Return rows that wait in the lane, the oldest first, and whether these are all.

        Args:
            most: How many events there may be in them, if there is more than one row.
        """
        limit = min(ROWS_AT_ONCE, most)
        async with self.open_to_read() as connection:
            numbers: list[int] = []
            here = {"number": self.number, "most": limit}
            found = (await connection.execute(self.lanes.select_counts, here)).all()
            for number, count in found:
                if numbers and count > most:
                    break
                numbers.append(number)
                most -= count
            if not numbers:
                return [], True
            rows = await connection.execute(SELECT_ROWS, {"numbers": numbers})
            return rows.all(), len(numbers) == len(found) < limit

    async def end_turn(self, passed: Collection[int], unsendable: Collection[int], is_last: bool) -> None:
        """Take note of the rows of a turn, in one transaction; where the lane is leased, the last turn lets it go.

        Rows that were passed on are deleted, or one receiver's of several is ticked off. Those that can never be passed
        on are taken out of the lane; they stay, with a lane below zero, until :func:`retry`. Another receiver may have
        done that meanwhile.

        Args:
            passed: The numbers of the rows that were passed on.
            unsendable: Those of the rows that can never be.
            is_last: No row waits in the lane.
        """
        lets_go = is_last and not self.lanes.locks
        if not (passed or unsendable or lets_go):
            return
        async with self.open() as connection:
            if unsendable:
                here = (outbox.c.id.in_(unsendable), outbox.c.lane == self.number)
                await connection.execute(update(outbox).where(*here).values(lane=-1 - outbox.c.lane))
            if passed and self.lanes.receiver:
                ticks = [{"receiver": self.lanes.receiver, "outbox_id": number} for number in passed]
                await connection.execute(insert_if_new(delivery, connection.dialect.name), ticks)
            elif passed:
                await connection.execute(delete(outbox).where(outbox.c.id.in_(passed)))
            if lets_go:
                await self.lanes.let_go(connection, self.number)
        self.is_let_go = lets_go
