"""A parameter that a receiver gets only if it names it: ``changes``, which costs something to make.

The plans ask :func:`hidden_in` which keywords a ``**kwargs`` does not get; who fires a signal asks :func:`asking_of`
whether the parameter has to be made, and for which attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from . import core
from .code_facts import facts_of

if TYPE_CHECKING:
    from .conditions import ChangeTest

__all__ = [
    "ANYBODY",
    "ASKED",
    "CHANGES",
    "Asking",
    "asking_of",
    "hidden_in",
    "hide",
    "may_ask",
    "mentions",
    "note_asking",
    "together",
]

CHANGES: Final = "changes"
"""The name of the parameter."""

HIDDEN: Final[dict[tuple[str, ...], str]] = {}
"""The parameter that is hidden, by the names of all that a signal sends."""

ASKED: Final[set[int]] = set()
"""The ids of the classes whose receivers ask, or those of the classes below them; ``object`` where any sender's may. A
save looks at it, and calls nothing where its class is not there. One that is here too long costs a look, no more."""

ANYBODY: Final = id(object)


def hide(names: tuple[str, ...], hidden: str) -> None:
    """Hide one of the names that a signal sends from receivers that do not name it.

    Args:
        names: All that the signal sends, beside the sender.
        hidden: The one that is hidden.
    """
    HIDDEN[names] = hidden


def hidden_in(names: tuple[str, ...]) -> str | None:
    """Return the name that is hidden from receivers that do not name it, in a send of these names.

    Example:
        >>> hide(("instance", "secret"), "secret")
        >>> hidden_in(("instance", "secret")), hidden_in(("secret",))
        ('secret', None)
    """
    return HIDDEN.get(names)


def may_ask(model: type[Any]) -> bool:
    """Tell whether a receiver of a class may ask for ``changes``; see :func:`asking_of`."""
    return bool(ASKED) and not ASKED.isdisjoint(map(id, model.__mro__))


def note_asking(sender: Any) -> None:
    """Take note that a receiver asks.

    Args:
        sender: Its sender; ``None`` for any. One that is no class never has ``changes``.
    """
    if sender is None or isinstance(sender, type):
        ASKED.add(ANYBODY if sender is None else id(sender))


def mentions(functions: Iterator[FunctionType], word: str) -> bool:
    """Tell whether the code of one of the functions, or of a function inside it, has a word among its constants.

    Example:
        >>> def audit(sender, batch):
        ...     return [list(row) for row in batch.column("changes")]
        >>> mentions(iter([audit]), "changes"), mentions(iter([audit]), "values")
        (True, False)
    """
    return any(word in facts_of(function.__code__).words for function in functions)


class Asking(NamedTuple):
    """The attributes of ``changes`` that the receivers of a signal ask for."""

    names: frozenset[str] | None
    """The attributes that conditions look up; ``None``: any."""
    tests: tuple[ChangeTest, ...] | None
    """No receiver is called where none of these holds; ``None``: one may be."""

    def looks_at(self, name: str) -> bool:
        """Tell whether a change of an attribute has to be told."""
        return self.names is None or name in self.names


ALL: Final = Asking(None, None)


def together(all_asking: Iterable[Asking | None]) -> Asking | None:
    """Return the asking of several signals: each attribute that one of them looks up."""
    names: frozenset[str] | None = None
    for asking in all_asking:
        if asking is not None:
            if asking.names is None:
                return ALL
            names = asking.names | (names or frozenset())
    return None if names is None else Asking(names, None)


def asking_of(signal: Any, sender: Any, is_update: bool) -> Asking | None:
    """Return the part of ``changes`` that the receivers of a sender ask for; ``None`` where none does.

    Args:
        signal: Any signal, one of blinker's included.
        sender: The sender.
        is_update: Those of stored rows; else of new ones.
    """
    if signal.is_muted:
        return None
    if not isinstance(signal, core.Dispatch):
        return of_foreign(signal, sender)
    plan = signal._find(sender)
    signal._renew(plan.receivers)
    if plan.is_void:
        plan = signal._find(sender)
    if not plan.asked:
        plan.asked = tuple([asking_in(plan, updates) for updates in (False, True)])
    found: Asking | None = plan.asked[is_update]
    return found


def of_foreign(signal: Any, sender: Any) -> Asking | None:
    """Return the part that the receivers of a signal of blinker's ask for; ``None`` where none does."""
    from .records import Receiver

    return ALL if any(Receiver(each, each).asks == "all" for each in signal.receivers_for(sender)) else None


def asking_in(plan: core.Plan, is_update: bool) -> Asking | None:
    """Return the part that the receivers of a plan ask for; ``None`` where none does."""
    records = plan.receivers
    asking = [record for record in records if record.asks == "all" or (is_update and record.asks)]
    if not asking:
        return None
    tests: list[ChangeTest] | None = None if plan.watched is not None else []
    names: set[str] | None = set()
    for record in records:
        when = record.options.when
        if tests is not None:
            tests = None if when is None or when.tests is None else [*tests, *when.tests]
        if names is not None and record in asking:
            names = None if record.looks_at is None else names | record.looks_at
    return Asking(None if names is None else frozenset(names), None if tests is None else tuple(tests))
