"""How instances that have the same attributes set become rows: worked out once, used for each of a million."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .instance_state import STATE
from .rowwise import pick
from .table import DefaultContext, TableMapping, maker_of_rows, nullary, picker

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["RowPlan", "plan_of", "rows_of", "stored_rows_of"]

MOST: Final = 64
"""Layouts of one class that are remembered: instances that each have other attributes could have any number."""

"""Types that are known to be no SQL expressions'."""


class RowPlan:
    """The rows of new instances with the same attributes set.

    Args:
        mapping: The mapping of their class.
        given: The names of the attributes that are set, in their order.
    """

    def __init__(self, mapping: TableMapping, given: tuple[str, ...]) -> None:
        self.mapping = mapping
        self.given = frozenset(given)
        self.order = tuple(name for name in given if name != STATE)
        self.take_all = picker(self.order)
        columns = [(name, key) for name, key in mapping.columns if name in given]
        self.keys = tuple(key for _, key in columns)
        defaults = [(key, default) for key, default in mapping.defaults if key not in self.keys]
        plain = [(key, make) for key, default in defaults if (make := nullary(default)) is not None]
        self.row_of = maker_of_rows([(key, name) for name, key in columns], plain)
        self.defaults = tuple((key, default) for key, default in defaults if nullary(default) is None)
        """Those that look at the row."""
        self.filled = tuple((mapping.attributes[key], key) for key, _ in defaults)
        """Those that are filled in, by name and key."""
        self.related = not mapping.relationships.isdisjoint(given)
        self.names = given
        self.places = [(key, given.index(name)) for name, key in columns]
        self.makes = plain
        self.primary_key = tuple(key for key in mapping.primary_key if key in self.keys)
        column_values = {*self.keys, *(key for key, _ in defaults), *(column.key for column in mapping.made_on_insert)}
        self.expired = frozenset(name for name, key in mapping.columns if key not in column_values)
        """What the row has, and the instance does not know: a plain NULL, for example."""

    def pick(
        self, loaded: list[dict[str, Any]], keep: bool
    ) -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]] | None:
        """Return what instances have set, and what an INSERT writes of them; ``None`` where they are not all like this.

        Args:
            loaded: The instances' values.
            keep: Whether it is wanted what they have set.
        """
        if self.primary_key or self.defaults:
            return None
        state = self.names.index(STATE) if STATE in self.names else -1
        return pick(loaded, self.names, state, self.places, self.makes, keep)

    def column_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an INSERT writes, by column key, with the client's defaults applied; see ``TableMapping``."""
        column_values = self.row_of(values)
        for key in self.primary_key:
            if column_values[key] is None:
                return self.mapping.column_values(values)
        if self.defaults:
            context = DefaultContext(column_values)
            for key, default in self.defaults:
                column_values[key] = default(context)
        return column_values


def plan_of(mapping: TableMapping, values: Iterable[str]) -> RowPlan:
    """Return the plan of an instance's attributes."""
    given = tuple(values)
    plan: RowPlan | None = mapping.plans.get(given)
    if plan is None:
        if len(mapping.plans) >= MOST:
            mapping.plans.clear()
        plan = mapping.plans[given] = RowPlan(mapping, given)
    return plan


def rows_of(
    mapping: TableMapping, loaded: list[dict[str, Any]], keep: bool = True
) -> tuple[list[RowPlan], list[tuple[Any, ...]], list[dict[str, Any]]]:
    """Return the plans of instances of one class, what each has set, and what an INSERT writes of it.

    Args:
        mapping: The mapping of their class.
        loaded: The instances' values, which mostly have one plan.
        keep: Whether it is wanted what each has set; else there is nothing.
    """
    plan = plan_of(mapping, loaded[0])
    picked = plan.pick(loaded, keep)
    if picked is not None:
        return [plan] * len(loaded), *picked
    plans = [plan_of(mapping, values) for values in loaded]
    given = [plan.take_all(values) for plan, values in zip(plans, loaded, strict=True)] if keep else []
    return plans, given, [plan.column_values(values) for plan, values in zip(plans, loaded, strict=True)]


def stored_rows_of(mapping: TableMapping, loaded: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of stored instances of one class, by column key.

    Args:
        mapping: The mapping of their class.
        loaded: The instances' values.

    Raises:
        KeyError: One does not know all of its row.
    """
    plan = plan_of(mapping, loaded[0])
    knows_all = len(plan.places) == len(mapping.columns)
    picked = pick(loaded, plan.names, -1, plan.places, [], keep=False) if knows_all else None
    return list(map(mapping.row_of, loaded)) if picked is None else picked[1]
