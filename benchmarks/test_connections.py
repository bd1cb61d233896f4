"""Many connections: the time to make one, and the time of a send among them."""

from __future__ import annotations

import tracemalloc

import blinker
import pytest

import aldis

SENDERS, RECEIVERS = 10_000, 100
SIGNALS = {"aldis": aldis.Signal, "blinker": blinker.Signal}


class Sender:
    """One of many."""


def make(count: int):
    def one():
        def receiver(sender, instance, **kwargs) -> None: ...

        return receiver

    return [Sender() for _ in range(count)], [one() for _ in range(RECEIVERS)]


def connect_all(signal, senders, receivers) -> None:
    for sender in senders:
        for receiver in receivers:
            signal.connect(receiver, sender)


@pytest.mark.parametrize("library", SIGNALS)
def test_connect(benchmark, library) -> None:
    senders, receivers = make(SENDERS // 10)
    benchmark.group = "a connection"
    number = len(senders) * RECEIVERS
    benchmark.extra_info.update(peer=library, kind="connect", number=number)

    def setup():
        return (SIGNALS[library](), senders, receivers), {}

    benchmark.pedantic(connect_all, setup=setup, rounds=5)


@pytest.mark.parametrize("library", SIGNALS)
def test_memory_of_a_million_connections(benchmark, library) -> None:
    """Bytes, not seconds: they are in the JSON's ``extra_info``, with every sender's plan made."""
    senders, receivers = make(SENDERS)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    signal = SIGNALS[library]()
    connect_all(signal, senders, receivers)
    connected = tracemalloc.get_traced_memory()[0]
    for sender in senders:
        signal.send(sender, instance=1)
    sent = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    count = SENDERS * RECEIVERS
    benchmark.group = "memory (the time says nothing)"
    benchmark.extra_info.update(
        peer=library, kind="memory", number=1, bytes=(connected - before) / count, bytes_sent=(sent - before) / count
    )
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.parametrize("others", [0, SENDERS])
def test_send_among_other_senders(benchmark, others) -> None:
    senders, receivers = make(others + 1)
    signal = aldis.Signal()
    for sender in senders:
        signal.connect(receivers[0], sender)
    last = senders[-1]
    number = 20_000
    benchmark.group = "a send among other senders"
    benchmark.extra_info.update(peer=f"aldis, {others} others", kind="among", number=number, others=others)

    def laps() -> None:
        for _ in range(number):
            signal.send(last, instance=1)

    benchmark.pedantic(laps, rounds=10, warmup_rounds=1)
