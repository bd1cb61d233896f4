"""The new rows of a bulk operation: their signals, and whether statements or SQLAlchemy's unit of work insert them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ...dispatch.on_request import may_ask
from ...errors import ConfigurationError
from ..databases.outcome import is_conflict
from ..mapping.instance_state import has_expressions
from ..mapping.rowwise import names
from ..transactions.ambient import savepoint_of
from ..transactions.rollback import Changed, RollbackScope
from . import roads as writers
from . import unit_of_work
from .apart import led_to, needed_first, parents_of
from .bulk_signals import BulkSignals
from .columns import NewRows
from .flush_guards import refuse_dropped

if TYPE_CHECKING:
    from ..transactions.savepoints import Transaction
    from .stored_rows import StoredRows

__all__ = ["BulkInserts", "refuse_twice"]


class BulkInserts(BulkSignals):
    """Inserts the new rows of one operation, which derives from this, and which has these attributes."""

    ignore_conflicts: bool
    """Rows that conflict with others are passed over."""
    created: int
    """The rows so far."""
    touched: list[NewRows | StoredRows | Changed]
    """The rows that it inserts and updates, and instances that it links, in their order."""
    along: WeakSet[InstanceState[Any]]
    """The states of new instances that a flush of others, which they are linked with, has inserted along."""
    given: Sequence[Any]
    """The rows of all batches, if they were given in a list or a tuple."""
    taken: Sequence[NewRows]
    """The rows of this batch, by their classes."""

    @cached_property
    def apart(self) -> WeakSet[InstanceState[Any]]:
        """The states of new instances that no flush of others inserts along, unless these need them."""
        return WeakSet()

    @cached_property
    def conflicting(self) -> WeakSet[InstanceState[Any]]:
        """The states of new instances that a flush could not insert, since they conflict with other rows."""
        return WeakSet()

    async def create(self, transaction: Transaction, rows: NewRows) -> None:
        """Insert rows of one class, with their signals."""
        if self.along and any(map(self.came_along, rows.states)):
            await self.create_others(transaction, rows)
            return
        mapping = rows.mapping
        refuse_twice(mapping.mapper.class_, rows.instances)
        changes = (
            self.changes_of(transaction, mapping, "save", rows.states, rows.column_values)
            if may_ask(rows.mapping.mapper.class_)
            else None
        )
        await self.emit_before_insert(rows, changes)
        if rows.skipped:
            self.apart.update(rows.states[number] for number in rows.skipped)
        rows.counts = [1] * len(rows.instances)
        columns = set(map(frozenset, names(rows.column_values)))
        for each in columns:
            mapping.refuse_unknown(each)
        if self.has_to_flush(rows):
            if unit_of_work.UNDER_WAY:
                await unit_of_work.wait_for_flushes(rows.instances)
            rows.refuse_stored()
            rows.remember()
            await self.flush_new(transaction, rows)
        elif await self.write_new(transaction, rows, len(columns) <= 1):
            rows.mark_stored()
        for number in rows.skipped:
            rows.counts[number] = 0
        self.created += sum(rows.counts)
        await self.emit_after_insert(rows, changes)

    def came_along(self, state: InstanceState[Any]) -> bool:
        """Tell whether a flush of others has inserted a row, and fired its signals."""
        return state.key is not None and state in self.along

    async def create_others(self, transaction: Transaction, rows: NewRows) -> None:
        """Insert the rows that no flush of others has inserted along."""
        others, places = rows.without(self.came_along)
        before = [Changed(rows.states[place], each) for place, each in rows.extended.items() if place not in places]
        self.touched = [*(each for each in self.touched if each is not rows), *before, others]
        self.along -= set(rows.states)  # given again, one is stored already
        rows.counts = [1] * len(rows)
        self.created += len(rows) - len(others)
        if places:
            await self.create(transaction, others)
            for place, count in zip(places, others.counts, strict=True):
                rows.counts[place] = count

    async def write_new(self, transaction: Transaction, rows: NewRows, alike: bool) -> bool:
        """Insert rows by statements, those aside that were skipped; tell whether they have got their keys.

        Args:
            transaction: Where.
            rows: The rows.
            alike: They have the same columns.
        """
        if not self.ignore_conflicts:
            await self.insert_many(transaction, rows, rows.to_write(), alike)
            return True
        for number, column_values in enumerate(rows.column_values):
            if number not in rows.skipped:
                is_new = await writers.insert_unless_conflict(transaction, rows.mapping, column_values)
                rows.counts[number] = int(is_new)
        await refuse_dropped(transaction, rows.mapping, rows.passed_over(), lambda place: rows.note(place, self.name))
        return True

    async def insert_many(
        self, transaction: Transaction, rows: NewRows, to_write: Sequence[dict[str, Any]], alike: bool
    ) -> None:
        """Insert the rows that are left to write, by column key."""

        def note(number: int) -> str:
            places = [place for place in range(len(rows)) if place not in rows.skipped]
            return rows.note(places[number], self.name)

        await writers.insert_many(transaction, rows.mapping, to_write, alike, note)

    async def flush_new(self, transaction: Transaction, rows: NewRows) -> None:
        """Insert rows by SQLAlchemy's unit of work; where conflicts are ignored, each row in a savepoint of its own."""
        places = [place for place in range(len(rows)) if place not in rows.skipped]
        if not self.ignore_conflicts:
            await self.flush_rows(transaction, rows, places)
            return
        given, self.given = self.given, ()
        self.apart.update(chain(*[each.states for each in self.taken], rows.states))
        self.apart.update(instance_state(each) for each in given if isinstance(each, self.model))
        places_of = {rows.states[place]: place for place in places}
        done: set[int] = set()
        for place in places:
            if place not in done:
                found = [places_of[each] for each in led_to(rows.states[place]) if each in places_of]
                together = {place, *found} - done
                states = needed_first([rows.states[each] for each in sorted(together)])
                await self.flush_together(transaction, rows, [places_of[each] for each in states])
                done |= together

    async def flush_together(self, transaction: Transaction, rows: NewRows, places: Sequence[int]) -> None:
        """Insert rows, one of which leads a flush to the others; if there is a conflict, half of them, and the rest."""
        places = [place for place in places if not self.came_along(rows.states[place])]
        for place in places:
            if not self.conflicting.isdisjoint(parents_of(rows.states[place])):
                self.leave_out(rows, place)
        places = [place for place in places if rows.counts[place]]
        scope = RollbackScope()
        for place in places:
            scope.remember(*rows.before[place])
        try:
            async with savepoint_of(transaction, scope):
                await self.flush_rows(transaction, rows, places)
        except IntegrityError as error:
            if not is_conflict(error):
                raise
            if len(places) == 1:
                self.leave_out(rows, places[0])
                return
            middle = len(places) // 2
            for half in (places[:middle], places[middle:]):
                await self.flush_together(transaction, rows, half)

    def leave_out(self, rows: NewRows, place: int) -> None:
        """Take note that a row conflicts with others, or refers to one that does."""
        rows.counts[place] = 0
        self.conflicting.add(rows.states[place])

    async def flush_rows(self, transaction: Transaction, rows: NewRows, places: Sequence[int]) -> None:
        """Insert the rows at some places by one flush, if there are any."""
        pairs = [(rows.instances[place], rows.column_values[place]) for place in places]
        if pairs:
            await unit_of_work.write(transaction, rows.mapping, pairs, False, self.along, apart=self.apart)

    def has_to_flush(self, rows: NewRows) -> bool:
        """Tell whether new rows have to go through a flush; all of a batch do if one does."""
        mapping = rows.mapping
        if mapping.reason is not None or mapping.watches_expiry or writers.is_watched(mapping, "insert"):
            return True
        if rows.is_related or any(plan.related for plan in set(rows.plans)):
            return True
        if mapping.relationships and any("_pending_mutations" in state.__dict__ for state in rows.states):
            return True
        return has_expressions(rows.column_values)


def refuse_twice(model: type[Any], instances: Sequence[Any]) -> None:
    """Refuse to write one instance as two rows.

    Raises:
        ConfigurationError: One was given twice.
    """
    if len(set(map(id, instances))) < len(instances):
        raise ConfigurationError(f"one instance of {model.__name__} was given twice: each is one row.")
