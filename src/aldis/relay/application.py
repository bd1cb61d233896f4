"""The receivers of this process as an application of FastStream's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from ..errors import ConfigurationError
from .background import background
from .inbox import Inbox
from .receivers import RECEIVERS
from .tables import require_tables

if TYPE_CHECKING:
    from faststream import FastStream

    from .event import Event
    from .receivers import Receiver

__all__ = ["app"]


def app(broker: Any, **options: Any) -> FastStream:
    """Return an application of FastStream's in which a broker calls the receivers that were declared.

    Run it with ``await app.run()``, ``faststream run module:app``, or inside another framework by ``app.start()`` and
    ``app.stop()``; ``faststream docs serve module:app`` shows its AsyncAPI page.

    Args:
        broker: A broker's URL, or one of FastStream's, which may have subscribers of its own.
        options: What :class:`faststream.FastStream` takes.

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

    inboxes = [Inbox(each, each.database) for each in RECEIVERS.values() if each.database is not None]
    for each in RECEIVERS.values():
        if each.database is None:
            transport.subscribe(each, handler(each, partial(each.persevere, bury=transport.bury)))
    for inbox in inboxes:
        transport.subscribe(inbox.receiver, handler(inbox.receiver, inbox.take))
    stack = AsyncExitStack()

    async def before() -> None:
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
        await stack.aclose()

    async def close() -> None:
        for each in inboxes:
            await each.close()

    made = FastStream(transport.broker, **options)
    made.on_startup(before)
    made.after_startup(after)
    made.on_shutdown(end)
    made.after_shutdown(close)
    return made


def handler(receiver: Receiver, take: Callable[[Event], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Return what FastStream calls: it takes our word for what an event is, and shows it on its page."""
    from pydantic import WithJsonSchema

    async def handle(event: Any) -> None:
        # The brokers give all that a sender does, and what somebody else has published there.
        if event is not None and event.signal in receiver.signals:
            await take(event)

    handle.__name__ = handle.__qualname__ = receiver.name
    handle.__doc__ = receiver.description
    handle.__annotations__["event"] = Annotated[Any, WithJsonSchema(receiver.schema())]
    return handle
