"""The rows of a bulk operation, on their way to the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.orm import InstanceState

from .snapshot import Snapshot

if TYPE_CHECKING:
    from .layout import Layout
    from .undoing import Before

__all__ = ["NewRows", "Row"]


class Row:
    """A stored instance that is to be updated."""

    __slots__ = ("before", "count", "instance", "skipped", "state", "values", "written")

    def __init__(
        self,
        instance: Any,
        state: InstanceState[Any],
        values: Mapping[str, Any],
        written: dict[str, Any],
        before: Snapshot | None,
    ) -> None:
        self.instance = instance
        self.state = state
        self.values = values
        """What the caller gave, by attribute name."""
        self.written = written
        """What goes to the database, by column key."""
        self.before = before
        """What the instance was."""
        self.skipped = False
        self.count: int | None = 1
        """Rows written: 0 where a conflict was ignored."""

    def put_back(self) -> None:
        """Make the instance what it was."""
        if self.before is not None:
            self.before.put_back(self.state)


class Given(NamedTuple):
    """What a new instance was."""

    layout: Layout
    given: tuple[Any, ...]
    """What it had set, in the order of its layout."""
    committed: dict[str, Any] | None
    """SQLAlchemy's record of that, if the instance is marked as stored."""

    def put_back(self, state: InstanceState[Any]) -> None:
        """Make the instance of that state what it was."""
        layout = self.layout
        values = state.dict
        for name in [name for name in values if name not in layout.given]:
            del values[name]
        values.update(zip(layout.order, self.given, strict=True))
        if self.committed is not None:
            state.committed_state = self.committed
            state.expired_attributes.clear()
            state.key = None
            state.modified = bool(self.committed)


class NewRows:
    """A batch of instances that are to be inserted, in lists side by side.

    Not in an object each: a million of those keep Python's garbage collector busier than anything else that is done to
    the rows. What is kept here for each is seen by it once, and then left alone: tuples of plain values.
    """

    def __init__(self) -> None:
        self.instances: list[Any] = []
        self.states: list[InstanceState[Any]] = []
        self.values: list[Mapping[str, Any]] = []
        """What the caller gave of each, by attribute name."""
        self.written: list[dict[str, Any]] = []
        """What goes to the database, by column key."""
        self.layouts: list[Layout] = []
        self.given: list[tuple[Any, ...]] = []
        """What each instance had set."""
        self.skipped: set[int] = set()
        """Where receivers skipped the operation."""
        self.counts: list[int] = []
        """Rows written of each, once they are: 0 where a conflict was ignored."""
        self.committed: list[dict[str, Any] | None] = []
        """SQLAlchemy's record of what was set, of those that are marked as stored."""
        self.before: list[tuple[InstanceState[Any], Snapshot]] = []
        """The snapshots of those that SQLAlchemy itself changes."""

    def add(self, instance: Any, state: InstanceState[Any], values: Mapping[str, Any], layout: Layout) -> None:
        """Add a row."""
        loaded = instance.__dict__
        self.instances.append(instance)
        self.states.append(state)
        self.values.append(values)
        self.layouts.append(layout)
        self.given.append(layout.take_all(loaded))
        self.written.append(layout.column_values(loaded))

    def remember(self) -> None:
        """Keep full snapshots, since SQLAlchemy is going to change the instances."""
        for state, layout, given in zip(self.states, self.layouts, self.given, strict=True):
            before = Snapshot(state)
            before.values = {
                "_sa_instance_state": state,
                **dict(zip(layout.order, given, strict=True)),  # receivers may have set others meanwhile
            }
            self.before.append((state, before))

    def to_write(self) -> list[dict[str, Any]]:
        """Return what is to be written: all but what was skipped."""
        if not self.skipped:
            return self.written
        return [written for number, written in enumerate(self.written) if number not in self.skipped]

    def mark_stored(self) -> None:
        """Make the instances what a session leaves behind: they have their rows' values, are detached and clean."""
        if not self.layouts:
            return
        shape = self.layouts[0].shape
        attributes, primary_key, identity = shape.attributes, shape.primary_key, shape.identity_class
        committed = self.committed
        for number, (instance, state, written, layout) in enumerate(
            zip(self.instances, self.states, self.written, self.layouts, strict=True)
        ):
            if number in self.skipped or not self.counts[number]:
                committed.append(None)
                continue
            values = instance.__dict__
            for key, value in written.items():
                values[attributes[key]] = value
            state.key = (identity, tuple([written[key] for key in primary_key]), None)
            committed.append(state.committed_state)
            state.committed_state = {}
            state.modified = False
            if layout.expired:
                state.expired_attributes.update(layout.expired)

    def put_back(self, number: int) -> None:
        """Make an instance what it was."""
        Given(self.layouts[number], self.given[number], self.record_of(number)).put_back(self.states[number])

    def record_of(self, number: int) -> dict[str, Any] | None:
        """Return SQLAlchemy's record of what was set on an instance, if it is marked as stored."""
        return self.committed[number] if number < len(self.committed) else None

    def befores(self) -> Iterator[tuple[InstanceState[Any], Before]]:
        """Return what each instance was."""
        if self.before:
            yield from self.before
            return
        for number, state in enumerate(self.states):
            yield state, Given(self.layouts[number], self.given[number], self.record_of(number))

    def saved(self) -> list[Any]:
        """Return the instances that were written."""
        if not self.skipped and all(self.counts):
            return self.instances
        return [
            instance
            for number, (instance, count) in enumerate(zip(self.instances, self.counts, strict=True))
            if count and number not in self.skipped
        ]
