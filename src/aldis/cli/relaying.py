"""``aldis relay``: pass events on, receive them, and see how it is going."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from ..errors import AldisError
from ..masking import masked_url
from ..orm.database import Database, databases

if TYPE_CHECKING:
    from .. import relay as relay_module

__all__ = ["ACTIONS", "RelayOptions", "perform"]


class RelayOptions:
    """The flags of ``aldis relay``.

    Args:
        bases: The declarative bases of ``--app``.
        broker: The URL of ``--broker``, or ``None``.
        name: The receiver's name of ``--receiver``, or ``None``.
        metrics: The port of ``--metrics``, or ``None``.
        write: Writes one JSON object, with ``--json``; else ``None``.
    """

    def __init__(
        self,
        bases: Sequence[type[Any]],
        broker: str | None,
        name: str | None,
        metrics: str | None,
        write: Callable[..., None] | None,
    ) -> None:
        self.bases = bases
        self.broker = broker
        self.name = name
        self.metrics = metrics
        self.write = write
        self.relay = relay_of()

    @property
    def database(self) -> Database:
        """The database with the relay's tables.

        Raises:
            CommandError: There is none, or several.
        """
        found = {each for base in self.bases if isinstance(each := getattr(base, "database", None), Database)}
        if len(found) != 1:
            raise CommandError(
                f"aldis relay works on one database, and here are {len(found)}: give the base whose it is with --app "
                "package.module:Base."
            )
        return found.pop()

    def report(self, line: str, **values: Any) -> None:
        """Write a line for a person, or an object for a program."""
        if self.write is not None:
            self.write(**values)
        else:
            print(line, flush=True)  # noqa: T201


def relay_of() -> Any:
    """Return the relay's package.

    Raises:
        CommandError: A package that it needs is not installed.
    """
    try:
        from .. import relay
    except ImportError as error:
        raise CommandError(str(error)) from error
    return relay


def perform(action: str, options: RelayOptions) -> None:
    """Run one action of ``aldis relay``.

    Args:
        action: Its name in ``ACTIONS``.
        options: The command's flags.

    Raises:
        CommandError: The database is not there.
    """

    async def done() -> None:
        try:
            await ACTIONS[action](options)
        except (DBAPIError, OSError) as error:
            raise CommandError(
                f"the database does not serve us: {options.relay.receivers.error_line(error)}"
            ) from error
        finally:
            # An open connection keeps the process alive: aiosqlite has a thread for each one.
            for each in databases():
                await each.dispose()

    asyncio.run(done())


async def run(options: RelayOptions) -> None:
    """Pass on the events that wait, until the process gets SIGINT or SIGTERM."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    if options.metrics is not None:
        serve(options.metrics)
    database = options.database
    if options.broker is None and not options.relay.RECEIVERS:
        raise CommandError(
            "there is no receiver to pass events on to: name the modules with @relay.receiver, --receivers "
            "PACKAGE.MODULE, or a broker, --broker URL."
        )
    async with database.engine.connect():  # where the database is not there, say so and nothing else
        pass
    relay: relay_module.Relay = options.relay.Relay(database, options.broker)
    stop_on_signals(relay.stop)
    where = masked_url(options.broker) if options.broker else f"{len(options.relay.RECEIVERS)} receivers"
    relay.on_started = partial(options.report, f"passing on to {where}", state="running", to=where)
    await relay.run()
    options.report(f"stopped: {relay.passed} events passed on", state="stopped", passed=relay.passed)


async def receive(options: RelayOptions) -> None:
    """Call the receivers with the broker's events, until the process gets SIGINT or SIGTERM."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    if options.broker is None:
        raise CommandError("aldis relay receive needs --broker; without a broker, aldis relay run calls the receivers.")
    app = options.relay.app(options.broker)
    has_begun = asyncio.Event()
    app.after_startup(has_begun.set)
    options.report(f"receiving from {masked_url(options.broker)}", state="running")
    try:
        await app.run()
    except Exception as error:
        if has_begun.is_set() or isinstance(error, DBAPIError | AldisError):
            raise
        # FastStream has begun to subscribe, and the broker went away, or was just starting.
        raise CommandError(
            f"the broker does not serve us ({options.relay.receivers.error_line(error)}): try again."
        ) from error
    options.report("stopped", state="stopped")


async def status(options: RelayOptions) -> None:
    """Write how the relay is doing."""
    found: relay_module.Status = await options.relay.status(options.database)
    lines = [f"waiting {found.waiting}, the oldest for {found.age:.1f} s; aside {found.aside}, dead {found.dead}"]
    for name, counts in sorted(found.receivers.items()):
        lines.append(f"  {name}: " + ", ".join(f"{state} {count}" for state, count in counts.items()))
    options.report(
        "\n".join(lines),
        waiting=found.waiting,
        age=round(found.age, 3),
        aside=found.aside,
        dead=found.dead,
        receivers=found.receivers,
    )


async def dead(options: RelayOptions) -> None:
    """Write the dead letters."""
    for each in await options.relay.dead_letters(options.database, options.name):
        values = {name: getattr(each, name) for name in each.__struct_fields__}
        options.report(
            f"{each.event_id} {each.sender}.{each.signal} {each.key} at {each.receiver}: {each.error}", **values
        )


async def retry(options: RelayOptions) -> None:
    """Let dead letters be tried again."""
    count = await options.relay.retry(options.database, options.name)
    options.report(f"{count} dead letters are tried again", retried=count)


async def forget(options: RelayOptions) -> None:
    """Forget a receiver."""
    if options.name is None:
        raise CommandError("aldis relay forget needs --receiver NAME.")
    await options.relay.forget(options.database, options.name)
    options.report(f"{options.name} is forgotten", forgotten=options.name)


ACTIONS: Final[dict[str, Callable[[RelayOptions], Coroutine[Any, Any, None]]]] = {
    each.__name__: each for each in (run, receive, status, dead, retry, forget)
}


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Let SIGINT and SIGTERM stop the program in an orderly way."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows: Ctrl+C raises KeyboardInterrupt there
            return


def serve(port: str) -> None:
    """Serve the metrics.

    Raises:
        CommandError: That cannot be done.
    """
    from ..relay.metrics import serve as serve_metrics

    try:
        serve_metrics(int(port))
    except ImportError as error:
        raise CommandError(f"--metrics needs what is not installed ({error}): pip install 'aldis[tracing]'") from error
    except (ValueError, OSError, OverflowError) as error:
        raise CommandError(f"--metrics {port}: {error}") from error
