"""How instances that have the same attributes set become rows: worked out once, used for each of a million."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ClauseElement

from .rowwise import pick
from .rowwise import types as types_of
from .shape import DefaultContext, Shape, maker_of_rows, nullary, picker
from .snapshot import STATE

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Layout", "has_expressions", "layout_of", "rows_of", "stored_rows_of"]

MOST: Final = 64
"""Layouts of one class that are remembered: instances that each have other attributes could have any number."""

PLAIN: Final[set[type[Any]]] = {str, int, float, bool, bytes, type(None)}
"""Types that are known to be no SQL expressions'."""


class Layout:
    """The rows of new instances with the same attributes set.

    Args:
        shape: The shape of their class.
        given: The names of the attributes that are set, in their order.
    """

    def __init__(self, shape: Shape, given: tuple[str, ...]) -> None:
        self.shape = shape
        self.given = frozenset(given)
        self.order = tuple(name for name in given if name != STATE)
        self.take_all = picker(self.order)
        columns = [(name, key) for name, key in shape.columns if name in given]
        self.keys = tuple(key for _, key in columns)
        defaults = [(key, default) for key, default in shape.defaults if key not in self.keys]
        plain = [(key, make) for key, default in defaults if (make := nullary(default)) is not None]
        self.row_of = maker_of_rows([(key, name) for name, key in columns], plain)
        self.defaults = tuple((key, default) for key, default in defaults if nullary(default) is None)
        """Those that look at the row."""
        self.filled = tuple((shape.attributes[key], key) for key, _ in defaults)
        """Those that are filled in, by name and key."""
        self.related = not shape.relationships.isdisjoint(given)
        self.names = given
        self.places = [(key, given.index(name)) for name, key in columns]
        self.makes = plain
        self.primary_key = tuple(key for key in shape.primary_key if key in self.keys)
        written = {*self.keys, *(key for key, _ in defaults), *(column.key for column in shape.made_on_insert)}
        self.expired = frozenset(name for name, key in shape.columns if key not in written)
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
        """Return what an INSERT writes, by column key, with the client's defaults applied; see ``Shape``."""
        written = self.row_of(values)
        for key in self.primary_key:
            if written[key] is None:
                return self.shape.column_values(values)
        if self.defaults:
            context = DefaultContext(written)
            for key, default in self.defaults:
                written[key] = default(context)
        return written


def layout_of(shape: Shape, values: Iterable[str]) -> Layout:
    """Return the layout of an instance's attributes."""
    given = tuple(values)
    layout: Layout | None = shape.layouts.get(given)
    if layout is None:
        if len(shape.layouts) >= MOST:
            shape.layouts.clear()
        layout = shape.layouts[given] = Layout(shape, given)
    return layout


def rows_of(
    shape: Shape, loaded: list[dict[str, Any]], keep: bool = True
) -> tuple[list[Layout], list[tuple[Any, ...]], list[dict[str, Any]]]:
    """Return the layouts of instances of one class, what each has set, and what an INSERT writes of it.

    Args:
        shape: The shape of their class.
        loaded: The instances' values, which mostly have one layout.
        keep: Whether it is wanted what each has set; else there is nothing.
    """
    layout = layout_of(shape, loaded[0])
    picked = layout.pick(loaded, keep)
    if picked is not None:
        return [layout] * len(loaded), *picked
    layouts = [layout_of(shape, values) for values in loaded]
    given = [layout.take_all(values) for layout, values in zip(layouts, loaded, strict=True)] if keep else []
    return layouts, given, [layout.column_values(values) for layout, values in zip(layouts, loaded, strict=True)]


def stored_rows_of(shape: Shape, loaded: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of stored instances of one class, by column key.

    Args:
        shape: The shape of their class.
        loaded: The instances' values.

    Raises:
        KeyError: One does not know all of its row.
    """
    layout = layout_of(shape, loaded[0])
    knows_all = len(layout.places) == len(shape.columns)
    picked = pick(loaded, layout.names, -1, layout.places, [], keep=False) if knows_all else None
    return list(map(shape.row_of, loaded)) if picked is None else picked[1]


def has_expressions(rows: list[dict[str, Any]]) -> bool:
    """Tell whether a value of the rows is a SQL expression; each type is looked at once."""
    types = types_of(rows)
    if PLAIN.issuperset(types):
        return False
    for each in types - PLAIN:
        if issubclass(each, ClauseElement):
            return True
        PLAIN.add(each)
    return False
