"""Many instances: read a batch, fire the signals before, write it, fire the signals after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ...context import CURRENT_MODEL_INSTANCE, EXPLICIT_SPECIFIED_VALUES, current
from ...dispatch.on_request import may_ask
from ...errors import AlreadyStoredError, ConfigurationError, UnknownAttributeError
from ...progress import Progress, following
from ..databases.outcome import is_conflict
from ..mapping.instance_state import Snapshot, has_expressions, settle_modified
from ..mapping.rowwise import names
from ..mapping.table import TableMapping, attribute, mapping_of
from ..meta import meta_of, operation
from ..transactions.ambient import savepoint_of
from ..transactions.rollback import Changed, RollbackScope
from . import roads as writers
from . import unit_of_work
from .changes import Changes, Reader, asked_of, reader_on
from .columns import BeforeReceivers, NewRows, Row, names_of
from .firing import Rows as Fired
from .firing import fire, fire_each, is_heard, rows_of_signal, skipped_of
from .raw_values import Rows, batches, readable_twice

if TYPE_CHECKING:
    from sqlalchemy import Column

    from ..database import Using
    from ..queryset import QuerySet
    from ..transactions.rollback import Change
    from ..transactions.savepoints import Transaction

__all__ = ["BATCH_SIZE", "Bulk", "check_fields"]

BATCH_SIZE: Final = 5000
"""Rows that are written at once, if the caller does not say."""

Told = tuple[tuple[ContextVar[Any], list[Any]], ...]
"""Context variables, each with its value for each row."""


class Bulk:
    """One bulk operation: its queryset, its signals, and its work so far.

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
        self.queryset = queryset
        self.model = queryset.model
        self.name = name
        self.batch_size = batch_size
        self.told = told
        self.ignore_conflicts = ignore_conflicts
        self.progress = progress
        self.signals = meta_of(self.model).signals
        self.mapping = mapping_of(self.model)
        self.changed: list[Row] = []
        """The rows that were updated."""
        self.batches: list[NewRows] = []
        """Those that were inserted."""
        self.extended: list[tuple[InstanceState[Any], Snapshot]] = []
        """Instances that got further attributes, and their earlier condition."""
        self.created = 0
        self.updated = 0

    is_migration = False
    """A migration fills columns, instance by instance."""
    there: frozenset[Column[Any]] | None = None
    """The columns that the table has, if the model may be ahead of it."""

    def called_on(self, _instances: list[Any]) -> Any:
        """Return the parameter ``instance`` of the signals of the rows: one for all, or a list."""
        return self.queryset

    def context_of(self, instances: list[Any], named: list[frozenset[str]]) -> Told:
        """Return the context variables that tell receivers which row it is, and which attributes the caller named."""
        return (CURRENT_MODEL_INSTANCE, instances), (EXPLICIT_SPECIFIED_VALUES, named)

    async def run(
        self,
        rows: Rows,
        using: Using | None,
        work: Callable[[Transaction, list[Any]], Awaitable[None]],
    ) -> None:
        """Read the rows, and do the work on each batch, between the bulk signals and in one transaction."""
        raw_values = readable_twice(rows)
        told = self.told_of(raw_values)
        async with operation(self.model, using, RollbackScope(changes=self)) as transaction:
            with current(self.queryset, None, None):
                skipped = await fire(self.signals, "pre_bulk", self.model, *told)
                if not skipped:
                    done = 0
                    with following(self.progress, rows, self.name) as tell:
                        async for batch in batches(raw_values, self.batch_size):
                            await work(transaction, batch)
                            done += len(batch)
                            tell(done)
                await fire(self.signals, "post_bulk", self.model, *told, self.created, self.updated, skipped)

    def told_of(self, rows: Rows) -> tuple[Any, ...]:
        """Return the parameters of the signal before an operation on rows."""
        return (self.queryset, self.name, rows, *self.told, self.ignore_conflicts)

    def let_go(self, scope: RollbackScope) -> None:
        """Keep none of the instances alive any more: those that somebody else holds are put back all the same."""
        for change in self.loosened():
            scope.add(change)
        self.changed, self.batches, self.extended = [], [], []

    def put_back(self) -> None:
        """Restore the instances."""
        for row in reversed(self.changed):
            row.put_back()
        for batch in reversed(self.batches):
            batch.put_back()
        for state, before in self.extended:
            before.put_back(state)

    def live_states(self) -> Iterator[InstanceState[Any]]:
        """Yield the states of the instances that were written."""
        for batch in self.batches:
            yield from batch.live_states()
        for row in self.changed:
            yield row.state

    def loosened(self) -> Iterator[Change]:
        """Let go of the instances, and return the changes to those that somebody else holds."""
        for state, before in self.extended:
            yield Changed(state, before)
        for batch in self.batches:
            if batch.before:
                yield from (Changed(state, before) for state, before in batch.before)
            else:
                batch.loosen()
                yield batch
        for row in self.changed:
            if row.before is not None:
                yield Changed(row.state, row.before)

    async def create(self, transaction: Transaction, rows: NewRows) -> None:
        """Insert rows of one class, with their signals."""
        mapping = rows.mapping
        refuse_twice(mapping.mapper.class_, rows.instances)
        self.batches.append(rows)
        changes = (
            self.changes_of(transaction, mapping, "save", rows.states, rows.column_values)
            if may_ask(rows.mapping.mapper.class_)
            else None
        )
        await self.emit_before_insert(rows, changes)
        rows.counts = [1] * len(rows.instances)
        columns = set(map(frozenset, names(rows.column_values)))
        for each in columns:
            mapping.refuse_unknown(each)
        if self.has_to_flush(rows):
            rows.remember()
            await self.flush_new(transaction, rows)
        elif await self.write_new(transaction, rows, len(columns) <= 1):
            rows.mark_stored()
        for number in rows.skipped:
            rows.counts[number] = 0
        self.created += sum(rows.counts)
        await self.emit_after_insert(rows, changes)

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
                rows.counts[number] = await writers.insert_unless_conflict(transaction, rows.mapping, column_values)
        return True

    async def insert_many(
        self, transaction: Transaction, rows: NewRows, to_write: Sequence[dict[str, Any]], alike: bool
    ) -> None:
        """Insert the rows that are left to write, by column key."""
        numbers = [number for number in range(len(rows)) if number not in rows.skipped]
        await writers.insert_many(
            transaction,
            rows.mapping,
            to_write,
            alike,
            lambda place: f"aldis: at row {rows.numbers[numbers[place]] + 1:,} of {self.name}",
        )

    async def flush_new(self, transaction: Transaction, rows: NewRows) -> None:
        """Insert rows by SQLAlchemy's unit of work; where conflicts are ignored, each row in a savepoint of its own."""
        both = enumerate(zip(rows.instances, rows.column_values, strict=True))
        to_write = [(number, pair) for number, pair in both if number not in rows.skipped]
        if not self.ignore_conflicts:
            await unit_of_work.write(transaction, rows.mapping, [pair for _, pair in to_write], False)
            return
        for number, pair in to_write:
            state, before = rows.before[number]
            try:
                async with savepoint_of(transaction, RollbackScope(state, before)):
                    await unit_of_work.write(transaction, rows.mapping, [pair], False)
            except IntegrityError as error:
                if not is_conflict(error):
                    raise
                rows.counts[number] = 0

    def are_rows_heard(self) -> bool:
        """Tell whether anybody is told of single rows, or of how many were created."""
        names = ("pre_save", "post_save", "pre_update", "post_update", "post_bulk")
        return any(is_heard(self.signals[name], self.model) for name in names)

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

    async def update(self, transaction: Transaction, rows: Sequence[Row]) -> None:
        """Update the rows, with the signals of each one's own class."""
        refuse_twice(self.model, [row.instance for row in rows])
        self.changed += rows
        for model, of_class in by_class(rows):
            await self.update_class(transaction, mapping_of(model), of_class)

    async def update_class(self, transaction: Transaction, mapping: TableMapping, rows: Sequence[Row]) -> None:
        """Update rows of one class, with their signals."""
        changes = None
        if may_ask(mapping.mapper.class_):
            states, columns = [row.state for row in rows], [row.column_values for row in rows]
            callers = [row.values for row in rows] if self.is_migration else None
            changes = self.changes_of(transaction, mapping, "update", states, columns, callers)
        await self.emit_before_update(mapping, rows, changes)
        if changes is not None:
            await changes.keep({number for number, row in enumerate(rows) if row.skipped})
        to_write = [row for row in rows if not row.skipped]
        await self.write_changes(transaction, mapping, to_write)
        for row in to_write:
            row.count = 1 if row.column_values else 0
            if not row.count:
                settle_modified(mapping, row.state)
        self.updated += sum(row.count or 0 for row in to_write)
        await self.emit_after_update(mapping, rows, changes)

    async def write_changes(self, transaction: Transaction, mapping: TableMapping, to_write: Sequence[Row]) -> None:
        """Update rows of one class."""
        if any(writers.needs_flush(mapping, row.state, row.column_values, True) for row in to_write):
            pairs = [(row.instance, row.column_values) for row in to_write]
            await unit_of_work.write(transaction, mapping, pairs, True)
        else:
            await writers.update_many(
                transaction,
                mapping,
                [(row.state, row.column_values) for row in to_write],
                self.there,
                lambda place: f"aldis: at row {to_write[place].number + 1:,} of {self.name}",
            )

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
        if not is_heard(signal, model):
            return
        before = BeforeReceivers(rows.instances, rows.column_values)
        given = None if changes is None else await changes.before()
        told = (caller, rows.instances, rows.values, rows.column_values, False, False, given)
        series = rows_of_signal("pre_save", signal, model, told, self.context_of(rows.instances, rows.names()))
        with self.naming(series, rows.numbers):
            async for number in skipped_of(series):
                rows.skipped.add(number)
                rows.put_one_back(number, rows.states[number])
        for number in before.take_over(mapping, rows.states, rows.skipped, False):
            rows.is_related = rows.is_related or not mapping.relationships.isdisjoint(rows.states[number].dict)

    async def emit_after_insert(self, rows: NewRows, changes: Changes | None) -> None:
        """Fire ``post_save`` for each row."""
        model, caller = rows.mapping.mapper.class_, self.queryset
        signal = meta_of(model).signals.post_save
        if not is_heard(signal, model):
            return
        skipped = [False] * len(rows.instances)
        for number in rows.skipped:
            skipped[number] = True
        written = None
        if changes is not None:
            written = changes.after({number for number, count in enumerate(rows.counts) if not count})
        columns = (caller, rows.instances, rows.values, rows.column_values, False, False, rows.counts, skipped, written)
        series = rows_of_signal("post_save", signal, model, columns, self.context_of(rows.instances, rows.names()))
        with self.naming(series, rows.numbers):
            await fire_each(series)

    async def emit_before_update(self, mapping: TableMapping, rows: Sequence[Row], changes: Changes | None) -> None:
        """Fire ``pre_update`` for each row, and take over the attributes that receivers have set."""
        model = mapping.mapper.class_
        signal = meta_of(model).signals.pre_update
        if not is_heard(signal, model):
            return
        instances, values, column_values = columns_of(rows)
        before = BeforeReceivers(instances, column_values)
        given = None if changes is None else await changes.before()
        told = (self.called_on(instances), instances, values, column_values, True, self.is_migration, given)
        series = rows_of_signal("pre_update", signal, model, told, self.context_of(instances, names_of(values)))
        with self.naming(series, [row.number for row in rows]):
            async for number in skipped_of(series):
                row = rows[number]
                row.skipped, row.count = True, 0
                row.put_back()
        for each in set(map(frozenset, names(column_values))):
            mapping.refuse_unknown(each)
        skipped = {number for number, row in enumerate(rows) if row.skipped}
        before.take_over(mapping, [row.state for row in rows], skipped, True)

    async def emit_after_update(self, mapping: TableMapping, rows: Sequence[Row], changes: Changes | None) -> None:
        """Fire ``post_update`` for each row."""
        model = mapping.mapper.class_
        signal = meta_of(model).signals.post_update
        if not is_heard(signal, model):
            return
        instances, values, column_values = columns_of(rows)
        counts, skipped = [row.count for row in rows], [row.skipped for row in rows]
        columns = (
            self.called_on(instances),
            instances,
            values,
            column_values,
            True,
            self.is_migration,
            counts,
            skipped,
            None if changes is None else changes.after({number for number, row in enumerate(rows) if row.skipped}),
        )
        series = rows_of_signal("post_update", signal, model, columns, self.context_of(instances, names_of(values)))
        with self.naming(series, [row.number for row in rows]):
            await fire_each(series)

    @contextmanager
    def naming(self, series: Fired, numbers: Sequence[int]) -> Iterator[None]:
        """Name, in a note to an exception, the row whose receiver has raised it: the receiver is named already."""
        try:
            yield
        except Exception as error:
            error.add_note(f"aldis: at row {numbers[series.position] + 1:,} of {self.name}")
            raise

    def take_all(self, batch: Sequence[Any], first: int) -> list[NewRows]:
        """Take a batch of new rows, those of each class together; ``first`` is where it begins among all rows."""
        types = set(map(type, batch))
        if len(types) == 1 and issubclass(model := types.pop(), self.model):
            states = list(map(instance_state, batch))
            if not any(state.key or state.session_id for state in states):
                rows = NewRows(mapping_of(model))
                rows.add_plain(first, batch, states)
                return [rows]
        found: dict[type[Any], NewRows] = {}
        taken: list[NewRows] = []
        for number, row in enumerate(batch, first):
            rows, _ = self.take(found, row, number)
            if not taken or taken[-1] is not rows:
                taken.append(rows)
                if self.ignore_conflicts:  # which of two rows is written is for their order to say
                    found = {type(rows.instances[0]): rows}
        return taken if self.ignore_conflicts else list(found.values())

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
            instance = self.model(**values)
        else:
            raise TypeError(
                f"row {number + 1:,} is {row!r}: {self.name} takes instances of {self.model.__name__} or mappings of "
                "its attributes."
            )
        state: InstanceState[Any] = instance_state(instance)
        if state.key is not None or state.session_id is not None:
            where = f"row {number + 1:,}, {instance!r},"
            if state.session_id is None:
                raise AlreadyStoredError(f"{where} is stored already: {self.name} inserts new instances.")
            raise ConfigurationError(f"{where} belongs to a session: {self.name} inserts new instances.")
        if extra and instance is row:
            values = {name: value for name, value in extra.items() if name not in instance.__dict__}
            before = Snapshot(state)
            for name, value in values.items():
                setattr(instance, name, value)
            self.extended.append((state, before))
        model = type(instance)
        rows = found.get(model)
        if rows is None:
            rows = found[model] = NewRows(mapping_of(model))
        rows.add(number, instance, state, values)
        return rows, len(rows.instances) - 1


def by_class(rows: Sequence[Row]) -> Iterable[tuple[type[Any], Sequence[Row]]]:
    """Return the rows of each class, in their order."""
    types = set(map(type, (row.instance for row in rows)))
    if len(types) <= 1:
        return [(model, rows) for model in types]
    found: dict[type[Any], list[Row]] = {}
    for row in rows:
        found.setdefault(type(row.instance), []).append(row)
    return found.items()


def columns_of(rows: Sequence[Row]) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the instances, the values and the column values of rows."""
    return [row.instance for row in rows], [row.values for row in rows], [row.column_values for row in rows]


def refuse_twice(model: type[Any], instances: Sequence[Any]) -> None:
    """Refuse to write one instance as two rows.

    Raises:
        ConfigurationError: One was given twice.
    """
    if len(set(map(id, instances))) < len(instances):
        raise ConfigurationError(f"one instance of {model.__name__} was given twice: each is one row.")


def check_fields(model: type[Any], names: Sequence[str], parameter: str) -> None:
    """Refuse names that are no columns.

    Raises:
        TypeError: The names are one string.
        UnknownAttributeError: A name is no attribute of the class, or no column.
    """
    if isinstance(names, str):
        raise TypeError(f"{parameter} is {names!r}: give a sequence of names, [{names!r}].")
    for name in names:
        attribute(model, name)
        if name not in mapping_of(model).keys:
            raise UnknownAttributeError(f"{name!r} in {parameter} is no column of {model.__name__}.")
