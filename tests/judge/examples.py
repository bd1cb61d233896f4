"""An example: a pair, rows, a call and receivers. All of it is text, so that its repr is how to write it down.

The examples are drawn with Python's own random numbers: Hypothesis took a third of the judge's time, and the judge
makes its examples smaller itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from .calls import CALLS, Call
from .columns import COLUMNS
from .pairs import Spec

__all__ = ["Drawing", "Example", "Row"]

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


SIZES: Final = [1] * 4 + [2] * 4 + [5] * 3 + [19, 20, 21, 25] * 2 + [40, 200]

Templates = tuple[str, tuple[str, ...]]
"""An attribute, and the values that the rows of a kind take in turn."""


class Drawing:
    """Draws examples on a driver.

    Args:
        driver: The driver.
        specs: The pairs that the examples are of.
        seed: The same number draws the same examples.
        only_calls: Names of calls; by default all.
    """

    def __init__(self, driver: str, specs: list[Spec], seed: int, only_calls: tuple[str, ...] = ()) -> None:
        self.driver = driver
        self.chance = Random(f"{driver} {seed}")
        self.plain = [spec for spec in specs if spec.table_kind == "plain"]
        # A table that is altered is made for each example, which takes as long as five others.
        self.odd = [
            spec
            for spec in specs
            if spec.table_kind != "plain"
            for _ in range(1 if spec.tables.alter is not None else 4)
        ]
        names = [call for call in CALLS.values() if not only_calls or call.name in only_calls]
        self.calls = {spec: [call for call in names if call.only(spec) for _ in range(call.weight)] for spec in specs}

    def any(self) -> Example:
        """Draw an example; half of them are on the odd tables."""
        spec = self.chance.choice((self.odd if self.chance.random() < 1 / 2 else self.plain) or self.odd or self.plain)
        return self.of(spec, self.chance.choice(self.calls[spec]))

    def of(self, spec: Spec, call: Call) -> Example:
        """Draw an example of a pair and a call."""
        chance = self.chance
        size = chance.choice([1, 1, 2, 3] if call.is_one_by_one else SIZES)
        # Half of the examples are calm: values alone, and the same attributes in each row, as the fast ways like them.
        is_calm = chance.random() < 1 / 2
        given_keys = chance.random() < 1 / 4
        templates = [
            self.template(spec, call, given_keys, is_calm)
            for _ in range(chance.choice([1, 1, 2, 3]) if size > 1 and not is_calm else 1)
        ]
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
        receivers, set_to = chance.choice(["", *call.receivers]), "None"
        if receivers == "set":
            kind = chance.choice(spec.kinds)
            receivers, set_to = f"set {kind.name}", chance.choice(kind.values)
        batch_size = (size + 1) // 2 if size > 1 and chance.random() < 1 / 5 else None
        lookup = chance.choice(["tag", "tag", *lookups(rows)]) if call.stored == "half" else "tag"
        if call.name == "bulk_update_or_create":  # Which of two rows of one key comes last is asked of nobody.
            lookup = "tag"
        return Example(self.driver, call.name, tuple(rows), spec, receivers, set_to, batch_size, lookup)

    def template(
        self, spec: Spec, call: Call, given_keys: bool, is_calm: bool
    ) -> tuple[list[Templates], list[Templates], str]:
        """Draw a kind of rows: the attributes of the new ones, the changes of stored ones, and the class."""
        model = self.chance.choice(spec.classes.models)
        new = self.cells(spec, True, call.stored == "none", is_calm) + self.own_cells(spec, model, True, given_keys)
        while True:
            changes = self.cells(spec, False, True, is_calm) if call.changes else []
            if call.changes and not call.is_statement:
                changes += self.own_cells(spec, model, False, False)
            if changes or call.name != "query.update":  # without an argument it is a TypeError, as any function's
                return new, changes, model

    def cells(self, spec: Spec, is_new: bool, with_odd: bool, is_calm: bool) -> list[Templates]:
        """Draw the attributes of a kind of rows: for each, the values that such rows take in turn."""
        chance, cells = self.chance, []
        for kind in spec.kinds:
            # An unset attribute of a column that must have a value fails the whole example: rarely.
            must = is_new and "nullable=False" in kind.source and not kind.has_default
            states = ["given"] * 12 + ["unset"] if must else ["given", "given", "unset", "unset", "None", "sql"]
            if is_calm:
                states = ["given"] if must else ["given", "given", "unset"]
            state = chance.choice(states)
            if state == "sql" and not kind.sql:
                state = "given"
            if state == "unset":
                continue
            values = ("None",) if state == "None" else kind.sql if state == "sql" else kind.values
            if state == "given" and kind.odd and with_odd and chance.random() < 1 / 10:
                values = kind.odd
            start, period = chance.randrange(len(values)), chance.choice([1, 2])
            cells.append((kind.name, tuple(values[(start - step) % len(values)] for step in range(period))))
        return cells

    def own_cells(self, spec: Spec, model: str, is_new: bool, given_keys: bool) -> list[Templates]:
        """Draw the attributes that the class kind itself has: each row takes the same one of their values."""
        cells = []
        for given in spec.classes.given:
            if model not in given.models or (given.is_fixed and not is_new):
                continue
            is_key = given.name in spec.classes.generated
            if given.is_always or (given_keys if is_key else self.chance.random() < 1 / 2):
                value = given.values[0] if given.is_fixed else self.chance.choice(given.values)
                cells.append((given.name, (value,)))
        return cells


def lookups(rows: list[Row]) -> list[str]:
    """Return the columns that every row gives a plain value for."""
    return [
        name
        for name in rows[0].cells
        if name in COLUMNS and all(row.cells.get(name) in COLUMNS[name].values for row in rows)
    ]
