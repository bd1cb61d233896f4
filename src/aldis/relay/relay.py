"""The relay: what waits in the outbox is passed on, lane by lane, in order, by as many relays as there are."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, false, func, or_, select, update
from sqlalchemy.pool import StaticPool

from ..errors import ConfigurationError
from .background import background
from .event import Event, events_of
from .inbox import Inbox
from .lanes import Lanes, separate_engine
from .metrics import Metrics
from .receivers import RECEIVERS, Receiver
from .tables import delivery, insert_if_new, outbox, require_tables
from .tables import receiver as receivers
from .wake import wake_on_commit

if TYPE_CHECKING:
    from ..orm.database import Database
    from .brokers.transport import Transport

__all__ = ["Relay", "distinct_key_batches"]

log: Final = logging.getLogger("aldis.relay")

WINDOW: Final = 256
"""Events of one lane that are on their way to the broker at once."""

WORKERS: Final = 4
"""Lanes that one relay passes on at once."""

LONGEST_PAUSE_SECONDS: Final = 30.0

UNWANTED_SECONDS: Final = 7 * 24 * 60 * 60.0
"""How long the table keeps, where there is no broker, an event that no receiver is known for."""

PassOn = Callable[[Sequence[Event]], Awaitable[None]]


class Relay:
    """Passes on what waits in the outbox: to a broker, or where there is none to the receivers of this process.

    Args:
        database: Where the outbox is.
        broker: A broker's URL, or one of FastStream's; without one, the receivers that were declared are called.
        source: What the events say of where they come from (CloudEvents, ``source``).
        poll: Seconds between two looks at an outbox that was empty. On PostgreSQL the relay is woken at once.

    Raises:
        ConfigurationError: The broker is none that is known, or what it needs is not installed.

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

    def __init__(self, database: Database, broker: Any = None, *, source: str = "aldis", poll: float = 0.5) -> None:
        from .brokers import transport_to

        self.database = database
        self.source = source
        self.poll = poll
        self.passed = 0
        """Events that were passed on so far."""
        self.transport: Transport | None = None if broker is None else transport_to(broker)
        self.woken = asyncio.Event()
        self.is_stopping = False
        self.engine = database.engine
        self.workers = WORKERS if database.engine.dialect.name != "sqlite" else 1
        """Lanes that are passed on at once: on SQLite, whoever writes is alone."""
        self.is_alone = isinstance(database.engine.pool, StaticPool)
        """The database is in memory, and has one connection."""
        self.consumers: list[tuple[Lanes, PassOn]] = []
        self.inboxes: list[Inbox] = []
        self.has_to_prune = False
        """Who takes what may have changed since the table was last pruned."""
        self.metrics = Metrics(database)

    def stop(self) -> None:
        """Let :meth:`run` end when what is under way has been passed on."""
        self.is_stopping = True
        self.woken.set()

    async def run(self) -> None:
        """PassOn on what waits and what will, until :meth:`stop` is called.

        A broker or a database that goes away is tried again until it is back.

        Raises:
            ConfigurationError: The broker is not there, there is neither a broker nor a receiver, or the database
                lacks the relay's tables.
        """
        async with self.ready(), AsyncExitStack() as stack:
            await self.start_background(stack)
            pause = 0.0
            while not self.is_stopping:
                self.woken.clear()
                try:
                    passed = await self.pass_some()
                    if self.is_alone:
                        await self.retry_some()
                    pause = 0.0
                except Exception as error:
                    pause = min(max(2 * pause, 0.5), LONGEST_PAUSE_SECONDS)
                    log.warning(
                        "cannot pass on what waits: %s: %s; again in %.1f s", type(error).__name__, error, pause
                    )
                    passed = 0
                if not passed and not self.is_stopping:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.woken.wait(), pause or self.poll)

    async def pass_all(self) -> int:
        """PassOn on what waits now, and return; for tests and for jobs that run by the clock.

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
        return self.passed - before

    @asynccontextmanager
    async def ready(self) -> AsyncIterator[None]:
        """Be connected, and know who takes what."""
        await require_tables(self.database)
        async with AsyncExitStack() as stack:
            self.engine = separate_engine(self.database, WORKERS + 2)
            if self.engine is not self.database.engine:
                stack.push_async_callback(self.engine.dispose)
            if self.transport is not None:
                await stack.enter_async_context(self.transport.open())
                self.consumers = [(Lanes(self.engine), self.publish)]
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
                self.has_to_prune = True
            for lanes, _ in self.consumers:
                await lanes.prepare()
            yield

    async def start_background(self, stack: AsyncExitStack) -> None:
        """Let run beside what has to: where a connection is all there is, nothing can, see :meth:`run`."""
        if not self.is_alone:
            works = [
                wake_on_commit(self.engine, self.woken),
                self.metrics.watch(),
                *[each.retry() for each in self.inboxes],
            ]
            for work in works:
                await stack.enter_async_context(background(work))

    async def retry_some(self) -> None:
        """Try again what was put aside and is due."""
        for each in self.inboxes:
            while await each.retry_one():
                pass

    def consumer_of(self, inbox: Inbox) -> tuple[Lanes, PassOn]:
        """Return what takes a receiver's events from the table."""
        receiver = inbox.receiver

        async def take(events: Sequence[Event]) -> None:
            for event in events:
                await inbox.take(event)

        wanted = and_(outbox.c.sender == receiver.sender, outbox.c.signal.in_(receiver.signals))
        return Lanes(self.engine, receiver.name, wanted), take

    async def register(self, known: Sequence[Receiver]) -> None:
        """Write down who takes events from the table: each is kept until all of them have.

        Each statement is a transaction of its own: relays that start at once and hold one lock while they ask for the
        next are a deadlock on MariaDB.
        """
        insert = insert_if_new(receivers, self.engine.dialect.name)
        for each in known:
            row = {"sender": each.sender, "signals": ",".join(each.signals)}
            async with self.engine.begin() as connection:
                await connection.execute(insert, {"name": each.name, **row})
            async with self.engine.begin() as connection:
                await connection.execute(update(receivers).where(receivers.c.name == each.name).values(row))

    async def pass_some(self) -> int:
        """PassOn on some of what waits, in as many lanes as there is something in; return how many events it was."""
        before = self.passed
        for lanes, take in self.consumers:
            numbers = await lanes.waiting()
            random.shuffle(numbers)
            running = asyncio.Semaphore(self.workers)
            work = [self.pass_lane(lanes, number, take, running) for number in numbers]
            for error in await asyncio.gather(*work, return_exceptions=True):
                if isinstance(error, BaseException):
                    raise error
        if self.transport is None and (self.passed > before or self.has_to_prune):
            await self.prune()
            self.has_to_prune = False
        return self.passed - before

    async def pass_lane(self, lanes: Lanes, number: int, take: PassOn, running: asyncio.Semaphore) -> None:
        """PassOn on some of what waits in a lane, unless somebody else does."""
        async with running, lanes.claimed(number) as claim:
            if claim is None or self.is_stopping:
                return
            done: list[int] = []
            try:
                for row in await claim.read():
                    events = events_of(row, self.source)
                    await take(events)
                    done.append(row.id)
                    self.passed += len(events)
                    self.metrics.count(events, time.time())
                    if self.is_stopping:
                        break
            finally:
                await claim.mark_passed(done)

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish events, many at once, those of one key one after the other."""
        assert self.transport is not None
        for batch in distinct_key_batches(events):
            await self.transport.publish(batch)

    async def prune(self) -> None:
        """Delete what all receivers have taken."""
        async with self.engine.begin() as connection:
            known = (await connection.execute(select(receivers))).all()
            consumers: dict[tuple[str, str], list[str]] = {}
            for each in known:
                for signal in each.signals.split(","):
                    consumers.setdefault((each.sender, signal), []).append(each.name)
            for (sender, signal), names in consumers.items():
                taken = (
                    select(delivery.c.outbox_id)
                    .where(delivery.c.receiver.in_(names))
                    .group_by(delivery.c.outbox_id)
                    .having(func.count() == len(names))
                )
                here = (outbox.c.sender == sender, outbox.c.signal == signal, outbox.c.id.in_(taken))
                numbers = list(await connection.scalars(select(outbox.c.id).where(*here)))
                if numbers:
                    await connection.execute(delete(outbox).where(outbox.c.id.in_(numbers)))
                    await connection.execute(delete(delivery).where(delivery.c.outbox_id.in_(numbers)))
            wanted = [and_(outbox.c.sender == sender, outbox.c.signal == signal) for sender, signal in consumers]
            old = outbox.c.created_at < time.time() - UNWANTED_SECONDS
            await connection.execute(delete(outbox).where(old, ~or_(false(), *wanted)))


def distinct_key_batches(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Cut events into pieces that may be on their way at once: no key is in one twice.

    So the broker has an event before the next of its key is sent, whatever is lost on the way and sent again. And
    where two relays send the same events, one of them cut off from its lock, what comes first of each is in order.

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
