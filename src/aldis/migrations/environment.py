"""``env.py`` while it runs: its command, each revision that it applies, and its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol

from alembic import context as alembic_context

from .. import signals
from ..dispatch import emitters
from ..errors import ConfigurationError
from .command_run import RUNNING, CommandRun
from .waiting import deliver

if TYPE_CHECKING:
    from types import ModuleType

    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext, MigrationInfo, RevisionStep
    from sqlalchemy import Connection

__all__ = ["OBSERVER", "Observer", "configure", "watch"]


class Observer(Protocol):
    """Who wants to see how far an upgrade or a downgrade is."""

    def planned(self, steps: Sequence[RevisionStep]) -> object:
        """Take note of the revisions to come, of one database."""

    def begun(self, step: RevisionStep) -> object:
        """Take note that one is about to be applied."""

    def applied(self, sender: str, revision_id: str | None, down_revision: Any, seconds: float, /) -> object:
        """Take note that it was."""

    def filled(self, table: str, rows: int, total: int) -> object:
        """Take note of how many rows of a table have got a value for their new columns."""


OBSERVER: Final[ContextVar[Observer | None]] = ContextVar("OBSERVER", default=None)
"""Who looks on, in this context."""


def configure(context: ModuleType | None = None) -> None:
    """Fire the signals for a plain ``alembic`` command: the one line that ``env.py`` needs, before it configures.

    ``pre_migrate`` fires in this call, ``post_migrate`` when the command is done. Under
    :func:`aldis.migrations.upgrade` and its siblings, which fire them anyway, nothing fires twice; a ``pre_migrate``
    that nobody heard, because ``env.py`` imports the modules with the receivers, fires now. Alembic runs ``env.py``
    for ``upgrade``, ``downgrade`` and ``revision --autogenerate``; a ``revision`` without it runs no ``env.py``, unless
    ``revision_environment`` is set, and so fires nothing.

    Args:
        context: ``alembic.context``, as ``env.py`` has it.

    Raises:
        ConfigurationError: No Alembic command is running.

    Example:
        >>> from alembic import context  # doctest: +SKIP
        >>> import aldis.migrations
        >>> aldis.migrations.configure(context)  # doctest: +SKIP
    """
    environment: EnvironmentContext | None = getattr(context or alembic_context, "_proxy", None)
    if environment is None:
        raise ConfigurationError(
            "aldis.migrations.configure() was called outside of an Alembic command: its place is in env.py, with "
            "`from alembic import context` before it."
        )
    running = RUNNING.get()
    if running is not None and running.config is environment.config:
        running.fire_unheard()  # ours: watched already, and fired, if anybody was there to hear it
        return
    run = run_of(environment)
    if run is None:
        return
    watch(environment)
    run.fire("pre_migrate")
    when_done(environment, lambda: run.fire("post_migrate"))


def run_of(environment: EnvironmentContext) -> CommandRun | None:
    """Return the command that ``env.py`` runs for, as Alembic's function was called; ``None`` if it has no signals."""
    options = environment.context_opts
    work = options["fn"]
    if work.__module__ != "alembic.command":
        return None
    # Alembic's functions hand their work to env.py as a function inside them: "upgrade.<locals>.upgrade".
    sender = work.__qualname__.partition(".")[0]
    if sender in {"upgrade", "downgrade"}:
        start, revision = options["starting_rev"], options["destination_rev"]
        asked = revision if start is None else f"{start}:{revision}"
        return CommandRun(sender, environment.config, asked, options["as_sql"], options["tag"])
    if sender == "revision":
        asked = options["revision_context"].command_args
        names = "message", "autogenerate", "sql", "head", "splice", "branch_label", "version_path", "rev_id"
        return CommandRun(sender, environment.config, *(asked[name] for name in names))
    return None


def when_done(environment: EnvironmentContext, then: Callable[[], None]) -> None:
    """Call a function when the command that ``env.py`` runs for has succeeded.

    Alembic has no event for that. A ``revision`` is done when its files are written; the others, when the command
    takes its environment down, and no exception is on its way.
    """
    revision_context = environment.context_opts.get("revision_context")
    if revision_context is not None:
        write: Callable[[], Iterable[Any]] = revision_context.generate_scripts

        def generate_scripts() -> Iterable[Any]:
            yield from write()
            then()

        revision_context.generate_scripts = generate_scripts
        return
    before = sys.exc_info()[1]
    take_down = environment._remove_proxy

    def remove_proxy() -> None:
        take_down()
        if sys.exc_info()[1] is before:
            then()

    environment._remove_proxy = remove_proxy  # type: ignore[method-assign]


def watch(environment: EnvironmentContext) -> None:
    """Fire ``revision_applied``, and tell the observer, for each revision that ``env.py`` is about to apply."""
    options = environment.context_opts
    work: Callable[[Any, MigrationContext], Iterable[RevisionStep]] = options["fn"]
    sender = work.__qualname__.partition(".")[0]
    if sender not in {"upgrade", "downgrade"}:
        return

    def watched(heads: Any, context: MigrationContext) -> Iterable[RevisionStep]:
        steps = list(work(heads, context))
        observer = OBSERVER.get()
        if observer is not None:
            observer.planned(steps)
        begun = 0.0

        def applied(*, ctx: MigrationContext, step: MigrationInfo, **_others: Any) -> None:
            if not ctx.as_sql:
                assert ctx.connection is not None
                tell(sender, step, ctx.connection, perf_counter() - begun)

        context.on_version_apply_callbacks = (*context.on_version_apply_callbacks, applied)
        for step in steps:
            if observer is not None:
                observer.begun(step)
            begun = perf_counter()
            yield step

    options["fn"] = watched


def tell(sender: str, step: MigrationInfo, connection: Connection, seconds: float) -> None:
    """Tell the observer, and the receivers, of one revision."""
    revision = step.up_revision
    down_revision = None if revision is None else revision.down_revision
    if isinstance(down_revision, list):
        down_revision = tuple(down_revision)
    observer = OBSERVER.get()
    if observer is not None:
        observer.applied(sender, step.up_revision_id, down_revision, seconds)
    signal = signals.revision_applied
    told = step.up_revision_id, down_revision, connection, seconds
    deliver(partial(emitters.revision_applied, signal, sender, *told), signal.receivers_for(sender))
