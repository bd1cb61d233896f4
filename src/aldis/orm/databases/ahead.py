"""The statements that are due for a transaction, sent ahead of asyncpg's own, and their answers, not waited for.

asyncpg speaks one query at a time, so a savepoint and an INSERT are two round trips, 110 microseconds each. The
protocol has no such rule: messages are answered in the order in which they come ("Pipelining" in the chapter
"Frontend/Backend Protocol" of its manual). The messages of the savepoints are written in front of those that asyncpg
writes to the connection's transport, without a Sync between: the server sends all answers together, and the program
wakes once. The answers to the savepoints are taken out of the incoming bytes before asyncpg sees them.

A BEGIN goes the same way: asyncpg is told at once that its transaction has begun, and the server with the first
statement. A save in a transaction of its own is two trips, and not three.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

__all__ = ["Ahead"]

HEADER = 5
"""Bytes before a message's content: its kind, and its length (which counts itself and the content)."""

ANSWER: Final = b"12C"
"""The kinds of the messages that answer a statement of ours: ParseComplete, BindComplete and CommandComplete."""

USUAL: Final = ANSWER * 2
"""The kinds of the messages that answer a RELEASE and a SAVEPOINT: nearly all are these."""
READY_TO_RUN: Final = b"1\0\0\0\4" + b"2\0\0\0\4"
USUAL_ANSWER: Final = READY_TO_RUN + b"C\0\0\0\x0cRELEASE\0" + READY_TO_RUN + b"C\0\0\0\x0eSAVEPOINT\0"
"""These messages, which are looked at in one go."""

BIND_AND_EXECUTE: Final = b"B\0\0\0\x0c" + bytes(8) + b"E\0\0\0\x09" + bytes(5)
"""The messages that run the unnamed statement, which has no parameters."""
SYNC: Final = b"S\0\0\0\4"
"""The message that ends a group of messages: after an error the server passes over all that come before it."""
BEGIN: Final = b"Q\0\0\0\x0bBEGIN;\0"
"""asyncpg's message that begins a transaction: a query without parameters."""
BEGUN: Final = b"C\0\0\0\x0aBEGIN\0" + b"Z\0\0\0\5T"
"""The server's answer to a BEGIN: done, and in a transaction."""
IN_GROUPS: Final = frozenset(b"PBDCE")
"""The kinds of messages that asyncpg ends by a Sync of its own: Parse, Bind, Describe, Close and Execute."""


class Ahead(asyncio.Protocol):
    """Sends queries ahead of asyncpg's, and takes their answers out of the stream."""

    def __init__(self, transport: asyncio.Transport, protocol: asyncio.Protocol) -> None:
        self.transport = transport
        self.protocol = protocol
        """asyncpg's, which gets all that is not an answer to ours."""
        self.expected = b""
        """The kinds of the messages that are still to come for us, in their order."""
        self.unsent = b""
        """Messages that go in front of asyncpg's next one."""
        self.received = bytearray()
        self.error: dict[str, str] | None = None
        """The database's message on a statement of ours that failed in a group of its own, by its field codes."""
        self.refused = 0
        """How many of our statements, the last ones, the database has not run after an error."""

    def send(self, statements: Sequence[str]) -> None:
        """Send statements with asyncpg's next message, and stand between the two until they are answered."""
        if not self.expected:
            self.transport.set_protocol(self)
        self.refused = 0
        self.expected += ANSWER * len(statements)
        self.unsent += b"".join(map(messages_of, statements))
        try:
            self.transport.write = self.write  # type: ignore[method-assign]
            self.transport.writelines = self.writelines  # type: ignore[method-assign]
        except AttributeError:  # uvloop's has no attributes of its own
            self.flush()

    def hold_begin(self) -> None:
        """Hold asyncpg's next message back, if it is a BEGIN: that goes in front of the message after it."""
        with suppress(AttributeError):  # uvloop's transport has no attributes of its own
            self.transport.write = self.hold  # type: ignore[method-assign]

    def hold_nothing(self) -> None:
        """End that, where asyncpg has sent no message meanwhile."""
        if self.transport.write == self.hold:
            self.leave_transport()

    def hold(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Keep asyncpg's BEGIN for later, and answer it as the server is going to; write any other message.

        One that sets the isolation level may be refused, and is written.
        """
        self.leave_transport()
        if data != BEGIN:
            self.transport.write(data)
            return
        self.send(["BEGIN"])
        self.protocol.data_received(BEGUN)

    def leave_transport(self) -> None:
        """Leave the transport's own methods in place."""
        for name in ("write", "writelines"):
            getattr(self.transport, "__dict__", {}).pop(name, None)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Write asyncpg's message, ours in front of it: one packet, for which the server wakes once."""
        self.transport.write(b"".join((self.take_unsent(data[0] in IN_GROUPS), data)))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        """Write asyncpg's messages for many rows, ours in front of them."""
        first, *others = list_of_data
        self.transport.writelines([self.take_unsent(first[0] in IN_GROUPS), first, *others])

    def flush(self) -> None:
        """Send our messages alone, where asyncpg has written nothing; on a lost connection asyncpg says so."""
        if self.unsent and not self.transport.is_closing():
            self.transport.write(self.take_unsent(False))

    def take_unsent(self, is_in_group: bool) -> bytes:
        """Return the messages that wait; they go as the transport sends messages itself.

        Args:
            is_in_group: asyncpg's Sync ends them. If not, they have one of their own: behind an error the server would
                pass over a simple query, and asyncpg would wait for its answer forever.
        """
        unsent, self.unsent = self.unsent, b""
        self.leave_transport()
        if is_in_group:
            return unsent
        self.expected += b"Z"
        return unsent + SYNC

    def data_received(self, data: bytes) -> None:
        """Take out the answers to our own statements."""
        if self.expected == USUAL and not self.received and data.startswith(USUAL_ANSWER):
            self.expected = b""
            self.transport.set_protocol(self.protocol)
            if len(data) > len(USUAL_ANSWER):
                self.protocol.data_received(data[len(USUAL_ANSWER) :])
            return
        received = self.received
        received += data
        others = bytearray()
        while self.expected:
            end = 1 + int.from_bytes(received[1:HEADER], "big")
            if len(received) < max(end, HEADER):
                break
            kind, message = received[:1], bytes(received[:end])
            del received[:end]
            if self.expected.startswith(kind):
                self.expected = self.expected[1:]
            elif kind == b"E" and b"Z" in self.expected:
                self.refused = self.expected.partition(b"Z")[0].count(b"C")
                self.error = self.error or fields_of(message)
                self.expected = self.expected[self.expected.index(b"Z") :]
            else:
                others += message  # notices, settings, notifications: they may come at any time
                if kind == b"E":  # of asyncpg's group, which fails as a whole: no more answers come to ours
                    self.refused, self.expected = self.expected.count(b"C"), b""
        if not self.expected:
            others += received
            received.clear()
            self.transport.set_protocol(self.protocol)
        if others:
            self.protocol.data_received(bytes(others))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell asyncpg."""
        self.protocol.connection_lost(exc)

    def eof_received(self) -> bool | None:
        """Tell asyncpg."""
        return self.protocol.eof_received()

    def pause_writing(self) -> None:
        """Tell asyncpg."""
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """Tell asyncpg."""
        self.protocol.resume_writing()


def messages_of(statement: str) -> bytes:
    """Return the messages that run a statement without parameters: Parse, Bind and Execute."""
    content = b"\0%b\0\0\0" % statement.encode()  # the unnamed statement, its text, and no types of parameters
    return b"P%b%b%b" % ((len(content) + 4).to_bytes(4, "big"), content, BIND_AND_EXECUTE)


def fields_of(message: bytes) -> dict[str, str]:
    """Read an ErrorResponse: fields of a code and a text, each ended by a zero."""
    fields = message[HEADER:].split(b"\0")
    return {chr(field[0]): field[1:].decode("utf-8", "replace") for field in fields if field}
