"""What ``send_async`` of the compiled core returns: a coroutine, which finds the plan when it is first awaited."""

from __future__ import annotations

from typing import Any

__all__ = ["send_async"]


async def send_async(
    signal: Any, names: tuple[str, ...], arguments: tuple[Any, ...], wrapper: Any
) -> list[tuple[Any, Any]]:
    """Send to coroutine functions.

    Args:
        signal: The signal.
        names: The names of the values.
        arguments: The sender and the values.
        wrapper: Makes a coroutine function of a plain one.
    """
    waiting = signal._sending(names, arguments, wrapper)
    return [] if waiting is None else await waiting
