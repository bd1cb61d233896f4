# Rendered from cext/signals.toml and cext/templates/emitters.py.jinja by `make generate`; never edited.
"""The emitters of the lifecycle signals, on the core that runs. Code that writes rows calls them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from . import _pure_emitters, backend, core
from .on_request import hide
from .plans import note_of_last, rest_of_plan, start
from .receiver import refuse_sender

PARAMETERS: Final[dict[str, tuple[str, ...]]] = {
    "pre_save": (
        "instance",
        "model_instance",
        "values",
        "column_values",
        "is_update",
        "is_migration",
        "changes",
    ),
    "post_save": (
        "instance",
        "model_instance",
        "values",
        "column_values",
        "is_update",
        "is_migration",
        "row_count",
        "operation_skipped",
        "changes",
    ),
    "pre_update": (
        "instance",
        "model_instance",
        "values",
        "column_values",
        "is_update",
        "is_migration",
        "changes",
    ),
    "post_update": (
        "instance",
        "model_instance",
        "values",
        "column_values",
        "is_update",
        "is_migration",
        "row_count",
        "operation_skipped",
        "changes",
    ),
    "pre_delete": (
        "instance",
        "model_instance",
        "injected_filters",
    ),
    "post_delete": (
        "instance",
        "model_instance",
        "row_count",
        "operation_skipped",
    ),
    "pre_bulk": (
        "instance",
        "operation",
        "raw_values",
        "create_params",
        "update_params",
        "update_fields",
        "ignore_conflicts",
    ),
    "post_bulk": (
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
    ),
    "pre_relation_add": (
        "instance",
        "relation",
        "related",
        "secondary",
    ),
    "post_relation_add": (
        "instance",
        "relation",
        "related",
        "secondary",
        "row_count",
        "operation_skipped",
    ),
    "pre_relation_remove": (
        "instance",
        "relation",
        "related",
        "secondary",
    ),
    "post_relation_remove": (
        "instance",
        "relation",
        "related",
        "secondary",
        "row_count",
        "operation_skipped",
    ),
    "pre_migrate_upgrade": (
        "config",
        "revision",
        "sql",
        "tag",
    ),
    "pre_migrate_revision": (
        "config",
        "message",
        "autogenerate",
        "sql",
        "head",
        "splice",
        "branch_label",
        "version_path",
        "revision_id",
    ),
    "post_migrate_upgrade": (
        "config",
        "revision",
        "sql",
        "tag",
    ),
    "post_migrate_revision": (
        "config",
        "message",
        "autogenerate",
        "sql",
        "head",
        "splice",
        "branch_label",
        "version_path",
        "revision_id",
    ),
    "revision_applied_upgrade": (
        "revision_id",
        "down_revision",
        "connection",
        "seconds",
    ),
}
"""The parameters of each emitter after the sender, in order."""

for of_rows in ("pre_save", "post_save", "pre_update", "post_update"):
    hide(PARAMETERS[of_rows], "changes")

if TYPE_CHECKING or backend == "pure":
    from ._pure_emitters import (
        post_bulk,
        post_delete,
        post_migrate_revision,
        post_migrate_upgrade,
        post_relation_add,
        post_relation_remove,
        post_save,
        post_update,
        pre_bulk,
        pre_delete,
        pre_migrate_revision,
        pre_migrate_upgrade,
        pre_relation_add,
        pre_relation_remove,
        pre_save,
        pre_update,
        revision_applied_upgrade,
    )
else:

    def in_c(name: str) -> Callable[..., Any]:
        """Return an emitter in C."""
        return core.new_emitter(getattr(_pure_emitters, name), PARAMETERS[name], note_of_last, start, rest_of_plan)

    post_bulk = in_c("post_bulk")
    post_delete = in_c("post_delete")
    post_migrate_revision = in_c("post_migrate_revision")
    post_migrate_upgrade = in_c("post_migrate_upgrade")
    post_relation_add = in_c("post_relation_add")
    post_relation_remove = in_c("post_relation_remove")
    post_save = in_c("post_save")
    post_update = in_c("post_update")
    pre_bulk = in_c("pre_bulk")
    pre_delete = in_c("pre_delete")
    pre_migrate_revision = in_c("pre_migrate_revision")
    pre_migrate_upgrade = in_c("pre_migrate_upgrade")
    pre_relation_add = in_c("pre_relation_add")
    pre_relation_remove = in_c("pre_relation_remove")
    pre_save = in_c("pre_save")
    pre_update = in_c("pre_update")
    revision_applied_upgrade = in_c("revision_applied_upgrade")

__all__ = [
    "post_bulk",
    "post_delete",
    "post_migrate",
    "post_relation_add",
    "post_relation_remove",
    "post_save",
    "post_update",
    "pre_bulk",
    "pre_delete",
    "pre_migrate",
    "pre_relation_add",
    "pre_relation_remove",
    "pre_save",
    "pre_update",
    "revision_applied",
]

PRE_MIGRATE: dict[str, Callable[..., Coroutine[Any, Any, None] | None]] = {
    "upgrade": pre_migrate_upgrade,
    "downgrade": pre_migrate_upgrade,
    "revision": pre_migrate_revision,
}


def pre_migrate(signal: Any, sender: str, *arguments: Any, **keywords: Any) -> Coroutine[Any, Any, None] | None:
    """Before an Alembic command touches anything.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The command; it decides which parameters follow.
        arguments: The parameters of that command, in the order of the reference.
        keywords: The same by keyword.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        SignalError: The sender is none of this signal's.
        TypeError: A parameter is missing or too many.

    Example:
        >>> import aldis
        >>> pre_migrate(aldis.Signal(), "upgrade", None, None, None, None)
    """
    emitter = PRE_MIGRATE.get(sender) or refuse_sender("pre_migrate", sender, PRE_MIGRATE)
    return emitter(signal, sender, *arguments, **keywords)


POST_MIGRATE: dict[str, Callable[..., Coroutine[Any, Any, None] | None]] = {
    "upgrade": post_migrate_upgrade,
    "downgrade": post_migrate_upgrade,
    "revision": post_migrate_revision,
}


def post_migrate(signal: Any, sender: str, *arguments: Any, **keywords: Any) -> Coroutine[Any, Any, None] | None:
    """After an Alembic command has succeeded.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The command; it decides which parameters follow.
        arguments: The parameters of that command, in the order of the reference.
        keywords: The same by keyword.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        SignalError: The sender is none of this signal's.
        TypeError: A parameter is missing or too many.

    Example:
        >>> import aldis
        >>> post_migrate(aldis.Signal(), "upgrade", None, None, None, None)
    """
    emitter = POST_MIGRATE.get(sender) or refuse_sender("post_migrate", sender, POST_MIGRATE)
    return emitter(signal, sender, *arguments, **keywords)


REVISION_APPLIED: dict[str, Callable[..., Coroutine[Any, Any, None] | None]] = {
    "upgrade": revision_applied_upgrade,
    "downgrade": revision_applied_upgrade,
}


def revision_applied(signal: Any, sender: str, *arguments: Any, **keywords: Any) -> Coroutine[Any, Any, None] | None:
    """After one revision was applied or taken back, in the migrations' transaction.

    Args:
        signal: The signal to send through, a foreign `blinker.Signal` included.
        sender: The command; it decides which parameters follow.
        arguments: The parameters of that command, in the order of the reference.
        keywords: The same by keyword.

    Returns:
        `None` when all receivers have finished, else an awaitable for the rest.

    Raises:
        SignalError: The sender is none of this signal's.
        TypeError: A parameter is missing or too many.

    Example:
        >>> import aldis
        >>> revision_applied(aldis.Signal(), "upgrade", None, None, None, None)
    """
    emitter = REVISION_APPLIED.get(sender) or refuse_sender("revision_applied", sender, REVISION_APPLIED)
    return emitter(signal, sender, *arguments, **keywords)
