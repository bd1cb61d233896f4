"""The relationships of an instance, which receivers may change: kept, and given back.

A change of one end of a relationship changes the instance at the other end, too (``back_populates``). Where the first
is undone, the other instance forgets the change: else its next save would write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy.orm.attributes import instance_state, set_committed_value
from sqlalchemy.orm.base import NO_VALUE, LoaderCallableStatus
from sqlalchemy.orm.collections import collection_adapter

from ..internals import reverses
from .many_to_many import cancel, is_unloaded, items, record_of, track

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

__all__ = [
    "COLLECTIONS",
    "MADE",
    "NO_MEMBERS",
    "Links",
    "Members",
    "forget_links",
    "give_links_back",
    "links_of",
    "members_of",
    "relationships_of",
    "wait_again_in",
    "was_made",
]


class Members(NamedTuple):
    """The members of an instance's collections, which may be changed in place."""

    loaded: Sequence[tuple[str, list[Any]]]
    """The name and the members of each that is loaded."""
    waiting: Sequence[tuple[str, Any, list[Any], list[Any]]]
    """Of each other one that has changes: its name, SQLAlchemy's record of them, and the members added and removed."""


Links = Mapping[str, tuple[list[Any], list[Any]]]
"""The names of relationships, and the instances that each links, and links no more."""

COLLECTIONS: Final = "aldis collections"
"""Where a class manager has the names of its collections; a class without any costs no call."""

ARE_LOADED: Final = "aldis loaded collections"
"""Where it has whether all of them can be loaded: none is write-only or dynamic."""

RELATIONSHIPS: Final = "aldis relationships"
"""Where it has the names of its relationships that are written."""

MADE: Final = "aldis made"
"""Marks the state of an instance that a call makes, and links: nothing has linked it before."""

NO_MEMBERS: Final = Members((), ())

NOTHING: Final[Mapping[str, Any]] = {}


def members_of(state: InstanceState[Any]) -> Members:
    """Return the members of an instance's collections: receivers may change these in place."""
    info = state.manager.info
    names = info.get(COLLECTIONS)
    if names is None:
        impls = {each.key: state.manager[each.key].impl for each in state.mapper.relationships}
        info[ARE_LOADED] = not any(map(is_unloaded, impls.values()))
        names = info[COLLECTIONS] = tuple(name for name, impl in impls.items() if is_collection(impl))
    if not names:
        return NO_MEMBERS
    adapters = [(name, getattr(state.dict.get(name), "_sa_adapter", None)) for name in names]
    loaded = [(name, [*adapter]) for name, adapter in adapters if adapter is not None]
    waiting: list[tuple[str, Any, list[Any], list[Any]]] = []
    if not info[ARE_LOADED] or "_pending_mutations" in state.__dict__:
        waiting = [(name, each, [*each.added_items], [*each.deleted_items]) for name, each in waiting_in(state, names)]
    return Members(loaded, waiting) if loaded or waiting else NO_MEMBERS


def was_made(state: InstanceState[Any]) -> bool:
    """Tell whether a call has just made an instance, and linked it; the next one is told that it was not.

    Ask only if the state has ``info``, which most have not: SQLAlchemy makes it when it is read.
    """
    return bool(state.info.pop(MADE, False))


def is_collection(impl: Any) -> bool:
    """Tell whether SQLAlchemy's part of a relationship is of one to many instances."""
    return bool(impl.collection) or is_unloaded(impl)


def waiting_in(state: InstanceState[Any], names: Sequence[str]) -> list[tuple[str, Any]]:
    """Return SQLAlchemy's records of changes of collections that are not loaded, or never are (write-only, dynamic)."""
    records = [(name, record_of(state, name)) for name in names]
    return [(name, record) for name, record in records if record is not None]


def relationships_of(state: InstanceState[Any]) -> tuple[str, ...]:
    """Return the names of the relationships of a class that are written; keep them for the next time."""
    names: tuple[str, ...] | None = state.manager.info.get(RELATIONSHIPS)
    if names is None:
        names = tuple(each.key for each in state.mapper.relationships if not each.viewonly)
        state.manager.info[RELATIONSHIPS] = names
    return names


def links_of(state: InstanceState[Any]) -> Links:
    """Return the instances that an instance is linked with."""
    names = relationships_of(state)
    waiting = dict(waiting_in(state, names)) if names else NOTHING
    return {
        name: ([*waiting[name].added_items], [*waiting[name].deleted_items])
        if name in waiting
        else (items(state, name), [])
        for name in names
    }


def give_links_back(state: InstanceState[Any], members: Members, links: Links, is_made: bool = False) -> None:
    """Give the collections of an instance, which has its earlier values again, their members; tell the other ends.

    Args:
        state: The state of the instance.
        members: The members; see :func:`members_of`.
        links: The instances that it was linked with until now; see :func:`links_of`.
        is_made: The call has made the instance: the others were not linked with it before.
    """
    if not links:
        return
    for name, each in members.loaded:
        put_members_back(state, name, each)
    wait_as_before(state, members, links)
    again = links_of(state)
    for name, (linked, unlinked) in links.items():
        linked_again, unlinked_again = ([], []) if is_made else again[name]
        added, removed = without(linked, linked_again), without(linked_again, linked)
        removed += without(unlinked, unlinked_again)
        for others, is_linked in ((added, False), (removed, True)):
            for other in others:
                track(state, name, instance_state(other), is_linked)
        for reverse in reverses(state.mapper.relationships[name]) if added or removed else ():
            for other in added:
                unlink(instance_state(other), reverse.key, state, name)
            for other in removed:
                link_again(instance_state(other), reverse.key, state, name)


def forget_links(state: InstanceState[Any]) -> None:
    """Unlink an instance whose constructor has raised, and which nobody is going to have, from all others."""
    links = links_of(state)
    for name in links:
        state.dict.pop(name, None)
        state.committed_state.pop(name, None)
    give_links_back(state, NO_MEMBERS, links, is_made=True)


def wait_as_before(state: InstanceState[Any], members: Members, names: Iterable[str]) -> None:
    """Give SQLAlchemy's records of changes of collections that are not loaded their content of before."""
    kept = {name for name, *_ in members.waiting}
    for name in names:
        if name not in kept and name in state.committed_state and is_unloaded(state.manager[name].impl):
            del state.committed_state[name]
    state.__dict__.pop("_pending_mutations", None)
    wait_again_in(state, members)


def wait_again_in(state: InstanceState[Any], members: Members) -> None:
    """Let changes of collections that are not loaded wait as they did."""
    for name, record, added, deleted in members.waiting:
        for now, then in ((record.added_items, added), (record.deleted_items, deleted)):
            now.difference_update([*now])
            now.update(then)
        if is_unloaded(state.manager[name].impl):
            state.committed_state[name] = record
        else:
            state.__dict__.setdefault("_pending_mutations", {})[name] = record


def without(instances: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Return the instances that are not among others."""
    ids = {*map(id, others)}
    return [each for each in instances if id(each) not in ids]


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
    if is_collection(impl):
        stored = [each for each in before if each is owner.obj()] if isinstance(before, list) else []
        if not stored:
            cancel(state, name, [owner.obj()], is_added=True, key=id)
        elif name in state.dict:  # one that is there already is there twice, once it is linked again
            adapter: Any = collection_adapter(state.dict[name])
            for each in [each for each in adapter if each is owner.obj()][len(stored) :]:
                adapter.remove_without_event(each)
        settle(state, name)
    elif state.dict.get(name) is owner.obj():
        track(state, name, owner, is_linked=False)
        del state.committed_state[name], state.dict[name]
        if not isinstance(before, LoaderCallableStatus):  # it was loaded
            state.dict[name] = before
            if before is not None:
                link_again(instance_state(before), reverse, state, name)


def link_again(state: InstanceState[Any], name: str, owner: InstanceState[Any], reverse: str) -> None:
    """Undo at its own end that an instance was linked no more with one that is put back; arguments as above."""
    impl: Any = state.manager[name].impl
    if is_collection(impl):
        cancel(state, name, [owner.obj()], is_added=False, key=id)
        settle(state, name)
    elif state.dict.get(name) is None:
        state.dict[name] = owner.obj()
        if state.committed_state.get(name) is owner.obj():
            del state.committed_state[name]
        track(state, name, owner, is_linked=True)
    track(owner, reverse, state, is_linked=True)


def settle(state: InstanceState[Any], name: str) -> None:
    """Let a collection that has the stored members again be unchanged, and have them in their order."""
    before: Any = state.committed_state.get(name)
    adapter = collection_adapter(state.dict[name]) if isinstance(before, list) and name in state.dict else None
    if adapter is not None and len(before) == len(adapter) and {*map(id, before)} == {*map(id, adapter)}:
        put_members_back(state, name, before)
        del state.committed_state[name]
