"""The relationships of an instance, which receivers may change: kept, and given back.

A change of one end of a relationship changes the instance at the other end, too (``back_populates``). Where the first
is undone, the other instance forgets the change: else its next save would write it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm.attributes import instance_state, set_committed_value
from sqlalchemy.orm.base import NO_VALUE, LoaderCallableStatus
from sqlalchemy.orm.collections import collection_adapter

from ..internals import reverses
from .many_to_many import cancel, items

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

__all__ = ["COLLECTIONS", "Links", "Members", "give_links_back", "links_of", "members_of"]

Members = Sequence[tuple[str, list[Any]]]
"""The names of collections, and the members of each."""

Links = Mapping[str, list[Any]]
"""The names of relationships, and the instances that each links."""

COLLECTIONS: Final = "aldis collections"
"""Where a class manager has the names of its collections; a class without any costs no call."""

RELATIONSHIPS: Final = "aldis relationships"
"""Where it has the names of its relationships that are written."""


def members_of(state: InstanceState[Any]) -> Members:
    """Return the members of an instance's loaded collections, by their names: receivers may change these in place."""
    names = state.manager.info.get(COLLECTIONS)
    if names is None:
        names = collections_of(state)
    if not names:
        return ()
    adapters = [(name, getattr(state.dict.get(name), "_sa_adapter", None)) for name in names]
    return [(name, [*adapter]) for name, adapter in adapters if adapter is not None] or ()


def collections_of(state: InstanceState[Any]) -> tuple[str, ...]:
    """Return the names of the relationships of a class whose values are collections; keep them for the next time."""
    impls: dict[str, Any] = {each.key: state.manager[each.key].impl for each in state.mapper.relationships}
    names = tuple(name for name, impl in impls.items() if impl.collection and not getattr(impl, "dynamic", False))
    state.manager.info[COLLECTIONS] = names
    return names


def links_of(state: InstanceState[Any]) -> Links:
    """Return the instances that an instance is linked with."""
    names = state.manager.info.get(RELATIONSHIPS)
    if names is None:
        names = tuple(each.key for each in state.mapper.relationships if not each.viewonly)
        state.manager.info[RELATIONSHIPS] = names
    return {name: items(state, name) for name in names}


def give_links_back(state: InstanceState[Any], members: Members, links: Links) -> None:
    """Give the collections of an instance, which has its earlier values again, their members; tell the other ends.

    Args:
        state: The state of the instance.
        members: The members; see :func:`members_of`.
        links: The instances that it was linked with until now; see :func:`links_of`.
    """
    for name, each in members:
        put_members_back(state, name, each)
    for name, linked in links.items():
        again = items(state, name)
        ids, ids_now = {*map(id, again)}, {*map(id, linked)}
        if ids == ids_now:
            continue
        for reverse in reverses(state.mapper.relationships[name]):
            for other in linked:
                if id(other) not in ids:
                    unlink(instance_state(other), reverse.key, state, name)
            for other in again:
                if id(other) not in ids_now:
                    link_again(instance_state(other), reverse.key, state, name)


def put_members_back(state: InstanceState[Any], name: str, members: list[object]) -> None:
    """Give a collection the members that it had, with no event; changes that wait to be written do so still."""
    adapter = collection_adapter(state.dict[name])
    if adapter is None:  # another collection took its place
        waiting = {name: state.committed_state[name]} if name in state.committed_state else {}
        set_committed_value(state.obj(), name, members)
        state.committed_state.update(waiting)
    elif [*map(id, adapter)] != [*map(id, members)]:
        adapter.clear_without_event()
        adapter.append_multiple_without_event(members)


def unlink(state: InstanceState[Any], name: str, owner: InstanceState[Any], reverse: str) -> None:
    """Undo at its own end that an instance was linked with one that is put back, unless that is stored.

    An instance that was linked with another one before is so again, at both ends, if that is known: it was stored.

    Args:
        state: The state of the instance.
        name: Its relationship.
        owner: The state of the one that is put back.
        reverse: The relationship of that one.
    """
    if name not in state.committed_state and name not in state.__dict__.get("_pending_mutations", ()):
        return
    before = state.committed_state.get(name, NO_VALUE)
    impl: Any = state.manager[name].impl
    if impl.collection or getattr(impl, "dynamic", False):
        if not isinstance(before, list) or not any(each is owner.obj() for each in before):
            cancel(state, name, [owner.obj()], is_added=True)
            track(owner, reverse, state, is_linked=False)
            settle(state, name)
    elif state.dict.get(name) is owner.obj():
        track(owner, reverse, state, is_linked=False)
        track(state, name, owner, is_linked=False)
        del state.committed_state[name], state.dict[name]
        if not isinstance(before, LoaderCallableStatus):  # it was loaded
            state.dict[name] = before
            if before is not None:
                link_again(instance_state(before), reverse, state, name)


def link_again(state: InstanceState[Any], name: str, owner: InstanceState[Any], reverse: str) -> None:
    """Undo at its own end that an instance was linked no more with one that is put back; arguments as above."""
    impl: Any = state.manager[name].impl
    if impl.collection or getattr(impl, "dynamic", False):
        cancel(state, name, [owner.obj()], is_added=False)
        settle(state, name)
    elif state.dict.get(name) is None:
        state.dict[name] = owner.obj()
        if state.committed_state.get(name) is owner.obj():
            del state.committed_state[name]
        track(state, name, owner, is_linked=True)
    track(owner, reverse, state, is_linked=True)


def track(state: InstanceState[Any], name: str, other: InstanceState[Any], is_linked: bool) -> None:
    """Let SQLAlchemy know if an instance has a parent by a relationship: it deletes orphans."""
    impl: Any = state.manager[name].impl
    if impl.trackparent:
        impl.sethasparent(other, state, is_linked)


def settle(state: InstanceState[Any], name: str) -> None:
    """Let a collection that has the stored members again be unchanged, and have them in their order."""
    before: Any = state.committed_state.get(name)
    adapter = collection_adapter(state.dict[name]) if isinstance(before, list) and name in state.dict else None
    if adapter is not None and len(before) == len(adapter) and {*map(id, before)} == {*map(id, adapter)}:
        put_members_back(state, name, before)
        del state.committed_state[name]
