"""How far an upgrade or a downgrade is: a bar on a terminal, or JSON."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..migrations.environment import OBSERVER, Observer

if TYPE_CHECKING:
    from alembic.runtime.migration import RevisionStep
    from rich.progress import Progress, TaskID

__all__ = ["shown"]


@contextmanager
def shown(command: str, bar: bool, json: bool) -> Iterator[None]:
    """Show how far a command is while a block runs.

    Args:
        command: Its name.
        bar: Show a bar, if standard error is a terminal and rich is installed.
        json: Write JSON to standard output instead, a line a revision and one at the end.
    """
    if json:
        lines = Lines(command)
        with observed(lines):
            yield
        lines.end()
        return
    if not bar or not sys.stderr.isatty():
        yield
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ModuleNotFoundError:
        yield
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    progress = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())
    with progress, observed(Bar(progress)):
        yield


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Let somebody look on while a block runs."""
    token = OBSERVER.set(observer)
    try:
        yield
    finally:
        OBSERVER.reset(token)


class Lines:
    """JSON, an object a line."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.revisions = 0
        self.begun_at = perf_counter()

    def write(self, **values: Any) -> None:
        """Write a line."""
        print(json_module.dumps({"command": self.command, **values}), flush=True)  # noqa: T201

    def planned(self, steps: Sequence[RevisionStep]) -> None:
        """Leave the plan unsaid."""

    def begun(self, step: RevisionStep) -> None:
        """Leave the beginning unsaid."""

    def applied(self, _sender: str, revision_id: str | None, down_revision: Any, seconds: float) -> None:
        """Write a revision."""
        self.revisions += 1
        self.write(revision_id=revision_id, down_revision=down_revision, seconds=round(seconds, 6))

    def filled(self, table: str, rows: int, total: int) -> None:
        """Write how many rows are filled."""
        self.write(table=table, rows=rows, total=total)

    def end(self) -> None:
        """Write the last line."""
        self.write(revisions=self.revisions, seconds=round(perf_counter() - self.begun_at, 6))


class Bar:
    """A bar for the revisions, and one for the rows that one of them fills."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.revisions: TaskID | None = None
        self.rows: dict[str, TaskID] = {}
        self.messages: dict[str | None, str] = {}

    def planned(self, steps: Sequence[RevisionStep]) -> None:
        """Show how many revisions there are; of several databases, one after the other."""
        if self.revisions is not None:
            self.progress.remove_task(self.revisions)
        self.revisions = self.progress.add_task("revisions", total=len(steps))

    def begun(self, step: RevisionStep) -> None:
        """Show which one is applied."""
        revision: Any = step.info.up_revision  # a Script, which has a message
        if self.revisions is not None and revision is not None:
            self.messages[revision.revision] = revision.doc
            self.progress.update(self.revisions, description=f"{revision.revision} {revision.doc}")

    def applied(self, sender: str, revision_id: str | None, _down_revision: Any, seconds: float) -> None:
        """Print a revision with its seconds, and move the bar."""
        done = "applied" if sender == "upgrade" else "taken back"
        self.progress.console.print(
            f"{revision_id} {self.messages.get(revision_id, '')}: {done} in {seconds:.2f} s", markup=False
        )
        for task in self.rows.values():
            self.progress.remove_task(task)
        self.rows.clear()
        if self.revisions is not None:
            self.progress.advance(self.revisions)

    def filled(self, table: str, rows: int, total: int) -> None:
        """Move the bar of the rows."""
        if table not in self.rows:
            self.rows[table] = self.progress.add_task(f"filling {table}", total=total)
        self.progress.update(self.rows[table], completed=rows)
