"""SQLAlchemy's event ``refresh_flush`` tells of the defaults that aldis has made as of those that a flush makes."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState, Session, UOWTransaction

    from ..mapping.table import TableMapping

__all__ = ["announce", "filled_of", "is_announced"]

FILLED: Final = "aldis_filled"
"""Where a session keeps the attributes that have got a default of which SQLAlchemy does not know, by state."""


def is_announced(mapping: TableMapping) -> bool:
    """Tell whether anybody listens to ``refresh_flush`` of a class, and have it tell of our defaults too."""
    model = mapping.mapper.class_
    if not mapping.mapper.class_manager.dispatch.refresh_flush:
        return False
    if not event.contains(model, "refresh_flush", tell_of_filled):
        event.listen(model, "refresh_flush", tell_of_filled, raw=True, insert=True)
    return True


def filled_of(session: Session) -> MutableMapping[InstanceState[Any], list[str]]:
    """Return the attributes that have got a default of which SQLAlchemy does not know yet, by state."""
    found: MutableMapping[InstanceState[Any], list[str]] = session.info.setdefault(FILLED, WeakKeyDictionary())
    return found


def announce(session: Session, states: Iterable[InstanceState[Any]], context: UOWTransaction | None) -> None:
    """Announce the defaults of which no event of SQLAlchemy's own has told, once the rows are written."""
    filled = session.info.get(FILLED, {})
    for state in states if filled else ():
        names = filled.pop(state, None)
        if names:
            state.manager.dispatch.refresh_flush(state, context, names)


def tell_of_filled(state: InstanceState[Any], context: UOWTransaction | None, names: list[str]) -> None:
    """Add to the names that SQLAlchemy announces: one event tells of all defaults, whoever has made them."""
    if context is not None:  # else it is our own announcement
        names[:0] = context.session.info.get(FILLED, {}).pop(state, ())
