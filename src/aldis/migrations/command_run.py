"""One call of an Alembic command: fires its two signals, chooses the thread and the event loop, waits for both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from alembic import command
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.util import await_only, greenlet_spawn
from sqlalchemy.util.concurrency import in_greenlet

from .. import signals
from ..dispatch import emitters
from ..errors import SkipOperation
from ..greenlets import is_loop_running
from .command_lock import COMMAND_LOCK
from .ini_file import hidden_values
from .waiting import deliver, in_thread, loop_of_command

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["RUNNING", "CommandRun"]

T = TypeVar("T")

LOG: Final = logging.getLogger("aldis.migrations")

RUNNING: Final[ContextVar[CommandRun | None]] = ContextVar("RUNNING", default=None)
"""The call whose Alembic command is running, in this context."""


class Skipped(CommandError):
    """A receiver of ``pre_migrate`` has skipped the command. Under plain ``alembic``, this is how it ends."""


class CommandRun:
    """One call of an Alembic command.

    Args:
        sender: The command's name.
        config: Alembic's configuration.
        arguments: The signals' further parameters, in their order.
    """

    def __init__(self, sender: str, config: Config, *arguments: Any) -> None:
        self.sender = sender
        self.config = config
        self.arguments = arguments
        self.had_receivers = False
        """``pre_migrate`` had receivers when it was fired."""

    def execute(self, work: Callable[[], T]) -> T | None:
        """Run the command, between its signals, to its end.

        Below SQLAlchemy's greenlet the task waits; in a thread whose event loop runs, another thread does the work
        meanwhile, since an async ``env.py`` starts a loop of its own; else it is done right here. A connection that
        ``env.py`` was given (``config.attributes``) stays with its thread.

        Args:
            work: Alembic's function, with its arguments.

        Returns:
            The function's result; ``None`` if a receiver skipped the command.
        """
        if in_greenlet():
            return await_only(self.execute_async(work))
        if not is_loop_running():
            return self.run_with_own_loop(work)
        if self.given_connection() is not None:
            return self.run_in_thread(work)
        return in_thread(partial(self.run_with_own_loop, work, asyncio.get_running_loop()))

    def run_with_own_loop(self, work: Callable[[], T], blocked: asyncio.AbstractEventLoop | None = None) -> T | None:
        """Run the command in this thread, which has no event loop, while another's may wait for it."""
        with loop_of_command():
            return self.run_in_thread(work, blocked)

    def run_in_thread(self, work: Callable[[], T], blocked: asyncio.AbstractEventLoop | None = None) -> T | None:
        """Run the command in this thread, between its signals."""
        try:
            self.fire("pre_migrate")
            with COMMAND_LOCK.held(blocked):
                result = self.do(work)
        except Skipped as skip:
            LOG.warning("%s", skip)
            return None
        self.fire("post_migrate")
        return result

    async def execute_async(self, work: Callable[[], T]) -> T | None:
        """Run the command, between its signals, while the event loop goes on.

        It runs in a thread of its own; on this one, through SQLAlchemy's greenlet, if ``env.py`` was given a
        connection. When the task is cancelled meanwhile, the command is not: the task waits for its end.
        """
        try:
            await self.fire_async("pre_migrate")
            if self.given_connection() is not None:
                async with COMMAND_LOCK.held_by_task():
                    result = cast("T", await greenlet_spawn(self.do, work))
            else:
                result = await uncancelled_in_thread(partial(self.do_locked, work))
        except Skipped as skip:
            LOG.warning("%s", skip)
            return None
        await self.fire_async("post_migrate")
        return result

    def do_locked(self, work: Callable[[], T]) -> T:
        """Run Alembic's function in this thread, with the lock of commands held."""
        with loop_of_command(), COMMAND_LOCK.held():
            return self.do(work)

    def do(self, work: Callable[[], T]) -> T:
        """Run Alembic's function, watched."""
        token = RUNNING.set(self)
        try:
            with watched(), hidden_values(self.config):
                return work()
        finally:
            RUNNING.reset(token)

    def given_connection(self) -> Connection | None:
        """Return the connection that ``env.py`` was given, as in Alembic's recipe for several databases or tests."""
        return next((each for each in self.config.attributes.values() if isinstance(each, Connection)), None)

    def fire(self, name: str) -> None:
        """Fire the signal of that name, and wait for its receivers.

        Raises:
            Skipped: A receiver of ``pre_migrate`` raised :class:`SkipOperation`.
        """
        with self.skipping(name):
            deliver(partial(self.emit, name), getattr(signals, name).receivers_for(self.sender))

    def fire_unheard(self) -> None:
        """Fire ``pre_migrate`` for the receivers that ``env.py`` has connected, if there were none before."""
        if not self.had_receivers:
            self.fire("pre_migrate")

    async def fire_async(self, name: str) -> None:
        """Fire the signal of that name; raises as :meth:`fire`."""
        with self.skipping(name):
            rest = self.emit(name)
            if rest is not None:
                await rest

    @contextmanager
    def skipping(self, name: str) -> Iterator[None]:
        """Turn a receiver's :class:`SkipOperation` into :class:`Skipped`; ``post_migrate`` has nothing left to skip."""
        try:
            yield
        except SkipOperation as skip:
            if name != "pre_migrate":
                raise
            why = str(skip) or "a receiver of pre_migrate raised SkipOperation"
            raise Skipped(f"{self.sender} was skipped: {why}") from skip

    def emit(self, name: str) -> Any:
        """Start the receivers of the signal of that name; return an awaitable for the rest, if there is any."""
        signal = getattr(signals, name)
        if not signal.has_receivers_for(self.sender):
            return None
        self.had_receivers = True
        return getattr(emitters, name)(signal, self.sender, self.config, *self.arguments)


async def uncancelled_in_thread(work: Callable[[], T]) -> T:
    """Call a function in another thread; a task that is cancelled meanwhile is so when the function has returned."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    cancelled: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        working.exception()  # looked at: the caller asked to end, and is told so
        raise cancelled
    return working.result()


@contextmanager
def watched() -> Iterator[None]:
    """Let the environments that Alembic makes inside the block tell of each revision.

    Alembic's commands make the environments themselves, so the class is replaced in their module meanwhile. The lock of
    commands is held, so that no other command sees it.
    """
    from .environment import watch

    commands: Any = command
    made = commands.EnvironmentContext

    def make(*args: Any, **options: Any) -> Any:
        environment = made(*args, **options)
        if RUNNING.get() is not None:
            watch(environment)
        return environment

    commands.EnvironmentContext = make
    try:
        yield
    finally:
        commands.EnvironmentContext = made
