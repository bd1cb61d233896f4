"""Instances that a flush is about to write: their keys and links, which it may forget, are kept for the rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import RelationshipDirection
from sqlalchemy.orm.attributes import instance_state

from ..mapping.instance_state import Snapshot, show_again
from ..mapping.many_to_many import items
from ..mapping.members import members_of, relationships_of, wait_again_in
from ..transactions.rollback import OfOne

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import InstanceState, RelationshipProperty

    from ..transactions.savepoints import Transaction

__all__ = ["remember_links", "remember_related"]


def remember_links(transaction: Transaction, instances: Collection[object]) -> None:
    """Have the keys and the links of instances, which a flush is about to write, shown again before a rollback."""
    for state in map(instance_state, instances):
        transaction.scope.add(Flushed(state))


def remember_related(transaction: Transaction, session: AsyncSession, own: Collection[object]) -> None:
    """Have the related instances, which a flush may write or change too, put back when the transaction is undone.

    Those that wait in a collection that is not loaded, or that no cascade takes along, are not in the session, and get
    foreign keys all the same.
    """
    waiting = [each for instance in (*own, *session) for each in members_of(instance_state(instance)).waiting]
    related = {id(each): each for _, _, added, deleted in waiting for each in (*added, *deleted)}
    for state in map(instance_state, own):
        names = [name for name in relationships_of(state) if refers_to_it(state.mapper.relationships[name])]
        related |= {id(each): each for name in names for each in items(state, name)}
    related |= {id(each): each for each in session}
    for instance in own:
        related.pop(id(instance), None)
    for state in map(instance_state, related.values()):
        transaction.scope.remember(state, Snapshot(state))


def refers_to_it(relationship: RelationshipProperty[Any]) -> bool:
    """Tell whether the rows at the other end of a relationship have the foreign key."""
    return relationship.direction is RelationshipDirection.ONETOMANY


class Flushed(OfOne):
    """The key and the links of an instance that is about to be flushed, for its rollback.

    A flush that fails expires the links, one that does not forgets those of collections that are not loaded, and the
    key of an orphan. Whoever puts the instance back needs them to know the other ends.

    Args:
        state: The state of the instance.
    """

    __slots__ = ("key", "members", "related")

    def __init__(self, state: InstanceState[Any]) -> None:
        super().__init__(state)
        self.key = state.key
        self.members = members_of(state)
        self.related = {name: state.dict[name] for name in relationships_of(state) if name in state.dict}

    def put_back(self) -> None:
        """Let the instance have its key and show its links again, if it is still there."""
        state = self.state()
        if state is not None:
            state.key = state.key or self.key
            show_again(state, self.related)
            wait_again_in(state, self.members)
