"""SQLAlchemy's state of an instance: every read and write of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ClauseElement
from sqlalchemy.orm import InstanceState, RelationshipDirection, RelationshipProperty, make_transient_to_detached
from sqlalchemy.orm.attributes import instance_state, set_committed_value
from sqlalchemy.orm.base import NO_VALUE

from .rowwise import types as types_of
from .table import TableMapping

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from .table import TableMapping

__all__ = [
    "STATE",
    "Snapshot",
    "changes",
    "detach",
    "expire_again",
    "foreign_keys",
    "put_back",
    "renew",
    "show_again",
    "store",
    "take_changes",
    "takes_key",
]


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


def detach(mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any]) -> None:
    """Make a new instance what a session leaves behind: it has the values of its row, is detached and clean.

    What the row has and the instance does not is marked as expired.

    Args:
        mapping: The mapping of its class.
        state: The state of the instance.
        column_values: The row's values, by column key.
    """
    values = state.dict
    attributes = mapping.attributes
    for key, value in column_values.items():
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


def renew(mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any]) -> None:
    """Give an instance that was updated the values that its row has now; other changes stay pending.

    Args:
        mapping: The mapping of its class.
        state: The state of the instance.
        column_values: What the row got, by column key.
    """
    values = column_values if mapping.is_named_alike else mapping.by_attribute(column_values)
    if (
        not column_values.keys().isdisjoint(mapping.primary_key)
        or "_pending_mutations" in state.__dict__
        or state._deleted
    ):
        store(state.obj(), values)
        return
    committed = state.committed_state
    for name in values:
        committed.pop(name, None)
    state.dict.update(values)
    state.expired_attributes.difference_update(values)
    state.modified, state.expired = bool(committed), False


def take_changes(
    mapping: TableMapping, state: InstanceState[Any], was: Mapping[str, Any], now: Mapping[str, Any]
) -> None:
    """Give an instance what receivers have changed in its column values; what they took out is not written.

    Raises:
        TypeError: They have put in what is no column.
    """
    mapping.refuse_unknown(now.keys())
    instance, values = state.obj(), state.dict
    for key, value in now.items():
        if key not in was or was[key] is not value:
            setattr(instance, mapping.attributes[key], value)
    for key in was.keys() - now.keys():
        name = mapping.attributes[key]
        if name in state.committed_state and state.key is not None:
            set_committed_value(instance, name, state.committed_state[name])
        elif state.key is None:
            values.pop(name, None)


def changes(mapping: TableMapping, state: InstanceState[Any]) -> dict[str, Any]:
    """Return what an UPDATE of an instance writes, by column key: what differs from its row."""
    committed, values, manager = state.committed_state, state.dict, state.manager
    found = {}
    for name, key in mapping.columns:
        if name in committed and name in values:
            old = committed[name]
            if old is NO_VALUE or not manager[name].impl.is_equal(values[name], old):
                found[key] = values[name]
    return found


def parents(mapping: TableMapping, state: InstanceState[Any]) -> Iterator[tuple[RelationshipProperty[Any], Any]]:
    """Return the relationships of an instance that lead to a parent and were set, each with the parent."""
    touched = state.dict if state.key is None else state.committed_state
    for name in mapping.relationships.intersection(touched):
        relationship = mapping.mapper.relationships[name]
        if relationship.direction is RelationshipDirection.MANYTOONE and name in state.dict:
            yield relationship, state.dict[name]


def takes_key(mapping: TableMapping, state: InstanceState[Any]) -> bool:
    """Tell whether a stored instance has got another parent, whose key the flush puts into its row."""
    committed = state.committed_state
    return any(committed[relationship.key] is not parent for relationship, parent in parents(mapping, state))


def foreign_keys(mapping: TableMapping, state: InstanceState[Any]) -> dict[str, Any]:
    """Return the columns that the flush takes from parents that were set by object, as far as these have a key."""
    found: dict[str, Any] = {}
    for relationship, parent in parents(mapping, state):
        if state.key is None and parent is None:
            continue
        values = {} if parent is None else instance_state(parent).dict
        for local, remote in relationship.local_remote_pairs or ():
            value = values.get(relationship.mapper.get_property_by_column(remote).key)
            if local.key in mapping.attributes and (value is not None or parent is None):
                found[str(local.key)] = value
    return found


def put_back(session: Session, state: InstanceState[Any]) -> None:
    """Undo what was changed of a stored instance and not written."""
    instance = state.obj()
    for name, old in list(state.committed_state.items()):
        if old is NO_VALUE or name not in state.dict:
            session.expire(instance, [name])
        else:
            set_committed_value(instance, name, old)


PLAIN: Final[set[type[Any]]] = {str, int, float, bool, bytes, type(None)}


def has_expressions(rows: list[dict[str, Any]]) -> bool:
    """Tell whether a value of the rows is a SQL expression; each type is looked at once."""
    types = types_of(rows)
    if PLAIN.issuperset(types):
        return False
    for each in types - PLAIN:
        if issubclass(each, ClauseElement):
            return True
        PLAIN.add(each)
    return False


def show_again(state: InstanceState[Any], values: Mapping[str, Any]) -> list[str]:
    """Let an expired instance show the values that it had; return the names of those that it does not have any more."""
    gone = [name for name in values if name not in state.dict]
    state.dict.update((name, values[name]) for name in gone)
    state.expired_attributes.difference_update(gone)
    return gone


def expire_again(state: InstanceState[Any], names: Iterable[str]) -> None:
    """Expire what :func:`show_again` has shown, those aside that were changed meanwhile."""
    for name in names:
        if name not in state.committed_state and state.dict.pop(name, NO_VALUE) is not NO_VALUE:
            state.expired_attributes.add(name)
