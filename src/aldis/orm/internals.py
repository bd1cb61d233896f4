"""The private names of SQLAlchemy's sessions, relationships and statements that the orm room reads.

Where a private name is gone, a public way serves. Where there is none, the answer is the one that costs speed and not
truth: a SELECT that cannot be asked for its LIMIT is taken to have one. A driver's private names are in the driver's
module, and one that lacks them is driven by SQLAlchemy. ``tests/test_private_names.py`` lists them all.

They were read in SQLAlchemy 2.0.41 to 2.1. Each is asked for when it is used, and not at import: a session class of the
user's may hide it too. Sessions of plain models come by here, and must go on whatever a later SQLAlchemy has renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.orm import bulk_persistence
from sqlalchemy.orm.attributes import instance_state

if TYPE_CHECKING:
    from sqlalchemy import Delete, Insert, Select, Update
    from sqlalchemy.orm import InstanceState, Mapper, RelationshipProperty, Session

__all__ = [
    "delete_again",
    "flush_again",
    "has_changes",
    "has_ctes",
    "has_joins",
    "has_offset",
    "has_on_conflict",
    "is_flushing",
    "is_grouped",
    "is_limited",
    "is_made_of_rows",
    "is_orphan",
    "is_to_be_deleted",
    "new_instances",
    "note_altered",
    "returned_by",
    "reverses",
    "rows_in",
    "set_by",
    "sort_key",
    "spread_out",
    "where_of",
    "with_values",
    "without_flush",
    "without_values",
    "without_where",
]

V = TypeVar("V", "Insert", "Update")
W = TypeVar("W", "Update", "Delete")

# Sessions and their instances


def new_instances(session: Session) -> Mapping[InstanceState[Any], Any]:
    """Return the new instances of a session by their states.

    Not ``session.new``, which makes a set of them: a tenth of a receiver's time.
    """
    try:
        return session._new
    except AttributeError:
        return {instance_state(instance): instance for instance in session.new}


def is_to_be_deleted(session: Session, state: InstanceState[Any]) -> bool:
    """Tell whether the next flush of a session deletes an instance."""
    try:
        return state in session._deleted
    except AttributeError:
        return state.obj() in session.deleted


def has_changes(session: Session) -> bool:
    """Tell whether a session has anything to flush."""
    try:
        return bool(session._new or session._deleted or session.dirty)
    except AttributeError:
        return bool(session.new or session.deleted or session.dirty)


def is_flushing(session: Session) -> bool:
    """Tell whether a session is in the middle of a flush: a receiver, or an event of SQLAlchemy's, is asking."""
    return getattr(session, "_flushing", False)


@contextmanager
def without_flush(session: Session) -> Iterator[None]:
    """Begin or end a savepoint in a block, and leave pending instances alone, which ``begin_nested()`` writes."""
    was_flushing = is_flushing(session)
    session._flushing = True
    try:
        yield
    finally:
        session._flushing = was_flushing


def flush_again(session: Session) -> bool:
    """Flush the instances that a session was given in its flush, and tell whether that could be done.

    ``session.flush()`` refuses to. The next flush, which a commit begins, writes them all the same.
    """
    flush = getattr(session, "_flush", None)
    if flush is None:
        return False
    flush()
    return True


def note_altered(session: Session, state: InstanceState[Any], names: Iterable[str]) -> None:
    """Let a rollback, to a savepoint too, expire an instance with values that the transaction has written.

    Args:
        session: The session.
        state: The state of the instance.
        names: The attributes that show it: they are expired at once, where the private name is gone.
    """
    note = getattr(session, "_register_altered", None)
    if note is None:
        session.expire(state.obj(), names)
    else:
        note([state])


def is_orphan(state: InstanceState[Any]) -> bool:
    """Tell whether a flush deletes an instance since it has lost its parent (``delete-orphan``)."""
    ask = getattr(state.mapper, "_is_orphan", None)
    return ask is not None and bool(ask(state))


def reverses(relationship: RelationshipProperty[Any]) -> list[RelationshipProperty[Any]]:
    """Return the relationships at the other end of one (``back_populates``, ``backref``)."""
    found = getattr(relationship, "_reverse_property", None)
    if found is None:
        name = relationship.back_populates
        found = [each for each in relationship.mapper.relationships if name is not None and each.key == name]
    return sorted(found, key=lambda each: each.key)


def sort_key(state: InstanceState[Any]) -> Any:
    """Return the key by which a flush sorts the stored instances of a class."""
    assert state.key is not None
    try:
        return state.mapper._persistent_sortkey_fn(state.key[1])
    except AttributeError:
        return state.key[1]


def delete_again(session: Session, state: InstanceState[Any]) -> None:
    """Let the next flush of a session delete an instance, as one that is over would have; its cascades are told."""
    try:
        session._deleted[state] = state.obj()
    except AttributeError:
        session.delete(state.obj())


# Statements


def is_limited(chosen: Select[Any]) -> bool:
    """Tell whether a SELECT has a LIMIT or a FETCH."""
    try:
        return chosen._limit_clause is not None or chosen._fetch_clause is not None
    except AttributeError:
        return True


def has_offset(chosen: Select[Any]) -> bool:
    """Tell whether a SELECT has an OFFSET."""
    return getattr(chosen, "_offset_clause", True) is not None


def has_joins(chosen: Select[Any]) -> bool:
    """Tell whether a SELECT was given joins."""
    return bool(getattr(chosen, "_setup_joins", True))


def is_grouped(chosen: Select[Any]) -> bool:
    """Tell whether a SELECT has GROUP BY, HAVING or DISTINCT."""
    try:
        return bool(chosen._group_by_clauses or chosen._having_criteria or chosen._distinct)
    except AttributeError:
        return True


def has_ctes(statement: Select[Any] | Insert | Update | Delete) -> bool:
    """Tell whether a statement was given CTEs beside those that its parts name."""
    return bool(getattr(statement, "_independent_ctes", True))


def where_of(statement: Select[Any] | Update | Delete) -> tuple[Any, ...]:
    """Return the conditions of a statement."""
    try:
        return statement._where_criteria
    except AttributeError:
        return () if statement.whereclause is None else (statement.whereclause,)


def returned_by(statement: Insert | Update | Delete) -> tuple[Any, ...]:
    """Return the elements of a statement's RETURNING."""
    try:
        return tuple(statement._returning)
    except AttributeError:
        return tuple(each["expr"] for each in statement.returning_column_descriptions)


def set_by(statement: Insert | Update) -> dict[Any, Any]:
    """Return the values that were given to a statement, by whatever they were given by."""
    given = dict(statement._values or ())
    given.update(getattr(statement, "_ordered_values", None) or ())  # SQLAlchemy 2.0
    return given


def rows_in(insert: Insert) -> list[dict[Any, Any]]:
    """Return the rows that were given to an INSERT by ``values()``."""
    many = [dict(each) for group in insert._multi_values for each in group]
    return [*many, set_by(insert)] if insert._values else many


def has_on_conflict(insert: Insert) -> bool:
    """Tell whether an INSERT has an ON CONFLICT clause."""
    return getattr(insert, "_post_values_clause", None) is not None


def is_made_of_rows(insert: Insert) -> bool:
    """Tell whether an INSERT is its table and nothing else: its parameters are its rows."""
    try:
        return insert._post_values_clause is None and not (
            insert._values
            or insert._multi_values
            or insert._returning
            or insert._prefixes
            or insert._hints
            or insert._independent_ctes
            or insert._execution_options
        )
    except AttributeError:
        return False


def without_values(statement: V) -> V:
    """Return a copy of a statement that sets nothing."""
    copied: Any = statement._generate()
    copied._values = None
    if getattr(copied, "_multi_values", ()):
        copied._multi_values = ()
    if getattr(copied, "_ordered_values", None):  # SQLAlchemy 2.0
        copied._ordered_values = None
    if getattr(copied, "_maintain_values_ordering", False):  # SQLAlchemy 2.1
        copied._maintain_values_ordering = False
    found: V = copied
    return found


def with_values(update: Update, values: Mapping[Any, Any]) -> Update:
    """Return a copy of an UPDATE that sets these values alone; in their order, where its own have one."""
    is_ordered = getattr(update, "_ordered_values", None) or getattr(update, "_maintain_values_ordering", False)
    bare = without_values(update)
    return bare.ordered_values(*values.items()) if is_ordered else bare.values(dict(values))


def spread_out(mapper: Mapper[Any], rows: list[dict[str, Any]]) -> None:
    """Put the values of columns in place of composites, and of the hybrids that SQLAlchemy 2.1 takes in many rows.

    Raises:
        InvalidRequestError: SQLAlchemy 2.1 cannot write a hybrid in many rows.
    """
    spread = getattr(bulk_persistence, "_expand_other_attrs", getattr(bulk_persistence, "_expand_composites", None))
    if spread is not None:  # that of SQLAlchemy 2.1, or of 2.0
        spread(mapper, rows)
        return
    for composite in mapper.composites:
        for row in rows:
            if composite.key in row:
                instance = mapper.class_manager.new_instance()
                setattr(instance, composite.key, row.pop(composite.key))
                row.update((each.key, getattr(instance, each.key)) for each in composite.props)


def without_where(statement: W) -> W:
    """Return a copy of a statement for all rows of its table."""
    copied = statement._generate()
    copied._where_criteria = ()
    return copied
