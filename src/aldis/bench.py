"""``python -m aldis bench``: the time that a send takes on this machine."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from time import perf_counter_ns
from typing import Any, Final

import blinker
from rich.console import Console
from rich.table import Table

from . import backend
from .dispatch import emitters
from .dispatch.signal import Signal

__all__ = ["SIZES", "laps_of_blinker", "laps_of_emitter", "laps_of_floor", "measure", "receivers", "run"]

SIZES: Final = (0, 1, 5, 20, 100)
VALUES: Final[tuple[Any, ...]] = (object(), object(), {}, {}, False, False)
NAMES: Final = ("instance", "model_instance", "values", "column_values", "is_update", "is_migration")

Laps = Callable[[int], None]
"""Sends a number of times."""


class Sender:
    """Stands for a model class."""


def receivers(kind: str, count: int) -> list[Callable[..., Any]]:
    """Make receivers that do nothing.

    Args:
        kind: ``"sync"`` or ``"async"``, and with ``" named"`` those that take the instance alone.
        count: How many.
    """

    def one() -> Callable[..., Any]:
        def everything(sender: Any, instance: Any, **kwargs: Any) -> None: ...
        async def everything_async(sender: Any, instance: Any, **kwargs: Any) -> None: ...
        def named(sender: Any, instance: Any) -> None: ...
        async def named_async(sender: Any, instance: Any) -> None: ...

        kinds: dict[str, Callable[..., Any]] = {
            "sync": everything,
            "async": everything_async,
            "sync named": named,
            "async named": named_async,
        }
        return kinds[kind]

    return [one() for _ in range(count)]


def connect(signal: blinker.Signal, kind: str, count: int, weak: bool) -> list[Callable[..., Any]]:
    """Connect receivers to the sender, or, to measure a send that nobody hears, one to another sender."""
    kept = receivers(kind, max(count, 1))
    for receiver in kept:
        signal.connect(receiver, Sender if count else "somebody else", weak)
    return kept


def drive(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("suspended")


def keep(kept: list[Callable[..., Any]], laps: Callable[[int], Any]) -> Laps:
    """Return laps that hold on to their receivers, which may be connected weakly."""

    def run_laps(number: int, _kept: list[Callable[..., Any]] = kept) -> None:
        found = laps(number)
        if found is not None:
            drive(found)

    return run_laps


def laps_of_emitter(kind: str, count: int, weak: bool = False) -> Laps:
    """Return the laps of sends through the lifecycle emitter ``pre_save``, on the core that runs."""
    signal = Signal()
    kept = connect(signal, kind, count, weak)
    emit, values = emitters.pre_save, VALUES
    one, two, three, four, five, six = values

    async def laps_async(number: int) -> None:
        for _ in range(number):
            if (rest := emit(signal, Sender, one, two, three, four, five, six)) is not None:
                await rest

    def laps(number: int) -> None:
        for _ in range(number):
            emit(signal, Sender, one, two, three, four, five, six)

    return keep(kept, laps_async if kind.startswith("async") else laps)


def laps_of_send(signal: blinker.Signal, kind: str, count: int, weak: bool = False) -> Laps:
    """Return the laps of sends by keyword: ``send``, or for coroutine functions ``send_async``."""
    kept = connect(signal, kind, count, weak)
    one, two, three, four, five, six = VALUES

    async def laps_async(number: int) -> None:
        for _ in range(number):
            await signal.send_async(
                Sender,
                instance=one,
                model_instance=two,
                values=three,
                column_values=four,
                is_update=five,
                is_migration=six,
            )

    def laps(number: int) -> None:
        for _ in range(number):
            signal.send(
                Sender,
                instance=one,
                model_instance=two,
                values=three,
                column_values=four,
                is_update=five,
                is_migration=six,
            )

    return keep(kept, laps_async if kind.startswith("async") else laps)


def laps_of_blinker(kind: str, count: int, weak: bool = False) -> Laps:
    """Return the laps of sends through blinker, to receivers as it calls them: with ``**kwargs``."""
    return laps_of_send(blinker.Signal(), kind.removesuffix(" named"), count, weak)


def laps_of_floor(kind: str, count: int) -> Laps:
    """Return the laps of a C loop that calls the receivers; where it is not built, it is missing.

    Raises:
        ImportError: aldis was installed without a compiler.
    """
    _floor: Any = importlib.import_module("aldis._floor")
    called = {
        "sync": _floor.keywords,
        "async": _floor.keywords_async,
        "sync named": _floor.named,
        "async named": _floor.named_async,
    }[kind]
    kept = tuple(receivers(kind, count))
    one, two, three, four, five, six = VALUES

    def laps(number: int) -> None:
        for _ in range(number):
            called(kept, Sender, one, two, three, four, five, six)

    return laps


def measure(laps: Laps, seconds: float = 0.1) -> float:
    """Return the nanoseconds of one send: the best of seven runs of about ``seconds`` / 7 each."""
    number = 10
    while (took := timed(laps, number)) < seconds * 1e9 / 20:
        number *= 2
    number = max(1, int(number * seconds * 1e9 / 7 / took))
    return min(timed(laps, number) for _ in range(7)) / number


def timed(laps: Laps, number: int) -> int:
    """Return the nanoseconds of a number of sends."""
    began = perf_counter_ns()
    laps(number)
    return perf_counter_ns() - began


def own_figures() -> dict[str, dict[str, float]]:
    """Measure the core that runs: nanoseconds by kind of receiver and number of receivers."""
    kinds = ("sync", "async", "sync named", "async named")
    return {kind: {str(size): measure(laps_of_emitter(kind, size)) for size in SIZES} for kind in kinds}


def other_figures(pure: bool) -> dict[str, dict[str, float]] | None:
    """Measure the other core, in a process of its own; ``None`` where it is not built."""
    environment = {**os.environ, "ALDIS_PURE_PYTHON": "1" if pure else "0"}
    command = [sys.executable, "-m", "aldis", "bench", "--json"]
    found = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)
    return found["figures"] if found["backend"] == ("pure" if pure else "compiled") else None


def run(as_json: bool) -> None:
    """Print the figures of this machine.

    Args:
        as_json: Those of the core that runs alone, for a program to read.
    """
    figures: dict[str, dict[str, dict[str, float]]] = {backend: own_figures()}
    if as_json:
        print(json.dumps({"backend": backend, "figures": figures[backend]}))
        return
    other = "pure" if backend == "compiled" else "compiled"
    found = other_figures(other == "pure")
    if found is not None:
        figures[other] = found
    table = Table(title="one send of six keywords, nanoseconds (in brackets: times as fast as blinker)")
    for name in ("receivers", "", "compiled", "pure", "blinker", "floor (a C loop)"):
        table.add_column(name, justify="right")
    for kind in figures[backend]:
        for size in SIZES:
            theirs = measure(laps_of_blinker(kind, size))
            cells = [
                f"{figures[core][kind][str(size)]:,.0f} ({theirs / figures[core][kind][str(size)]:.1f})"
                if core in figures
                else "not built"
                for core in ("compiled", "pure")
            ]
            try:
                floor = f"{measure(laps_of_floor(kind, size)):,.0f}"
            except ImportError:
                floor = "not built"
            table.add_row(kind, str(size), *cells, f"{theirs:,.0f}", floor, end_section=size == SIZES[-1])
    Console().print(table)
