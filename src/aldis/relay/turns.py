"""The lanes' turns: some events of a lane are passed on, then another lane that waits has its own.

The relay calls :meth:`Turns.pass_lane` with each lane in which something waits. Few lanes are passed on at once, since
each holds a connection. A lane with a long backlog, a slow receiver, or many events that have to be put aside does not
hold up the others: after a short time it stands at the end of their queue.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from .event import LANES, Event, UnsendableError, events_of
from .lanes import EVENTS_AT_ONCE, Claim, Lanes
from .log_text import error_line

if TYPE_CHECKING:
    from sqlalchemy import Row

__all__ = ["LENT", "Consumer", "Turns"]

log: Final = logging.getLogger("aldis.relay")

ROUND_SECONDS: Final = 0.4
"""About how long it takes until all lanes that wait have had their turn."""

SHORTEST_SECONDS: Final = 0.02
"""Of a turn: to claim a lane, read it and let it go takes some milliseconds."""

LEAST_EVENTS: Final = 4
"""That are passed on together, where as many wait, however slow the receiver is."""

PATIENCE_SECONDS: Final = 0.25
"""How long a turn waits for one call before it lends its place to another lane."""

LENT: Final = LANES
"""Places that are lent at most: each is a connection that is held."""

PassOn = Callable[[Sequence[Event]], Awaitable[None]]


@dataclass
class Consumer:
    """Who takes events from the outbox: the broker, or one receiver where there is none."""

    lanes: Lanes
    pass_on: PassOn
    merges: bool
    """It takes events of several rows at once, and refuses none."""
    pace: float = math.inf
    """Events a second, in the latest turn."""


class Turns:
    """The turns of a relay's lanes.

    Args:
        at_once: How many lanes are passed on at once.
        source: The attribute ``source`` of the events (CloudEvents).
        stopping: Set when the turns have to end.
        note: Called with the events of a row when all were passed on.
        is_alone: There is one connection: a lane has one turn, and no place is lent.
    """

    def __init__(
        self,
        at_once: int,
        source: str,
        stopping: asyncio.Event,
        note: Callable[[Sequence[Event]], None],
        is_alone: bool = False,
    ) -> None:
        self.at_once = at_once
        self.source = source
        self.stopping = stopping
        self.note = note
        self.is_alone = is_alone
        self.places = asyncio.Semaphore(at_once)
        self.waiting = 0
        """Lanes that have a turn, or wait for one."""
        self.lent = 0
        self.parts: dict[tuple[str, int], tuple[int, int]] = {}
        """By receiver and lane: the row that was passed on in part, and how many of its events were."""

    async def pass_lane(self, consumer: Consumer, number: int) -> None:
        """Pass on the events of a lane, turn by turn, until none waits, or unless another process does."""
        self.waiting += 1
        try:
            while not self.stopping.is_set():
                async with AsyncExitStack() as held:
                    if await self.pass_claimed(consumer, number, held) or self.is_alone:
                        return
        finally:
            self.waiting -= 1

    async def pass_claimed(self, consumer: Consumer, number: int, held: AsyncExitStack) -> bool:
        """Claim a lane and pass on its events, for one turn where a claim holds a connection; tell if that is all.

        Args:
            consumer: Who takes them.
            number: The lane.
            held: Keeps the claim. It is a lease on SQLite, and costs a transaction: the lane keeps it over its turns.
        """
        claim: Claim | None = None
        while not self.stopping.is_set():
            async with Place(self) as place:
                if claim is None:
                    claim = await held.enter_async_context(consumer.lanes.claimed(number))
                    if claim is None or self.stopping.is_set():
                        return True
                is_empty = await Turn(self, consumer, claim, place).run()
                if is_empty or consumer.lanes.locks or self.is_alone:
                    await held.aclose()
                    return is_empty
        return True

    def seconds(self) -> float:
        """Return how long a turn may take; as long as it likes where no lane waits for it."""
        if not self.places.locked():
            return math.inf
        return max(ROUND_SECONDS * self.at_once / max(self.waiting, 1), SHORTEST_SECONDS)


class Place:
    """The right to pass a lane on, for a block; places are given in the order in which they were asked for."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.is_lent = False

    async def __aenter__(self) -> Self:
        await self.turns.places.acquire()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self.is_lent:
            self.turns.lent -= 1
        else:
            self.turns.places.release()

    def lend(self) -> None:
        """Let another lane have it; this one goes on meanwhile, and keeps its connection."""
        if not self.is_lent and self.turns.lent < LENT and not self.turns.is_alone:
            self.is_lent = True
            self.turns.lent += 1
            self.turns.places.release()

    @contextmanager
    def lent_if_slow(self) -> Iterator[None]:
        """Lend it when a block takes long."""
        timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self.lend)
        try:
            yield
        finally:
            timer.cancel()


class Turn:
    """One turn of a lane."""

    def __init__(self, turns: Turns, consumer: Consumer, claim: Claim, place: Place) -> None:
        self.turns = turns
        self.consumer = consumer
        self.claim = claim
        self.place = place
        self.name = (consumer.lanes.receiver, claim.number)
        self.begun = time.monotonic()
        self.batch: list[Event] = []
        """Events that are passed on together."""
        self.most_together = LANES
        """Events of a batch."""
        self.complete: list[tuple[int, Sequence[Event]]] = []
        """Rows whose last event is in the batch, with their events."""
        self.done: list[int] = []
        self.unsendable: list[int] = []
        """Rows that can never be passed on."""
        self.count = 0

    def is_over(self) -> bool:
        """Tell whether another lane is to have its turn, or all are to end."""
        return (
            self.place.is_lent or self.turns.stopping.is_set() or time.monotonic() - self.begun > self.turns.seconds()
        )

    async def run(self) -> bool:
        """Pass on some of the events of the lane; return whether no others waited in it."""
        seconds = self.turns.seconds()
        most = EVENTS_AT_ONCE
        if math.isfinite(seconds) and math.isfinite(self.consumer.pace):
            count = max(int(self.consumer.pace * seconds), LEAST_EVENTS)
            self.most_together, most = min(count, LANES), min(count if self.consumer.merges else 2 * count, most)
        rows, is_all = await self.claim.read(most)
        is_last = False
        part, passed = self.turns.parts.pop(self.name, (0, 0))
        try:
            for row in rows:
                if not await self.pass_row(row, passed if row.id == part else 0):
                    return False
            if self.batch:
                await self.pass_batch()
            is_last = is_all
        finally:
            if self.count:
                self.consumer.pace = self.count / max(time.monotonic() - self.begun, 0.001)
            await self.claim.end_turn(self.done, self.unsendable, is_last)
        return is_all

    async def pass_row(self, row: Row[Any], passed: int) -> bool:
        """Pass on the events of a row, or put them into the batch; return whether the turn goes on.

        Args:
            row: The row of the outbox.
            passed: How many of its events were passed on in an earlier turn.
        """
        try:
            events = events_of(row, self.turns.source)
            if not self.consumer.merges:
                self.batch = events
        except UnsendableError as error:
            self.set_aside(row.id, error)
            return not self.is_over()
        for number, event in enumerate(events[passed:] if self.consumer.merges else (), passed):
            if len(self.batch) == self.most_together:
                await self.pass_batch()
                if self.is_over():
                    self.turns.parts[self.name] = row.id, number
                    return False
            self.batch.append(event)
        self.complete.append((row.id, events))
        if self.consumer.merges:
            return True
        try:
            await self.pass_batch()
        except UnsendableError as error:
            self.set_aside(row.id, error)
        return not self.is_over()

    async def pass_batch(self) -> None:
        """Pass on the events of the batch, and take note of the rows that are done with it."""
        batch, self.batch = self.batch, []
        complete, self.complete = self.complete, []
        with self.place.lent_if_slow():
            await self.consumer.pass_on(batch)
        self.count += len(batch)
        for number, events in complete:
            self.done.append(number)
            self.turns.note(events)

    def set_aside(self, number: int, error: UnsendableError) -> None:
        """Take note of a row that can never be passed on: at the end of the turn it is taken out of its lane."""
        self.unsendable.append(number)
        log.error("row %d of the outbox is set aside: %s", number, error_line(error))
