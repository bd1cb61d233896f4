"""An example: a pair, rows, a call and receivers. All of it is text, so that its repr is how to write it down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

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
    """What the receivers do: "" for no receivers; "hear", "raise", "skip", or "set ATTRIBUTE"."""
    set_to: str = "None"
    """The text of the value that the receivers set the attribute to."""
    batch_size: int | None = None

    def given(self, tag: int | None, attribute: str) -> str:
        """Return how a row's attribute was given: unset, None, sql or given, or set by the receivers."""
        if tag is None or tag >= len(self.rows) or attribute not in COLUMNS:
            return ""
        if self.receivers == f"set {attribute}":
            return "set"
        row = self.rows[tag]
        value = row.changes.get(attribute, row.cells.get(attribute))
        if value is None:
            return "unset"
        return "None" if value == "None" else "sql" if value in COLUMNS[attribute].sql else "given"


@st.composite
def cells_of(draw: Any, spec: Spec, is_new: bool) -> list[tuple[str, tuple[str, ...]]]:
    """Draw the attributes of a kind of rows: for each, the values that such rows take in turn."""
    cells = []
    for kind in spec.kinds:
        # An unset attribute of a column that must have a value fails the whole example: rarely.
        must = is_new and "nullable=False" in kind.source and not kind.has_default
        states = ["given"] * 12 + ["unset"] if must else ["given", "given", "unset", "unset", "None", "sql"]
        state = draw(st.sampled_from(states))
        if state == "sql" and not kind.sql:
            state = "given"
        if state == "unset":
            continue
        values = ("None",) if state == "None" else kind.sql if state == "sql" else kind.values
        start = draw(st.integers(0, len(values) - 1))
        # Odd values, at the end, are refused by some databases: a row takes them only where they were drawn.
        period = draw(st.sampled_from([1, 2]))
        cells.append((kind.name, tuple(values[(start - step) % len(values)] for step in range(period))))
    return cells


SIZES = [1] * 6 + [2] * 4 + [5] * 3 + [19, 20, 21] * 2 + [40]


@st.composite
def examples_of(draw: Any, driver: str, specs: list[Spec]) -> Example:
    """Draw an example."""
    spec = draw(st.sampled_from(specs))
    call = draw(st.sampled_from([call for call in CALLS.values() if call.fits(spec)]))
    size = draw(st.sampled_from([1, 1, 2] if call.is_one_by_one else SIZES))
    templates = []
    for _ in range(draw(st.sampled_from([1, 1, 2, 3])) if size > 1 else 1):
        new = draw(cells_of(spec, True))
        changes = draw(cells_of(spec, False)) if call.is_of_stored else []
        templates.append((new, changes, draw(st.sampled_from(spec.classes.models))))
    rows = []
    for number in range(size):
        new, changes, model = templates[number % len(templates)]
        given = {name: values[number % len(values)] for name, values in spec.classes.values}
        rows.append(
            Row(
                {**given, **{name: values[number % len(values)] for name, values in new}},
                {name: values[number % len(values)] for name, values in changes},
                model,
            )
        )
    receivers, set_to = draw(receivers_of(spec)), "None"
    if receivers == "set":
        kind = draw(st.sampled_from(spec.kinds))
        receivers, set_to = f"set {kind.name}", draw(st.sampled_from(kind.values))
    batch_size = (size + 1) // 2 if size > 1 and draw(st.integers(0, 4)) == 0 else None
    return Example(driver, call.name, tuple(rows), spec, receivers, set_to, batch_size)


def receivers_of(spec: Spec) -> Any:
    return st.sampled_from(["", "", "", "hear", "hear", "set", "raise", "skip"])
