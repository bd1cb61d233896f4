"""What is put back in Python when rows are rolled back: the instances that were saved."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

__all__ = ["Before", "Change", "Changed", "Changes", "RollbackScope"]

FEWEST: Final = 1024
"""Instances from which on a scope looks for those that are gone."""


class Before(Protocol):
    """What an instance was."""

    def put_back(self, state: InstanceState[Any]) -> None:
        """Make the instance of that state what it was."""


class Change(Protocol):
    """What an operation that is over has changed of one instance or of many. It keeps none of them alive."""

    def __len__(self) -> int:
        """Return how many they were."""
        ...

    def put_back(self) -> None:
        """Make those that are still there what they were."""

    def is_gone(self) -> bool:
        """Tell whether none of them is there any more."""
        ...

    def live_states(self) -> Iterable[InstanceState[Any]]:
        """Return the states of those that are still there."""
        ...


class Changes(Protocol):
    """What an operation on many instances changes of them."""

    def put_back(self) -> None:
        """Make them all what they were."""

    def loosened(self) -> Iterable[Change]:
        """Let go of them, and return what is to be put back of those that somebody else holds; the oldest first."""
        ...

    def live_states(self) -> Iterable[InstanceState[Any]]:
        """Return the states of the instances."""
        ...


class Changed:
    """What one instance was."""

    __slots__ = ("before", "reference")

    def __init__(self, state: InstanceState[Any], before: Before) -> None:
        self.reference = weakref.ref(state)
        self.before = before

    def __len__(self) -> int:
        return 1

    def state(self) -> InstanceState[Any] | None:
        """Return the state of the instance, if that is still there."""
        state = self.reference()
        return None if state is None or state.obj() is None else state

    def put_back(self) -> None:
        """Make the instance what it was, if it is still there."""
        state = self.state()
        if state is not None:
            self.before.put_back(state)

    def is_gone(self) -> bool:
        """Tell whether it is not there any more."""
        return self.state() is None

    def live_states(self) -> Iterable[InstanceState[Any]]:
        """Return the instance's state, if that is still there."""
        state = self.state()
        return () if state is None else (state,)


class RollbackScope:
    """What a transaction, or a savepoint of it, undoes beside the rows when it is rolled back.

    Args:
        state: The state of the instance that is written.
        before: What it was.
        changes: What the operation changes, if it is one on many instances.
        calls: What else is to be done then.
    """

    __slots__ = ("calls", "changes", "count", "done", "limit", "own")

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
        self.done: list[Change] = []
        """What operations inside, that are over, have changed, in their order."""
        self.count = 0
        """The instances in them; when they are many, those that are gone are looked for."""
        self.limit = FEWEST

    def remember(self, state: InstanceState[Any], before: Before) -> None:
        """Put an instance back, too."""
        self.add(Changed(state, before))

    def add(self, change: Change) -> None:
        """Put back what an operation has changed, too."""
        self.done.append(change)
        self.count += len(change)
        if self.count >= self.limit:
            self.compact()

    def compact(self) -> None:
        """Let go of what is gone, and of all but the first that is known of a single instance.

        A transaction of a million saves keeps no more than the program itself does.
        """
        known: dict[int, InstanceState[Any]] = {}
        kept: list[Change] = []
        for change in self.done:
            if isinstance(change, Changed):
                state = change.state()
                if state is None or id(state) in known:
                    continue
                known[id(state)] = state
            elif change.is_gone():
                continue
            kept.append(change)
        self.done = kept
        self.count = sum(map(len, kept))
        self.limit = max(FEWEST, 2 * self.count)

    def undo(self) -> None:
        """Put the instances back."""
        for call in reversed(self.calls):
            call()
        for change in reversed(self.done):
            change.put_back()
        if self.changes is not None:
            self.changes.put_back()
        if self.own is not None:
            state, before = self.own
            before.put_back(state)

    def join(self, outer: RollbackScope) -> None:
        """Let the outer scope undo what this one would."""
        outer.calls += self.calls
        if self.own is not None:
            outer.remember(*self.own)
        if self.changes is not None:
            for change in self.changes.loosened():
                outer.add(change)
        for change in self.done:
            outer.add(change)

    def precede(self, outer: RollbackScope) -> None:
        """Let the instance, which the outer scope has written before, be put back to what it was for that."""
        if self.own is None:
            return
        state = self.own[0]
        for change in outer.done:
            if isinstance(change, Changed) and change.state() is state:
                self.own = (state, change.before)
                return

    def live_states(self) -> Iterator[InstanceState[Any]]:
        """Yield the states of the instances that are still there."""
        if self.own is not None:
            yield self.own[0]
        if self.changes is not None:
            yield from self.changes.live_states()
        for change in self.done:
            yield from change.live_states()
