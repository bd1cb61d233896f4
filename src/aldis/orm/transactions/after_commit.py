"""Calls that wait for the end of a session's transaction: ``connect(..., after_commit=True)``, ``after_rollback``."""

from __future__ import annotations

import logging
import weakref
from asyncio import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event
from sqlalchemy.pool import Pool

from ...greenlets import wait_for
from .ambient import ambient_on
from .commit_queue import CommitQueue
from .session_rollback import put_back_later
from .settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session, SessionTransaction

    from ...dispatch.deferral import Call, Deferred, Queue
    from .rollback import RollbackScope

__all__ = ["committed", "ended", "queue_of", "rolled_back", "savepoint_begun"]


log: Final = logging.getLogger("aldis")


class SessionQueue(CommitQueue):
    """The queue of a session's transaction, which ends with that and not with an operation inside it.

    Args:
        session: The session.
        connection: Its connection; ``None`` for a plain session's.
    """

    waited: Sequence[Call] = ()
    """The calls that waited when the session told its connection to commit."""
    is_lost = False
    """The COMMIT was cancelled or not answered, and nobody knows whether it was done."""

    def __init__(self, session: Session, connection: Connection | None) -> None:
        super().__init__(raises=raises(session))
        self.session = weakref.ref(session)
        self.connection = connection

    def add(self, waits: Deferred, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> None:
        """Let a call wait, and take note of the COMMIT from the first one on."""
        if self.connection is not None and not self.calls:
            event.listen(self.connection, "commit", self.note_commit)
        super().add(waits, args, kwargs)

    def note_commit(self, connection: Connection) -> None:
        """Take note that the COMMIT is about to be sent."""
        self.waited, self.connection = [*self.calls], None
        COMMITTING[id(connection.connection.dbapi_connection)] = self

    def ended(self, rollback: RollbackScope) -> None:
        """Have the instances that operations have changed put back, if the session is rolled back."""
        session = self.session()
        if session is not None:
            put_back_later(session, rollback)

    def close(self) -> None:
        """Nothing: the session ends it."""


COMMITTING: Final[weakref.WeakValueDictionary[int, SessionQueue]] = weakref.WeakValueDictionary()
"""The queues of sessions that have told their connection to commit, by the address of the driver's connection."""


# At the class: an engine that is disposed of makes a new pool, and `event.contains` may take a pool for one that lay at
# its address before.
@event.listens_for(Pool, "invalidate")
def note_lost(dbapi_connection: Any, _record: Any, _error: Any) -> None:
    """Take note of a COMMIT that was cancelled or not answered; for SQLAlchemy's event ``invalidate`` of a pool."""
    queue = COMMITTING.pop(id(dbapi_connection), None)
    session = None if queue is None else queue.session()
    if queue is None or session is None:
        return
    waiting = WAITING.get(session)
    if waiting is not None and waiting.queue is queue and waiting.is_committed:
        # The COMMIT was done, and the connection was lost right after it: SQLAlchemy tells of the transaction's end no
        # more. Nothing is raised here: the pool has to get rid of the connection, and the first error goes on.
        queue.raises = False
        with suppress(CancelledError):
            end(session)
    else:
        queue.is_lost = True


class Waiting:
    """The calls that wait in one transaction of a session, from its begin to its outermost commit.

    Args:
        queue: Where the calls wait: in a queue of the session's own, or in that of the transaction around it.
        is_own: It is the session's own.
    """

    def __init__(self, queue: Queue, is_own: bool) -> None:
        self.queue = queue
        self.is_own = is_own
        self.is_committed = False
        self.begin = len(queue.calls)
        self.savepoints: weakref.WeakKeyDictionary[SessionTransaction, int] = weakref.WeakKeyDictionary()
        """How many calls waited when each savepoint was begun."""


WAITING: Final[weakref.WeakKeyDictionary[Session, Waiting]] = weakref.WeakKeyDictionary()
"""The sessions in whose transaction signals were fired."""


def queue_of(session: Session, connection: Connection | None) -> Queue:
    """Return where calls wait for the commit of a session's transaction.

    Args:
        session: The session.
        connection: Its connection, if that may be in a transaction of aldis, whose commit is the one to wait for.
    """
    waiting = WAITING.get(session)
    if waiting is None:
        around = None if connection is None else ambient_on(connection)
        queue = SessionQueue(session, connection) if around is None else around.queue
        waiting = WAITING[session] = Waiting(queue, is_own=around is None)
    return waiting.queue


def raises(session: Session) -> bool:
    """Tell whether the errors of a session's receivers are raised, as its database has been told."""
    bind = session.bind
    return bind is None or settings_of(bind.engine).after_commit_errors == "raise"


def savepoint_begun(session: Session, transaction: SessionTransaction) -> None:
    """Take note of how many calls wait; for SQLAlchemy's event ``after_transaction_create``."""
    waiting = WAITING.get(session)
    if waiting is not None and transaction.nested:
        waiting.savepoints[transaction] = len(waiting.queue.calls)


def rolled_back(session: Session, transaction: SessionTransaction) -> None:
    """Drop the calls that were added since, and wait for the commit; for SQLAlchemy's event ``after_soft_rollback``."""
    waiting = WAITING.get(session)
    if waiting is None:
        return
    undone: SessionTransaction | None = transaction
    while undone is not None and not undone.nested:
        undone = undone.parent
    waiting.queue.forget_since(waiting.begin if undone is None else waiting.savepoints.get(undone, waiting.begin))


def committed(session: Session) -> None:
    """Take note of the outermost commit; for SQLAlchemy's event ``after_commit``, which tells of savepoints too."""
    waiting = WAITING.get(session)
    if waiting is not None and not session.in_nested_transaction():
        waiting.is_committed = True


def ended(session: Session, transaction: SessionTransaction) -> None:
    """Make the calls; for SQLAlchemy's event ``after_transaction_end``.

    It is the first moment at which the session can be used again.
    """
    if transaction.parent is None and session in WAITING:
        end(session)


def end(session: Session) -> None:
    """Make the calls that have waited for the end of a session's transaction."""
    waiting = WAITING.pop(session)
    queue, is_committed = waiting.queue, waiting.is_committed
    if waiting.is_own:
        queue.is_open = False
        if not is_committed and isinstance(queue, SessionQueue) and queue.is_lost:
            log.warning(
                "the COMMIT of a session was cancelled or not answered, and nobody knows whether it was done: %d calls "
                "of receivers that waited for its end are not made (%s)",
                len(queue.waited),
                ", ".join(map(str, queue.waited)),
            )
            return
        receivers = queue.receivers(is_committed)
        if receivers:
            wait_for(queue.run() if is_committed else queue.run_undone(), receivers)
        return
    if not is_committed:
        queue.forget_since(waiting.begin)
    if queue.commits_in is not None and queue.commits_in is queue.here():
        receivers = queue.receivers(is_committed, waiting.begin)
        wait_for(queue.run_since(waiting.begin, is_committed), receivers)
