"""What is done to every row of a bulk operation, by whichever core runs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ...dispatch import backend

__all__ = ["altered", "are_alike", "fill", "iso", "mark", "names", "pick", "types", "values_of"]

if TYPE_CHECKING:
    from ._pure_rows import altered, fill, iso, mark, names, pick, types, values_of
else:
    _rows = importlib.import_module(f"{__package__}._{backend}_rows")
    altered, fill, iso, mark = _rows.altered, _rows.fill, _rows.iso, _rows.mark
    names, pick, types, values_of = _rows.names, _rows.pick, _rows.types, _rows.values_of


def are_alike(rows: list[dict[str, Any]]) -> bool:
    """Tell whether rows have the same columns, in whatever order.

    Example:
        >>> are_alike([{"a": 1, "b": 2}, {"b": 3, "a": 4}]), are_alike([{"a": 1}, {"b": 2}])
        (True, False)
    """
    return len(set(map(frozenset, names(rows)))) <= 1
