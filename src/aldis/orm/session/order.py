"""The order in which a flush writes: parents before their children, as SQLAlchemy's unit of work has it."""

from __future__ import annotations

import weakref
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import MetaData
from sqlalchemy.exc import CircularDependencyError
from sqlalchemy.orm import InstanceState, Mapper, RelationshipDirection
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.schema import sort_tables_and_constraints
from sqlalchemy.util import topological

from ..internals import sort_key

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["KEY", "MANAGER", "in_order"]

KEY: Final = attrgetter("key")
MANAGER: Final = attrgetter("manager")

RANKS: Final[weakref.WeakKeyDictionary[MetaData, dict[Table, int]]] = weakref.WeakKeyDictionary()


def in_order(states: list[InstanceState[Any]]) -> list[InstanceState[Any]]:
    """Sort the states of instances that are to be saved; those to be deleted are in the reverse of it.

    Classes go by their tables' foreign keys. Within one, new instances are in the order in which they were added and
    stored ones in that of their keys; where rows of a table refer to each other, parents go first.
    """
    managers = set(map(MANAGER, states))
    classes: dict[Mapper[Any], list[InstanceState[Any]]] = {each.mapper.base_mapper: [] for each in managers}
    if len(classes) == 1:
        classes = dict.fromkeys(classes, states)
    else:
        for state in states:
            classes[state.manager.mapper.base_mapper].append(state)
    ordered: list[InstanceState[Any]] = []
    for mapper in sorted(classes, key=rank):
        found = classes[mapper]
        if any(map(KEY, found)):  # new ones, which have none, are given in their order
            found.sort(key=place)
        loops = [loop for each in mapper.self_and_descendants for loop in relationships_to_itself(each)]
        ordered += parents_first(found, loops) if loops and len(found) > 1 else found
    return ordered


def rank(mapper: Mapper[Any]) -> int:
    """Return where a class's table stands among those of its metadata."""
    table = mapper.local_table
    metadata: MetaData = getattr(table, "metadata", None) or MetaData()
    ranks = RANKS.get(metadata)
    if ranks is None or len(ranks) != len(metadata.tables):
        both = sort_tables_and_constraints(metadata.tables.values())  # type: ignore[no-untyped-call]
        ranks = RANKS[metadata] = {each: number for number, (each, _) in enumerate(both) if each is not None}
    return ranks.get(table, len(ranks))  # type: ignore[call-overload,no-any-return]


def place(state: InstanceState[Any]) -> tuple[int, Any]:
    """Return where an instance stands among those of its class."""
    if state.key is None:
        return 0, state.insert_order or 0
    return 1, sort_key(state)


def relationships_to_itself(mapper: Mapper[Any]) -> list[tuple[str, bool]]:
    """Return the relationships of a class with its own table: their names, and whether they lead to the parent."""
    return [
        (each.key, each.direction is RelationshipDirection.MANYTOONE)
        for each in mapper.relationships
        if each.mapper.base_mapper is mapper.base_mapper
        and each.direction is not RelationshipDirection.MANYTOMANY
        and not each.viewonly
        and not each.post_update
    ]


def parents_first(states: list[InstanceState[Any]], relationships: list[tuple[str, bool]]) -> list[InstanceState[Any]]:
    """Sort instances of one table that refer to each other."""
    among = set(states)
    edges: list[tuple[InstanceState[Any], InstanceState[Any]]] = []
    for state in states:
        for name, leads_to_parent in relationships:
            found = state.dict.get(name)
            if found is None:
                continue
            related = (instance_state(each) for each in getattr(found, "_sa_adapter", (found,)))
            both = ((each, state) if leads_to_parent else (state, each) for each in related)
            edges += [edge for edge in both if among.issuperset(edge) and edge[0] is not edge[1]]
    try:
        return list(topological.sort(edges, states, deterministic_order=True)) if edges else states
    except CircularDependencyError:
        return states  # the flush says so, or breaks the circle by a column that may be NULL
