"""Publishes many messages to JetStream at once, and waits until all are stored; the transport to NATS calls it.

``publish_async`` of nats-py writes the headers of each message anew, one by one, and gives each an inbox of its own
name. Most headers of events are the same for thousands of them: written once, a message costs a third.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, Final

from nats.errors import ConnectionReconnectingError, MaxPayloadError
from nats.js.errors import APIError, NoStreamResponseError

__all__ = ["JetStreamPublisher", "header_lines"]

VERSION: Final = b"NATS/1.0\r\n"
"""The first line of a message's headers (NATS's documentation, "Client Protocol", HPUB)."""


def header_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    r"""Return headers as they are sent.

    Example:
        >>> header_lines([("ce-id", "3f.0"), ("content-type", "application/json")])
        b'ce-id: 3f.0\r\ncontent-type: application/json\r\n'
    """
    return "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("ascii")


class JetStreamPublisher:
    """Publishes to JetStream through a connection of nats-py.

    Args:
        client: The connection: ``nats.aio.client.Client``.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.inbox: str = client.new_inbox()
        self.numbers = count()
        self.waiting: dict[str, asyncio.Future[None]] = {}
        """The messages that are not stored yet, by the subject of their acknowledgement."""

    @staticmethod
    def can_use(client: Any) -> bool:
        """Return whether a client has the two private methods that send bytes as they are (nats-py 2.9 to 2.16)."""
        return hasattr(client, "_send_command") and hasattr(client, "_flush_pending")

    async def start(self) -> None:
        """Subscribe to the acknowledgements."""
        await self.client.subscribe(f"{self.inbox}.*", cb=self.acknowledge)

    async def acknowledge(self, message: Any) -> None:
        """Take note of one acknowledgement."""
        future = self.waiting.pop(message.subject, None)
        if future is None or future.done():
            return
        if message.headers and message.headers.get("Status") == "503":
            future.set_exception(NoStreamResponseError())
        elif b'"error"' in message.data:
            future.set_exception(APIError(description=message.data.decode(errors="replace")))
        else:
            future.set_result(None)

    async def publish(self, messages: Sequence[tuple[str, bytes, bytes]], seconds: float) -> None:
        """Publish messages, and return when JetStream has stored them.

        Args:
            messages: The subject, the lines of the headers and the data of each.
            seconds: How long it may take.

        Raises:
            TimeoutError: It took longer.
            MaxPayloadError: A message is longer than the server takes.
            ConnectionReconnectingError: The connection is lost; nats-py makes a new one.
            APIError: JetStream refuses a message.
        """
        client = self.client
        if not client.is_connected:
            raise ConnectionReconnectingError
        loop = asyncio.get_running_loop()
        subjects, futures, commands = [], [], []
        for subject, lines, data in messages:
            reply = f"{self.inbox}.{next(self.numbers)}"
            length = len(VERSION) + len(lines) + 2
            if length + len(data) > client.max_payload:
                raise MaxPayloadError
            start = f"HPUB {subject} {reply} {length} {length + len(data)}\r\n".encode("ascii")
            commands.append(b"%b%b%b\r\n%b\r\n" % (start, VERSION, lines, data))
            subjects.append(reply)
            futures.append(loop.create_future())
        self.waiting.update(zip(subjects, futures, strict=True))
        try:
            async with asyncio.timeout(seconds):
                # nats-py sends its buffer when it is idle, or with the next message that it is given.
                await client._send_command(b"".join(commands))
                await client._flush_pending()
                for each in futures:
                    await each
        finally:
            for reply in subjects:
                self.waiting.pop(reply, None)
            for each in futures:
                if not each.cancel() and not each.cancelled():
                    each.exception()  # looked at: the first one was raised
