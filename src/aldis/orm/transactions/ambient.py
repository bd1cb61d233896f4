"""The transaction that the current context runs in, and how an operation gets into one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import DBAPIError, InterfaceError, SQLAlchemyError, StatementError

from ...dispatch.deferral import AFTER_COMMIT, Queue
from ...dispatch.receiver import describe
from ...errors import ConfigurationError
from ..databases.sqlite import begin
from .commit_queue import CommitQueue
from .rollback import RollbackScope
from .savepoints import Transaction
from .settings import settings_of

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ..database import Database

__all__ = ["ambient_on", "begun_by_hand", "elsewhere", "joined", "on_connection", "open_transaction", "outermost"]

AMBIENT: Final[ContextVar[Mapping[Database, Transaction] | None]] = ContextVar("AMBIENT", default=None)
"""The open transactions that the current context runs in."""


def open_transaction(database: Database) -> Transaction | None:
    """Return the ambient transaction of a database, if it is still open."""
    found = (AMBIENT.get() or {}).get(database)
    return found if found is not None and found.is_open else None


@asynccontextmanager
async def outermost(
    database: Database | None, connection: AsyncConnection | None, scope: RollbackScope
) -> AsyncIterator[Transaction]:
    """Run a block in a transaction that is committed at its end; then call what waited for that.

    Args:
        database: Whose models' operations take part, and whose pool the connection comes from if none is given.
        connection: A connection with no transaction yet.
        scope: What is undone when the transaction is.
    """
    engine = database.engine if database is not None else connection.engine  # type: ignore[union-attr]
    queue = CommitQueue(raises=settings_of(engine.sync_engine).after_commit_errors == "raise")
    try:
        if connection is not None:
            async with (
                committed(connection, queue, scope),
                in_transaction(database, connection, queue, scope) as transaction,
            ):
                yield transaction
        else:
            assert database is not None
            async with (
                database.open_engine.connect() as new,
                committed(new, queue, scope),
                in_transaction(database, new, queue, scope) as transaction,
            ):
                yield transaction
    except BaseException:
        scope.undo()
        raise
    await queue.run()


@asynccontextmanager
async def committed(connection: AsyncConnection, queue: Queue, scope: RollbackScope) -> AsyncIterator[None]:
    """Begin a transaction, commit it when the block is over, and roll it back when that or the block raises.

    Where the block itself has rolled back, nothing is left to commit, and nobody is told of one. A connection on which
    either fails is lost: it is given up, and the error that was first is the one that is raised.

    Raises:
        InterfaceError: The driver could not commit, and SQLAlchemy had no word for why.
    """
    begun = await connection.begin()
    try:
        yield
        if not begun.is_active:
            scope.undo()
            queue.forget_since(0)
            return
        try:
            await begun.commit()
        except SQLAlchemyError:
            raise
        except Exception as error:
            await connection.invalidate()
            raise InterfaceError("COMMIT", None, error, connection_invalidated=True) from error
    except BaseException as error:
        try:
            if begun.is_active and not connection.closed:
                await begun.rollback()
        except Exception:
            await connection.invalidate()
        else:
            if is_drivers_own(connection, error) and not connection.closed:
                await connection.invalidate()
        raise


def is_drivers_own(connection: AsyncConnection, error: BaseException) -> bool:
    """Tell whether an error is one of the driver that SQLAlchemy has no word for: the connection is in no known state.

    asyncpg has one for a session that died before it was asked anything, and whose connection looks open for a moment.
    """
    origin = error.orig if isinstance(error, StatementError) and not isinstance(error, DBAPIError) else error
    package = type(origin).__module__.partition(".")[0]
    return package not in {"builtins", "sqlalchemy"} and package == connection.dialect.driver


@asynccontextmanager
async def in_transaction(
    database: Database | None, connection: AsyncConnection, queue: Queue, scope: RollbackScope
) -> AsyncIterator[Transaction]:
    """Let a connection's transaction be the one that the current context runs in."""
    await begin(connection)
    transaction = Transaction(connection, queue)
    transaction.scope = scope
    waiting = AFTER_COMMIT.set(queue)
    try:
        async with taking_part(database, transaction):
            yield transaction
        transaction.refuse_broken()
    finally:
        transaction.close()
        AFTER_COMMIT.reset(waiting)


@asynccontextmanager
async def taking_part(database: Database | None, transaction: Transaction) -> AsyncIterator[None]:
    """Let the operations of a database's models take part in a transaction."""
    if database is None:
        yield
        return
    token = AMBIENT.set({**(AMBIENT.get() or {}), database: transaction})
    try:
        yield
    finally:
        AMBIENT.reset(token)


def ambient_on(connection: Connection) -> Transaction | None:
    """Return the open ambient transaction that a connection is in, if aldis knows of it."""
    for known in (AMBIENT.get() or {}).values():
        if known.is_open and known.sync is connection:
            return known
    return None


class Unmanaged(Queue):
    """The queue of a transaction that somebody else commits, unnoticed."""

    def add(self, receiver: Callable[..., Any], _args: tuple[Any, ...], _kwargs: dict[str, Any], /) -> None:
        """Refuse the call."""
        raise ConfigurationError(
            f"{describe(receiver)} waits for a commit (after_commit=True), but the transaction was begun on the "
            "connection itself, whose commit aldis does not see. Begin it with database.transaction()."
        )


def on_connection(
    database: Database | None, connection: AsyncConnection, scope: RollbackScope
) -> AbstractAsyncContextManager[Transaction]:
    """Return a transaction on a connection: a savepoint of the one that it is in, or one of its own."""
    if not connection.in_transaction():
        return outermost(database, connection, scope)
    return begun_by_hand(database, connection, Unmanaged(), scope)


def elsewhere(
    database: Database | None, context: AbstractAsyncContextManager[Transaction]
) -> AbstractAsyncContextManager[Transaction]:
    """Return a transaction in which the operations of another database's models take part too."""

    @asynccontextmanager
    async def both(database: Database) -> AsyncIterator[Transaction]:
        async with context as transaction, taking_part(database, transaction):
            yield transaction

    return context if database is None else both(database)


@asynccontextmanager
async def begun_by_hand(
    database: Database | None, connection: AsyncConnection, queue: Queue, scope: RollbackScope
) -> AsyncIterator[Transaction]:
    """Run a block in a savepoint of the transaction that a connection is in; see :func:`joined`."""
    async with joined(database, connection, queue) as transaction, transaction.savepoint(scope):
        yield transaction


@asynccontextmanager
async def joined(database: Database | None, connection: AsyncConnection, queue: Queue) -> AsyncIterator[Transaction]:
    """Run a block in the transaction that a connection is in, whoever began it.

    Args:
        database: Whose models' operations take part.
        connection: The connection.
        queue: What waits for the commit, if aldis does not know the transaction; else that one's does.
    """
    assert connection.sync_connection is not None
    known = ambient_on(connection.sync_connection)
    if known is not None:
        async with taking_part(database, known):
            yield known
        return
    await begin(connection)
    transaction = Transaction(connection, queue)
    waiting = AFTER_COMMIT.set(queue)
    try:
        async with taking_part(database, transaction):
            yield transaction
        await transaction.release()
    finally:
        transaction.close()
        AFTER_COMMIT.reset(waiting)
