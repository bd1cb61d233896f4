"""The stored instances of a batch that are to be updated, with their values for the database."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...context import NONE
from ..mapping.instance_state import changed, changed_of_all, settle_modified
from ..mapping.pending_changes import wait_again, waiting_changes
from ..mapping.snapshots import Snapshots, snapshots_of
from ..mapping.table import TableMapping, mapping_of
from ..transactions.rollback import ChangedRows
from .columns import VALUES, BatchRows, at
from .firing import NOTHING_PASSED

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

    from ..mapping.instance_state import Snapshot

__all__ = ["StoredRows", "rows_of"]


class StoredRows(BatchRows):
    """A batch of stored instances that are to be updated.

    Args:
        mapping: The mapping of their class.
    """

    def __init__(self, mapping: TableMapping) -> None:
        super().__init__(mapping)
        self.loaded: list[dict[str, Any]] = []
        """The values of each instance, by attribute name: its ``__dict__``."""
        self.before = Snapshots({})
        """The earlier condition of each instance; none of any where the operation itself has made them."""
        self.waiting: dict[int, Sequence[tuple[str, Any]]] = {}
        """The attributes whose change waits while a default is written, with their values, by the row's place."""

    def add(
        self,
        number: int,
        instance: Any,
        state: InstanceState[Any],
        values: Mapping[str, Any],
        before: Snapshot,
        names: Collection[str] | None = None,
    ) -> None:
        """Add an instance, with its changes: those of the attributes ``names`` alone, if these are given."""
        self.before.append(before)
        self.add_written(number, instance, state, values, changed(self.mapping, state))
        self.complete(len(self) - 1, names)

    def add_plain(
        self,
        first: int,
        instances: Sequence[Any],
        states: list[InstanceState[Any]],
        names: Collection[str] | None = None,
    ) -> None:
        """Be the batch of these instances, passed as they are, the first of which stands at ``first``."""
        count = len(states)
        loaded = list(map(VALUES, instances))
        self.before = snapshots_of(self.mapping, states, loaded)
        self.column_values += changed_of_all(self.mapping, states, loaded)
        self.numbers += range(first, first + count)
        self.instances += instances
        self.states += states
        self.loaded += loaded
        self.values += [NOTHING_PASSED] * count
        self.named += [NONE] * count
        self.counts += [1] * count
        if names is not None or self.mapping.onupdates:
            for place in range(count):
                self.complete(place, names)

    def add_written(
        self,
        number: int,
        instance: Any,
        state: InstanceState[Any],
        values: Mapping[str, Any],
        column_values: dict[str, Any],
    ) -> None:
        """Add an instance and all that is written of it."""
        self.numbers.append(number)
        self.instances.append(instance)
        self.states.append(state)
        self.loaded.append(instance.__dict__)
        self.values.append(values)
        self.column_values.append(column_values)
        self.counts.append(1)

    def complete(self, place: int, names: Collection[str] | None) -> None:
        """Leave out the changes of other attributes than ``names``, if these are given, and add the defaults."""
        mapping, columns = self.mapping, self.column_values[place]
        column_values = columns
        if names is not None:
            column_values = {key: value for key, value in columns.items() if mapping.attributes[key] in names}
            self.column_values[place] = column_values
        asked = len(column_values)
        if column_values:
            mapping.complete(column_values, mapping.onupdates)
        if asked < len(column_values) and names is not None:
            self.waiting[place] = waiting_changes(mapping, columns, column_values, names)

    def to_write(self) -> tuple[Sequence[int], list[InstanceState[Any]], list[dict[str, Any]]]:
        """Return the places of the rows that no receiver has skipped, their states and their column values."""
        places: Sequence[int] = range(len(self))
        if self.skipped:
            places = [place for place in places if place not in self.skipped]
        return places, at(self.states, places), at(self.column_values, places)

    def conditions(self, places: Sequence[int] | None = None) -> Iterator[tuple[InstanceState[Any], Snapshot]]:
        """Return the states of the rows at those places, or of all, and their earlier conditions."""
        if not self.before:
            return iter(())
        places = range(len(self)) if places is None else places
        return ((self.states[place], self.before[place]) for place in places)

    def skip(self, place: int) -> None:
        """Leave out the row at a place: a receiver asks for it."""
        self.skipped.add(place)
        self.counts[place] = 0
        self.put_one_back(place)

    def settle(self) -> None:
        """Leave the instances as their rows are: a row that had nothing to write is not counted."""
        if self.waiting or not all(self.column_values):
            for place in self.to_write()[0]:
                if not self.column_values[place]:
                    self.counts[place] = 0
                    settle_modified(self.mapping, self.states[place])
                if place in self.waiting:
                    wait_again(self.states[place], self.waiting[place])

    def put_one_back(self, place: int) -> None:
        """Restore the instance at a place; not one whose row another task has deleted meanwhile."""
        if self.before and self.states[place].key is not None:
            self.before[place].put_back(self.states[place])

    def put_back(self) -> None:
        """Restore the instances."""
        for place in reversed(range(len(self))):
            self.put_one_back(place)

    def loosened(self) -> Iterator[ChangedRows]:
        """Return the changes to those instances that somebody else holds."""
        if self.before:
            yield ChangedRows(self.states, self.before)


def rows_of(found: dict[type[Any], StoredRows], instance: object) -> StoredRows:
    """Return the batch of an instance's class, which is made of the first one."""
    model = type(instance)
    if model not in found:
        found[model] = StoredRows(mapping_of(model))
    return found[model]
