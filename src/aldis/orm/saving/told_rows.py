"""One batch of a statement's rows between its signals: the instances, ``changes``, and the rows that are skipped."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import repeat
from operator import is_
from types import NoneType
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy.orm.attributes import instance_state

from ...errors import RefusedError
from ..internals import note_altered
from ..mapping.instance_state import expire_again, is_sql
from ..mapping.read_instances import loaded, show_row
from ..meta import meta_of
from .differences import differing
from .firing import is_heard
from .firing_rows import context_of_rows, fire_before_each, fire_each, naming_row, rows_of_signal
from .lost_rows import shown
from .row_refusals import row_receivers

if TYPE_CHECKING:
    from ...dispatch.records import Receiver
    from ..mapping.table import TableMapping
    from .differences import Differences
    from .firing_rows import Rows, Told
    from .row_batches import RowBatches

__all__ = ["ReadOnlyValues", "ToldRows"]


class ReadOnlyValues(dict[str, Any]):
    """The column values of a statement, which are the same for all of its rows.

    Example:
        >>> ReadOnlyValues(name="Ada")["name"]
        'Ada'
    """

    __slots__ = ()

    def refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        """Refuse a change.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "column_values is read-only for a receiver with rows=True: one statement writes all rows, and each gets "
            "the same values. A receiver without rows=True, which is called once for the statement, can change them."
        )

    if not TYPE_CHECKING:  # each has a signature of its own
        __setitem__ = __delitem__ = __ior__ = refuse
        clear = pop = popitem = setdefault = update = refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class ToldRows:
    """The rows of one batch.

    Args:
        batches: The statement.
        rows: The rows as they are before, by the statement's columns.
    """

    def __init__(self, batches: RowBatches, rows: Sequence[Sequence[Any]]) -> None:
        self.batches, self.rows = batches, rows
        self.width = batches.width
        self.columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        """The old values by column."""
        self.keys: list[tuple[Any, ...]] = list(zip(*self.columns[: self.width], strict=True))
        self.written: dict[tuple[Any, ...], Sequence[Any]] | None = None
        """The rows as they are now, by key; of a DELETE, those that were returned."""
        self.count: int | None = 0
        self.groups = [Group(self, model, mapping, numbers) for model, mapping, numbers in self.by_class()]

    def by_class(self) -> Iterator[tuple[type[Any], TableMapping, Sequence[int]]]:
        """Yield the classes whose rows receivers hear, each with the numbers of its rows."""
        mapper, mappings = self.batches.mapping.mapper, self.batches.mappings
        discriminator = mapper.polymorphic_on
        if discriminator is None or len(mapper.polymorphic_map) <= 1:  # they are loaded as the statement's class
            if mapper.class_ in mappings:
                yield mapper.class_, mappings[mapper.class_], range(len(self.rows))
            return
        place = [column.key for column in self.batches.columns].index(discriminator.key)
        found: dict[type[Any], list[int]] = {}
        for number, row in enumerate(self.rows):
            of_row = mapper.polymorphic_map.get(row[place])
            found.setdefault(mapper.class_ if of_row is None else of_row.class_, []).append(number)
        for model, numbers in found.items():
            if model in mappings:
                yield model, mappings[model], numbers

    async def fire_before(self) -> None:
        """Fire the signal before of each row that a receiver hears."""
        for group in self.groups:
            await group.fire_before()

    def expire_again(self) -> None:
        """Expire the old values that the session's instances have shown: the statement finds them as they were."""
        for group in self.groups:
            group.expire_again()

    def keys_to_write(self) -> list[tuple[Any, ...]]:
        """Return the keys of the rows that no receiver has skipped."""
        skipped = {number for group in self.groups for number in group.skipped}
        if not skipped:
            return self.keys
        return [key for number, key in enumerate(self.keys) if number not in skipped]

    def take(self, count: int | None, rows: Sequence[Sequence[Any]] | None) -> None:
        """Take note of the rows that were written.

        Args:
            count: How many rows, if the database says.
            rows: The rows as they are now, if they are known.
        """
        self.count = count
        if rows is not None:
            columns = [[row[place] for row in rows] for place in range(self.width)]
            self.written = dict(zip(zip(*columns, strict=True), rows, strict=True))

    async def fire_after(self) -> None:
        """Fire the signal after of each row that a receiver hears."""
        for group in self.groups:
            await group.fire_after()


class Group:
    """The rows of one class among those of a batch.

    Args:
        told: The batch.
        model: The class.
        mapping: Its mapping.
        numbers: The rows' numbers in the batch.
    """

    def __init__(self, told: ToldRows, model: type[Any], mapping: TableMapping, numbers: Sequence[int]) -> None:
        self.told, self.batches, self.model, self.mapping = told, told.batches, model, mapping
        self.numbers = numbers
        self.rows, self.columns, self.keys = told.rows, told.columns, told.keys
        if len(numbers) < len(told.rows):
            self.rows = [told.rows[number] for number in numbers]
            self.columns = list(zip(*self.rows, strict=True))
            self.keys = [told.keys[number] for number in numbers]
        names = {key: name for name, key in mapping.columns}
        self.names = [names.get(column.key) for column in self.batches.columns]
        """The attribute of each column that is read; ``None`` for another class's."""
        self.skipped: set[int] = set()
        """The numbers, in the batch, of rows that receivers have skipped."""
        self.instances: list[Any] = []
        self.context: Told = ()
        """The context variables that are set for each row, with their values."""
        self.own: Collection[int] = ()
        """The places of those instances that are the session's own."""
        self.shown: list[tuple[int, tuple[str, ...], bool]] = []
        """The places of those that show expired attributes meanwhile, these, and whether each was expired as such."""

    @property
    def kind(self) -> str:
        """``"update"`` or ``"delete"``."""
        return self.batches.kind

    def make_instances(self) -> None:
        """Take the session's own instances of the rows, and make those that it does not have."""
        places = [place for place, name in enumerate(self.names) if name is not None]
        names = [name for name in self.names if name is not None]
        own = self.own_instances()
        rows = self.rows
        if own:
            rows = [row for number, row in enumerate(rows) if number not in own]
        self.instances = loaded(self.mapping, names, places, rows, self.told.width)
        self.own = own.keys()
        for number, instance in own.items():  # in their order, so that each has its place
            self.instances.insert(number, instance)
        self.show_expired()

    def show_expired(self) -> None:
        """Let the session's own instances show their old rows where they are expired, until :meth:`expire_again`."""
        for number in self.own:
            state = instance_state(self.instances[number])
            was_expired = state.expired
            if names := show_row(state, self.by_name(self.rows[number]), True):
                self.shown.append((number, names, was_expired))

    def expire_again(self) -> None:
        """Expire the values that they have shown, as the session itself would find them."""
        for number, names, was_expired in self.shown:
            state = instance_state(self.instances[number])
            if state.session_id is not None and not state.was_deleted:
                expire_again(state, names)
                state.expired = was_expired
        self.shown.clear()

    def own_instances(self) -> dict[int, Any]:
        """Return the session's instances of the rows, by the rows' numbers."""
        batches, identity = self.batches, self.mapping.identity_class
        if not batches.has_instances:
            return {}
        found = ((number, batches.known((identity, key, None))) for number, key in enumerate(self.keys))
        return {number: instance for number, instance in found if instance is not None}

    def by_name(self, row: Sequence[Any]) -> dict[str, Any]:
        """Return a row by attribute name."""
        return {name: value for name, value in zip(self.names, row, strict=True) if name is not None}

    def fire(self, when: str, columns: tuple[Any, ...], records: list[Receiver]) -> Rows | None:
        """Return the signal of the rows, ready to be fired; ``None`` where nobody hears it."""
        name = f"{when}_{self.kind}"
        signal = meta_of(self.model).signals[name]
        if not records or not is_heard(signal, self.model):
            return None
        if not self.context:
            self.context = context_of_rows(self.instances, self.instances, repeat(frozenset(self.batches.values or ())))
        return rows_of_signal(name, signal, self.model, columns, self.context, records)

    async def fire_before(self) -> None:
        """Fire the signal before."""
        self.make_instances()
        records = row_receivers(self.model, "pre", self.kind)
        columns: tuple[Any, ...] = (self.instances, self.instances, None)
        if self.kind == "update":
            values = ReadOnlyValues(self.batches.column_values)
            given = self.given() if any(record.asks for record in records) else None
            columns = (self.instances, self.instances, self.batches.values, values, True, False, given)
        rows = self.fire("pre", columns, records)
        if rows is None:
            return
        with self.naming(rows):
            await fire_before_each(rows, lambda position: self.skipped.add(self.numbers[position]))
        self.refuse_changed()

    def given(self) -> Differences:
        """Return the changes that the statement makes to each row, as far as they are known before."""
        compared = []
        for column, name, old in zip(self.batches.columns, self.names, self.columns, strict=True):
            if name is not None and column.key in self.batches.column_values:
                value = self.batches.column_values[column.key]
                new = [value] * len(self.rows)
                compared.append((name, old, new, None if is_sql(value) else self.mapping.equals[name]))
        return differing(compared, len(self.rows))

    def refuse_changed(self) -> None:
        """Refuse attributes that receivers have set on instances that are not the session's: nothing would write them.

        Raises:
            RefusedError: They have.
        """
        states = map(instance_state, self.instances)
        for position, state in enumerate(states):
            if state.modified and position not in self.own and self.numbers[position] not in self.skipped:
                names = ", ".join(map(repr, sorted(state.committed_state)))
                raise RefusedError(
                    f"{self.batches.call}: a receiver of pre_{self.kind} with rows=True has set {names} of "
                    f"{self.instances[position]!r}, and one statement writes all rows, each with the same values. Set "
                    "it in a receiver without rows=True, on column_values, or update the instances (bulk_update)."
                )

    async def fire_after(self) -> None:
        """Fire the signal after."""
        records = row_receivers(self.model, "post", self.kind)
        if not records:
            return
        skipped: Any = False
        if self.skipped:
            skipped = [number in self.skipped for number in self.numbers]
        new = self.new_rows()
        counts = self.counts(new)
        columns: tuple[Any, ...] = (self.instances, self.instances, counts, skipped)
        if self.kind == "update":
            new_columns = self.columns_now(new)
            self.renew(new_columns)
            changes = self.changed(new_columns) if any(record.asks for record in records) else None
            values = self.stored(new) if any(record.takes("column_values") for record in records) else {}
            told = (self.batches.values, values, True, False, counts, skipped, changes)
            columns = (self.instances, self.instances, *told)
        else:
            self.show_expired()
        rows = self.fire("post", columns, records)
        if rows is not None:
            with self.naming(rows):
                await fire_each(rows)
        self.expire_again()

    def new_rows(self) -> list[Sequence[Any] | None]:
        """Return the rows as they are now; ``None`` for those that were not written, or of which that is unknown."""
        if self.told.written is None:
            return [None] * len(self.rows)
        return [*map(self.told.written.get, self.keys)]

    def counts(self, new: list[Sequence[Any] | None]) -> Any:
        """Return how many rows were written of each: one for all, or a list."""
        told = self.told
        if told.written is not None:
            return 1 if NoneType not in set(map(type, new)) else [0 if row is None else 1 for row in new]
        written = None
        if told.count == len(told.keys_to_write()):
            written = 1
        elif told.count == 0:
            written = 0
        return [0 if number in self.skipped else written for number in self.numbers] if self.skipped else written

    def columns_now(self, new: list[Sequence[Any] | None]) -> list[Sequence[Any]]:
        """Return the values by column, as they are now."""
        places = {column: place for place, column in enumerate(self.batches.columns_after)}
        order = [places.get(column) for column in self.batches.columns]
        if NoneType in set(map(type, new)):
            old = [[row[self.batches.columns.index(each)] for each in places] for row in self.rows]
            new = [before if row is None else row for before, row in zip(old, new, strict=True)]
        now = list(zip(*new, strict=True))
        return [before if place is None else now[place] for before, place in zip(self.columns, order, strict=True)]

    def renew(self, columns: Sequence[Sequence[Any]]) -> None:
        """Let the instances show their rows as they are now, which are given by column."""
        if self.own or self.mapping.mapper.class_manager.dispatch.refresh:
            for position, (instance, row) in enumerate(zip(self.instances, zip(*columns, strict=True), strict=True)):
                state = instance_state(instance)
                names = show_row(state, self.by_name(row), position in self.own)
                if names and state.session is not None:
                    note_altered(state.session, state, names)
            return
        loaded_values: list[dict[str, Any]] | None = None
        for name, old, new in zip(self.names, self.columns, columns, strict=True):
            if name is None or new is old or all(map(is_, old, new)):
                continue
            if loaded_values is None:
                loaded_values = [instance.__dict__ for instance in self.instances]
            for values, value in zip(loaded_values, new, strict=True):
                values[name] = value

    def changed(self, columns: Sequence[Sequence[Any]]) -> Differences:
        """Return the changes that were written of each row."""
        compared = []
        for name, old, new in zip(self.names, self.columns, columns, strict=True):
            if name is not None and new is not old:
                compared.append((name, old, new, self.mapping.equals[name]))
        return differing(compared, len(self.rows))

    def stored(self, new: list[Sequence[Any] | None]) -> list[Mapping[str, Any]]:
        """Return the column values of each row: those that were written, and those that the database has made."""
        asked = self.batches.column_values
        keys = [*asked, *(column.key for column in self.mapping.made_on_update if column.key not in asked)]
        order = [column.key for column in self.batches.columns_after]
        places = [(key, order.index(key)) for key in keys if key in order]
        return [dict(asked) if row is None else {key: row[place] for key, place in places} for row in new]

    def naming(self, rows: Rows) -> AbstractContextManager[None]:
        """Return the context that names the row whose receiver raises."""
        return naming_row(lambda: f"the row {shown(self.batches, self.keys[rows.position])} of {self.batches.call}")
