"""The signals of a bulk operation's rows: those before a batch is written, and those after."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from itertools import repeat
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import InstanceState

from ...dispatch.on_request import asking_of
from ..mapping.receiver_changes import BeforeReceivers
from ..mapping.rowwise import names
from ..mapping.table import TableMapping
from ..meta import meta_of
from .columns import VALUES, NewRows
from .firing import asked_of, is_heard
from .firing_rows import Rows as Fired
from .firing_rows import Told, context_of_rows, fire_before_each, fire_each, naming_row, rows_of_signal
from .row_changes import Changes
from .rows_of_keys import Reader, reader_on

if TYPE_CHECKING:
    from sqlalchemy import Column

    from ..queryset import QuerySet
    from ..transactions.savepoints import Transaction
    from .stored_rows import StoredRows

__all__ = ["BulkSignals"]


class BulkSignals:
    """The signals of the rows of one operation, which derives from this.

    Args:
        queryset: The queryset that the method was called on.
        name: The method.
    """

    def __init__(self, queryset: QuerySet[Any], name: str) -> None:
        self.queryset = queryset
        self.model = queryset.model
        self.name = name
        self.signals = meta_of(self.model).signals

    is_migration = False
    """A migration fills columns, instance by instance."""
    there: frozenset[Column[Any]] | None = None
    """The columns that the table has, if the model may be ahead of it."""

    def called_on(self, _instances: list[Any]) -> Any:
        """Return the parameter ``instance`` of the signals of the rows: one for all, or a list."""
        return self.queryset

    def context_of(self, instances: list[Any], named: list[frozenset[str]]) -> Told:
        """Return the context variable that tells receivers which row it is, and which attributes the caller named."""
        return context_of_rows(repeat(self.queryset), instances, named)

    def are_rows_heard(self) -> bool:
        """Tell whether anybody is told of single rows, or of how many were created."""
        names = ("pre_save", "post_save", "pre_update", "post_update", "post_bulk")
        return any(is_heard(self.signals[name], self.model) for name in names)

    def changes_of(
        self,
        transaction: Transaction,
        mapping: TableMapping,
        kind: str,
        states: Sequence[InstanceState[Any]],
        rows: Sequence[dict[str, Any]],
        callers: Sequence[Collection[str]] | None = None,
    ) -> Changes | None:
        """Return the :class:`Changes` of rows of one class, if a receiver asks."""
        model = mapping.mapper.class_
        asked = asked_of(meta_of(model).signals, kind, model, kind == "update")
        if asked is None:
            return None
        return Changes(mapping, asked, states, rows, kind == "update", self.reader(transaction), callers, self.there)

    def reader(self, transaction: Transaction) -> Reader:
        """Return the function that reads old values."""
        return reader_on(transaction)

    async def emit_before_insert(self, rows: NewRows, changes: Changes | None) -> None:
        """Fire ``pre_save`` for each row, and take over the attributes that receivers have set."""
        mapping, caller = rows.mapping, self.queryset
        model = mapping.mapper.class_
        signal = meta_of(model).signals.pre_save
        if not is_heard(signal, model) or (changes is not None and changes.is_idle_before()):
            return
        before = BeforeReceivers(list(map(VALUES, rows.instances)), rows.column_values)
        given = None if changes is None else await changes.before()
        told = (caller, rows.instances, rows.values, rows.column_values, False, False, given)
        series = rows_of_signal("pre_save", signal, model, told, self.context_of(rows.instances, rows.names()))
        with self.naming(series, rows.numbers):
            await fire_before_each(series, rows.skip)

        def remember(places: list[int]) -> None:
            related = mapping.relationships
            rows.is_related = rows.is_related or not all(
                related.isdisjoint(rows.states[place].dict) for place in places
            )

        before.take_over(mapping, rows.states, rows.skipped, False, remember)

    async def emit_after_insert(self, rows: NewRows, changes: Changes | None) -> None:
        """Fire ``post_save`` for each row."""
        model, caller = rows.mapping.mapper.class_, self.queryset
        signal = meta_of(model).signals.post_save
        if not is_heard(signal, model):
            return
        if changes is not None and changes.is_idle_after(asking_of(signal, model, False), are_written=True):
            return
        written = None
        if changes is not None:
            written = changes.after({number for number, count in enumerate(rows.counts) if not count})
        skipped = rows.are_skipped() if rows.skipped else False
        columns = (caller, rows.instances, rows.values, rows.column_values, False, False, rows.counts, skipped, written)
        series = rows_of_signal("post_save", signal, model, columns, self.context_of(rows.instances, rows.names()))
        with self.naming(series, rows.numbers):
            await fire_each(series)

    async def emit_before_update(self, transaction: Transaction, rows: StoredRows, changes: Changes | None) -> None:
        """Fire ``pre_update`` for each row, and take over the attributes that receivers have set."""
        mapping = rows.mapping
        model = mapping.mapper.class_
        signal = meta_of(model).signals.pre_update
        if not is_heard(signal, model) or (changes is not None and changes.is_idle_before()):
            return
        before = BeforeReceivers(rows.loaded, rows.column_values)
        given = None if changes is None else await changes.before()
        caller = self.called_on(rows.instances)
        told = (caller, rows.instances, rows.values, rows.column_values, True, self.is_migration, given)
        series = rows_of_signal("pre_update", signal, model, told, self.context_of(rows.instances, rows.names()))

        def skip(place: int) -> None:
            transaction.scope.take_over(mapping, rows.conditions([place]))
            rows.skip(place)

        try:
            with self.naming(series, rows.numbers):
                await fire_before_each(series, skip)
        except BaseException:
            transaction.scope.take_over(mapping, rows.conditions())
            raise
        for each in set(map(frozenset, names(rows.column_values))):
            mapping.refuse_unknown(each)

        def remember(places: list[int]) -> None:
            transaction.scope.take_over(mapping, rows.conditions(places))

        before.take_over(mapping, rows.states, rows.skipped, True, remember)

    async def emit_after_update(self, rows: StoredRows, changes: Changes | None) -> None:
        """Fire ``post_update`` for each row."""
        model = rows.mapping.mapper.class_
        signal = meta_of(model).signals.post_update
        if not is_heard(signal, model):
            return
        if changes is not None and changes.is_idle_after(asking_of(signal, model, True), are_written=True):
            return
        columns = (
            self.called_on(rows.instances),
            rows.instances,
            rows.values,
            rows.column_values,
            True,
            self.is_migration,
            rows.counts,
            rows.are_skipped() if rows.skipped else False,
            None if changes is None else changes.after(rows.skipped),
        )
        series = rows_of_signal("post_update", signal, model, columns, self.context_of(rows.instances, rows.names()))
        with self.naming(series, rows.numbers):
            await fire_each(series)

    def naming(self, series: Fired, numbers: Sequence[int]) -> AbstractContextManager[None]:
        """Return the context that names the row whose receiver raises; ``numbers`` are the rows' places."""
        return naming_row(lambda: f"row {numbers[series.position] + 1:,} of {self.name}")
