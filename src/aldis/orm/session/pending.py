"""The objects that wait in a session to be written, while a savepoint may be rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import make_transient
from sqlalchemy.orm.attributes import flag_dirty, instance_state

from ..internals import delete_again
from ..mapping.instance_state import Snapshot

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState, Session

__all__ = ["Pending", "take_out"]


class Pending:
    """The objects that wait in a session to be written, and those that are about to.

    Args:
        session: The session.
        more: Those that are about to.
    """

    def __init__(self, session: Session, *more: object) -> None:
        self.session = session
        instances = [*more, *session.new, *session.dirty, *session.deleted]
        self.before = {state: Snapshot(state) for state in map(instance_state, instances)}
        self.expired = {state for state in self.before if state.expired}
        self.instances = instances
        """Held, so that none is gone when it is to be put back."""
        self.new = set(map(instance_state, session.new))
        self.deleted = set(map(instance_state, session.deleted))

    def put_back(self) -> None:
        """Let it wait again, after the rollback to the savepoint."""
        for state, before in self.before.items():
            before.put_back(state)
            state.expired = state in self.expired
            state.modified = False  # so that the session takes note when it is flagged
            if state in self.new:
                self.session.add(state.obj())
            elif before.modified:
                flag_dirty(state.obj())
            if state in self.deleted:
                delete_again(self.session, state)


def take_out(session: Session, state: InstanceState[Any]) -> None:
    """Take a new instance out of a session, and the new ones that its cascades would take along.

    ``session.expunge()`` takes stored ones along too, and the instance whose ``save()`` this is.
    """
    own = session.info.get("aldis") or ()
    for _, _, each, _ in list(state.mapper.cascade_iterator("expunge", state)):
        if each.key is None and each not in own:
            make_transient(each.obj())
    make_transient(state.obj())
