"""Receivers of each row of statements over many rows: ``connect(..., rows=True)``.

A statement fires its signals once for all other receivers. Those who run statements ask :data:`LISTENED_TO` first, and
then :func:`among` for the receivers themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

from ..errors import SignalError
from .receiver import describe, name_of_signal

if TYPE_CHECKING:
    from .records import Receiver

__all__ = ["LISTENED_TO", "OF_ROWS", "among", "deaf_to_rows", "may_hear_rows", "note_listening", "refuse_rows"]

OF_ROWS: Final = frozenset({"pre_update", "post_update", "pre_delete", "post_delete"})
"""The signals that a statement over many rows fires once."""

LISTENED_TO: Final[set[int]] = set()
"""The ids of the classes whose rows receivers hear, or of classes above them; ``object`` where any sender's. Who runs a
statement looks whether there are any, and calls nothing where there are none. One that is here too long costs a
look."""


def note_listening(sender: Any) -> None:
    """Take note that a receiver hears each row.

    Args:
        sender: Its sender; ``None`` for any.
    """
    if sender is None or isinstance(sender, type):
        LISTENED_TO.add(id(object if sender is None else sender))


def may_hear_rows(models: Iterable[type[Any]]) -> bool:
    """Tell whether a receiver of one of the classes may hear each row; see :func:`among`."""
    return any(not LISTENED_TO.isdisjoint(map(id, model.__mro__)) for model in models)


def among(signal: Any, sender: type[Any]) -> tuple[list[Receiver], list[Receiver]]:
    """Return the receivers of a sender, in order: those that hear each row, and those that hear a statement once.

    Args:
        signal: Any signal; one of blinker's has no receivers that hear rows.
        sender: The sender.

    Returns:
        Two lists; both are empty where the signal is muted, or is blinker's.
    """
    from .bookkeeping import Bookkeeping

    if not isinstance(signal, Bookkeeping) or signal.is_muted:
        return [], []
    records = signal._find(sender).receivers
    signal._renew(records)
    return [each for each in records if each.options.rows], [each for each in records if not each.options.rows]


def deaf_to_rows(signal: Any, sender: type[Any]) -> Any:
    """Return a receiver of a sender that does not hear each row; ``None`` if there is none.

    Args:
        signal: Any signal, one of blinker's included.
        sender: The sender.
    """
    from .bookkeeping import Bookkeeping

    if not isinstance(signal, Bookkeeping):
        return next(iter(signal.receivers_for(sender)), None)
    records = signal._find(sender).receivers
    return next((live for each in records if not each.options.rows and (live := each.itself()) is not None), None)


def refuse_rows(receiver: Any, signal: Any, names: Collection[str] = OF_ROWS) -> None:
    """Refuse ``rows=True`` for a signal that no statement over many rows fires.

    Raises:
        SignalError: Always.
    """
    name = name_of_signal(signal)
    if name in {"pre_save", "post_save"}:
        advice = f"{name} is fired for each row already, and statements that update or delete rows do not fire it."
    elif name in {"pre_bulk", "post_bulk"}:
        advice = f"{name} is fired once an operation."
    else:
        advice = "a signal of your own takes a model's place by `Model.meta.signals.pre_update = signal`: set it first."
    raise SignalError(
        f"{describe(receiver)} cannot hear {name!r} with rows=True, which is for {', '.join(sorted(names))}: {advice} "
        "Connect it without rows=True."
    )
