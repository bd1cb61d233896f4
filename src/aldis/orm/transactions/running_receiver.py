"""Which receiver a task is in: what its coroutines await, from the outermost inwards."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

__all__ = ["receiver_in"]


def receiver_in(owner: asyncio.Task[Any] | None) -> str:
    """Return, for a message, which receiver runs in the task of an operation; nothing, where that cannot be seen."""
    awaited: Any = None if owner is None else owner.get_coro()
    is_inside = False
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None)
        module = "" if frame is None else frame.f_globals.get("__name__") or ""
        is_ours = module.startswith(("aldis.", "sqlalchemy."))
        if is_inside and module and not is_ours:
            return f"; its receiver {module}.{awaited.__qualname__} is running"
        is_inside = is_inside or is_ours
        inner = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
        if frame is None and not isinstance(inner, Coroutine):
            inner = coroutine_held_by(awaited)
        awaited = inner
    return ""


def coroutine_held_by(awaited: Any) -> Any:
    """Return the coroutine that one of the cores awaits, in an object or a generator that does not tell of it."""
    for each in gc.get_referents(awaited):
        if isinstance(each, Coroutine):
            return each
        if type(each).__name__ == "coroutine_wrapper":  # the result of a coroutine's __await__()
            return next((held for held in gc.get_referents(each) if isinstance(held, Coroutine)), None)
    return None
