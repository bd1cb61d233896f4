"""Changes that receivers of ``pre_*`` signals have made to an instance, or to the column values that they are told."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm.base import NO_VALUE

from .instance_state import changed, unset
from .rowwise import altered, values_of

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

    from .table import TableMapping

__all__ = ["BeforeReceivers", "leave_out", "leave_out_defaults", "take_attributes", "take_changes"]


def take_changes(mapping: TableMapping, state: InstanceState[Any], was: Mapping[str, Any], now: dict[str, Any]) -> None:
    """Give an instance the column values that receivers have changed; values that they took out are not written.

    Raises:
        TypeError: They have put in a key that is no column's.
    """
    mapping.refuse_unknown(now.keys())
    instance = state.obj()
    for key, value in now.items():
        if key not in was or was[key] is not value:
            setattr(instance, mapping.attributes[key], value)
    leave_out(mapping, state, was, now)


def leave_out(mapping: TableMapping, state: InstanceState[Any], was: Mapping[str, Any], now: dict[str, Any]) -> None:
    """Give attributes their old values again, where receivers took them out of the column values."""
    for key in was.keys() - now.keys():
        name = mapping.attributes[key]
        if state.key is None:
            state.dict.pop(name, None)
            if key in mapping.null_when_unset:
                now[key] = None
        elif name in state.committed_state:
            unset(state, name)
    if not state.committed_state and state.session_id is None:
        state.modified = False


def leave_out_defaults(
    mapping: TableMapping, state: InstanceState[Any], was: Mapping[str, Any], now: dict[str, Any]
) -> None:
    """Take the defaults out of an UPDATE of which receivers have left nothing else: a flush writes no such row.

    Args:
        mapping: The mapping of the class of a stored instance.
        state: The state of the instance.
        was: Its column values before the receivers.
        now: Its column values now.
    """
    if len(now) >= len(was) or not now.keys().isdisjoint(changed(mapping, state)):
        return
    if all(was.get(key, NO_VALUE) is value for key, value in now.items()):
        now.clear()


def take_attributes(
    mapping: TableMapping,
    state: InstanceState[Any],
    values_before: Mapping[str, Any],
    columns_before: Mapping[str, Any],
    column_values: dict[str, Any],
    is_update: bool,
) -> None:
    """Put the attributes that receivers have set on an instance into its column values.

    A column value that a receiver has changed as well has the last word.

    Args:
        mapping: The mapping of its class.
        state: The state of the instance.
        values_before: Its values before the receivers, by attribute name.
        columns_before: Its column values before the receivers.
        column_values: Its column values now.
        is_update: They are those of an UPDATE.
    """
    values = state.dict
    written = changed(mapping, state) if is_update else None
    is_unchanged = False
    for name, key in mapping.columns:
        value = values.get(name, NO_VALUE)
        if value is values_before.get(name, NO_VALUE) or value is NO_VALUE:
            continue
        if column_values.get(key, NO_VALUE) is not columns_before.get(key, NO_VALUE):
            continue
        if written is not None:
            if key in written:
                column_values[key] = value
                continue
            state.committed_state.pop(name, None)  # it was set to its old value
            if columns_before.get(key, NO_VALUE) is values_before.get(name, NO_VALUE):  # else a default serves, still
                is_unchanged = column_values.pop(key, NO_VALUE) is not NO_VALUE or is_unchanged
        elif value is not None or key not in mapping.left_out_when_none:
            column_values[key] = value
        else:
            column_values.pop(key, None)
    if written is None:
        mapping.complete(column_values, mapping.defaults)
        return
    if is_unchanged:
        leave_out_defaults(mapping, state, columns_before, column_values)
    if column_values and (is_unchanged or not columns_before):
        mapping.complete(column_values, mapping.onupdates)


class BeforeReceivers:
    """The instances and the column values of rows as they are before receivers are called.

    Args:
        loaded: The values of the instances, by attribute name.
        column_values: Their column values, which receivers may change.
    """

    def __init__(self, loaded: list[dict[str, Any]], column_values: list[dict[str, Any]]) -> None:
        self.column_values = column_values
        self.loaded = loaded
        self.values_before = values_of(loaded)
        self.columns_before = values_of(column_values)

    def take_over(
        self,
        mapping: TableMapping,
        states: Sequence[InstanceState[Any]],
        skipped: Container[int],
        is_update: bool,
        remember: Callable[[list[int]], None],
    ) -> None:
        """Take over the changes of receivers, to column values and to attributes.

        Args:
            mapping: The mapping of the rows' class.
            states: The states of the instances.
            skipped: The numbers of the rows that receivers have skipped.
            is_update: The rows are stored.
            remember: Called with the numbers of the rows whose attributes were changed, before these are taken over:
                SQLAlchemy's record of their old values is there still.
        """
        instances = altered(self.loaded, *self.values_before)
        if not instances and sum(map(len, self.column_values)) == len(self.columns_before[1]):
            return
        columns = dict(altered(self.column_values, *self.columns_before))
        for number, before in columns.items():
            leave_out(mapping, states[number], before, self.column_values[number])
        taken = [(number, before) for number, before in instances if number not in skipped]
        if taken:
            remember([number for number, _ in taken])
        for number, before in taken:
            column_values = self.column_values[number]
            columns_before = columns.setdefault(number, column_values.copy())
            take_attributes(mapping, states[number], before, columns_before, column_values, is_update)
        for number, before in columns.items() if is_update else ():
            if number not in skipped:
                leave_out_defaults(mapping, states[number], before, self.column_values[number])
