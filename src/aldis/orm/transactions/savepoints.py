"""The transaction that is open, and its savepoints, begun when they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from ..databases import MYSQL, driver_for
from ..databases.outcome import raise_as_sqlalchemy
from .scope import SCOPE, STATEMENT, Scope, scope_on
from .watched_connection import BEFORE_STATEMENT, WatchedConnection

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ...dispatch.deferral import Queue
    from ..databases import Driver, Outcome
    from ..saving.prepared import Prepared
    from .rollback import RollbackScope

__all__ = ["Transaction"]


HOLDS_TURN: Final[ContextVar[Transaction | None]] = ContextVar("HOLDS_TURN", default=None)
"""The transaction in which the current context has the turn for statements that it sends through SQLAlchemy."""


class Transaction(WatchedConnection):
    """The open transaction of a connection.

    A savepoint costs two round trips, as much as the INSERT that it guards. So it is begun together with the first
    statement inside it, and the release of one that is over waits for the next statement, with which it goes in one
    trip where the driver can (see ``drivers``). SQLAlchemy's own road is watched by a listener, so that no statement,
    however it reaches the connection, runs before the savepoint that it belongs to.
    """

    __slots__ = (
        "begun",
        "connection",
        "depth",
        "driver",
        "is_given",
        "is_shared",
        "queue",
        "replaces",
        "sent_at",
        "settling",
        "stale",
        "waiting",
    )

    def __init__(self, connection: AsyncConnection, queue: Queue, top: Scope, is_given: bool = True) -> None:
        assert connection.sync_connection is not None
        super().__init__(connection.sync_connection, top)
        self.connection = connection
        self.queue = queue
        """The calls that wait for the commit."""
        self.driver: Driver | None = driver_for(self.sync)
        self.replaces = self.sync.dialect.name in MYSQL
        """A savepoint replaces another of its name."""
        self.depth = 0
        """Savepoints that are open; those that were begun in the database are the first ``begun`` of them."""
        self.begun = 0
        self.stale = 0
        """The number of a savepoint that is over and not yet released, if not 0."""
        self.is_given = is_given
        self.settling: asyncio.Task[Any] | None = None
        """The task whose statements are the savepoints'."""
        self.is_shared = False
        """Statements of somebody else's have run in it, which may have failed."""
        self.waiting = 0
        """How many wait for their turn."""
        self.sent_at = 0.0
        """When the last statement was sent, where somebody waited."""

    def scope_here(self) -> Scope:
        """Return the scope that the current context is in; the outermost, for a task that has only the connection."""
        scope = SCOPE.get()
        if scope is None or scope.transaction is not self or not scope.is_open:
            scope = scope_on(self.sync)
        return self.top if scope is None or not (scope.is_open or scope.is_undone) else scope

    @property
    def scope(self) -> RollbackScope:
        """The changes that are undone with the operation that the current context is in."""
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
        if BEFORE_STATEMENT not in self.listeners:
            self.listen(BEFORE_STATEMENT, self.before_statement)
        self.depth += 1

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
        root = self.root  # active as long as it is the connection's, and that is open
        return root is not None and root.is_active and not self.sync.invalidated

    def has_to_release(self) -> bool:
        """Tell whether a savepoint that is over has to be released before the next is begun.

        MySQL and MariaDB replace one by another of the same name (their manuals, "SAVEPOINT"): a trip less.
        """
        return self.stale > 0 and not (self.replaces and self.begun < self.stale <= self.depth)

    def control(self) -> list[str]:
        """Return the statements that have to go before the next one."""
        release = [f"RELEASE SAVEPOINT aldis_{self.stale}"] if self.has_to_release() else []
        return release + [f"SAVEPOINT aldis_{number}" for number in range(self.begun + 1, self.depth + 1)]

    def settled(self) -> None:
        """Take note that the statements of :meth:`control` have run."""
        self.begun, self.stale = self.depth, 0

    def unsettled(self, refused: int, begun: int, stale: int) -> None:
        """Take note that the last statements of :meth:`control` have not run: the transaction had failed before.

        Args:
            refused: How many.
            begun: The savepoint that was begun before them.
            stale: The one that was over.
        """
        self.begun = max(self.depth - refused, begun)
        if self.begun == begun:
            self.stale = stale

    def has_due(self, statement: tuple[Any, ...]) -> bool:
        """Tell whether savepoints have to be begun or released before a statement of SQLAlchemy's.

        A SELECT leaves the savepoint that is over to the next statement: a release would cost it a round trip. If the
        SELECT fails, PostgreSQL refuses a release too. A rollback takes that savepoint with it, which is forgotten.

        Args:
            statement: As SQLAlchemy's ``before_cursor_execute`` has it, the connection aside; empty for none.
        """
        if self.begun != self.depth:
            return True
        if not self.stale or not statement:
            return self.stale > 0
        if rolls_back(statement):
            self.stale = 0
        return self.stale > 0 and not is_select(statement)

    def before_statement(self, connection: Connection, *statement: Any) -> None:
        """Take the turn, begin and release the savepoints that are due, before a statement on SQLAlchemy's own road.

        The statement itself follows with nothing in between: drivers send statements in the order that they get them.

        Raises:
            TransactionEndedError: The operation that the statement belongs to is over.
        """
        task = asyncio.current_task()
        if self.settling is task and task is not None:
            return
        self.is_shared = True
        scope = self.scope_here()
        if scope.is_undone:
            raise scope.ended(STATEMENT)
        self.refuse_ended()
        if self.waiting:
            self.sent_at = scope.loop.time()
        if scope.busy is None:
            if not self.has_due(statement):
                return
            scope.busy = STATEMENT
        elif HOLDS_TURN.get() is self:
            self.settle_on(connection, task, statement)
            return
        elif scope.is_open:
            await_only(scope.statement())
        else:  # its own end
            return
        try:
            self.settle_on(connection, task, statement)
        finally:
            scope.give()
        if scope.is_undone:
            raise scope.ended(STATEMENT)

    def settle_on(self, connection: Connection, task: asyncio.Task[Any] | None, statement: tuple[Any, ...]) -> None:
        """Begin and release the savepoints that are due before a statement, through SQLAlchemy."""
        if not self.has_due(statement):
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
        """Have the turn for the statements that a block sends to the driver.

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
        """Return the driver to talk to, unless somebody watches or redirects SQLAlchemy's own.

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
        """Tell whether somebody listens to, or logs, SQLAlchemy's statements on the connection."""
        sync = self.sync
        try:
            if sync._echo or sync.engine._has_events or sync.dialect._has_events:
                return True
            mark: object = sync._has_events
            if mark is self and not getattr(type(sync), "_has_events", False):
                return False
        except AttributeError:  # a later SQLAlchemy, which cannot be asked
            return True
        listeners, mine = sync.dispatch, int(BEFORE_STATEMENT in self.listeners)
        others = len(listeners.before_cursor_execute) > mine
        return others or bool(listeners.after_cursor_execute) or bool(listeners.before_execute)

    async def begun_driver(self) -> Driver | None:
        """Return the same as :meth:`direct`, with the transaction begun in the database.

        PostgreSQL's drivers put that off to the first statement.
        """
        found, known = self.direct(), self.driver
        if found is not None or known is None:
            return found
        begin = getattr(known, "begin", None)
        if begin is None or known.is_ready() or self.is_watched() or not self.is_alive():
            return None
        await begin(self)
        return self.direct()

    async def run(self, prepared: Prepared, values: Mapping[str, Any]) -> Outcome | None:
        """Run a statement on the driver, in one trip with the savepoints that have to go before it.

        Args:
            prepared: The statement.
            values: Its values, by key.

        Returns:
            Its outcome; ``None`` where SQLAlchemy has to run it, and nothing was sent.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        driver = self.direct() or await self.begun_driver()
        if driver is None:
            return None
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

    async def roll_back_to(self, number: int) -> None:
        """Roll back to a savepoint."""
        driver = self.direct()
        if driver is not None:
            await driver.run_alone(self, f"ROLLBACK TO SAVEPOINT aldis_{number}")
            return
        self.settling = asyncio.current_task()
        try:
            await self.connection.run_sync(self.connection.dialect.do_rollback_to_savepoint, f"aldis_{number}")
        finally:
            self.settling = None

    async def release(self) -> None:
        """Release the savepoint that is over, for a connection that is handed back: its scope is over, too."""
        if not self.stale or not self.is_alive():
            return
        driver = self.direct()
        if driver is None:
            await self.connection.run_sync(self.before_statement)
            return
        if self.has_to_release():
            await driver.run_alone(self, f"RELEASE SAVEPOINT aldis_{self.stale}")
        self.settled()

    def close(self) -> None:
        """Take note that the transaction is over."""
        self.queue.close()
        if self.driver is not None:
            self.driver.hold_nothing()
        self.unlisten_for_refusal()
        if not self.is_given:
            return  # the connection is thrown away, its listeners with it: to remove them takes as long as a save
        self.unlisten()


def is_select(statement: tuple[Any, ...]) -> bool:
    """Tell whether ``before_cursor_execute`` is told of a SELECT that SQLAlchemy has made."""
    return getattr(getattr(statement[3], "invoked_statement", None), "is_select", False)


def rolls_back(statement: tuple[Any, ...]) -> bool:
    """Tell whether ``before_cursor_execute`` is told of a rollback, to a savepoint or of all."""
    sql: str = statement[1]
    return sql.lstrip()[:8].upper() == "ROLLBACK"
