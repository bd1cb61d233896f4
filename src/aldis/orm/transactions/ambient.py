"""How an operation gets into the transaction that is open, or gets one of its own."""

from __future__ import annotations

import weakref
from asyncio import current_task, get_running_loop
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Final, TypeVar, cast

from ...dispatch.deferral import AFTER_COMMIT
from ...errors import RefusedError
from .outermost import outermost
from .rollback import RollbackScope
from .savepoints import Transaction
from .scope import SCOPE, Scope, innermost, open_scope, scope_on

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ..database import Database

__all__ = [
    "Operation",
    "ambient_on",
    "note_top",
    "open_transaction",
    "savepoint_of",
    "turn_on",
]

T = TypeVar("T")

END: Final = object()

TOPS: Final[weakref.WeakKeyDictionary[Connection, weakref.ref[Scope]]] = weakref.WeakKeyDictionary()
"""The outermost scopes of transactions whose connection somebody has got.

Held weakly: a scope holds its connection, and would hold it for ever. Who is in a scope holds that.
"""


def top_of(sync: Connection) -> Scope | None:
    """Return the outermost scope of the transaction that a connection is in, where somebody has got the connection."""
    found = TOPS.get(sync)
    return None if found is None else found()


def open_transaction(database: Database) -> Transaction | None:
    """Return the transaction that the current context is in, of a database's engine, if it is still open."""
    scope = open_scope(database.engine.sync_engine)
    return None if scope is None else scope.transaction


class Operation(Scope):
    """An operation or a block: a savepoint of the transaction that is open, or a transaction of its own."""

    sync: Connection | None = None
    """The connection whose transaction it is a savepoint of, if not that of the context."""
    is_block = False
    """It is a block of the user's, in which others write."""
    outer: AbstractAsyncContextManager[Transaction] | None = None

    def __init__(
        self,
        engine: Engine,
        rollback: RollbackScope,
        name: str | type,
        also: Engine | None = None,
        database: Database | None = None,
    ) -> None:
        self.engine = engine
        self.rollback = rollback
        self.name = name
        self.also = also
        self.database = database
        """Has the connection of a transaction of its own."""

    async def __aenter__(self) -> Transaction:
        around = SCOPE.get()
        if around is None and self.sync is None:
            assert self.database is not None
            self.outer = outermost(self, self.database.connect, self.read_only)
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
        # One of the context that is just ending may yet be undone, and this one not be part of it.
        self.rollback.earlier = undecided(self.engine)
        try:
            while True:
                parent = innermost(self.engine) if self.sync is None else self.on_connection()
                if parent is None:
                    assert self.database is not None
                    self.outer = outermost(self, self.database.connect, self.read_only)
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
            return transaction  # noqa: TRY300 - the lines before may raise
        except BaseException:
            self.rollback.undo()
            raise

    def on_connection(self) -> Scope | None:
        """Return the innermost scope of the context, or the outermost of all, on the connection."""
        assert self.sync is not None
        found = scope_on(self.sync)
        return found if found is not None and found.is_open else top_of(self.sync)

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
        try:
            SCOPE.reset(self.token)
        except ValueError:
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


def undecided(engine: Engine) -> list[RollbackScope]:
    """Return what is put back with the scopes of the context, of an engine's models, that were not undone so far."""
    found, scope = [], SCOPE.get()
    while scope is not None:
        if engine in {scope.engine, scope.also} and not scope.rollback.is_undone:
            found.append(scope.rollback)
        scope = scope.around
    return found


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
        name: The block's name, for messages.
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

    Their writes have transactions of their own, which outlive that one and are not rolled back with it. Where one
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


def is_inside(scope: Scope) -> bool:
    """Tell whether the context is inside a scope."""
    each = SCOPE.get()
    while each is not None and each is not scope:
        each = each.around
    return each is scope


def note_top(transaction: Transaction) -> None:
    """Let operations find the transaction by its connection, which somebody has got, and not by the context alone."""
    top = transaction.top
    if top_of(transaction.sync) is not top:
        TOPS[transaction.sync] = weakref.ref(top)
        top.users = 1


def ambient_on(connection: Connection) -> Transaction | None:
    """Return the open transaction of the context that a connection is in, if aldis knows of it."""
    known = scope_on(connection)
    return known.transaction if known is not None and known.is_open else None
