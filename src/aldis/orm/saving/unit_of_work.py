"""The other road to the database: what needs SQLAlchemy's unit of work goes through a flush.

That is several tables (joined inheritance), version counters, relationships that were set by object, and what a delete
does to related rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState, make_transient
from sqlalchemy.orm.attributes import instance_state, set_committed_value

from ..mapping.instance_state import Snapshot, has_expressions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from ..mapping.table import TableMapping
    from ..transactions.savepoints import Transaction

__all__ = ["delete", "needs_flush", "write"]


def needs_flush(mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any]) -> bool:
    """Tell whether an instance has to be written through a flush, SQL expressions among its values included."""
    if mapping.reason is not None:
        return True
    if mapping.relationships:
        touched = state.dict if state.key is None else state.committed_state
        if not mapping.relationships.isdisjoint(touched):
            return True
    return has_expressions([column_values])


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
    """Insert or update instances, and what is related to them and has to be; return how many rows they are.

    Args:
        transaction: Where to write; it also puts the related instances back when it is undone.
        mapping: The mapping of their class.
        rows: Each instance with what is to be written of it, by column key; it gets what was.
        is_update: They are stored already.
    """
    async with unit_of_work(transaction.connection, [instance for instance, _ in rows]) as session:
        for instance, column_values in rows:
            take_over(mapping, instance, column_values, is_update)
            session.add(instance)
        remember_related(transaction, session, {id(instance) for instance, _ in rows})
        count = sum(session.is_modified(instance) or not is_update for instance, _ in rows)
        await session.flush()
        for instance, _ in rows:
            state: InstanceState[Any] = instance_state(instance)
            unknown = [name for name in mapping.keys if name in state.expired_attributes]
            if unknown:
                await session.refresh(instance, unknown)
        await session.commit()
        session.expunge_all()
    for instance, column_values in rows:
        values = instance_state(instance).dict
        known = {key: values[name] for name, key in mapping.columns if name in values}
        column_values.update(known if not is_update else {key: known[key] for key in column_values if key in known})
    return count


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
    async with unit_of_work(transaction.connection, [instance]) as session:
        session.add(instance)
        await session.delete(instance)
        for each in list(session.new):
            session.expunge(each)  # in a collection, but no row: a delete inserts nothing
        remember_related(transaction, session, {id(instance)})
        await session.flush()
        await session.commit()
        session.expunge_all()
    return 1


def take_over(mapping: TableMapping, instance: object, column_values: dict[str, Any], is_update: bool) -> None:
    """Give the instance what receivers have made of its column values, and take from it what they have taken out."""
    state: InstanceState[Any] = instance_state(instance)
    if not is_update and state.key is not None:
        make_transient(instance)
    for key, value in column_values.items():
        name = mapping.attributes[key]
        if name not in state.dict or state.dict[name] is not value:
            setattr(instance, name, value)
    for name, key in mapping.columns:
        if key not in column_values and name in state.dict:
            if is_update and name in state.committed_state:
                set_committed_value(instance, name, state.committed_state[name])
            elif not is_update:
                del state.dict[name]
