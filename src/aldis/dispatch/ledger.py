"""The lock of all signals' bookkeeping, what is to be struck out of it, and the ordered sets that it consists of."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final

__all__ = ["LEDGER", "Bucket", "Ledger"]


class Bucket(dict[Hashable, int]):
    """An ordered set of ids that equals a ``set`` of the same, each with its place in the order of connection.

    As dictionaries these take half the memory of blinker's sets: 29 bytes an entry against 52, for 10,000 entries.
    """

    __slots__ = ()
    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return self.keys() == (other.keys() if isinstance(other, Bucket) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other


class Ledger:
    """The lock of all signals' bookkeeping, and the weakly referenced objects that died and are to be struck out.

    A weak reference's callback may run anywhere, in a thread that holds any lock: it must not wait. It leaves word
    here, and whoever holds the lock strikes out what died, before it begins and before it is done.
    """

    def __init__(self) -> None:
        self.deaths: deque[Callable[[], None]] = deque()
        self.lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        """A fork copies the lock as it is, but not the thread that may hold it."""
        self.lock = threading.RLock()

    def __enter__(self) -> None:
        self.lock.acquire()
        self.settle()

    def __exit__(self, *exc_info: object) -> None:
        self.lock.release()
        self.strike_out()

    def strike_out(self) -> None:
        """Settle what died, unless somebody who holds the lock is about to."""
        while self.deaths and self.lock.acquire(blocking=False):
            try:
                self.settle()
            finally:
                self.lock.release()

    def settle(self) -> None:
        """Strike out what died; only for who holds the lock."""
        while self.deaths:
            try:
                death = self.deaths.popleft()
            except IndexError:
                return
            death()


LEDGER: Final = Ledger()
