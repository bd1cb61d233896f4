"""Kafka: a topic for each sender, keyed by the instance, a consumer group for each receiver."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from faststream.kafka import KafkaBroker

from ..background import END_SECONDS
from ..event import Event
from .transport import DEAD, JSON, Transport, token

if TYPE_CHECKING:
    from ..receivers import Receiver

__all__ = ["KafkaTransport", "from_url"]


def from_url(url: str) -> KafkaTransport:
    """Return the transport to the Kafka at a URL: ``kafka://host:port``."""
    return KafkaTransport(
        KafkaBroker(
            urlsplit(url).netloc, logger=None, graceful_timeout=END_SECONDS, acks="all", enable_idempotence=True
        ),
        url,
    )


class KafkaTransport(Transport):
    """Publishes to Kafka, and subscribes."""

    prefix = "ce_"

    async def send(self, event: Event, headers: dict[str, str], dead_of: str | None = None) -> None:
        """Publish, and await the acknowledgement of all replicas; Kafka keeps the events of a partition in order."""
        topic = f"aldis.{token(event.sender)}" if dead_of is None else f"aldis.{DEAD}.{token(dead_of)}"
        headers["content-type"] = JSON
        await self.broker.publish(event.data, topic, key=event.key.encode(), headers=headers)

    def subscribe(self, receiver: Receiver, take: Callable[[Event], Awaitable[None]]) -> None:
        """Subscribe as a group: Kafka gives each partition to one of its processes."""
        self.broker.subscriber(
            f"aldis.{token(receiver.sender)}",
            group_id=receiver.name,
            auto_offset_reset="earliest",
            max_poll_interval_ms=max(int(receiver.patience * 1000), 300_000),
            **self.options(receiver),
        )(take)
