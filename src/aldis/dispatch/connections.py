"""Who is connected to a signal, and where in the program that was done."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NamedTuple

from . import core
from .conditions import Condition
from .places import SAME_PLACE, file_and_line
from .receiver import describe, strong

if TYPE_CHECKING:
    from .signal import Signal

__all__ = ["Connection", "connections"]


class Connection(NamedTuple):
    """A receiver that is connected to a sender of a signal."""

    receiver: Any
    """The receiver."""
    sender: Any
    """The sender: ``None`` for any; a string for one that cannot be had any more by its id."""
    file: str
    """The file in which it was connected."""
    line: int
    """The line of that file, from 1; 0 if it is not known."""
    is_async: bool
    """It is a coroutine function."""
    is_weak: bool
    """Only a weak reference to it is kept."""
    after_commit: bool
    """It waits for the commit."""
    batched: bool
    """It is called once for many rows."""
    priority: int
    """Those of a higher one are called first."""
    when: Condition | None = None
    """The condition under which it is called."""
    subclasses: bool = False
    """It hears the classes below the sender too."""
    after_rollback: bool = False
    """It waits for a rollback."""
    rows: bool = False
    """It hears each row of statements over many rows."""

    @property
    def name(self) -> str:
        """The receiver's name, with its module's."""
        return describe(self.receiver)

    @property
    def sender_name(self) -> str:
        """The sender's name."""
        if self.sender is None:
            return "any"
        return str(getattr(self.sender, "__name__", self.sender))


def connections(signal: Signal) -> Iterator[Connection]:
    """Yield the connections of a signal, in the order in which the receivers were connected.

    Args:
        signal: The signal.

    Example:
        >>> import aldis
        >>> from aldis.dispatch.connections import connections
        >>> saved = aldis.Signal()
        >>> @saved.connect_via("Ada")
        ... async def log(sender): ...
        >>> [(each.sender, each.is_async, each.is_weak) for each in connections(saved)]
        [('Ada', True, False)]
    """
    for receiver_id, keys in list(signal._by_receiver.items()):
        reference = signal.receivers.get(receiver_id)
        receiver = None if reference is None else strong(reference)
        if receiver is None:
            continue
        file, line = "?", 0
        for key, where in list(keys.items()):
            if where != SAME_PLACE:
                file, line = file_and_line(where)
            record = signal._record(key, receiver_id)
            if record is None:
                continue
            yield Connection(
                receiver,
                sender_of(signal, key),
                file,
                line,
                iscoroutinefunction(receiver),
                isinstance(reference, weakref.ref),
                record.after_commit,
                record.batched,
                record.priority,
                record.options.when,
                record.options.subclasses,
                record.options.after_rollback,
                record.options.rows,
            )


def sender_of(signal: Signal, key: Any) -> Any:
    """Return the sender that is known under a key."""
    if key == core.ANY_KEY:
        return None
    reference = signal._weak_senders.get(key)
    if reference is not None:
        return reference()
    if isinstance(key, tuple):
        return key[0] if len(key) == 1 else "a bound method"
    return f"an object at {key:#x}" if isinstance(key, int) else key
