"""All brokers have this in common: events go there, and come from there, with the attributes of CloudEvents."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote, unquote

from faststream.middlewares import AckPolicy

from ...errors import ConfigurationError
from ..event import Event
from ..log_text import error_line
from . import host_and_port, require_reachable

if TYPE_CHECKING:
    from ..receivers import Receiver

__all__ = ["DEAD", "JSON", "Transport", "token"]

log: Final = logging.getLogger("aldis.relay")

JSON: Final = "application/json"

DEAD: Final = "dead"
"""Where dead letters go, in the place of a sender."""

PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
"""The bytes of a name that brokers take in a word, whichever the broker."""

CONNECT_SECONDS: Final = 15.0
"""How long it may take until a broker that answers serves us; NATS's client would try for ever."""


class Transport:
    """Publishes events to a broker, and subscribes receivers to them.

    Args:
        broker: FastStream's.
        url: Where it is, if it was made of a URL.
    """

    prefix: ClassVar[str] = "ce-"
    """Of the headers with the attributes of CloudEvents, as its binding for the protocol has it."""

    nack_options: ClassVar[Mapping[str, Any]] = {}
    """How a process that stops gives an event back: the arguments of FastStream's ``NackMessage``."""

    refusals: ClassVar[tuple[type[Exception], ...]] = ()
    """The errors of the broker's client at an event that the broker will never take, as one that is too large."""

    def __init__(self, broker: Any, url: str | None = None) -> None:
        self.broker = broker
        self.url = url
        self.shared: tuple[Any, ...] = ()
        self.shared_headers: dict[str, str] = {}
        """The headers of the event before, see :meth:`headers_of`."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Be connected, to publish.

        Raises:
            ConfigurationError: The broker is not there.
        """
        try:
            await self.connect()
            yield
        finally:
            await self.broker.stop()

    async def connect(self) -> None:
        """Connect, and make the broker's objects that have to be there.

        Raises:
            ConfigurationError: The broker is not there, is not ready yet, or does not let us in.
        """
        if self.url is not None:
            await require_reachable(self.url)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self.broker.connect()
                await self.declare()
        except Exception as error:
            where = "" if self.url is None else " at {}:{}".format(*host_and_port(self.url))
            raise ConfigurationError(
                f"the broker{where} answers, and does not serve us ({error_line(error)}): look at the name and the "
                "password in its URL, and try again if it has only just started."
            ) from error

    async def declare(self) -> None:
        """Make the broker's objects that have to be there before anything is published."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish events, all at once, no two of them of one key; return when the broker has them for good."""
        sent = [self.send(event, self.headers_of(event)) for event in events]
        for error in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(error, BaseException):
                raise error

    async def bury(self, receiver: str, event: Event, error: str, attempts: int) -> None:
        """Publish an event to a receiver's dead letters."""
        report = {"receiver": header(receiver), "error": header(error), "attempts": str(attempts)}
        await self.send(event, {**self.headers_of(event), **report}, receiver)

    async def send(self, event: Event, headers: dict[str, str], dead_of: str | None = None) -> None:
        """Publish; to the dead letters of a receiver, if one is named."""
        raise NotImplementedError

    def headers_of(self, event: Event) -> dict[str, str]:
        """Return an event's attributes as headers, in a new dict.

        All events of a row of the outbox share most of them, which are made once: that halves the time of this method.
        """
        prefix = self.prefix
        shared = (event.sender, event.signal, event.version, event.time, event.lane, event.source)
        if shared != self.shared:
            self.shared = shared
            self.shared_headers = {f"{prefix}{name}": header(value) for name, value in event.attributes().items()}
        key = header(event.key)
        return {
            **self.shared_headers,
            f"{prefix}id": header(event.id),
            f"{prefix}subject": key,
            f"{prefix}partitionkey": key,
        }

    async def read(self, message: Any) -> Event | None:
        """Read an event; FastStream's decoder of a message.

        A message that is no event is passed over: it never will be one, and would hold up its lane for ever.
        """
        try:
            return self.event_of(message.headers, message.body)
        except Exception as error:
            log.error("passed over: %s", error_line(error))  # noqa: TRY400 - where it was raised says nothing
            return None

    def event_of(self, headers: Mapping[str, Any], body: bytes) -> Event:
        """Return the event of a message."""
        prefix, cut = self.prefix, len(self.prefix)
        attributes = {
            name[cut:]: unheader(value) if isinstance(value, str) else value
            for name, value in headers.items()
            if name.startswith(prefix)
        }
        return Event.from_attributes(attributes, body)

    def subscribe(self, receiver: Receiver, take: Callable[[Event], Awaitable[None]]) -> None:
        """Let FastStream call a function with a receiver's events: those of a lane in order, one at a time."""
        raise NotImplementedError

    def options(self, receiver: Receiver) -> dict[str, Any]:
        """Return FastStream's arguments of a subscriber, for any broker."""
        return {
            "decoder": self.read,
            "ack_policy": AckPolicy.NACK_ON_ERROR,
            "no_reply": True,  # a message may name whom FastStream would answer
            "title": receiver.name,
            "description": receiver.description,
        }

    async def begin(self) -> None:
        """Be ready for FastStream to start the subscribers."""

    def watchers(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """Return the functions that run beside the subscribers."""
        return []


def header(value: str) -> str:
    """Write a value so that it may stand in a header: percent-encoded, as CloudEvents' HTTP binding does it.

    Example:
        >>> header("User"), header("100 %"), unheader(header("Zoë"))
        ('User', '100%20%25', 'Zoë')
    """
    return value if value.isascii() and value.isprintable() and "%" not in value else quote(value)


def unheader(value: str) -> str:
    """Read such a value."""
    return unquote(value) if "%" in value else value


@lru_cache(maxsize=1024)
def token(name: str) -> str:
    """Write a name as one word of a subject, a routing key, a topic or a consumer; no two names give the same word.

    ASCII letters, digits and ``_`` stay; each other byte of the name in UTF-8 is ``-`` and two hexadecimal digits.

    Example:
        >>> token("mail_order"), token("mail.order"), token("mail-order")
        ('mail_order', 'mail-2Eorder', 'mail-2Dorder')
    """
    return "".join(chr(each) if each in PLAIN else f"-{each:02X}" for each in name.encode())
