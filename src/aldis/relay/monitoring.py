"""How the relay is doing: events that wait and since when, events put aside, dead ones; and the ways to mend it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import case, delete, func, select, update

from ..errors import ConfigurationError
from .effects import unpack
from .event import LANES
from .tables import delivery, lane, outbox, parked, receiver, require_tables

if TYPE_CHECKING:
    from ..orm.database import Database

__all__ = ["DeadLetter", "Status", "dead_letters", "forget", "retry", "status"]


class Status(msgspec.Struct, frozen=True):
    """The events that wait in a database, to be passed on and to be received.

    Example:
        >>> Status(waiting=3, age=1.5, aside=0, dead=0, receivers={})
        Status(waiting=3, age=1.5, aside=0, dead=0, receivers={})
    """

    waiting: int
    """Events in the outbox that are to be passed on."""
    age: float
    """How long the oldest of them has waited, in seconds; 0 where there is none."""
    aside: int
    """Events that a receiver has raised on and that are tried again, with those behind them."""
    dead: int
    """Events that were given up, by a receiver or with a row of the outbox that was set aside."""
    receivers: dict[str, dict[str, int]]
    """``aside`` and ``dead`` of each receiver that has some, and ``waiting`` where it takes from the table."""


class DeadLetter(msgspec.Struct, frozen=True):
    """An event that a receiver has given up."""

    receiver: str
    event_id: str
    sender: str
    signal: str
    key: str
    attempts: int
    error: str
    """The receiver's last exception."""
    dead_at: float
    """When it was given up: seconds since 1970."""


async def status(database: Database) -> Status:
    """Return how the relay is doing in a database.

    Args:
        database: Where the outbox is, or the inbox, or both.

    Raises:
        ConfigurationError: It lacks the relay's tables.

    Example:
        >>> import aldis, asyncio
        >>> from aldis import relay
        >>> async def main():
        ...     async with aldis.Database("sqlite+aiosqlite://") as database:
        ...         await relay.create_tables(database)
        ...         return await relay.status(database)
        >>> asyncio.run(main()).waiting
        0
    """
    await require_tables(database)
    return await look(database)


async def look(database: Database) -> Status:
    """Return how the relay is doing in a database that has its tables."""
    alive = func.sum(case((parked.c.dead_at.is_(None), 1), else_=0))
    events, is_in_lane = func.coalesce(func.sum(outbox.c.count), 0), outbox.c.lane.between(0, LANES - 1)
    async with database.open_engine.connect() as connection:
        waiting, oldest = (
            await connection.execute(select(events, func.min(outbox.c.created_at)).where(is_in_lane))
        ).one()
        set_aside = await connection.scalar(select(events).where(~is_in_lane))
        found = select(parked.c.receiver, alive, func.count()).group_by(parked.c.receiver)
        known = {
            name: {"aside": int(aside), "dead": int(total - aside)}
            for name, aside, total in await connection.execute(found)
        }
        for each in (await connection.execute(select(receiver))).all():
            taken = select(delivery.c.outbox_id).where(delivery.c.receiver == each.name)
            left = select(events).where(
                is_in_lane,
                outbox.c.sender == each.sender,
                outbox.c.signal.in_(each.signals.split(",")),
                outbox.c.id.not_in(taken),
            )
            of_it = known.setdefault(each.name, {"aside": 0, "dead": 0})
            of_it["waiting"] = int(await connection.scalar(left) or 0)
    return Status(
        waiting=int(waiting),
        age=0.0 if oldest is None else max(time.time() - oldest, 0.0),
        aside=sum(each["aside"] for each in known.values()),
        dead=sum(each["dead"] for each in known.values()) + int(set_aside or 0),
        receivers=known,
    )


async def dead_letters(database: Database, receiver: str | None = None) -> list[DeadLetter]:
    """Return the events that were given up, the oldest first.

    Args:
        database: Where the receivers write.
        receiver: The name of one; all by default.
    """
    await require_tables(database)
    statement = select(parked).where(*dead_of(receiver)).order_by(parked.c.dead_at, parked.c.id)
    async with database.open_engine.connect() as connection:
        rows = (await connection.execute(statement)).all()
    return [letter(row) for row in rows]


def letter(row: Any) -> DeadLetter:
    """Return a row's dead letter."""
    event = unpack(row.event)
    return DeadLetter(
        receiver=row.receiver,
        event_id=event.id,
        sender=event.sender,
        signal=event.signal,
        key=event.key,
        attempts=row.attempts,
        error=row.error,
        dead_at=row.dead_at,
    )


async def retry(database: Database, receiver: str | None = None) -> int:
    """Let dead letters be tried again, by the receivers that run or will, and rows of the outbox that were set aside.

    Args:
        database: Where the receivers write.
        receiver: The name of one; all by default.

    Returns:
        How many there were.
    """
    await require_tables(database)
    again = update(parked).where(*dead_of(receiver)).values(dead_at=None, attempts=0, next_at=0.0)
    async with database.open_engine.begin() as connection:
        if receiver is None:
            back = update(outbox).where(outbox.c.lane < 0).values(lane=-1 - outbox.c.lane)
            await connection.execute(back)
        return (await connection.execute(again)).rowcount


async def forget(database: Database, receiver_name: str) -> None:
    """Forget a receiver that is no more, where there is no broker: events that only it has not taken are let go.

    Args:
        database: Where the outbox is.
        receiver_name: Its name.

    Raises:
        ConfigurationError: There is none of that name.
    """
    await require_tables(database)
    async with database.open_engine.begin() as connection:
        gone = (await connection.execute(delete(receiver).where(receiver.c.name == receiver_name))).rowcount
        if not gone:
            names = list(await connection.scalars(select(receiver.c.name).order_by(receiver.c.name)))
            raise ConfigurationError(
                f"no receiver {receiver_name!r} takes events from the table: {', '.join(names) or 'none'} does."
            )
        await connection.execute(delete(delivery).where(delivery.c.receiver == receiver_name))
        await connection.execute(delete(lane).where(lane.c.receiver == receiver_name))


def dead_of(receiver: str | None) -> tuple[Any, ...]:
    """Return the conditions for the dead letters of a receiver, or of all."""
    return (parked.c.dead_at.is_not(None), *(() if receiver is None else (parked.c.receiver == receiver,)))
