"""The state of an instance before an operation, to be put back when the operation is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm import InstanceState, make_transient_to_detached
from sqlalchemy.orm.attributes import instance_state

if TYPE_CHECKING:
    from .shape import Shape

__all__ = ["STATE", "Snapshot", "detach", "renew", "store"]


STATE: Final = "_sa_instance_state"
"""Where an instance has its state, among its values."""

NOTHING: Final[frozenset[str]] = frozenset()


class Snapshot:
    """What an instance is now: its values, its history, and whether it is stored.

    Of ten thousand, Python's garbage collector has as little to look at as can be: dicts of plain values it leaves
    alone, and the collection that these would cause takes as long as a third of an UPDATE of all their rows.
    """

    __slots__ = ("committed", "expired", "key", "modified", "values")

    def __init__(self, state: InstanceState[Any]) -> None:
        self.key = state.key
        self.values = {name: value for name, value in state.dict.items() if name != STATE}
        self.committed = state.committed_state.copy()
        self.modified = state.modified
        self.expired = frozenset(state.expired_attributes) or NOTHING

    def put_back(self, state: InstanceState[Any]) -> None:
        """Make the instance of that state what it was."""
        state.key = self.key
        values = state.dict
        values.clear()
        values[STATE] = state
        values.update(self.values)
        state.committed_state.clear()
        state.committed_state.update(self.committed)
        state.expired_attributes.clear()
        state.expired_attributes.update(self.expired)
        state.modified = self.modified


def detach(shape: Shape, state: InstanceState[Any], written: dict[str, Any]) -> None:
    """Make a new instance what a session leaves behind: it has the values of its row, is detached and clean.

    What the row has and the instance does not is marked as expired.

    Args:
        shape: The shape of its class.
        state: The state of the instance.
        written: The row's values, by column key.
    """
    values = state.dict
    attributes = shape.attributes
    for key, value in written.items():
        values[attributes[key]] = value
    state.key = None
    make_transient_to_detached(state.obj())


def store(instance: object, values: dict[str, Any]) -> None:
    """Give a stored instance the values that its row has now: they are clean, and other changes stay pending.

    Args:
        instance: The instance.
        values: The row's values, by attribute name.
    """
    state: InstanceState[Any] = instance_state(instance)
    pending = {name: value for name, value in state.committed_state.items() if name not in values}
    state.dict.update(values)
    state.key = None
    make_transient_to_detached(instance)
    if pending:
        state.committed_state.update(pending)
        state.modified = True


def renew(shape: Shape, state: InstanceState[Any], written: dict[str, Any]) -> None:
    """Give an instance that was updated the values that its row has now; other changes stay pending.

    Args:
        shape: The shape of its class.
        state: The state of the instance.
        written: What the row got, by column key.
    """
    values = written if shape.is_named_alike else shape.by_attribute(written)
    if not written.keys().isdisjoint(shape.primary_key) or "_pending_mutations" in state.__dict__ or state._deleted:
        store(state.obj(), values)
        return
    committed = state.committed_state
    for name in values:
        committed.pop(name, None)
    state.dict.update(values)
    state.expired_attributes.difference_update(values)
    state.modified, state.expired = bool(committed), False
