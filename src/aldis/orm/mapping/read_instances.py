"""Instances of rows that were read: new ones, and those that there are and that show their rows again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state, set_committed_value
from sqlalchemy.orm.instrumentation import ClassManager

from .instance_state import STATE
from .rowwise import load

if TYPE_CHECKING:
    from .table import TableMapping

__all__ = ["loaded", "refresh", "show_row"]

IS_KNOWN: Final = set(InstanceState.__init__.__code__.co_names) == {
    *("__class__", "class_", "manager", "weakref", "ref", "_cleanup", "obj", "committed_state", "set"),
    "expired_attributes",
}
"""The constructor of a state is that of SQLAlchemy 2.0 and 2.1, so that :func:`loaded` may do its work itself."""


def loaded(
    mapping: TableMapping, names: Sequence[str], places: Sequence[int], rows: Sequence[Sequence[Any]], width: int
) -> list[Any]:
    """Return new instances of stored rows, as SQLAlchemy loads them: they are detached and clean.

    An attribute that was not read raises, as a deferred one does.

    Args:
        mapping: The mapping of their class.
        names: The attributes that were read.
        places: Where their values stand in the rows.
        rows: The rows.
        width: How many columns, the first ones, are the primary key.
    """
    manager = mapping.mapper.class_manager
    unread = frozenset([each.key for each in mapping.mapper.column_attrs if each.key not in names])
    is_plain = type(manager) is ClassManager and getattr(manager, "_state_constructor", None) is InstanceState
    found = load(
        manager.new_instance,
        manager,
        InstanceState if is_plain and IS_KNOWN else None,
        STATE,
        rows,
        tuple(names),
        tuple(places),
        width,
        mapping.identity_class,
        unread,
    )
    if manager.dispatch.load:
        for instance in found:
            manager.dispatch.load(instance_state(instance), None)
    return found


def show_row(state: InstanceState[Any], values: Mapping[str, Any], is_own: bool) -> tuple[str, ...]:
    """Let an instance show its row as it was read; of a session's, the attributes that the session has expired.

    Args:
        state: The state of the instance.
        values: The row, by attribute name.
        is_own: It is a session's.

    Returns:
        The attributes that it shows now.
    """
    if is_own:
        expired = state.expired_attributes
        if state.session_id is None or expired.isdisjoint(values):
            return ()
        values = {name: value for name, value in values.items() if name in expired and name not in state.dict}
        expired.difference_update(values)
        state.expired = False  # or SQLAlchemy passes over it when it brings instances up to date
    state.dict.update(values)
    if state.manager.dispatch.refresh:
        state.manager.dispatch.refresh(state, None, tuple(values))
    return tuple(values)


def refresh(state: InstanceState[Any], read: InstanceState[Any], related: Iterable[InstanceState[Any]]) -> None:
    """Let an instance show the row that was read into another one, as a session refreshes it: its changes are lost.

    Args:
        state: The state of the instance.
        read: The state of the other one, of the same row.
        related: The states of the instances that were read together with that one, and may refer to it.
    """
    state._expire(state.dict, set())
    state._deleted = state.expired = False
    state.expired_attributes.clear()
    state.expired_attributes.update(read.expired_attributes)
    names = [each.key for each in read.mapper.column_attrs]
    state.dict.update((name, read.dict[name]) for name in names if name in read.dict)
    instance, other = state.obj(), read.obj()
    for each in (read, *related):
        for name in each.mapper.relationships.keys() & each.dict.keys():
            value = each.dict[name]
            adapter = getattr(value, "_sa_adapter", None)
            members = [value] if adapter is None else list(adapter)
            if each is read or any(member is other for member in members):
                members = [instance if member is other else member for member in members]
                owner = instance if each is read else each.obj()
                set_committed_value(owner, name, members[0] if adapter is None else members)
    state.manager.dispatch.refresh(state, None, None)
