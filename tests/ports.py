"""Ports for servers of a test's own, and one where nobody answers; two runs of the tests may share the machine."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

RANGE = range(12_000, 30_000)
"""Below those that the systems give to whoever connects: until its server has started, no client gets the port."""


def free_port() -> int:
    """Return a port for a server that a test starts."""
    chance = random.SystemRandom()  # the runs have seeds of their own
    while True:
        port = chance.choice(RANGE)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


@contextmanager
def refusing_port() -> Iterator[int]:
    """Return a port where nobody answers, for a block: it is taken by a socket that does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
