"""The peers: for each, a function that sends a number of times to receivers that do nothing.

All get the same: one sender, six keywords where the library has keywords, receivers connected to that sender, a loop
of awaits for those that are async. Where a library works otherwise, its entry says how.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psygnal
from atom.api import Atom
from atom.api import Signal as AtomSignal
from django.conf import settings
from django.dispatch import Signal as DjangoSignal

import aldis
from aldis.bench import (
    VALUES,
    Sender,
    laps_of_blinker,
    laps_of_emitter,
    laps_of_floor,
    laps_of_send,
    receivers,
)
from plain import laps_of_plain_loop

if TYPE_CHECKING:
    from collections.abc import Callable

settings.configure()


def laps_of_django(kind: str, count: int, weak: bool) -> Callable[[int], Any]:
    """Django's send and asend; the latter needs a running loop."""
    signal = DjangoSignal()
    kept = receivers(kind, max(count, 1))
    for receiver in kept:
        signal.connect(receiver, sender=Sender if count else object, weak=weak)
    one, two, three, four, five, six = VALUES

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

    async def laps_async(number: int) -> None:
        for _ in range(number):
            await signal.asend(
                Sender,
                instance=one,
                model_instance=two,
                values=three,
                column_values=four,
                is_update=five,
                is_migration=six,
            )

    def run(number: int, _kept: list[Any] = kept) -> None:
        asyncio.run(laps_async(number)) if kind.startswith("async") else laps(number)

    return run


def laps_of_psygnal(kind: str, count: int, weak: bool) -> Callable[[int], Any]:
    """psygnal has positional arguments only, and no senders: one signal with seven."""
    signal = psygnal.SignalInstance((object,) * 7)
    kept = []
    for _ in range(count):

        def receiver(a, b, c, d, e, f, g) -> None: ...

        kept.append(receiver)
        signal.connect(receiver)
    one, two, three, four, five, six = VALUES

    def laps(number: int, _kept: list[Any] = kept) -> None:
        for _ in range(number):
            signal.emit(Sender, one, two, three, four, five, six)

    return laps


def laps_of_atom(kind: str, count: int, weak: bool) -> Callable[[int], Any]:
    """atom's signals belong to an object, which is the sender."""

    class Thing(Atom):
        signal = AtomSignal()

    thing = Thing()
    for receiver in receivers(kind, count):
        thing.signal.connect(receiver)
    one, two, three, four, five, six = VALUES

    def laps(number: int) -> None:
        emit = thing.signal.emit
        for _ in range(number):
            emit(
                Sender,
                instance=one,
                model_instance=two,
                values=three,
                column_values=four,
                is_update=five,
                is_migration=six,
            )

    return laps


def floor(kind: str, count: int, weak: bool) -> Callable[[int], Any]:
    """A C loop of vectorcalls, see ``cext/floor.pyx``."""
    return laps_of_floor(kind, count)


def aldis_send(kind: str, count: int, weak: bool) -> Callable[[int], Any]:
    """``aldis.Signal.send`` and ``send_async``, by keyword."""
    return laps_of_send(aldis.Signal(), kind, count, weak)


PEERS: dict[str, tuple[Callable[..., Callable[[int], Any]], set[str]]] = {
    "aldis emitter": (laps_of_emitter, {"sync", "async", "sync named", "async named"}),
    "aldis send": (aldis_send, {"sync", "async", "sync named", "async named"}),
    "blinker": (laps_of_blinker, {"sync", "async", "sync named", "async named"}),
    "Django": (laps_of_django, {"sync", "async"}),
    "psygnal": (laps_of_psygnal, {"sync"}),
    "atom": (laps_of_atom, {"sync"}),
    "plain loop": (laps_of_plain_loop, {"sync", "async"}),
    "C floor": (floor, {"sync", "async", "sync named", "async named"}),
}
"""Each peer, and the kinds of receivers that it can call."""
