"""The signals of one flush: those before it, in the order of the unit of work, and those after, in that of its SQL."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import async_session
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.util import greenlet_spawn

from ...context import CURRENT_INSTANCE, CURRENT_MODEL_INSTANCE, current
from ...dispatch import emitters
from ...dispatch.deferral import AFTER_COMMIT
from ...errors import ConfigurationError, EndlessFlushError, SkipOperation
from ...greenlets import wait_for
from ..database import Database, databases
from ..mapping.instance_state import changed, foreign_keys, put_back, take_changes, takes_key
from ..mapping.plan import plan_of, rows_of, stored_rows_of
from ..mapping.rowwise import altered, fill, values_of
from ..mapping.table import TableMapping, is_listened
from ..saving.changes import Asked as AskedFor
from ..saving.changes import Changes, of_one
from ..saving.columns import NOTHING_PASSED
from ..saving.firing import fire_each, rows_of_signal, skipped_of
from ..transactions.after_commit import queue_of
from ..transactions.ambient import joined
from .order import KEY, MANAGER, in_order
from .row import ASKED, Heard, Row

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from ..saving.changes import Reader

__all__ = ["LIMIT", "Flush", "endless"]

T = TypeVar("T")

LIMIT: Final = 100
"""How often receivers may give a flush more to write, before it is taken for an endless loop; as SQLAlchemy's own."""

CHUNK: Final = 500
"""Rows that are made ready, told of and compared at once: they are still in the processor's caches then."""


class Flush:
    """The signals of one flush of a session.

    Args:
        session: The session.
        only: The instances that are flushed, if not all.
        told: Instances whose signals somebody else fires.
    """

    def __init__(self, session: Session, only: Iterable[object] | None, told: Collection[InstanceState[Any]]) -> None:
        self.session = session
        self.asynchronous = async_session(session)
        self.only = None if only is None else set(map(instance_state, only))
        self.told = told
        self.heard: dict[type[Any], Heard | None] = {}
        self.saved: dict[InstanceState[Any], Row | dict[str, Any]] = {}
        """The rows to insert and update; of one that is plainly new, its column values alone."""
        self.deleted: dict[InstanceState[Any], Row] = {}
        self.old_values: dict[InstanceState[Any], dict[str, Any]] = {}
        """Old values that were read for ``changes``, by attribute name."""
        self.done: list[Any] = []
        """The rows that were written, in the order in which they were; of one that is plainly new, its instance."""

    def listeners_of(self, model: type[Any]) -> Heard | None:
        """Return who listens to a class, if it is a model and anybody does."""
        try:
            return self.heard[model]
        except KeyError:
            heard = Heard(model) if is_listened(model) else None
            found = self.heard[model] = heard if heard is not None and (heard.pre or heard.post) else None
            return found

    def concerned(self) -> bool:
        """Tell whether anybody listens to a class of which the session has something to write."""
        session = self.session
        # Not session.new, which makes a set of them: a tenth of what a receiver takes.
        instances = itertools.chain(session._new.values(), session.dirty, session.deleted)
        heard = [self.listeners_of(model) for model in set(map(type, instances))]
        return any(each is not None for each in heard)

    def receivers(self) -> Iterator[Callable[..., Any]]:
        """Return the receivers that may be called."""
        for heard in filter(None, list(self.heard.values())):
            for signal in itertools.chain(heard.pre.values(), heard.post.values()):
                yield from signal.receivers_for(heard.model)

    async def before(self) -> None:
        """Fire the signals before, until receivers give nothing more to write.

        Raises:
            ConfigurationError: They never stop.
        """
        async with self.around():
            for _ in range(LIMIT):
                to_save, to_delete = self.fresh()
                known = len(self.saved)
                await self.emit_before_saves(to_save)
                for state in to_delete:
                    row = self.deleted[state] = self.row_to_delete(state)
                    await self.emit_before(row)
                if len(self.saved) == known and not to_delete:
                    break
            else:
                raise endless(self.session)
            if self.done and not self.has_work():
                await self.emit_after_all()

    def has_work(self) -> bool:
        """Tell whether receivers have left anything to write."""
        session = self.session
        return bool(session._new or session._deleted or session.dirty)

    def fresh(self) -> tuple[list[InstanceState[Any]], list[InstanceState[Any]]]:
        """Return what is to be saved and what to be deleted, each in order, and of which nothing was told yet."""
        session, saved, deleted, heard = self.session, self.saved, self.deleted, self.heard
        self.concerned()  # receivers may have added instances of other classes
        to_save: list[InstanceState[Any]] = [
            state for state, instance in session._new.items() if heard[type(instance)] is not None
        ]
        if saved or deleted or self.only is not None or self.told:
            to_save = [state for state in to_save if state not in saved and self.takes_part(state)]
        to_delete: list[InstanceState[Any]] = []
        for instance in session.dirty:
            state = instance_state(instance)
            if heard[type(instance)] is None or state in saved or state in deleted or not self.takes_part(state):
                continue
            if state.key is not None and state.mapper._is_orphan(state):
                to_delete.append(state)
            else:
                to_save.append(state)
        for instance in session.deleted:
            state = instance_state(instance)
            if heard[type(instance)] is not None and state not in deleted and self.takes_part(state):
                to_delete.append(state)
        return in_order(to_save), in_order(to_delete)[::-1]

    def takes_part(self, state: InstanceState[Any]) -> bool:
        """Tell whether the flush writes an instance, and nobody else fires its signals."""
        return (self.only is None or state in self.only) and state not in self.told

    def row_to_save(self, state: InstanceState[Any]) -> Row | None:
        """Return what is told of an instance that is inserted or updated, if it is."""
        heard = self.listeners_of(state.class_)
        assert heard is not None
        mapping = heard.mapping
        asked = ASKED.pop(state, None) if ASKED else None
        filled: tuple[tuple[str, str], ...] = ()
        names: list[str] = []
        if state.key is None:
            values = state.obj().__dict__
            plan = plan_of(mapping, values)
            column_values, filled = plan.column_values(values), plan.filled
        else:
            column_values = changed(mapping, state)
            names = [mapping.attributes[key] for key in column_values]
            if column_values or takes_key(mapping, state):
                own = len(column_values)
                mapping.complete(column_values, mapping.onupdates)
                for key in list(column_values)[own:]:
                    setattr(state.obj(), mapping.attributes[key], column_values[key])
            elif asked is None:
                return None
        if mapping.relationships:
            column_values.update(foreign_keys(mapping, state))
        return Row(heard, state, "save" if asked is None else asked.kind, asked, column_values, filled, names)

    def row_to_delete(self, state: InstanceState[Any]) -> Row:
        """Return what is told of an instance that is deleted."""
        heard = self.listeners_of(state.class_)
        assert heard is not None
        return Row(heard, state, "delete", ASKED.pop(state, None), {})

    async def emit_before_saves(self, states: list[InstanceState[Any]]) -> None:
        """Fire the signal before each row is saved. New ones, which may be a million, have a road of their own."""
        for model, group in self.by_class(states):
            if model is not None:
                while chunk := list(itertools.islice(group, CHUNK)):
                    await self.emit_before_inserts(model, chunk)
                continue
            of_group = list(group)
            await self.read_old_values(of_group)
            for state in of_group:
                if state.session_id is None or state in self.session._deleted:
                    continue  # a receiver of another row has seen to it
                row = self.row_to_save(state)
                if row is not None:
                    self.saved[state] = row
                    await self.emit_before(row)

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
            told = (CURRENT_INSTANCE, instances), (CURRENT_MODEL_INSTANCE, instances)
            changes = self.changes_of(heard, "save", states, column_values)
            given = None if changes is None else await changes.before()
            columns = (instances, instances, NOTHING_PASSED, column_values, False, False, given)
            series = rows_of_signal("pre_save", signal, model, columns, told)
            async for number in skipped_of(series):
                row = saved[states[number]] = Row(heard, states[number], "save", None, column_values[number])
                self.skip(row)
                known[number] = {}  # the instance stays as it was
            for number, before in altered(column_values, *was):
                if type(saved[states[number]]) is not Row:
                    take_changes(mapping, states[number], before, column_values[number])
        fill(known, column_values, [plan.filled for plan in plans])

    async def emit_before(self, row: Row) -> None:
        """Fire the signal before a row is written, and let the instance have what receivers made of its values."""
        heard, kind, instance, column_values, values = row.heard, row.kind, row.instance, row.column_values, row.values
        signal = heard.pre.get(kind)
        was = column_values.copy()
        given = None
        if heard.asked and kind != "delete":
            row.changes = self.changes_of(heard, kind, [row.state], [column_values], [row.changed], row.is_update)
            if row.changes is not None:
                given = of_one(await row.changes.before())
        if signal is not None:
            try:
                with current(instance, instance, values):
                    if kind == "delete":
                        rest = emitters.pre_delete(signal, heard.model, instance, instance, None)
                    else:
                        emit = emitters.pre_save if kind == "save" else emitters.pre_update
                        told = (values, column_values, row.is_update, False, given)
                        rest = emit(signal, heard.model, instance, instance, *told)
                    if rest is not None:
                        await rest
            except SkipOperation:
                self.skip(row)
                return
        if kind != "delete":
            take_changes(heard.mapping, row.state, was, column_values)
            fill([row.state.dict], [column_values], [row.filled])
        if row.changes is not None:
            await row.changes.keep()

    def skip(self, row: Row) -> None:
        """Leave a row out of the flush."""
        session = self.session
        row.skip()
        self.done.append(row)
        if row.kind == "delete":
            session.add(row.instance)  # takes it off the list of those to delete
            for _, _, state, _ in row.state.mapper.cascade_iterator("delete", row.state):
                child = self.deleted.get(state)
                if child is not None and not child.skipped:
                    self.skip(child)
                elif state in session._deleted:
                    session.add(state.obj())
        elif row.is_update:
            put_back(session, row.state)
        else:
            session.expunge(row.instance)

    def knows(self, state: InstanceState[Any]) -> bool:
        """Tell whether an instance is written by this flush, and not yet."""
        row = self.saved.get(state)
        return row is not None and not any(each is row or each is state.obj() for each in self.done)

    def late(self, state: InstanceState[Any], is_delete: bool) -> None:
        """Fire the signal before a row that only the flush itself finds: a relationship's doing.

        Raises:
            ConfigurationError: A receiver raised :class:`SkipOperation`; it is too late for that.
        """
        known = self.deleted if is_delete else self.saved
        if state in known or state in self.told or self.listeners_of(state.class_) is None:
            return
        row = self.row_to_delete(state) if is_delete else self.row_to_save(state)
        if row is None:
            return
        known[state] = row

        async def emit() -> None:
            async with self.around():
                await self.emit_before(row)

        wait_for(emit(), self.receivers())
        if row.skipped:
            raise ConfigurationError(
                f"a receiver of pre_{row.kind} raised SkipOperation for {row.instance!r}, which the flush writes "
                "because of a relationship: it cannot leave that out. Raise another error to undo the flush."
            )

    def note_row(self, row: Row) -> None:
        """Take note that a row was written."""
        if not row.skipped:
            if row.is_update and row.kind != "delete":
                row.column_values.update(changed(row.heard.mapping, row.state))
                if row.changes is not None:
                    row.changes.keep_history()
            self.done.append(row)

    async def after(self) -> None:
        """Fire the signals after; those too of rows that were to be written, and for which there was no need."""
        if len(self.done) < len(self.saved) + len(self.deleted):
            done = set(map(id, self.done))
            for row in itertools.chain(self.saved.values(), self.deleted.values()):
                if type(row) is Row and id(row) not in done:
                    row.count = 0
                    self.done.append(row)
        async with self.around():
            await self.emit_after_all()

    async def emit_after_all(self) -> None:
        """Fire the signal after each row that was written."""
        for kind, group in itertools.groupby(self.done, type):
            if kind is Row:
                for row in group:
                    await self.emit_after(row)
                continue
            while chunk := list(itertools.islice(group, CHUNK)):
                await self.emit_after_inserts(kind, chunk)

    async def emit_after_inserts(self, model: type[Any], instances: list[Any]) -> None:
        """Fire ``post_save`` for new instances of one class."""
        heard = self.heard[model]
        assert heard is not None
        signal, mapping = heard.post_save, heard.mapping
        if signal is None:
            return
        try:
            column_values = stored_rows_of(mapping, [instance.__dict__ for instance in instances])
        except KeyError:  # something has expired, or is deferred
            column_values = [await self.completed(mapping, instance_state(instance)) for instance in instances]
        told = (CURRENT_INSTANCE, instances), (CURRENT_MODEL_INSTANCE, instances)
        changes = self.changes_of(heard, "save", [*map(instance_state, instances)], column_values)
        written = None if changes is None else changes.after()
        columns = (instances, instances, NOTHING_PASSED, column_values, False, False, 1, False, written)
        series = rows_of_signal("post_save", signal, model, columns, told)
        await fire_each(series)

    async def emit_after(self, row: Row) -> None:
        """Fire the signal after a row was written, or skipped."""
        heard, kind, instance, column_values, values = row.heard, row.kind, row.instance, row.column_values, row.values
        signal = heard.post.get(kind)
        if signal is None:
            return
        if kind != "delete" and not row.skipped:
            await self.complete(heard.mapping, row.state, column_values, row.is_update)
        written = None
        if row.changes is not None:
            written = of_one(row.changes.after([0] if row.skipped or not row.count else ()))
        with current(instance, instance, values):
            if kind == "delete":
                rest = emitters.post_delete(signal, heard.model, instance, instance, row.count, row.skipped)
            else:
                emit = emitters.post_save if kind == "save" else emitters.post_update
                count = row.count if column_values else 0
                told = (values, column_values, row.is_update, False, count, row.skipped, written)
                rest = emit(signal, heard.model, instance, instance, *told)
            if rest is not None:
                await rest

    def changes_of(
        self,
        heard: Heard,
        kind: str,
        states: list[InstanceState[Any]],
        rows: list[dict[str, Any]],
        callers: list[Collection[str]] | None = None,
        is_update: bool = False,
    ) -> Changes | None:
        """Return the :class:`Changes` of rows, if a receiver asks."""
        asked = heard.asked.get((kind, is_update))
        if asked is None:
            return None
        changes = Changes(heard.mapping, asked, states, rows, is_update, self.reader_of(heard), callers)
        changes.stored = {number: self.old_values.get(state, {}) for number, state in enumerate(states)}
        return changes

    async def read_old_values(self, states: list[InstanceState[Any]]) -> None:
        """Read the old values that are not known of stored instances, of those of one class at once."""
        if not any(heard is not None and heard.asked for heard in self.heard.values()):
            return
        for model in dict.fromkeys(state.class_ for state in states):
            heard = self.heard[model]
            stored = [state for state in states if state.class_ is model and state.key is not None]
            if heard is None or not heard.asked or not stored:
                continue
            rows = [changed(heard.mapping, state) for state in stored]
            for row in filter(None, rows):
                row.update(dict.fromkeys(key for key, _ in heard.mapping.onupdates if key not in row))
            asked = AskedFor(False, any(asked.after for asked in heard.asked.values()))
            changes = Changes(heard.mapping, asked, stored, rows, True, self.reader_of(heard))
            await changes.keep()
            self.old_values.update((stored[number], values) for number, values in changes.stored.items())

    def reader_of(self, heard: Heard) -> Reader:
        """Return a function that reads where the rows of a class are written."""

        async def read(statement: Select[Any]) -> Sequence[Any]:
            def run() -> Sequence[Any]:
                connection = self.session.connection(bind_arguments={"mapper": heard.mapping.mapper})
                return connection.execute(statement).all()

            return await self.call(run)

        return read

    async def completed(self, mapping: TableMapping, state: InstanceState[Any]) -> dict[str, Any]:
        """Return the column values of a new row."""
        column_values: dict[str, Any] = self.saved[state]  # type: ignore[assignment]
        await self.complete(mapping, state, column_values, is_update=False)
        return column_values

    async def complete(
        self, mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any], is_update: bool
    ) -> None:
        """Give column values what the row has in the database now, read if the flush has not."""
        wanted: list[tuple[str, str]] = list(mapping.columns)
        if is_update:
            wanted = [(mapping.attributes[key], key) for key in column_values]
            if column_values:
                wanted += [(mapping.attributes[column.key], column.key) for column in mapping.made_on_update]
        unknown = [name for name, _ in wanted if name in state.expired_attributes]
        if unknown:
            await self.call(self.session.refresh, state.obj(), unknown)
        values = state.dict
        column_values.update({key: values[name] for name, key in wanted if name in values})

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call a method of the session."""
        if self.asynchronous is None:
            return function(*args)
        return await greenlet_spawn(function, *args)

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        """Let what receivers do be in the session's transaction, and the context tell them what is written."""
        asynchronous = self.asynchronous
        async with AsyncExitStack() as stack:
            connection = None
            for database, model in self.databases().items():
                assert asynchronous is not None
                found = await asynchronous.connection(bind_arguments={"mapper": inspect(model)})
                connection = connection or found.sync_connection
                await stack.enter_async_context(joined(database, found, queue_of(self.session, connection)))
            waiting = AFTER_COMMIT.set(queue_of(self.session, connection))
            try:
                with current(None, None, ()):
                    yield
            finally:
                AFTER_COMMIT.reset(waiting)

    def databases(self) -> dict[Database, type[Any]]:
        """Return the databases whose operations are the session's own now, each with a model that somebody listens to.

        They are the models' own; of a model that has none, one on the engine that the session writes it to.
        """
        if self.asynchronous is None:
            return {}
        found: dict[Database, type[Any]] = {}
        for model, heard in self.heard.items():
            if heard is None:
                continue
            database = getattr(model, "database", None)
            if not isinstance(database, Database):
                engine = self.session.get_bind(inspect(model)).engine
                database = next((each for each in databases() if each.engine.sync_engine is engine), None)
            if database is not None:
                found.setdefault(database, model)
        return found


def endless(session: Session) -> EndlessFlushError:
    """Return the error of receivers that never stop giving a flush more to write."""
    names = sorted({type(each).__name__ for each in (*session.new, *session.dirty, *session.deleted)})
    return EndlessFlushError(
        f"receivers have given the session more to write {LIMIT} times over ({', '.join(names)}): one of them changes, "
        "on each signal, what fires that signal again."
    )
