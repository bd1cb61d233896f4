"""The bridge from SQLAlchemy's sessions to the signals: the events of the one fire the other.

``session.info["aldis"] = False`` turns it off for one session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.interfaces import EXT_CONTINUE

from ...context import DISABLED
from ...dispatch.sender import NAMED, notify_of_classes
from ...greenlets import wait_for
from ..internals import flush_again
from ..mapping.table import LISTENED, NAMED_AND_MAPPED
from ..saving.announcing import announce
from ..transactions.after_commit import committed, ended, rolled_back, savepoint_begun
from ..transactions.session_rollback import forget, put_back, put_back_or_join
from .row import ASKED, Asked, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.engine import Result
    from sqlalchemy.orm import InstanceState, ORMExecuteState, SessionTransaction, UOWTransaction

    from .flush import Flush

__all__ = ["ask_later", "listen"]

FLUSHES: Final[dict[int, Flush]] = {}
"""The flushes that are going on, by the session's number."""

FOLLOWED: Final[set[int]] = set()
"""The sessions that flush the changes which receivers of a flush have left."""


def ask_later(session: Session, instance: object, asked: Asked) -> None:
    """Have the end of a flush that is going on fulfil the request of an instance's own method, if it still has to."""
    state = instance_state(instance)
    flush = FLUSHES.get(session.hash_key)
    if flush is None or not flush.knows(state):
        ASKED[state] = asked


def before_flush(session: Session, context: UOWTransaction, instances: Sequence[object] | None) -> None:
    """Fire the signals before."""
    told = session.info.get("aldis", ())
    if told is False or DISABLED.get():
        return
    from .flush import Flush  # here: many programs flush no session

    flush = FLUSHES[session.hash_key] = Flush(session, instances, told if isinstance(told, frozenset) else ())
    flush.context = context
    try:
        if flush.concerned():
            wait_for(flush.before(), flush.receivers())
    except BaseException:
        FLUSHES.pop(session.hash_key, None)
        raise
    if not flush.has_work():
        FLUSHES.pop(session.hash_key, None)


def after_flush(session: Session, _context: UOWTransaction) -> None:
    """Fire the signals after, and flush the changes that receivers have left; still in the flush's transaction."""
    flush = FLUSHES.pop(session.hash_key, None)
    if flush is None or not flush.has_told():
        return
    wait_for(flush.after(), flush.receivers())
    if session.hash_key in FOLLOWED or flush.only is not None:
        return
    from .flush import LIMIT, endless

    FOLLOWED.add(session.hash_key)
    try:
        for _ in range(LIMIT):
            if not flush.has_work() or not flush_again(session):
                return
        raise endless(session)
    finally:
        FOLLOWED.discard(session.hash_key)


def before_row(_mapper: Mapper[Any], _connection: Connection, state: InstanceState[Any]) -> Any:
    """Fire the signal before a row that was not known before the flush."""
    if FLUSHES:  # else nobody listens: most rows come by here
        flush = FLUSHES.get(state.session_id or 0)
        if flush is not None and state not in flush.saved:
            flush.late(state, is_delete=False)
    return EXT_CONTINUE


def after_row(_mapper: Mapper[Any], _connection: Connection, state: InstanceState[Any]) -> Any:
    """Take note that a row was written."""
    if FLUSHES:
        flush = FLUSHES.get(state.session_id or 0)
        if flush is not None:
            row = flush.saved.get(state)
            if row is not None:
                announce(flush.session, [state], flush.context)
            if type(row) is Row:
                flush.note_row(row)
            elif row is not None:  # plainly new: most rows are
                flush.done.append(state.obj())
    return EXT_CONTINUE


def before_row_is_deleted(_mapper: Mapper[Any], _connection: Connection, state: InstanceState[Any]) -> Any:
    """Fire the signal before a row that was not known to be deleted before the flush."""
    flush = FLUSHES.get(state.session_id or 0)
    if flush is not None:
        flush.late(state, is_delete=True)
    return EXT_CONTINUE


def after_row_is_deleted(_mapper: Mapper[Any], _connection: Connection, state: InstanceState[Any]) -> Any:
    """Take note that a row was deleted."""
    flush = FLUSHES.get(state.session_id or 0)
    if flush is not None and (row := flush.deleted.get(state)) is not None:
        flush.note_row(row)
    return EXT_CONTINUE


def after_rollback(session: Session, transaction: SessionTransaction) -> None:
    """Forget a flush that has failed, and the calls that waited for the commit."""
    flush = FLUSHES.pop(session.hash_key, None)
    if flush is not None and flush.links is not None:
        flush.links.rows.unwatch()
    rolled_back(session, transaction)


def after_end(session: Session, transaction: SessionTransaction) -> None:
    """Call the receivers that waited for the commit; a flush that found nothing to do is over by now, too."""
    if transaction.parent is None:
        FLUSHES.pop(session.hash_key, None)
    put_back_or_join(transaction)
    ended(session, transaction)


def on_statement(statement: ORMExecuteState) -> Result[Any] | None:
    """Fire the signals of a statement on a model."""
    if statement.is_select or statement.session.info.get("aldis", True) is False or DISABLED.get():
        return None
    from .statements import around_statement  # here: most programs flush, and run no statements on models

    return around_statement(statement)


def listen(model: type[Any]) -> None:
    """Listen to all sessions, to the rows of the models that derive from a class, and of classes that receivers name.

    Args:
        model: ``aldis.Model``.
    """
    LISTENED.add(model)
    event.listen(Session, "before_flush", before_flush)
    event.listen(Session, "after_flush_postexec", after_flush)
    event.listen(Session, "do_orm_execute", on_statement)
    event.listen(Session, "after_transaction_create", savepoint_begun)
    event.listen(Session, "after_soft_rollback", after_rollback)
    event.listen(Session, "after_commit", forget)
    event.listen(Session, "after_rollback", put_back)
    event.listen(Session, "after_commit", committed)
    event.listen(Session, "after_transaction_end", after_end)
    for name, function in OF_ROWS.items():
        # With retval=True SQLAlchemy wraps no other function around ours.
        event.listen(model, name, function, raw=True, retval=True, propagate=True)

    def listen_to(sender: type[Any]) -> None:
        if issubclass(sender, model):
            return
        if "__mapper__" in vars(sender):
            listen_to_rows(sender)
        for each in type.__subclasses__(sender):
            listen_to(each)

    def after_mapper_constructed(_mapper: Mapper[Any], mapped: type[Any]) -> None:
        if not issubclass(mapped, model) and any(base in NAMED for base in mapped.__mro__):
            listen_to_rows(mapped)

    notify_of_classes(listen_to)
    event.listen(Mapper, "after_mapper_constructed", after_mapper_constructed)


def listen_to_rows(model: type[Any]) -> None:
    """Listen to the rows of one mapped class that is without the mixin."""
    if model not in NAMED_AND_MAPPED:
        NAMED_AND_MAPPED.add(model)
        for name, function in OF_ROWS.items():
            event.listen(model, name, function, raw=True, retval=True)


OF_ROWS: Final[dict[str, Callable[..., Any]]] = {
    "before_insert": before_row,
    "before_update": before_row,
    "after_insert": after_row,
    "after_update": after_row,
    "before_delete": before_row_is_deleted,
    "after_delete": after_row_is_deleted,
}
"""The functions that are called for the rows of a class, by SQLAlchemy's events."""
