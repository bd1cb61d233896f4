"""The database: an engine, and the transaction that the current context runs in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Self

from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, InvalidRequestError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from ..dispatch.deferral import AFTER_COMMIT, Queue
from ..dispatch.receiver import describe
from ..errors import ConfigurationError
from .sqlite import begin, roll_back_what_is_given_up

__all__ = [
    "AMBIENT",
    "Database",
    "Unmanaged",
    "after_commit",
    "ambient",
    "nothing",
    "reading",
    "savepoint",
    "session_on",
    "undoing",
]


@dataclass
class Scope:
    """An ambient transaction, until it ends; a task that outlives it starts one of its own."""

    connection: AsyncConnection
    is_open: bool = True


AMBIENT: Final[ContextVar[Mapping[Database, Scope] | None]] = ContextVar("AMBIENT", default=None)


def open_scope(database: Database) -> Scope | None:
    """Return the ambient transaction of a database, if it is still open."""
    scope = (AMBIENT.get() or {}).get(database)
    return scope if scope is not None and scope.is_open else None


def nothing() -> None:
    """Undo nothing."""


class Database:
    """A database that models are saved to.

    Args:
        target: A database URL with an async driver, or an :class:`~sqlalchemy.ext.asyncio.AsyncEngine`.
        engine_options: What :func:`~sqlalchemy.ext.asyncio.create_async_engine` takes, for a URL.

    Raises:
        ConfigurationError: The URL cannot be read, or its driver is missing or not async.

    Example:
        >>> import aldis
        >>> aldis.Database("sqlite+aiosqlite://").engine.dialect.name
        'sqlite'
    """

    engine: AsyncEngine
    """The engine below."""

    def __init__(self, target: str | URL | AsyncEngine, **engine_options: Any) -> None:
        if isinstance(target, AsyncEngine):
            if engine_options:
                raise ConfigurationError(
                    f"an engine was given together with options for one: {', '.join(sorted(engine_options))}. "
                    "Give these to create_async_engine()."
                )
            self.engine = target
            roll_back_what_is_given_up(target)
            return
        try:
            self.engine = create_async_engine(target, **engine_options)
        except (ArgumentError, InvalidRequestError, NoSuchModuleError, ModuleNotFoundError) as error:
            shown = target.render_as_string() if isinstance(target, URL) else repr(target)
            raise ConfigurationError(
                f"{shown} is not a database that aldis can use: {error}. Give the URL of an async driver, such as "
                "'sqlite+aiosqlite:///app.db', or an AsyncEngine."
            ) from error
        roll_back_what_is_given_up(self.engine)

    def __repr__(self) -> str:
        return f"<Database {self.engine.url!r}>"

    @asynccontextmanager
    async def transaction(self, on_rollback: Callable[[], None] = nothing) -> AsyncIterator[AsyncConnection]:
        """Run a block in one transaction: commit at its end, roll back when it raises.

        The transaction is ambient: whatever is saved to this database inside the block, in the same task, takes part.
        A block inside a block is a savepoint. Receivers that were connected with ``after_commit=True`` are called when
        the outermost block has committed.

        Args:
            on_rollback: Called when the block, or its commit, was undone.

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
        scope = open_scope(self)
        if scope is not None:
            async with savepoint(scope.connection, on_rollback):
                yield scope.connection
            return
        async with after_commit(), undoing(on_rollback), self.engine.connect() as connection, connection.begin():
            await begin(connection)
            async with ambient(self, connection):
                yield connection

    async def dispose(self) -> None:
        """Close the pool's connections; ``async with database:`` does at its end."""
        await self.engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.dispose()


@asynccontextmanager
async def after_commit() -> AsyncIterator[None]:
    """Keep the receivers that wait for the commit of the transaction inside; call them when it is done."""
    queue = Queue()
    token = AFTER_COMMIT.set(queue)
    try:
        yield
    finally:
        queue.is_open = False
        AFTER_COMMIT.reset(token)
    await queue.run()


@asynccontextmanager
async def undoing(undo: Callable[[], None]) -> AsyncIterator[None]:
    """Call ``undo`` when the block raises."""
    try:
        yield
    except BaseException:
        undo()
        raise


@asynccontextmanager
async def savepoint(connection: AsyncConnection, on_rollback: Callable[[], None]) -> AsyncIterator[None]:
    """Run a block in a savepoint; receivers that wait for the commit are forgotten where it is rolled back."""
    queue = AFTER_COMMIT.get() or Queue()
    mark = len(queue.calls)
    async with undoing(on_rollback), undoing(lambda: queue.forget_since(mark)), connection.begin_nested():
        yield


class Unmanaged(Queue):
    """The queue of a transaction that somebody else commits, unnoticed."""

    def add(self, receiver: Callable[..., Any], _args: tuple[Any, ...], _kwargs: dict[str, Any], /) -> None:
        """Refuse the call."""
        raise ConfigurationError(
            f"{describe(receiver)} waits for a commit (after_commit=True), but the transaction was begun on the "
            "connection itself, whose commit aldis does not see. Begin it with database.transaction()."
        )


@asynccontextmanager
async def ambient(database: Database, connection: AsyncConnection) -> AsyncIterator[None]:
    """Let a connection's transaction be the one that the current context runs in."""
    scope = Scope(connection)
    token = AMBIENT.set({**(AMBIENT.get() or {}), database: scope})
    try:
        yield
    finally:
        scope.is_open = False
        AMBIENT.reset(token)


@asynccontextmanager
async def reading(target: Database | AsyncConnection) -> AsyncIterator[AsyncConnection]:
    """Read on the connection of the transaction that is open, or on one of the pool's."""
    if isinstance(target, AsyncConnection):
        yield target
        return
    scope = open_scope(target)
    if scope is not None:
        yield scope.connection
        return
    async with target.engine.connect() as connection:
        yield connection


def session_on(connection: AsyncConnection) -> AsyncSession:
    """Return a session for one statement, which leaves the connection's transaction to whoever began it."""
    return AsyncSession(connection, autoflush=False, expire_on_commit=False, join_transaction_mode="rollback_only")
