"""Redis Streams: a stream for each sender and lane, a group for each receiver, and a lock for whoever reads a lane."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from faststream.redis import RedisBroker, StreamSub
from redis.exceptions import LockError, RedisError, ResponseError

from ...errors import AldisError
from ..background import END_SECONDS
from ..event import LANES, Event
from .transport import DEAD, JSON, Transport, token

if TYPE_CHECKING:
    from ..receivers import Receiver

__all__ = ["RedisTransport", "from_url"]

log: Final = logging.getLogger("aldis.relay")

KEPT: Final = 1_000_000
"""Events of one stream that are kept, about: the oldest are dropped after that many, received or not."""

LOCK_SECONDS: Final = 10.0
"""How long a lane stays with a process that says nothing."""

LOOK_SECONDS: Final = 1.0
"""Between two looks whether a lane is free, or whether the pending events have been taken."""

ARRIVAL_SECONDS: Final = 0.25
"""After which an event that Redis has given out, and nobody here has in hand, is not on its way any more."""

BLOCK_MILLISECONDS: Final = 1000

CONNECTIONS: Final = 1000
"""At most: each lane of each receiver waits for its next event on a connection of its own."""


def from_url(url: str) -> RedisTransport:
    """Return the transport to the Redis server at a URL."""
    broker = RedisBroker(
        url,
        logger=None,  # type: ignore[arg-type]
        health_check_interval=10,
        max_connections=CONNECTIONS,
        graceful_timeout=END_SECONDS,
    )
    return RedisTransport(broker, url)


class RedisTransport(Transport):
    """Publishes to Redis Streams, and subscribes."""

    def __init__(self, broker: Any, url: str | None = None) -> None:
        super().__init__(broker, url)
        self.consumer = uuid.uuid4().hex
        self.readers: list[StreamReader] = []
        self.shown: list[Any] = []
        self.connected = 0
        """How often something has connected to Redis: with a connection that is gone, an answer may be."""

    async def declare(self) -> None:
        """See that Redis serves us: its client has connected to nothing yet."""
        client = self.broker._connection
        client.connection_pool.connection_kwargs["redis_connect_func"] = self.connect_one
        await client.ping()

    async def connect_one(self, connection: Any) -> None:
        """Let redis-py connect, and count it."""
        self.connected += 1
        await connection.on_connect()

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish events in one trip."""
        async with self.broker._connection.pipeline(transaction=False) as pipeline:
            for event in events:
                await self.add(stream_of(event.sender, event.lane), event, self.headers_of(event), pipeline)
            await pipeline.execute()

    async def send(self, event: Event, headers: dict[str, str], dead_of: str | None = None) -> None:
        """Publish one."""
        stream = stream_of(event.sender, event.lane) if dead_of is None else f"aldis:{DEAD}:{token(dead_of)}"
        await self.add(stream, event, headers)

    async def add(self, stream: str, event: Event, headers: dict[str, str], pipeline: Any = None) -> None:
        """Add to a stream: Redis has it in memory then, and on its disk as it is configured to."""
        headers["content-type"] = JSON
        await self.broker.publish(event.data, stream=stream, headers=headers, maxlen=KEPT, pipeline=pipeline)

    def subscribe(self, receiver: Receiver, take: Callable[[Event], Awaitable[None]]) -> None:
        """Be ready to read each lane; FastStream knows of one of them until it starts, for its page."""
        self.readers += [StreamReader(self, receiver, number, take) for number in range(LANES)]
        self.shown.append(self.readers[-LANES].subscriber(BLOCK_MILLISECONDS))

    def options(self, receiver: Receiver) -> dict[str, Any]:
        """Return the options of a subscriber, with a parser that takes any entry of a stream."""
        return {**super().options(receiver), "parser": self.parse}

    async def parse(self, entry: Any, parse: Callable[[Any], Awaitable[Any]]) -> Any:
        """Parse an entry of a stream; one that FastStream cannot parse is taken for an empty one.

        FastStream would never acknowledge it: it would be read again for ever, and the events after it with it.
        """
        try:
            return await parse(entry)
        except Exception:
            return await parse({**entry, "data": {b"__data__": b"{}"}})

    async def begin(self) -> None:
        """Leave it to whoever holds a lane to read it: FastStream would start to at once."""
        for each in self.shown:
            self.broker._subscribers.discard(each)

    def watchers(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """Return the functions that get hold of the lanes."""
        return [reader.hold for reader in self.readers]


def stream_of(sender: str, lane: int) -> str:
    """Return the name of a stream."""
    return f"aldis:{token(sender)}:{lane}"


class MissingEventError(AldisError):
    """An event whose forerunner Redis has given out, and which has not arrived: both are read again."""


class StreamReader:
    """One lane of a receiver: read by whoever has its lock.

    A consumer group would deal the events of a stream out to all its readers, which keeps no order. So one reads at a
    time, and begins with the events that the one before has not acknowledged. It begins again when an answer of
    Redis's was lost with its connection: the event in it was given out, and no question for a new one brings it.
    """

    def __init__(
        self, transport: RedisTransport, receiver: Receiver, number: int, take: Callable[[Event], Awaitable[None]]
    ) -> None:
        self.transport = transport
        self.receiver = receiver
        self.stream = stream_of(receiver.sender, number)
        self.group = receiver.name
        self.take = take
        self.lost = asyncio.Event()
        """Something was given out that has not arrived."""
        self.is_receiving = False
        """An event is in hand."""
        self.connections_checked = 0
        """The connections as they were counted when nothing was missing last."""

    def subscriber(self, block: int | None = None, idle: int | None = None) -> Any:
        """Return a subscriber of FastStream's.

        Args:
            block: Milliseconds to wait for a new event.
            idle: Milliseconds after which an event that was not acknowledged is read again, in place of new ones.
        """
        stream = StreamSub(
            self.stream,
            group=self.group,
            consumer=self.transport.consumer,
            max_records=1,
            polling_interval=block,
            min_idle_time=idle,
        )
        made = self.transport.broker.subscriber(
            stream=stream, persistent=False, **self.transport.options(self.receiver)
        )
        made(self.take if block is None else self.take_new())
        return made

    def take_new(self) -> Callable[[Event], Awaitable[None]]:
        """Return a function that takes an event which nobody was given before."""

        @wraps(self.take)
        async def take(event: Event) -> None:
            self.is_receiving = True
            try:
                if self.transport.connected != self.connections_checked and await self.is_one_missing():
                    raise MissingEventError(
                        f"an event before this one, of stream {self.stream}, was lost on its way from Redis"
                    )
                await self.take(event)
            finally:
                self.is_receiving = False

        return take

    async def is_one_missing(self) -> bool:
        """Tell whether another event was given out than the one in hand."""
        connected = self.transport.connected
        if await self.pending(self.transport.broker._connection) > 1:
            self.lost.set()
            return True
        self.connections_checked = connected
        return False

    async def hold(self) -> None:
        """Read the lane whenever nobody else does; runs until it is cancelled."""
        while True:
            client = self.transport.broker._connection
            lock = client.lock(
                f"aldis:lock:{token(self.group)}:{self.stream}", timeout=LOCK_SECONDS, thread_local=False
            )
            try:
                if await lock.acquire(blocking=False):
                    try:
                        await self.read(client, lock)
                    finally:
                        with suppress(LockError, RedisError, OSError):
                            await asyncio.shield(lock.release())
            except (RedisError, OSError) as error:
                log.warning("%s has lost lane %s: %s", self.group, self.stream, error)
            await asyncio.sleep(LOOK_SECONDS)

    async def read(self, client: Any, lock: Any) -> None:
        """Read the pending events, then the new ones, as long as the lock holds."""
        with suppress(ResponseError):  # there is a group already
            await client.xgroup_create(self.stream, self.group, id="0", mkstream=True)
        if await self.pending(client):
            async with started(self.subscriber(idle=0)):
                while await self.pending(client):
                    await asyncio.sleep(LOOK_SECONDS / 10)
                    await lock.reacquire()
        self.lost.clear()
        async with started(self.subscriber(BLOCK_MILLISECONDS)):
            while not self.lost.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.lost.wait(), LOCK_SECONDS / 4)
                await lock.reacquire()
                await self.look(client)
        log.warning("%s reads lane %s again: an event was lost on its way from Redis", self.group, self.stream)

    async def look(self, client: Any) -> None:
        """See whether the event that was given out has arrived, where no other event comes that would tell."""
        before = await self.oldest(client)
        if before is None or self.is_receiving:
            return
        await asyncio.sleep(ARRIVAL_SECONDS)
        if not self.is_receiving and await self.oldest(client) == before:
            self.lost.set()

    async def oldest(self, client: Any) -> Any:
        """Return the id of the first event that was read and not acknowledged, if there is one."""
        return (await client.xpending(self.stream, self.group))["min"]

    async def pending(self, client: Any) -> int:
        """Return how many events were read and not acknowledged."""
        return int((await client.xpending(self.stream, self.group))["pending"])


@asynccontextmanager
async def started(subscriber: Any) -> AsyncIterator[None]:
    """Let a subscriber read, for a block."""
    try:
        await subscriber.start()
        yield
    finally:
        await subscriber.stop()
