"""The other road to the database: what needs SQLAlchemy's unit of work goes through a flush.

That is several tables (joined inheritance), version counters, relationships that were set by object, and what a delete
does to related rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState, make_transient
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.exc import StaleDataError

from ..mapping.instance_state import Snapshot, is_sql, set_again, set_aside, settle_modified
from ..transactions.ambient import alone
from .flush_guards import guarded
from .gone import first_gone, gone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.orm import UOWTransaction

    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction

__all__ = ["delete", "write"]

FILLED: Final = "aldis_filled"
"""Where a session of ours keeps the attributes that have got a default of which SQLAlchemy does not know, by state."""


def unit_of_work(connection: AsyncConnection, instances: Iterable[object]) -> AsyncSession:
    """Return a session whose flush has a savepoint of its own.

    It fires the signals of related instances that it writes too; those of the ``instances`` are the caller's.
    """
    session = AsyncSession(
        connection, autoflush=False, expire_on_commit=False, join_transaction_mode="create_savepoint"
    )
    session.info["aldis"] = frozenset(map(instance_state, instances))
    return session


async def write(
    transaction: Transaction,
    mapping: TableMapping,
    rows: Sequence[tuple[Any, dict[str, Any]]],
    is_update: bool,
) -> int:
    """Insert or update instances, and related instances that have to be; return how many rows they are.

    Args:
        transaction: Where to write; it also puts the related instances back when it is undone.
        mapping: The mapping of their class.
        rows: Each instance with the values to write, by column key; they become those that were written.
        is_update: They are stored already.

    Raises:
        RowGoneError: A row is gone.
    """
    pending = [
        (instance_state(instance), set_aside(mapping, instance_state(instance), column_values))
        for instance, column_values in (rows if is_update else ())
    ]
    try:
        count = await flush(transaction, mapping, rows, is_update)
    except StaleDataError as error:
        lost = await first_gone(transaction, mapping, [state for state, _ in pending])
        if lost is None:
            raise
        raise gone(lost) from error
    for state, names in pending:
        set_again(state, names)
        settle_modified(mapping, state)
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
) -> int:
    """Flush instances in a session of their own; see :func:`write`."""
    async with (
        alone(transaction, "a flush"),
        unit_of_work(transaction.connection, [instance for instance, _ in rows]) as session,
    ):
        filled: dict[InstanceState[Any], list[str]] = {}
        session.info[FILLED] = filled
        for instance, column_values in rows:
            filled[instance_state(instance)] = take_over(mapping, instance, column_values, is_update)
            session.add(instance)
        remember_related(transaction, session, {id(instance) for instance, _ in rows})
        count = sum(session.is_modified(instance) or not is_update for instance, _ in rows)
        announce = announcing(mapping)
        if is_update:
            await session.flush()
        else:
            async with guarded(transaction, mapping, [column_values for _, column_values in rows]):
                await session.flush()
        for state, names in list(filled.items()) if announce else ():
            if names:
                announce(state, None, names)
        for instance, _ in rows:
            expired = instance_state(instance).expired_attributes
            unknown = [name for name in mapping.keys if name in expired]
            if unknown:
                await session.refresh(instance, unknown)
        await session.commit()
        session.expunge_all()
    return count


def announcing(mapping: TableMapping) -> Any:
    """Return SQLAlchemy's event ``refresh_flush`` of a class, if anybody listens, and have it tell of our defaults."""
    found = mapping.mapper.class_manager.dispatch.refresh_flush
    model = mapping.mapper.class_
    if found and not event.contains(model, "refresh_flush", tell_of_filled):
        event.listen(model, "refresh_flush", tell_of_filled, raw=True, insert=True)
    return found


def tell_of_filled(state: InstanceState[Any], context: UOWTransaction | None, names: list[str]) -> None:
    """Add to the names that SQLAlchemy announces: one event tells of all defaults, whoever has made them."""
    if context is not None:  # else it is our own announcement
        names[:0] = context.session.info.get(FILLED, {}).pop(state, ())


def remember_related(transaction: Transaction, session: AsyncSession, own: set[int]) -> None:
    """Have the related instances, which a flush may write too, put back when the transaction is undone."""
    for each in session:
        if id(each) not in own:
            state = instance_state(each)
            transaction.scope.remember(state, Snapshot(state))


async def delete(transaction: Transaction, instance: object) -> int:
    """Delete a stored instance, and do to related rows what their relationships say; return 1.

    Args:
        transaction: Where to delete; it also puts the related instances back when it is undone.
        instance: The instance.
    """
    async with (
        alone(transaction, "a flush"),
        unit_of_work(transaction.connection, [instance]) as session,
    ):
        session.add(instance)
        await session.delete(instance)
        for each in list(session.new):
            session.expunge(each)  # in a collection, but no row: a delete inserts nothing
        remember_related(transaction, session, {id(instance)})
        await session.flush()
        await session.commit()
        session.expunge_all()
    return 1


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
    for key, value in column_values.items():
        name = mapping.attributes[key]
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
