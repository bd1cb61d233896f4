"""The relay: passes the events of the outbox on, lane by lane, in order; several relays share the lanes."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, update
from sqlalchemy.pool import StaticPool

from ..errors import ConfigurationError
from .background import STOP_SECONDS, background, cancelled
from .event import Event, UnsendableError
from .inbox import Inbox
from .lanes import Lanes, separate_engine, writing
from .log_text import error_line, printable
from .metrics import Metrics
from .pruning import Pruning
from .receivers import RECEIVERS, Receiver
from .tables import insert_if_new, outbox, require_tables
from .tables import receiver as receivers
from .turns import LENT, Consumer, Turns
from .wake import wake_on_commit

if TYPE_CHECKING:
    from ..orm.database import Database
    from .brokers.transport import Transport

__all__ = ["Relay", "distinct_key_batches"]

log: Final = logging.getLogger("aldis.relay")

WINDOW: Final = 256
"""Events of one lane that are on their way to the broker at once."""

WORKERS: Final = 4
"""Lanes that one relay passes on at once, where each holds a connection."""

LONGEST_PAUSE_SECONDS: Final = 30.0

LOOK_SECONDS: Final = 0.25
"""After which the relay looks for events in other lanes, while some are still passed on."""


class Relay:
    """Passes the events of the outbox on: to a broker, or where there is none to the receivers of this process.

    Args:
        database: The database with the outbox.
        broker: A broker's URL, or one of FastStream's; without one, the receivers that were declared are called.
        source: The attribute ``source`` of the events (CloudEvents).
        poll: Seconds between two looks at an outbox that was empty. On PostgreSQL the relay is woken at once.
        stop_timeout: Seconds that :meth:`stop` lets the calls and the publishing under way go on. Calls that take
            longer are cancelled, their transactions undone, and their events come again.

    Raises:
        ConfigurationError: The broker is unknown, or a package that it needs is not installed.

    Example:
        >>> import aldis, asyncio
        >>> from aldis import relay
        >>> from aldis.signals import post_save
        >>> @relay.receiver(post_save, "User", name="nobody")
        ... def hear(sender, instance): ...
        >>> async def main():
        ...     async with aldis.Database("sqlite+aiosqlite://") as database:
        ...         await relay.create_tables(database)
        ...         return await relay.Relay(database).pass_all()
        >>> asyncio.run(main())
        0
        >>> del relay.RECEIVERS["nobody"]
    """

    def __init__(
        self,
        database: Database,
        broker: Any = None,
        *,
        source: str = "aldis",
        poll: float = 0.5,
        stop_timeout: float = STOP_SECONDS,
    ) -> None:
        from .brokers import transport_to

        self.database = database
        self.source = source
        self.poll = poll
        self.stop_timeout = stop_timeout
        self.on_started: Callable[[], None] = lambda: None
        """Called by :meth:`run` when it is connected."""
        self.passed = 0
        """Events that were passed on so far."""
        self.transport: Transport | None = None if broker is None else transport_to(broker)
        self.woken = asyncio.Event()
        self.stopping = asyncio.Event()
        self.engine = database.engine
        self.is_alone = isinstance(database.engine.pool, StaticPool)
        """The database is in memory, and has one connection."""
        self.consumers: list[Consumer] = []
        self.inboxes: list[Inbox] = []
        self.turns = self.new_turns()
        self.pruning: Pruning | None = None
        """Where there is no broker."""
        self.metrics = Metrics(database)

    @property
    def is_stopping(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self.stopping.is_set()

    def stop(self) -> None:
        """Let :meth:`run` end when the events under way are passed on, after ``stop_timeout`` seconds at the latest."""
        self.stopping.set()
        self.woken.set()

    async def run(self) -> None:
        """Pass events on, those that wait and those to come, until :meth:`stop` is called.

        A broker or a database that goes away is tried again until it is back.

        Raises:
            ConfigurationError: The broker is not there, there is neither a broker nor a receiver, or the database
                lacks the relay's tables.
        """
        async with self.ready(), AsyncExitStack() as stack:
            await self.start_background(stack)
            self.on_started()
            passing = asyncio.create_task(self.pass_until_stopped())
            stopping = asyncio.create_task(self.stopping.wait())
            try:
                await asyncio.wait({passing, stopping}, return_when=asyncio.FIRST_COMPLETED)
                until = time.monotonic() + self.stop_timeout
                if not passing.done():
                    await asyncio.wait({passing}, timeout=self.stop_timeout)
                for each in self.inboxes:
                    await each.close(until - time.monotonic())
            finally:
                stopping.cancel()
                # First the calls: on SQLite they have the lock that giving a lane back needs.
                for each in self.inboxes:
                    await each.close()
                if not passing.done():
                    await asyncio.wait({passing}, timeout=0.1)
                if not passing.done():
                    await cancelled([passing])
            if passing.done() and not passing.cancelled():
                passing.result()

    async def pass_until_stopped(self) -> None:
        """Pass events on until the relay is stopped.

        A lane whose receiver takes long does not hold up the others: each lane is a task of its own.
        """
        pause, working = 0.0, dict[tuple[int, int], asyncio.Task[None]]()
        try:
            while not self.is_stopping:
                self.woken.clear()
                before = self.passed
                try:
                    await self.start_lanes(working)
                    # A database in memory has one connection: nobody looks while a lane works on it.
                    await wait_for_some(working, None if self.is_alone else LOOK_SECONDS)
                    if self.is_alone:
                        await self.retry_some()
                        if self.pruning is not None and self.pruning.is_due():
                            await self.pruning.prune()
                    pause = 0.0
                except Exception as error:
                    # Where other lanes go on, the one that failed does not hold them up for longer each time.
                    pause = min(max(2 * pause, 0.5), LONGEST_PAUSE_SECONDS) if self.passed == before else 0.5
                    log.warning("cannot pass on the events that wait: %s; again in %.1f s", error_line(error), pause)
                if (self.passed == before and not working) or pause:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.woken.wait(), pause or self.poll)
            await wait_for_some(working, None)
        finally:
            await cancelled(working.values())

    async def pass_all(self) -> int:
        """Pass on the events that wait now, and return; for tests and for scheduled jobs.

        Returns:
            How many events were passed on.

        Raises:
            ConfigurationError: As :meth:`run`.
        """
        before = self.passed
        async with self.ready():
            while await self.pass_some():
                pass
            await self.retry_some()
            if self.pruning is not None:
                await self.pruning.prune()
        return self.passed - before

    @asynccontextmanager
    async def ready(self) -> AsyncIterator[None]:
        """Be connected to the database and the broker, with the receivers registered, for a block."""
        await require_tables(self.database)
        async with AsyncExitStack() as stack:
            self.engine = separate_engine(self.database, WORKERS + 2, LENT)
            if self.engine is not self.database.engine:
                stack.push_async_callback(self.engine.dispose)
            if self.transport is not None:
                await stack.enter_async_context(self.transport.open())
                self.consumers = [Consumer(Lanes(self.engine), self.publish, merges=False)]
            else:
                if not RECEIVERS:
                    raise ConfigurationError(
                        "there is no broker, and no receiver either: give the broker's URL, or import the modules that "
                        "declare receivers with @relay.receiver first."
                    )
                self.inboxes = [Inbox(each, each.database or self.database) for each in RECEIVERS.values()]
                for each in self.inboxes:
                    stack.push_async_callback(each.close)
                self.consumers = [self.consumer_of(each) for each in self.inboxes]
                await self.register([each.receiver for each in self.inboxes])
                self.pruning = Pruning(self.engine)
            for consumer in self.consumers:
                await consumer.lanes.prepare()
            self.turns = self.new_turns()
            yield

    def new_turns(self) -> Turns:
        """Return the turns of the lanes."""
        return Turns(1 if self.is_alone else WORKERS, self.source, self.stopping, self.note_passed, self.is_alone)

    def note_passed(self, events: Sequence[Event]) -> None:
        """Count the events of a row that was passed on."""
        self.passed += len(events)
        self.metrics.count(events, time.time())

    async def start_background(self, stack: AsyncExitStack) -> None:
        """Start the tasks that wake the relay, watch it, prune the outbox and retry parked events.

        A database in memory has one connection, and no task but the relay's may use it: :meth:`run` retries there.
        """
        if not self.is_alone:
            works = [
                wake_on_commit(self.engine, self.woken),
                self.metrics.watch(),
                *[each.retry() for each in self.inboxes],
            ]
            if self.pruning is not None:
                works.append(self.pruning.prune_when_due())
            for work in works:
                await stack.enter_async_context(background(work))

    async def retry_some(self) -> None:
        """Try the parked events that are due again."""
        for each in self.inboxes:
            while await each.effects.retry_one():
                pass

    def consumer_of(self, inbox: Inbox) -> Consumer:
        """Return a receiver that takes events from the outbox."""
        receiver = inbox.receiver
        wanted = and_(outbox.c.sender == receiver.sender, outbox.c.signal.in_(receiver.signals))
        return Consumer(Lanes(self.engine, receiver.name, wanted), inbox.take_all, merges=True)

    async def register(self, known: Sequence[Receiver]) -> None:
        """Write the receivers into their table: an event is kept until all of its receivers have taken it.

        Each statement is a transaction of its own: relays that start at once and hold one lock while they ask for the
        next are a deadlock on MariaDB.
        """
        insert = insert_if_new(receivers, self.engine.dialect.name)
        for each in known:
            row = {"sender": each.sender, "signals": ",".join(each.signals)}
            async with writing(self.engine) as connection:
                await connection.execute(insert, {"name": each.name, **row})
            async with writing(self.engine) as connection:
                await connection.execute(update(receivers).where(receivers.c.name == each.name).values(row))

    async def pass_some(self) -> int:
        """Pass on the events that wait, in each lane that has some; return how many."""
        before, working = self.passed, dict[tuple[int, int], asyncio.Task[None]]()
        try:
            await self.start_lanes(working)
            await wait_for_some(working, None)
        finally:
            await cancelled(working.values())
        return self.passed - before

    async def start_lanes(self, working: dict[tuple[int, int], asyncio.Task[None]]) -> None:
        """Start a task for each lane that has events and has no task yet.

        Args:
            working: The tasks, by consumer and lane; those that are started are added.
        """
        for number, consumer in enumerate(self.consumers):
            found = [each for each in await consumer.lanes.waiting() if (number, each) not in working]
            random.shuffle(found)
            for each in found:
                working[number, each] = asyncio.create_task(self.turns.pass_lane(consumer, each))

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish events, many at once, those of one key one after the other.

        Raises:
            UnsendableError: The broker takes some of them never; all others are published.
        """
        transport, refused = self.transport, list[str]()
        assert transport is not None
        for batch in distinct_key_batches(events):
            try:
                await transport.publish(batch)
            except transport.refusals:
                for event in batch:
                    try:
                        await transport.publish([event])
                    except transport.refusals as error:
                        refused.append(f"event {event.id}, {len(event.data)} bytes ({error_line(error)})")
        if refused:
            raise UnsendableError(f"the broker does not take {printable(', '.join(refused), 400)}")


async def wait_for_some(working: dict[tuple[int, int], asyncio.Task[None]], seconds: float | None) -> None:
    """Wait until all tasks are done, or some seconds are over; take those that are done out.

    Raises:
        Exception: The first one that failed raised it.
    """
    if not working:
        return
    await asyncio.wait(working.values(), timeout=seconds)
    done = [key for key, task in working.items() if task.done()]
    errors = [task.exception() for task in map(working.pop, done) if not task.cancelled()]
    for error in errors:
        if error is not None:
            raise error


def distinct_key_batches(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Cut events into batches that may be published at once: no key is in one batch twice.

    So the broker has an event before the next of its key is sent, although messages may be lost and sent again. And
    where two relays send the same events, one of them cut off from its lock, the first copies are in order.

    Example:
        >>> from aldis.relay.event import Event
        >>> def named(key): return Event("e", "User", "post_save", key, 1, 0.0, b"{}", 0)
        >>> [[event.key for event in batch] for batch in distinct_key_batches([named(key) for key in "abcab"])]
        [['a', 'b', 'c'], ['a', 'b']]
    """
    batch: list[Event] = []
    keys: set[str] = set()
    for event in events:
        if event.key in keys or len(batch) == WINDOW:
            yield batch
            batch, keys = [], set()
        batch.append(event)
        keys.add(event.key)
    if batch:
        yield batch
