"""The result of the compiled core's ``send_async``: a coroutine, which finds the plan when it is first awaited."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["send_async"]


async def send_async(
    begin: Callable[[tuple[Any, ...]], Coroutine[Any, Any, list[tuple[Any, Any]]] | None], send: tuple[Any, ...]
) -> list[tuple[Any, Any]]:
    """Send to coroutine functions.

    Args:
        begin: In C: calls the plan, and returns its coroutine, or ``None`` where nobody listens. It takes one argument,
            since CPython calls such functions the fastest.
        send: The signal, the names of the values, what makes a coroutine function of a plain one; the sender, the
            values.
    """
    waiting = begin(send)
    return [] if waiting is None else await waiting
