"""Many instances: read a batch, fire the signals before, write it, fire the signals after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ...context import current
from ...dispatch.on_request import may_ask
from ...errors import AlreadyStoredError, ConfigurationError
from ...progress import Progress, following
from ..mapping.instance_state import Snapshot, is_in_session, renew_all
from ..mapping.settable import new_instance, set_attributes
from ..mapping.table import TableMapping, mapping_of
from ..meta import meta_of
from ..transactions.rollback import Changed, RollbackScope
from . import roads as writers
from . import unit_of_work
from .bulk_inserts import BulkInserts, refuse_twice
from .columns import KEY, NewRows, at, states_of
from .firing import fire
from .raw_values import Rows, batches, readable_twice
from .stored_rows import StoredRows

if TYPE_CHECKING:
    from ..database import Using
    from ..queryset import QuerySet
    from ..transactions.rollback import Change
    from ..transactions.savepoints import Transaction
    from .row_changes import Changes

__all__ = ["Bulk"]


class Bulk(BulkInserts):
    """One bulk operation: its queryset, and its work so far.

    Args:
        queryset: The queryset that the method was called on.
        name: The method.
        batch_size: How many rows are written at once.
        told: The parameters of the bulk signals between ``raw_values`` and ``ignore_conflicts``.
        ignore_conflicts: Rows that conflict with others are passed over.
        progress: Whom to tell how far it is.
    """

    def __init__(
        self,
        queryset: QuerySet[Any],
        name: str,
        batch_size: int,
        told: tuple[Any, Any, Any] = (None, None, None),
        ignore_conflicts: bool = False,
        progress: Progress = False,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it takes a number of rows, from 1.")
        super().__init__(queryset, name)
        self.batch_size = batch_size
        self.told = told
        self.ignore_conflicts = ignore_conflicts
        self.progress = progress
        self.mapping = mapping_of(self.model)
        self.touched = []
        self.along = WeakSet()
        self.given = self.taken = ()
        self.created = 0
        self.updated = 0

    async def run(
        self,
        rows: Rows,
        using: Using | None,
        work: Callable[[Transaction, list[Any]], Awaitable[None]],
    ) -> None:
        """Read the rows, and do the work on each batch, between the bulk signals and in one transaction."""
        raw_values = readable_twice(rows)
        if isinstance(raw_values, (list, tuple)):
            self.given = raw_values
        told = self.told_of(raw_values)
        async with meta_of(self.model).operation(using, RollbackScope(changes=self)) as transaction:
            with current(self.queryset, None, None):
                skipped = await fire(self.signals, "pre_bulk", self.model, *told)
                if not skipped:
                    done = 0
                    with following(self.progress, rows, self.name) as tell:
                        async for batch in batches(raw_values, self.batch_size):
                            if unit_of_work.UNDER_WAY:
                                await unit_of_work.wait_for_flushes(batch)
                            await work(transaction, batch)
                            done += len(batch)
                            tell(done)
                await fire(self.signals, "post_bulk", self.model, *told, self.created, self.updated, skipped)

    def told_of(self, rows: Rows) -> tuple[Any, ...]:
        """Return the parameters of the signal before an operation on rows."""
        return (self.queryset, self.name, rows, *self.told, self.ignore_conflicts)

    def let_go(self, scope: RollbackScope) -> None:
        """Keep none of the instances alive any more: those that somebody else holds are put back all the same."""
        scope.let_go()
        self.touched = []

    def mark(self) -> tuple[int, int, int]:
        """Return how far the operation is, for :meth:`back_to`."""
        return len(self.touched), self.created, self.updated

    def back_to(self, mark: tuple[int, int, int]) -> None:
        """Restore the instances that were touched since, and be as far as then."""
        count, self.created, self.updated = mark
        for each in reversed(self.touched[count:]):
            each.put_back()
        del self.touched[count:]

    def put_back(self) -> None:
        """Restore all instances."""
        for each in reversed(self.touched):
            each.put_back()

    def live_states(self) -> Iterator[InstanceState[Any]]:
        """Yield the states of the instances that were written."""
        for each in self.touched:
            if isinstance(each, StoredRows):
                yield from each.states
            elif isinstance(each, NewRows) and each.counts:
                yield from each.live_states()

    def loosened(self) -> Iterator[Change]:
        """Let go of the instances, and return the changes to those that somebody else holds."""
        for each in self.touched:
            if isinstance(each, Changed):
                yield each
            else:
                yield from each.loosened()

    async def update(self, transaction: Transaction, batches: Sequence[StoredRows]) -> None:
        """Update the rows, with the signals of each one's own class."""
        for rows in batches:
            refuse_twice(self.model, rows.instances)
        self.touched += batches
        for rows in batches:
            await self.update_class(transaction, rows)

    async def update_class(self, transaction: Transaction, rows: StoredRows) -> None:
        """Update rows of one class, with their signals."""
        mapping, changes = rows.mapping, None
        if may_ask(mapping.mapper.class_):
            callers = rows.values if self.is_migration else None
            changes = self.changes_of(transaction, mapping, "update", rows.states, rows.column_values, callers)
        await self.emit_before_update(transaction, rows, changes)
        if changes is not None and changes.asked.after is not None:
            changes.are_let_go = self.is_idle_after(mapping, changes)
            if not changes.are_let_go:
                await changes.keep(rows.skipped)
        await self.write_changes(transaction, rows)
        rows.settle()
        self.updated += sum(rows.counts)
        await self.emit_after_update(rows, changes)

    def is_idle_after(self, mapping: TableMapping, changes: Changes) -> bool:
        """Tell whether no receiver of ``post_update`` is going to be called, so that no old value is kept for it."""
        if mapping.reason is not None or writers.is_watched(mapping, "update"):
            return False
        return changes.is_idle_after(changes.asked.after, are_written=False)

    async def write_changes(self, transaction: Transaction, rows: StoredRows) -> None:
        """Update rows of one class; not those that receivers have skipped."""
        mapping = rows.mapping
        places, states, column_values = rows.to_write()
        is_whole = self.told[2] is None and mapping.relationships  # no update_fields
        if writers.update_needs_flush(mapping, states, column_values) or (
            is_whole and any(writers.brings_changes(mapping, state) for state in states)
        ):
            pairs = list(zip(at(rows.instances, places), column_values, strict=True))
            skipped = [rows.instances[place] for place in sorted(rows.skipped)]
            await unit_of_work.write(transaction, mapping, pairs, True, left_out=skipped)
        else:
            await writers.update_many(
                transaction,
                mapping,
                states,
                column_values,
                self.there,
                lambda place: rows.note(places[place], self.name),
            )
            renew_all(mapping, states, at(rows.loaded, places), column_values)

    def take_all(self, batch: Sequence[Any], first: int) -> list[NewRows]:
        """Take a batch of new rows; ``first`` is where it begins among all rows.

        Returns:
            The runs of rows of one class, in their order: the keys that the database makes are in that of the rows.
        """
        states = states_of(self.model, batch)
        if states is not None and not any(map(KEY, states)):
            rows = NewRows(mapping_of(type(batch[0])))
            rows.add_plain(first, batch, states)
            self.touched.append(rows)
            self.taken = [rows]
            return [rows]
        found: dict[type[Any], NewRows] = {}
        taken: list[NewRows] = []
        for number, row in enumerate(batch, first):
            rows, _ = self.take(found, row, number)
            if not taken or taken[-1] is not rows:
                taken.append(rows)
                found = {type(rows.instances[0]): rows}
        self.taken = taken
        refuse_twice(self.model, [instance for rows in taken for instance in rows.instances])
        return taken

    def take(
        self, found: dict[type[Any], NewRows], row: Any, number: int, extra: Mapping[str, Any] | None = None
    ) -> tuple[NewRows, int]:
        """Take a new instance, or make one of a mapping.

        Args:
            found: The batches that it is added to, by the class of their instances.
            row: The instance, or its attributes by name.
            number: Where it stands among all rows, for messages.
            extra: Further attributes, which the row's own go before.

        Returns:
            The batch that it was added to, and its place there.

        Raises:
            TypeError: It is neither.
            AlreadyStoredError: The instance is stored already.
            ConfigurationError: A session holds it.
        """
        values: Mapping[str, Any] = {}
        if isinstance(row, self.model):
            instance = row
        elif isinstance(row, Mapping):
            values = {**extra, **row} if extra else row
            instance = new_instance(self.model, values)
        else:
            raise TypeError(
                f"row {number + 1:,} is {row!r}: {self.name} takes instances of {self.model.__name__} or mappings of "
                "its attributes."
            )
        state: InstanceState[Any] = instance_state(instance)
        is_held = state.session_id is not None and is_in_session(instance)
        if is_held or (state.key is not None and (extra or not self.came_along(state))):
            where = f"row {number + 1:,}, {instance!r},"
            if not is_held:
                raise AlreadyStoredError(f"{where} is stored already: {self.name} inserts new instances.")
            raise ConfigurationError(f"{where} belongs to a session: {self.name} inserts new instances.")
        before = None
        if extra and instance is row:
            values = {name: value for name, value in extra.items() if name not in instance.__dict__}
            before = Snapshot(state)
            try:
                set_attributes(mapping_of(type(instance)), instance, values)
            except BaseException:
                before.put_back(state)
                raise
        model = type(instance)
        rows = found.get(model)
        if rows is None:
            rows = found[model] = NewRows(mapping_of(model))
            self.touched.append(rows)
        if before is not None:
            rows.extended[len(rows)] = before
        rows.add(number, instance, state, values)
        return rows, len(rows.instances) - 1
