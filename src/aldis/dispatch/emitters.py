# Rendered from cext/signals.toml and cext/templates/emitters.py.jinja by `make generate`; never edited.
"""The emitters of the lifecycle signals, of the core that runs: what whoever writes rows calls."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from . import backend
from .receiver import refuse_sender

if TYPE_CHECKING or backend == "pure":
    from ._pure_emitters import (
        post_bulk,
        post_delete,
        post_migrate_revision,
        post_migrate_upgrade,
        post_save,
        post_update,
        pre_bulk,
        pre_delete,
        pre_migrate_revision,
        pre_migrate_upgrade,
        pre_save,
        pre_update,
        revision_applied_upgrade,
    )
else:
    from ._compiled import (
        post_bulk,
        post_delete,
        post_migrate_revision,
        post_migrate_upgrade,
        post_save,
        post_update,
        pre_bulk,
        pre_delete,
        pre_migrate_revision,
        pre_migrate_upgrade,
        pre_save,
        pre_update,
        revision_applied_upgrade,
    )

__all__ = [
    "post_bulk",
    "post_delete",
    "post_migrate",
    "post_save",
    "post_update",
    "pre_bulk",
    "pre_delete",
    "pre_migrate",
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
        `None` when all receivers have finished, else what is to be awaited for the rest.

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
        `None` when all receivers have finished, else what is to be awaited for the rest.

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
        `None` when all receivers have finished, else what is to be awaited for the rest.

    Raises:
        SignalError: The sender is none of this signal's.
        TypeError: A parameter is missing or too many.

    Example:
        >>> import aldis
        >>> revision_applied(aldis.Signal(), "upgrade", None, None, None, None)
    """
    emitter = REVISION_APPLIED.get(sender) or refuse_sender("revision_applied", sender, REVISION_APPLIED)
    return emitter(signal, sender, *arguments, **keywords)
