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
    "iso",
    "load",
    "mark",
    "names",
    "pick",
    "types",
    "unequal",
    "values_of",
    "without",
]

if TYPE_CHECKING:
    from ._pure_rows import (
        altered,
        changes_of,
        fill,
        had_value,
        has_one,
        has_value,
        iso,
        load,
        mark,
        names,
        pick,
        types,
        unequal,
        values_of,
        without,
    )
else:
    _rows = importlib.import_module(f"{__package__}._{backend}_rows")
    altered, changes_of, fill, iso = _rows.altered, _rows.changes_of, _rows.fill, _rows.iso
    had_value, has_one, has_value = _rows.had_value, _rows.has_one, _rows.has_value
    load, mark = _rows.load, _rows.mark
    names, pick, types, values_of = _rows.names, _rows.pick, _rows.types, _rows.values_of
    unequal, without = _rows.unequal, _rows.without


def are_alike(rows: list[dict[str, Any]]) -> bool:
    """Tell whether rows have the same columns, in whatever order.

    Example:
        >>> are_alike([{"a": 1, "b": 2}, {"b": 3, "a": 4}]), are_alike([{"a": 1}, {"b": 2}])
        (True, False)
    """
    return len(set(map(frozenset, names(rows)))) <= 1
