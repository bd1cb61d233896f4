"""``changes``, the old and new values of each row: made by those that save, and only where a receiver asks.

The rules of old values: one that was loaded is told as it was loaded; of an attribute that is not loaded, expired,
deferred, or a Mutable that was changed in place, the row is read, locked as the write is going to lock it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import repeat
from operator import is_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select, tuple_
from sqlalchemy.orm.base import NO_VALUE

from ...dispatch.changes import Change
from ...dispatch.on_request import is_asked_for
from ..databases.sqlite import whole
from ..mapping.instance_state import foreign_keys, has_expressions, is_sql
from ..mapping.rowwise import names as key_names
from .firing import are_off

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

    from ...dispatch.broadcaster import Broadcaster
    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction

__all__ = ["Asked", "Changes", "asked_of", "of_one", "reader_on"]

Changed = dict[str, Change]
"""The changes of one row, by attribute name."""

Reader = Callable[[Any], Awaitable[Sequence[Any]]]
"""Runs a SELECT where the rows are written."""

MOST_PARAMETERS: Final = 30_000
"""Of one SELECT: SQLite takes 32,766, PostgreSQL one more."""

FEW: Final = 8
"""So many rows are worth looking at column by column."""

MAKE: Final = partial(tuple.__new__, Change)
"""Makes a change of a pair: half the time of ``Change(*pair)``."""


class Asked(NamedTuple):
    """Who asks for ``changes``."""

    before: bool
    """A receiver of the signal before."""
    after: bool
    """One of the signal after."""


def asked_of(signals: Broadcaster, kind: str, model: type[Any], is_update: bool) -> Asked | None:
    """Return which of the two signals of a kind have a receiver that asks; ``None`` if there is none.

    Args:
        signals: The model's signals.
        kind: ``"save"`` or ``"update"``.
        model: The sender.
        is_update: The rows are stored; else they are new.
    """
    if are_off():
        return None
    asked = Asked(*[is_asked_for(signals[f"{when}_{kind}"], model, is_update) for when in ("pre", "post")])
    return asked if any(asked) else None


def reader_on(transaction: Transaction) -> Reader:
    """Return a function that reads in a transaction."""

    async def read(statement: Any) -> Sequence[Any]:
        connection = transaction.connection
        rows: Sequence[Any] = (await whole(connection, connection.execute(statement))).all()
        return rows

    return read


def of_one(changes: list[Changed] | None) -> Changed | None:
    """Return the changes of the only row."""
    return None if changes is None else changes[0]


class Changes:
    """The changes of a batch of rows of one class.

    Whoever writes the rows calls :meth:`before` ahead of the signal before, :meth:`keep` ahead of the SQL, and
    :meth:`after` ahead of the signal after.

    Args:
        mapping: The mapping of their class.
        asked: Who asks.
        states: The instances' states.
        rows: The values that are written of each, by column key; receivers may change them meanwhile.
        is_update: They are stored already.
        read: Reads values that are not loaded.
        callers: The attributes of each row that the caller has changed; else those of which the instance has a history.
        there: The columns that the table has, if the model is ahead of it, in the middle of its migrations.
    """

    def __init__(
        self,
        mapping: TableMapping,
        asked: Asked,
        states: Sequence[InstanceState[Any]],
        rows: Sequence[dict[str, Any]],
        is_update: bool,
        read: Reader,
        callers: Sequence[Collection[str]] | None = None,
        there: frozenset[Any] | None = None,
    ) -> None:
        self.mapping, self.asked, self.states, self.rows, self.is_update = mapping, asked, states, rows, is_update
        self.read, self.callers = read, callers
        made = [column for column in mapping.made_on_update if there is None or column in there]
        self.made_on_update = tuple(column.key for column in made)
        self.stored: dict[int, dict[str, Any]] = {}
        """The values that were read, by the row's number and the attribute's name."""
        self.kept: list[dict[str, Any]] = []
        """The old values of each row, by attribute name."""
        self.alike: dict[str, list[Any]] | None = None
        """The same by columns, where all rows write the same ones and all old values are known: a tenth of the time."""
        self.version = (
            None
            if mapping.mapper.version_id_col is None
            else mapping.attributes.get(str(mapping.mapper.version_id_col.key))
        )

    async def before(self) -> list[Changed] | None:
        """Return the changes of the caller to each row; ``None`` where no receiver of the signal before asks."""
        if not self.asked.before:
            return None
        if not self.is_update:
            return [self.given(state) for state in self.states]
        alike = self.columns(self.caller_names())
        if alike is not None and not has_expressions(self.rows):  # type: ignore[arg-type]
            return self.compared(alike)
        told = [self.told_of(number) for number in range(len(self.rows))]
        names: list[Collection[str]] = list(told)
        if self.asked.after:  # so that it is one SELECT for both
            names = [{*each, *self.names_of(number)} for number, each in enumerate(told)]
        await self.read_missing(names)
        return [
            self.changed(number, {name: self.old(number, name) for name in new}, new) for number, new in enumerate(told)
        ]

    async def keep(self, skipped: Collection[int] = ()) -> None:
        """Keep the old values that are told after, of all rows but those that receivers have skipped."""
        if not self.asked.after or not self.is_update:
            return
        self.alike = self.columns(self.common_names())
        if self.alike is not None:
            return
        names = [() if number in skipped else tuple(self.names_of(number)) for number in range(len(self.rows))]
        await self.read_missing(names)
        self.kept = [{name: self.old(number, name) for name in each} for number, each in enumerate(names)]

    def after(self, unwritten: Collection[int] = ()) -> list[Changed] | None:
        """Return the changes that were written of each row, none of others; ``None`` where nobody asks."""
        if not self.asked.after:
            return None
        if self.alike is not None:
            found = self.compared(self.alike)
            for number in unwritten:
                found[number] = {}
            return found
        numbers = range(len(self.rows))
        return [{} if number in unwritten else self.written(number) for number in numbers]

    def common_names(self) -> list[str] | None:
        """Return the attributes that all rows write; ``None`` where they are not the same, or others may be changed."""
        of_rows = key_names(self.rows)  # type: ignore[arg-type]
        if len(self.rows) < FEW or len(of_rows) != 1 or self.version is not None or self.made_on_update:
            return None
        related = self.mapping.relationships
        if related and not all(related.isdisjoint(state.committed_state) for state in self.states):
            return None
        return [self.mapping.attributes[key] for key in of_rows.pop()]

    def caller_names(self) -> list[str] | None:
        """Return the attributes that the caller has changed, where these are the same of all rows."""
        names = None if self.callers is not None else self.common_names()
        if names is None:
            return None
        found = []
        for name in names:
            count = sum([name in state.committed_state for state in self.states])
            if count == len(self.states):
                found.append(name)
            elif count:
                return None
        return found

    def columns(self, names: list[str] | None) -> dict[str, list[Any]] | None:
        """Return the old values of attributes, of all rows; ``None`` where one has to be read."""
        if not names:
            return None
        histories = [state.committed_state for state in self.states]
        found: dict[str, list[Any]] = {}
        for name in names:
            try:
                column = [history[name] for history in histories]
            except KeyError:
                column = [self.old(number, name) for number in range(len(histories))]
            if any(map(is_, column, repeat(NO_VALUE))):
                return None
            found[name] = column
        return found

    def compared(self, columns: dict[str, list[Any]]) -> list[Changed]:
        """Return the values that differ in each row.

        Args:
            columns: The old values, by attribute name.
        """
        found: list[Changed] = []
        manager = self.mapping.mapper.class_manager
        for name, old in columns.items():
            key = self.mapping.keys[name]
            try:
                new = [row[key] for row in self.rows]
            except KeyError:  # a receiver has taken it out of some rows
                new = [row.get(key, before) for row, before in zip(self.rows, old, strict=True)]
            same = map(manager[name].impl.is_equal, new, old)
            changes = map(MAKE, zip(old, new, strict=True))
            if not found:
                found = [{} if equal is True else {name: change} for equal, change in zip(same, changes, strict=True)]
                continue
            for row, equal, change in zip(found, same, changes, strict=True):
                if equal is not True:
                    row[name] = change
        return found

    def keep_history(self) -> None:
        """Keep the old values of attributes that SQLAlchemy itself has changed of the only row, once it is written."""
        if self.kept:
            committed = self.states[0].committed_state
            for key in self.rows[0]:
                name = self.mapping.attributes[key]
                self.kept[0].setdefault(name, committed.get(name, NO_VALUE))

    def given(self, state: InstanceState[Any]) -> Changed:
        """Return the values of a new instance, keys of parents that were set by object included."""
        values, mapping = state.dict, self.mapping
        found = {name: values[name] for name, _ in mapping.columns if values.get(name) is not None}
        if mapping.relationships:
            found |= mapping.by_attribute(foreign_keys(mapping, state))
        return {name: Change(None, value) for name, value in found.items() if value is not None}

    def told_of(self, number: int) -> dict[str, Any]:
        """Return the new values, by attribute name, that the caller has given a stored instance."""
        mapping, state = self.mapping, self.states[number]
        callers = state.committed_state if self.callers is None else self.callers[number]
        names = ((mapping.attributes[key], value) for key, value in self.rows[number].items())
        found = {name: value for name, value in names if name in callers}
        if mapping.relationships:
            found |= mapping.by_attribute(foreign_keys(mapping, state))
        return found

    def names_of(self, number: int) -> Iterator[str]:
        """Yield the attributes that may have another value once a row is written."""
        mapping, state, row = self.mapping, self.states[number], self.rows[number]
        related = foreign_keys(mapping, state) if mapping.relationships else {}
        if not row and not related:
            return
        for key in (*row, *related, *self.made_on_update):
            yield mapping.attributes[key]
        if self.version is not None:
            yield self.version

    def old(self, number: int, name: str) -> Any:
        """Return the old value of an attribute; ``NO_VALUE`` where it is not known."""
        state = self.states[number]
        committed = state.committed_state
        found = committed[name] if name in committed else state.dict.get(name, NO_VALUE)
        return self.stored.get(number, {}).get(name, NO_VALUE) if found is NO_VALUE else found

    def written(self, number: int) -> Changed:
        """Return the changes that were written of a row."""
        mapping, row = self.mapping, self.rows[number]
        if not self.is_update:
            names = mapping.attributes
            return {names[key]: Change(None, value) for key, value in row.items() if value is not None}
        values = self.states[number].dict
        new = {}
        for name in self.kept[number]:
            key = mapping.keys[name]
            if key in row:
                new[name] = row[key]
            elif name in values:
                new[name] = values[name]
        return self.changed(number, self.kept[number], new)

    def changed(self, number: int, old: dict[str, Any], new: dict[str, Any]) -> Changed:
        """Return the values that differ, as the attributes' types compare."""
        manager = self.states[number].manager
        found = {}
        for name, value in new.items():
            before = old[name]
            if before is NO_VALUE:
                before = None
            if is_sql(value) or manager[name].impl.is_equal(value, before) is not True:
                found[name] = Change(before, value)
        return found

    async def read_missing(self, names: Sequence[Collection[str]]) -> None:
        """Read the old values that are not known, of all rows at once.

        Args:
            names: The attributes of each row.
        """
        missing: dict[int, dict[str, None]] = {}
        for number, each in enumerate(names):
            unknown = dict.fromkeys(name for name in each if self.old(number, name) is NO_VALUE)
            if unknown:
                missing[number] = unknown
        if not missing:
            return
        mapping, model = self.mapping, self.mapping.mapper.class_
        wanted = list(dict.fromkeys(name for each in missing.values() for name in each))
        key = [getattr(model, mapping.attributes[each]) for each in mapping.primary_key]
        columns = [getattr(model, name) for name in wanted]
        written = {key for number in missing for key in self.rows[number]}
        # As the UPDATE locks: FOR NO KEY UPDATE on PostgreSQL, unless it changes a column that a foreign key can name.
        key_share = mapping.unique_keys.isdisjoint(written)
        size = MOST_PARAMETERS // len(key)
        numbers = list(missing)
        for first in range(0, len(numbers), size):
            of_statement = numbers[first : first + size]
            identities: list[tuple[Any, ...]] = [self.states[number].identity or () for number in of_statement]
            condition = key[0].in_([each[0] for each in identities]) if len(key) == 1 else tuple_(*key).in_(identities)
            rows = await self.read(select(*key, *columns).where(condition).with_for_update(key_share=key_share))
            found = {tuple(row[: len(key)]): row[len(key) :] for row in rows}
            for number, identity in zip(of_statement, identities, strict=True):
                values = found.get(tuple(identity))
                if values is None and len(of_statement) == len(rows) == 1:
                    values = rows[0][len(key) :]  # a key of another type than the column's, which the database knows
                if values is not None:
                    self.stored[number] = self.stored.get(number, {}) | dict(zip(wanted, values, strict=True))
