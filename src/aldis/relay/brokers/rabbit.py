"""RabbitMQ: one topic exchange, and for each receiver a queue a lane, with a single active consumer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from pamqp.commands import Basic

from ..background import END_SECONDS
from ..event import LANES, Event
from .transport import DEAD, JSON, Transport, token

if TYPE_CHECKING:
    from ..receivers import Receiver

__all__ = ["RabbitTransport", "from_url"]

EXCHANGE: Final = RabbitExchange("aldis", type=ExchangeType.TOPIC, durable=True)


def from_url(url: str) -> RabbitTransport:
    """Return the transport to the RabbitMQ server at a URL; the client reconnects for ever."""
    return RabbitTransport(RabbitBroker(url, logger=None, graceful_timeout=END_SECONDS), url)


class RabbitTransport(Transport):
    """Publishes to RabbitMQ, and subscribes."""

    prefix = "cloudEvents:"

    exchange: Any
    """The exchange of aio-pika's."""

    async def declare(self) -> None:
        """Make the exchange."""
        self.exchange = await self.broker.declare_exchange(EXCHANGE)

    def properties_of(self, event: Event) -> Basic.Properties:
        """Return the properties of an event's message: it is stored on disk."""
        headers: dict[str, Any] = {**self.headers_of(event)}
        return Basic.Properties(content_type=JSON, delivery_mode=2, message_id=event.id, headers=headers)

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish events, all at once, and return when RabbitMQ has confirmed them.

        A broker that was made here has no middlewares, so its client publishes: FastStream and aio-pika each make a
        message of their own of every event.
        """
        if self.url is None:
            await super().publish(events)
            return
        channel = await self.exchange.channel.get_underlay_channel()
        confirmed = [
            channel.basic_publish(
                event.data,
                exchange=EXCHANGE.name,
                routing_key=f"{token(event.sender)}.{event.signal}.{event.lane}",
                properties=self.properties_of(event),
                wait=False,
            )
            for event in events
        ]
        for error in await asyncio.gather(*confirmed, return_exceptions=True):
            if isinstance(error, BaseException):
                raise error

    async def send(self, event: Event, headers: dict[str, str], dead_of: str | None = None) -> None:
        """Publish, and await the broker's confirmation; a queue for dead letters is made first."""
        options: dict[str, Any] = {
            "exchange": EXCHANGE,
            "routing_key": f"{token(event.sender)}.{event.signal}.{event.lane}",
        }
        if dead_of is not None:
            queue = RabbitQueue(f"aldis.{DEAD}.{token(dead_of)}", durable=True)
            await self.broker.declare_queue(queue)
            options = {"queue": queue}
        await self.broker.publish(
            event.data, headers=headers, content_type=JSON, message_id=event.id, persist=True, **options
        )

    def subscribe(self, receiver: Receiver, take: Callable[[Event], Awaitable[None]]) -> None:
        """Subscribe to a queue for each lane; of several processes RabbitMQ lets one at a time have it."""
        for lane in range(LANES):
            queue = RabbitQueue(
                f"aldis.{token(receiver.name)}.{lane}",
                durable=True,
                routing_key=f"{token(receiver.sender)}.*.{lane}",
                arguments={"x-single-active-consumer": True},
            )
            self.broker.subscriber(
                queue,
                EXCHANGE,
                channel=Channel(prefetch_count=1),
                include_in_schema=lane == 0,
                **self.options(receiver),
            )(take)
