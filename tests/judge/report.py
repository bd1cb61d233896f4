"""The report of a run, and an example written down so that it can be run again."""

from __future__ import annotations

from .differences import Difference
from .examples import Example, Row
from .pairs import Spec
from .running import ENOUGH, Bench, Finding, Tally
from .shrinking import shrink

__all__ = ["brief", "coverage", "literal", "report", "summary"]


def literal(example: Example) -> str:
    """Return the text that makes an example, without its defaults."""
    parts = [repr(example.driver), repr(example.call), rows_text(example.rows)]
    if example.spec != Spec():
        parts.append(f"Spec({example.spec.class_kind!r}, {example.spec.table_kind!r}, {example.spec.columns!r})")
    if example.receivers:
        parts.append(f"receivers={example.receivers!r}")
    if example.set_to != "None":
        parts.append(f"set_to={example.set_to!r}")
    if example.batch_size is not None:
        parts.append(f"batch_size={example.batch_size}")
    if example.lookup != "tag":
        parts.append(f"lookup={example.lookup!r}")
    return f"Example({', '.join(parts)})"


def rows_text(rows: tuple[Row, ...]) -> str:
    if len(rows) > 1 and all(row == rows[0] for row in rows):
        return f"({row_text(rows[0])},) * {len(rows)}"
    return f"({''.join(row_text(row) + ', ' for row in rows)})"


def row_text(row: Row) -> str:
    parts = [repr(row.cells)] if row.cells or row.changes or row.model != "Thing" else []
    if row.changes or row.model != "Thing":
        parts.append(repr(row.changes))
    if row.model != "Thing":
        parts.append(repr(row.model))
    return f"Row({', '.join(parts)})"


def told(example: Example, difference: Difference) -> str:
    """Return a difference, the class and the call, for reading."""
    where = f"{difference.field} {difference.attribute}".strip() + (
        f" ({difference.given})" if difference.given else ""
    )
    return "\n".join(
        [
            f"{example.call}, {where}" + ("" if difference.tag is None else f", row {difference.tag}"),
            f"    aldis:      {difference.ours[:300]}",
            f"    SQLAlchemy: {difference.theirs[:300]}",
            *(f"    | {line}" for line in example.spec.source("thing").strip().splitlines()),
            f"    python -m tests.judge --replay {shell(literal(example))}",
        ]
    )


def shell(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    return f'"{escaped}"'


def summary(tally: Tally) -> str:
    """Return the figures of a run."""
    least = min(tally.covered.values(), default=0)
    figures = [
        f"{tally.tried} examples in {tally.seconds:.0f} s",
        f"{tally.differing} with a difference",
        f"{tally.unprepared} could not be prepared",
        f"{len(tally.covered)} pairs of a call and a kind, the least tried {least} times",
        f"{len(tally.findings)} groups of differences",
    ]
    return f"{tally.driver}: {', '.join(figures)}"


def report(bench: Bench, tally: Tally, *, limit: int = 40) -> str:
    """Return the findings, the most frequent first, each with a small example."""
    chosen = sorted(tally.findings.values(), key=lambda finding: -finding.count)
    lines = []
    seen = set()
    for finding in chosen:
        if len(seen) == limit:
            lines.append("... and more groups: --limit shows them")
            break
        example, difference = shrink(bench, finding)
        alike = (example.call, difference.field, difference.attribute, difference.given, example.spec)
        if alike in seen:
            continue
        seen.add(alike)
        lines.append(f"# found {finding.count} times, first by example {finding.number}")
        lines.append(told(example, difference))
        lines.append("")
    return "\n".join(lines)


def brief(tally: Tally) -> str:
    """Return a line for each group of differences, calls and classes aside."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in tally.findings.values():
        difference = finding.difference
        about = [difference.ours, difference.theirs] if difference.field == "error" else []
        key = (difference.field, difference.attribute, difference.given, *(text.partition(":")[0] for text in about))
        groups.setdefault(key, []).append(finding)
    lines = []
    for key, findings in sorted(groups.items(), key=lambda item: -sum(finding.count for finding in item[1])):
        first = findings[0]
        calls = ",".join(sorted({finding.example.call for finding in findings}))
        kinds = ",".join(sorted({f"{f.example.spec.class_kind}/{f.example.spec.table_kind}" for f in findings})[:4])
        receivers = ",".join(sorted({finding.example.receivers.partition(" ")[0] for finding in findings}))
        ours, theirs = first.difference.ours[:90], first.difference.theirs[:90]
        count = sum(finding.count for finding in findings)
        lines.append(f"{count:5} {' '.join(key[:3])}: {ours!r} / {theirs!r} [{calls}] [{kinds}] [{receivers}]")
    return "\n".join(lines)


def coverage(tally: Tally) -> str:
    """Return the pairs of a call and a kind, and the kinds of columns, that were tried fewer than five times."""
    columns: dict[str, int] = {}
    for (_, what, kind), count in tally.covered.items():
        if what == "column":
            columns[kind] = columns.get(kind, 0) + count
    few = [f"{call} x {what} {kind}: {count}" for (call, what, kind), count in tally.covered.items() if count < ENOUGH]
    few += [f"column {kind} x {tally.driver}: {count}" for kind, count in columns.items() if count < ENOUGH]
    return "\n".join(few)
