"""The result of the compiled core's ``send_async``: a coroutine, which finds the plan when it is first awaited."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["send_async"]


async def send_async(
    begin: Callable[..., Coroutine[Any, Any, list[tuple[Any, Any]]] | None],
    signal: Any,
    names: tuple[str, ...],
    arguments: tuple[Any, ...],
    wrapper: Any,
) -> list[tuple[Any, Any]]:
    """Send to coroutine functions.

    Args:
        begin: In C: calls the plan, and returns its coroutine, or ``None`` where nobody listens.
        signal: The signal.
        names: The names of the values.
        arguments: The sender and the values.
        wrapper: Makes a coroutine function of a plain one.
    """
    waiting = begin(signal, names, arguments, wrapper)
    return [] if waiting is None else await waiting
