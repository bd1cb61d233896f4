# Rendered from cext/signals.toml and cext/templates/pure_emitters.py.jinja by `make generate`; never edited.
"""One emitter per lifecycle signal, in Python."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final

from .foreign import fire
from .plans import note_of_last, start

__all__ = [
    "post_bulk",
    "post_delete",
    "post_migrate_revision",
    "post_migrate_upgrade",
    "post_relation_add",
    "post_relation_remove",
    "post_save",
    "post_update",
    "pre_bulk",
    "pre_delete",
    "pre_migrate_revision",
    "pre_migrate_upgrade",
    "pre_relation_add",
    "pre_relation_remove",
    "pre_save",
    "pre_update",
    "revision_applied_upgrade",
]

PRE_SAVE: Final = (
    "instance",
    "model_instance",
    "values",
    "column_values",
    "is_update",
    "is_migration",
    "changes",
)


def pre_save(
    signal: Any,
    sender: Any,
    instance: Any,
    model_instance: Any,
    values: Any,
    column_values: Any,
    is_update: Any,
    is_migration: Any,
    changes: Any = None,
) -> Coroutine[Any, Any, None] | None:
    """Before one row is inserted, or a stored instance is saved again.

    Fired by `Model.save()`, `Model.query.create()` and whatever creates through them, a session's flush.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The model class.
        instance: the object whose method was called: the model instance, or the `QuerySet`.
        model_instance: the model instance; `None` for a statement over many rows, unless the receiver has `rows=True`.
        values: the values that were passed to the call, by attribute name.
        column_values: the values for the database, by column key: a `pre_*` receiver may change them; in a `post_*`
            signal they are the values that were written, server-generated columns included.
        is_update: `False` for an INSERT, `True` for an UPDATE.
        is_migration: `True` only while a migration fills a column that was forced to be nullable.
        changes: the attributes that differ, by name, each as `Change(old, new)`: the caller's changes in a `pre_*`
            signal, the written changes in a `post_*` signal; only a receiver that names it gets it; `None` for a
            statement over many rows, unless the receiver has `rows=True`.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.pre_save(aldis.Signal(), object, None, None, None, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, PRE_SAVE)
    except AttributeError:
        return fire(
            signal,
            sender,
            PRE_SAVE,
            (
                instance,
                model_instance,
                values,
                column_values,
                is_update,
                is_migration,
                changes,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            instance,
            model_instance,
            values,
            column_values,
            is_update,
            is_migration,
            changes,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


POST_SAVE: Final = (
    "instance",
    "model_instance",
    "values",
    "column_values",
    "is_update",
    "is_migration",
    "row_count",
    "operation_skipped",
    "changes",
)


def post_save(
    signal: Any,
    sender: Any,
    instance: Any,
    model_instance: Any,
    values: Any,
    column_values: Any,
    is_update: Any,
    is_migration: Any,
    row_count: Any,
    operation_skipped: Any,
    changes: Any = None,
) -> Coroutine[Any, Any, None] | None:
    """After the row of a `pre_save` is written, in the same transaction.

    Fired by the same as `pre_save`.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The model class.
        instance: the object whose method was called: the model instance, or the `QuerySet`.
        model_instance: the model instance; `None` for a statement over many rows, unless the receiver has `rows=True`.
        values: the values that were passed to the call, by attribute name.
        column_values: the values for the database, by column key: a `pre_*` receiver may change them; in a `post_*`
            signal they are the values that were written, server-generated columns included.
        is_update: `False` for an INSERT, `True` for an UPDATE.
        is_migration: `True` only while a migration fills a column that was forced to be nullable.
        row_count: rows written or deleted; `None` where the database does not say.
        operation_skipped: `True` when a `pre_*` receiver raised `SkipOperation`.
        changes: the attributes that differ, by name, each as `Change(old, new)`: the caller's changes in a `pre_*`
            signal, the written changes in a `post_*` signal; only a receiver that names it gets it; `None` for a
            statement over many rows, unless the receiver has `rows=True`.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.post_save(aldis.Signal(), object, None, None, None, None, None, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, POST_SAVE)
    except AttributeError:
        return fire(
            signal,
            sender,
            POST_SAVE,
            (
                instance,
                model_instance,
                values,
                column_values,
                is_update,
                is_migration,
                row_count,
                operation_skipped,
                changes,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            instance,
            model_instance,
            values,
            column_values,
            is_update,
            is_migration,
            row_count,
            operation_skipped,
            changes,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


PRE_UPDATE: Final = (
    "instance",
    "model_instance",
    "values",
    "column_values",
    "is_update",
    "is_migration",
    "changes",
)


def pre_update(
    signal: Any,
    sender: Any,
    instance: Any,
    model_instance: Any,
    values: Any,
    column_values: Any,
    is_update: Any,
    is_migration: Any,
    changes: Any = None,
) -> Coroutine[Any, Any, None] | None:
    """Before stored rows are updated.

    Fired by `Model.update()`, `Model.query.update()`, `bulk_update`, `apply_default_force_nullable_fields`.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The model class.
        instance: the object whose method was called: the model instance, or the `QuerySet`.
        model_instance: the model instance; `None` for a statement over many rows, unless the receiver has `rows=True`.
        values: the values that were passed to the call, by attribute name.
        column_values: the values for the database, by column key: a `pre_*` receiver may change them; in a `post_*`
            signal they are the values that were written, server-generated columns included.
        is_update: `False` for an INSERT, `True` for an UPDATE.
        is_migration: `True` only while a migration fills a column that was forced to be nullable.
        changes: the attributes that differ, by name, each as `Change(old, new)`: the caller's changes in a `pre_*`
            signal, the written changes in a `post_*` signal; only a receiver that names it gets it; `None` for a
            statement over many rows, unless the receiver has `rows=True`.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.pre_update(aldis.Signal(), object, None, None, None, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, PRE_UPDATE)
    except AttributeError:
        return fire(
            signal,
            sender,
            PRE_UPDATE,
            (
                instance,
                model_instance,
                values,
                column_values,
                is_update,
                is_migration,
                changes,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            instance,
            model_instance,
            values,
            column_values,
            is_update,
            is_migration,
            changes,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


POST_UPDATE: Final = (
    "instance",
    "model_instance",
    "values",
    "column_values",
    "is_update",
    "is_migration",
    "row_count",
    "operation_skipped",
    "changes",
)


def post_update(
    signal: Any,
    sender: Any,
    instance: Any,
    model_instance: Any,
    values: Any,
    column_values: Any,
    is_update: Any,
    is_migration: Any,
    row_count: Any,
    operation_skipped: Any,
    changes: Any = None,
) -> Coroutine[Any, Any, None] | None:
    """After the rows of a `pre_update` are updated, in the same transaction.

    Fired by the same as `pre_update`.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The model class.
        instance: the object whose method was called: the model instance, or the `QuerySet`.
        model_instance: the model instance; `None` for a statement over many rows, unless the receiver has `rows=True`.
        values: the values that were passed to the call, by attribute name.
        column_values: the values for the database, by column key: a `pre_*` receiver may change them; in a `post_*`
            signal they are the values that were written, server-generated columns included.
        is_update: `False` for an INSERT, `True` for an UPDATE.
        is_migration: `True` only while a migration fills a column that was forced to be nullable.
        row_count: rows written or deleted; `None` where the database does not say.
        operation_skipped: `True` when a `pre_*` receiver raised `SkipOperation`.
        changes: the attributes that differ, by name, each as `Change(old, new)`: the caller's changes in a `pre_*`
            signal, the written changes in a `post_*` signal; only a receiver that names it gets it; `None` for a
            statement over many rows, unless the receiver has `rows=True`.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.post_update(aldis.Signal(), object, None, None, None, None, None, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, POST_UPDATE)
    except AttributeError:
        return fire(
            signal,
            sender,
            POST_UPDATE,
            (
                instance,
                model_instance,
                values,
                column_values,
                is_update,
                is_migration,
                row_count,
                operation_skipped,
                changes,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            instance,
            model_instance,
            values,
            column_values,
            is_update,
            is_migration,
            row_count,
            operation_skipped,
            changes,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


PRE_DELETE: Final = (
    "instance",
    "model_instance",
    "injected_filters",
)


def pre_delete(
    signal: Any,
    sender: Any,
    instance: Any,
    model_instance: Any,
    injected_filters: Any,
) -> Coroutine[Any, Any, None] | None:
    """Before rows are deleted.

    Fired by `Model.delete()`, `Model.query.delete()`, a session's flush.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The model class.
        instance: the object whose method was called: the model instance, or the `QuerySet`.
        model_instance: the model instance; `None` for a statement over many rows, unless the receiver has `rows=True`.
        injected_filters: conditions that narrow a queryset's delete: the receiver's to add to; `None` for one instance.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.pre_delete(aldis.Signal(), object, None, None, None)
    """
    try:
        plan = signal.plan(sender, PRE_DELETE)
    except AttributeError:
        return fire(
            signal,
            sender,
            PRE_DELETE,
            (
                instance,
                model_instance,
                injected_filters,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            instance,
            model_instance,
            injected_filters,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


POST_DELETE: Final = (
    "instance",
    "model_instance",
    "row_count",
    "operation_skipped",
)


def post_delete(
    signal: Any,
    sender: Any,
    instance: Any,
    model_instance: Any,
    row_count: Any,
    operation_skipped: Any,
) -> Coroutine[Any, Any, None] | None:
    """After the rows of a `pre_delete` are deleted, in the same transaction.

    Fired by the same as `pre_delete`.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The model class.
        instance: the object whose method was called: the model instance, or the `QuerySet`.
        model_instance: the model instance; `None` for a statement over many rows, unless the receiver has `rows=True`.
        row_count: rows written or deleted; `None` where the database does not say.
        operation_skipped: `True` when a `pre_*` receiver raised `SkipOperation`.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.post_delete(aldis.Signal(), object, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, POST_DELETE)
    except AttributeError:
        return fire(
            signal,
            sender,
            POST_DELETE,
            (
                instance,
                model_instance,
                row_count,
                operation_skipped,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            instance,
            model_instance,
            row_count,
            operation_skipped,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


PRE_BULK: Final = (
    "instance",
    "operation",
    "raw_values",
    "create_params",
    "update_params",
    "update_fields",
    "ignore_conflicts",
)


def pre_bulk(
    signal: Any,
    sender: Any,
    instance: Any,
    operation: Any,
    raw_values: Any,
    create_params: Any,
    update_params: Any,
    update_fields: Any,
    ignore_conflicts: Any,
) -> Coroutine[Any, Any, None] | None:
    """Before a bulk operation, once.

    Fired by `bulk_create`, `bulk_update`, `bulk_get_or_create`, `bulk_update_or_create`.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The model class.
        instance: the object whose method was called: the model instance, or the `QuerySet`.
        operation: the name of the bulk method.
        raw_values: the instances or dictionaries that were passed.
        create_params: the values that created rows get.
        update_params: the values that updated rows get.
        update_fields: the attributes that an update writes.
        ignore_conflicts: whether rows that exist are passed over.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.pre_bulk(aldis.Signal(), object, None, None, None, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, PRE_BULK)
    except AttributeError:
        return fire(
            signal,
            sender,
            PRE_BULK,
            (
                instance,
                operation,
                raw_values,
                create_params,
                update_params,
                update_fields,
                ignore_conflicts,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            instance,
            operation,
            raw_values,
            create_params,
            update_params,
            update_fields,
            ignore_conflicts,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


POST_BULK: Final = (
    "instance",
    "operation",
    "raw_values",
    "create_params",
    "update_params",
    "update_fields",
    "ignore_conflicts",
    "row_count_create",
    "row_count_update",
    "operation_skipped",
)


def post_bulk(
    signal: Any,
    sender: Any,
    instance: Any,
    operation: Any,
    raw_values: Any,
    create_params: Any,
    update_params: Any,
    update_fields: Any,
    ignore_conflicts: Any,
    row_count_create: Any,
    row_count_update: Any,
    operation_skipped: Any,
) -> Coroutine[Any, Any, None] | None:
    """After a bulk operation, once, in the same transaction.

    Fired by the same as `pre_bulk`.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The model class.
        instance: the object whose method was called: the model instance, or the `QuerySet`.
        operation: the name of the bulk method.
        raw_values: the instances or dictionaries that were passed.
        create_params: the values that created rows get.
        update_params: the values that updated rows get.
        update_fields: the attributes that an update writes.
        ignore_conflicts: whether rows that exist are passed over.
        row_count_create: rows inserted.
        row_count_update: rows updated.
        operation_skipped: `True` when a `pre_*` receiver raised `SkipOperation`.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.post_bulk(aldis.Signal(), object, None, None, None, None, None, None, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, POST_BULK)
    except AttributeError:
        return fire(
            signal,
            sender,
            POST_BULK,
            (
                instance,
                operation,
                raw_values,
                create_params,
                update_params,
                update_fields,
                ignore_conflicts,
                row_count_create,
                row_count_update,
                operation_skipped,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            instance,
            operation,
            raw_values,
            create_params,
            update_params,
            update_fields,
            ignore_conflicts,
            row_count_create,
            row_count_update,
            operation_skipped,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


PRE_RELATION_ADD: Final = (
    "instance",
    "relation",
    "related",
    "secondary",
)


def pre_relation_add(
    signal: Any,
    sender: Any,
    instance: Any,
    relation: Any,
    related: Any,
    secondary: Any,
) -> Coroutine[Any, Any, None] | None:
    """Before rows of a many-to-many's secondary table are inserted.

    Fired by `instance.relation(name).add()` and `set()`, a session's flush, `Model.save()` of an instance whose
        collection was changed.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The model class.
        instance: the instance that has the collection: the owner.
        relation: the name of the relationship, `"tags"`.
        related: the instances at the other end that are linked, or not any more; `None` for a `clear()` in one
            statement.
        secondary: the table between the two classes.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.pre_relation_add(aldis.Signal(), object, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, PRE_RELATION_ADD)
    except AttributeError:
        return fire(
            signal,
            sender,
            PRE_RELATION_ADD,
            (
                instance,
                relation,
                related,
                secondary,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            instance,
            relation,
            related,
            secondary,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


POST_RELATION_ADD: Final = (
    "instance",
    "relation",
    "related",
    "secondary",
    "row_count",
    "operation_skipped",
)


def post_relation_add(
    signal: Any,
    sender: Any,
    instance: Any,
    relation: Any,
    related: Any,
    secondary: Any,
    row_count: Any,
    operation_skipped: Any,
) -> Coroutine[Any, Any, None] | None:
    """After the rows of a `pre_relation_add` are inserted, in the same transaction.

    Fired by the same as `pre_relation_add`.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The model class.
        instance: the instance that has the collection: the owner.
        relation: the name of the relationship, `"tags"`.
        related: the instances at the other end that are linked, or not any more; `None` for a `clear()` in one
            statement.
        secondary: the table between the two classes.
        row_count: rows written or deleted; `None` where the database does not say.
        operation_skipped: `True` when a `pre_*` receiver raised `SkipOperation`.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.post_relation_add(aldis.Signal(), object, None, None, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, POST_RELATION_ADD)
    except AttributeError:
        return fire(
            signal,
            sender,
            POST_RELATION_ADD,
            (
                instance,
                relation,
                related,
                secondary,
                row_count,
                operation_skipped,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            instance,
            relation,
            related,
            secondary,
            row_count,
            operation_skipped,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


PRE_RELATION_REMOVE: Final = (
    "instance",
    "relation",
    "related",
    "secondary",
)


def pre_relation_remove(
    signal: Any,
    sender: Any,
    instance: Any,
    relation: Any,
    related: Any,
    secondary: Any,
) -> Coroutine[Any, Any, None] | None:
    """Before rows of a many-to-many's secondary table are deleted.

    Fired by `instance.relation(name).remove()`, `set()` and `clear()`, a session's flush, `Model.save()` of an instance
        whose collection was changed, `Model.delete()` of one side.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The model class.
        instance: the instance that has the collection: the owner.
        relation: the name of the relationship, `"tags"`.
        related: the instances at the other end that are linked, or not any more; `None` for a `clear()` in one
            statement.
        secondary: the table between the two classes.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.pre_relation_remove(aldis.Signal(), object, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, PRE_RELATION_REMOVE)
    except AttributeError:
        return fire(
            signal,
            sender,
            PRE_RELATION_REMOVE,
            (
                instance,
                relation,
                related,
                secondary,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            instance,
            relation,
            related,
            secondary,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


POST_RELATION_REMOVE: Final = (
    "instance",
    "relation",
    "related",
    "secondary",
    "row_count",
    "operation_skipped",
)


def post_relation_remove(
    signal: Any,
    sender: Any,
    instance: Any,
    relation: Any,
    related: Any,
    secondary: Any,
    row_count: Any,
    operation_skipped: Any,
) -> Coroutine[Any, Any, None] | None:
    """After the rows of a `pre_relation_remove` are deleted, in the same transaction.

    Fired by the same as `pre_relation_remove`.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The model class.
        instance: the instance that has the collection: the owner.
        relation: the name of the relationship, `"tags"`.
        related: the instances at the other end that are linked, or not any more; `None` for a `clear()` in one
            statement.
        secondary: the table between the two classes.
        row_count: rows written or deleted; `None` where the database does not say.
        operation_skipped: `True` when a `pre_*` receiver raised `SkipOperation`.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.post_relation_remove(aldis.Signal(), object, None, None, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, POST_RELATION_REMOVE)
    except AttributeError:
        return fire(
            signal,
            sender,
            POST_RELATION_REMOVE,
            (
                instance,
                relation,
                related,
                secondary,
                row_count,
                operation_skipped,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            instance,
            relation,
            related,
            secondary,
            row_count,
            operation_skipped,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


PRE_MIGRATE_UPGRADE: Final = (
    "config",
    "revision",
    "sql",
    "tag",
)


def pre_migrate_upgrade(
    signal: Any,
    sender: Any,
    config: Any,
    revision: Any,
    sql: Any,
    tag: Any,
) -> Coroutine[Any, Any, None] | None:
    """Before an Alembic command touches anything.

    Fired by `aldis.migrations.upgrade`, `downgrade`, `revision` and the command line.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The command: upgrade, downgrade.
        config: Alembic's configuration.
        revision: the revision, or range, that was asked for.
        sql: whether the command only writes SQL (Alembic's offline mode).
        tag: the tag that `env.py` may read.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.pre_migrate(aldis.Signal(), "upgrade", None, None, None, None)
    """
    try:
        plan = signal.plan(sender, PRE_MIGRATE_UPGRADE)
    except AttributeError:
        return fire(
            signal,
            sender,
            PRE_MIGRATE_UPGRADE,
            (
                config,
                revision,
                sql,
                tag,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            config,
            revision,
            sql,
            tag,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


PRE_MIGRATE_REVISION: Final = (
    "config",
    "message",
    "autogenerate",
    "sql",
    "head",
    "splice",
    "branch_label",
    "version_path",
    "revision_id",
)


def pre_migrate_revision(
    signal: Any,
    sender: Any,
    config: Any,
    message: Any,
    autogenerate: Any,
    sql: Any,
    head: Any,
    splice: Any,
    branch_label: Any,
    version_path: Any,
    revision_id: Any,
) -> Coroutine[Any, Any, None] | None:
    """Before an Alembic command touches anything.

    Fired by `aldis.migrations.upgrade`, `downgrade`, `revision` and the command line.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The command: revision.
        config: Alembic's configuration.
        message: the new revision's message.
        autogenerate: whether the models are compared with the database.
        sql: whether the command only writes SQL (Alembic's offline mode).
        head: the head that the new revision follows.
        splice: whether the new revision may follow one that is no head.
        branch_label: the label of the branch that the new revision begins.
        version_path: the directory of the new revision.
        revision_id: the id of the revision.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.pre_migrate(aldis.Signal(), "revision", None, None, None, None, None, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, PRE_MIGRATE_REVISION)
    except AttributeError:
        return fire(
            signal,
            sender,
            PRE_MIGRATE_REVISION,
            (
                config,
                message,
                autogenerate,
                sql,
                head,
                splice,
                branch_label,
                version_path,
                revision_id,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            config,
            message,
            autogenerate,
            sql,
            head,
            splice,
            branch_label,
            version_path,
            revision_id,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


POST_MIGRATE_UPGRADE: Final = (
    "config",
    "revision",
    "sql",
    "tag",
)


def post_migrate_upgrade(
    signal: Any,
    sender: Any,
    config: Any,
    revision: Any,
    sql: Any,
    tag: Any,
) -> Coroutine[Any, Any, None] | None:
    """After an Alembic command has succeeded.

    Fired by the same as `pre_migrate`.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The command: upgrade, downgrade.
        config: Alembic's configuration.
        revision: the revision, or range, that was asked for.
        sql: whether the command only writes SQL (Alembic's offline mode).
        tag: the tag that `env.py` may read.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.post_migrate(aldis.Signal(), "upgrade", None, None, None, None)
    """
    try:
        plan = signal.plan(sender, POST_MIGRATE_UPGRADE)
    except AttributeError:
        return fire(
            signal,
            sender,
            POST_MIGRATE_UPGRADE,
            (
                config,
                revision,
                sql,
                tag,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            config,
            revision,
            sql,
            tag,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


POST_MIGRATE_REVISION: Final = (
    "config",
    "message",
    "autogenerate",
    "sql",
    "head",
    "splice",
    "branch_label",
    "version_path",
    "revision_id",
)


def post_migrate_revision(
    signal: Any,
    sender: Any,
    config: Any,
    message: Any,
    autogenerate: Any,
    sql: Any,
    head: Any,
    splice: Any,
    branch_label: Any,
    version_path: Any,
    revision_id: Any,
) -> Coroutine[Any, Any, None] | None:
    """After an Alembic command has succeeded.

    Fired by the same as `pre_migrate`.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The command: revision.
        config: Alembic's configuration.
        message: the new revision's message.
        autogenerate: whether the models are compared with the database.
        sql: whether the command only writes SQL (Alembic's offline mode).
        head: the head that the new revision follows.
        splice: whether the new revision may follow one that is no head.
        branch_label: the label of the branch that the new revision begins.
        version_path: the directory of the new revision.
        revision_id: the id of the revision.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.post_migrate(aldis.Signal(), "revision", None, None, None, None, None, None, None, None, None)
    """
    try:
        plan = signal.plan(sender, POST_MIGRATE_REVISION)
    except AttributeError:
        return fire(
            signal,
            sender,
            POST_MIGRATE_REVISION,
            (
                config,
                message,
                autogenerate,
                sql,
                head,
                splice,
                branch_label,
                version_path,
                revision_id,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            config,
            message,
            autogenerate,
            sql,
            head,
            splice,
            branch_label,
            version_path,
            revision_id,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise


REVISION_APPLIED_UPGRADE: Final = (
    "revision_id",
    "down_revision",
    "connection",
    "seconds",
)


def revision_applied_upgrade(
    signal: Any,
    sender: Any,
    revision_id: Any,
    down_revision: Any,
    connection: Any,
    seconds: Any,
) -> Coroutine[Any, Any, None] | None:
    """After one revision was applied or taken back, in the migrations' transaction.

    Fired by `aldis.migrations.upgrade`, `downgrade`, the command line, and any Alembic command whose `env.py` calls
        `aldis.migrations.configure`.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The command: upgrade, downgrade.
        revision_id: the id of the revision.
        down_revision: the id of the one before it; a tuple where branches merge, `None` at the base.
        connection: the connection that the migrations run on, in their transaction.
        seconds: how long it took, in seconds.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        TypeError: The signal is not one.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import emitters
        >>> emitters.revision_applied(aldis.Signal(), "upgrade", None, None, None, None)
    """
    try:
        plan = signal.plan(sender, REVISION_APPLIED_UPGRADE)
    except AttributeError:
        return fire(
            signal,
            sender,
            REVISION_APPLIED_UPGRADE,
            (
                revision_id,
                down_revision,
                connection,
                seconds,
            ),
        )
    if plan is None:
        return None
    try:
        rest = plan(
            sender,
            revision_id,
            down_revision,
            connection,
            seconds,
        )
        return None if rest is None else start(plan, rest, sender)
    except Exception as error:
        note_of_last(plan, error, sender)
        raise
