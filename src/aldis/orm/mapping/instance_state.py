"""SQLAlchemy's state of an instance: every read and write of it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from operator import is_
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ClauseElement
from sqlalchemy.orm import InstanceState, RelationshipDirection, RelationshipProperty, make_transient_to_detached
from sqlalchemy.orm.attributes import instance_state, set_committed_value
from sqlalchemy.orm.base import NO_VALUE

from .rowwise import types as types_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from .table import TableMapping

__all__ = [
    "STATE",
    "Snapshot",
    "changed",
    "detach",
    "expire_again",
    "leave_out",
    "foreign_keys",
    "put_back",
    "renew",
    "settle_modified",
    "set_again",
    "set_aside",
    "show_again",
    "store",
    "take_changes",
    "takes_key",
]


STATE: Final = "_sa_instance_state"
"""Where an instance has its state, among its values."""

NOTHING: Final[frozenset[str]] = frozenset()

PLAIN: Final[set[type[Any]]] = {str, int, float, bool, bytes, type(None)}
"""Types that are known to be no SQL expressions'."""


class Snapshot:
    """What an instance is now: its values, its history, and whether it is stored.

    Of ten thousand, Python's garbage collector has as little to look at as can be: dicts of plain values it leaves
    alone, and the collection that these would cause takes as long as a third of an UPDATE of all their rows.
    """

    __slots__ = ("committed", "expired", "key", "modified", "values")

    def __init__(self, state: InstanceState[Any]) -> None:
        self.key = state.key
        self.values = {name: value for name, value in state.dict.items() if name != STATE}
        self.committed = state.committed_state.copy()
        self.modified = state.modified
        self.expired = frozenset(state.expired_attributes) or NOTHING

    def put_back(self, state: InstanceState[Any]) -> None:
        """Make the instance of that state what it was."""
        state.key = self.key
        values = state.dict
        values.clear()
        values[STATE] = state
        values.update(self.values)
        state.committed_state.clear()
        state.committed_state.update(self.committed)
        state.expired_attributes.clear()
        state.expired_attributes.update(self.expired)
        state.modified = self.modified


def detach(mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any]) -> None:
    """Make a new instance what a session leaves behind: it has the values of its row, is detached and clean.

    As after a flush, an attribute that was not set reads ``None``, and one that is a SQL expression is expired.

    Args:
        mapping: The mapping of its class.
        state: The state of the instance.
        column_values: The row's values, by column key.
    """
    values = state.dict
    attributes = mapping.attributes
    for key, value in column_values.items():
        values[attributes[key]] = value
    state.key = None
    make_transient_to_detached(state.obj())
    state.expired_attributes.difference_update(mapping.keys)


def store(instance: object, values: dict[str, Any]) -> None:
    """Give a stored instance the values that its row has now: they are clean, and other changes stay pending.

    Args:
        instance: The instance.
        values: The row's values, by attribute name.
    """
    state: InstanceState[Any] = instance_state(instance)
    pending = {name: value for name, value in state.committed_state.items() if name not in values}
    state.dict.update(values)
    state.key = None
    make_transient_to_detached(instance)
    if pending:
        state.committed_state.update(pending)
        state.modified = True


def renew(mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any]) -> None:
    """Give an instance that was updated the values that its row has now; other changes stay pending.

    Args:
        mapping: The mapping of its class.
        state: The state of the instance.
        column_values: What the row got, by column key.
    """
    values = column_values if mapping.is_named_alike else mapping.by_attribute(column_values)
    if (
        not column_values.keys().isdisjoint(mapping.primary_key)
        or "_pending_mutations" in state.__dict__
        or state._deleted
    ):
        store(state.obj(), values)
    else:
        for name in values:
            state.committed_state.pop(name, None)
        state.dict.update(values)
        state.expired_attributes.difference_update(values)
        state.modified = state.expired = False
    if state.committed_state:
        settle_modified(mapping, state)


def settle_modified(mapping: TableMapping, state: InstanceState[Any]) -> None:
    """Let an instance whose update has ended be modified where a change is pending, and not by an equal value.

    A flush does that, too: it forgets that an attribute was set to its old value.
    """
    written = changed(mapping, state)
    for name in list(state.committed_state):
        key = mapping.keys.get(name)
        if key is not None and key not in written:
            del state.committed_state[name]
    state.modified = bool(state.committed_state)


def take_changes(mapping: TableMapping, state: InstanceState[Any], was: Mapping[str, Any], now: dict[str, Any]) -> None:
    """Give an instance what receivers have changed in its column values; what they took out is not written.

    Raises:
        TypeError: They have put in what is no column.
    """
    mapping.refuse_unknown(now.keys())
    instance = state.obj()
    for key, value in now.items():
        if key not in was or was[key] is not value:
            setattr(instance, mapping.attributes[key], value)
    leave_out(mapping, state, was, now)


def leave_out(mapping: TableMapping, state: InstanceState[Any], was: Mapping[str, Any], now: dict[str, Any]) -> None:
    """Make attributes what they were before they were set, where receivers took them out of the column values."""
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


def unset(state: InstanceState[Any], name: str) -> None:
    """Let an attribute of a stored instance be what it was before it was set."""
    old = state.committed_state[name]
    if old is not NO_VALUE:
        set_committed_value(state.obj(), name, old)
        return
    del state.committed_state[name]
    state.dict.pop(name, None)
    state.expired_attributes.add(name)


def set_aside(mapping: TableMapping, state: InstanceState[Any], written: Container[str]) -> list[tuple[str, Any, Any]]:
    """Let the attributes that have changed and are not to be written be what they were; :func:`set_again` undoes that.

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


def set_again(state: InstanceState[Any], pending: Iterable[tuple[str, Any, Any]]) -> None:
    """Set attributes that :func:`set_aside` has made what they were: they wait to be written again."""
    for name, value, old in pending:
        state.dict[name] = value
        state.committed_state[name] = old
        state.expired_attributes.discard(name)
        state.modified = True


def is_sql(value: object) -> bool:
    """Tell whether a value is a SQL expression; SQLAlchemy's own test (``_collect_update_commands``)."""
    return type(value) not in PLAIN and (isinstance(value, ClauseElement) or hasattr(value, "__clause_element__"))


def changed(mapping: TableMapping, state: InstanceState[Any]) -> dict[str, Any]:
    """Return the values that an UPDATE of a stored instance writes, by column key.

    The rule is that of SQLAlchemy's flush (``_collect_update_commands`` in its ``orm/persistence.py``): an attribute
    that was set to its old value is unchanged, as its type compares.
    """
    committed, values, manager = state.committed_state, state.dict, state.manager
    if not committed:
        return {}
    found = {}
    # One that changed is the common case; several are written in the order of the columns, as others of their batch.
    columns = mapping.columns if len(committed) > 1 else [(name, mapping.keys.get(name)) for name in committed]
    for name, key in columns:
        if key is not None and name in committed and name in values:
            value, old = values[name], committed[name]
            if old is NO_VALUE or is_sql(value) or manager[name].impl.is_equal(value, old) is not True:
                found[key] = value
    return found


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
    if values.keys() == values_before.keys() and all(map(is_, values.values(), values_before.values())):
        return
    written = changed(mapping, state) if is_update else None
    for name, key in mapping.columns:
        value = values.get(name, NO_VALUE)
        if value is values_before.get(name, NO_VALUE) or value is NO_VALUE:
            continue
        if column_values.get(key, NO_VALUE) is not columns_before.get(key, NO_VALUE):
            continue
        if written is not None:
            if key in written:
                column_values[key] = value
            else:
                column_values.pop(key, None)
                state.committed_state.pop(name, None)  # it was set to what it was
        elif value is not None or key not in mapping.left_out_when_none:
            column_values[key] = value
        else:
            column_values.pop(key, None)
    if written is None:
        mapping.complete(column_values, mapping.defaults)
    elif column_values and not columns_before:
        mapping.complete(column_values, mapping.onupdates)


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


def put_back(session: Session, state: InstanceState[Any]) -> None:
    """Undo what was changed of a stored instance and not written."""
    instance = state.obj()
    for name, old in list(state.committed_state.items()):
        if old is NO_VALUE or name not in state.dict:
            session.expire(instance, [name])
        else:
            set_committed_value(instance, name, old)


def has_expressions(rows: list[dict[str, Any]]) -> bool:
    """Tell whether a value of the rows is a SQL expression; each type is looked at once."""
    types = types_of(rows)
    if PLAIN.issuperset(types):
        return False
    for each in types - PLAIN:
        if issubclass(each, ClauseElement) or hasattr(each, "__clause_element__"):
            return True
        PLAIN.add(each)
    return False


def show_again(state: InstanceState[Any], values: Mapping[str, Any]) -> list[str]:
    """Let an expired instance show the values that it had; return the names of those that it does not have any more."""
    gone = [name for name in values if name not in state.dict]
    state.dict.update((name, values[name]) for name in gone)
    state.expired_attributes.difference_update(gone)
    return gone


def expire_again(state: InstanceState[Any], names: Iterable[str]) -> None:
    """Expire what :func:`show_again` has shown, those aside that were changed meanwhile."""
    for name in names:
        if name not in state.committed_state and state.dict.pop(name, NO_VALUE) is not NO_VALUE and state.key:
            state.expired_attributes.add(name)
