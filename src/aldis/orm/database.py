"""The database: an engine, and the transaction that the current context runs in."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Literal, Self, TypeAlias
from weakref import WeakSet

from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, InvalidRequestError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from ..errors import ClosedDatabaseError, ConfigurationError
from ..greenlets import is_loop_running
from .databases import driver_for
from .databases.sqlite import roll_back_what_is_given_up
from .databases.urls import refuse_parameters, shown_url, unusable, url_of, why_no_engine
from .transactions.ambient import Operation, note_top, open_transaction
from .transactions.outermost import alone_in_memory
from .transactions.rollback import RollbackScope
from .transactions.settings import Settings, refuse_meaningless, settle
from .transactions.sheltered import CheckedOut

__all__ = ["Database", "Using", "databases", "reading", "session_on"]

DATABASES: Final[WeakSet[Database]] = WeakSet()


def databases() -> list[Database]:
    """Return the databases that there are in this process."""
    return list(DATABASES)


class Database:
    """A database that models are saved to.

    Args:
        target: A database URL with an async driver, or an :class:`~sqlalchemy.ext.asyncio.AsyncEngine`.
        begin: How transactions begin on SQLite. "immediate", the default: with the lock to write, for which the writers
            of this process queue. "deferred": SQLAlchemy's way, with the first statement that writes.
        strict: Refuse statements over many rows where receivers would miss rows, as :func:`aldis.strict` does.
        turn_timeout: Seconds that a task waits for its turn in a transaction while the operation under way sends no
            statement.
        commit_timeout: Seconds that a task which was cancelled during a COMMIT waits for the answer.
        after_commit_errors: "raise", the default: the errors of receivers that waited for the commit come out of the
            call that committed, as one :class:`~aldis.AfterCommitError`. "log": they are only logged, at ERROR. Two
            databases of one engine share the settings that were given last.
        engine_options: Options of :func:`~sqlalchemy.ext.asyncio.create_async_engine`, for a URL.

    Raises:
        ConfigurationError: The URL cannot be read, its driver is missing or not async, or it has a parameter of another
            client's, such as libpq's ``sslmode`` for asyncpg.

    Example:
        >>> import aldis
        >>> aldis.Database("sqlite+aiosqlite://").engine.dialect.name
        'sqlite'
    """

    engine: AsyncEngine
    """The engine below."""

    def __init__(
        self,
        target: str | URL | AsyncEngine,
        *,
        begin: Literal["immediate", "deferred"] = "immediate",
        strict: bool = False,
        turn_timeout: float = 30,
        commit_timeout: float = 10,
        after_commit_errors: Literal["raise", "log"] = "raise",
        **engine_options: Any,
    ) -> None:
        settings = Settings(begin, strict, turn_timeout, commit_timeout, after_commit_errors)
        refuse_meaningless(settings)
        self._is_closed = False
        if isinstance(target, AsyncEngine):
            if engine_options:
                raise ConfigurationError(
                    f"an engine was given together with options for one: {', '.join(sorted(engine_options))}. "
                    "Give these to create_async_engine()."
                )
            self.engine = target
        else:
            url = url_of(target)
            try:
                self.engine = create_async_engine(url, **engine_options)
            except (ArgumentError, InvalidRequestError, NoSuchModuleError, ImportError) as error:
                why, cause = why_no_engine(url, error)
                raise ConfigurationError(unusable(shown_url(url), why)) from cause
            if engine_options.keys().isdisjoint(("async_creator", "creator", "pool")):  # which do not read the URL
                refuse_parameters(self.engine.url)
        settle(self.engine.sync_engine, settings)
        roll_back_what_is_given_up(self.engine)
        DATABASES.add(self)

    def __repr__(self) -> str:
        return f"<Database {shown_url(self.engine.url)}>"

    @asynccontextmanager
    async def transaction(
        self, on_rollback: Callable[[], None] | None = None, *, read_only: bool = False
    ) -> AsyncIterator[AsyncConnection]:
        """Run a block in one transaction: commit at its end, roll back when it raises.

        The transaction is ambient: whatever is saved to this database inside the block, in the same task, takes part.
        A block inside a block is a savepoint. Receivers that were connected with ``after_commit=True`` are called when
        the outermost block has committed.

        Args:
            on_rollback: Called when the block was undone: by itself, its commit, or a transaction around it.
            read_only: Nothing is written in the block; on SQLite it takes no lock that keeps writers waiting.

        Yields:
            The connection, for SQL of your own.

        Example:
            >>> import asyncio, aldis
            >>> from sqlalchemy import text
            >>> database = aldis.Database("sqlite+aiosqlite://")
            >>> async def main():
            ...     async with database, database.transaction() as connection:
            ...         return await connection.scalar(text("SELECT 1"))
            >>> asyncio.run(main())
            1
        """
        rollback = RollbackScope(calls=[on_rollback] if on_rollback else ())
        block = Operation(self.engine.sync_engine, rollback, "a transaction() block", database=self)
        block.read_only, block.is_block = read_only, True
        async with block as transaction:
            transaction.watch_commit()
            note_top(transaction)
            yield transaction.connection

    def connect(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return a connection of the pool's, for a transaction of its own."""
        return CheckedOut(self.open_engine.connect())

    @property
    def open_engine(self) -> AsyncEngine:
        """The engine, as long as the database is open.

        Raises:
            ClosedDatabaseError: It was closed.
            ConfigurationError: A task of trio asks for it.
        """
        if "trio" in sys.modules:
            refuse_trio(self)
        if self._is_closed:
            raise ClosedDatabaseError(
                f"{self!r} was closed: `async with database:` opens it again, as does a new aldis.Database."
            )
        return self.engine

    def session(self, **options: Any) -> AsyncSession:
        """Return a SQLAlchemy session on the database; inside :meth:`transaction`, in that, with savepoints of its own.

        Args:
            options: Options of :class:`~sqlalchemy.ext.asyncio.AsyncSession`.

        Raises:
            ClosedDatabaseError: The database was closed.

        Example:
            >>> import asyncio, aldis
            >>> from sqlalchemy import text
            >>> database = aldis.Database("sqlite+aiosqlite://")
            >>> async def main():
            ...     async with database, database.session() as session:
            ...         return await session.scalar(text("SELECT 1"))
            >>> asyncio.run(main())
            1
        """
        transaction = open_transaction(self)
        if transaction is None:
            return AsyncSession(self.open_engine, **options)
        return AsyncSession(transaction.connection, **{"join_transaction_mode": "create_savepoint", **options})

    async def dispose(self) -> None:
        """Close the database and its pool's connections; leaving ``async with database:`` does."""
        self._is_closed = True
        await self.engine.dispose()

    async def __aenter__(self) -> Self:
        self._is_closed = False
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.dispose()


Using: TypeAlias = Database | AsyncConnection | AsyncSession
"""The kinds of ``using=``; an operation uses the connection of a session's transaction."""


@asynccontextmanager
async def reading(target: Using) -> AsyncIterator[AsyncConnection]:
    """Read on the connection of the transaction that is open, or on one of the pool's."""
    if not isinstance(target, Database):
        yield await target.connection() if isinstance(target, AsyncSession) else target
        return
    transaction = open_transaction(target)
    if transaction is not None:
        transaction.refuse_broken()
        yield transaction.connection
        return
    async with alone_in_memory(target.engine.sync_engine), target.connect() as connection:
        assert connection.sync_connection is not None
        driver = driver_for(connection.sync_connection)
        if driver is None:
            yield connection
            return
        driver.hold_begin()
        try:
            yield connection
        finally:
            driver.hold_nothing()


def refuse_trio(database: Database) -> None:
    """Refuse a task of trio, whose event loop the drivers cannot wait in; without it they fail deep inside.

    Raises:
        ConfigurationError: A task of trio runs, and no event loop of asyncio (trio-asyncio has one).
    """
    if is_loop_running():
        return
    try:
        sys.modules["trio"].lowlevel.current_task()
    except RuntimeError:
        return
    raise ConfigurationError(
        f"{database!r} needs asyncio, as SQLAlchemy's drivers do, and this is a task of trio: signals work here "
        "(Signal.send, send_async), models do not. Run what uses models on a loop of its own: "
        "await trio.to_thread.run_sync(asyncio.run, main())."
    )


def session_on(connection: AsyncConnection) -> AsyncSession:
    """Return a session for one statement, which leaves the transaction and the signals to whoever began it."""
    return AsyncSession(
        connection,
        autoflush=False,
        expire_on_commit=False,
        join_transaction_mode="rollback_only",
        info={"aldis": False},
    )
