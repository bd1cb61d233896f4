"""``Change``, an attribute's old and new value, and the conditions ``changed``, ``created`` and ``updated``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..errors import SignalError
from .conditions import ChangeTest, Condition
from .receiver import short_repr

__all__ = ["Change", "changed", "created", "updated"]


class Change(NamedTuple):
    """The old and the new value of one attribute, in the ``changes`` that a receiver is told.

    Example:
        >>> changes = {"email": Change("ada@example.org", "ada@new.example")}
        >>> changes["email"].old
        'ada@example.org'
        >>> old, new = changes["email"]
    """

    old: Any
    """The old value; ``None`` where there was no row."""
    new: Any
    """The new value."""


ANYTHING: Final = object()
"""Stands for any value."""


def changed(*names: str, was: Any = ANYTHING, to: Any = ANYTHING) -> Condition:
    """Return the condition that attributes change: one of those that are named, or any.

    It is judged by ``changes``. A statement over many rows, which fires once, tells of none: it does not hold then. In
    an INSERT each attribute that is not ``None`` changes: ``changed("email") & updated`` leaves INSERTs out.

    Args:
        names: The attributes, at least one of which has to differ; none: any attribute.
        was: The old value that it has to have had.
        to: The new value that it has to have.

    Raises:
        SignalError: A name is no string, or there is none for ``was`` or ``to``; and when it is connected to a mapped
            class, that has no such attribute.

    Example:
        >>> is_paid = changed("status", to="paid")
        >>> is_paid(changes={"status": Change("open", "paid")}), is_paid(changes={"status": Change("paid", "open")})
        (True, False)
    """
    for name in names:
        if not isinstance(name, str):
            raise SignalError(
                f"changed({short_repr(name)}): give the name of an attribute, as in changed('email'), not a "
                f"{type(name).__name__}."
            )
    is_any = was is ANYTHING and to is ANYTHING
    if not names and not is_any:
        raise SignalError("changed(was=, to=) needs the name of an attribute: changed('status', to='paid').")

    if not names:

        def condition(changes: Mapping[str, Change] | None) -> bool:
            return bool(changes)

    elif is_any and len(names) == 1:
        only = names[0]

        def condition(changes: Mapping[str, Change] | None) -> bool:
            return changes is not None and only in changes

    elif is_any:
        wanted = frozenset(names)

        def condition(changes: Mapping[str, Change] | None) -> bool:
            return changes is not None and not wanted.isdisjoint(changes)

    else:

        def condition(changes: Mapping[str, Change] | None) -> bool:
            return changes is not None and any(
                name in changes
                and (was is ANYTHING or changes[name].old == was)
                and (to is ANYTHING or changes[name].new == to)
                for name in names
            )

    told = [*map(repr, names)]
    told += [f"{name}={short_repr(value)}" for name, value in (("was", was), ("to", to)) if value is not ANYTHING]
    condition.__module__, condition.__qualname__ = "aldis", f"changed({', '.join(told)})"
    found = Condition(condition)
    found.attributes = frozenset(names)
    found.looks_at = found.attributes or None
    values = [() if value is ANYTHING else (value,) for value in (was, to)]
    found.tests = (ChangeTest(found.attributes, *values),)
    found.is_own = True
    return found


def is_created(is_update: bool, operation_skipped: bool = False, row_count: int | None = None) -> bool:
    """Tell whether a row is inserted: not where a receiver skipped it, or a conflict of it was ignored."""
    return not is_update and not operation_skipped and row_count != 0


def is_updated(is_update: bool, operation_skipped: bool = False, row_count: int | None = None) -> bool:
    """Tell whether a stored row is updated: not where a receiver skipped it, or nothing was written."""
    return is_update and not operation_skipped and row_count != 0


is_created.__module__, is_created.__qualname__ = "aldis", "created"
is_updated.__module__, is_updated.__qualname__ = "aldis", "updated"

created: Final = Condition(is_created)
"""The condition that the row is an INSERT's."""

updated: Final = Condition(is_updated)
"""The condition that the row is an UPDATE's."""

created.is_own = updated.is_own = True
