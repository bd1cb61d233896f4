"""The other road to the database: rows that need SQLAlchemy's unit of work go through a flush.

These are rows of several tables (joined inheritance) or with version counters, rows whose relationships were set by
object, and deletes that change related rows.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState, Session, make_transient
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE, PASSIVE_NO_RESULT
from sqlalchemy.orm.exc import StaleDataError

from ...errors import TransactionEndedError, TurnTimeoutError
from ..mapping.instance_state import STATE, Snapshot, changed, fill_in, is_sql, settle_modified
from ..mapping.pending_changes import set_again, set_aside
from ..transactions.ambient import alone, is_inside
from ..transactions.running_receiver import receiver_in
from ..transactions.settings import settings_of
from .announcing import announce, filled_of, is_announced
from .apart import set_apart
from .flush_guards import guarded
from .flushed import remember_links, remember_related
from .gone import first_gone, gone, no_longer_stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, MutableSet, Sequence
    from collections.abc import Set as AbstractSet

    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction

__all__ = ["UNDER_WAY", "delete", "flush_of_another", "wait_for_flush", "wait_for_flushes", "write"]

NOTHING: Final[frozenset[str]] = frozenset()
NOBODY: Final[frozenset[InstanceState[Any]]] = frozenset()

UNDER_WAY: Final[set[Flush]] = set()
"""The flushes of this module that are under way: without one, nobody looks for an instance in it."""


class UnitOfWork(Session):
    """A session of this module, which notes the instances that its flush deletes."""


@event.listens_for(UnitOfWork, "persistent_to_deleted")
def note_deleted(session: Session, instance: object) -> None:
    """Note an instance whose row was deleted."""
    session.info["aldis deleted"].append(instance)


class Flush:
    """A flush of this module that is under way: the operation it belongs to, and those who wait for its end."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.scope = transaction.scope_here()
        self.is_over = asyncio.Event()

    async def wait(self, who: str) -> None:
        """Wait until it is over, as long as it goes on sending statements.

        Raises:
            TurnTimeoutError: It sent no statement for ``turn_timeout`` seconds.
        """
        timeout = settings_of(self.scope.engine).turn_timeout
        while not self.is_over.is_set():
            sent = self.transaction.sent_at
            with suppress(TimeoutError):
                await asyncio.wait_for(self.is_over.wait(), timeout)
                return
            if self.transaction.sent_at == sent:
                raise TurnTimeoutError(
                    f"{who} has waited {timeout:g} s for the flush of another task that writes the instance, and that "
                    f"has sent no statement{receiver_in(self.scope.owner)}. Database(turn_timeout=...) sets the time."
                )


def flush_of_another(state: InstanceState[Any]) -> Flush | None:
    """Return the flush of another task that writes the instance, if there is one."""
    session = state.session
    flush: Flush | None = None if session is None else session.info.get("aldis flush")
    if flush is None or flush.scope.loop is not asyncio.get_running_loop() or is_inside(flush.scope):
        return None
    return flush


async def wait_for_flush(state: InstanceState[Any]) -> None:
    """Wait until no flush of another task has an instance.

    Args:
        state: The state of the instance.

    Raises:
        TurnTimeoutError: The flush sent no statement for ``turn_timeout`` seconds.
    """
    while (flush := flush_of_another(state)) is not None:
        await flush.wait(f"a call on a {state.class_.__name__}")


async def wait_for_flushes(rows: Iterable[object]) -> None:
    """Wait until no flush of another task has one of the rows that are instances; see :func:`wait_for_flush`."""
    states = [state for row in rows if isinstance(state := getattr(row, STATE, None), InstanceState)]
    while held := [state for state in states if flush_of_another(state) is not None]:
        for state in held:
            await wait_for_flush(state)


@asynccontextmanager
async def unit_of_work(transaction: Transaction, instances: Collection[object]) -> AsyncIterator[AsyncSession]:
    """Run a block with a session whose flush has a savepoint of its own.

    It fires the signals of related instances that it writes too; those of the ``instances`` are the caller's.
    """
    flush = Flush(transaction)
    remember_links(transaction, instances)
    UNDER_WAY.add(flush)
    try:
        async with AsyncSession(
            transaction.connection,
            sync_session_class=UnitOfWork,
            autoflush=False,
            expire_on_commit=False,
            join_transaction_mode="create_savepoint",
        ) as session:
            session.info["aldis"] = frozenset(map(instance_state, instances))
            session.info["aldis deleted"] = []
            session.info["aldis flush"] = flush
            yield session
    finally:
        UNDER_WAY.discard(flush)
        flush.is_over.set()


def let_go(session: AsyncSession) -> None:
    """Take all instances out of a session that has committed; those that it has deleted are new again.

    A session that does not expire its instances keeps these for ever: neither ``expunge_all()`` nor its end lets go.
    """
    session.expunge_all()
    for instance in session.info["aldis deleted"]:
        make_transient(instance)


async def write(
    transaction: Transaction,
    mapping: TableMapping,
    rows: Sequence[tuple[Any, dict[str, Any]]],
    is_update: bool,
    along: MutableSet[InstanceState[Any]] | None = None,
    left_out: Collection[object] = (),
    apart: AbstractSet[InstanceState[Any]] = NOBODY,
) -> int:
    """Insert or update instances, and related instances that have to be; return how many rows they are.

    Args:
        transaction: Where to write; it also puts the related instances back when it is undone.
        mapping: The mapping of their class.
        rows: Each instance with the values to write, by column key; they become those that were written.
        is_update: They are stored already.
        along: Gets the states of the new related instances that are inserted with them.
        left_out: Stored instances whose changes are not written, though a cascade may lead to them: receivers have
            skipped these.
        apart: The states of new instances that are not inserted, though a cascade may lead to them, unless the rows
            need them: see :func:`set_apart`.

    Raises:
        RowGoneError: A row is gone.
        TransactionEndedError: An instance that was stored is not any more: another task has deleted it.
    """
    pending = [
        (instance_state(instance), set_aside(mapping, instance_state(instance), column_values))
        for instance, column_values in (rows if is_update else ())
    ]
    skipped = [(state, set_aside(mapping, state, NOTHING), state.modified) for state in map(instance_state, left_out)]
    try:
        count = await flush(transaction, mapping, rows, is_update, along, apart)
    except StaleDataError as error:
        lost = await first_gone(transaction, mapping, [state for state, _ in pending])
        if lost is None:
            raise
        raise gone(lost) from error
    except TransactionEndedError:  # nothing else puts back an instance that is new again
        for state, names in (*pending, *((state, names) for state, names, _ in skipped)):
            set_again(state, names)
        raise
    for state, names in pending:
        set_again(state, names)
        settle_modified(mapping, state)
    for state, names, was_modified in skipped:
        set_again(state, names, was_modified)
    for instance, column_values in rows:
        values = instance_state(instance).dict
        known = {key: values[name] for name, key in mapping.columns if name in values}
        column_values.update(known if not is_update else {key: known[key] for key in column_values if key in known})
    return count


async def flush(
    transaction: Transaction,
    mapping: TableMapping,
    rows: Sequence[tuple[Any, dict[str, Any]]],
    is_update: bool,
    along: MutableSet[InstanceState[Any]] | None,
    apart: AbstractSet[InstanceState[Any]],
) -> int:
    """Flush instances in a session of their own; see :func:`write`."""
    async with (
        alone(transaction, "a flush"),
        unit_of_work(transaction, [instance for instance, _ in rows]) as session,
    ):
        announced = is_announced(mapping)
        for instance, column_values in rows:
            if is_update and instance_state(instance).key is None:  # the session would insert it again
                raise no_longer_stored(instance_state(instance))
            names = take_over(mapping, instance, column_values, is_update)
            if announced:
                filled_of(session.sync_session)[instance_state(instance)] = names
            session.add(instance)
        remember_related(transaction, session, [instance for instance, _ in rows])
        if apart:
            set_apart(session.sync_session, [instance for instance, _ in rows], apart)
        if along is not None:
            along |= {instance_state(each) for each in session.new} - session.info["aldis"]
        flushed = [instance for instance, _ in rows if not is_update or is_changed(mapping, instance_state(instance))]
        if is_update:

            def note_changed(*_flush: object) -> None:
                """Take values that listeners of ``before_update`` have set: the instances still have their history."""
                for instance, column_values in rows:
                    column_values.update(changed(mapping, instance_state(instance)))

            event.listen(session.sync_session, "after_flush", note_changed)
            await session.flush()
        else:
            async with guarded(transaction, mapping, [column_values for _, column_values in rows]):
                await session.flush()
        if announced:
            announce(session.sync_session, [instance_state(instance) for instance, _ in rows], None)
        for instance in flushed:
            expired = instance_state(instance).expired_attributes
            unknown = [name for name in mapping.keys if name in expired]
            if unknown:
                await session.refresh(instance, unknown)
        await session.commit()
        let_go(session)
    return len(flushed)


def is_changed(mapping: TableMapping, state: InstanceState[Any]) -> bool:
    """Tell whether a flush writes anything of an instance, a relationship of it included.

    Not ``session.is_modified()``, which loads the columns of a composite.
    """
    touched = {*state.committed_state, *state.__dict__.get("_pending_mutations", ())}
    names = touched.intersection(mapping.keys) | touched.intersection(mapping.relationships)
    # To ask for the history of one that was set without being loaded loads it, in some relationships.
    return any(
        state.committed_state.get(name) is PASSIVE_NO_RESULT
        or state.get_history(name, PASSIVE_NO_INITIALIZE).has_changes()
        for name in names
    )


async def delete(transaction: Transaction, mapping: TableMapping, instance: object) -> int:
    """Delete a stored instance, and treat related rows as their relationships say; return the number of its rows.

    Args:
        transaction: Where to delete; it also puts the related instances back when it is undone.
        mapping: The mapping of its class.
        instance: The instance.

    Returns:
        1; 0 where the row was gone already. Of a table whose other rows are deleted with it, it is not known which of
        them were gone: 1.

    Raises:
        StaleDataError: The row has another version; or it is gone, and related rows were to be written with it.
        TransactionEndedError: The instance is not stored any more: another task has deleted it.
    """
    state, related = instance_state(instance), list[object]()
    before = Snapshot(state)
    try:
        return await flush_deletion(transaction, instance, related)
    except StaleDataError:  # SQLAlchemy counts the rows where there is a version counter
        if related or await first_gone(transaction, mapping, [state]) is None:
            raise
        make_transient(instance)
        before.put_back(state)  # the flush was undone, which expires it
        return 0


async def flush_deletion(transaction: Transaction, instance: object, related: list[object]) -> int:
    """Delete an instance in a session of its own, see :func:`delete`; ``related`` gets the others that it may write."""
    table = instance_state(instance).mapper.base_mapper.local_table
    counts: list[int] = []

    def count(_connection: Any, cursor: Any, _sql: str, _parameters: Any, context: Any, _is_many: bool) -> None:
        if context.isdelete and context.compiled is not None and context.compiled.statement.table is table:
            counts.append(cursor.rowcount if len(context.compiled_parameters) == 1 else 1)

    async with (
        alone(transaction, "a flush"),
        unit_of_work(transaction, [instance]) as session,
    ):
        if instance_state(instance).key is None:
            raise no_longer_stored(instance_state(instance))
        session.add(instance)
        await session.delete(instance)
        for each in list(session.new):
            session.expunge(each)  # in a collection, but no row: a delete inserts nothing
        remember_related(transaction, session, [instance])
        event.listen(transaction.sync, "after_cursor_execute", count)
        try:
            await session.flush()
        finally:
            event.remove(transaction.sync, "after_cursor_execute", count)
            related += [each for each in session if each is not instance]
        await session.commit()
        key = instance_state(instance).key
        let_go(session)
        instance_state(instance).key = key  # the receivers after it may read it still
    return 0 if counts == [0] else 1


def take_over(mapping: TableMapping, instance: object, column_values: dict[str, Any], is_update: bool) -> list[str]:
    """Give the instance its column values.

    Returns:
        The names of the attributes that got a default, which SQLAlchemy does not announce: as in its own flush, nobody
        has set them.
    """
    state: InstanceState[Any] = instance_state(instance)
    if not is_update and state.key is not None:
        make_transient(instance)
    filled: list[str] = []
    defaults = {key for key, _ in mapping.onupdates}.difference(changed(mapping, state)) if is_update else NOTHING
    for key, value in column_values.items():
        name = mapping.attributes[key]
        if key in defaults and not is_sql(value):
            fill_in(state, name, value)
            filled.append(name)
            continue
        if name in state.dict and state.dict[name] is value:
            continue
        if is_update or state.dict.get(name) is not None:
            setattr(instance, name, value)
        elif value is not None:
            if is_sql(value):
                setattr(instance, name, value)
            else:
                state.dict[name] = value
                filled.append(name)
    for name, key in mapping.columns if not is_update else ():
        if key not in column_values and state.dict.get(name) is not None:
            del state.dict[name]
    return filled
