"""The instances that operations have written in a session's transaction (``using=session``): put back with it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

from .rollback import RollbackScope

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, SessionTransaction

__all__ = ["forget", "put_back", "put_back_later", "put_back_or_join"]

KEPT: Final[weakref.WeakKeyDictionary[SessionTransaction, RollbackScope]] = weakref.WeakKeyDictionary()
"""The changes that are undone with each transaction, and with each savepoint, of a session."""


def put_back_later(session: Session, rollback: RollbackScope) -> None:
    """Put back the instances that operations have changed, if the session's transaction or savepoint rolls back."""
    transaction = session.get_nested_transaction() or session.get_transaction()
    if transaction is not None and rollback.done:
        rollback.join(KEPT.setdefault(transaction, RollbackScope()))


def put_back(session: Session) -> None:
    """Put back the instances changed in a transaction, or savepoint, that is rolled back; for ``after_rollback``."""
    transaction = session.get_nested_transaction() or session.get_transaction() if KEPT else None
    kept = None if transaction is None else KEPT.pop(transaction, None)
    if kept is not None:
        kept.undo()


def forget(session: Session) -> None:
    """Let go of committed changes; for SQLAlchemy's event ``after_commit``, which tells of savepoints too."""
    if KEPT and not session.in_nested_transaction() and (transaction := session.get_transaction()) is not None:
        KEPT.pop(transaction, None)


def put_back_or_join(transaction: SessionTransaction) -> None:
    """Let the transaction around a savepoint undo the savepoint's changes; for the event ``after_transaction_end``.

    A transaction that ends without a commit, since its session is closed, is rolled back by the database.
    """
    kept = KEPT.pop(transaction, None)
    if kept is None:
        return
    around = transaction.parent
    while around is not None and around.parent is not None and not around.nested:
        around = around.parent
    if around is None:
        kept.undo()
    else:
        kept.join(KEPT.setdefault(around, RollbackScope()))
