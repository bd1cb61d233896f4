"""Begin and end to watch sends."""

from __future__ import annotations

import gc
from typing import Any

from . import core
from .delivery import WATCHERS, Watcher
from .ledger import LEDGER

__all__ = ["unwatch", "watch"]


def watch(watcher: Watcher) -> None:
    """Let ``watcher`` see all sends that begin from now on."""
    if watcher not in WATCHERS:
        WATCHERS.append(watcher)
        forget_plans()


def unwatch(watcher: Watcher) -> None:
    """Let ``watcher`` see no more."""
    if watcher in WATCHERS:
        WATCHERS.remove(watcher)
        forget_plans()


def forget_plans() -> None:
    """Have all plans of all signals made again: a plan knows whether it is watched, so that a send need not ask.

    The signals are found among the objects that the garbage collector knows: no signal pays for being on a list.
    """
    for each in known_objects():
        if issubclass(type(each), core.Dispatch):  # isinstance would ask proxies, which may be bound to nothing
            with LEDGER:
                each._forget(core.ANY_KEY)


def known_objects() -> list[Any]:
    """Return the collector's objects; ``gc.get_objects`` leaves out those that ``gc.freeze`` has set aside."""
    if not gc.get_freeze_count():
        return gc.get_objects()
    gc.collect()  # garbage would be set aside with the rest
    gc.unfreeze()
    try:
        return gc.get_objects()
    finally:
        gc.freeze()
