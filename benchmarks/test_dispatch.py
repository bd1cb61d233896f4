"""One send, by kind of receiver, number of receivers and library; nanoseconds are in the JSON's ``extra_info``."""

from __future__ import annotations

import pytest

from aldis.bench import SIZES, timed
from peers import PEERS

LAP = 2_000_000  # nanoseconds of one measured round, about

CASES = [
    pytest.param(peer, kind, weak, size, id=f"{kind}-{size}-{'weak' if weak else 'strong'}-{peer}")
    for kind in ("sync", "async", "sync named", "async named")
    for size in SIZES
    for weak in (False, True)
    for peer, (_, kinds) in PEERS.items()
    if kind in kinds and not (weak and peer in {"psygnal", "atom", "plain loop", "C floor"})
]


@pytest.mark.parametrize(("peer", "kind", "weak", "size"), CASES)
def test_send(benchmark, peer, kind, weak, size) -> None:
    laps = PEERS[peer][0](kind, size, weak)
    number = 10
    while timed(laps, number) < LAP / 4:
        number *= 2
    number = max(1, int(number * LAP / timed(laps, number)))
    benchmark.group = f"{kind}, {size} receivers, {'weak' if weak else 'strong'}"
    benchmark.extra_info.update(peer=peer, kind=kind, size=size, weak=weak, number=number)
    benchmark.pedantic(laps, args=(number,), rounds=15, warmup_rounds=1)
