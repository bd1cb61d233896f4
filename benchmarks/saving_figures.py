"""The half of docs/benchmarks.md that is about saving rows, of the JSON of ``test_saving.py``."""

from __future__ import annotations

import json
from pathlib import Path

Figures = dict[tuple[str, str, str], float]
"""Microseconds a row, by operation, database and library."""

PLAIN_AWAIT = 0.507
"""Microseconds of an await in a plain loop, on the machine that the aims in microseconds are from."""

TEN_IN_LOOPS = 2 * 2.286
"""Microseconds of two plain loops over five receivers there."""

Row = tuple[str, float, str, float]
"""The aim, the ratio measured, the sense of the bound, and the bound."""


def read(path: str) -> Figures:
    """Return the figures of a run."""
    figures: Figures = {}
    for each in json.loads(Path(path).read_text("utf-8"))["benchmarks"]:
        info = each["extra_info"]
        for kind, peer, value in info.get("figures", ()):
            figures[kind, info["where"], peer] = value
        if "figures" in info:
            continue
        measured = info.get("microseconds") or each["stats"]["min"] * 1e6 / info["number"]
        figures[info["kind"], info["where"], info["peer"]] = measured
    return figures


def targets(figures: Figures) -> list[Row]:
    """Return the aims, and the measured ratios."""
    rows: list[Row] = []
    for where in ("SQLite", "PostgreSQL, asyncpg"):
        for what in ("save", "update", "delete"):
            core, ours = (figures.get((f"one {what}", where, peer)) for peer in ("Core", "aldis"))
            if core and ours:
                rows.append(
                    (f"`{what}()`, 1 + 1 receivers, over Core's statement, {where}", ours / core, "at most", 1.35)
                )
        kind = "5 + 5 receivers over none"
        rows += in_both_units(figures, f"{kind}, {{unit}} a save, {where}", kind, where, "aldis", 5)
        loop, ours = (figures.get((kind, where, peer)) for peer in ("plain loop", "aldis"))
        if loop and ours:
            text = f"{kind}, against two plain loops over 5 in a save, {where}"
            rows.append((text, ours / loop, "at most", round(5 / TEN_IN_LOOPS, 2)))
    edgy, ours = (figures.get(("one save", "SQLite", peer)) for peer in ("Edgy", "aldis"))
    if edgy and ours:
        rows.append(("`save()` against Edgy's, SQLite", edgy / ours, "at least", 8))
    asyncpg, kind = "PostgreSQL, asyncpg", "flush, nobody listens, over SQLAlchemy's"
    if (kind, asyncpg, "aldis") in figures:
        text = "a session's flush of 10,000, nobody listens, over SQLAlchemy's"
        rows.append((text, figures[kind, asyncpg, "aldis"], "at most", 1.03))
    text = "the same, 1 + 1 receivers over none, {unit} a row and receiver"
    rows += in_both_units(figures, text, "flush, a row and receiver", asyncpg, "aldis", 1.3)
    if (grown := figures.get(("stream of 2,000,000 rows, MiB", "SQLite", "aldis"))) is not None:
        rows.append(("growth of a process over a stream of 2,000,000 rows, MiB", grown, "at most", 64))
    return rows + bulk_targets(figures)


def in_both_units(figures: Figures, text: str, kind: str, where: str, peer: str, bound: float) -> list[Row]:
    """Return the aims in microseconds, and the same in awaits of a plain loop, measured in the same laps."""
    measured, awaits = (figures.get((each, where, peer)) for each in (kind, f"{kind}, in plain awaits"))
    if measured is None or awaits is None:
        return []
    return [
        (text.format(unit="microseconds"), measured, "at most", bound),
        (text.format(unit="plain awaits"), awaits, "at most", round(bound / PLAIN_AWAIT, 2)),
    ]


def bulk_targets(figures: Figures) -> list[Row]:
    """Return the aims of many rows at once."""
    rows: list[Row] = []
    ours = "aldis, 1 + 1 receivers"

    def compare(text: str, kind: str, where: str, theirs: str, bound: float, ours: str = ours) -> None:
        both = figures.get((kind, where, theirs)), figures.get((kind, where, ours))
        if both[0] and both[1]:
            rows.append((f"{text}, {where}", both[0] / both[1], "at least", bound))

    for count in ("10,000", "100,000"):
        kind = f"bulk_create of {count}"
        text = f"`bulk_create` of {count}, 1 + 1 receivers, against"
        asked = [("SQLite", "Tortoise, without keys", 1.0), ("SQLite", "Django", 2.0)]
        asked += [("SQLite", "AsyncSession.add_all", 12.0), ("SQLite", "Edgy, without keys", 15.0)]
        asyncpg = "PostgreSQL, asyncpg"
        asked += [(asyncpg, "Core, sorted RETURNING", 1.0), (asyncpg, "Tortoise, without keys", 1.4)]
        asked += [(asyncpg, "Django", 1.4), (asyncpg, "AsyncSession.add_all", 4.0)]
        asked += [(where, "Core, sorted RETURNING", 1.0) for where in ("PostgreSQL, psycopg", "MariaDB, asyncmy")]
        for where, theirs, bound in asked:
            compare(f"{text} {theirs}", kind, where, theirs, bound)
        for where in ("SQLite", asyncpg):
            over = f"over none, of {count}"
            for receivers, bound in (("1 + 1 receivers", 1.0), ("5 + 5 receivers", 3.5)):
                text = f"{receivers} over none, {{unit}} a row of {count}, {where}"
                rows += in_both_units(figures, text, over, where, receivers, bound)
            batched = figures.get((f"ratio to none, of {count}", where, "5 + 5 batched receivers"))
            if batched:
                text = f"5 + 5 batched receivers over none, rows of {count}, {where}"
                rows.append((text, batched, "at most", 1.05))
            pure = figures.get((f"{kind}, pure core over compiled", where, ours))
            if pure:
                rows.append((f"pure core over compiled, 1 + 1 receivers, {where}", pure, "at most", 1.5))
    compare("`bulk_update` of 10,000 against Edgy's", "bulk_update of 10,000", "SQLite", "Edgy", 5.0, "aldis")
    return rows


def tables(figures: Figures) -> list[str]:
    """Return a table for each thing that is done: libraries against databases."""
    lines = []
    for what in dict.fromkeys(kind for kind, _, _ in figures):
        places = list(dict.fromkeys(where for kind, where, _ in figures if kind == what))
        peers = list(dict.fromkeys(peer for kind, _, peer in figures if kind == what))
        lines += [f"| {what} | {' | '.join(places)} |", f"| --- |{' ---: |' * len(places)}"]
        for peer in peers:
            found = [figures.get((what, where, peer)) for where in places]
            cells = ["" if value is None else f"{value:,.1f}" for value in found]
            lines.append(f"| {peer} | {' | '.join(cells)} |")
        lines.append("")
    return lines


def kept(figures: Figures) -> list[dict[str, object]]:
    """Return the figures for the JSON that is kept with the page."""
    return [
        {"what": what, "where": where, "library": peer, "microseconds": round(value, 2)}
        for (what, where, peer), value in figures.items()
    ]
