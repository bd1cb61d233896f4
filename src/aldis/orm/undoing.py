"""What is put back in Python when rows are rolled back: the instances that were saved."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

__all__ = ["Before", "Changes", "Level"]

FEWEST: Final = 1024
"""Entries from which on a level looks for those that can go."""


class Before(Protocol):
    """What an instance was."""

    def put_back(self, state: InstanceState[Any]) -> None:
        """Make the instance of that state what it was."""


class Changes(Protocol):
    """What an operation on many instances has changed of them."""

    def put_back(self) -> None:
        """Make them all what they were."""

    def befores(self) -> Iterable[tuple[InstanceState[Any], Before]]:
        """Return what each was, the oldest of an instance first."""
        ...


class Level:
    """What a transaction, or a savepoint of it, undoes beside the rows when it is rolled back.

    Args:
        state: The state of the instance that is written.
        before: What it was.
        changes: What the operation changes, if it is one on many instances.
        calls: What else is to be done then.
    """

    __slots__ = ("calls", "changes", "entries", "limit", "own")

    def __init__(
        self,
        state: InstanceState[Any] | None = None,
        before: Before | None = None,
        changes: Changes | None = None,
        calls: Iterable[Callable[[], None]] = (),
    ) -> None:
        self.own = None if state is None or before is None else (state, before)
        self.changes = changes
        self.calls = list(calls)
        self.entries: list[tuple[weakref.ref[InstanceState[Any]], Before]] = []
        """What operations inside, that are over, have changed. Weakly: what nobody holds need not be put back."""
        self.limit = FEWEST

    def remember(self, state: InstanceState[Any], before: Before) -> None:
        """Put an instance back, too; what it was first is what counts."""
        self.entries.append((weakref.ref(state), before))
        if len(self.entries) >= self.limit:
            self.compact()

    def compact(self) -> None:
        """Let go of instances that are gone, and of all but the first that is known of each.

        A transaction of a million saves keeps no more than the program itself does.
        """
        kept: dict[int, tuple[Any, tuple[weakref.ref[InstanceState[Any]], Before]]] = {}
        for entry in self.entries:
            state = entry[0]()
            if state is not None and state.obj() is not None:
                kept.setdefault(id(state), (state, entry))
        self.entries = [entry for _, entry in kept.values()]
        self.limit = max(FEWEST, 2 * len(self.entries))

    def undo(self) -> None:
        """Put the instances back."""
        for call in reversed(self.calls):
            call()
        for reference, before in reversed(self.entries):
            state = reference()
            if state is not None and state.obj() is not None:
                before.put_back(state)
        if self.changes is not None:
            self.changes.put_back()
        if self.own is not None:
            state, before = self.own
            before.put_back(state)

    def join(self, outer: Level) -> None:
        """Let the outer level undo what this one would."""
        if self.calls:
            outer.calls += self.calls
        if self.own is not None:
            outer.remember(*self.own)
        if self.changes is not None:
            for state, before in self.changes.befores():
                outer.remember(state, before)
        if self.entries:
            outer.entries += self.entries
            if len(outer.entries) >= outer.limit:
                outer.compact()
