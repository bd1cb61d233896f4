"""The defaults of columns that are made in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from sqlalchemy import Column
from sqlalchemy.sql.schema import CallableColumnDefault, ScalarElementColumnDefault

__all__ = ["Constant", "DefaultContext", "clients_defaults", "nullary"]


class DefaultContext:
    """What a column's default callable gets for its context: the row's values so far.

    Stands for SQLAlchemy's ``DefaultExecutionContext``, which only a statement that runs has.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.current_parameters = values

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> Mapping[str, Any]:
        """Return the values of the row, by column key; there is one group of them, isolated or not."""
        return self.current_parameters


class Constant:
    """A default that is the same for every row."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, _context: Any = None) -> Any:
        """Return the value."""
        return self.value


def nullary(default: Callable[[Any], Any]) -> Callable[[], Any] | None:
    """Return what makes a default without a look at the row, if it can: SQLAlchemy has wrapped a plain function."""
    if isinstance(default, Constant):
        return default
    function: Callable[[], Any] | None = getattr(default, "__wrapped__", None)
    is_wrapped = getattr(default, "__globals__", {}).get("__name__") == "sqlalchemy.sql.schema"
    return function if is_wrapped else None


def clients_defaults(
    key_of: Mapping[Column[Any], str], which: Callable[[Column[Any]], Any]
) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """Return, of columns with their keys, those that have a default made in Python, by key with what makes it."""
    found: list[tuple[str, Callable[[Any], Any]]] = []
    for column, key in key_of.items():
        default = which(column)
        if isinstance(default, ScalarElementColumnDefault):
            found.append((key, Constant(default.arg)))
        elif isinstance(default, CallableColumnDefault):
            found.append((key, cast("Callable[[Any], Any]", default.arg)))
    return tuple(found)
