"""The receivers of this process as an application of FastStream's: subscriptions, start and end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

from ..errors import ConfigurationError
from .background import END_SECONDS, STOP_SECONDS, background
from .inbox import PAUSE_SECONDS, Inbox
from .log_text import printable
from .receivers import RECEIVERS
from .tables import require_tables

if TYPE_CHECKING:
    from faststream import FastStream

    from .event import Event
    from .receivers import Receiver

__all__ = ["app"]

log: Final = logging.getLogger("aldis.relay")


def app(broker: Any, *, stop_timeout: float = STOP_SECONDS, **options: Any) -> FastStream:
    """Return an application of FastStream's in which a broker calls the receivers that were declared.

    Run it with ``await app.run()``, ``faststream run module:app``, or inside another framework by ``app.start()`` and
    ``app.stop()``; ``faststream docs serve module:app`` shows its AsyncAPI page.

    Args:
        broker: A broker's URL, or one of FastStream's, which may have subscribers of its own.
        stop_timeout: Seconds that the calls under way may go on when the application stops. Calls that take longer are
            cancelled, their transactions undone, and their events come again.
        options: The arguments of :class:`faststream.FastStream`.

    Raises:
        ConfigurationError: There is no receiver, the broker is none that is known, or FastStream is not installed.
    """
    from .brokers import transport_to

    if not RECEIVERS:
        raise ConfigurationError(
            "there is no receiver: import the modules that declare them with @relay.receiver first."
        )
    transport = transport_to(broker)
    from faststream import FastStream

    calls = Calls(stop_timeout, transport.nack_options)
    inboxes = [Inbox(each, each.database) for each in RECEIVERS.values() if each.database is not None]
    for each in RECEIVERS.values():
        if each.database is None:
            transport.subscribe(each, handler(each, partial(each.persevere, bury=transport.bury), calls))
    for inbox in inboxes:
        transport.subscribe(inbox.receiver, handler(inbox.receiver, inbox.take, calls))
    stack = AsyncExitStack()

    async def before() -> None:
        calls.closing.clear()
        for database in {each.database for each in inboxes}:
            await require_tables(database)
        await transport.connect()
        await transport.begin()

    async def after() -> None:
        for each in inboxes:
            await stack.enter_async_context(background(each.retry()))
        for watch in transport.watchers():
            await stack.enter_async_context(background(watch()))

    async def end() -> None:
        # Before the broker's subscribers end: FastStream waits for each of them in turn.
        until = time.monotonic() + stop_timeout
        await calls.finish()
        for each in inboxes:
            await each.close(until - time.monotonic())
        await calls.cancel()
        await stack.aclose()

    made = FastStream(transport.broker, **options)
    made.on_startup(before)
    made.after_startup(after)
    made.on_shutdown(end)
    return made


class Calls:
    """The calls of receivers that are under way.

    Args:
        seconds: How long they may go on when the application stops.
        nack_options: The arguments with which a broker's message is given back.
    """

    def __init__(self, seconds: float, nack_options: Mapping[str, Any]) -> None:
        self.seconds = seconds
        self.nack_options = nack_options
        self.tasks: set[asyncio.Task[Any]] = set()
        self.closing = asyncio.Event()
        """Set when the application stops."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Note that this task calls a receiver, for a block.

        Raises:
            NackMessage: The application stops: the broker gives the event to another process, or again.
        """
        from faststream.exceptions import NackMessage

        task = asyncio.current_task()
        assert task is not None
        if self.closing.is_set():
            await asyncio.sleep(END_SECONDS)  # the broker gives the event again at once
            raise NackMessage(**self.nack_options)
        self.tasks.add(task)
        try:
            yield
        except asyncio.CancelledError as error:
            if not self.closing.is_set():
                raise
            task.uncancel()
            raise NackMessage(**self.nack_options) from error
        finally:
            self.tasks.discard(task)

    async def finish(self) -> None:
        """Begin no new calls, and wait for those under way, some seconds at most."""
        self.closing.set()
        await self.wait(self.seconds)

    async def wait(self, seconds: float) -> None:
        """Wait until no call is under way, for so many seconds at most."""
        deadline = time.monotonic() + seconds
        while self.tasks and time.monotonic() < deadline:  # noqa: ASYNC110 - the tasks themselves go on after it
            await asyncio.sleep(0.02)

    async def cancel(self) -> None:
        """Cancel the calls that are still under way; their events come again."""
        for task in list(self.tasks):
            task.cancel()
        await self.wait(END_SECONDS)
        for task in self.tasks:
            log.error("%s did not end within %g s after it was cancelled; it is left alone", task, END_SECONDS)


def handler(
    receiver: Receiver, take: Callable[[Event], Awaitable[None]], calls: Calls
) -> Callable[[Any], Awaitable[None]]:
    """Return the function that FastStream calls with the result of :meth:`Transport.read`.

    Its annotation is ``Any`` with a JSON schema: FastStream shows the schema on its page, and does not check the event.
    """
    from pydantic import WithJsonSchema

    async def handle(event: Any) -> None:
        if event is None:  # a message that is no event: it was passed over
            return
        if event.sender != receiver.sender:
            log.error(
                "%s passes over event %s: it comes from %s, published where the events of %s are",
                receiver.name,
                printable(event.id),
                printable(event.sender),
                receiver.sender,
            )
        elif event.signal in receiver.signals:  # a subscription is to all signals of the sender
            async with calls.running():
                try:
                    await take(event)
                except Exception:
                    # The broker gives the event again at once: without a pause, as often as the processor can.
                    await asyncio.sleep(PAUSE_SECONDS)
                    raise

    handle.__name__ = handle.__qualname__ = receiver.name
    handle.__doc__ = receiver.description
    handle.__annotations__["event"] = Annotated[Any, WithJsonSchema(receiver.schema())]
    return handle
