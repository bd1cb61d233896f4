"""Operations on a connection that was given by hand, whoever began its transaction."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ...dispatch.deferral import AFTER_COMMIT, Deferred, Queue
from ...dispatch.receiver import describe
from ...errors import ConfigurationError
from ..databases.sqlite import begin
from .ambient import TOPS, Operation, top_of
from .commit_queue import CommitQueue
from .outermost import outermost
from .rollback import RollbackScope
from .savepoints import Transaction
from .scope import STATEMENT, Scope, scope_on

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ..database import Database

__all__ = ["begun_by_hand", "engine_of", "joined", "on_connection"]


def engine_of(database: Database | None) -> Engine | None:
    """Return the engine whose models' operations take part."""
    return None if database is None else database.engine.sync_engine


class Unmanaged(Queue):
    """The queue of a transaction that somebody else commits, unnoticed."""

    def add(self, waits: Deferred, _args: tuple[Any, ...], _kwargs: dict[str, Any], /) -> None:
        """Refuse the call."""
        end, option = ("commit", "after_commit") if waits.on_commit else ("rollback", "after_rollback")
        raise ConfigurationError(
            f"{describe(waits.receiver)} waits for a {end} ({option}=True), but the transaction was begun on the "
            f"connection itself, whose {end} aldis does not see. Begin it with database.transaction()."
        )


def on_connection(
    database: Database | None, connection: AsyncConnection, rollback: RollbackScope, name: str | type
) -> AbstractAsyncContextManager[Transaction]:
    """Return a transaction on a connection: a savepoint of the one that it is in, or one of its own."""
    if connection.in_transaction():
        return begun_by_hand(database, connection, Unmanaged(), rollback, name)
    assert connection.sync_connection is not None
    scope = Scope(connection.sync_connection.engine, rollback, name, engine_of(database))
    return outermost(scope, lambda: nullcontext(connection), read_only=False, is_given=True)


@asynccontextmanager
async def begun_by_hand(
    database: Database | None, connection: AsyncConnection, queue: Queue, rollback: RollbackScope, name: str | type
) -> AsyncIterator[Transaction]:
    """Run a block in a savepoint of the transaction that a connection is in; see :func:`joined`."""
    async with joined(database, connection, queue) as known:
        operation = Operation(known.sync.engine, rollback, name, engine_of(database))
        operation.sync = known.sync
        async with operation as transaction:
            yield transaction


@asynccontextmanager
async def joined(database: Database | None, connection: AsyncConnection, queue: Queue) -> AsyncIterator[Transaction]:
    """Run a block in the transaction that a connection is in, whoever began it.

    Args:
        database: Whose models' operations take part, beside those of the connection's engine.
        connection: The connection.
        queue: The calls that wait for the commit, if aldis does not know the transaction; else that one's queue serves.
    """
    sync, also = connection.sync_connection, engine_of(database)
    assert sync is not None
    known = scope_on(sync)
    if known is not None and known.is_open:
        before, known.also = known.also, known.also if also in {None, known.engine} else also
        try:
            yield known.transaction
        finally:
            known.also = before
        return
    top = top_of(sync)
    if top is not None and top.transaction.is_alive():
        # Another task has an operation in it: the two take turns, and the last of them ends it.
        top.users += 1
        try:
            yield top.transaction
        finally:
            await let_go(top, connection)
        return
    top = Scope(sync.engine, RollbackScope(), "a transaction that was begun on its connection", also)
    transaction = Transaction(connection, queue, top)
    waiting = AFTER_COMMIT.set(queue)
    top.open(transaction, None)
    top.users = 1
    TOPS[sync] = weakref.ref(top)
    try:
        top.busy = STATEMENT  # others may have it from now on, and wait
        try:
            await begin(connection)
        finally:
            top.give()
        yield transaction
    finally:
        top.leave_context()
        try:
            AFTER_COMMIT.reset(waiting)
        finally:
            await let_go(top, connection)


async def let_go(top: Scope, connection: AsyncConnection) -> None:
    """End the scope of operations in a transaction of somebody else's, when the last of them is over."""
    top.users -= 1
    if top.users:
        return
    try:
        await top.end_well()
        await top.transaction.release()
        if isinstance(top.transaction.queue, CommitQueue):
            top.transaction.queue.ended(top.rollback)
    finally:
        if top_of(top.transaction.sync) is top:
            del TOPS[top.transaction.sync]
        top.close()
        top.transaction.close()
