"""Make docs/benchmarks.md, its plots and the README's figures of docs/dispatch.json: ``page.py``.

``figures.py`` writes that file after a run. The page has the figures for readers first, the aims last.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import aims
import saving_figures

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BULK, ONE = "bulk_create of 10,000", "one save"
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, keep_trailing_newline=True
)
Figures = dict[tuple[str, int, bool, str], float]
"""Nanoseconds of a send, by kind of receivers, their number, whether they are weak, and library."""


PICTURED = {
    "aldis, 1 + 1 receivers": "aldis, two async receivers a row",
    "Core, sorted RETURNING": "SQLAlchemy Core, no receivers",
    "Tortoise, without keys": "Tortoise, no receivers called",
    "Django": "Django, no receivers called",
    "AsyncSession.add_all": "SQLAlchemy session, no receivers",
}
"""The bars of the README's picture."""


def picture(saving: saving_figures.Figures, python: str) -> str:
    """Return the README's picture as SVG: rows a second on PostgreSQL, the fastest first."""
    speeds = {text: 1e6 / saving[BULK, "PostgreSQL, asyncpg", peer] for peer, text in PICTURED.items()}
    most = max(speeds.values())
    bars = sorted(((text, speed, round(410 * speed / most)) for text, speed in speeds.items()), key=lambda bar: -bar[1])
    return TEMPLATES.get_template("rows.svg.jinja").render(
        title="Rows a second: 10,000 rows of five columns into PostgreSQL",
        bars=bars,
        height=48 + 34 * len(bars) + 26,
        source=f"make bench, CPython {python}, asyncpg (Django: psycopg)",
    )


def table(sends: Figures, kind: str) -> str:
    """Return one table of nanoseconds, libraries against numbers of receivers."""
    sizes = sorted({size for each, size, _, _ in sends if each == kind})
    peers = dict.fromkeys(peer for each, _, weak, peer in sends if each == kind and not weak)
    lines = [f"| {kind} | {' | '.join(f'N = {size}' for size in sizes)} |", f"| --- |{' ---: |' * len(sizes)}"]
    for peer in peers:
        lines.append(f"| {peer} | {' | '.join(f'{sends[kind, size, False, peer]:,.0f}' for size in sizes)} |")
        if (kind, 1, True, peer) in sends:
            lines.append(f"| {peer}, weak | {' | '.join(f'{sends[kind, size, True, peer]:,.0f}' for size in sizes)} |")
    return "\n".join(lines)


def three_figures(sends: Figures, saving: saving_figures.Figures, python: str) -> list[str]:
    """Return the README's table of three figures."""
    asyncpg = "PostgreSQL, asyncpg"
    bulk = [
        saving["bulk_create of 10,000", asyncpg, peer] for peer in ("aldis, 1 + 1 receivers", "AsyncSession.add_all")
    ]
    one = [saving["one save", asyncpg, peer] for peer in ("aldis", "Core")]
    send = [sends["async", 5, False, peer] / 1000 for peer in ("aldis emitter", "blinker")]
    rows = [
        ("a row of 10,000, two receivers each, on PostgreSQL", "SQLAlchemy's session, no receivers", *bulk),
        ("one `save()`, two receivers, on PostgreSQL", "SQLAlchemy Core's INSERT, no receivers", *one),
        ("one send to five async receivers", "blinker", *send),
    ]
    return [
        f"| microseconds, CPython {python} | aldis | | others |",
        "| --- | ---: | --- | ---: |",
        *(f"| {text} | {ours:.1f} | {peer} | {theirs:.1f} |" for text, peer, ours, theirs in rows),
    ]


def by_size() -> tuple[str, dict[str, dict[str, dict[int, float]]]]:
    """Return the version of Python, and the microseconds a row by database, library and number of rows."""
    kept = json.loads((DOCS / "sizes.json").read_text("utf-8"))
    found: dict[str, dict[str, dict[int, float]]] = {}
    for each in kept["figures"]:
        found.setdefault(each["where"], {}).setdefault(each["library"], {})[each["rows"]] = each["microseconds"]
    return kept["python"], found


def table_of_sizes(where: str, of_place: dict[str, dict[int, float]]) -> str:
    """Return the table of a database: libraries against numbers of rows."""
    sizes = sorted({size for points in of_place.values() for size in points})
    lines = [f"| {where} | {' | '.join(f'{size:,}' for size in sizes)} |", f"| --- |{' ---: |' * len(sizes)}"]
    for library, points in of_place.items():
        cells = [f"{points[size]:,.1f}" if size in points else "" for size in sizes]
        lines.append(f"| {library} | {' | '.join(cells)} |")
    return "\n".join(lines)


BEGIN, END = "<!-- figures: made by `make bench` -->\n", "<!-- end of figures -->"


def readme(text: str, figures: list[str]) -> str:
    """Return the README with its figures renewed, those between the two comments."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    assert begin, "README.md has lost the comment before its figures"
    assert end, "README.md has lost the comment after its figures"
    return head + begin + "\n" + "\n".join(figures) + "\n\n" + end + tail


def page(kept: dict[str, Any], sends: Figures, pure: Figures, saving: saving_figures.Figures) -> str:
    """Return the page."""
    asyncpg = "PostgreSQL, asyncpg"
    rows: list[aims.Row] = [tuple(row) for row in kept["aims"]]
    python_of_sizes, sizes = by_size()
    return TEMPLATES.get_template("benchmarks.md.jinja").render(
        python=kept["machine"]["python"],
        cpu=kept["machine"]["cpu"],
        bulk={peer: value for (what, where, peer), value in saving.items() if (what, where) == (BULK, asyncpg)},
        one={peer: value for (what, where, peer), value in saving.items() if (what, where) == (ONE, asyncpg)},
        send={
            peer: value
            for (kind, size, weak, peer), value in sends.items()
            if (kind, size, weak) == ("async", 5, False)
        },
        plain_await=saving_figures.PLAIN_AWAIT,
        kinds=("sync", "async", "sync named", "async named"),
        sends_table=partial(table, sends),
        pure_table=partial(table, pure),
        memory=kept["memory"],
        tracing=kept["tracing"],
        saving_tables="\n".join(saving_figures.tables(saving)),
        python_of_sizes=python_of_sizes,
        tables_of_sizes="\n\n".join(table_of_sizes(*each) for each in sizes.items()),
        aims=rows,
        aims_table="\n".join(aims.table(rows)),
        met=sum(map(aims.is_met, rows)),
    )


def read() -> tuple[dict[str, Any], Figures, Figures, saving_figures.Figures]:
    """Return the kept figures: all of them, the compiled core's sends, the pure core's, and those of saving."""
    kept = json.loads((DOCS / "dispatch.json").read_text("utf-8"))
    sends: dict[str, Figures] = {"compiled": {}, "pure": {}}
    for each in kept["nanoseconds"]:
        sends[each["core"]][each["kind"], each["size"], each["weak"], each["library"]] = each["nanoseconds"]
    saving = {(each["what"], each["where"], each["library"]): each["microseconds"] for each in kept["saving"]}
    return kept, sends["compiled"], sends["pure"], saving


def main() -> None:
    """Write the page, its plots and the README's figures."""
    import plots  # Matplotlib is not where the tests compare the page with its figures

    kept, sends, pure, saving = read()
    plots.plot_sends(sends)
    plots.plot_saving(saving, BULK, "bulk.svg")
    plots.plot_saving(saving, ONE, "save.svg")
    plots.plot_sizes(by_size()[1])
    (DOCS / "_static/rows.svg").write_text(picture(saving, kept["machine"]["python"]), "utf-8")
    (DOCS / "benchmarks.md").write_text(page(kept, sends, pure, saving), "utf-8")
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text("utf-8"), three_figures(sends, saving, kept["machine"]["python"])), "utf-8")


if __name__ == "__main__":
    main()
