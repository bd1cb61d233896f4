"""Whether a condition on what changed may hold for one of many rows: asked of all at once, before any is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm.base import NO_VALUE

from ..mapping.instance_state import PLAIN
from ..mapping.rowwise import had_value, has_one, has_value

if TYPE_CHECKING:
    from ...dispatch.conditions import ChangeTest
    from .row_changes import Changes

__all__ = ["may_hold"]


def may_hold(changes: Changes, test: ChangeTest, are_written: bool = False) -> bool:
    """Tell whether a condition may hold for one of the rows, by the columns that they write and by the values.

    Args:
        changes: The rows.
        test: What the condition asks.
        are_written: They are written, so that SQLAlchemy's record of their old values is gone.
    """
    mapping = changes.mapping
    if changes.are_related() or mapping.watches_updates:
        return True
    if not test.names or (changes.is_update and not test.names.isdisjoint(changes.made_names())):
        return any(changes.rows)
    rows: list[dict[str, Any]] = changes.rows  # type: ignore[assignment]
    keys = [mapping.keys[name] for name in test.names if name in mapping.keys]
    try:
        if test.to and not any(has_value(rows, key, test.to[0], PLAIN) for key in keys):
            return False
        if test.was and not are_written and not any(may_have_been(changes, key, test.was[0]) for key in keys):
            return False
    except Exception:
        return True  # the condition itself compares the values, row by row
    return bool(test.to) or has_one(rows, keys)


def may_have_been(changes: Changes, key: str, value: Any) -> bool:
    """Tell whether the old value of a column may be this one in one of the rows: it is that, or is not known."""
    if not changes.is_update:
        return bool(value == None)  # noqa: E711 - as the condition compares
    name = changes.mapping.attributes[key]
    return had_value(changes.states, name, value, NO_VALUE)
