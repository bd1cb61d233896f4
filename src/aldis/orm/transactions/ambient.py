"""How an operation gets into the transaction that is open, or gets one of its own."""

from __future__ import annotations

import weakref
from asyncio import current_task, get_running_loop
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from ...dispatch.deferral import AFTER_COMMIT, Deferred, Queue
from ...dispatch.receiver import describe
from ...errors import ConfigurationError, RefusedError
from ..databases.sqlite import begin
from .commit_queue import CommitQueue
from .outermost import outermost
from .rollback import RollbackScope
from .savepoints import Transaction
from .scope import SCOPE, STATEMENT, Scope, innermost, open_scope, scope_on

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ..database import Database

__all__ = [
    "Operation",
    "ambient_on",
    "begun_by_hand",
    "joined",
    "note_top",
    "on_connection",
    "open_transaction",
    "savepoint_of",
    "turn_on",
]

T = TypeVar("T")

END: Final = object()

TOPS: Final[weakref.WeakKeyDictionary[Connection, Scope]] = weakref.WeakKeyDictionary()
"""The outermost scopes of transactions that were begun on the connection itself, as long as operations are in them."""


def open_transaction(database: Database) -> Transaction | None:
    """Return the transaction that the current context is in, of a database's engine, if it is still open."""
    scope = open_scope(database.engine.sync_engine)
    return None if scope is None else scope.transaction


def engine_of(database: Database | None) -> Engine | None:
    """Return the engine whose models' operations take part."""
    return None if database is None else database.engine.sync_engine


class Operation(Scope):
    """An operation or a block: a savepoint of the transaction that is open, or a transaction of its own."""

    connect: Callable[[], AbstractAsyncContextManager[AsyncConnection]] | None = None
    """Returns the connection of a transaction of its own."""
    sync: Connection | None = None
    """The connection whose transaction it is a savepoint of, if not that of the context."""
    is_block = False
    """It is a block of the user's, in which others write."""
    outer: AbstractAsyncContextManager[Transaction] | None = None

    async def __aenter__(self) -> Transaction:
        around = SCOPE.get()
        if around is None and self.sync is None:
            assert self.connect is not None
            self.outer = outermost(self, self.connect, self.read_only)
            return await self.outer.__aenter__()
        if (
            around is None
            or not around.is_open
            or around.engine is not self.engine
            or around.busy is not None
            or around.read_only
            or self.sync is not None
            or around.loop is not get_running_loop()
        ):
            return await self.enter_slowly()
        # The usual case in a line: nobody else is there.
        transaction = around.transaction
        try:
            transaction.enter()
        except BaseException:
            self.rollback.undo()
            raise
        around.busy = self
        self.transaction = transaction
        self.parent = self.around = around
        self.loop = around.loop
        self.number = transaction.depth
        self.owner = owner = current_task()
        if owner is not around.owner:
            around.touch(owner)
        self.is_open = True
        self.token = SCOPE.set(self)
        return transaction

    async def enter_slowly(self) -> Transaction:
        """Enter, where that may take a turn, another connection's transaction, or one of its own."""
        try:
            while True:
                parent = innermost(self.engine) if self.sync is None else self.on_connection()
                if parent is None:
                    assert self.connect is not None
                    self.outer = outermost(self, self.connect, self.read_only)
                    return await self.outer.__aenter__()
                if parent.busy is None and not parent.queue:
                    parent.busy = self
                    break
                if await parent.wait(self):
                    break
            try:
                if parent.is_undone:
                    raise parent.ended(self)  # noqa: TRY301 - between the turn and this moment
                if parent.read_only and not self.is_block:
                    self.refuse_read_only()
                transaction = parent.transaction
                transaction.enter()
            except BaseException:
                parent.give()
                raise
            self.number = transaction.depth
            self.open(transaction, parent)
            return transaction  # noqa: TRY300 - what went before may raise
        except BaseException:
            self.rollback.undo()
            raise

    def on_connection(self) -> Scope | None:
        """Return the innermost scope of the context, or the outermost of all, on the connection."""
        assert self.sync is not None
        found = scope_on(self.sync)
        return found if found is not None and found.is_open else TOPS.get(self.sync)

    def refuse_read_only(self) -> None:
        """Refuse to write.

        Raises:
            RefusedError: Always.
        """
        raise RefusedError(
            f"{self} would write, and the transaction is transaction(read_only=True): leave that out to write."
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if self.outer is not None:
            return await self.outer.__aexit__(kind, error, traceback)
        parent, transaction = self.parent, self.transaction
        assert parent is not None
        self.leave_context()
        raised: BaseException | None = None
        if error is None:
            try:
                if self.busy is not None or self.queue or self.is_undone:
                    await self.end_well()
            except BaseException as failure:
                error = raised = failure
            else:
                transaction.leave()
                self.is_open, self.owner = False, None
                self.rollback.join(parent.rollback)
                parent.busy = None
                if parent.queue:
                    parent.give()
                queue = transaction.queue
                if queue.commits_in is not None and queue.commits_in is parent:
                    await queue.run_inside(self)
                return None
        try:
            if not self.is_cut:
                await self.end_badly()
            if not self.is_cut:
                await transaction.back_out(self.number, error)
        finally:
            queue = transaction.queue
            queue.forget(self)
            self.rollback.undo()
            self.close()
            if parent.busy is self:
                parent.give()
        if queue.commits_in is not None and queue.commits_in is parent and not self.is_cut:
            await queue.run_inside(self, error)
        if raised is not None:
            raise raised
        return None


def savepoint_of(transaction: Transaction, rollback: RollbackScope | None = None) -> Operation:
    """Return a savepoint to try a statement in, inside the operation of the current context.

    Args:
        transaction: The transaction.
        rollback: The instances that are put back with it.
    """
    operation = Operation(transaction.sync.engine, rollback or RollbackScope(), "a savepoint of an operation")
    operation.sync = transaction.sync
    return operation


@asynccontextmanager
async def alone(transaction: Transaction, name: str) -> AsyncIterator[None]:
    """Run a block that has the turn from its first statement to its last, in savepoints of its own making.

    Args:
        transaction: The transaction.
        name: What the block is, for messages.
    """
    parent = transaction.scope_here()
    await parent.statement()
    scope = parent.busy = Scope(transaction.sync.engine, RollbackScope(), name, parent.also)
    scope.number = transaction.depth
    scope.open(transaction, parent)
    try:
        yield
        if scope.busy is not None or scope.queue or scope.is_undone:
            await scope.end_well()
        scope.rollback.join(parent.rollback)
    except BaseException:
        await scope.end_badly()
        scope.rollback.undo()
        raise
    finally:
        scope.leave_context()
        scope.close()
        if parent.busy is scope:
            parent.give()


async def fetched(connection: AsyncConnection, execute: Callable[[], Awaitable[AsyncIterable[T]]]) -> AsyncIterator[T]:
    """Yield the rows of a stream; each fetch has its turn in the transaction, and the body of the loop does not.

    Args:
        connection: The connection.
        execute: Begins the stream.
    """
    async with turn_on(connection):
        rows = aiter(await execute())
    while True:
        async with turn_on(connection):
            row = await anext(rows, END)
        if row is END:
            return
        yield cast("T", row)


def turn_on(connection: AsyncConnection) -> AbstractAsyncContextManager[None]:
    """Return the turn in the transaction that a connection is in, if there is one that the context is in."""
    scope = None if connection.sync_connection is None else scope_on(connection.sync_connection)
    return nullcontext() if scope is None else scope.transaction.turn()


@asynccontextmanager
async def detached() -> AsyncIterator[None]:
    """Take the block, and the tasks that are started in it, out of the transaction that is open.

    What they write has transactions of its own, which outlive that one and are not rolled back with it. Where one
    connection has to wait for the other's locks, as on SQLite, start a task in the block, and await it elsewhere.

    Example:
        >>> import asyncio, aldis
        >>> background = set()
        >>> async def audit(text): ...
        >>> async def receiver(sender, instance):
        ...     async with aldis.detached():
        ...         background.add(asyncio.create_task(audit("saved")))
        >>> asyncio.run(receiver(None, None))
    """
    scope, waiting = SCOPE.set(None), AFTER_COMMIT.set(None)
    try:
        yield
    finally:
        SCOPE.reset(scope)
        AFTER_COMMIT.reset(waiting)


def note_top(transaction: Transaction) -> None:
    """Let operations find the transaction by its connection, which somebody has got, and not by the context alone."""
    top = transaction.top
    if TOPS.get(transaction.sync) is not top:
        TOPS[transaction.sync] = top
        top.users = 1


def ambient_on(connection: Connection) -> Transaction | None:
    """Return the open transaction of the context that a connection is in, if aldis knows of it."""
    known = scope_on(connection)
    return known.transaction if known is not None and known.is_open else None


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
        queue: What waits for the commit, if aldis does not know the transaction; else that one's does.
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
    top = TOPS.get(sync)
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
    TOPS[sync] = top
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
    """End what operations had in a transaction of somebody else's, when the last of them is over."""
    top.users -= 1
    if top.users:
        return
    try:
        await top.end_well()
        await top.transaction.release()
        if isinstance(top.transaction.queue, CommitQueue):
            top.transaction.queue.ended(top.rollback)
    finally:
        if TOPS.get(top.transaction.sync) is top:
            del TOPS[top.transaction.sync]
        top.close()
        top.transaction.close()
