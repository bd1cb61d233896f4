"""The transaction that is open, and its savepoints, begun when they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.util import await_only

from ...errors import RefusedError, TransactionEndedError
from ..databases import driver_for
from ..databases.outcome import raise_as_sqlalchemy
from .scope import SCOPE, STATEMENT, Scope, scope_on

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ...dispatch.deferral import Queue
    from ..databases import Driver, Outcome
    from ..saving.prepared import Prepared
    from .rollback import RollbackScope

__all__ = ["Transaction"]


HOLDS_TURN: Final[ContextVar[Transaction | None]] = ContextVar("HOLDS_TURN", default=None)
"""The transaction in which the current context has the turn for what it sends through SQLAlchemy."""


class Transaction:
    """The open transaction of a connection.

    A savepoint costs two round trips, as much as the INSERT that it guards. So it is begun together with the first
    statement inside it, and the release of one that is over waits for the next statement, with which it goes in one
    trip where the driver can (see ``drivers``). SQLAlchemy's own road is watched by a listener, so that no statement,
    however it reaches the connection, runs before the savepoint that it belongs to.
    """

    __slots__ = (
        "__weakref__",
        "begun",
        "broken",
        "connection",
        "depth",
        "driver",
        "is_committing",
        "is_given",
        "is_listening",
        "is_watching",
        "keeps_autocommit",
        "queue",
        "root",
        "sent_at",
        "settling",
        "stale",
        "sync",
        "top",
        "waiting",
    )

    def __init__(self, connection: AsyncConnection, queue: Queue, top: Scope, is_given: bool = True) -> None:
        assert connection.sync_connection is not None
        self.connection = connection
        self.queue = queue
        """What waits for the commit."""
        self.top = top
        """The outermost scope."""
        self.sync: Connection = connection.sync_connection
        self.keeps_autocommit = self.is_autocommit(self.sync)
        self.root = self.sync.get_transaction()
        self.driver: Driver | None = driver_for(self.sync)
        self.depth = 0
        """Savepoints that are open; those that were begun in the database are the first ``begun`` of them."""
        self.begun = 0
        self.stale = 0
        """The number of a savepoint that is over and not yet released, if not 0."""
        self.broken: BaseException | None = None
        """Why the database's transaction is not what this one says, if it is not."""
        self.is_listening = False
        self.is_watching = False
        self.is_given = is_given
        self.settling: asyncio.Task[Any] | None = None
        """The task whose statements are the savepoints'."""
        self.waiting = 0
        """How many wait for their turn."""
        self.sent_at = 0.0
        """When the last statement was sent, where somebody waited."""
        self.is_committing = False
        """The connection was told to commit by somebody else."""

    def scope_here(self) -> Scope:
        """Return the scope that the current context is in; the outermost, for a task that has only the connection."""
        scope = SCOPE.get()
        if scope is None or scope.transaction is not self or not scope.is_open:
            scope = scope_on(self.sync)
        return self.top if scope is None or not (scope.is_open or scope.is_undone) else scope

    @property
    def scope(self) -> RollbackScope:
        """What is undone with the operation that the current context is in."""
        return self.scope_here().rollback

    def enter(self) -> None:
        """Open a savepoint.

        Raises:
            PendingRollbackError: The database has undone the transaction.
            TransactionEndedError: It was committed or rolled back on its connection.
            RefusedError: The connection is in AUTOCOMMIT.
        """
        root = self.root
        if self.broken is not None or self.keeps_autocommit or (root is not None and not root.is_active):
            self.refuse()
        if not self.is_listening:
            event.listen(self.sync, "before_cursor_execute", self.before_statement)
            self.is_listening = True
        self.depth += 1

    def refuse(self) -> None:
        """Refuse what cannot go on; see :meth:`enter`."""
        self.refuse_broken()
        self.refuse_ended()
        raise RefusedError(
            "a write on a connection that SQLAlchemy keeps in AUTOCOMMIT is refused: nothing could be undone. Use an "
            'engine without isolation_level="AUTOCOMMIT" for it.'
        )

    def leave(self) -> None:
        """Close the innermost savepoint; its release waits for the next statement."""
        if self.begun == self.depth:
            self.stale = self.depth
            self.begun -= 1
        self.depth -= 1

    async def back_out(self, number: int, why: BaseException) -> None:
        """Roll back to a savepoint, and close it and those inside it."""
        try:
            if self.begun >= number and self.is_alive():
                await self.roll_back_to(number)
                self.stale = number
        except DBAPIError:
            # MariaDB rolls back the whole transaction at a deadlock: there is no savepoint left.
            self.broken = why
        except BaseException:
            self.broken = why  # it was cut off: nobody knows how far it went
            raise
        finally:
            self.begun = min(self.begun, number - 1)
            self.depth = min(self.depth, number - 1)

    def is_alive(self) -> bool:
        """Tell whether the transaction is still the one that the connection is in."""
        sync = self.sync
        if sync.closed or sync.invalidated or self.root is None or not self.root.is_active:
            return False
        return sync.get_transaction() is self.root

    def refuse_broken(self) -> None:
        """Refuse to go on in a transaction that the database has undone as a whole.

        Raises:
            PendingRollbackError: It has.
        """
        if self.broken is not None:
            raise PendingRollbackError(
                "the database has rolled back the whole transaction, not just to the savepoint: leave the "
                f"transaction() block and begin again. ({self.broken})"
            ) from self.broken

    @staticmethod
    def is_autocommit(sync: Connection) -> bool:
        """Tell whether SQLAlchemy was told to keep a connection in AUTOCOMMIT."""
        level = sync.get_execution_options().get("isolation_level")
        if level is None:
            level = getattr(sync.dialect, "_on_connect_isolation_level", None)
        return bool(level == "AUTOCOMMIT")

    def was_committed(self) -> bool:
        """Tell whether somebody else has committed the transaction: SQLAlchemy keeps one whose COMMIT failed."""
        return self.is_committing and self.sync.get_transaction() is not self.root

    def watch_commit(self) -> None:
        """Take note when somebody else commits or rolls back on the connection, which they have got."""
        if not self.is_watching:
            self.is_watching = True
            event.listen(self.sync, "commit", self.note_commit)

    def note_commit(self, _connection: Connection) -> None:
        """Take note of a commit that somebody else asks for; nothing may be added to the transaction any more."""
        if not self.top.is_open:
            return  # its own
        self.is_committing = True
        if not self.is_listening:
            event.listen(self.sync, "before_cursor_execute", self.before_statement)
            self.is_listening = True

    def refuse_ended(self) -> None:
        """Refuse to go on in a transaction that was committed or rolled back on its connection.

        Raises:
            TransactionEndedError: It was.
        """
        root = self.root
        if root is not None and not root.is_active and self.broken is None:
            how = "committed" if self.was_committed() else "rolled back"
            raise TransactionEndedError(
                f"the transaction was {how} on its connection, inside its block: nothing can be added to it any more. "
                "End the block first; database.transaction() begins the next."
            )

    def has_to_release(self) -> bool:
        """Tell whether a savepoint that is over has to be released before the next is begun.

        MySQL and MariaDB replace one by another of the same name (their manuals, "SAVEPOINT"): a trip less.
        """
        replaces = self.sync.dialect.name in {"mysql", "mariadb"}
        return bool(self.stale) and not (replaces and self.begun < self.stale <= self.depth)

    def control(self) -> tuple[str, ...]:
        """Return the statements that have to go before the next one."""
        if self.begun == self.depth and not self.stale:
            return ()
        release = (f"RELEASE SAVEPOINT aldis_{self.stale}",) if self.has_to_release() else ()
        return (*release, *[f"SAVEPOINT aldis_{number}" for number in range(self.begun + 1, self.depth + 1)])

    def settled(self) -> None:
        """Take note that the statements of :meth:`control` have run."""
        self.begun, self.stale = self.depth, 0

    def before_statement(self, connection: Connection, *_statement: Any) -> None:
        """Take the turn, and begin and release what has to be, before a statement that takes SQLAlchemy's own road.

        The statement itself follows with nothing in between: drivers send what they are given in its order.

        Raises:
            TransactionEndedError: The operation that the statement belongs to is over.
        """
        task = asyncio.current_task()
        if self.settling is task and task is not None:
            return
        scope = self.scope_here()
        if scope.is_undone:
            raise scope.ended(STATEMENT)
        self.refuse_ended()
        if self.waiting:
            self.sent_at = scope.loop.time()
        if scope.busy is None:
            if self.begun == self.depth and not self.stale:
                return
            scope.busy = STATEMENT
        elif HOLDS_TURN.get() is self:
            self.settle_on(connection, task)
            return
        elif scope.is_open:
            await_only(scope.statement())
        else:  # its own end
            return
        try:
            self.settle_on(connection, task)
        finally:
            scope.give()
        if scope.is_undone:
            raise scope.ended(STATEMENT)

    def settle_on(self, connection: Connection, task: asyncio.Task[Any] | None) -> None:
        """Begin and release savepoints, through SQLAlchemy."""
        if self.begun == self.depth and not self.stale:
            return
        dialect = connection.dialect
        self.settling = task
        try:
            if self.has_to_release():
                dialect.do_release_savepoint(connection, f"aldis_{self.stale}")
            for number in range(self.begun + 1, self.depth + 1):
                dialect.do_savepoint(connection, f"aldis_{number}")
            self.settled()
        finally:
            self.settling = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Have the turn for what a block sends to the driver.

        Raises:
            TransactionEndedError: The operation that it belongs to is over.
        """
        if HOLDS_TURN.get() is self:
            yield
            return
        scope = self.scope_here()
        await scope.statement()
        if self.waiting:
            self.sent_at = scope.loop.time()
        holds = HOLDS_TURN.set(self)
        try:
            yield
        finally:
            HOLDS_TURN.reset(holds)
            scope.give()
        if scope.is_undone:
            raise scope.ended(STATEMENT)

    def direct(self) -> Driver | None:
        """Return the driver to talk to, unless somebody watches or redirects what SQLAlchemy does.

        Raises:
            TransactionEndedError: The operation that the current context is in was rolled back, by one around it.
        """
        if not self.is_alive():
            scope = SCOPE.get()
            if scope is not None and scope.is_cut:
                raise scope.ended(STATEMENT)
            return None
        if self.driver is None or self.is_watched():
            return None
        nested = self.sync.get_nested_transaction()
        if (nested is not None and not nested.is_active) or not self.driver.is_ready():
            return None
        return self.driver

    def is_watched(self) -> bool:
        """Tell whether somebody listens to, or logs, what SQLAlchemy does on the connection."""
        sync = self.sync
        if sync._echo or sync.engine._has_events or sync.dialect._has_events:
            return True
        listeners, mine = sync.dispatch, int(self.is_listening)
        others = len(listeners.before_cursor_execute) > mine
        return others or bool(listeners.after_cursor_execute) or bool(listeners.before_execute)

    async def run(self, driver: Driver, prepared: Prepared, values: Mapping[str, Any]) -> Outcome:
        """Run a statement on the driver, in one trip with the savepoints that have to go before it.

        Args:
            driver: What :meth:`direct` returned.
            prepared: The statement.
            values: Its values, by key.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        try:
            parameters = prepared.parameters(values)
        except Exception as error:
            await raise_as_sqlalchemy(self.connection, error, prepared.sql, tuple(values.values()))
        scope = SCOPE.get()
        if scope is None or scope.transaction is not self:
            scope = self.scope_here()
        if scope.busy is None and scope.is_open:
            scope.busy = STATEMENT
        elif HOLDS_TURN.get() is self:
            return await driver.run(self, prepared, parameters)
        else:
            await scope.statement()
        if self.waiting:
            self.sent_at = scope.loop.time()
        try:
            outcome = await driver.run(self, prepared, parameters)
        finally:
            scope.busy = None
            if scope.queue:
                scope.give()
        if scope.is_undone:
            raise scope.ended(STATEMENT)
        return outcome

    async def bound(self, prepared: Prepared, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        """Return the driver's parameters of many rows.

        Raises:
            StatementError: A value cannot be one, as SQLAlchemy raises it.
        """
        try:
            return prepared.all_parameters(rows)
        except Exception as error:
            await raise_as_sqlalchemy(self.connection, error, prepared.sql, tuple(rows[0].values()))

    async def roll_back_to(self, number: int) -> None:
        """Roll back to a savepoint."""
        driver = self.direct()
        if driver is not None:
            await driver.roll_back_to(self, f"ROLLBACK TO SAVEPOINT aldis_{number}")
            return
        self.settling = asyncio.current_task()
        try:
            await self.connection.run_sync(self.connection.dialect.do_rollback_to_savepoint, f"aldis_{number}")
        finally:
            self.settling = None

    async def release(self) -> None:
        """Release the savepoint that is over now, for a connection that is handed back."""
        if self.stale and self.is_alive():
            await self.connection.run_sync(self.before_statement)

    def close(self) -> None:
        """Take note that the transaction is over."""
        self.queue.close()
        if not self.is_given:
            return  # the connection is thrown away, its listeners with it: to remove them takes as long as a save
        if self.is_listening:
            event.remove(self.sync, "before_cursor_execute", self.before_statement)
            self.is_listening = False
        if self.is_watching:
            event.remove(self.sync, "commit", self.note_commit)
            self.is_watching = False
