"""The rows of one flush that are plainly new: they may be a million, and are told of in chunks of one class."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ...context import NONE
from ..mapping.plan import rows_of, stored_rows_of
from ..mapping.receiver_changes import take_changes
from ..mapping.rowwise import altered, fill, values_of
from ..saving.announcing import filled_of, is_announced
from ..saving.firing import NOTHING_PASSED
from ..saving.firing_rows import context_of_rows, fire_before_each, fire_each, naming_row, rows_of_signal
from .flush_defaults import left_to_defaults
from .flush_reads import FlushReads
from .order import KEY, MANAGER
from .row import ASKED, Row

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = ["CHUNK", "FlushInserts", "row_of_flush"]

CHUNK: Final = 500
"""Rows that are made ready, told of and compared at once: they are still in the processor's caches then."""


class FlushInserts(FlushReads):
    """The plainly new rows of one flush, which derives from this.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.deleted: dict[InstanceState[Any], Row] = {}

    def skip(self, row: Row) -> None:
        """Leave a row out of the flush."""
        raise NotImplementedError

    def by_class(
        self, states: list[InstanceState[Any]]
    ) -> Iterable[tuple[type[Any] | None, Iterator[InstanceState[Any]]]]:
        """Return runs of instances of one class that are plainly new, and of others."""
        managers = set(map(MANAGER, states))
        if len(managers) == 1 and not ASKED and not any(map(KEY, states)):
            heard = self.heard[model := managers.pop().class_]
            assert heard is not None
            if not heard.mapping.relationships:
                return [(model, iter(states))]
        return itertools.groupby(states, self.is_plainly_new)

    def is_plainly_new(self, state: InstanceState[Any]) -> type[Any] | None:
        """Return the class of an instance that is new, and of which nothing but its columns is written."""
        if state.key is not None or ASKED:
            return None
        model = state.manager.class_
        heard = self.heard[model]
        assert heard is not None
        relationships = heard.mapping.relationships
        return None if relationships and not relationships.isdisjoint(state.dict) else model

    async def emit_before_inserts(self, model: type[Any], states: list[InstanceState[Any]]) -> None:
        """Fire ``pre_save`` for new instances of one class, of which nothing but their columns is written."""
        heard = self.heard[model]
        assert heard is not None
        mapping, signal, saved = heard.mapping, heard.pre_save, self.saved
        instances = [state.obj() for state in states]
        known = [instance.__dict__ for instance in instances]
        plans, _, column_values = rows_of(mapping, known, keep=False)
        saved.update(zip(states, column_values, strict=True))
        if signal is not None:
            was = values_of(column_values)
            told = context_of_rows(instances, instances, itertools.repeat(NONE))
            changes = self.changes_of(heard, "save", states, column_values)
            given = None if changes is None else await changes.before()
            columns = (instances, instances, NOTHING_PASSED, column_values, False, False, given)
            series = rows_of_signal("pre_save", signal, model, columns, told)
            first = len(saved) - len(states) + len(self.deleted)

            def skip(number: int) -> None:
                row = saved[states[number]] = Row(heard, states[number], "save", None, column_values[number])
                self.skip(row)
                known[number] = {}  # the instance stays as it was

            with naming_row(lambda: row_of_flush(first + series.position + 1)):
                await fire_before_each(series, skip)
            for number, before in altered(column_values, *was):
                if type(saved[states[number]]) is not Row:
                    take_changes(mapping, states[number], before, column_values[number])
        if is_announced(mapping):
            of_session = filled_of(self.session)
            for state, plan, row in zip(states, plans, column_values, strict=True):
                of_session[state] = left_to_defaults(state, plan.filled, row)
        fill(known, column_values, [plan.filled for plan in plans])

    async def emit_after_inserts(self, model: type[Any], instances: list[Any], first: int) -> None:
        """Fire ``post_save`` for new instances of one class; ``first`` is where they begin among the flush's rows."""
        heard = self.heard[model]
        assert heard is not None
        signal, mapping = heard.post_save, heard.mapping
        if signal is None:
            return
        try:
            column_values = stored_rows_of(mapping, [instance.__dict__ for instance in instances])
        except KeyError:  # something has expired, or is deferred
            column_values = [await self.completed(mapping, instance_state(instance)) for instance in instances]
        told = context_of_rows(instances, instances, itertools.repeat(NONE))
        changes = self.changes_of(heard, "save", [*map(instance_state, instances)], column_values)
        written = None if changes is None else changes.after()
        columns = (instances, instances, NOTHING_PASSED, column_values, False, False, 1, False, written)
        series = rows_of_signal("post_save", signal, model, columns, told)
        with naming_row(lambda: row_of_flush(first + series.position + 1)):
            await fire_each(series)


def row_of_flush(number: int) -> str:
    """Return the words for a row of a flush, by its place."""
    return f"row {number:,} of the flush"
