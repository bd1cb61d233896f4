"""``changes``, the old and new values of each row: made by those that save, and only where a receiver asks.

The rules of old values: one that was loaded is told as it was loaded; of an attribute that is not loaded, expired,
deferred, or a Mutable that was changed in place, the row is read, locked as the write is going to lock it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import repeat
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm.base import NO_VALUE

from ...dispatch.changes import Change
from ..mapping.instance_state import has_expressions, is_sql
from ..mapping.parents import foreign_keys
from ..mapping.rowwise import names as key_names
from .differences import differing
from .may_hold import may_hold
from .rows_of_keys import rows_of_keys

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

    from ...dispatch.conditions import ChangeTest
    from ...dispatch.on_request import Asking
    from ..mapping.table import TableMapping
    from .differences import Changed, Compared, Differences
    from .firing import Asked
    from .rows_of_keys import Reader

__all__ = ["Changes"]

COMMITTED: Final = attrgetter("committed_state")

FEW: Final = 8
"""So many rows are worth looking at column by column."""


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
        self.made_on_update = tuple(mapping.key_of[column] for column in made)
        self.stored: dict[int, dict[str, Any]] = {}
        """The values that were read, by the row's number and the attribute's name."""
        self.kept: list[dict[str, Any]] = []
        """The old values of each row, by attribute name."""
        self.alike: dict[str, list[Any]] | None = None
        """The same by columns, where all rows write the same ones and all old values are known: a tenth of the time."""
        self.are_let_go = False
        """No old values were kept: nobody was going to be told."""
        self.ruled_out: set[ChangeTest] = set()
        """The tests that hold for no row, as was seen before the rows were written."""
        self.version = (
            None
            if mapping.mapper.version_id_col is None
            else mapping.attributes.get(str(mapping.mapper.version_id_col.key))
        )

    async def before(self) -> list[Changed] | Differences | None:
        """Return the changes of the caller to each row; ``None`` where no receiver of the signal before asks."""
        asking = self.asked.before
        if asking is None:
            return None
        if not self.is_update:
            return [self.given(state, asking) for state in self.states]
        names = None if self.callers is not None else self.common_names(asking)
        alike = None if names is None else self.columns(names, of_caller=True)
        if alike is not None and not has_expressions(self.rows):  # type: ignore[arg-type]
            return self.compared(alike)
        told = [self.told_of(number, asking) for number in range(len(self.rows))]
        names_of_rows: list[Collection[str]] = list(told)
        if self.asked.after is not None:  # so that it is one SELECT for both
            after = self.asked.after
            names_of_rows = [{*each, *self.names_of(number, after)} for number, each in enumerate(told)]
        await self.read_missing(names_of_rows)
        return [
            self.changed(number, {name: self.old(number, name) for name in new}, new) for number, new in enumerate(told)
        ]

    async def keep(self, skipped: Collection[int] = ()) -> None:
        """Keep the old values that are told after, of all rows but those that receivers have skipped."""
        asking = self.asked.after
        if asking is None or not self.is_update:
            return
        names = self.common_names(asking)
        self.alike = None if names is None else self.columns(names)
        if self.alike is not None:
            return
        numbers = range(len(self.rows))
        of_rows = [[] if number in skipped else self.names_of(number, asking) for number in numbers]
        await self.read_missing(of_rows)
        self.kept = [{name: self.old(number, name) for name in each} for number, each in enumerate(of_rows)]
        if self.mapping.watches_updates:
            for number, written in enumerate(self.kept):
                if written:
                    written.update(self.known_others(number, asking))

    def after(self, unwritten: Collection[int] = ()) -> list[Changed] | Differences | None:
        """Return the changes that were written of each row, none of others; ``None`` where nobody asks."""
        if self.asked.after is None:
            return None
        if self.are_let_go:
            return None
        if self.alike is not None:
            found = self.compared(self.alike)
            if not unwritten:
                return found
            return [{} if number in unwritten else changes for number, changes in enumerate(found)]
        numbers = range(len(self.rows))
        return [{} if number in unwritten else self.written(number) for number in numbers]

    def common_names(self, asking: Asking) -> list[str] | None:
        """Return the attributes that all rows write; ``None`` where they are not the same, or others may be changed."""
        of_rows = key_names(self.rows)  # type: ignore[arg-type]
        if len(self.rows) < FEW or len(of_rows) != 1 or any(map(asking.looks_at, self.made_names())):
            return None
        if self.mapping.watches_updates:
            return None
        if self.are_related():
            return None
        names = [self.mapping.attributes[key] for key in of_rows.pop()]
        return [name for name in names if asking.looks_at(name)]

    def made_names(self) -> Iterator[str]:
        """Yield the attributes whose values the database, or SQLAlchemy's unit of work, makes in an UPDATE."""
        for key in self.made_on_update:
            yield self.mapping.attributes[key]
        if self.version is not None:
            yield self.version

    def are_related(self) -> bool:
        """Tell whether a relationship of a row was touched, so that foreign keys may be written."""
        related = self.mapping.relationships
        if not related:
            return False
        touched = self.histories() if self.is_update else [state.dict for state in self.states]
        return not all(map(related.isdisjoint, touched))

    def histories(self) -> list[dict[str, Any]]:
        """Return SQLAlchemy's record of the old values of each instance."""
        return list(map(COMMITTED, self.states))

    def columns(self, names: list[str], of_caller: bool = False) -> dict[str, list[Any]] | None:
        """Return the old values of attributes, of all rows; ``None`` where one has to be read.

        Args:
            names: The attributes.
            of_caller: Only those that the caller has changed; ``None`` where these are not the same of all rows.
        """
        histories = self.histories()
        found: dict[str, list[Any]] = {}
        for name in names:
            try:
                column = [history[name] for history in histories]
            except KeyError:
                if of_caller:
                    if any(name in history for history in histories):
                        return None
                    continue
                column = [self.old(number, name) for number in range(len(histories))]
            if any(map(is_, column, repeat(NO_VALUE))):
                return None
            found[name] = column
        return found

    def compared(self, columns: dict[str, list[Any]]) -> Differences:
        """Return the values that differ in each row.

        Args:
            columns: The old values, by attribute name.
        """
        compared: list[Compared] = []
        for name, old in columns.items():
            key = self.mapping.keys[name]
            try:
                new = [row[key] for row in self.rows]
            except KeyError:  # a receiver has taken it out of some rows
                new = [row.get(key, before) for row, before in zip(self.rows, old, strict=True)]
            compared.append((name, old, new, self.mapping.equals[name]))
        return differing(compared, len(self.rows))

    def is_idle_before(self) -> bool:
        """Tell whether no receiver of the signal before is going to be called: their conditions hold for no row."""
        asking = self.asked.before
        if asking is None or asking.tests is None:
            return False
        return not any(may_hold(self, test) for test in asking.tests)

    def is_idle_after(self, asking: Asking | None, are_written: bool) -> bool:
        """Tell the same of the signal after.

        Args:
            asking: The question of its receivers now.
            are_written: The rows are written, so that SQLAlchemy's record of their old values is gone.
        """
        if asking is None or asking.tests is None:
            return False
        for test in asking.tests:
            if test not in self.ruled_out:
                if may_hold(self, test, are_written):
                    return False
                self.ruled_out.add(test)
        return True

    def keep_history(self) -> None:
        """Keep the old values of attributes that SQLAlchemy itself has changed of the only row, once it is written."""
        if self.kept:
            committed = self.states[0].committed_state
            for key in self.rows[0]:
                name = self.mapping.attributes[key]
                self.kept[0].setdefault(name, committed.get(name, NO_VALUE))

    def given(self, state: InstanceState[Any], asking: Asking) -> Changed:
        """Return the values of a new instance, keys of parents that were set by object included."""
        values, mapping = state.dict, self.mapping
        found = {name: values[name] for name, _ in mapping.columns if values.get(name) is not None}
        if mapping.relationships:
            found |= mapping.by_attribute(foreign_keys(mapping, state))
        return {
            name: Change(None, value) for name, value in found.items() if value is not None and asking.looks_at(name)
        }

    def told_of(self, number: int, asking: Asking) -> dict[str, Any]:
        """Return the new values, by attribute name, that the caller has given a stored instance."""
        mapping, state = self.mapping, self.states[number]
        callers = state.committed_state if self.callers is None else self.callers[number]
        names = ((mapping.attributes[key], value) for key, value in self.rows[number].items())
        found = {name: value for name, value in names if name in callers}
        if mapping.relationships:
            found |= mapping.by_attribute(foreign_keys(mapping, state))
        return found if asking.names is None else {name: found[name] for name in found if name in asking.names}

    def names_of(self, number: int, asking: Asking) -> list[str]:
        """Return the attributes that may have another value once a row is written."""
        mapping, state, row = self.mapping, self.states[number], self.rows[number]
        related = foreign_keys(mapping, state) if mapping.relationships else {}
        if not row and not related:
            return []
        names = [*[mapping.attributes[key] for key in (*row, *related)], *self.made_names()]
        return [name for name in names if asking.looks_at(name)]

    def known_others(self, number: int, asking: Asking) -> dict[str, Any]:
        """Return the old values, where known, of attributes that a row does not write: a listener may set them."""
        names = [name for name in self.mapping.keys if name not in self.kept[number] and asking.looks_at(name)]
        old = ((name, self.old(number, name)) for name in names)
        return {name: value for name, value in old if value is not NO_VALUE}

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
        found = {}
        for name, value in new.items():
            before = old[name]
            if before is NO_VALUE:
                before = None
            if is_sql(value) or self.mapping.equals[name](value, before) is not True:
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
        numbers = list(missing)
        identities: list[tuple[Any, ...]] = [self.states[number].identity or () for number in numbers]
        found = await rows_of_keys(
            self.read, key, columns, identities, lambda rows: rows.with_for_update(key_share=key_share)
        )
        for number, identity in zip(numbers, identities, strict=True):
            if identity in found:
                values = dict(zip(wanted, found[identity], strict=True))
                self.stored[number] = self.stored.get(number, {}) | values
