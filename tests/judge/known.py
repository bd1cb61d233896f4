"""The faults of aldis that the judge has found and that are not mended yet, by cause.

Each entry has an example, which ``test_judge.py`` expects to show the fault: whoever mends it removes the entry. An
entry explains a difference only where it names the field of the outcome and the kind of what is concerned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .columns import COLUMNS
from .differences import Difference
from .examples import Example, Row
from .pairs import Spec

__all__ = ["KNOWN", "Known", "explained"]


@dataclass(frozen=True)
class Known:
    """A fault."""

    name: str
    says: str
    """The fault, in a sentence."""
    when: Callable[[Example, Difference], bool]
    """Whether a difference is of this fault."""
    example: Example
    share: float = 0.1
    """At most this share of all examples may have the fault: an entry that explains more is too wide."""


def explained(example: Example, difference: Difference) -> Known | None:
    """Return the known fault that a difference is of."""
    return next((known for known in KNOWN if known.when(example, difference)), None)


def has_default(attribute: str) -> bool:
    return attribute in COLUMNS and COLUMNS[attribute].has_default


def new(call: str, cells: dict[str, str], *, driver: str = "aiosqlite", count: int = 1, **options: str) -> Example:
    """Return an example of new rows that are all given the same."""
    columns = dict.fromkeys([*cells, *(value.removeprefix("set ") for value in options.values() if "set " in value)])
    return Example(driver, call, (Row(cells),) * count, Spec(columns=tuple(columns)), **options)


def is_of_null(error: str) -> bool:
    """Tell whether an error is of a column that must have a value, in the words of the databases."""
    return any(words in error for words in ("NOT NULL", "cannot be null", "null value in column"))


def some_row_gives_none(example: Example) -> bool:
    """Tell whether some row gives None for a column with a default."""
    return any(value == "None" and has_default(name) for row in example.rows for name, value in row.cells.items())


def is_value(difference: Difference) -> bool:
    """Tell whether a value is another, in the row or on the instance."""
    return difference.field in {"stored", "attribute"}


def is_update(example: Example) -> bool:
    return any(row.changes for row in example.rows) or "or_create" in example.call


def has_derived(example: Example) -> bool:
    return any(row.model == "Special" for row in example.rows)


ALTERED = ("big_integer", "integer", "float_", "string")

KNOWN = [
    Known(
        "lookup_in_batch",
        "bulk_get_or_create takes two rows of a batch for one, by Python's equality, where the database finds no equal",
        lambda example, difference: (
            example.call == "bulk_get_or_create"
            and example.lookup == "float_"
            and example.driver == "asyncmy"
            and difference.field in {"rows", "stored"}
        ),
        Example(
            "asyncmy", "bulk_get_or_create", (Row({"float_": "0.1"}),) * 2, Spec(columns=("float_",)), lookup="float_"
        ),
    ),
]
