"""The state of an instance before an operation, to be put back when the operation is undone."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import InstanceState, make_transient, make_transient_to_detached
from sqlalchemy.orm.attributes import instance_state

__all__ = ["Snapshot", "store"]


class Snapshot:
    """What an instance is now: its values, its history, and whether it is stored."""

    __slots__ = ("committed", "expired", "key", "modified", "others", "state", "values")

    def __init__(self, instance: object) -> None:
        state: InstanceState[Any] = instance_state(instance)
        self.others: list[Snapshot] = []
        """Those of related instances, which the same operation has written."""
        self.state = state
        self.key = state.key
        self.values = dict(state.dict)
        self.committed = dict(state.committed_state)
        self.modified = state.modified
        self.expired = set(state.expired_attributes)

    def put_back(self) -> None:
        """Make the instance what it was, and the others."""
        for other in self.others:
            other.put_back()
        state = self.state
        state.key = self.key
        state.dict.clear()
        state.dict.update(self.values)
        state.committed_state.clear()
        state.committed_state.update(self.committed)
        state.expired_attributes.clear()
        state.expired_attributes.update(self.expired)
        state.modified = self.modified


def store(instance: object, values: dict[str, Any]) -> None:
    """Give an instance the values that its row has, and make it what a session leaves behind: detached and clean.

    A change of an attribute that was not written stays pending.

    Args:
        instance: The instance.
        values: The row's values, by attribute name.
    """
    state: InstanceState[Any] = instance_state(instance)
    pending = {}
    if state.key is not None:
        pending = {name: value for name, value in state.committed_state.items() if name not in values}
    state.dict.update(values)
    if state.key is not None:
        make_transient(instance)
    make_transient_to_detached(instance)
    if pending:
        state.committed_state.update(pending)
        state.modified = True
