"""An example is made smaller for as long as it shows a difference of the same group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .differences import Difference
from .examples import Example, Row
from .running import Bench, Finding

__all__ = ["shrink"]


def shrink(bench: Bench, finding: Finding, tries: int = 80) -> tuple[Example, Difference]:
    """Return a smaller example with a difference like the finding's, and that difference."""
    example, difference = finding.example, finding.difference
    is_smaller = True
    while is_smaller and tries:
        is_smaller = False
        for candidate in smaller(example, difference):
            tries -= 1
            found = like(bench.differences(candidate) or [], difference)
            if found is not None:
                example, difference, is_smaller = candidate, found, True
                break
            if not tries:
                break
    return example, difference


def like(found: list[Difference], difference: Difference) -> Difference | None:
    """Return the difference that is of the same field and attribute."""
    for other in found:
        is_alike = (other.field, other.attribute) == (difference.field, difference.attribute)
        if is_alike and (other.field != "error" or error_of(other) == error_of(difference)):
            return other
    return None


def error_of(difference: Difference) -> tuple[str, str]:
    return difference.ours.partition(":")[0], difference.theirs.partition(":")[0]


def smaller(example: Example, difference: Difference) -> Iterator[Example]:
    """Give smaller examples, those that leave out most first."""
    rows, spec = example.rows, example.spec
    if len(rows) > 1:
        if difference.tag is not None and difference.tag < len(rows):
            yield replace(example, rows=(rows[difference.tag],))
        yield replace(example, rows=rows[: len(rows) // 2])
        yield replace(example, rows=rows[:-1])
    if example.receivers:
        yield replace(example, receivers="", set_to="None")
        yield (
            replace(example, receivers="hear", set_to="None")
            if example.receivers != "hear"
            else replace(example, receivers="")
        )
    if example.batch_size is not None:
        yield replace(example, batch_size=None)
    if spec.table_kind != "plain":
        yield replace(example, spec=replace(spec, table_kind="plain"))
    if spec.class_kind != "plain" and all(row.model == "Thing" for row in rows):
        given = {given.name for given in spec.classes.given}
        yield replace(without(example, given), spec=replace(spec, class_kind="plain"))
    is_altered = spec.tables.alter is not None  # some of its columns by name
    columns = [] if is_altered else [name for name in spec.columns if name != difference.attribute]
    if len(columns) > 1:
        yield fewer_columns(example, set(columns))
    for name in columns:
        yield fewer_columns(example, {name})
    keys = {given.name for given in spec.classes.given if given.is_always}
    for name in sorted({name for row in rows for name in row.cells} - keys):
        yield replace(example, rows=tuple(Row(dropped(row.cells, {name}), row.changes, row.model) for row in rows))
    for name in sorted({name for row in rows for name in row.changes}):
        yield replace(example, rows=tuple(Row(row.cells, dropped(row.changes, {name}), row.model) for row in rows))


def dropped(cells: dict[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in cells.items() if name not in names}


def without(example: Example, names: set[str]) -> Example:
    return replace(
        example,
        rows=tuple(Row(dropped(row.cells, names), dropped(row.changes, names), row.model) for row in example.rows),
    )


def fewer_columns(example: Example, names: set[str]) -> Example:
    spec = example.spec
    kept = tuple(name for name in spec.columns if name not in names)
    receivers = example.receivers if example.receivers.removeprefix("set ") not in names else "hear"
    return replace(without(example, names), spec=replace(spec, columns=kept), receivers=receivers)
