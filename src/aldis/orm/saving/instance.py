"""One instance: its INSERT, UPDATE or DELETE between its signals. ``Model``'s own methods call these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.orm import InstanceState, make_transient
from sqlalchemy.orm.attributes import instance_state

from ...dispatch.on_request import ASKED
from ..mapping.instance_state import Snapshot, changed, leave_out, take_attributes
from ..mapping.plan import plan_of
from ..mapping.table import mapping_of
from ..meta import meta_of, operation
from ..transactions.rollback import RollbackScope
from . import unit_of_work
from .changes import Changes, asked_of, of_one, reader_on
from .core_sql import delete_one, insert_one, update_one
from .firing import fire, is_heard, telling
from .roads import delete_needs_flush, needs_flush

if TYPE_CHECKING:
    from ..database import Using

__all__ = ["delete", "save", "update"]

T = TypeVar("T")


async def save(
    caller: object,
    instance: T,
    values: dict[str, Any],
    is_update: bool,
    using: Using | None,
    before: Snapshot,
) -> T | None:
    """Insert or update one instance, with its save signals.

    Args:
        caller: The instance or the queryset that the call was made on.
        instance: The instance, with the values set.
        values: The values that the caller gave, by attribute name.
        is_update: UPDATE it; else INSERT it.
        using: Where to write, instead of the class's database.
        before: What the instance was before the call.

    Returns:
        The instance; ``None`` when a receiver skipped the operation.
    """
    mapping = mapping_of(type(instance))
    state: InstanceState[Any] = instance_state(instance)
    if is_update:
        column_values = changed(mapping, state)
        if column_values:
            mapping.complete(column_values, mapping.onupdates)
    else:
        column_values = plan_of(mapping, state.dict).column_values(state.dict)
    return await write(caller, instance, values, column_values, is_update, using, before, "save")


async def update(instance: T, values: dict[str, Any], using: Using | None, before: Snapshot) -> T | None:
    """Update the attributes of a stored instance that are named, with its update signals; see :func:`save`."""
    mapping = mapping_of(type(instance))
    state: InstanceState[Any] = instance_state(instance)
    column_values = {
        key: value
        for key, value in changed(mapping, state).items()
        if mapping.attributes[key] in values or mapping.attributes[key] not in before.committed
    }
    if column_values:
        mapping.complete(column_values, mapping.onupdates)
    return await write(instance, instance, values, column_values, True, using, before, "update")


async def write(
    caller: object,
    instance: T,
    values: dict[str, Any],
    column_values: dict[str, Any],
    is_update: bool,
    using: Using | None,
    before: Snapshot,
    kind: str,
) -> T | None:
    """Write one instance, with the signals of that kind, ``save`` or ``update``, in one transaction."""
    model = type(instance)
    mapping = mapping_of(model)
    signals = meta_of(model).signals
    state: InstanceState[Any] = instance_state(instance)
    row_count = 0
    skipped = False
    told = (model, caller, instance, values, column_values, is_update, False)
    asked = (
        asked_of(signals, kind, model, is_update) if ASKED and not ASKED.isdisjoint(map(id, model.__mro__)) else None
    )
    changes, given, written = None, None, None
    async with operation(model, using, RollbackScope(state, before)) as transaction:
        if asked is not None:
            changes = Changes(mapping, asked, [state], [column_values], is_update, reader_on(transaction))
        with telling(signals, kind, model, caller, instance, values):
            if is_heard(signals[f"pre_{kind}"], model):
                was, columns_before = state.dict.copy(), column_values.copy()
                if changes is not None:
                    given = of_one(await changes.before())
                skipped = await fire(signals, f"pre_{kind}", *told, given)
                mapping.refuse_unknown(column_values.keys())
                if not skipped:
                    leave_out(mapping, state, columns_before, column_values)
                    take_attributes(mapping, state, was, columns_before, column_values, is_update)
            if changes is not None and not skipped:
                await changes.keep()
            if skipped:
                before.put_back(state)
            elif needs_flush(mapping, state, column_values, is_update):
                row_count = await unit_of_work.write(transaction, mapping, [(instance, column_values)], is_update)
            elif is_update:
                row_count = await update_one(transaction, mapping, state, column_values)
            else:
                row_count = await insert_one(transaction, mapping, state, column_values)
            if changes is not None:
                written = of_one(changes.after([0] if skipped else ()))
            await fire(signals, f"post_{kind}", *told, row_count, skipped, written)
    return None if skipped else instance


async def delete(instance: object, using: Using | None) -> int:
    """Delete the row of a stored instance, with its delete signals; return the number of rows."""
    model = type(instance)
    mapping = mapping_of(model)
    signals = meta_of(model).signals
    state: InstanceState[Any] = instance_state(instance)
    row_count = 0
    async with operation(model, using, RollbackScope(state, Snapshot(state))) as transaction:
        with telling(signals, "delete", model, instance, instance, None):
            skipped = await fire(signals, "pre_delete", model, instance, instance, None)
            if not skipped and delete_needs_flush(mapping):
                row_count = await unit_of_work.delete(transaction, instance)
            elif not skipped:
                row_count = await delete_one(transaction, mapping, state)
            await fire(signals, "post_delete", model, instance, instance, row_count, skipped)
        if not skipped:
            make_transient(instance)
    return row_count
