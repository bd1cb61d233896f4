"""``Change``: what an attribute was, and what it is now."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Change"]


class Change(NamedTuple):
    """The old and the new value of one attribute, in the ``changes`` that a receiver is told.

    Example:
        >>> changes = {"email": Change("ada@example.org", "ada@new.example")}
        >>> changes["email"].old
        'ada@example.org'
        >>> old, new = changes["email"]
    """

    old: Any
    """What it was; ``None`` where there was no row."""
    new: Any
    """What it is now."""
