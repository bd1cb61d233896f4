"""The defaults of a flush's rows, which aldis makes so that receivers see them: the instances get them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..mapping.instance_state import changed, fill_in
from ..mapping.parents import takes_key
from ..mapping.rowwise import fill
from ..saving.announcing import filled_of, is_announced

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState, Session

    from .row import Row

__all__ = ["give_defaults", "left_to_defaults"]


def give_defaults(session: Session, row: Row) -> None:
    """Give an instance the defaults of its row; none, where receivers have left nothing else of an UPDATE."""
    mapping, state, column_values = row.heard.mapping, row.state, row.column_values
    if not row.filled:
        return
    if not row.is_update:
        names = left_to_defaults(state, row.filled, column_values)
        fill([state.dict], [column_values], [row.filled])
    elif changed(mapping, state) or takes_key(mapping, state):
        names = []
        for name, key in row.filled:
            if key in column_values and name not in state.committed_state:
                fill_in(state, name, column_values[key])
                names.append(name)
    else:
        column_values.clear()
        return
    if is_announced(mapping):
        filled_of(session)[state] = names


def left_to_defaults(
    state: InstanceState[Any], filled: Iterable[tuple[str, str]], column_values: Mapping[str, Any]
) -> list[str]:
    """Return the attributes of a new instance that are going to have their defaults.

    Args:
        state: The state of the instance.
        filled: The attributes that have defaults, and their keys in the row.
        column_values: The row.
    """
    values = state.dict
    return [name for name, key in filled if values.get(name) is None and column_values.get(key) is not None]
