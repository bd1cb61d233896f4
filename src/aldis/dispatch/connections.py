"""Who is connected to a signal, and where in the program that was done."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from dis import findlinestarts
from inspect import iscoroutinefunction
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from . import core
from .conditions import Condition
from .receiver import describe, strong

if TYPE_CHECKING:
    from .signal import Signal

__all__ = ["FEW", "SAME_PLACE", "Connection", "connections", "place_of"]

FEW: Final = 8
"""Connections of a receiver whose places are kept each; a loop makes many, at one. A place takes as long as 40% of a
connect."""

SAME_PLACE: Final = -1
"""Stands for the place of the connection before."""

HERE: Final = os.path.dirname(__file__)  # noqa: PTH120 - pathlib takes as long to import as all of this package

PLACES: Final[dict[tuple[int, int], int]] = {}
"""The numbers of the places, by the id of the code object and the instruction in it."""

CODES: Final[list[tuple[CodeType, int]]] = []
"""The places by their numbers. A loop that connects a million receivers is one place, and costs one entry."""


def place_of(frame: FrameType | None) -> int:
    """Return the number of the place where a frame is; of a frame inside aldis, where its caller is.

    Finding the line costs more than connecting: it is left to :func:`connections`.
    """
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    if frame is None:
        return SAME_PLACE
    code = frame.f_code
    key = id(code), frame.f_lasti
    found = PLACES.get(key)
    if found is None:
        CODES.append((code, frame.f_lasti))
        found = PLACES[key] = len(CODES) - 1
    return found


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


def file_and_line(where: int) -> tuple[str, int]:
    """Return the file and the line of a place."""
    code, instruction = CODES[where]
    line = 0
    for start, number in findlinestarts(code):
        if start > instruction:
            break
        line = number or line
    return code.co_filename, line
