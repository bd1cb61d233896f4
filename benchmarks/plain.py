"""A plain loop over receivers: a peer of a send, and the unit of figures in microseconds."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from aldis.bench import NAMES, VALUES, Sender, drive, receivers

if TYPE_CHECKING:
    from collections.abc import Callable

AWAITS = 2_000
"""Awaits of a plain loop, of which one is told."""


def laps_of_plain_loop(kind: str, count: int, weak: bool) -> Callable[[int], Any]:
    """``for receiver in receivers: receiver(sender, **keywords)``."""
    kept = receivers(kind, count)
    keywords = dict(zip(NAMES, VALUES, strict=True))

    def laps(number: int) -> None:
        for _ in range(number):
            for receiver in kept:
                receiver(Sender, **keywords)

    async def laps_async(number: int) -> None:
        for _ in range(number):
            for receiver in kept:
                await receiver(Sender, **keywords)

    return (lambda number: drive(laps_async(number))) if kind == "async" else laps


def plain_await() -> float:
    """Return the microseconds of one ``await receiver(sender, **keywords)`` in a plain loop, six keywords.

    Aims in microseconds are of a machine on which that takes 0.507: told beside the measured figure, in the same laps.
    """
    laps = laps_of_plain_loop("async", 1, weak=False)
    began = perf_counter()
    laps(AWAITS)
    return (perf_counter() - began) * 1e6 / AWAITS
