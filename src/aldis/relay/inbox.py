"""The inbox of a receiver: an event has its effect once; one that fails is parked, with later ones of its key.

The handlers of a broker's messages call :meth:`Inbox.take` with each event of a lane, the relay without a broker
:meth:`Inbox.take_all` with some, and both call it with the next when it has returned.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..orm.databases.outcome import concerns_values
from .background import cancelled
from .effects import Effects
from .event import LANES, Event
from .log_text import error_line, printable

if TYPE_CHECKING:
    from ..orm.database import Database
    from .receivers import Receiver

__all__ = ["Inbox"]

log: Final = logging.getLogger("aldis.relay")

PRUNE_SECONDS: Final = 3600.0

PAUSE_SECONDS: Final = 1.0
"""Between two looks at the parked events, and before a database that has failed is asked again."""

LONGEST_PAUSE_SECONDS: Final = 5.0
"""Between two looks at the parked events while they cannot be read."""

FIRST_PAUSE_SECONDS: Final = 0.05
"""Before an event is tried again which the database has refused while it serves others; twice as long each time."""

REFUSALS: Final = 5
"""Attempts to note an event which the database refuses while it serves others; then the event is passed over."""

QUICK_AT_ONCE: Final = 2
"""Transactions at once that are shared by events: the database works on one while the other is prepared."""

SLOW_AT_ONCE: Final = LANES

SHARED_AT_ONCE: Final = LANES
"""Events that share a transaction at most, where those of one lane are not more."""

STUCK_SECONDS: Final = 0.25
"""After which a transaction counts no more among those at once: one of its calls may hang."""


class Inbox:
    """The events that have arrived for one receiver.

    A commit costs more than most receivers do. So events share a transaction, those of a lane and those of several,
    each with a savepoint of its own, as long as the receiver is quick. A slow receiver, one that waits for something
    else, gets a transaction for each event, as many at once as there are lanes.

    Args:
        receiver: The receiver.
        database: Where it writes.
    """

    def __init__(self, receiver: Receiver, database: Database) -> None:
        self.receiver = receiver
        self.database = database
        self.effects = Effects(receiver, database)
        self.waiting: deque[tuple[Sequence[Event], asyncio.Future[None]]] = deque()
        """Events of one lane, and the future that is done when they are settled."""
        self.tasks: set[asyncio.Task[None]] = set()
        self.retries: set[asyncio.Task[bool]] = set()
        self.is_closing = False
        self.stuck = 0
        """Tasks that have taken long with the same events."""

    async def take(self, event: Event) -> None:
        """Let an event have its effect, or park it; returns when one of both is committed.

        While the database does not serve, it is asked again and again: the next event of the lane waits for this one.
        """
        await self.take_all([event])

    async def take_all(self, events: Sequence[Event]) -> None:
        """Take several events of a lane in their order, as :meth:`take` does; those of a quick receiver share a commit.

        Those of one key may be among them: an event whose key has failed is parked behind it.
        """
        settled = asyncio.get_running_loop().create_future()
        self.waiting.append((events, settled))
        self.start_work()
        await settled

    def start_work(self) -> None:
        """Let another task settle events, where some wait and there may be one more."""
        most = SLOW_AT_ONCE if self.effects.is_slow() else min(QUICK_AT_ONCE + self.stuck, SLOW_AT_ONCE)
        if self.waiting and len(self.tasks) < most:
            self.tasks.add(asyncio.create_task(self.work()))

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Let another task work where this one takes long with some events: a receiver that hangs is waited for."""
        is_stuck = False

        def go_on() -> None:
            nonlocal is_stuck
            is_stuck = True
            self.stuck += 1
            self.start_work()

        timer = asyncio.get_running_loop().call_later(STUCK_SECONDS, go_on)
        try:
            yield
        finally:
            timer.cancel()
            self.stuck -= is_stuck

    def shares(self) -> bool:
        """Tell whether events share a transaction: not where the database cannot tell which of many it has noted."""
        return not self.effects.is_slow() and bool(self.database.engine.dialect.insert_returning)

    def next_waiting(self) -> list[tuple[Sequence[Event], asyncio.Future[None]]]:
        """Take those out that are settled next: the events of one lane, or of several."""
        group = [self.waiting.popleft()]
        count = len(group[0][0])
        while self.shares() and self.waiting and count + len(self.waiting[0][0]) <= SHARED_AT_ONCE:
            group.append(self.waiting.popleft())
            count += len(group[-1][0])
        return group

    async def work(self) -> None:
        """Settle the events that wait."""
        try:
            while self.waiting:
                group = self.next_waiting()
                try:
                    with self.going_on():
                        await self.settle_all([event for events, _ in group for event in events])
                except asyncio.CancelledError:
                    for _, settled in group:
                        settled.cancel()
                    raise
                for _, settled in group:
                    if not settled.done():  # the lane may have been given up meanwhile
                        settled.set_result(None)
        finally:
            # Here, not when the task is done, which is later: an event that came in between would find nobody.
            self.tasks -= {asyncio.current_task()}

    async def close(self, seconds: float = 0.0) -> None:
        """End the calls under way; the transaction of a call that is cancelled is undone, and its event comes again.

        Args:
            seconds: How long the calls may go on before they are cancelled.
        """
        self.is_closing = True
        under_way = self.tasks | self.retries
        if under_way and seconds > 0:
            await asyncio.wait(under_way, timeout=seconds)
        await cancelled(self.tasks | self.retries)

    async def settle_all(self, events: list[Event]) -> None:
        """Settle events, together or each alone."""
        if self.shares():
            await self.settle_for_sure(events)
        else:
            for event in events:
                await self.settle_for_sure([event])

    async def settle_for_sure(self, events: list[Event]) -> None:
        """Settle events; those that cannot share a transaction are settled each alone.

        While the database does not serve, or somebody else has a lock, they are tried again and again. An event that is
        refused while others are served, as at a COMMIT, has failed: it is parked. One that cannot be parked either is
        passed over after some attempts, with an error in the log: it would hold up its lane for ever.
        """
        refusals = 0
        while True:
            try:
                await self.effects.settle(events)
            except Exception as error:
                if len(events) > 1:
                    for event in events:
                        await self.settle_for_sure([event])
                    return
                name, event_id, line = self.receiver.name, printable(events[0].id), error_line(error)
                if not concerns_values(error) or not await self.effects.is_served():
                    log.warning("%s cannot note event %s: %s; it is tried again", name, event_id, line)
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                if await self.effects.park_refused(events[0], error):
                    return
                refusals += 1
                if refusals == REFUSALS:
                    log.error(  # noqa: TRY400 - where it was raised says nothing
                        "%s passes over event %s, which the database refuses: %s", name, event_id, line
                    )
                    return
                await asyncio.sleep(FIRST_PAUSE_SECONDS * 2 ** (refusals - 1))
            else:
                return

    async def retry(self) -> None:
        """Try parked events again, and forget events received long ago; runs until it is cancelled.

        Where the database does not serve, the pauses grow: each time the log has a traceback more.
        """
        pruned, self.is_closing = -math.inf, False
        usual = pause = min(PAUSE_SECONDS, max(self.receiver.backoff / 2, 0.01))
        while True:
            try:
                if time.monotonic() - pruned > PRUNE_SECONDS:
                    await self.effects.prune()
                    pruned = time.monotonic()
                while not self.is_closing and await self.retry_in_task():
                    pass
            except Exception:
                log.exception("%s cannot look at its parked events; it is tried again", self.receiver.name)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                pause = usual
            await asyncio.sleep(pause)

    async def retry_in_task(self) -> bool:
        """Try one event in a task of its own: :meth:`close` ends it, later than the loop that has started it."""
        task = asyncio.create_task(self.effects.retry_one())
        self.retries.add(task)
        task.add_done_callback(self.retries.discard)
        return await asyncio.shield(task)
