"""Changes of a stored instance that wait for a later UPDATE while others are written."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm.base import NO_VALUE

from .instance_state import changed, unset

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

    from .table import TableMapping

__all__ = ["set_again", "set_aside", "wait_again", "waiting_changes"]


def set_aside(mapping: TableMapping, state: InstanceState[Any], written: Container[str]) -> list[tuple[str, Any, Any]]:
    """Give attributes that have changed and are not to be written their old values; :func:`set_again` undoes that.

    Args:
        mapping: The mapping of the class of a stored instance.
        state: The state of the instance.
        written: The keys of the columns that are to be written.

    Returns:
        Their names, values and old values.
    """
    found = [
        (mapping.attributes[key], value, state.committed_state[mapping.attributes[key]])
        for key, value in changed(mapping, state).items()
        if key not in written
    ]
    for name, _, _ in found:
        unset(state, name)
    return found


def set_again(state: InstanceState[Any], pending: Iterable[tuple[str, Any, Any]], was_modified: bool = False) -> None:
    """Set attributes that :func:`set_aside` gave their old values: they wait to be written again.

    Args:
        state: The state of the instance.
        pending: The attributes.
        was_modified: It is to be modified without any, too: one was set to its old value.
    """
    if was_modified:
        state.modified = True
    for name, value, old in pending:
        state.dict[name] = value
        state.committed_state[name] = old
        state.expired_attributes.discard(name)
        state.modified = True


def waiting_changes(
    mapping: TableMapping, columns: Mapping[str, Any], column_values: Mapping[str, Any], names: Container[object]
) -> list[tuple[str, Any]]:
    """Return the attributes whose change waits for a later UPDATE while this one writes their default; with values.

    Args:
        mapping: The mapping of the class.
        columns: All that has changed, by column key.
        column_values: The values that are written, defaults among them.
        names: The attributes that are asked for.
    """
    pending = columns.keys() & column_values.keys()
    return [(name, columns[key]) for key in pending if (name := mapping.attributes[key]) not in names]


def wait_again(state: InstanceState[Any], waiting: Iterable[tuple[str, Any]]) -> None:
    """Let changes of :func:`waiting_changes` wait again, now that the default is written."""
    set_again(state, [(name, value, state.dict.get(name, NO_VALUE)) for name, value in waiting])
