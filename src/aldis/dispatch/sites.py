"""Call sites: how one receiver stands in the text of a plan, and the objects that the text refers to."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Final, NamedTuple

from . import core
from .code_facts import is_safe
from .receiver import Form
from .records import Receiver

__all__ = ["Arguments", "Site", "has_twin", "site_of"]


class Parts(NamedTuple):
    """All that the text of one call depends on."""

    form: Form
    condition: Form | None
    has_twin: bool
    use: str
    """How the twin uses its dict: ``"nothing"``, ``"reads"``, ``"keeps"``."""
    is_async: bool
    may_wait: bool
    """The call may wait for the end of the transaction; it has returned ``None`` then: there is nothing to await."""
    returns_nothing: bool
    weak: str
    """Which weak references lead to it: ``""`` (it is held), ``"r"`` (the callable), ``"t"`` (its twin too), ``"ro"``
    (function and owner of a method), ``"rot"``; ``"live"``: a function returns its stand-in."""

    asks: str = ""
    """How the plan asks for the receiver's code, where no C does it: ``"function"``, or ``"record"`` for all else."""


class Site:
    """The call of one receiver. There is one for all receivers of equal parts, which share the compiled code.

    Args:
        parts: All that its text depends on.
    """

    __slots__ = ("parts",)

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @property
    def callee(self) -> str:
        """The letter of the function that is called."""
        return "t" if self.parts.has_twin and self.parts.weak else "r"


MOST_SITES: Final = 2048
SITES: Final[dict[tuple[Parts, tuple[str, ...]], Site]] = {}


def site_of(record: Receiver, names: tuple[str, ...], with_twins: bool) -> Site:
    """Return the site of a receiver for a send of ``names``."""
    known = record.site
    if known is not None and known[0] is names and known[1] is with_twins:
        found: Site = known[2]
        return found
    form = record.accepts.form(names)
    when = record.options.when
    by_twin = with_twins and has_twin(record, names)
    parts = Parts(
        form,
        None if when is None else when.form(names),
        by_twin,
        record.use_of_keywords() if by_twin and form.packed is not None else "nothing",
        record.is_async,
        record.waits,
        record.returns_nothing(),
        weak_kind(record, by_twin),
        asking(record) if core.ASKS_IN_PLAN else "",
    )
    if len(SITES) >= MOST_SITES:
        SITES.clear()
    site = SITES.setdefault((parts, names), Site(parts))
    record.site = (names, with_twins, site)
    return site


def has_twin(record: Receiver, names: tuple[str, ...]) -> bool:
    """Tell whether a send of ``names`` can reach a receiver through its positional twin."""
    return record.accepts.form(names).twin is not None and record.function() is not None


def weak_kind(record: Receiver, by_twin: bool) -> str:
    """Return which weak references lead to a receiver."""
    if not record.is_weak:
        return ""
    if record.stands_in or (isinstance(record.reference, weakref.WeakMethod) and not record.is_method):
        return "live"
    return ("ro" if record.is_method else "r") + "t" * by_twin


def asking(record: Receiver) -> str:
    """Return how a plan asks whether the code of a receiver is still the same."""
    if not record.sources:
        return ""
    return "function" if record.is_function and not record.stands_in else "record"


class Arguments:
    """The text of the arguments of calls: ``a0`` is the sender, ``a1`` the first value.

    Args:
        names: The names of the values.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def of(self, form: Form) -> list[str]:
        """Return the arguments of an ordinary call."""
        by_position = [f"a{index}" for index in form.positions]
        named = [(self.names[index - 1] if index else "sender", f"a{index}") for index in form.keywords]
        by_name = [f"{name}={value}" for name, value in named if is_safe(name)]
        odd = [f"{name!r}: {value}" for name, value in named if not is_safe(name)]
        return [*by_position, *by_name, *([f"**{{{', '.join(odd)}}}"] if odd else [])]

    def of_twin(self, form: Form, packed: str | None) -> list[str]:
        """Return the arguments of a twin: all by position, the dict last."""
        return [*(f"a{index}" for index in form.twin or ()), *([packed] if packed is not None else [])]
