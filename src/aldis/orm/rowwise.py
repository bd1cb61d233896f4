"""What is done to every row of a bulk operation, by whichever core runs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..dispatch import backend

__all__ = ["are_alike", "iso", "mark", "names", "pick", "types"]

if TYPE_CHECKING:
    from ._pure_rows import iso, mark, names, pick, types
else:
    _rows = importlib.import_module(f"{__package__}._{backend}_rows")
    iso, mark, names, pick, types = _rows.iso, _rows.mark, _rows.names, _rows.pick, _rows.types


def are_alike(rows: list[dict[str, Any]]) -> bool:
    """Tell whether rows have the same columns, in whatever order.

    Example:
        >>> are_alike([{"a": 1, "b": 2}, {"b": 3, "a": 4}]), are_alike([{"a": 1}, {"b": 2}])
        (True, False)
    """
    return len(set(map(frozenset, names(rows)))) <= 1
