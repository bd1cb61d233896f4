"""Records which receivers write which models, while tests run: for ``aldis signals --graph --watch pytest``.

The pytest plugin records where the environment variable ``ALDIS_RECORDING`` names a folder; each process writes a file
of its own there, and the command line reads them.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from .dispatch.delivery import Watcher
from .dispatch.receiver import describe, name_of_sender, name_of_signal
from .dispatch.watching import unwatch, watch
from .signals import pre_delete, pre_save, pre_update

__all__ = ["VARIABLE", "Recorder", "read_writes"]

VARIABLE: Final = "ALDIS_RECORDING"
"""The environment variable with the folder."""

RUNNING: Final[ContextVar[str | None]] = ContextVar("aldis.recording", default=None)
"""The name of the receiver that runs."""


def hear_all(sender: Any) -> None:
    """Hear every write: a model that nobody else hears sends nothing that a watcher could see."""


class Recorder(Watcher):
    """Counts, for each receiver that runs, the signals of models that are sent meanwhile.

    Example:
        >>> from aldis import Signal
        >>> recorder, saved, mailed = Recorder(), Signal(), Signal()
        >>> with recorder:
        ...     @saved.connect_via("shop")
        ...     def mail(sender): mailed.send("mail")
        ...     _ = mailed.connect(print, weak=False)
        ...     _ = saved.send("shop")
        mail
        >>> [(who.rpartition(".")[2], to) for who, _, to in recorder.writes]
        [('mail', "'mail'")]
    """

    each_row: ClassVar[bool] = True

    def __init__(self) -> None:
        self.writes: Counter[tuple[str, str, str]] = Counter()
        """How often a receiver, a signal and a sender were seen together."""

    def __enter__(self) -> Self:
        for signal in (pre_save, pre_update, pre_delete):
            signal.connect(hear_all, weak=False)
        watch(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        unwatch(self)
        for signal in (pre_save, pre_update, pre_delete):
            signal.disconnect(hear_all)

    @contextmanager
    def sending(self, signal: Any, sender: Any, receivers: int) -> Iterator[None]:
        """Count a send, if a receiver runs."""
        running = RUNNING.get()
        if running is not None:
            self.writes[running, name_of_signal(signal), name_of_sender(sender)] += 1
        yield

    @contextmanager
    def calling(self, signal: Any, sender: Any, receiver: Any) -> Iterator[None]:
        """Note which receiver runs, until it has been awaited."""
        if receiver is hear_all:
            yield
            return
        token = RUNNING.set(describe(receiver))
        try:
            yield
        finally:
            RUNNING.reset(token)

    def write(self, folder: str) -> None:
        """Write the counts into a file of this process's own.

        Args:
            folder: The folder.
        """
        rows = [[*names, count] for names, count in self.writes.items()]
        (Path(folder) / f"{os.getpid()}.json").write_text(json.dumps(rows), "utf-8")


def read_writes(folder: str) -> Counter[tuple[str, str, str]]:
    """Return the counts of all processes.

    Args:
        folder: The folder into which they wrote.
    """
    found: Counter[tuple[str, str, str]] = Counter()
    for file in sorted(Path(folder).glob("*.json")):
        for receiver, signal, sender, count in json.loads(file.read_text("utf-8")):
            found[receiver, signal, sender] += count
    return found
