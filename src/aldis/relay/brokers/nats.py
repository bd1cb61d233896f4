"""NATS: one stream of JetStream, a subject for each sender, signal and lane, a durable consumer for each lane."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from faststream.nats import JStream, NatsBroker
from nats.js.api import ConsumerConfig, DeliverPolicy, StreamConfig
from nats.js.errors import NotFoundError

from ..background import END_SECONDS
from ..event import LANES, Event
from .transport import DEAD, JSON, Transport, token

if TYPE_CHECKING:
    from ..receivers import Receiver

__all__ = ["STREAM", "NatsTransport", "from_url"]

STREAM: Final = "aldis"

SUBJECTS: Final = [f"{STREAM}.>"]

KEPT_SECONDS: Final = 7 * 24 * 60 * 60.0
"""How long the stream keeps an event, received or not."""

PUBLISH_SECONDS: Final = 10.0
"""How long NATS may take to store one."""


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

    # NATS gives an event again at once, to the same process, which is still there; it would be lost to others until
    # the acknowledgement is overdue.
    nack_options: ClassVar[Mapping[str, Any]] = {"delay": 2 * END_SECONDS}

    async def declare(self) -> None:
        """Make the stream, unless there is one: whoever wants it replicated, or kept longer, makes it first."""
        context = self.broker.config.connection_state.stream
        try:
            await context.stream_info(STREAM)
        except NotFoundError:
            await context.add_stream(StreamConfig(name=STREAM, subjects=SUBJECTS, max_age=KEPT_SECONDS))

    async def send(self, event: Event, headers: dict[str, str], dead_of: str | None = None) -> None:
        """Publish; JetStream drops what comes twice within its window (its documentation, ``Nats-Msg-Id``)."""
        if dead_of is None:
            subject = f"{STREAM}.{token(event.sender)}.{event.signal}.{event.lane}"
            headers["Nats-Msg-Id"] = event.id
        else:
            subject = f"{STREAM}.{DEAD}.{token(dead_of)}"
            headers["Nats-Msg-Id"] = f"{event.id}.{token(dead_of)}"
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
