"""The transaction that is open: its savepoints, begun when they are needed, and what is undone with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from ..databases import driver_for
from ..databases.outcome import raise_as_sqlalchemy
from .rollback import RollbackScope

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ...dispatch.deferral import Queue
    from ..databases import Driver, Outcome
    from ..saving.prepared import Prepared

__all__ = ["Savepoint", "Transaction"]


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
        "is_listening",
        "is_open",
        "is_settling",
        "queue",
        "root",
        "scope",
        "stale",
        "sync",
    )

    def __init__(self, connection: AsyncConnection, queue: Queue) -> None:
        assert connection.sync_connection is not None
        self.connection = connection
        self.queue = queue
        """What waits for the commit."""
        self.scope = RollbackScope()
        self.sync: Connection = connection.sync_connection
        self.root = self.sync.get_transaction()
        self.driver: Driver | None = driver_for(self.sync)
        self.depth = 0
        """Savepoints that are open; those that were begun in the database are the first ``begun`` of them."""
        self.begun = 0
        self.stale = 0
        """The number of a savepoint that is over and not yet released, if not 0."""
        self.is_open = True
        self.broken: BaseException | None = None
        """Why the database's transaction is not what this one says, if it is not."""
        self.is_listening = False
        self.is_settling = False

    def enter(self) -> None:
        """Open a savepoint.

        Raises:
            PendingRollbackError: The database has undone the transaction.
        """
        self.refuse_broken()
        if not self.is_listening:
            event.listen(self.sync, "before_cursor_execute", self.before_statement)
            self.is_listening = True
        self.depth += 1

    def leave(self) -> None:
        """Close the innermost savepoint; its release waits for the next statement."""
        if self.begun == self.depth:
            self.stale = self.depth
            self.begun -= 1
        self.depth -= 1

    async def back_out(self, why: BaseException) -> None:
        """Roll back to the innermost savepoint, and close it."""
        number = self.depth
        try:
            if self.begun == number and self.is_alive():
                await self.roll_back_to(number)
                self.stale = number
        except DBAPIError:
            # MariaDB rolls back the whole transaction at a deadlock: there is no savepoint left.
            self.broken = why
        finally:
            self.begun = min(self.begun, number - 1)
            self.depth = number - 1

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
        """Begin and release what has to be, before a statement that takes SQLAlchemy's own road."""
        if self.is_settling or (self.begun == self.depth and not self.stale):
            return
        dialect = connection.dialect
        self.is_settling = True
        try:
            if self.has_to_release():
                dialect.do_release_savepoint(connection, f"aldis_{self.stale}")
            for number in range(self.begun + 1, self.depth + 1):
                dialect.do_savepoint(connection, f"aldis_{number}")
            self.settled()
        finally:
            self.is_settling = False

    def direct(self) -> Driver | None:
        """Return the driver to talk to, unless somebody watches or redirects what SQLAlchemy does."""
        if self.driver is None or self.is_watched():
            return None
        nested = self.sync.get_nested_transaction()
        if not self.is_alive() or (nested is not None and not nested.is_active) or not self.driver.is_ready():
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
        return await driver.run(self, prepared, parameters)

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
        self.is_settling = True
        try:
            await self.connection.run_sync(self.connection.dialect.do_rollback_to_savepoint, f"aldis_{number}")
        finally:
            self.is_settling = False

    async def release(self) -> None:
        """Release the savepoint that is over now, for a connection that is handed back."""
        if self.stale and self.is_alive():
            await self.connection.run_sync(self.before_statement)

    def savepoint(self, scope: RollbackScope) -> Savepoint:
        """Return a savepoint to enter."""
        return Savepoint(self, scope)

    def close(self) -> None:
        """Take note that the transaction is over."""
        self.is_open = False
        self.queue.close()
        if self.is_listening:
            event.remove(self.sync, "before_cursor_execute", self.before_statement)
            self.is_listening = False


class Savepoint:
    """A block in a savepoint: what it did is undone when it raises."""

    __slots__ = ("mark", "outer", "scope", "transaction")

    def __init__(self, transaction: Transaction, scope: RollbackScope) -> None:
        self.transaction = transaction
        self.scope = scope

    async def __aenter__(self) -> Transaction:
        transaction = self.transaction
        try:
            transaction.enter()
        except PendingRollbackError:
            self.scope.undo()
            raise
        self.mark = len(transaction.queue.calls)
        self.outer, transaction.scope = transaction.scope, self.scope
        return transaction

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        transaction = self.transaction
        transaction.scope = self.outer
        if error is None:
            transaction.leave()
            self.scope.join(self.outer)
            return
        try:
            await transaction.back_out(error)
        finally:
            transaction.queue.forget_since(self.mark)
            self.scope.undo()
