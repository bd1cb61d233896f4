"""What is done to every row of a bulk operation, by whichever core runs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ...dispatch import backend

__all__ = [
    "altered",
    "are_alike",
    "changes_of",
    "fill",
    "had_value",
    "has_one",
    "has_value",
    "is_unaltered",
    "iso",
    "load",
    "mark",
    "names",
    "pick",
    "renew",
    "snapshots",
    "types",
    "unequal",
    "unequal_of_all",
    "values_of",
    "without",
]

if TYPE_CHECKING:
    from ._pure_rows import (
        altered,
        changes_of,
        fill,
        has_one,
        has_value,
        is_unaltered,
        iso,
        names,
        pick,
        types,
        values_of,
    )
    from ._pure_states import had_value, load, mark, renew, snapshots, unequal, unequal_of_all, without
else:
    _rows = importlib.import_module(f"{__package__}._{backend}_rows")
    altered, changes_of, fill, iso = _rows.altered, _rows.changes_of, _rows.fill, _rows.iso
    has_one, has_value, is_unaltered = _rows.has_one, _rows.has_value, _rows.is_unaltered
    names, pick = _rows.names, _rows.pick
    types, values_of = _rows.types, _rows.values_of
    _states = importlib.import_module(f"{__package__}._{backend}_states")
    had_value, load, mark, renew = _states.had_value, _states.load, _states.mark, _states.renew
    snapshots, unequal = _states.snapshots, _states.unequal
    unequal_of_all, without = _states.unequal_of_all, _states.without


def are_alike(rows: list[dict[str, Any]]) -> bool:
    """Tell whether rows have the same columns, in whatever order.

    Example:
        >>> are_alike([{"a": 1, "b": 2}, {"b": 3, "a": 4}]), are_alike([{"a": 1}, {"b": 2}])
        (True, False)
    """
    return len(set(map(frozenset, names(rows)))) <= 1
