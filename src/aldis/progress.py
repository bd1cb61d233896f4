"""How far a bulk operation is: a bar on the terminal, or a callback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeAlias

from .errors import ConfigurationError

__all__ = ["Progress", "following"]

Progress: TypeAlias = bool | Callable[[int, int | None], object]
"""``True`` for a bar, or what is called after each batch with the rows done and their number, ``None`` if not known."""


@contextmanager
def following(progress: Progress, rows: Any, name: str) -> Iterator[Callable[[int], object]]:
    """Return what is to be called with the number of rows done, after each batch.

    Args:
        progress: What the caller wants to see.
        rows: The rows; those that have a length are counted.
        name: What the operation is called.

    Raises:
        ConfigurationError: A bar is wanted, and rich is not installed.
        TypeError: It is neither a bool nor callable.
    """
    total = len(rows) if isinstance(rows, Sized) else None
    if callable(progress):
        yield lambda done: progress(done, total)
    elif not isinstance(progress, bool):
        raise TypeError(
            f"progress is {progress!r}: give True, or a callable that takes the rows done and their number."
        )
    elif not progress:
        yield lambda _done: None
    else:
        with bar(name, total) as advance:
            yield advance


@contextmanager
def bar(name: str, total: int | None) -> Iterator[Callable[[int], object]]:
    """Show a bar while a block runs; return what moves it.

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
