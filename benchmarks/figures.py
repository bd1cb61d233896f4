"""Make docs/benchmarks.md, its JSON and its plot: ``figures.py COMPILED.json PURE.json SAVING.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

import aims
import saving_figures

SIZES = (1, 5, 20, 100)
DOCS = Path(__file__).parent.parent / "docs"
Figures = dict[tuple[str, int, bool, str], float]
"""Nanoseconds of a send, by kind of receivers, their number, whether they are weak, and library."""


def read(path: str) -> tuple[dict, Figures, dict[str, dict]]:
    """Return the machine, the figures of the sends, and the other measurements."""
    document = json.loads(Path(path).read_text("utf-8"))
    sends: Figures = {}
    others = {}
    for each in document["benchmarks"]:
        info = each["extra_info"]
        nanoseconds = each["stats"]["min"] * 1e9 / info["number"]
        if "size" in info:
            sends[info["kind"], info["size"], info["weak"], info["peer"]] = nanoseconds
        else:
            others[f"{info['kind']} {info['peer']}"] = {**info, "nanoseconds": nanoseconds}
    return document["machine_info"], sends, others


def targets(sends: Figures, pure: Figures, others: dict[str, dict]) -> list[tuple[str, float, str, float]]:
    """Return what was asked, the ratio measured, the sense of the bound, and the bound."""
    rows = []

    def at_least(text: str, ours: float, theirs: float, bound: float) -> None:
        rows.append((text, theirs / ours, "at least", bound))

    def at_most(text: str, ours: float, theirs: float, bound: float) -> None:
        rows.append((text, ours / theirs, "at most", bound))

    def send(kind: str, size: int, peer: str, core: Figures = sends) -> float:
        return core[kind, size, False, peer]

    for kind, bounds, floor in (("async", (5, 4, 3.7), 1.15), ("sync", (5.5, 4.5, 4.2), 1.10)):
        for size, bound in zip((1, 5, 20), bounds, strict=True):
            ours, theirs = send(kind, size, "aldis emitter"), send(kind, size, "blinker")
            at_least(f"emitter, {kind} `**kwargs`, N = {size}, against blinker", ours, theirs, bound)
        for size in (5, 20, 100):
            ours, theirs = send(kind, size, "aldis emitter"), send(kind, size, "C floor")
            at_most(f"emitter, {kind} `**kwargs`, N = {size}, over the C floor", ours, theirs, floor)
    for kind, bound in (("async named", 10), ("sync named", 15)):
        ours, theirs = send(kind, 5, "aldis emitter"), send(kind, 5, "blinker")
        at_least(f"emitter, {kind}, N = 5, against blinker", ours, theirs, bound)
    at_least(
        "emitter, nobody listens, against blinker", send("sync", 0, "aldis emitter"), send("sync", 0, "blinker"), 5
    )
    for kind, bound in (("sync", 3), ("async", 2.5)):
        for size in (1, 5, 20):
            ours, theirs = send(kind, size, "aldis send"), send(kind, size, "blinker")
            at_least(f"`send{'_async' * (kind == 'async')}`, N = {size}, against blinker", ours, theirs, bound)
    at_most("sync emitter, N = 5, over atom", send("sync", 5, "aldis emitter"), send("sync", 5, "atom"), 1)
    for kind, bound in (("sync", 2.5), ("async", 2.5), ("sync named", 3), ("async named", 3)):
        for size in (1, 5):
            ours, theirs = send(kind, size, "aldis emitter", pure), send(kind, size, "blinker", pure)
            at_least(f"pure core: emitter, {kind}, N = {size}, against blinker", ours, theirs, bound)
    connect = [others[f"connect {library}"]["nanoseconds"] for library in ("aldis", "blinker")]
    at_most("a connection among 100,000, time over blinker's", *connect, 1)
    memory = [others[f"memory {library}"] for library in ("aldis", "blinker")]
    at_most("a connection among 1,000,000, memory over blinker's", *(each["bytes"] for each in memory), 1)
    at_most("the same after a send by each sender", *(each["bytes_sent"] for each in memory), 1)
    among = [others[f"among aldis, {count} others"]["nanoseconds"] for count in (10_000, 0)]
    at_most("a send among 10,000 other senders, over one among none", *among, 1.1)
    traced = [others[f"tracing {state}"]["nanoseconds"] for state in ("off again", "never on")]
    at_most("a send after tracing was turned on and off, over one before", *traced, 1.05)
    return rows


def plot(sends: Figures) -> None:
    """Draw nanoseconds a receiver against the number of receivers."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), sharey=True, layout="constrained")
    ours = ("aldis emitter", "aldis emitter, (sender, instance)", "aldis send")
    peers = dict.fromkeys((*ours, *(peer for _, _, _, peer in sends)))
    colours = dict(zip(peers, plt.get_cmap("tab10").colors, strict=False))
    lines = {}
    for axis, kind in zip(axes, ("sync", "async"), strict=True):
        for peer in peers:
            named = peer.partition(", (")
            which = (f"{kind} named", named[0]) if named[2] else (kind, peer)
            found = {size: sends.get((which[0], size, False, which[1])) for size in SIZES}
            points = {size: value / size for size, value in found.items() if value is not None}
            style = {"linewidth": 2.5} if peer in ours else {"linewidth": 1.2, "linestyle": "--"}
            if points:
                style |= {"marker": "o", "markersize": 3, "color": colours[peer]}
                (lines[peer],) = axis.plot(list(points), list(points.values()), **style)
        axis.set(xscale="log", yscale="log", xlabel="receivers", title=f"{kind} receivers")
        axis.set_xticks((1, 5, 20, 100), labels=("1", "5", "20", "100"), minor=False)
        axis.minorticks_off()
        axis.grid(visible=True, which="major", alpha=0.3)
    axes[0].set_ylabel("nanoseconds a receiver")
    figure.legend(lines.values(), lines.keys(), loc="outside right", fontsize=8)
    mpl.rcParams["svg.hashsalt"] = "aldis"
    figure.savefig(DOCS / "dispatch.svg", metadata={"Date": None})


def plot_bulk(saving: saving_figures.Figures) -> None:
    """Draw microseconds a row of a bulk insert, a bar for each library."""
    places = ("SQLite", "PostgreSQL, asyncpg")
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for axis, where in zip(axes, places, strict=True):
        found = {
            peer: value
            for (kind, place, peer), value in saving.items()
            if (kind, place) == ("bulk_create of 10,000", where)
        }
        names = sorted(found, key=found.__getitem__, reverse=True)
        colours = ["#b8860b" if name.startswith("aldis") else "#8899aa" for name in names]
        bars = axis.barh(names, [found[name] for name in names], color=colours)
        axis.bar_label(bars, fmt="{:.0f}", padding=3, fontsize=8)
        axis.set(xscale="log", xlim=(1, 1000), xlabel="microseconds a row, logarithmic", title=where)
        axis.tick_params(labelsize=8)
    mpl.rcParams["svg.hashsalt"] = "aldis"
    figure.savefig(DOCS / "bulk.svg", metadata={"Date": None})


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


def write_readme(sends: Figures) -> None:
    """Renew the README's table, between the rule below its head and the next empty line."""
    rows = [
        (f"{peer}, {kind}", [sends[kind, size, False, peer] for size in (0, 1, 5, 20)])
        for kind in ("async", "sync")
        for peer in ("aldis emitter", "aldis send", "blinker", "Django", "atom", "C floor")
        if (kind, 1, False, peer) in sends
    ]
    path = DOCS.parent / "README.md"
    head, mark, rest = path.read_text("utf-8").partition("| --- | ---: | ---: | ---: | ---: |\n")
    lines = [f"| {name} | {' | '.join(f'{value:,.0f}' for value in values)} |" for name, values in rows]
    path.write_text(head + mark + "\n".join(lines) + "\n\n" + rest.partition("\n\n")[2], "utf-8")


def main() -> None:
    """Write the page, the plot, and the figures that both are made of."""
    machine, sends, others = read(sys.argv[1])
    _, pure, _ = read(sys.argv[2])
    saving = saving_figures.read(sys.argv[3])
    rows = [*targets(sends, pure, others), *saving_figures.targets(saving)]
    memory = {library: others[f"memory {library}"] for library in ("aldis", "blinker")}
    plot(sends)
    plot_bulk(saving)
    lines = [
        "<!-- Made by `make bench`; never edited. -->",
        "# Benchmarks",
        "",
        f"`make bench` on CPython {machine['python_version']}, {machine['cpu'].get('brand_raw', machine['machine'])},",
        "one core pinned. Every figure is the fastest of 15 rounds, peers and floors in the same run; ratios travel",
        "between machines better than nanoseconds do. `python -m aldis bench` prints a short version for yours.",
        "",
        "What receivers add is the middle one of many differences, of laps with and without them, in turn, on one",
        "model. Its aims in microseconds are of a machine on which one await of a plain loop,",
        f"`await receiver(sender, **keywords)` with six keywords, takes {saving_figures.PLAIN_AWAIT} of them. How fast",
        "this one is changes from minute to minute: the same figures are given in such awaits too, of the same laps.",
        "",
        "![nanoseconds a receiver](dispatch.svg)",
        "",
        "## What was aimed at",
        "",
    ]
    lines += aims.table(rows)
    lines += ["", "## One send of six keywords, nanoseconds", ""]
    for kind in ("sync", "async", "sync named", "async named"):
        lines += [table(sends, kind), ""]
    lines += [
        "`named` receivers are `(sender, instance)`; blinker calls with all keywords, so there its receivers are",
        "`(sender, instance, **kwargs)`. psygnal has no keywords and no senders: seven positional arguments.",
        "",
        "## The pure core",
        "",
        *(f"{table(pure, kind)}\n" for kind in ("sync", "async", "sync named", "async named")),
        "## A million connections: 10,000 senders, 100 receivers",
        "",
        "| | bytes a connection | after a send by each sender |",
        "| --- | ---: | ---: |",
        *(f"| {library} | {told['bytes']:.0f} | {told['bytes_sent']:.0f} |" for library, told in memory.items()),
        "",
        "## Tracing: one send to 5 async receivers, nanoseconds",
        "",
        "| `aldis.tracing.instrument()` | |",
        "| --- | ---: |",
        *(
            f"| {state} | {others[f'tracing {state}']['nanoseconds']:,.0f} |"
            for state in ("never on", "off again", "on")
        ),
        "",
        "OpenTelemetry's SDK, without an exporter: 6 spans a send.",
        "",
        "## Saving rows of five columns, microseconds a row",
        "",
        "The fastest of 9 rounds of 1,000 rows in one transaction; SQLAlchemy 2.0, since Edgy asks for it. Core is",
        "SQLAlchemy's own parametrised statement, awaited for each row. aldis and Tortoise have one async receiver",
        "before and one after, as has Edgy; each aldis save runs in a savepoint of its own, the others' do not.",
        "Of many rows at once, 9 laps of 10,000 and 7 of 100,000 (3 of the slow ones): instances are made before the",
        "clock starts, and aldis and SQLAlchemy's session then apply the Python-side default of one column, which the",
        "others have applied by then. Django's is not async, and writes through psycopg on PostgreSQL.",
        "",
        "![microseconds a row of a bulk insert of 10,000 rows](bulk.svg)",
        "",
        *saving_figures.tables(saving),
    ]
    (DOCS / "benchmarks.md").write_text("\n".join(lines), "utf-8")
    write_readme(sends)
    kept = {
        "machine": {"python": machine["python_version"], "cpu": machine["cpu"].get("brand_raw")},
        "nanoseconds": [
            {"core": core, "kind": kind, "size": size, "weak": weak, "library": peer, "nanoseconds": round(value, 1)}
            for core, figures in (("compiled", sends), ("pure", pure))
            for (kind, size, weak, peer), value in figures.items()
        ],
        "saving": saving_figures.kept(saving),
    }
    (DOCS / "dispatch.json").write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    missed = [row[0] for row in rows if not aims.is_met(row)]
    print(f"{len(rows) - len(missed)} of {len(rows)} figures met" + "".join(f"\nmissed: {text}" for text in missed))


if __name__ == "__main__":
    main()
