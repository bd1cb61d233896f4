"""A parameter that a receiver gets only if it names it: ``changes``, which costs something to make.

The plans ask :func:`hidden_in` what a ``**kwargs`` does not get; who fires a signal asks :func:`is_asked_for` whether
the parameter has to be made.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any, Final

from .code_facts import facts_of

__all__ = ["ANYBODY", "ASKED", "CHANGES", "hidden_in", "hide", "is_asked_for", "may_ask", "mentions", "note_asking"]

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
    """Tell whether a receiver of a class may ask for ``changes``; see :func:`is_asked_for`."""
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


def is_asked_for(signal: Any, sender: Any, is_update: bool) -> bool:
    """Tell whether a receiver of a sender asks for ``changes``.

    Args:
        signal: Any signal, one of blinker's included.
        sender: The sender.
        is_update: Those of stored rows; else of new ones.
    """
    from .bookkeeping import Bookkeeping
    from .records import Receiver

    if signal.is_muted:
        return False
    if not isinstance(signal, Bookkeeping):
        return any(Receiver(receiver, receiver).asks == "all" for receiver in signal.receivers_for(sender))
    records = signal._find(sender).receivers
    signal._renew(records)
    return any(record.asks == "all" or (is_update and record.asks) for record in records)
