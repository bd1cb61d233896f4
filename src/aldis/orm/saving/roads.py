"""Which way writes many rows, and why not a faster one."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from ..mapping.instance_state import PLAIN, has_expressions
from .core_sql import insert_unless_conflict

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction
    from .insert_many import insert_many
    from .update_many import update_many

__all__ = [
    "brings_changes",
    "delete_needs_flush",
    "insert_many",
    "insert_unless_conflict",
    "is_watched",
    "needs_flush",
    "update_many",
    "update_needs_flush",
    "upsert",
]

EVENTS: Final = {kind: attrgetter(f"before_{kind}", f"after_{kind}") for kind in ("insert", "update", "delete")}
"""The mapper's events of a row, by the kind of statement."""

LOG: Final = logging.getLogger("aldis.writers")
"""Says, at DEBUG, which writer serves each batch, and why not a faster one."""

if not TYPE_CHECKING:  # a type checker sees the functions themselves

    def __getattr__(name: str) -> Any:
        """Import a writer of many rows, and with it all drivers, when it is first asked for: 10 ms of an import."""
        if name not in {"insert_many", "update_many"}:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        writer = globals()[name] = getattr(import_module(f".{name}", __package__), name)
        return writer


def needs_flush(
    mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any], is_update: bool
) -> bool:
    """Tell whether an instance is written by SQLAlchemy's unit of work.

    Its mapper or somebody who listens to it asks for that, a relationship was touched, a key changes to which related
    rows refer, or a value is a SQL expression.
    """
    if mapping.reason is not None or is_watched(mapping, "update" if is_update else "insert"):
        return True
    if mapping.relationships and is_linked(mapping, state, column_values, is_update):
        return True
    return not PLAIN.issuperset(map(type, column_values.values())) and has_expressions([column_values])


def update_needs_flush(
    mapping: TableMapping, states: list[InstanceState[Any]], column_values: list[dict[str, Any]]
) -> bool:
    """Tell the same of stored instances of one class that are updated: all of them are, if one has to be."""
    if mapping.reason is not None or is_watched(mapping, "update"):
        return True
    if mapping.relationships and any(
        is_linked(mapping, state, row, True) for state, row in zip(states, column_values, strict=True)
    ):
        return True
    return has_expressions(column_values)


def is_linked(mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any], is_update: bool) -> bool:
    """Tell whether a relationship of an instance was touched, or a key changes to which related rows refer."""
    touched = state.committed_state if is_update else state.dict
    if not mapping.relationships.isdisjoint(touched):
        return True
    return is_update and not mapping.referenced.isdisjoint(column_values)


def brings_changes(mapping: TableMapping, state: InstanceState[Any]) -> bool:
    """Tell whether a stored instance has loaded a related one that is new or has changed: a save writes both.

    These are the instances that a session's ``add()`` takes in, by the ``save-update`` cascade.
    """
    if mapping.relationships.isdisjoint(state.dict):
        return False
    related = mapping.mapper.cascade_iterator("save-update", state)
    return any(each.key is None or each.modified for _, _, each, _ in related)


def delete_needs_flush(mapping: TableMapping) -> bool:
    """Tell whether an instance is deleted by SQLAlchemy's unit of work: a delete may concern other rows, too."""
    return mapping.reason is not None or mapping.has_dependents or is_watched(mapping, "delete")


def is_watched(mapping: TableMapping, kind: str) -> bool:
    """Tell whether somebody else than aldis listens to the mapper's events of an INSERT, UPDATE or DELETE.

    Args:
        mapping: The mapping of the class.
        kind: ``"insert"``, ``"update"`` or ``"delete"``.
    """
    before, after = EVENTS[kind](mapping.mapper.dispatch)
    own = mapping.own_listeners
    if len(before) > own or len(after) > own:
        return True
    return kind != "delete" and bool(mapping.mapper.class_manager.dispatch.refresh_flush)


async def upsert(
    transaction: Transaction,
    mapping: TableMapping,
    unique: Sequence[str],
    given: Collection[str],
    rows: list[dict[str, Any]],
) -> list[dict[str, Any]] | None:
    """Insert rows, or update the columns ``given`` of those that are stored; return them all as they are now.

    Returns:
        The rows, by column key, in their order; ``None`` if nothing was written, and the stored rows have to be looked
        at first.
    """
    from . import upsert as upserting
    from .flush_guards import has_triggers

    reason = upserting.reason_against(transaction.sync.dialect, mapping, unique, given, rows[0])
    if reason is None and await has_triggers(transaction, mapping.table, is_upsert=True):
        reason = "a trigger or a rule sees an INSERT of each row"
    stored = await upserting.write(transaction, mapping, unique, given, rows) if reason is None else None
    if stored is None:
        LOG.debug("%d rows of %s: no upsert: %s", len(rows), mapping.table, reason or "a constraint is against it")
    else:
        LOG.debug("%d rows of %s: written by %s", len(rows), mapping.table, upserting.__name__)
    return stored
