"""How far a bulk operation is: a bar on the terminal, or a callback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, TypeAlias

from .errors import ConfigurationError

__all__ = ["BATCH_SIZE", "Progress", "following"]

BATCH_SIZE: Final = 5000
"""Rows that a bulk operation writes at once, if the caller does not say."""

Progress: TypeAlias = bool | Callable[[int, int | None], object]
"""``True`` for a bar, or a function called after each batch: with the rows done and all rows (``None``: unknown)."""


def following(progress: Progress, rows: Any, name: str) -> AbstractContextManager[Callable[[int], object]]:
    """Return the context of a function to call with the number of rows done, after each batch.

    Args:
        progress: The caller's wish.
        rows: The rows; those that have a length are counted.
        name: The operation's name.

    Raises:
        ConfigurationError: A bar is wanted, and rich is not installed.
        TypeError: It is neither a bool nor callable.
    """
    if progress is False:
        return NOBODY
    total = len(rows) if isinstance(rows, Sized) else None
    if callable(progress):
        return nullcontext(lambda done: progress(done, total))
    if not isinstance(progress, bool):
        raise TypeError(
            f"progress is {progress!r}: give True, or a callable that takes the rows done and their number."
        )
    return bar(name, total)


NOBODY: Final[AbstractContextManager[Callable[[int], object]]] = nullcontext(lambda _done: None)


@contextmanager
def bar(name: str, total: int | None) -> Iterator[Callable[[int], object]]:
    """Show a bar while a block runs; return the function that moves it.

    Raises:
        ConfigurationError: rich is not installed.
    """
    try:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar
    except ModuleNotFoundError as error:
        raise ConfigurationError("progress=True shows a bar of rich's: pip install 'aldis[cli]'.") from error
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Bar(*columns) as shown:
        task = shown.add_task(name, total=total)
        yield lambda done: shown.update(task, completed=done)
