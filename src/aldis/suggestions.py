"""Guesses the name that was meant, for the messages of errors."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a question that names the nearest of the known names, after a blank; empty if none is near.

    Args:
        name: The name that is not known.
        known: The names that are.
        cutoff: How alike they have to be, from 0 (any name) to 1, as in :func:`difflib.get_close_matches`. At 0.5,
            two letters of four are enough, such as those of "save" and "name".

    Example:
        >>> "there is no command 'inti'." + did_you_mean("inti", ["init", "upgrade"])
        "there is no command 'inti'. Did you mean 'init'?"
        >>> did_you_mean("x", ["init", "upgrade"])
        ''
    """
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f" Did you mean {near[0]!r}?" if near else ""
