"""NATS: one stream of JetStream, a subject for each sender, signal and lane, a durable consumer for each lane."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from faststream.nats import JStream, NatsBroker
from nats.errors import MaxPayloadError
from nats.js.api import ConsumerConfig, DeliverPolicy, StreamConfig
from nats.js.errors import NotFoundError

from ..background import END_SECONDS
from ..event import LANES, Event
from .jetstream import JetStreamPublisher, header_lines
from .transport import DEAD, JSON, Transport, token

if TYPE_CHECKING:
    from ..receivers import Receiver

__all__ = ["STREAM", "NatsTransport", "from_url"]

STREAM: Final = "aldis"

SUBJECTS: Final = [f"{STREAM}.>"]

KEPT_SECONDS: Final = 7 * 24 * 60 * 60.0
"""How long the stream keeps an event, received or not."""

PUBLISH_SECONDS: Final = 10.0
"""How long NATS may take to store the messages that are published at once."""

MESSAGE_ID: Final = "Nats-Msg-Id"
"""JetStream drops a message whose id came before, within its window (its documentation, "Message Deduplication")."""

FIXED_HEADERS: Final = {"content-type": JSON, "Nats-Expected-Stream": STREAM}


def from_url(url: str) -> NatsTransport:
    """Return the transport to the NATS server at a URL; the client reconnects for ever."""
    broker = NatsBroker(
        url,
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        ping_interval=10,
        logger=None,
        graceful_timeout=END_SECONDS,
    )
    return NatsTransport(broker, url)


class NatsTransport(Transport):
    """Publishes to NATS JetStream, and subscribes."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (MaxPayloadError,)

    # NATS gives an event again at once, to the same process, which is still there; it would be lost to others until
    # the acknowledgement is overdue.
    nack_options: ClassVar[Mapping[str, Any]] = {"delay": 2 * END_SECONDS}

    def __init__(self, broker: Any, url: str | None = None) -> None:
        super().__init__(broker, url)
        self.publisher: JetStreamPublisher | None = None
        self.lines = b""
        """The lines of the headers that an event shares with the one before it."""
        self.lines_of: Mapping[str, str] | None = None
        """The headers that ``lines`` was made of."""

    async def declare(self) -> None:
        """Make the stream, unless there is one: whoever wants it replicated, or kept longer, makes it first."""
        context = self.broker.config.connection_state.stream
        try:
            await context.stream_info(STREAM)
        except NotFoundError:
            await context.add_stream(StreamConfig(name=STREAM, subjects=SUBJECTS, max_age=KEPT_SECONDS))

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish events, all at once, and return when JetStream has stored them.

        A broker that was made here has no middlewares, so the messages go to its client directly: FastStream's
        publisher takes more than twice as long for each.
        """
        client = self.broker._connection
        if self.url is None or not JetStreamPublisher.can_use(client):
            await super().publish(events)
            return
        if self.publisher is None:
            self.publisher = JetStreamPublisher(client)
            await self.publisher.start()
        await self.publisher.publish([self.message_of(event) for event in events], PUBLISH_SECONDS)

    def message_of(self, event: Event) -> tuple[str, bytes, bytes]:
        """Return the subject, the lines of the headers and the data of an event's message."""
        headers = self.headers_of(event)
        if self.lines_of is not self.shared_headers:
            self.lines_of = self.shared_headers
            own = {f"{self.prefix}{name}" for name in ("id", "subject", "partitionkey")}
            rest = {**FIXED_HEADERS, **headers}
            self.lines = header_lines((name, value) for name, value in rest.items() if name not in own)
        prefix, key, event_id = self.prefix, headers[f"{self.prefix}subject"], headers[f"{self.prefix}id"]
        lines = (
            f"{prefix}id: {event_id}\r\n{MESSAGE_ID}: {event_id}\r\n"
            f"{prefix}subject: {key}\r\n{prefix}partitionkey: {key}\r\n"
        )
        subject = f"{STREAM}.{token(event.sender)}.{event.signal}.{event.lane}"
        return subject, self.lines + lines.encode("ascii"), event.data

    async def send(self, event: Event, headers: dict[str, str], dead_of: str | None = None) -> None:
        """Publish; JetStream drops a message that comes again in its window (its documentation, ``Nats-Msg-Id``)."""
        if dead_of is None:
            subject = f"{STREAM}.{token(event.sender)}.{event.signal}.{event.lane}"
            headers[MESSAGE_ID] = event.id
        else:
            subject = f"{STREAM}.{DEAD}.{token(dead_of)}"
            headers[MESSAGE_ID] = f"{event.id}.{token(dead_of)}"
        headers["content-type"] = JSON
        await self.broker.publish(event.data, subject, headers, stream=STREAM, timeout=PUBLISH_SECONDS)

    def subscribe(self, receiver: Receiver, take: Callable[[Event], Awaitable[None]]) -> None:
        """Subscribe to each lane: with one event under way at a time, NATS itself keeps their order."""
        stream = JStream(STREAM, declare=False)
        for lane in range(LANES):
            name = f"{token(receiver.name)}_{lane}"
            self.broker.subscriber(
                f"{STREAM}.{token(receiver.sender)}.*.{lane}",
                stream=stream,
                queue=name,
                config=ConsumerConfig(
                    # The same for all: two that start at once make the same consumer, not one against the other.
                    deliver_subject=f"_{STREAM}.{name}",
                    max_ack_pending=1,
                    ack_wait=receiver.seconds,
                ),
                deliver_policy=DeliverPolicy.ALL,
                include_in_schema=lane == 0,
                **self.options(receiver),
            )(take)
