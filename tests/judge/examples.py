"""An example: a pair, rows, a call and receivers. All of it is text, so that its repr is how to write it down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from .calls import CALLS
from .columns import COLUMNS
from .pairs import Spec

__all__ = ["Example", "Row", "examples_of"]

Cells = dict[str, str]
"""Texts of values by attribute; an attribute that is not there is left unset."""


@dataclass(frozen=True)
class Row:
    """One row. Its tag is its place among the rows."""

    cells: Cells = field(default_factory=dict)
    """The values of a new row."""
    changes: Cells = field(default_factory=dict)
    """The values that a stored row is changed to."""
    model: str = "Thing"


@dataclass(frozen=True)
class Example:
    """A call, with all that it depends on."""

    driver: str
    call: str
    rows: tuple[Row, ...]
    spec: Spec = field(default_factory=Spec)
    receivers: str = ""
    """The receivers' action: "" for no receivers; "hear", "raise", "skip", or "set ATTRIBUTE"."""
    set_to: str = "None"
    """The text of the value that the receivers set the attribute to."""
    batch_size: int | None = None
    lookup: str = "tag"
    """The attribute that rows are found by, where the call finds them."""

    def given(self, tag: int | None, attribute: str) -> str:
        """Return how a row's attribute was given: unset, None, sql or given, or set by the receivers."""
        if tag is None or tag >= len(self.rows) or attribute in {"id", "tag"}:
            return ""
        if self.receivers == f"set {attribute}":
            return "set"
        row = self.rows[tag]
        value = row.changes.get(attribute, row.cells.get(attribute))
        if value is None:
            return "unset"
        return (
            "None"
            if value == "None"
            else "sql"
            if attribute in COLUMNS and value in COLUMNS[attribute].sql
            else "given"
        )


@st.composite
def cells_of(draw: Any, spec: Spec, is_new: bool, with_odd: bool, is_calm: bool) -> list[tuple[str, tuple[str, ...]]]:
    """Draw the attributes of a kind of rows: for each, the values that such rows take in turn."""
    cells = []
    for kind in spec.kinds:
        # An unset attribute of a column that must have a value fails the whole example: rarely.
        must = is_new and "nullable=False" in kind.source and not kind.has_default
        states = ["given"] * 12 + ["unset"] if must else ["given", "given", "unset", "unset", "None", "sql"]
        if is_calm:
            states = ["given"] if must else ["given", "given", "unset"]
        state = draw(st.sampled_from(states))
        if state == "sql" and not kind.sql:
            state = "given"
        if state == "unset":
            continue
        values = ("None",) if state == "None" else kind.sql if state == "sql" else kind.values
        if state == "given" and kind.odd and with_odd and draw(st.integers(0, 9)) == 0:
            values = kind.odd
        start = draw(st.integers(0, len(values) - 1))
        period = draw(st.sampled_from([1, 2]))
        cells.append((kind.name, tuple(values[(start - step) % len(values)] for step in range(period))))
    return cells


@st.composite
def own_cells_of(
    draw: Any, spec: Spec, model: str, is_new: bool, given_keys: bool
) -> list[tuple[str, tuple[str, ...]]]:
    """Draw the attributes that the class kind itself has: each row takes the same one of their values."""
    cells = []
    for given in spec.classes.given:
        if model not in given.models or (given.is_fixed and not is_new):
            continue
        is_key = given.name in spec.classes.generated
        if given.is_always or (given_keys if is_key else draw(st.booleans())):
            value = given.values[0] if given.is_fixed else draw(st.sampled_from(given.values))
            cells.append((given.name, (value,)))
    return cells


SIZES = [1] * 4 + [2] * 4 + [5] * 3 + [19, 20, 21, 25] * 2 + [40, 200]


@st.composite
def examples_of(draw: Any, driver: str, specs: list[Spec], only_calls: tuple[str, ...] = ()) -> Example:
    """Draw an example."""
    # Half of the examples are on the odd tables.
    is_odd = draw(st.booleans())
    spec = draw(st.sampled_from([spec for spec in specs if (spec.table_kind != "plain") == is_odd] or specs))
    calls = [
        call
        for call in CALLS.values()
        if call.only(spec) and (not only_calls or call.name in only_calls)
        for _ in range(call.weight)
    ]
    call = draw(st.sampled_from(calls))
    size = draw(st.sampled_from([1, 1, 2, 3] if call.is_one_by_one else SIZES))
    # Half of the examples are calm: values alone, and the same attributes in each row, as the fast ways like them.
    is_calm = draw(st.booleans())
    given_keys = draw(st.integers(0, 3)) == 0
    templates = []
    for _ in range(draw(st.sampled_from([1, 1, 2, 3])) if size > 1 and not is_calm else 1):
        model = draw(st.sampled_from(spec.classes.models))
        new = draw(cells_of(spec, True, call.stored == "none", is_calm)) + draw(
            own_cells_of(spec, model, True, given_keys)
        )
        changes = draw(cells_of(spec, False, True, is_calm)) if call.changes else []
        if call.changes and not call.is_statement:
            changes += draw(own_cells_of(spec, model, False, False))
        assume(changes or call.name != "query.update")  # without an argument it is a TypeError, as any function's
        templates.append((new, changes, model))
    rows = []
    for number in range(size):
        new, changes, model = templates[number % len(templates)]
        rows.append(
            Row(
                {name: values[number % len(values)] for name, values in new},
                {name: values[number % len(values)] for name, values in changes},
                model,
            )
        )
    receivers, set_to = draw(st.sampled_from(["", *call.receivers])), "None"
    if receivers == "set":
        kind = draw(st.sampled_from(spec.kinds))
        receivers, set_to = f"set {kind.name}", draw(st.sampled_from(kind.values))
    batch_size = (size + 1) // 2 if size > 1 and draw(st.integers(0, 4)) == 0 else None
    lookup = draw(st.sampled_from(["tag", "tag", *lookups(rows)])) if call.stored == "half" else "tag"
    if call.name == "bulk_update_or_create":  # Which of two rows of one key comes last is asked of nobody.
        lookup = "tag"
    return Example(driver, call.name, tuple(rows), spec, receivers, set_to, batch_size, lookup)


def lookups(rows: list[Row]) -> list[str]:
    """Return the columns that every row gives a plain value for."""
    return [
        name
        for name in rows[0].cells
        if name in COLUMNS and all(row.cells.get(name) in COLUMNS[name].values for row in rows)
    ]
