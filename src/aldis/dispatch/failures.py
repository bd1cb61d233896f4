"""Exceptions of receivers: the note on each, and the count."""

from __future__ import annotations

from _thread import allocate_lock
from collections import Counter
from typing import Any, Final

from ..errors import SkipOperation
from .deferral import Call, Everybody, behind
from .receiver import describe, name_of_sender, name_of_signal, short_repr

__all__ = ["ERRORS", "annotate", "count", "note_after_end"]


ERRORS: Final[Counter[tuple[str, str]]] = Counter()
"""How often a receiver has raised, by the names of the signal (empty if it has none) and of the receiver."""

LOCK: Final = allocate_lock()


def count(signal: object, receiver: Any) -> None:
    """Count an error of a receiver; after a commit the signal is not known any more."""
    itself = behind(receiver)
    # By the type where it has no name: a repr with an address would make the count grow without end.
    who = describe(itself if hasattr(itself, "__qualname__") else type(itself))
    with LOCK:
        ERRORS[name_of_signal(signal, ""), who] += 1


def annotate(error: BaseException, signal: object, sender: object, receiver: Any) -> None:
    """Note on an error at which signal, sender and receiver it came up (PEP 678), and count it.

    The same note is not added twice in a row: an exception object that is raised again and again stays small. That
    somebody skips an operation is no error, and not counted.
    """
    if isinstance(receiver, Everybody):
        return  # stands for all receivers where they are watched: the one that raised is noted already
    name = getattr(signal, "name", None)
    which = repr(name) if isinstance(name, str) else short_repr(signal)
    note = f"aldis: at the receiver {describe(receiver)} of the signal {which}, sender {name_of_sender(sender)}"
    if not isinstance(error, SkipOperation):
        count(signal, receiver)
    notes = getattr(error, "__notes__", [])
    if isinstance(notes, list) and notes[-1:] != [note]:
        error.add_note(note)


def note_after_end(call: Call, error: Exception, was_committed: bool) -> None:
    """Count, annotate and log the error of a call that waited for the end of a transaction."""
    end = "commit" if was_committed else "rollback"
    count(None, call.receiver)
    name = describe(call.receiver)
    error.add_note(f"aldis: at the receiver {name}, after the {end} of {call}")
    advice = call.advice(error)
    if advice is not None:
        error.add_note(f"aldis: {advice}")
    import logging  # half of the time that this package takes to import

    logging.getLogger("aldis").error("receiver %s raised, after the %s of %s", name, end, call, exc_info=error)
