"""The effect of an event in a receiver's database, once; an event that fails is parked, with later ones of its key."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import Double, String, and_, bindparam, delete, or_, select, true, union_all, update

from .event import Event
from .lanes import writing
from .log_text import error_line, printable
from .receivers import LONGEST_DELAY_SECONDS
from .silence import end_if_silent, ended_by_mariadb_if_silent, silence_values
from .tables import inbox, insert_if_new, none_of, parked

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ..orm.database import Database
    from .receivers import Receiver

__all__ = ["Effects", "unpack"]

log: Final = logging.getLogger("aldis.relay")

KEPT_SECONDS: Final = 14 * 24 * 60 * 60.0
"""How long the inbox remembers an event: twice as long as a broker keeps it."""

LONGEST_KEY: Final = 400

SLOW_SECONDS: Final = 0.005
"""A receiver is slow from there on, or where a call takes longer than the transaction around it."""

SLOW_FOR_SURE_SECONDS: Final = 0.02
"""A receiver is slow from there on, however long a transaction takes: the database may be slow, too."""

pack: Final[Callable[[Event], bytes]] = msgspec.msgpack.Encoder().encode
unpack: Final[Callable[[bytes], Event]] = msgspec.msgpack.Decoder(Event).decode


class Effects:
    """The effects of events for one receiver, and the events that are parked.

    Args:
        receiver: The receiver.
        database: Where it writes.
    """

    def __init__(self, receiver: Receiver, database: Database) -> None:
        self.receiver = receiver
        self.database = database
        self.call_seconds = 0.0
        """How long the receiver takes, in seconds: the latest calls count most."""
        self.transaction_seconds = 0.0
        """How long a transaction takes without the receiver's calls, counted as these are."""

    def is_slow(self) -> bool:
        """Tell whether the receiver takes so long that to share a transaction saves nothing."""
        return self.call_seconds > max(SLOW_SECONDS, min(self.transaction_seconds, SLOW_FOR_SURE_SECONDS))

    async def is_served(self) -> bool:
        """Return whether the database notes an event of no receiver, and parks it; both are undone."""
        dialect, here = self.database.engine.dialect.name, {"receiver": "", "event_id": uuid.uuid4().hex}
        values = {"key": "", "event": b"", "attempts": 0, "next_at": 0.0, "error": "", "dead_at": None}
        try:
            async with self.database.open_engine.connect() as connection:
                await connection.execute(insert_if_new(inbox, dialect), here | {"received_at": 0.0})
                await connection.execute(insert_if_new(parked, dialect), here | values)
                await connection.rollback()
        except Exception:
            return False
        return True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction; on MariaDB it ends where this process says nothing, on PostgreSQL by :meth:`record`."""
        async with (
            self.database.transaction() as connection,
            ended_by_mariadb_if_silent(connection, self.receiver.patience),
        ):
            yield connection

    async def settle(self, events: list[Event]) -> None:
        """Let events have their effect, or park them."""
        begun = time.perf_counter()
        async with self.transaction() as connection:
            new = await self.record(connection, events)
            seconds = time.perf_counter() - begun
            aside, failed = list[dict[str, Any]](), set[str]()
            for event in events:
                if event.id not in new:
                    await self.park_behind(connection, event)
                    continue
                new.remove(event.id)
                if key_of(event) in failed:
                    aside.append(self.row(event, 0, 0.0, "", None))
                    continue
                try:
                    await self.call(event)
                except Exception as error:
                    row = self.row(event, 1, *self.verdict(event.id, 1, error))
                    aside.append(row)
                    if row["dead_at"] is None:
                        failed.add(row["key"])
            begun = time.perf_counter()
            if aside:
                await self.park(connection, aside)
        seconds += time.perf_counter() - begun
        self.transaction_seconds += (seconds - self.transaction_seconds) / 8

    async def call(self, event: Event) -> None:
        """Call the receiver, with a savepoint around it; an event that it cannot read needs none."""
        arguments = self.receiver.arguments(event)
        async with self.database.transaction():
            begun = time.perf_counter()
            try:
                await self.receiver.call(event, arguments)
            finally:
                self.call_seconds += (time.perf_counter() - begun - self.call_seconds) / 8

    async def record(self, connection: AsyncConnection, events: list[Event], is_guarded: bool = True) -> set[str]:
        """Note events as received; return the ids of those that had not been received before.

        Args:
            connection: The connection.
            events: The events.
            is_guarded: Leave out an event whose key has a parked event that is not dead.
        """
        dialect = connection.dialect
        if is_guarded and dialect.name in {"mysql", "mariadb"}:
            # InnoDB locks the rows that an INSERT reads in another table, and the gaps there: nothing could be parked
            # until this transaction ends, though a receiver hangs in it.
            keys = [key_of(event) for event in events]
            here = (parked.c.receiver == self.receiver.name, parked.c.key.in_(keys), parked.c.dead_at.is_(None))
            held = set(await connection.scalars(select(parked.c.key).where(*here)))
            events, is_guarded = [event for event in events if key_of(event) not in held], False
            if not events:
                return set()
        values: dict[str, Any] = {"name": self.receiver.name, "at": time.time()}
        for number, event in enumerate(events):
            values[f"id_{number}"] = event.id
            values[f"key_{number}"] = key_of(event)
        if dialect.name == "postgresql":
            values["silence"], values["probe"] = silence_values(self.receiver.patience)
        statement = recording_statement(dialect.name, len(events), is_guarded, bool(dialect.insert_returning))
        result = await connection.execute(statement, values)
        if dialect.insert_returning:
            return {row[0] for row in result}
        return {events[0].id} if result.rowcount else set()

    async def park_behind(self, connection: AsyncConnection, event: Event) -> None:
        """Park an event behind those of its key; an event that was received before is dropped."""
        if not await self.is_known(connection, event):
            await connection.execute(insert_if_new(parked, connection.dialect.name), self.row(event, 0, 0.0, "", None))

    async def park(self, connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
        """Park events that were noted as received; they no longer count as that."""
        ids = [row["event_id"] for row in rows]
        here = (inbox.c.receiver == self.receiver.name, inbox.c.event_id.in_(ids))
        await connection.execute(delete(inbox).where(*here))
        await connection.execute(insert_if_new(parked, connection.dialect.name), rows)

    async def park_refused(self, event: Event, error: Exception) -> bool:
        """Park an event whose transaction the database has refused; return whether it is settled by that.

        It may have been committed, and the error be of a later step: then there is nothing to park.
        """
        try:
            async with writing(self.database.open_engine) as connection:
                if not await self.is_known(connection, event):
                    row = self.row(event, 1, *self.verdict(event.id, 1, error))
                    await connection.execute(insert_if_new(parked, connection.dialect.name), row)
        except Exception:
            return False
        return True

    async def is_known(self, connection: AsyncConnection, event: Event) -> bool:
        """Tell whether an event was received before."""
        here = (inbox.c.receiver == self.receiver.name, inbox.c.event_id == event.id)
        return await connection.scalar(select(inbox.c.event_id).where(*here)) is not None

    def verdict(self, event_id: str, attempts: int, error: Exception) -> tuple[float, str, float | None]:
        """Return when an event is tried again, its error, and since when it is dead, or ``None``."""
        now, text = time.time(), error_line(error)
        if self.receiver.is_last(attempts, error):
            name = self.receiver.name
            log.error("%s gives event %s up after %d attempts", name, printable(event_id), attempts, exc_info=error)
            return now, text, now
        log.warning("%s raised at event %s: %s", self.receiver.name, printable(event_id), text)
        return now + self.receiver.delay(attempts), text, None

    def row(self, event: Event, attempts: int, next_at: float, error: str, dead_at: float | None) -> dict[str, Any]:
        """Return the row of an event that is parked."""
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

    async def retry_one(self) -> bool:
        """Try the event that has waited longest, of the first of each key; return whether there was one."""
        before = parked.alias()
        ahead = select(before.c.id).where(
            before.c.receiver == parked.c.receiver,
            before.c.dead_at.is_(None),
            before.c.key == parked.c.key,
            before.c.id < parked.c.id,
        )
        now = time.time()
        # No attempt is planned further ahead than the longest delay: the clock has gone back since.
        is_due = or_(parked.c.next_at <= now, parked.c.next_at > now + LONGEST_DELAY_SECONDS)
        due = (parked.c.receiver == self.receiver.name, parked.c.dead_at.is_(None), is_due)
        is_first = none_of(ahead, self.database.engine.dialect.name)
        first = select(parked).where(*due, is_first).order_by(parked.c.next_at, parked.c.id).limit(1)
        async with self.database.open_engine.connect() as connection:
            row = (await connection.execute(first)).first()
        if row is None:
            return False
        try:
            await self.retry_row(row)
        except Exception as error:
            if not await self.is_served():
                raise
            await self.postpone(row, error)
        return True

    async def postpone(self, row: Row[Any], error: Exception) -> None:
        """Count an attempt that the database has refused, or whose event cannot be read, as a failure."""
        attempts = row.attempts + 1
        next_at, text, dead_at = self.verdict(row.event_id, attempts, error)
        values = {"attempts": attempts, "next_at": next_at, "error": text, "dead_at": dead_at}
        async with writing(self.database.open_engine) as connection:
            await connection.execute(update(parked).where(parked.c.id == row.id).values(values))

    async def retry_row(self, row: Row[Any]) -> None:
        """Try a parked event again, unless another process does."""
        event, attempts = unpack(row.event), row.attempts + 1
        async with self.transaction() as connection:
            # Another process that has found the same row waits here for its lock, and then finds it changed.
            same = and_(parked.c.id == row.id, parked.c.attempts == row.attempts, parked.c.dead_at.is_(None))
            if not (await connection.execute(update(parked).where(same).values(attempts=attempts))).rowcount:
                return
            try:
                async with self.database.transaction():
                    if await self.record(connection, [event], is_guarded=False):
                        await self.receiver.call(event)
            except Exception as error:
                next_at, text, dead_at = self.verdict(event.id, attempts, error)
                values = {"next_at": next_at, "error": text, "dead_at": dead_at}
                await connection.execute(update(parked).where(parked.c.id == row.id).values(values))
            else:
                await connection.execute(delete(parked).where(parked.c.id == row.id))

    async def prune(self) -> None:
        """Forget events that were received long ago."""
        old = (inbox.c.receiver == self.receiver.name, inbox.c.received_at < time.time() - KEPT_SECONDS)
        async with writing(self.database.open_engine) as connection:
            await connection.execute(delete(inbox).where(*old))


@cache
def recording_statement(dialect: str, count: int, is_guarded: bool, returns: bool) -> Any:
    """Return the statement that notes so many events; cached: making it anew was a third of an event's time."""

    def text(name: str) -> Any:
        return bindparam(name, type_=String)

    some = union_all(
        *[select(text(f"id_{number}").label("id"), text(f"key_{number}").label("key")) for number in range(count)]
    ).subquery()
    row = select(text("name"), some.c.id, bindparam("at", type_=Double))
    here = (parked.c.receiver == text("name"), parked.c.key == some.c.key, parked.c.dead_at.is_(None))
    row = row.where(none_of(select(parked.c.id).where(*here), dialect) if is_guarded else true())
    statement: Any = insert_if_new(inbox, dialect).from_select(["receiver", "event_id", "received_at"], row)
    if dialect == "postgresql":
        # A process that is cut off does not keep the event: its session ends, and with it the lock on this row.
        return statement.returning(inbox.c.event_id, end_if_silent(text("silence"), text("probe")))
    return statement.returning(inbox.c.event_id) if returns else statement.execution_options(preserve_rowcount=True)


def key_of(event: Event) -> str:
    """Return the key of an event as the table has it; longer ones that begin alike wait for each other.

    PostgreSQL's texts hold no NUL (its manual, "Character Types").
    """
    return event.key[:LONGEST_KEY].replace("\0", "\ufffd")
