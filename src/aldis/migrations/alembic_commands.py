"""Alembic's commands, with Alembic's parameters, between ``pre_migrate`` and ``post_migrate``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from alembic import command

from .command_run import CommandRun
from .null_fields import filling

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.environment import ProcessRevisionDirectiveFn
    from alembic.script import Script

__all__ = ["adowngrade", "amigrate", "arevision", "aupgrade", "downgrade", "migrate", "revision", "upgrade"]

Scripts: TypeAlias = "Script | list[Script | None] | None"
RevisionId: TypeAlias = "str | list[str] | tuple[str, ...]"
Path: TypeAlias = "str | os.PathLike[str]"


def upgrade(config: Config, revision: str, sql: bool = False, tag: str | None = None) -> None:
    """Upgrade to a later revision: ``alembic.command.upgrade``, between its signals.

    It may be called from anywhere: where an event loop is running in this thread, the work is done in another thread,
    and the loop stands still meanwhile; :func:`aupgrade` lets it go on.

    Args:
        config: Alembic's configuration.
        revision: The revision to go to, ``"head"``, or with ``sql`` a range, ``"a:b"``.
        sql: Write the SQL instead of running it (Alembic's offline mode).
        tag: A text that ``env.py`` may read with ``context.get_tag_argument()``.

    Raises:
        CommandError: As Alembic's.
        Exception: A receiver raised it. That of ``pre_migrate`` stops the command before it touches anything;
            :class:`SkipOperation` does so without an error.

    Example:
        >>> from alembic.config import Config
        >>> from aldis import migrations
        >>> migrations.upgrade(Config("alembic.ini"), "head")  # doctest: +SKIP
    """
    run = CommandRun("upgrade", config, revision, sql, tag)
    run.execute(partial(command.upgrade, config, revision, sql=sql, tag=tag))


async def aupgrade(config: Config, revision: str, sql: bool = False, tag: str | None = None) -> None:
    """Upgrade to a later revision, while the event loop goes on: :func:`upgrade` for async callers.

    The receivers are awaited by the caller's task. Alembic works in another thread, or in this one if ``env.py`` was
    given a connection (``config.attributes["connection"]``). A task that is cancelled waits for Alembic's end first.

    Args:
        config: As :func:`upgrade`'s, and so the others.
        revision: The revision to go to.
        sql: Write the SQL instead of running it.
        tag: A text that ``env.py`` may read.

    Raises:
        CommandError: As Alembic's.
        Exception: A receiver raised it.

    Example:
        >>> from alembic.config import Config
        >>> from aldis import migrations
        >>> async def start_up():
        ...     await migrations.aupgrade(Config("alembic.ini"), "head")
    """
    run = CommandRun("upgrade", config, revision, sql, tag)
    await run.execute_async(partial(command.upgrade, config, revision, sql=sql, tag=tag))


def downgrade(config: Config, revision: str, sql: bool = False, tag: str | None = None) -> None:
    """Go back to an earlier revision: ``alembic.command.downgrade``, between its signals; see :func:`upgrade`.

    Args:
        config: Alembic's configuration.
        revision: The revision to go back to, ``"-1"``, ``"base"``, or with ``sql`` a range, ``"b:a"``.
        sql: Write the SQL instead of running it.
        tag: A text that ``env.py`` may read.

    Raises:
        CommandError: As Alembic's.
        Exception: A receiver raised it.

    Example:
        >>> from alembic.config import Config
        >>> from aldis import migrations
        >>> migrations.downgrade(Config("alembic.ini"), "-1")  # doctest: +SKIP
    """
    run = CommandRun("downgrade", config, revision, sql, tag)
    run.execute(partial(command.downgrade, config, revision, sql=sql, tag=tag))


async def adowngrade(config: Config, revision: str, sql: bool = False, tag: str | None = None) -> None:
    """Go back to an earlier revision: :func:`downgrade` for async callers, as :func:`aupgrade`.

    Args:
        config: Alembic's configuration.
        revision: The revision to go back to.
        sql: Write the SQL instead of running it.
        tag: A text that ``env.py`` may read.

    Raises:
        CommandError: As Alembic's.
        Exception: A receiver raised it.

    Example:
        >>> from alembic.config import Config
        >>> from aldis import migrations
        >>> async def go_back():
        ...     await migrations.adowngrade(Config("alembic.ini"), "-1")
    """
    run = CommandRun("downgrade", config, revision, sql, tag)
    await run.execute_async(partial(command.downgrade, config, revision, sql=sql, tag=tag))


def revision(
    config: Config,
    message: str | None = None,
    autogenerate: bool = False,
    sql: bool = False,
    head: str = "head",
    splice: bool = False,
    branch_label: RevisionId | None = None,
    version_path: Path | None = None,
    rev_id: str | None = None,
    depends_on: str | None = None,
    process_revision_directives: ProcessRevisionDirectiveFn | None = None,
    null_fields: Sequence[str] = (),
) -> Scripts:
    """Write a new revision: ``alembic.command.revision``, between its signals.

    Args:
        config: Alembic's configuration.
        message: The revision's message.
        autogenerate: Compare the models with the database.
        sql: Write the SQL that it takes to compare, instead of a file.
        head: The head that the revision follows.
        splice: Let it follow one that is no head.
        branch_label: The label of a branch that it begins.
        version_path: The directory that it is written to.
        rev_id: Its id, instead of a random one. The signals call it ``revision_id``.
        depends_on: Further revisions that have to be applied before it.
        process_revision_directives: A function that may change the revision before it is written.
        null_fields: Fields whose new NOT NULL columns are added nullable, filled row by row through the models, with
            their signals, and then made NOT NULL: ``"User.email"``, or ``":email"`` for every model that has it.
            Takes ``autogenerate``.

    Returns:
        The script, or the scripts, as Alembic does; ``None`` if a receiver raised :class:`SkipOperation`.

    Raises:
        CommandError: As Alembic's; or a null field names no model, no column, or one that is not new.
        Exception: A receiver raised it.

    Example:
        >>> from alembic.config import Config
        >>> from aldis import migrations
        >>> migrations.revision(  # doctest: +SKIP
        ...     Config("alembic.ini"), "users have e-mail", autogenerate=True, null_fields=["User.email"]
        ... )
    """
    run, work = revising(
        config,
        message,
        autogenerate,
        sql,
        head,
        splice,
        branch_label,
        version_path,
        rev_id,
        depends_on,
        process_revision_directives,
        null_fields,
    )
    return run.execute(work)


async def arevision(config: Config, *args: Any, **options: Any) -> Scripts:
    """Write a new revision: :func:`revision` for async callers, as :func:`aupgrade`.

    Args:
        config: Alembic's configuration.
        args: As :func:`revision`'s.
        options: As :func:`revision`'s.

    Returns:
        As :func:`revision`.

    Raises:
        CommandError: As :func:`revision`'s.
        Exception: A receiver raised it.

    Example:
        >>> from alembic.config import Config
        >>> from aldis import migrations
        >>> async def write():
        ...     await migrations.arevision(Config("alembic.ini"), "users have e-mail", autogenerate=True)
    """
    run, work = revising(config, *args, **options)
    return await run.execute_async(work)


def migrate(config: Config, message: str | None = None, **options: Any) -> Scripts:
    """Write a new revision of the differences between models and database: :func:`revision` with ``autogenerate``.

    Args:
        config: Alembic's configuration.
        message: The revision's message.
        options: As :func:`revision`'s, ``null_fields`` included.

    Returns:
        As :func:`revision`.

    Raises:
        CommandError: As :func:`revision`'s.
        Exception: A receiver raised it.

    Example:
        >>> from alembic.config import Config
        >>> from aldis import migrations
        >>> migrations.migrate(Config("alembic.ini"), "users have e-mail")  # doctest: +SKIP
    """
    return revision(config, message, autogenerate=True, **options)


async def amigrate(config: Config, message: str | None = None, **options: Any) -> Scripts:
    """Write a new revision of the differences: :func:`migrate` for async callers, as :func:`aupgrade`.

    Args:
        config: Alembic's configuration.
        message: The revision's message.
        options: As :func:`revision`'s.

    Returns:
        As :func:`revision`.

    Raises:
        CommandError: As :func:`revision`'s.
        Exception: A receiver raised it.

    Example:
        >>> from alembic.config import Config
        >>> from aldis import migrations
        >>> async def write():
        ...     await migrations.amigrate(Config("alembic.ini"), "users have e-mail")
    """
    return await arevision(config, message, autogenerate=True, **options)


def revising(
    config: Config,
    message: str | None = None,
    autogenerate: bool = False,
    sql: bool = False,
    head: str = "head",
    splice: bool = False,
    branch_label: RevisionId | None = None,
    version_path: Path | None = None,
    rev_id: str | None = None,
    depends_on: str | None = None,
    process_revision_directives: ProcessRevisionDirectiveFn | None = None,
    null_fields: Sequence[str] = (),
) -> tuple[CommandRun, partial[Scripts]]:
    """Return the call of ``revision``, and Alembic's function with its arguments."""
    run = CommandRun("revision", config, message, autogenerate, sql, head, splice, branch_label, version_path, rev_id)
    work = partial(
        command.revision,
        config,
        message=message,
        autogenerate=autogenerate,
        sql=sql,
        head=head,
        splice=splice,
        branch_label=branch_label,
        version_path=version_path,
        rev_id=rev_id,
        depends_on=depends_on,
        process_revision_directives=filling(null_fields, autogenerate, process_revision_directives),
    )
    return run, work
