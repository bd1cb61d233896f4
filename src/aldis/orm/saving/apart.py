"""New rows that a flush of others leaves alone, though a parent that they share leads SQLAlchemy's cascades to them.

A cascade goes from a new row to its parent, and from there to all of the parent's new children. These are rows of the
same operation, perhaps: one that a receiver has skipped, or one whose conflict must not undo the others.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import RelationshipDirection
from sqlalchemy.orm.attributes import instance_state

from ..internals import reverses
from ..mapping.many_to_many import committed_items, items, record_of, waiting_of
from ..mapping.members import relationships_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Set as AbstractSet

    from sqlalchemy.orm import InstanceState, RelationshipProperty, Session

__all__ = ["led_to", "needed_first", "parents_of", "set_apart"]


def led_to(state: InstanceState[Any]) -> set[InstanceState[Any]]:
    """Return the states of the instances that SQLAlchemy's cascades add to a session with one."""
    return {other for _, _, other, _ in state.mapper.cascade_iterator("save-update", state)}


def needed_first(states: Collection[InstanceState[Any]]) -> list[InstanceState[Any]]:
    """Return the states of rows in an order in which each comes after those that it refers to, if there is one."""
    among = set(states)
    needs = {state: [other for other in parents_of(state) if other in among and other is not state] for state in states}
    try:
        return [*TopologicalSorter(needs).static_order()]
    except CycleError:
        return [*states]


def parents_of(state: InstanceState[Any]) -> list[InstanceState[Any]]:
    """Return the states of the instances that an instance refers to, many to one."""
    names = [each.key for each in state.mapper.relationships if each.direction is RelationshipDirection.MANYTOONE]
    return [instance_state(other) for name in names for other in items(state, name)]


def set_apart(session: Session, instances: Collection[object], others: AbstractSet[InstanceState[Any]]) -> None:
    """Take other new rows out of a session, and out of the changes that its flush writes.

    Those that the rows need stay: a row that one refers to, or whose own foreign key only the flush of its parent sets.
    One that refers to the parent itself is linked with it when it is inserted.

    Args:
        session: The session, with the rows to write.
        instances: These rows.
        others: The states of the others.
    """
    needed, links = reached(session, map(instance_state, instances), others)
    if not links:
        return
    for (state, name), linked in links.items():
        apart = [each for each in linked if instance_state(each) not in needed]
        record = record_of(state, name)
        if record is not None:
            record.added_items.difference_update(apart)
        if name in state.committed_state and name in state.dict and state.manager[name].impl.collection:
            state.committed_state[name] = [*committed_items(state, name), *apart]
    left_out = {instance_state(each) for linked in links.values() for each in linked}
    for state in reached(session, left_out - needed, needed)[0] - needed:
        if state.obj() in session:
            session.expunge(state.obj())
    for state in needed:
        if state.obj() not in session:  # the cascade of an expunge leads to it
            session.add(state.obj())


def reached(
    session: Session, states: Iterable[InstanceState[Any]], others: AbstractSet[InstanceState[Any]]
) -> tuple[set[InstanceState[Any]], dict[tuple[InstanceState[Any], str], list[object]]]:
    """Go from instances along their links to all in a session, but to others only where these do not refer back.

    Args:
        session: The session.
        states: The states of the instances.
        others: The states of the others.

    Returns:
        The states that were reached; and the others that were not, by the state and the relationship that lead to them.
    """
    found = set(states)
    links: dict[tuple[InstanceState[Any], str], list[object]] = {}
    queue = [*found]
    while queue:
        state = queue.pop()
        for name in relationships_of(state):
            relationship = state.mapper.relationships[name]
            for each in (*items(state, name), *waiting_of(state, name, are_added=True)):
                other = instance_state(each)
                if other in found:
                    continue
                if other in others and refers_to(other, relationship, state):
                    links.setdefault((state, name), []).append(each)
                elif each in session:
                    found.add(other)
                    queue.append(other)
    return found, links


def refers_to(other: InstanceState[Any], relationship: RelationshipProperty[Any], state: InstanceState[Any]) -> bool:
    """Tell whether an instance at the other end of a relationship has the link too, and can write it."""
    if relationship.direction is RelationshipDirection.MANYTOONE:
        return False
    parent = state.obj()  # the program's own classes may compare by their values
    return any(found is parent for each in reverses(relationship) for found in items(other, each.key))
