"""The foreign keys that a flush takes from parents that were set by object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import InstanceState, RelationshipDirection, RelationshipProperty
from sqlalchemy.orm.attributes import instance_state

from .table import TableMapping

__all__ = ["foreign_keys", "takes_key"]


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
