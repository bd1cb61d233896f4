"""SQLAlchemy's state of an instance: every read and write of it; for rows that were read see ``read_instances.py``."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ClauseElement
from sqlalchemy.orm import InstanceState, make_transient_to_detached
from sqlalchemy.orm.attributes import instance_state, set_committed_value
from sqlalchemy.orm.base import NO_VALUE

from .many_to_many import is_unloaded
from .members import COLLECTIONS, NO_MEMBERS, give_links_back, links_of, members_of, was_made
from .mutable_contents import MUTABLES, Contents, adopt, contents_of, give_contents_back
from .rowwise import renew as renew_plain
from .rowwise import types as types_of
from .rowwise import unequal, unequal_of_all, without

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from .table import TableMapping

__all__ = [
    "NOTHING",
    "PLAIN",
    "STATE",
    "UNCHANGING",
    "Snapshot",
    "changed",
    "changed_of_all",
    "detach",
    "expire_again",
    "fill_in",
    "is_in_session",
    "never_set",
    "put_back",
    "renew",
    "renew_all",
    "settle_modified",
    "show_again",
    "store",
    "unset",
]


STATE: Final = "_sa_instance_state"
"""Where an instance has its state, among its values."""

NOTHING: Final[frozenset[str]] = frozenset()

UNCHANGING: Final[Contents] = {}

PLAIN: Final[set[type[Any]]] = {str, int, float, bool, bytes, type(None)}
"""Types that are known to be no SQL expressions'."""


class Snapshot:
    """The present condition of an instance: its values, its history, and whether it is stored."""

    __slots__ = ("committed", "contents", "expired", "is_made", "key", "members", "modified", "values")

    def __init__(self, state: InstanceState[Any]) -> None:
        self.key = state.key
        self.values = without(state.dict, STATE)
        self.committed = state.committed_state.copy()
        self.modified = state.modified
        self.expired = frozenset(state.expired_attributes) or NOTHING
        self.members = NO_MEMBERS if state.manager.info.get(COLLECTIONS) == () else members_of(state)
        self.is_made = "info" in state.__dict__ and was_made(state)
        """The call has made the instance."""
        self.contents = UNCHANGING if state.manager.info.get(MUTABLES) == () else contents_of(state)

    def take_over(self, mapping: TableMapping, state: InstanceState[Any]) -> None:
        """Be as the instance is by now, but for pending changes: another task has stored or loaded it meanwhile.

        Args:
            mapping: The mapping of its class.
            state: The state of the instance, in which nothing is clean that is not stored.
        """
        values, pending, renewed = state.dict, state.committed_state, set[str]()
        for name, _ in mapping.columns:
            if name in self.committed:
                continue
            value = pending[name] if name in pending else values.get(name, NO_VALUE)
            known = self.values.get(name)
            if value is not NO_VALUE:
                self.values[name] = value
            elif name not in values:
                self.values.pop(name, None)
            if self.values.get(name) is not known:
                renewed.add(name)
        self.expired = frozenset(state.expired_attributes) or NOTHING
        altered = set(pending)
        for each in mapping.mapper.composites:
            parts = [part.key for part in each.props]
            if not altered.isdisjoint(parts):
                altered.add(each.key)
            if not renewed.isdisjoint(parts):
                self.values.pop(each.key, None)  # it is made of its columns again
        if self.contents:
            self.contents |= {name: each for name, each in contents_of(state).items() if name not in altered}

    def put_back(self, state: InstanceState[Any]) -> None:
        """Bring the instance of that state back to this condition."""
        links = links_of(state)
        state.key = self.key
        values = state.dict
        values.clear()
        values[STATE] = state
        values.update(self.values)
        give_contents_back(self.contents, state)
        state.committed_state.clear()
        state.committed_state.update(self.committed)
        state.expired_attributes.clear()
        state.expired_attributes.update(self.expired)
        state.modified = self.modified
        give_links_back(state, self.members, links, self.is_made)
        for value in self.values.values():
            adapter = getattr(value, "_sa_adapter", None)
            if adapter is not None:
                adapter.invalidated = False  # a flush that was undone has expired the collection


def detach(mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any]) -> None:
    """Leave a new instance as a session does: it has the values of its row, is detached and clean.

    As after a flush, an attribute that was not set reads ``None``, and one that is a SQL expression is expired.

    Args:
        mapping: The mapping of its class.
        state: The state of the instance.
        column_values: The row's values, by column key.
    """
    values = state.dict
    unset = never_set(mapping, values, column_values) if mapping.left_unset else ()
    values.update(column_values if mapping.is_named_alike else mapping.by_attribute(column_values))
    for name in unset:
        del values[name]
    if mapping.readonly or state.manager.dispatch.expire or state._deleted or "_pending_mutations" in state.__dict__:
        state.key = None
        make_transient_to_detached(state.obj())
    else:  # the same, of an instance that has all of its row: a tenth of a save less
        key = tuple([column_values[each] for each in mapping.primary_key])
        state.key = (mapping.identity_class, key, state.identity_token)
        state.committed_state.clear()
        state.modified = state.expired = False
    state.expired_attributes.difference_update(mapping.keys)


def never_set(mapping: TableMapping, values: Container[str], column_values: Mapping[str, Any]) -> list[str]:
    """Return the attributes of a new instance that nobody has set, and whose columns are NULL.

    A flush leaves these out of the instance's values: they read ``None``, and ``None`` that is set later is a change,
    so that an UPDATE writes it. Where a column has an ``onupdate``, that shows in the row.

    Args:
        mapping: The mapping of its class.
        values: The values of the instance.
        column_values: The row's values, by column key.
    """
    return [name for name, key in mapping.left_unset if name not in values and column_values.get(key, NO_VALUE) is None]


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
        column_values: The values that the row got, by column key.
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
    if mapping.expired_when_written:
        names = [name for name in mapping.expired_when_written if name not in state.committed_state]
        for name in names:
            state.dict.pop(name, None)
        state.expired_attributes.update(names)
        if state.manager.dispatch.expire:
            state.manager.dispatch.expire(state, names)
    if state.committed_state:
        settle_modified(mapping, state)


def renew_all(
    mapping: TableMapping,
    states: list[InstanceState[Any]],
    loaded: list[dict[str, Any]],
    column_values: list[dict[str, Any]],
) -> None:
    """Do the same for many instances of one class, those aside whose rows got no values.

    Args:
        mapping: The mapping of the class.
        states: The states of the instances.
        loaded: Their values.
        column_values: The values that the rows got, by column key.
    """
    places: Iterable[int] = range(len(states))
    if not mapping.expired_when_written:
        attributes = None if mapping.is_named_alike else mapping.attributes
        places = renew_plain(states, loaded, column_values, attributes, mapping.primary_key)
    for place in places:
        if column_values[place]:
            renew(mapping, states[place], column_values[place])


def settle_modified(mapping: TableMapping, state: InstanceState[Any]) -> None:
    """Let an instance whose update has ended be modified where a change is pending, and not by an equal value.

    A flush does that, too: it forgets that an attribute was set to its old value, or that one was set without a column.
    """
    written = changed(mapping, state)
    for name in list(state.committed_state):
        key = mapping.keys.get(name)
        if name in mapping.readonly or (key is not None and key not in written):
            del state.committed_state[name]
    state.modified = bool(state.committed_state)


def unset(state: InstanceState[Any], name: str) -> None:
    """Give an attribute of a stored instance its old value again, as if it had not been set."""
    old = state.committed_state[name]
    if old is not NO_VALUE:
        set_committed_value(state.obj(), name, old)
        adopt(state, name, old)
        return
    del state.committed_state[name]
    state.dict.pop(name, None)
    state.expired_attributes.add(name)


def fill_in(state: InstanceState[Any], name: str, value: object) -> None:
    """Give an attribute of a stored instance a default, which a flush writes; nobody has set it, so no event tells."""
    state.dict[name] = value
    state.committed_state[name] = NO_VALUE  # or a flush would pass over a value that is equal to the old one
    state.expired_attributes.discard(name)
    state.modified = True


def is_sql(value: object) -> bool:
    """Tell whether a value is a SQL expression; SQLAlchemy's own test (``_collect_update_commands``)."""
    return type(value) not in PLAIN and (isinstance(value, ClauseElement) or hasattr(value, "__clause_element__"))


def changed(mapping: TableMapping, state: InstanceState[Any]) -> dict[str, Any]:
    """Return the values that an UPDATE of a stored instance writes, by column key.

    The rule is that of SQLAlchemy's flush (``_collect_update_commands`` in its ``orm/persistence.py``): an attribute
    that was set to its old value is unchanged, as its type compares.

    Raises:
        KeyError: An attribute was deleted; an UPDATE has no value for it.
    """
    committed = state.committed_state
    if not committed:
        return {}
    # One that changed is the common case; several are written in the order of the columns, as others of their batch.
    columns = mapping.columns if len(committed) > 1 else [(name, mapping.keys.get(name)) for name in committed]
    return unequal(columns, committed, state.dict, mapping.equals, PLAIN, is_sql, NO_VALUE)


def changed_of_all(
    mapping: TableMapping, states: list[InstanceState[Any]], loaded: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the same of many instances of one class, whose values are ``loaded``."""
    return unequal_of_all(mapping.columns, mapping.keys, states, loaded, mapping.equals, PLAIN, is_sql, NO_VALUE)


def put_back(session: Session, state: InstanceState[Any]) -> None:
    """Undo the changes of a stored instance that were not written."""
    instance = state.obj()
    for name, old in list(state.committed_state.items()):
        if is_unloaded(state.manager[name].impl):  # of a write-only collection only changes are there
            del state.committed_state[name]
            state.dict.pop(name, None)
        elif old is NO_VALUE or name not in state.dict:
            session.expire(instance, [name])
        else:
            set_committed_value(instance, name, old)
            adopt(state, name, old)


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
    """Expire the attributes that :func:`show_again` has shown, those aside that were changed meanwhile."""
    for name in names:
        if name not in state.committed_state and state.dict.pop(name, NO_VALUE) is not NO_VALUE and state.key:
            state.expired_attributes.add(name)


def is_in_session(instance: object) -> bool:
    """Tell whether a session holds an instance; one that is over is made to let go of it.

    A session that is gone leaves its number behind. With ``expire_on_commit=False``, a session lets go of no instance
    whose deletion it has committed.
    """
    state = instance_state(instance)
    session = state.session
    if session is not None and state.was_deleted and not session.in_transaction():
        session.expunge(instance)
        session = None
    if session is None:
        state.session_id = None
    return session is not None
