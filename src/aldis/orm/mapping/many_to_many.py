"""A many-to-many relationship: its secondary table, the class at the other end, and the collections of instances.

A session's flush asks which pairs of instances it will link; an operation on a relation asks for the columns of the
secondary table, and shows the rows that it has written in the collections that are loaded.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Table, tuple_
from sqlalchemy.orm import InstanceState, RelationshipDirection, RelationshipProperty
from sqlalchemy.orm.attributes import get_history, instance_state, set_committed_value
from sqlalchemy.orm.base import NO_VALUE, PassiveFlag
from sqlalchemy.orm.collections import collection_adapter
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression

from ..internals import reverses

if TYPE_CHECKING:
    from sqlalchemy import Column
    from sqlalchemy.orm import Mapper

__all__ = [
    "Link",
    "Pairs",
    "cancel",
    "committed_items",
    "is_unloaded",
    "items",
    "key_or_id",
    "links_of",
    "pairs_to_delete",
    "pairs_to_write",
    "put",
    "record_of",
    "track",
    "waiting_of",
]

UNLOADED: Final = PassiveFlag.PASSIVE_NO_INITIALIZE | PassiveFlag.INCLUDE_PENDING_MUTATIONS
"""As SQLAlchemy's flush looks at a collection: nothing is loaded, and changes that wait for its loading count."""

LOADED: Final = PassiveFlag.PASSIVE_OFF | PassiveFlag.LOAD_AGAINST_COMMITTED | PassiveFlag.NO_RAISE
"""As it looks at the collections of an instance that it deletes."""


MOST: Final = 10_000
"""The most values that one statement names: asyncpg takes 32,767 parameters, and SQLite 32,766."""

COMMITTED: Final = attrgetter("committed_state")


class Ends:
    """The columns of one class that rows of a secondary table refer to, each with that of the secondary table.

    Args:
        pairs: The pairs of columns, as SQLAlchemy has them; of each column of the secondary table the first counts.
    """

    def __init__(self, pairs: Iterable[tuple[Any, Any]] | None) -> None:
        found: dict[Any, Any] = {}
        for local, secondary in pairs or ():
            found.setdefault(secondary, local)
        self.locals: tuple[Column[Any], ...] = tuple(found.values())
        self.columns: tuple[Column[Any], ...] = tuple(found)
        """Those of the secondary table."""
        self.keys: tuple[str, ...] = tuple(column.key for column in found)
        self.places: weakref.WeakKeyDictionary[Mapper[Any], tuple[tuple[str, int | None], ...]] = (
            weakref.WeakKeyDictionary()
        )
        """The attributes of each class, and where they are in its primary key."""

    def places_in(self, mapper: Mapper[Any]) -> tuple[tuple[str, int | None], ...]:
        """Return the attributes of a class that have the columns, and where they are in its primary key."""
        key = mapper.primary_key
        places = self.places[mapper] = tuple(
            (mapper.get_property_by_column(each).key, key.index(each) if each in key else None) for each in self.locals
        )
        return places

    def keys_of(self, instances: Sequence[object]) -> list[tuple[Any, ...] | None]:
        """Return the values that link each instance, as they are stored; ``None`` where one of them is not loaded."""
        if len(self.locals) == 1 and len(set(map(type, instances))) == 1:
            # The usual case, in a third of the time of a call for each.
            states = list(map(instance_state, instances))
            mapper = states[0].manager.mapper
            ((name, _),) = self.places.get(mapper) or self.places_in(mapper)
            if not any(map(COMMITTED, states)):
                with suppress(KeyError):
                    return [(each.__dict__[name],) for each in instances]
        return list(map(self.key_of, map(instance_state, instances)))

    def key_of(self, state: InstanceState[Any]) -> tuple[Any, ...] | None:
        """Return the values that link one instance; see :meth:`keys_of`."""
        mapper, values, committed = state.manager.mapper, state.dict, state.committed_state
        key = []
        for name, number in self.places.get(mapper) or self.places_in(mapper):
            value = committed.get(name, NO_VALUE)
            if value is NO_VALUE:
                value = values.get(name, NO_VALUE)
            if value is NO_VALUE and number is not None and state.key is not None:
                value = state.key[1][number]
            if value is NO_VALUE:
                return None
            key.append(value)
        return tuple(key)

    def among(self, keys: Sequence[tuple[Any, ...]]) -> Iterator[ColumnElement[bool]]:
        """Yield conditions that a row links one of the instances of these values; one, or several of many instances."""
        most = MOST // len(self.columns)
        for first in range(0, len(keys), most):
            some = keys[first : first + most]
            if len(self.columns) == 1:
                yield self.columns[0].in_([key[0] for key in some])
            else:
                yield tuple_(*self.columns).in_(some)

    def known(self, state: InstanceState[Any]) -> dict[str, Any]:
        """Return the values that link an instance by the columns' keys; none, if one of them is not loaded."""
        key = self.key_of(state)
        return {} if key is None else dict(zip(self.keys, key, strict=True))


class Link:
    """A many-to-many relationship of a class.

    Args:
        relationship: SQLAlchemy's.
    """

    def __init__(self, relationship: RelationshipProperty[Any]) -> None:
        assert isinstance(relationship.secondary, Table)
        self.relationship = relationship
        self.name: str = relationship.key
        self.secondary: Table = relationship.secondary
        self.own = Ends(relationship.synchronize_pairs)
        """The columns of the class that has the collection."""
        self.others = Ends(relationship.secondary_synchronize_pairs)
        """The columns of the class at the other end."""

    @cached_property
    def reverse(self) -> RelationshipProperty[Any] | None:
        """The relationship at the other end (``back_populates``), if there is one that is written."""
        return next((each for each in reverses(self.relationship) if not each.viewonly), None)

    @cached_property
    def is_plain(self) -> bool:
        """Each row of the secondary table with the keys of two instances links these; there is no further condition."""
        if self.relationship.mapper.single:
            return False  # rows may link instances of the classes above it, too
        joins = (self.relationship.primaryjoin, self.relationship.secondaryjoin)
        for each in (each for join in joins if join is not None for each in visitors.iterate(join)):
            if isinstance(each, BindParameter) or (
                isinstance(each, BinaryExpression) and each.operator is not operators.eq
            ):
                return False
        return True

    @cached_property
    def association(self) -> type[Any] | None:
        """The class that is mapped to the secondary table, if there is one."""
        for mapper in self.relationship.parent.registry.mappers:
            if mapper.local_table is self.secondary:
                return mapper.class_
        return None

    def conditions(self, owner: InstanceState[Any]) -> list[ColumnElement[bool]]:
        """Return the conditions of the rows of the secondary table that link an instance with any other."""
        key = self.own.key_of(owner)
        assert key is not None
        return [column == value for column, value in zip(self.own.columns, key, strict=True)]


def links_of(mapper: Mapper[Any]) -> Mapping[str, Link]:
    """Return the many-to-many relationships of a class that are written, by name."""
    return {
        each.key: Link(each)
        for each in mapper.relationships
        if each.direction is RelationshipDirection.MANYTOMANY
        and isinstance(each.secondary, Table)
        and not each.viewonly
    }


class Pairs(NamedTuple):
    """The instances that a flush links with one instance by one relationship, and those that it does so no more."""

    added: list[Any]
    removed: list[Any]
    is_loaded: bool
    """They are changes of a collection that is there; else they wait for it to be loaded."""


NO_PAIRS: Final = Pairs([], [], False)


def pairs_to_write(state: InstanceState[Any], name: str) -> Pairs:
    """Return the pairs that a flush writes of a collection of an instance that it does not delete."""
    if name not in state.committed_state and name not in state.__dict__.get("_pending_mutations", ()):
        return NO_PAIRS
    history = get_history(state.obj(), name, UNLOADED)
    return Pairs(list(history.added or ()), list(history.deleted or ()), name in state.dict)


def pairs_to_delete(state: InstanceState[Any], name: str) -> Pairs:
    """Return the pairs that a flush removes of a collection of an instance that it deletes; it is loaded, as there.

    Those of a write-only collection cannot be loaded: SQLAlchemy demands ``passive_deletes`` of it.
    """
    impl: Any = state.manager[name].impl
    cannot_load = is_unloaded(impl) and not getattr(impl, "_supports_dynamic_iteration", True)
    history = get_history(state.obj(), name, UNLOADED if cannot_load else LOADED)
    return Pairs([], [*(history.unchanged or ()), *(history.deleted or ())], True)


def is_unloaded(impl: Any) -> bool:
    """Tell whether SQLAlchemy's part of a relationship is of one that is write-only or dynamic, and never loaded."""
    return bool(getattr(impl, "dynamic", False))


def record_of(state: InstanceState[Any], name: str) -> Any:
    """Return SQLAlchemy's record of the changes of a collection that is not loaded; ``None`` where it has none."""
    if is_unloaded(state.manager[name].impl):
        return state.committed_state.get(name)
    return state.__dict__.get("_pending_mutations", {}).get(name)


def waiting_of(state: InstanceState[Any], name: str, are_added: bool) -> Any:
    """Return the set of the instances whose addition to a collection that is not loaded, or removal, waits."""
    record = record_of(state, name)
    if record is None:
        return set()
    return record.added_items if are_added else record.deleted_items


def key_or_id(instance: object) -> Any:
    """Return a key that two objects share if they are the same row."""
    return instance_state(instance).key or id(instance)


def cancel(
    state: InstanceState[Any],
    name: str,
    others: Sequence[object],
    is_added: bool,
    key: Callable[[object], Any] = key_or_id,
) -> None:
    """Take changes that link other instances, or do so no more, out of a collection; no event is fired.

    Args:
        state: The state of the instance that has the collection.
        name: The relationship.
        others: The other instances.
        is_added: They were added; else they were removed.
        key: Tells which instances are one: ``id``, if two objects that are the same row are two.
    """
    impl: Any = state.manager[name].impl
    if is_unloaded(impl) or name not in state.dict:
        waiting_of(state, name, is_added).difference_update(others)
    elif not impl.collection:
        if not is_added:
            set_committed_value(state.obj(), name, others[0])
        elif any(state.dict[name] is other for other in others):
            state.dict[name] = None
    else:
        put(state.dict[name], others, is_there=not is_added, key=key)
    for other in others:
        track(state, name, instance_state(other), is_linked=not is_added)


class AnyKey:
    """A key that is equal to each other one."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


class UnknownParent:
    """The parent of an instance whose link is undone, in the place of the one before, which nobody knows.

    SQLAlchemy takes the instance for no orphan, until a parent with the same key lets go of it
    (``AttributeImpl.sethasparent``).
    """

    __slots__ = ()

    key = AnyKey()

    def __reduce__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final[Any] = UnknownParent()


def track(state: InstanceState[Any], name: str, other: InstanceState[Any], is_linked: bool) -> None:
    """Let SQLAlchemy know the parent of an instance by a relationship: it deletes orphans.

    Args:
        state: The state of the parent.
        name: Its relationship.
        other: The state of the instance.
        is_linked: It has this parent; else it may have another one, where it was this one.
    """
    impl: Any = state.manager[name].impl
    if not impl.trackparent:
        return
    if is_linked:
        impl.sethasparent(other, state, True)
    elif other.parents.get(id(impl.parent_token)) is state:
        other.parents[id(impl.parent_token)] = UNKNOWN


def items(state: InstanceState[Any], name: str) -> list[Any]:
    """Return the instances that a loaded collection, or a scalar, has; none of a dynamic one."""
    value = state.dict.get(name)
    impl: Any = state.manager[name].impl
    if value is None or is_unloaded(impl):
        return []
    return [*collection_adapter(value)] if impl.collection else [value]


def committed_items(state: InstanceState[Any], name: str) -> list[Any]:
    """Return the instances that a loaded collection had before the changes that are to be written."""
    before = state.committed_state.get(name, NO_VALUE)
    return [*before] if isinstance(before, list) else items(state, name)


def put(
    collection: Any, others: Sequence[object], is_there: bool, key: Callable[[object], Any] = key_or_id
) -> list[object]:
    """Put instances into a collection, or take them out, with no event; return those for which that was a change."""
    adapter = collection_adapter(collection)
    if is_there:
        known = set(map(key, adapter))
        changed = [each for each in others if key(each) not in known]
        for each in changed:
            adapter.append_without_event(each)
    else:
        gone = set(map(key, others))
        changed = [each for each in adapter if key(each) in gone]
        for each in changed:
            adapter.remove_without_event(each)
    return changed
