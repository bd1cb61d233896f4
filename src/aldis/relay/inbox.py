"""The inbox: an event has its effect once, and one that fails waits aside with those after it of the same key."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import Double, String, and_, bindparam, delete, exists, func, select, true, union_all, update

from .event import LANES, Event
from .lanes import IDLE_SETTING
from .receivers import error_line
from .tables import inbox, insert_if_new, parked

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ..orm.database import Database
    from .receivers import Receiver

__all__ = ["KEPT_SECONDS", "Inbox"]

log: Final = logging.getLogger("aldis.relay")

KEPT_SECONDS: Final = 14 * 24 * 60 * 60.0
"""How long the inbox remembers an event: twice as long as a broker keeps it."""

PRUNE_SECONDS: Final = 3600.0

PAUSE_SECONDS: Final = 1.0
"""Between two looks at what was put aside, and before a database that has failed is asked again."""

LONGEST_KEY: Final = 400

SLOW_SECONDS: Final = 0.005
"""A commit takes about as long."""

QUICK_AT_ONCE: Final = 2
"""Transactions, where they are shared: one at the database while the other is prepared here."""

SLOW_AT_ONCE: Final = LANES

pack: Final[Callable[[Event], bytes]] = msgspec.msgpack.Encoder().encode
unpack: Final[Callable[[bytes], Event]] = msgspec.msgpack.Decoder(Event).decode


class Inbox:
    """What has arrived for one receiver.

    A commit costs more than most receivers do. So events that have come of several lanes share a transaction, each with
    a savepoint of its own, as long as the receiver is quick; one that is slow, since it waits for something else, gets
    a transaction for each event, as many at once as there are lanes.

    Args:
        receiver: The receiver.
        database: Where it writes.
    """

    def __init__(self, receiver: Receiver, database: Database) -> None:
        self.receiver = receiver
        self.database = database
        self.waiting: deque[tuple[Event, asyncio.Future[None]]] = deque()
        self.tasks: set[asyncio.Task[None]] = set()
        self.call_seconds = 0.0
        """How long the receiver takes, in seconds: the latest calls count most."""

    async def take(self, event: Event) -> None:
        """Let an event have its effect, or put it aside; returns when one of both is committed.

        A database that does not answer is asked until it does: the next event of the lane waits for this one.
        """
        settled = asyncio.get_running_loop().create_future()
        self.waiting.append((event, settled))
        if len(self.tasks) < (SLOW_AT_ONCE if self.is_slow() else QUICK_AT_ONCE):
            task = asyncio.create_task(self.work())
            self.tasks.add(task)
        await settled

    def is_slow(self) -> bool:
        """Tell whether the receiver takes so long that to share a transaction saves nothing."""
        return self.call_seconds > SLOW_SECONDS

    async def work(self) -> None:
        """Settle what waits."""
        try:
            while self.waiting:
                count = 1 if self.is_slow() or not self.database.engine.dialect.insert_returning else len(self.waiting)
                group = [self.waiting.popleft() for _ in range(min(count, LANES))]
                try:
                    await self.settle_for_sure([event for event, _ in group])
                except asyncio.CancelledError:
                    for _, settled in group:
                        settled.cancel()
                    raise
                for _, settled in group:
                    if not settled.done():  # the lane may have been given up meanwhile
                        settled.set_result(None)
        finally:
            # Here, not when the task is done, which is later: what came in between would find nobody.
            self.tasks -= {asyncio.current_task()}

    async def close(self) -> None:
        """Give up what is under way: it is undone, and comes again."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def settle_for_sure(self, events: list[Event]) -> None:
        """Settle events; those that cannot be together are settled each alone, however long it takes."""
        while True:
            try:
                await self.settle(events)
            except Exception as error:
                if len(events) > 1:
                    for event in events:
                        await self.settle_for_sure([event])
                    return
                log.warning(
                    "%s cannot note event %s: %s; it is tried again",
                    self.receiver.name,
                    events[0].id,
                    error_line(error),
                )
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    async def settle(self, events: list[Event]) -> None:
        """Let events have their effect, or put them aside."""
        async with self.database.transaction() as connection:
            new = await self.record(connection, events)
            for event in events:
                if event.id not in new:
                    await self.park_behind(connection, event)
                    continue
                new.remove(event.id)
                begun = time.perf_counter()
                try:
                    async with self.database.transaction():
                        await self.receiver.call(event)
                except Exception as error:
                    await self.park(connection, event, 1, error)
                self.call_seconds += (time.perf_counter() - begun - self.call_seconds) / 8

    async def record(self, connection: AsyncConnection, events: list[Event], is_guarded: bool = True) -> set[str]:
        """Note events as received; return the ids of those that were not before.

        Args:
            connection: The connection.
            events: The events.
            is_guarded: Not either where an event of the same key waits aside.
        """
        dialect = connection.dialect
        values: dict[str, Any] = {"name": self.receiver.name, "at": time.time()}
        for number, event in enumerate(events):
            values[f"id_{number}"] = event.id
            values[f"key_{number}"] = key_of(event)
        if dialect.name == "postgresql":
            values["silence"] = f"{self.receiver.patience * 1000:.0f}ms"
        statement = recording_statement(dialect.name, len(events), is_guarded, bool(dialect.insert_returning))
        result = await connection.execute(statement, values)
        if dialect.insert_returning:
            return {row[0] for row in result}
        return {events[0].id} if result.rowcount else set()

    async def park_behind(self, connection: AsyncConnection, event: Event) -> None:
        """Put an event aside, behind those of its key; one that was received before is dropped."""
        known = select(inbox.c.event_id).where(inbox.c.receiver == self.receiver.name, inbox.c.event_id == event.id)
        if await connection.scalar(known) is None:
            await connection.execute(insert_if_new(parked, connection.dialect.name), self.row(event, 0, 0.0, "", None))

    async def park(self, connection: AsyncConnection, event: Event, attempts: int, error: Exception) -> None:
        """Put an event aside on which the receiver has raised: it is not received."""
        here = (inbox.c.receiver == self.receiver.name, inbox.c.event_id == event.id)
        await connection.execute(delete(inbox).where(*here))
        row = self.row(event, attempts, *self.verdict(event, attempts, error))
        await connection.execute(insert_if_new(parked, connection.dialect.name), row)

    def verdict(self, event: Event, attempts: int, error: Exception) -> tuple[float, str, float | None]:
        """Return when an event is tried again, what is noted of it, and since when it is dead, if it is."""
        now, text = time.time(), error_line(error)
        if self.receiver.is_last(attempts, error):
            log.error("%s gives event %s up after %d attempts", self.receiver.name, event.id, attempts, exc_info=error)
            return now, text, now
        log.warning("%s raised at event %s: %s", self.receiver.name, event.id, text)
        return now + self.receiver.delay(attempts), text, None

    def row(self, event: Event, attempts: int, next_at: float, error: str, dead_at: float | None) -> dict[str, Any]:
        """Return the row of an event that is put aside."""
        return {
            "receiver": self.receiver.name,
            "key": key_of(event),
            "event_id": event.id,
            "event": pack(event),
            "attempts": attempts,
            "next_at": next_at,
            "error": error,
            "dead_at": dead_at,
        }

    async def retry(self) -> None:
        """Try again what was put aside, and forget what was received long ago; runs until it is cancelled."""
        pruned = 0.0
        while True:
            try:
                if time.time() - pruned > PRUNE_SECONDS:
                    await self.prune()
                    pruned = time.time()
                while await self.retry_one():
                    pass
            except Exception:
                log.exception("%s cannot look at what was put aside; it is tried again", self.receiver.name)
            await asyncio.sleep(min(PAUSE_SECONDS, max(self.receiver.backoff / 2, 0.01)))

    async def retry_one(self) -> bool:
        """Try the event that has waited longest, of those that come first of their key; tell whether there was one."""
        before = parked.alias()
        ahead = exists(
            select(before.c.id).where(
                before.c.receiver == parked.c.receiver,
                before.c.dead_at.is_(None),
                before.c.key == parked.c.key,
                before.c.id < parked.c.id,
            )
        )
        due = (parked.c.receiver == self.receiver.name, parked.c.dead_at.is_(None), parked.c.next_at <= time.time())
        first = select(parked).where(*due, ~ahead).order_by(parked.c.next_at, parked.c.id).limit(1)
        async with self.database.open_engine.connect() as connection:
            row = (await connection.execute(first)).first()
        if row is None:
            return False
        event, attempts = unpack(row.event), row.attempts + 1
        async with self.database.transaction() as connection:
            # Another process that has found the same row waits here for its lock, and then finds it changed.
            same = and_(parked.c.id == row.id, parked.c.attempts == row.attempts, parked.c.dead_at.is_(None))
            if not (await connection.execute(update(parked).where(same).values(attempts=attempts))).rowcount:
                return True
            try:
                async with self.database.transaction():
                    if await self.record(connection, [event], is_guarded=False):
                        await self.receiver.call(event)
            except Exception as error:
                next_at, text, dead_at = self.verdict(event, attempts, error)
                values = {"next_at": next_at, "error": text, "dead_at": dead_at}
                await connection.execute(update(parked).where(parked.c.id == row.id).values(values))
            else:
                await connection.execute(delete(parked).where(parked.c.id == row.id))
        return True

    async def prune(self) -> None:
        """Forget what was received long ago."""
        old = (inbox.c.receiver == self.receiver.name, inbox.c.received_at < time.time() - KEPT_SECONDS)
        async with self.database.open_engine.begin() as connection:
            await connection.execute(delete(inbox).where(*old))


@cache
def recording_statement(dialect: str, count: int, is_guarded: bool, returns: bool) -> Any:
    """Return the statement that notes so many events; kept, since to make it anew was a third of an event's time."""

    def text(name: str) -> Any:
        return bindparam(name, type_=String)

    some = union_all(
        *[select(text(f"id_{number}").label("id"), text(f"key_{number}").label("key")) for number in range(count)]
    ).subquery()
    row = select(text("name"), some.c.id, bindparam("at", type_=Double))
    here = (parked.c.receiver == text("name"), parked.c.key == some.c.key, parked.c.dead_at.is_(None))
    row = row.where(~exists(select(parked.c.id).where(*here)) if is_guarded else true())
    statement: Any = insert_if_new(inbox, dialect).from_select(["receiver", "event_id", "received_at"], row)
    if dialect == "postgresql":
        # A process that is cut off does not keep the event: its session ends, and with it the lock on this row.
        return statement.returning(inbox.c.event_id, func.set_config(IDLE_SETTING, text("silence"), True))
    return statement.returning(inbox.c.event_id) if returns else statement.execution_options(preserve_rowcount=True)


def key_of(event: Event) -> str:
    """Return the key of an event as the table has it; longer ones that begin alike wait for each other."""
    return event.key[:LONGEST_KEY]
