"""Deletes the rows of the outbox that every receiver has taken, where the table is the queue.

The relay without a broker calls :meth:`Pruning.prune_when_due`. Rows are deleted some thousands at a time: a backlog
may become free at once, when the last receiver that had not taken it is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, delete, false, func, or_, select

from .lanes import writing
from .log_text import error_line
from .tables import delivery, outbox
from .tables import receiver as receivers

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["Pruning"]

log: Final = logging.getLogger("aldis.relay")

PAUSE_SECONDS: Final = 0.5
"""Before it is asked again whether a look is due, or a database that has failed."""

ROWS_AT_ONCE: Final = 5000
"""Rows of one transaction: asyncpg takes 32,767 parameters a statement, and on SQLite nobody else writes meanwhile."""

UNWANTED_SECONDS: Final = 7 * 24 * 60 * 60.0
"""How long the table keeps an event that no receiver is known for."""

UNWANTED_LOOK_SECONDS: Final = 3600.0
"""Between two looks for such events."""

SHARE: Final = 20
"""A look may take this part of the time: after one of a second, the next is 20 seconds later."""


class Pruning:
    """Deletes the events that every receiver has taken.

    Args:
        engine: The engine of the database with the outbox.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.next_at = -math.inf
        """When the next look is due, by the monotonic clock."""
        self.next_unwanted_at = -math.inf

    def is_due(self) -> bool:
        """Return whether the next look is due."""
        return time.monotonic() >= self.next_at

    async def prune_when_due(self) -> None:
        """Prune now and then; runs until it is cancelled."""
        while True:
            if self.is_due():
                try:
                    await self.prune()
                except Exception as error:
                    log.warning("cannot prune the outbox: %s; it is tried again", error_line(error))
            await asyncio.sleep(PAUSE_SECONDS)

    async def prune(self) -> None:
        """Delete the events that every receiver has taken; now and then, old events without a known receiver."""
        begun = time.monotonic()
        async with self.engine.connect() as connection:
            known = (await connection.execute(select(receivers))).all()
        consumers: dict[tuple[str, str], list[str]] = {}
        for each in known:
            for signal in each.signals.split(","):
                consumers.setdefault((each.sender, signal), []).append(each.name)
        for (sender, signal), names in consumers.items():
            await self.delete_taken(and_(outbox.c.sender == sender, outbox.c.signal == signal), names)
        if begun >= self.next_unwanted_at:
            await self.delete_unwanted(consumers)
            self.next_unwanted_at = begun + UNWANTED_LOOK_SECONDS
        now = time.monotonic()
        self.next_at = now + SHARE * (now - begun)

    async def delete_taken(self, condition: ColumnElement[bool], names: Sequence[str]) -> None:
        """Delete the rows under a condition that all these receivers have taken.

        The rows that the receiver with the fewest has taken are walked: those that others have taken and it has not may
        be many more.
        """
        async with self.engine.connect() as connection:
            counting = select(delivery.c.receiver, func.count()).where(delivery.c.receiver.in_(names))
            found = await connection.execute(counting.group_by(delivery.c.receiver))
            counts: dict[str, int] = {row[0]: row[1] for row in found}
        if len(counts) < len(names):
            return
        first, *others = sorted(names, key=counts.__getitem__)
        last = 0
        while True:
            # Each statement walks a primary key: PostgreSQL, which has no statistics of so young rows, read both tables
            # whole for a join.
            numbers = (
                select(delivery.c.outbox_id)
                .where(delivery.c.receiver == first, delivery.c.outbox_id > last)
                .order_by(delivery.c.outbox_id)
                .limit(ROWS_AT_ONCE)
            )
            async with writing(self.engine) as connection:
                taken = list(await connection.scalars(numbers))
                if not taken:
                    return
                last = taken[-1]
                here = select(outbox.c.id).where(outbox.c.id.between(taken[0], last), condition)
                free = set(taken).intersection(await connection.scalars(here))
                for name in others:
                    also = select(delivery.c.outbox_id).where(
                        delivery.c.receiver == name, delivery.c.outbox_id.between(taken[0], last)
                    )
                    free.intersection_update(await connection.scalars(also))
                await self.delete_rows(connection, free)
                if free:
                    await connection.execute(
                        delete(delivery).where(delivery.c.receiver.in_(names), delivery.c.outbox_id.in_(free))
                    )

    async def delete_unwanted(self, consumers: Iterable[tuple[str, str]]) -> None:
        """Delete old rows of senders and signals that no receiver is known for."""
        wanted = [and_(outbox.c.sender == sender, outbox.c.signal == signal) for sender, signal in consumers]
        old = outbox.c.created_at < time.time() - UNWANTED_SECONDS
        numbers = select(outbox.c.id).where(old, ~or_(false(), *wanted)).limit(ROWS_AT_ONCE)
        while True:
            async with writing(self.engine) as connection:
                found = list(await connection.scalars(numbers))
                await self.delete_rows(connection, found)
            if len(found) < ROWS_AT_ONCE:
                return

    async def delete_rows(self, connection: AsyncConnection, numbers: Iterable[int]) -> None:
        """Delete rows of the outbox, if there are any."""
        if numbers:
            await connection.execute(delete(outbox).where(outbox.c.id.in_(numbers)))
