"""One instance: its INSERT, UPDATE or DELETE between its signals. ``Model``'s own methods call these.

The plans of the signals are called from here, and no function in between: that costs a save less than its receivers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstanceState, make_transient
from sqlalchemy.orm.attributes import instance_state

from ...context import CURRENT, NONE
from ...dispatch.emitters import PARAMETERS
from ...dispatch.on_request import ASKED
from ...dispatch.plans import note_of_last
from ...errors import SkipOperation
from ..databases.outcome import is_conflict
from ..mapping.instance_state import Snapshot, changed, detach
from ..mapping.pending_changes import wait_again, waiting_changes
from ..mapping.plan import new_row
from ..mapping.receiver_changes import leave_out, leave_out_defaults, take_attributes
from ..mapping.rowwise import is_unaltered
from ..mapping.settable import Noting, set_attributes
from ..meta import Meta, meta_of
from ..transactions.rollback import UNTOUCHED, RollbackScope
from .core_sql import delete_one, insert_row, update_one
from .firing import are_off, asked_of, of_one
from .gone import gone, no_longer_stored, refuse_second
from .roads import brings_changes, delete_needs_flush, needs_flush

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from ..database import Using
    from ..mapping.table import TableMapping

__all__ = ["delete", "save", "set_values", "update"]

T = TypeVar("T")

BEFORE: Final = {kind: PARAMETERS[f"pre_{kind}"] for kind in ("save", "update", "delete")}
"""The names of the parameters of the signal before, by its kind."""
AFTER: Final = {kind: PARAMETERS[f"post_{kind}"] for kind in ("save", "update", "delete")}


async def save(
    caller: object,
    instance: T,
    values: dict[str, Any],
    using: Using | None,
    *,
    force_insert: bool = False,
    is_new: bool = False,
    to_set: Mapping[str, Any] | None = None,
    note: str | None = None,
) -> T | None:
    """Insert or update one instance, with its save signals.

    Args:
        caller: The instance or the queryset that the call was made on.
        instance: The instance.
        values: The values that the caller gave, by attribute name.
        using: Where to write, instead of the class's database.
        force_insert: INSERT it, though it is stored.
        is_new: Refuse it, if it is stored.
        to_set: Those of the values that the instance does not have yet.
        note: The note of an error inside the operation, if it gets one.

    Returns:
        The instance; ``None`` when a receiver skipped the operation.

    Raises:
        AlreadyStoredError: Another task has saved the new instance meanwhile: in a transaction of its own, or it was
            to be new.
        UnknownAttributeError: A name is no attribute of the class.
        TransactionEndedError: The instance was stored when the call was made, and is not any more.
    """
    meta = meta_of(type(instance))
    state: InstanceState[Any] = instance_state(instance)
    call = state.key is not None, force_insert, is_new, to_set
    return await write("save", meta, state, caller, instance, values, values_to_save, call, using, note)


def values_to_save(
    mapping: TableMapping,
    state: InstanceState[Any],
    before: Snapshot,
    was_stored: bool,
    force_insert: bool,
    is_new: bool,
    to_set: Mapping[str, Any] | None,
) -> tuple[dict[str, Any], bool, None]:
    """Return the values that a save writes, by column key, and whether it is an UPDATE; see :func:`save`.

    Args:
        mapping: The class's.
        state: The state of the instance.
        before: The condition of the instance when the operation has its turn.
        was_stored: It was stored when the call was made.
        force_insert: INSERT it, though it is stored.
        is_new: Refuse it, if it is stored.
        to_set: The values to set.
    """
    is_update = not force_insert and before.key is not None
    if is_update:
        if is_new:
            refuse_second(state.obj())
        if state.was_deleted:
            raise gone(state)
    elif was_stored and not force_insert:
        raise no_longer_stored(state)
    if to_set:
        set_values(mapping, state.obj(), to_set, before)
    if not is_update:
        return new_row(mapping, state.dict), False, None
    column_values = changed(mapping, state)
    if column_values and mapping.onupdates:
        mapping.complete(column_values, mapping.onupdates)
    return column_values, True, None


async def update(instance: T, values: dict[str, Any], using: Using | None) -> T | None:
    """Set attributes of a stored instance and update these alone, with its update signals; see :func:`save`.

    Raises:
        UnknownAttributeError: A name is no attribute of the class.
        TransactionEndedError: The instance was stored when the call was made, and is not any more.
    """
    meta = meta_of(type(instance))
    state: InstanceState[Any] = instance_state(instance)
    return await write("update", meta, state, instance, instance, values, values_to_update, (values,), using)


def values_to_update(
    mapping: TableMapping, state: InstanceState[Any], before: Snapshot, values: dict[str, Any]
) -> tuple[dict[str, Any], bool, list[tuple[str, Any]] | None]:
    """Set the values of an update, and return those that it writes, by column key, and the changes that stay pending.

    Args:
        mapping: The class's.
        state: The state of the instance.
        before: The condition of the instance when the operation has its turn.
        values: The values that the caller gave, by attribute name.
    """
    if before.key is None:
        raise no_longer_stored(state)
    if state.was_deleted:
        raise gone(state)
    waiting = None
    names = set_values(mapping, state.obj(), values, before)
    columns = changed(mapping, state)
    column_values = {key: value for key, value in columns.items() if mapping.attributes[key] in names}
    if mapping.onupdates:
        if column_values:
            mapping.complete(column_values, mapping.onupdates)
        waiting = waiting_changes(mapping, columns, column_values, names)
    return column_values, True, waiting


def set_values(
    mapping: TableMapping, instance: object, values: Mapping[str, Any], before: Snapshot
) -> AbstractSet[object]:
    """Set attributes by name; none, where one of them does not exist or refuses its value.

    Returns:
        The names of the attributes that were set: those of a synonym, a hybrid or a composite are its columns'.

    Raises:
        UnknownAttributeError: A name is no attribute of the class.
    """
    state = instance_state(instance)
    noting = None
    if before.committed:  # changes are pending, and one of them may be set again
        noting = state.committed_state = Noting(state.committed_state)
    try:
        set_attributes(mapping, instance, values)
    except BaseException:
        before.put_back(state)
        raise
    finally:
        if noting is not None:
            state.committed_state = dict(noting)
    return state.committed_state.keys() if noting is None else noting.names


async def write(  # noqa: PLR0915 - the way of one row, in a line
    kind: str,
    meta: Meta,
    state: InstanceState[Any],
    caller: object,
    instance: T,
    values: dict[str, Any],
    prepare: Callable[..., tuple[dict[str, Any], bool, list[tuple[str, Any]] | None]],
    call: tuple[Any, ...],
    using: Using | None,
    note: str | None = None,
) -> T | None:
    """Write one instance, with the signals of that kind, ``save`` or ``update``, in one transaction.

    The values to write are read when the operation has its turn: another task, for which it has waited, may have
    written the same instance.

    Args:
        kind: The kind of the signals.
        meta: The class's.
        state: The state of the instance.
        caller: The instance or the queryset that the call was made on.
        instance: The instance.
        values: The values that the caller gave, by attribute name.
        prepare: :func:`values_to_save` or :func:`values_to_update`.
        call: Its further arguments.
        using: Where to write, instead of the class's database.
        note: The note of an error inside the operation, if it gets one.

    Raises:
        SkipOperation: A receiver of the signal after raised it, when there is nothing left to skip.
    """
    model, mapping = type(instance), meta._mapping
    pre, post = meta.signals._around(kind)
    is_off = are_off()
    asked = changes = given = written = token = None
    row_count = 0
    skipped = is_writing = sets_key = False
    scope = RollbackScope(state, UNTOUCHED)
    async with meta.operation(using, scope) as transaction:
        before = Snapshot(state)
        scope.own = (state, before)
        column_values, is_update, waiting = prepare(mapping, state, before, *call)
        if ASKED and not ASKED.isdisjoint(map(id, model.__mro__)):
            asked = asked_of(meta.signals, kind, model, is_update)
        if asked is not None:
            from .row_changes import Changes  # here: most programs ask for no changes
            from .rows_of_keys import reader_on

            changes = Changes(mapping, asked, [state], [column_values], is_update, reader_on(transaction))
        plan = None if is_off else pre.plan(model, BEFORE[kind])
        if plan is not None or (not is_off and post.has_receivers_for(model)):
            token = CURRENT.set((caller, instance, frozenset(values) if values else NONE))
        try:
            if plan is not None:
                loaded = state.dict
                was, columns_before = loaded.copy(), column_values.copy()
                if changes is not None:
                    given = of_one(await changes.before())
                try:
                    rest = plan(model, caller, instance, values, column_values, is_update, False, given)
                    if rest is not None:
                        await rest
                except SkipOperation:
                    skipped = True
                except Exception as error:
                    note_of_last(plan, error, model)
                    raise
                if column_values.keys() != columns_before.keys():
                    mapping.refuse_unknown(column_values.keys())
                    if not skipped:
                        leave_out(mapping, state, columns_before, column_values)
                if not skipped:
                    if not is_unaltered(loaded, was):
                        if is_update:
                            scope.take_over(mapping, [(state, before)])
                        take_attributes(mapping, state, was, columns_before, column_values, is_update)
                    if is_update and len(column_values) < len(columns_before):
                        leave_out_defaults(mapping, state, columns_before, column_values)
            if changes is not None and not skipped:
                await changes.keep()
            is_writing = not skipped
            if skipped:
                if state.key is before.key:
                    if is_update:
                        scope.take_over(mapping, [(state, before)])
                    before.put_back(state)
            elif needs_flush(mapping, state, column_values, is_update) or (
                kind == "save" and mapping.relationships and brings_changes(mapping, state)
            ):
                from . import unit_of_work  # here and below: most mappings need none

                if state.session_id is not None:
                    await unit_of_work.wait_for_flush(state)
                if not is_update and state.key is not before.key:
                    refuse_second(instance)
                sets_key = not is_update
                row_count = await unit_of_work.write(transaction, mapping, [(instance, column_values)], is_update)
                sets_key = True
            elif is_update:
                row_count = await update_one(transaction, mapping, state, column_values)
                sets_key = True
            else:
                await insert_row(transaction, mapping, column_values)
                if state.key is not before.key:
                    refuse_second(instance)
                sets_key = True
                detach(mapping, state, column_values)
                row_count = 1
            if changes is not None:
                written = of_one(changes.after([0] if skipped else ()))
            plan = None if is_off else post.plan(model, AFTER[kind])
            if plan is not None:
                try:
                    rest = plan(
                        model, caller, instance, values, column_values, is_update, False, row_count, skipped, written
                    )
                    if rest is not None:
                        await rest
                except Exception as error:
                    note_of_last(plan, error, model)
                    raise
        except Exception as error:
            if (
                isinstance(error, IntegrityError)
                and not sets_key
                and state.key is not before.key
                and is_conflict(error)
            ):
                refuse_second(instance, error)
            if note is not None:
                error.add_note(note)
            raise
        finally:
            if not sets_key and state.key is not before.key:  # another task has stored the instance, or deleted it
                scope.own = None
            elif is_update and not is_writing:
                scope.take_over(mapping, [(state, before)])
            if token is not None:
                CURRENT.reset(token)
    if waiting and not skipped:
        wait_again(state, waiting)
    return None if skipped else instance


async def delete(instance: object, using: Using | None) -> int:  # noqa: PLR0915 - as above
    """Delete the row of a stored instance, with its delete signals; return the number of rows.

    Raises:
        SkipOperation: A receiver of ``post_delete`` raised it.
        TransactionEndedError: The instance was stored when the call was made, and is not any more.
    """
    model = type(instance)
    meta = meta_of(model)
    mapping = meta._mapping
    pre, post = meta.signals._around("delete")
    is_off = are_off()
    state: InstanceState[Any] = instance_state(instance)
    token = None
    row_count = 0
    skipped = is_writing = is_deleted = False
    scope = RollbackScope(state, UNTOUCHED)
    async with meta.operation(using, scope) as transaction:
        if state.key is None:
            raise no_longer_stored(state)
        before = Snapshot(state)
        scope.own = (state, before)
        plan = None if is_off else pre.plan(model, BEFORE["delete"])
        if plan is not None or (not is_off and post.has_receivers_for(model)):
            token = CURRENT.set((instance, instance, None))
        try:
            if plan is not None:
                try:
                    rest = plan(model, instance, instance, None)
                    if rest is not None:
                        await rest
                except SkipOperation:
                    skipped = True
                except Exception as error:
                    note_of_last(plan, error, model)
                    raise
            is_writing = not skipped
            if skipped and state.key is before.key:
                scope.take_over(mapping, [(state, before)])
                before.put_back(state)
            if not skipped and delete_needs_flush(mapping):
                from . import unit_of_work

                # A session refuses an instance that another one has deleted.
                row_count = 0 if state.was_deleted else await unit_of_work.delete(transaction, mapping, instance)
            elif not skipped:
                row_count = await delete_one(transaction, mapping, state)
            is_deleted = not skipped
            plan = None if is_off else post.plan(model, AFTER["delete"])
            if plan is not None:
                try:
                    rest = plan(model, instance, instance, row_count, skipped)
                    if rest is not None:
                        await rest
                except Exception as error:
                    note_of_last(plan, error, model)
                    raise
        finally:
            if not is_deleted and state.key is not before.key:  # another task has deleted the row
                scope.own = None
            elif not is_writing:
                scope.take_over(mapping, [(state, before)])
            if token is not None:
                CURRENT.reset(token)
        if not skipped:
            make_transient(instance)
    return row_count
