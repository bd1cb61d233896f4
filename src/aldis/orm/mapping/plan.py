"""How instances that have the same attributes set become rows: worked out once, used for each of a million."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .defaults import Constant, DefaultContext, nullary
from .instance_state import STATE
from .rowwise import pick
from .table import TableMapping, maker_of_rows, picker

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["RowPlan", "new_row", "plan_of", "rows_of", "stored_rows_of"]

MOST: Final = 64
"""Layouts of one class that are remembered: instances that each have other attributes could have any number."""

"""Types that are known to be no SQL expressions'."""


NULL: Final = Constant(None)


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
        unset = [(key, default) for key, default in mapping.defaults if key not in self.keys]
        made = [(key, make) for key, default in unset if (make := nullary(default)) is not None]
        made += [(key, NULL) for key in mapping.null_when_unset if key not in self.keys]
        self.row_of = maker_of_rows([(key, name) for name, key in columns], made)
        self.defaults = tuple((key, default) for key, default in unset if nullary(default) is None)
        """The defaults of unset attributes that look at the row."""
        self.left_out_when_none = tuple(key for key in self.keys if key in mapping.left_out_when_none)
        self.default_when_none = {key: make for key, make in mapping.defaults if key in self.left_out_when_none}
        filled = [*(key for key, _ in unset), *self.default_when_none]
        self.filled = tuple((mapping.attributes[key], key) for key in filled)
        """The attributes that get a default, by name and key."""
        self.related = not mapping.relationships.isdisjoint(given)
        self.names = given
        self.places = [(key, given.index(name)) for name, key in columns]
        self.makes = made

    def pick(
        self, loaded: list[dict[str, Any]], keep: bool
    ) -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]] | None:
        """Return the values that instances have set, and those that an INSERT writes; ``None`` if not all are alike.

        Args:
            loaded: The instances' values.
            keep: Whether the values that they have set are wanted.
        """
        state = self.names.index(STATE) if STATE in self.names else -1
        picked = pick(loaded, self.names, state, self.places, self.makes, keep)
        if picked is not None:
            left_out = self.left_out_when_none
            if self.defaults:
                for row in picked[1]:
                    self.complete(row)
            elif left_out:
                for row in picked[1]:
                    for key in left_out:
                        if row[key] is None:
                            self.complete(row)
                            break
        return picked

    def column_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that an INSERT writes, by column key, with the client's defaults applied.

        The rule is that of SQLAlchemy's flush (``_collect_insert_commands`` in its ``orm/persistence.py``): ``None``
        lets a default serve, and an unset attribute without one is NULL, unless its type evaluates ``None``.
        """
        column_values = self.row_of(values)
        if self.defaults or self.left_out_when_none:
            self.complete(column_values)
        return column_values

    def complete(self, column_values: dict[str, Any]) -> None:
        """Apply the defaults that look at the row, and leave out ``None`` where the database makes the value."""
        due = list(self.defaults)
        for key in self.left_out_when_none:
            if column_values.get(key, 0) is None:
                if key in self.default_when_none:
                    due.append((key, self.default_when_none[key]))
                else:
                    del column_values[key]
        if due:
            context = DefaultContext(column_values)
            for key, default in due:
                column_values[key] = default(context)


def plan_of(mapping: TableMapping, values: Iterable[str]) -> RowPlan:
    """Return the plan of an instance's attributes."""
    given = tuple(values)
    plan: RowPlan | None = mapping.plans.get(given)
    if plan is None:
        if len(mapping.plans) >= MOST:
            mapping.plans.clear()
        plan = mapping.plans[given] = RowPlan(mapping, given)
    return plan


def new_row(mapping: TableMapping, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that an INSERT of an instance writes; see :meth:`RowPlan.column_values`."""
    return plan_of(mapping, values).column_values(values)


def rows_of(
    mapping: TableMapping, loaded: list[dict[str, Any]], keep: bool = True
) -> tuple[list[RowPlan], list[tuple[Any, ...]], list[dict[str, Any]]]:
    """Return the plans of instances of one class, the values that each has set, and those that an INSERT writes.

    Args:
        mapping: The mapping of their class.
        loaded: The instances' values, which mostly have one plan.
        keep: Whether the values that each has set are wanted; else they are left out.
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
