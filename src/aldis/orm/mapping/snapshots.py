"""The earlier conditions of many instances of one class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .instance_state import NOTHING, STATE, UNCHANGING, Snapshot
from .members import COLLECTIONS, NO_MEMBERS
from .mutable_contents import MUTABLES
from .rowwise import snapshots

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

    from ._pure_states import Conditions
    from .table import TableMapping

__all__ = ["Snapshots", "snapshots_of"]


class Snapshots:
    """The conditions of instances. Those of plain ones become a :class:`Snapshot` when they are asked for.

    Of ten thousand, Python's garbage collector has as little to look at as can be: dicts of plain values it leaves
    alone, and the collection that objects would cause takes as long as a third of an UPDATE of all their rows.

    Args:
        made: Snapshots, by their places.
        conditions: What :func:`~aldis.orm.mapping.rowwise.snapshots` returns, for all other places.
    """

    __slots__ = ("conditions", "count", "made")

    def __init__(self, made: dict[int, Snapshot], conditions: Conditions | None = None) -> None:
        self.made, self.conditions = made, conditions
        self.count = len(made) if conditions is None else len(conditions[0])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> Snapshot:
        found = self.made.get(place)
        if found is None:
            assert self.conditions is not None
            found = self.made[place] = Snapshot.__new__(Snapshot)
            found.key, found.values, found.committed, found.modified, found.expired = [
                each[place] for each in self.conditions
            ]
            found.members, found.is_made, found.contents = NO_MEMBERS, False, UNCHANGING
        return found

    def append(self, snapshot: Snapshot) -> None:
        """Add the condition of an instance, where there are no plain ones."""
        self.made[self.count] = snapshot
        self.count += 1

    def only(self, places: Sequence[int]) -> Snapshots:
        """Return the conditions at some places."""
        made = {number: self.made[place] for number, place in enumerate(places) if place in self.made}
        if self.conditions is None:
            return Snapshots(made)
        return Snapshots(made, tuple([[each[place] for place in places] for each in self.conditions]))


def snapshots_of(mapping: TableMapping, states: list[InstanceState[Any]], loaded: list[dict[str, Any]]) -> Snapshots:
    """Return the present conditions of instances of one class.

    Args:
        mapping: The mapping of the class.
        states: The states of the instances.
        loaded: Their values.
    """
    known = mapping.mapper.class_manager.info
    if known.get(COLLECTIONS) == () and known.get(MUTABLES) == ():
        conditions = snapshots(states, loaded, STATE, NOTHING)
        if conditions is not None:
            return Snapshots({}, conditions)
    return Snapshots(dict(enumerate(map(Snapshot, states))))
