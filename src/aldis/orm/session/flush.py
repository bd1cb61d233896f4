"""The signals of one flush: those before it, in the order of the unit of work, and those after, in that of its SQL."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ...context import current
from ...dispatch import emitters
from ...dispatch.deferral import AFTER_COMMIT
from ...dispatch.of_relations import CONNECTED
from ...errors import ConfigurationError, EndlessFlushError, SkipOperation
from ...greenlets import wait_for
from ..database import Database, databases
from ..internals import has_changes, is_orphan, is_to_be_deleted, new_instances
from ..mapping.instance_state import changed, put_back
from ..mapping.parents import foreign_keys, takes_key
from ..mapping.plan import plan_of
from ..mapping.receiver_changes import take_changes
from ..mapping.table import is_listened
from ..saving.firing import of_one
from ..transactions.after_commit import queue_of
from ..transactions.given_connections import joined
from .flush_defaults import give_defaults
from .flush_inserts import CHUNK, FlushInserts, row_of_flush
from .links import Links, cancel_all, heard_links
from .order import in_order
from .pending import take_out
from .row import ASKED, Heard, Row, can_be_told

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = ["LIMIT", "Flush", "endless"]

LIMIT: Final = 100
"""How often receivers may give a flush more to write, before it is taken for an endless loop; as SQLAlchemy's own."""


class Flush(FlushInserts):
    """The signals of one flush of a session.

    Args:
        session: The session.
        only: The instances that are flushed, if not all.
        told: Instances whose signals somebody else fires.
    """

    def __init__(self, session: Session, only: Iterable[object] | None, told: Collection[InstanceState[Any]]) -> None:
        super().__init__(session)
        self.only = None if only is None else set(map(instance_state, only))
        self.told = told
        self.done: list[Any] = []
        """The rows that were written, in the order in which they were; of one that is plainly new, its instance."""
        self.links: Links | None = None
        """The signals of relations, where anybody listens to those of a class that has some."""

    def listeners_of(self, model: type[Any]) -> Heard | None:
        """Return who listens to a class, if it is a model and anybody does."""
        try:
            return self.heard[model]
        except KeyError:
            heard = Heard(model) if is_listened(model) and can_be_told(model) else None
            found = self.heard[model] = heard if heard is not None and (heard.pre or heard.post) else None
            if heard is not None and (CONNECTED or heard.mapping.associations):
                links = heard_links(self, model, heard.mapping)
                if links is not None:
                    self.links = self.links or Links(self)
                    self.links.heard[model] = links
            return found

    def concerned(self) -> bool:
        """Tell whether anybody listens to a class of which the session has something to write."""
        session = self.session
        instances = itertools.chain(new_instances(session).values(), session.dirty, session.deleted)
        heard = [self.listeners_of(model) for model in set(map(type, instances))]
        return self.links is not None or any(each is not None for each in heard)

    def receivers(self) -> Iterator[Callable[..., Any]]:
        """Return the receivers that may be called."""
        for heard in filter(None, list(self.heard.values())):
            for signal in itertools.chain(heard.pre.values(), heard.post.values()):
                yield from signal.receivers_for(heard.model)
        if self.links is not None:
            yield from self.links.receivers()

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
                has_told = self.links is not None and await self.links.before()
                if len(self.saved) == known and not to_delete and not has_told:
                    break
            else:
                raise endless(self.session)
            if self.links is not None:
                await self.links.settle()
            if self.has_told() and not self.has_work():
                await self.emit_after_all()

    def has_told(self) -> bool:
        """Tell whether there is anything of which the signals after tell."""
        return bool(self.done) or (self.links is not None and bool(self.links.changes))

    def has_work(self) -> bool:
        """Tell whether receivers have left anything to write."""
        return has_changes(self.session)

    def fresh(self) -> tuple[list[InstanceState[Any]], list[InstanceState[Any]]]:
        """Return the instances to be saved and those to be deleted, each in order, of which nothing was told yet."""
        session, saved, deleted, heard = self.session, self.saved, self.deleted, self.heard
        self.concerned()  # receivers may have added instances of other classes
        to_save: list[InstanceState[Any]] = [
            state for state, instance in new_instances(session).items() if heard[type(instance)] is not None
        ]
        if saved or deleted or self.only is not None or self.told:
            to_save = [state for state in to_save if state not in saved and self.takes_part(state)]
        to_delete: list[InstanceState[Any]] = []
        for instance in session.dirty:
            state = instance_state(instance)
            if heard[type(instance)] is None or state in saved or state in deleted or not self.takes_part(state):
                continue
            if state.key is not None and is_orphan(state):
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
        """Return the row that is told of an instance that is inserted or updated, if it is."""
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
                filled = tuple((mapping.attributes[key], key) for key in list(column_values)[own:])
            elif asked is None:
                return None
        if mapping.relationships:
            column_values.update(foreign_keys(mapping, state))
        return Row(heard, state, "save" if asked is None else asked.kind, asked, column_values, filled, names)

    def row_to_delete(self, state: InstanceState[Any]) -> Row:
        """Return the row that is told of an instance that is deleted."""
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
                if state.session_id is None or is_to_be_deleted(self.session, state):
                    continue  # a receiver of another row has seen to it
                row = self.row_to_save(state)
                if row is not None:
                    self.saved[state] = row
                    await self.emit_before(row)

    async def emit_before(self, row: Row) -> None:
        """Fire the signal before a row is written, and let the instance have the values that receivers made."""
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
            except Exception as error:
                if not row.is_linked:
                    error.add_note(f"aldis: at {row_of_flush(len(self.saved) + len(self.deleted))}")
                raise
        if kind != "delete":
            take_changes(heard.mapping, row.state, was, column_values)
        if row.changes is not None:
            await row.changes.keep()
        if kind != "delete":
            give_defaults(self.session, row)

    def skip(self, row: Row) -> None:
        """Leave a row out of the flush."""
        session = self.session
        row.skip()
        self.done.append(row)
        if row.is_linked:
            return  # its pair of instances leaves the collections
        if row.kind == "delete":
            session.add(row.instance)  # takes it off the list of those to delete
            for _, _, state, _ in row.state.mapper.cascade_iterator("delete", row.state):
                child = self.deleted.get(state)
                if child is not None and not child.skipped:
                    self.skip(child)
                elif is_to_be_deleted(session, state):
                    session.add(state.obj())
        elif row.is_update:
            cancel_all(row.state, row.heard.mapping)
            put_back(session, row.state)
        else:
            take_out(session, row.state)

    def knows(self, state: InstanceState[Any]) -> bool:
        """Tell whether an instance is written by this flush, and not yet."""
        row = self.saved.get(state)
        return row is not None and not any(each is row or each is state.obj() for each in self.done)

    def late(self, state: InstanceState[Any], is_delete: bool) -> None:
        """Fire the signal before a row that only the flush itself finds: a relationship's doing.

        Raises:
            ConfigurationError: A receiver raised :class:`SkipOperation`; it is too late for that.
        """
        heard = self.listeners_of(state.class_)
        if is_delete and self.links is not None:
            self.links.late(state)
        known = self.deleted if is_delete else self.saved
        if state in known or state in self.told or heard is None:
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
        if self.links is not None:
            await self.links.rows.after()
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
        told = 0
        for kind, group in itertools.groupby(self.done, type):
            if kind is Row:
                for row in group:
                    told += 1
                    await self.emit_after(row, told)
                continue
            while chunk := list(itertools.islice(group, CHUNK)):
                await self.emit_after_inserts(kind, chunk, told)
                told += len(chunk)
        if self.links is not None:
            await self.links.after()

    async def emit_after(self, row: Row, number: int) -> None:
        """Fire the signal after a row was written, or skipped; ``number`` is its place among the flush's rows."""
        heard, kind, instance, column_values, values = row.heard, row.kind, row.instance, row.column_values, row.values
        signal = heard.post.get(kind)
        if signal is None:
            return
        if kind != "delete" and not row.skipped:
            await self.complete(heard.mapping, row.state, column_values, row.is_update)
        written = None
        if row.changes is not None:
            written = of_one(row.changes.after([0] if row.skipped or not row.count else ()))
        try:
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
        except Exception as error:
            error.add_note(f"aldis: at {row_of_flush(number)}")
            raise

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        """Let the operations of receivers be in the session's transaction, and let the context name no row yet."""
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
        links = {} if self.links is None else self.links.heard
        for model, heard in self.heard.items():
            if heard is None and model not in links:
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
