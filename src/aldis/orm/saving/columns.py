"""The rows of a bulk operation, on their way to the database."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.base import NO_VALUE

from ...context import NONE
from ..databases.outcome import is_conflict
from ..mapping.instance_state import Snapshot, never_set
from ..mapping.members import NO_MEMBERS, Members, give_links_back, links_of, members_of, was_made
from ..mapping.mutable_contents import MUTABLES, Contents, contents_of, give_contents_back
from ..mapping.plan import plan_of, rows_of
from ..mapping.rowwise import mark
from ..transactions.rollback import Changed
from .firing import NOTHING_PASSED
from .gone import refuse_second

if TYPE_CHECKING:
    from sqlalchemy.exc import IntegrityError

    from ..mapping.plan import RowPlan
    from ..mapping.table import TableMapping
    from ..transactions.rollback import Change

__all__ = ["KEY", "VALUES", "BatchRows", "NewRows", "at", "saved_in_order", "states_of"]

T = TypeVar("T")

KEY: Final = attrgetter("key")
SESSION_ID: Final = attrgetter("session_id")
VALUES: Final = attrgetter("__dict__")


class BatchRows:
    """The rows of one class in a batch, in lists side by side.

    Not in an object each: a million of those keep Python's garbage collector busier than anything else that is done to
    the rows.

    Args:
        mapping: The mapping of their class.
    """

    def __init__(self, mapping: TableMapping) -> None:
        self.mapping = mapping
        self.numbers: list[int] = []
        """Where each stands among all rows of the operation."""
        self.instances: list[Any] = []
        self.states: list[InstanceState[Any]] = []
        self.values: list[Mapping[str, Any]] = []
        """The values that the caller gave of each, by attribute name."""
        self.named: list[frozenset[str]] = []
        """The names alone, once they were asked for."""
        self.column_values: list[dict[str, Any]] = []
        """The values for the database, by column key."""
        self.skipped: set[int] = set()
        """Where receivers skipped the operation."""
        self.counts: list[int] = []
        """Rows written of each, once they are: 0 where a conflict was ignored."""

    def __len__(self) -> int:
        return len(self.column_values)

    def names(self) -> list[frozenset[str]]:
        """Return the names of the attributes that the caller gave of each."""
        if len(self.named) < len(self):
            self.named = [frozenset(each) if each else NONE for each in self.values]
        return self.named

    def are_skipped(self) -> list[bool]:
        """Return whether receivers skipped each."""
        found = [False] * len(self)
        for place in self.skipped:
            found[place] = True
        return found

    def note(self, place: int, name: str) -> str:
        """Return the note of an error on the row at a place; ``name`` is the operation's."""
        return f"aldis: at row {self.numbers[place] + 1:,} of {name}"


def states_of(model: type[Any], batch: Sequence[Any]) -> list[InstanceState[Any]] | None:
    """Return the states of instances of one class; ``None`` of other rows, and where a session may hold one.

    Args:
        model: The class, or one above it.
        batch: The rows.
    """
    types = set(map(type, batch))
    if len(types) != 1 or not issubclass(types.pop(), model):
        return None
    states: list[InstanceState[Any]] = list(map(instance_state, batch))
    return None if any(map(SESSION_ID, states)) else states


def at(values: list[T], places: Sequence[int]) -> list[T]:
    """Return the values at those places, which ascend."""
    return values if len(places) == len(values) else [values[place] for place in places]


class NewRows(BatchRows):
    """A batch of instances that are to be inserted.

    Python's garbage collector sees a tuple of plain values once, and then leaves it alone: such tuples are kept here
    for each row.
    """

    def __init__(self, mapping: TableMapping) -> None:
        super().__init__(mapping)
        self.is_related = False
        """Receivers have touched a relationship of one."""
        self.plans: list[RowPlan] = []
        self.given: list[tuple[Any, ...]] = []
        """The values that each instance had set."""
        self.members: dict[int, Members] = {}
        """The members of the collections that it had set, by its place."""
        self.contents: dict[int, Contents] = {}
        """The contents of its Mutable values, by its place."""
        self.made: set[int] = set()
        """Where the operation has made instances, and linked them."""
        self.extended: dict[int, Snapshot] = {}
        """The earlier condition of instances that the operation has given further attributes, by their place."""
        self.has_mutables = mapping.mapper.class_manager.info.get(MUTABLES) != ()
        self.committed: list[dict[str, Any] | None] = []
        """SQLAlchemy's record of the attributes that were set, of those marked as stored; ``None``: all given ones."""
        self.before: list[tuple[InstanceState[Any], Snapshot]] = []
        """The snapshots of those that SQLAlchemy itself changes."""
        self.references: list[weakref.ref[InstanceState[Any]]] = []
        """The states, once the operation is over."""

    def add(self, number: int, instance: Any, state: InstanceState[Any], values: Mapping[str, Any]) -> None:
        """Add a row."""
        loaded = instance.__dict__
        if self.mapping.relationships:
            self.members[len(self.states)] = members_of(state)
            if "info" in state.__dict__ and was_made(state):
                self.made.add(len(self.states))
        if self.has_mutables:
            self.contents[len(self.states)] = contents_of(state)
        plan = plan_of(self.mapping, loaded)
        self.numbers.append(number)
        self.instances.append(instance)
        self.states.append(state)
        self.values.append(values)
        self.plans.append(plan)
        self.given.append(plan.take_all(loaded))
        self.column_values.append(plan.column_values(loaded))

    def add_plain(
        self,
        first: int,
        instances: Sequence[Any],
        states: list[InstanceState[Any]],
        values: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Add instances of one class, the first of which stands at ``first``.

        Args:
            first: Where it stands among all rows of the operation.
            instances: The instances.
            states: Their states.
            values: The values that the caller gave of each; without, the instances were passed as they are.
        """
        if self.mapping.relationships:
            self.members.update(enumerate(map(members_of, states), len(self.states)))
        if self.has_mutables:
            self.contents.update(enumerate(map(contents_of, states), len(self.states)))
        plans, given, column_values = rows_of(self.mapping, list(map(VALUES, instances)))
        self.numbers += range(first, first + len(states))
        self.instances += instances
        self.states += states
        if values is None:
            self.values += [NOTHING_PASSED] * len(states)
            self.named += [NONE] * len(states)
        else:
            self.values += values
        self.plans += plans
        self.given += given
        self.column_values += column_values

    def without(self, is_left_out: Callable[[InstanceState[Any]], bool]) -> tuple[NewRows, list[int]]:
        """Return a batch of the rows but for some, and the places that these have here."""
        others = NewRows(self.mapping)
        places = [place for place, state in enumerate(self.states) if not is_left_out(state)]
        for number, place in enumerate(places):
            others.add(self.numbers[place], self.instances[place], self.states[place], self.values[place])
            if place in self.extended:
                others.extended[number] = self.extended[place]
            if place in self.made:
                others.made.add(number)
        return others, places

    def remember(self) -> None:
        """Keep full snapshots, since SQLAlchemy is going to change the instances."""
        for number, (state, plan, given) in enumerate(zip(self.states, self.plans, self.given, strict=True)):
            if number in self.extended:
                self.before.append((state, self.extended[number]))
                continue
            before = Snapshot(state)
            before.values = dict(zip(plan.order, given, strict=True))  # receivers may have set others meanwhile
            before.members, before.is_made = self.members.get(number, NO_MEMBERS), number in self.made
            before.contents = self.contents.get(number, before.contents)
            self.before.append((state, before))

    def to_write(self) -> list[dict[str, Any]]:
        """Return the rows to write: all but those that were skipped."""
        if not self.skipped:
            return self.column_values
        return [column_values for number, column_values in enumerate(self.column_values) if number not in self.skipped]

    def skip(self, number: int) -> None:
        """Leave out the row at a place: a receiver asks for it."""
        self.skipped.add(number)
        self.put_one_back(number, self.states[number])

    def refuse_stored(self, error: IntegrityError | None = None) -> None:
        """Refuse the rows of this task, where another one has stored an instance of them meanwhile.

        Args:
            error: The error of this task's rows: another than a conflict is not the other row's.

        Raises:
            AlreadyStoredError: It has; the rows of this task are undone, and the instance is that of the other row.
        """
        if error is not None and not is_conflict(error):
            return
        for place, state in enumerate(self.states):
            if state.key is not None and self.counts[place] and place not in self.skipped:
                refuse_second(self.instances[place], error)

    def mark_stored(self) -> None:
        """Leave the instances as a session leaves them: they have their rows' values, are detached and clean.

        Raises:
            AlreadyStoredError: Another task has stored one meanwhile.
        """
        if not self.plans:
            return
        places: Sequence[int] = range(len(self))
        if self.skipped or not all(self.counts):
            places = [place for place in places if self.counts[place] and place not in self.skipped]
        states, plans = at(self.states, places), at(self.plans, places)
        for state in states:
            if state.key is not None:
                refuse_second(state.obj())
        mapping, column_values = self.mapping, at(self.column_values, places)
        unset: list[list[str]] = []
        if mapping.left_unset:
            unset = [never_set(mapping, state.dict, row) for state, row in zip(states, column_values, strict=True)]
        records = mark(
            at(self.instances, places),
            states,
            column_values,
            [len(plan.order) for plan in plans],
            None if mapping.is_named_alike else mapping.attributes,
            mapping.primary_key,
            mapping.identity_class,
            NO_VALUE,
        )
        for state, names in zip(states, unset, strict=False):
            for name in names:
                del state.dict[name]
        self.committed = [None] * len(self)
        for place, record in zip(places, records, strict=True):
            self.committed[place] = record
        if mapping.readonly:
            for state in states:
                state.expired_attributes.update(mapping.readonly)

    def put_one_back(self, number: int, state: InstanceState[Any]) -> None:
        """Restore the instance at a place, of that state; not one that another task has stored meanwhile."""
        is_marked = number < len(self.committed) and number not in self.skipped and bool(self.counts[number])
        if state.key is not None and not is_marked:
            return
        if number in self.extended:
            self.extended[number].put_back(state)
            return
        plan = self.plans[number]
        values, links = state.dict, links_of(state)
        for name in [name for name in values if name not in plan.given]:
            del values[name]
            state.committed_state.pop(name, None)
        values.update(zip(plan.order, self.given[number], strict=True))
        if self.has_mutables:
            give_contents_back(self.contents[number], state)
        give_links_back(state, self.members.get(number, NO_MEMBERS), links, number in self.made)
        if is_marked:
            record = self.committed[number]
            record = dict.fromkeys(plan.order, NO_VALUE) if record is None else record
            state.committed_state = {name: old for name, old in record.items() if name in plan.given}
            state.expired_attributes.clear()
            state.key = None
            state.modified = bool(state.committed_state)

    def put_back(self) -> None:
        """Restore the instances that are still there."""
        if self.before:
            for state, before in self.before:
                before.put_back(state)
            return
        for number, held in enumerate(self.held()):
            if held is not None and held.obj() is not None:
                self.put_one_back(number, held)

    def held(self) -> Sequence[InstanceState[Any] | None]:
        """Return the states of the instances, ``None`` for those that are gone."""
        return [reference() for reference in self.references] if self.references else self.states

    def live_states(self) -> list[InstanceState[Any]]:
        """Return the states of the instances that are still there."""
        return [state for state in self.held() if state is not None and state.obj() is not None]

    def loosened(self) -> Iterator[Change]:
        """Let go of the instances: they are put back only if somebody else holds them."""
        if self.before:
            yield from (Changed(state, before) for state, before in self.before)
            return
        self.references = list(map(weakref.ref, self.states))
        self.numbers, self.instances, self.states, self.values, self.named, self.column_values = [], [], [], [], [], []
        yield self

    def is_gone(self) -> bool:
        """Tell whether none of the instances is there any more, once they were let go of."""
        return not any(reference() is not None for reference in self.references)

    def __len__(self) -> int:
        return len(self.plans)

    def passed_over(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the rows that were not written, by their places, though no receiver has skipped them."""
        both = enumerate(zip(self.counts, self.column_values, strict=True))
        return [(place, row) for place, (count, row) in both if not count and place not in self.skipped]

    def saved(self) -> list[Any]:
        """Return the instances that were written."""
        if not self.skipped and all(self.counts):
            return self.instances
        return [
            instance
            for number, (instance, count) in enumerate(zip(self.instances, self.counts, strict=True))
            if count and number not in self.skipped
        ]


def saved_in_order(batches: Sequence[NewRows]) -> list[Any]:
    """Return the instances of the batches that were written, in the order in which they were given."""
    if len(batches) == 1:
        return batches[0].saved()
    found = [
        (number, instance)
        for rows in batches
        for place, (number, instance) in enumerate(zip(rows.numbers, rows.instances, strict=True))
        if rows.counts[place] and place not in rows.skipped
    ]
    return [instance for _, instance in sorted(found, key=itemgetter(0))]
