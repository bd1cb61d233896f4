"""A connection in a transaction that somebody else may watch, commit or roll back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event
from sqlalchemy.exc import PendingRollbackError

from ...errors import RefusedError, TransactionEndedError
from .settings import is_autocommit

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine import ExceptionContext

    from .scope import Scope

__all__ = ["BEFORE_STATEMENT", "WatchedConnection"]

BEFORE_STATEMENT: Final = "before_cursor_execute"
"""SQLAlchemy's event of a connection before each statement."""

REFUSED: Final = "handle_error"
"""SQLAlchemy's event of an engine when the database raises; a connection has none."""

OWN_MARK: Final = "aldis"
"""Marks a dialect that nobody but aldis listens to."""


class WatchedConnection:
    """SQLAlchemy's connection of a transaction, and the listeners to its events.

    Args:
        sync: The connection.
        top: The outermost scope of the transaction.
    """

    __slots__ = (
        "__weakref__",
        "broken",
        "is_committing",
        "is_refused",
        "keeps_autocommit",
        "listeners",
        "root",
        "sync",
        "top",
    )

    def __init__(self, sync: Connection, top: Scope) -> None:
        self.sync = sync
        self.top = top
        """The outermost scope."""
        self.keeps_autocommit = is_autocommit(sync)
        self.root = sync.get_transaction()
        self.broken: BaseException | None = None
        """Why the database's transaction is in another state than this one, if it is."""
        self.is_committing = False
        """The connection was told to commit by somebody else."""
        self.is_refused = False
        """The database has refused that."""
        self.listeners: dict[str, Callable[..., None]] = {}
        """The listeners to events of the connection."""

    def before_statement(self, connection: Connection, *_statement: Any) -> None:
        """Is called before each statement that goes through SQLAlchemy."""
        raise NotImplementedError

    def listen(self, name: str, function: Callable[..., None]) -> None:
        """Listen to an event of the connection.

        SQLAlchemy marks a connection that has listeners. Where nobody else listens, the mark is the transaction: to
        look at it is a twentieth of a save less than to count listeners.
        """
        sync = self.sync
        is_alone = getattr(sync, "_has_events", True) in {False, self}
        event.listen(sync, name, function)
        self.listeners[name] = function
        if is_alone:
            sync._has_events = self  # type: ignore[assignment]

    def unlisten(self) -> None:
        """Remove the listeners from the connection."""
        for name, function in self.listeners.items():
            event.remove(self.sync, name, function)
        self.listeners.clear()
        if getattr(self.sync, "_has_events", False) is self:
            self.sync._has_events = True  # somebody else may listen by now

    def refuse(self) -> None:
        """Refuse an operation that cannot go on; see :meth:`enter`."""
        self.refuse_broken()
        self.refuse_ended()
        raise RefusedError(
            "a write on a connection that SQLAlchemy keeps in AUTOCOMMIT is refused: nothing could be undone. Use an "
            'engine without isolation_level="AUTOCOMMIT" for it.'
        )

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

    def was_committed(self) -> bool:
        """Tell whether somebody else has committed the transaction: SQLAlchemy keeps one whose COMMIT failed.

        It does so until somebody rolls back; that it was refused is kept here.
        """
        sync = self.sync
        is_asked = self.is_committing and not self.is_refused
        return is_asked and not sync.invalidated and sync.get_transaction() is not self.root

    def has_lost_commit(self) -> bool:
        """Tell whether the COMMIT of somebody else was cancelled or not answered: SQLAlchemy gave up the connection."""
        return self.is_committing and self.sync.invalidated

    def watch_commit(self) -> None:
        """Take note when somebody else commits or rolls back on the connection, which they have got."""
        if "commit" not in self.listeners:
            self.listen("commit", self.note_commit)

    def note_commit(self, _connection: Connection) -> None:
        """Take note of a commit that somebody else asks for; nothing may be added to the transaction any more."""
        if not self.top.is_open:
            return  # its own
        if not self.is_committing:
            self.is_committing = True
            self.listen_for_refusal()
        if BEFORE_STATEMENT not in self.listeners:
            self.listen(BEFORE_STATEMENT, self.before_statement)

    def note_refusal(self, context: ExceptionContext) -> None:
        """Take note that the database has refused the COMMIT of somebody else."""
        if context.connection is self.sync and self.sync.get_transaction() is self.root:
            self.is_refused = True

    def listen_for_refusal(self) -> None:
        """Listen to errors of the database until the transaction is closed.

        SQLAlchemy marks a dialect that has listeners, for good. This mark is another, so that it can be taken back:
        aldis asks SQLAlchemy for each statement while somebody listens.
        """
        dialect = self.sync.dialect
        is_alone = getattr(dialect, "_has_events", True) in {False, OWN_MARK}
        event.listen(self.sync.engine, REFUSED, self.note_refusal)
        if is_alone:
            dialect._has_events = OWN_MARK  # type: ignore[assignment]

    def unlisten_for_refusal(self) -> None:
        """Remove that listener, and the mark with the last of its kind."""
        if not self.is_committing:
            return
        dialect = self.sync.dialect
        event.remove(self.sync.engine, REFUSED, self.note_refusal)
        if getattr(dialect, "_has_events", True) == OWN_MARK and not dialect.dispatch.handle_error:
            del dialect._has_events

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
