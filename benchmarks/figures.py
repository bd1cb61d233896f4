"""Keep the figures of a run in docs/dispatch.json, and make the page of them: ``figures.py COMPILED PURE SAVING``.

The arguments are the JSON files of pytest-benchmark.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import aims
import page
import saving_figures
from page import DOCS, Figures


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
    """Return the aim, the ratio measured, the sense of the bound, and the bound."""
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


def main() -> None:
    """Write the figures, and the page."""
    machine, sends, others = read(sys.argv[1])
    _, pure, _ = read(sys.argv[2])
    saving = saving_figures.read(sys.argv[3])
    rows = [*targets(sends, pure, others), *saving_figures.targets(saving)]
    memory = {library: others[f"memory {library}"] for library in ("aldis", "blinker")}
    kept = {
        "machine": {"python": machine["python_version"], "cpu": machine["cpu"].get("brand_raw", machine["machine"])},
        "nanoseconds": [
            {"core": core, "kind": kind, "size": size, "weak": weak, "library": peer, "nanoseconds": round(value, 1)}
            for core, figures in (("compiled", sends), ("pure", pure))
            for (kind, size, weak, peer), value in figures.items()
        ],
        "memory": {library: [round(told["bytes"]), round(told["bytes_sent"])] for library, told in memory.items()},
        "tracing": {
            state: round(others[f"tracing {state}"]["nanoseconds"]) for state in ("never on", "off again", "on")
        },
        "saving": saving_figures.kept(saving),
        "aims": [[text, round(measured, 2), sense, bound] for text, measured, sense, bound in rows],
    }
    (DOCS / "dispatch.json").write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    page.main()
    missed = [row[0] for row in rows if not aims.is_met(row)]
    print(f"{len(rows) - len(missed)} of {len(rows)} figures met" + "".join(f"\nmissed: {text}" for text in missed))


if __name__ == "__main__":
    main()
