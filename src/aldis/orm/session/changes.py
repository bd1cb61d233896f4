"""What a flush writes of an instance, and what it is made of by receivers: read and written without SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import InstanceState, RelationshipDirection, RelationshipProperty
from sqlalchemy.orm.attributes import instance_state, set_committed_value
from sqlalchemy.orm.base import NO_VALUE

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ..shape import Shape

__all__ = ["changes", "foreign_keys", "put_back", "take_changes", "takes_key"]


def take_changes(shape: Shape, state: InstanceState[Any], was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Give an instance what receivers have changed in its column values; what they took out is not written.

    Raises:
        TypeError: They have put in what is no column.
    """
    shape.refuse_unknown(now.keys())
    instance, values = state.obj(), state.dict
    for key, value in now.items():
        if key not in was or was[key] is not value:
            setattr(instance, shape.attributes[key], value)
    for key in was.keys() - now.keys():
        name = shape.attributes[key]
        if name in state.committed_state and state.key is not None:
            set_committed_value(instance, name, state.committed_state[name])
        elif state.key is None:
            values.pop(name, None)


def changes(shape: Shape, state: InstanceState[Any]) -> dict[str, Any]:
    """Return what an UPDATE of an instance writes, by column key: what differs from its row."""
    committed, values, manager = state.committed_state, state.dict, state.manager
    found = {}
    for name, key in shape.columns:
        if name in committed and name in values:
            old = committed[name]
            if old is NO_VALUE or not manager[name].impl.is_equal(values[name], old):
                found[key] = values[name]
    return found


def parents(shape: Shape, state: InstanceState[Any]) -> Iterator[tuple[RelationshipProperty[Any], Any]]:
    """Return the relationships of an instance that lead to a parent and were set, each with the parent."""
    touched = state.dict if state.key is None else state.committed_state
    for name in shape.relationships.intersection(touched):
        relationship = shape.mapper.relationships[name]
        if relationship.direction is RelationshipDirection.MANYTOONE and name in state.dict:
            yield relationship, state.dict[name]


def takes_key(shape: Shape, state: InstanceState[Any]) -> bool:
    """Tell whether a stored instance has got another parent, whose key the flush puts into its row."""
    committed = state.committed_state
    return any(committed[relationship.key] is not parent for relationship, parent in parents(shape, state))


def foreign_keys(shape: Shape, state: InstanceState[Any]) -> dict[str, Any]:
    """Return the columns that the flush takes from parents that were set by object, as far as these have a key."""
    found: dict[str, Any] = {}
    for relationship, parent in parents(shape, state):
        if state.key is None and parent is None:
            continue
        values = {} if parent is None else instance_state(parent).dict
        for local, remote in relationship.local_remote_pairs or ():
            value = values.get(relationship.mapper.get_property_by_column(remote).key)
            if local.key in shape.attributes and (value is not None or parent is None):
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
