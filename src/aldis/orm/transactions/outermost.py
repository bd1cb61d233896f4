"""A transaction of its own: begun, committed or rolled back, and then those called who waited for that."""

from __future__ import annotations

import weakref
from asyncio import CancelledError
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sqlalchemy.exc import DBAPIError, InterfaceError, PendingRollbackError, SQLAlchemyError, StatementError

from ...dispatch.deferral import AFTER_COMMIT
from ...errors import RefusedError
from ..databases.outcome import is_answered
from ..databases.sqlite import begin
from .commit_queue import CommitQueue
from .savepoints import Transaction
from .settings import Settings, settings_of
from .sheltered import OutcomeUnknown, Sheltered
from .writers_queue import OnlyWriter, only_writer

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncTransaction
    from sqlalchemy.orm import InstanceState

    from ..databases import Driver
    from .scope import Scope

__all__ = ["LOST", "alone_in_memory", "outermost"]

NOTHING: Final[AbstractAsyncContextManager[None]] = nullcontext()

LOST: Final[weakref.WeakKeyDictionary[InstanceState[Any], Any]] = weakref.WeakKeyDictionary()
"""The identity keys of new instances, of whose COMMIT nobody knows whether it was done: ``load()`` finds out."""


def alone_in_memory(engine: Engine) -> AbstractAsyncContextManager[None]:
    """Return a context in which nobody else uses a database in memory, whose one connection all share."""
    if engine.dialect.name == "sqlite" and (writer := only_writer(engine)).is_in_memory:
        return writer
    return NOTHING


@asynccontextmanager
async def outermost(
    scope: Scope,
    connect: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
    read_only: bool,
    is_given: bool = False,
) -> AsyncIterator[Transaction]:
    """Run a block in a transaction that is committed at its end; then call the receivers that waited for that.

    Args:
        scope: The scope that it opens.
        connect: Returns a connection with no transaction yet.
        read_only: Nothing is written in it.
        is_given: The connection is somebody else's, who goes on with it afterwards.
    """
    settings = settings_of(scope.engine)
    queue = CommitQueue(raises=settings.after_commit_errors == "raise")
    scope.read_only = read_only
    writer, place = None, NOTHING
    if scope.engine.dialect.name == "sqlite":  # it waits, before it has a connection, for its place among the writers
        writer = only_writer(scope.engine)
        if writer.is_in_memory or (settings.begin == "immediate" and not read_only):
            place = writer
    try:
        async with (
            place,
            connect() as connection,
            in_transaction(connection, queue, scope, settings, writer, is_given) as transaction,
        ):
            yield transaction
    except BaseException as error:
        # After a commit, the block's own or that of somebody inside it, an error undoes nothing any more.
        if not queue.is_committed:
            scope.rollback.undo()
            await queue.run_undone(error)
            raise
        if not isinstance(error, CancelledError):
            queue.raises = False  # theirs are logged: this one was first
            await queue.run()
            raise
        queue.cancelled = error
    if queue.cancelled is None:
        await queue.run()
        return
    queue.raises = False  # errors of theirs are logged: the cancellation goes on
    await queue.run()
    raise queue.cancelled


@asynccontextmanager
async def in_transaction(
    connection: AsyncConnection,
    queue: CommitQueue,
    scope: Scope,
    settings: Settings,
    writer: OnlyWriter | None,
    is_given: bool,
) -> AsyncIterator[Transaction]:
    """Begin a transaction, which is the one that the context runs in, and commit it when the block is over.

    When the block or the commit raises, it is rolled back. Where the block itself has rolled back, nothing is left to
    commit, and nobody is told of one; a commit of its own stands. A connection on which either fails is lost: it is
    given up, and the first error is raised. All of this is one function: each context that is a generator costs a save
    ten Python calls.

    Raises:
        RefusedError: SQLAlchemy was told to keep the connection in AUTOCOMMIT.
        InterfaceError: The driver could not commit, and SQLAlchemy had no word for why.
        CancelledError: A cancellation came during the COMMIT, whose outcome nobody knows.
        DBAPIError: The COMMIT failed, or the connection was lost before it was answered: a note says so.
    """
    begun = await connection.begin()
    try:
        transaction = Transaction(connection, queue, scope, is_given)
        if transaction.keeps_autocommit:
            raise RefusedError(in_autocommit(scope))  # noqa: TRY301 - what has begun is rolled back
        if transaction.driver is not None:
            transaction.driver.hold_begin()
        if writer is not None:
            immediate = settings.begin == "immediate" and not scope.read_only
            await begin(connection, "BEGIN IMMEDIATE" if immediate else "BEGIN")
            if writer.is_in_memory and writer.timeout is None:
                await writer.ask(connection)
        elif scope.read_only and connection.dialect.name in {"postgresql", "mysql", "mariadb"}:
            await connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        scope.number = 0
        scope.open(transaction, None)
        waiting = AFTER_COMMIT.set(queue)
        try:
            yield transaction
            if scope.busy is not None or scope.queue:
                await scope.end_well()
            if transaction.broken is not None:
                transaction.refuse_broken()
        except BaseException:
            await scope.end_badly()
            raise
        finally:
            scope.leave_context()
            scope.close()
            transaction.close()
            try:  # noqa: SIM105 - suppress() is three calls a save
                AFTER_COMMIT.reset(waiting)
            except ValueError:  # another task ends it; a queue that is closed lets nobody wait
                pass
        may_have_failed = transaction.is_shared and not scope.read_only
        await commit(connection, begun, scope, queue, settings, transaction.driver if may_have_failed else None)
    except BaseException as error:
        queue.is_committed = queue.is_committed or scope.was_committed()
        if scope.has_lost_commit() and not (isinstance(error, DBAPIError) and is_answered(error)):
            queue.calls.clear()
            await give_up(connection, scope, error)
        await roll_back(connection, begun, error)
        raise


async def commit(
    connection: AsyncConnection,
    begun: AsyncTransaction,
    scope: Scope,
    queue: CommitQueue,
    settings: Settings,
    driver: Driver | None,
) -> None:
    """Commit a transaction, if its block has not ended it; see :func:`in_transaction`.

    Args:
        connection: The connection.
        begun: The transaction.
        scope: Its scope.
        queue: The calls that wait for the end.
        settings: The engine's.
        driver: The driver, where a statement of the block's own may have failed.

    Raises:
        PendingRollbackError: One had.
    """
    if not begun.is_active:
        queue.is_committed = scope.was_committed()
        if not queue.is_committed:
            if scope.has_lost_commit():  # the block has caught its error
                queue.calls.clear()
                let_load_find_out(scope)
            await end_failed_commit(connection, begun)
            scope.rollback.undo()
            queue.forget_since(0)
        return
    if driver is not None:
        driver.ask_for_failure()
    try:
        queue.cancelled = await Sheltered(begun.commit(), settings.commit_timeout)
        if driver is not None and driver.has_failed():
            refuse_failed(scope)
        queue.is_committed = True
    except OutcomeUnknown as unknown:
        queue.calls.clear()  # nobody can be told how it ended
        await give_up(connection, scope, unknown.cancelled)
        raise unknown.cancelled from None
    except DBAPIError as error:
        if error.connection_invalidated and not is_answered(error):
            queue.calls.clear()
            await give_up(connection, scope, error)
        raise
    except SQLAlchemyError:
        raise
    except Exception as error:
        lost = InterfaceError("COMMIT", None, error, connection_invalidated=True)
        queue.calls.clear()
        await give_up(connection, scope, lost)
        raise lost from error


def refuse_failed(scope: Scope) -> NoReturn:
    """Refuse to take a transaction for committed which the database has rolled back instead.

    Raises:
        PendingRollbackError: Always.
    """
    raise PendingRollbackError(
        f"a statement in {scope} has failed, and PostgreSQL then commits nothing: all of it is rolled back. Run a "
        "statement that may fail inside `async with connection.begin_nested():`."
    )


async def roll_back(connection: AsyncConnection, begun: AsyncTransaction, error: BaseException) -> None:
    """Roll back a transaction after an error, and give up the connection where that is in no known state."""
    try:
        if begun.is_active and not connection.closed and not connection.invalidated:
            await begun.rollback()
        else:
            await end_failed_commit(connection, begun)
    except Exception:
        await connection.invalidate()
    else:
        if is_drivers_own(connection, error) and not connection.closed:
            await connection.invalidate()


async def end_failed_commit(connection: AsyncConnection, begun: AsyncTransaction) -> None:
    """Roll back a transaction whose COMMIT has failed, where SQLAlchemy has it still.

    SQLite keeps the transaction open when readers hold up its COMMIT (its manual, "Transaction"), and SQLAlchemy sends
    no ROLLBACK after a COMMIT: who gets the connection next would commit what has failed here.
    """
    sync = connection.sync_connection
    if sync is None or sync.closed or sync.invalidated or sync.get_transaction() is not begun.sync_transaction:
        return
    await begun.rollback()
    await connection.run_sync(roll_back_in_database)


def roll_back_in_database(sync: Connection) -> None:
    """Send a ROLLBACK."""
    sync.dialect.do_rollback(sync.connection)


async def give_up(connection: AsyncConnection, scope: Scope, error: BaseException) -> None:
    """Give up a connection whose COMMIT was not answered, and let the new instances' ``load()`` find out."""
    error.add_note(
        "aldis: this came during the COMMIT, and nobody knows whether that was done: "
        "`await instance.load()` finds out, for a new instance too"
    )
    let_load_find_out(scope)
    if not connection.closed and not connection.invalidated:
        await connection.invalidate()


def let_load_find_out(scope: Scope) -> None:
    """Keep the keys of new instances, which are put back, for their ``load()``."""
    for state in scope.rollback.live_states():
        if state.key is not None:
            LOST[state] = state.key


def in_autocommit(scope: Scope) -> str:
    """Say why nothing is written in AUTOCOMMIT, and the way out."""
    return (
        f"{scope} would write on a connection that SQLAlchemy keeps in AUTOCOMMIT, where nothing can be undone. Give "
        'aldis.Database an engine without isolation_level="AUTOCOMMIT"; '
        'engine.execution_options(isolation_level="AUTOCOMMIT") is another engine on the same pool, for what needs it.'
    )


def is_drivers_own(connection: AsyncConnection, error: BaseException) -> bool:
    """Tell whether an error is one of the driver that SQLAlchemy has no word for: the connection is in no known state.

    asyncpg has one for a session that died before it was asked anything, and whose connection looks open for a moment.
    """
    origin = error.orig if isinstance(error, StatementError) and not isinstance(error, DBAPIError) else error
    package = type(origin).__module__.partition(".")[0]
    return package not in {"builtins", "sqlalchemy"} and package == connection.dialect.driver
