"""The Python side of a rollback: the instances that were saved are put back."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

    from ..mapping.instance_state import Snapshot
    from ..mapping.snapshots import Snapshots
    from ..mapping.table import TableMapping

__all__ = ["UNTOUCHED", "Before", "Change", "Changed", "ChangedRows", "Changes", "OfOne", "RollbackScope"]

FEWEST: Final = 1024
"""Instances from which on a scope looks for those that are gone."""


class Before(Protocol):
    """The earlier condition of an instance."""

    def put_back(self, state: InstanceState[Any]) -> None:
        """Restore the instance of that state."""


class Untouched:
    """The earlier condition of an instance that an operation has not touched: it waits for its turn."""

    __slots__ = ()

    def put_back(self, state: InstanceState[Any]) -> None:
        """Leave the instance as it is: other operations may have written it meanwhile."""


UNTOUCHED: Final = Untouched()


class Change(Protocol):
    """The changes that an operation, which is over, has made to instances. It keeps none of them alive."""

    def __len__(self) -> int:
        """Return how many they were."""
        ...

    def put_back(self) -> None:
        """Restore those that are still there."""

    def is_gone(self) -> bool:
        """Tell whether none of them is there any more."""
        ...

    def live_states(self) -> Iterable[InstanceState[Any]]:
        """Return the states of those that are still there."""
        ...


class Changes(Protocol):
    """The changes that an operation makes to many instances."""

    def put_back(self) -> None:
        """Restore them all."""

    def loosened(self) -> Iterable[Change]:
        """Let go of them, and return the changes to those that somebody else holds; the oldest first."""
        ...

    def live_states(self) -> Iterable[InstanceState[Any]]:
        """Return the states of the instances."""
        ...


class OfOne:
    """A change to one instance, which it does not keep alive.

    Args:
        state: The state of the instance.
    """

    __slots__ = ("reference",)

    is_whole: ClassVar = True
    """It restores the instance whatever happened to that since: later changes of the kind need not be kept."""

    def __init__(self, state: InstanceState[Any]) -> None:
        self.reference = weakref.ref(state)

    def __len__(self) -> int:
        return 1

    def state(self) -> InstanceState[Any] | None:
        """Return the state of the instance, if that is still there."""
        state = self.reference()
        return None if state is None or state.obj() is None else state

    def put_back(self) -> None:
        """Restore the instance, if it is still there."""
        raise NotImplementedError

    def is_gone(self) -> bool:
        """Tell whether it is not there any more."""
        return self.state() is None

    def live_states(self) -> Iterable[InstanceState[Any]]:
        """Return the instance's state, if that is still there."""
        state = self.state()
        return () if state is None else (state,)


class Changed(OfOne):
    """The earlier condition of one instance."""

    __slots__ = ("before",)

    def __init__(self, state: InstanceState[Any], before: Before) -> None:
        self.reference = weakref.ref(state)  # not by the other's: a call less for each save
        self.before = before

    def put_back(self) -> None:
        """Restore the instance, if it is still there."""
        state = self.state()
        if state is not None:
            self.before.put_back(state)


class ChangedRows:
    """The earlier conditions of many instances.

    It keeps the states of the instances, which do not keep these alive.

    Args:
        states: The states of the instances.
        before: The condition of each.
    """

    __slots__ = ("before", "states")

    def __init__(self, states: Sequence[InstanceState[Any]], before: Snapshots) -> None:
        self.states, self.before = states, before

    def __len__(self) -> int:
        return len(self.states)

    def put_back(self) -> None:
        """Restore the instances that are still there."""
        for place in reversed(range(len(self))):
            if self.states[place].obj() is not None:
                self.before[place].put_back(self.states[place])

    def is_gone(self) -> bool:
        """Tell whether none of them is there any more."""
        return not self.live_states()

    def live_states(self) -> list[InstanceState[Any]]:
        """Return the states of those that are still there."""
        return [state for state in self.states if state.obj() is not None]

    def before_of(self, state: InstanceState[Any]) -> Before | None:
        """Return the earlier condition of an instance, if it is one of these."""
        return next((self.before[place] for place, each in enumerate(self.states) if each is state), None)

    def without(self, known: Container[int]) -> ChangedRows | None:
        """Return the conditions of those that are still there but for some; ``None`` where there are no others.

        Args:
            known: The ``id()`` of the states of those.
        """
        states = self.states
        places = [place for place, each in enumerate(states) if each.obj() is not None and id(each) not in known]
        if len(places) in (0, len(states)):
            return self if places else None
        return ChangedRows([states[place] for place in places], self.before.only(places))


class RollbackScope:
    """The part of a rollback, of a transaction or of a savepoint, that concerns instances and not rows.

    Args:
        state: The state of the instance that is written.
        before: Its earlier condition.
        changes: The changes of the operation, if it is one on many instances.
        calls: Functions to call then.
    """

    __slots__ = ("calls", "changes", "count", "done", "earlier", "is_undone", "limit", "own", "settled")

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
        """The changes of operations inside that are over, in their order."""
        self.settled = 0
        """So many of these are older than the changes that the operation has not let go of."""
        self.count = 0
        """The instances in them; when they are many, those that are gone are looked for."""
        self.limit = FEWEST
        self.is_undone = False
        self.earlier: Sequence[RollbackScope] = ()
        """Those that may have written the instance before, and may be undone before this one."""

    def remember(self, state: InstanceState[Any], before: Before) -> None:
        """Put an instance back, too."""
        self.add(Changed(state, before))

    def add(self, change: Change, count: int = 1) -> None:
        """Put back the changes of an operation, too.

        Args:
            change: The changes.
            count: To how many instances.
        """
        self.done.append(change)
        self.count += count
        if self.count >= self.limit:
            self.compact()

    def let_go(self) -> None:
        """Let the operation's changes so far be among those that are over: before those that were made meanwhile."""
        assert self.changes is not None
        meanwhile = self.done[self.settled :]
        del self.done[self.settled :]
        self.count -= sum(map(len, meanwhile))
        for change in (*self.changes.loosened(), *meanwhile):
            self.add(change, len(change))
        self.settled = len(self.done)

    def compact(self) -> None:
        """Let go of changes to instances that are gone, and of all but the first that restores an instance.

        A transaction of a million saves keeps no more than the program itself does.
        """
        known: dict[type[Change], dict[int, InstanceState[Any]]] = {}
        kept: list[Change] = []
        settled = 0
        for number, change in enumerate(self.done):
            if number == self.settled:
                settled = len(kept)
            if isinstance(change, OfOne) and change.is_whole:
                state, of_kind = change.state(), known.setdefault(type(change), {})
                if state is None or id(state) in of_kind:
                    continue
                of_kind[id(state)] = state
            elif isinstance(change, ChangedRows):
                of_kind = known.setdefault(Changed, {})
                left = change.without(of_kind)
                if left is None:
                    continue
                change = left  # noqa: PLW2901 - the part of it that is wanted
                of_kind.update((id(state), state) for state in left.live_states())
            elif change.is_gone():
                continue
            kept.append(change)
        self.settled = settled if self.settled < len(self.done) else len(kept)
        self.done = kept
        self.count = sum(map(len, kept))
        self.limit = max(FEWEST, 2 * self.count)

    def undo(self) -> None:
        """Put the instances back."""
        self.is_undone = True
        if self.earlier:
            self.follow()
        for call in reversed(self.calls):
            call()
        for change in reversed(self.done[self.settled :]):
            change.put_back()
        if self.changes is not None:
            self.changes.put_back()
        for change in reversed(self.done[: self.settled]):
            change.put_back()
        if self.own is not None:
            state, before = self.own
            before.put_back(state)

    def take_over(self, mapping: TableMapping, rows: Iterable[tuple[InstanceState[Any], Snapshot | None]]) -> None:
        """Put instances back to their present values: another task may have written them while receivers ran.

        Pending changes stay those of before. An instance that an operation inside has written, in a receiver, is left
        out: that is undone, too.

        Args:
            mapping: The mapping of their class.
            rows: The state of each instance, and the condition to put it back to; ``None`` where it is not put back.
        """
        inside = {id(state) for change in self.done for state in change.live_states()}
        for state, before in rows:
            if before is not None and id(state) not in inside:
                before.take_over(mapping, state)

    def join(self, outer: RollbackScope) -> None:
        """Hand the changes of this scope to the outer one."""
        outer.calls += self.calls
        if self.own is not None:
            outer.add(Changed(*self.own))
        of_operation = () if self.changes is None else self.changes.loosened()
        for change in (*self.done[: self.settled], *of_operation, *self.done[self.settled :]):
            outer.add(change, len(change))

    def precede(self, outer: RollbackScope) -> None:
        """Let the instance, which the outer scope has written before, be restored as it was before that."""
        if self.own is None:
            return
        state = self.own[0]
        for change in outer.done:
            if isinstance(change, Changed) and change.state() is state:
                self.own = (state, change.before)
                return
            before = change.before_of(state) if isinstance(change, ChangedRows) else None
            if before is not None:
                self.own = (state, before)
                return

    def follow(self) -> None:
        """Let the instance be, where an earlier scope has written it before, and has put it back meanwhile."""
        for outer in self.earlier:
            if not outer.is_undone or self.own is None:
                continue
            own = self.own
            self.precede(outer)
            if self.own is own and any(state is own[0] for state in outer.live_states()):
                self.own = None

    def live_states(self) -> Iterator[InstanceState[Any]]:
        """Yield the states of the instances that are still there."""
        if self.own is not None:
            yield self.own[0]
        if self.changes is not None:
            yield from self.changes.live_states()
        for change in self.done:
            yield from change.live_states()
