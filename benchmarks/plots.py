"""The plots of docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

import saving_figures
from page import DOCS, Figures

SIZES = (1, 5, 20, 100)
OURS, OTHERS = "#c77700", "#8899aa"


def plot_sends(sends: Figures) -> None:
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
    save(figure, "dispatch.svg")


def plot_sizes(sizes: dict[str, dict[str, dict[int, float]]]) -> None:
    """Draw microseconds a row against the number of rows, a line for each library, a small plot for each database."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.4), sharex=True, layout="constrained")
    libraries = list(dict.fromkeys(library for of_place in sizes.values() for library in of_place))
    colours = dict(zip(libraries, (OURS, *plt.get_cmap("tab10").colors[2:]), strict=False))
    lines = {}
    for axis, (where, of_place) in zip(axes.flat, sizes.items(), strict=True):
        for library, points in of_place.items():
            style = {"linewidth": 2.5} if library.startswith("aldis") else {"linewidth": 1.2, "linestyle": "--"}
            style |= {"marker": "o", "markersize": 3, "color": colours[library]}
            (lines[library],) = axis.plot(list(points), list(points.values()), **style)
        axis.set(xscale="log", yscale="log", title=where)
        axis.set_xticks((1, 10, 100, 1_000, 10_000, 100_000), labels=("1", "10", "100", "1,000", "10,000", "100,000"))
        axis.minorticks_off()
        axis.grid(visible=True, which="major", alpha=0.3)
    for axis in axes[1]:
        axis.set_xlabel("rows of one call")
    for axis in axes[:, 0]:
        axis.set_ylabel("microseconds a row")
    figure.legend([lines[each] for each in libraries], libraries, loc="outside lower center", ncols=3, fontsize=8)
    save(figure, "sizes.svg")


def save(figure: Any, name: str) -> None:
    """Write a plot, the same for the same figures."""
    mpl.rcParams["svg.hashsalt"] = "aldis"
    figure.savefig(DOCS / name, metadata={"Date": None})
    plt.close(figure)


def plot_saving(saving: saving_figures.Figures, what: str, name: str) -> None:
    """Draw microseconds a row, a bar for each library, on two databases."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for axis, where in zip(axes, ("SQLite", "PostgreSQL, asyncpg"), strict=True):
        found = {peer: value for (kind, place, peer), value in saving.items() if (kind, place) == (what, where)}
        names = sorted(found, key=found.__getitem__, reverse=True)
        colours = [OURS if peer.startswith("aldis") else OTHERS for peer in names]
        bars = axis.barh(names, [found[peer] for peer in names], color=colours)
        axis.bar_label(bars, fmt="{:.1f}", padding=3, fontsize=8)
        axis.set(xscale="log", xlim=(1, max(found.values()) * 4), xlabel="microseconds a row, logarithmic", title=where)
        axis.tick_params(labelsize=8)
    save(figure, name)
