"""``aldis signals``: every signal, with its receivers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blinker

from ..dispatch.connections import connections
from ..dispatch.signal import Signal, default_namespace
from ..migrations.fields import full_name, models
from ..orm.meta import meta_of
from ..signals import LIFECYCLE

__all__ = ["listed", "written"]


def all_signals() -> Iterator[tuple[str, blinker.Signal]]:
    """Yield the signals that there are, each once, under its name: the lifecycle's, models' own, and named ones."""
    seen: set[int] = set()
    for signal in LIFECYCLE:
        seen.add(id(signal))
        yield signal.name, signal
    for model in models():
        broadcaster = meta_of(model).signals
        for name in broadcaster:
            own = broadcaster[name]
            if id(own) not in seen:
                seen.add(id(own))
                yield f"{model.__name__}.meta.signals.{name}", own
    for name, named in default_namespace.items():
        if id(named) not in seen:
            seen.add(id(named))
            yield f"signal({name!r})", named


def listed() -> Iterator[dict[str, Any]]:
    """Yield the signals with their connections, as JSON has them."""
    for name, signal in all_signals():
        if isinstance(signal, Signal):
            told = [
                {
                    "receiver": each.name,
                    "sender": full_name(each.sender) if isinstance(each.sender, type) else each.sender,
                    "file": each.file,
                    "line": each.line,
                    "async": each.is_async,
                    "weak": each.is_weak,
                    "after_commit": each.after_commit,
                    "batched": each.batched,
                    "priority": each.priority,
                }
                for each in connections(signal)
            ]
            yield {"signal": name, "receivers": told}
        else:
            yield {
                "signal": name,
                "receivers": [{"receiver": repr(each)} for each in signal.receivers_for(blinker.ANY)],
            }


def written() -> Iterator[str]:
    """Yield the lines that a person reads: a signal, and below it a line for each of its connections."""
    for name, signal in all_signals():
        yield name
        found = list(connections(signal)) if isinstance(signal, Signal) else []
        rows = [
            (
                each.sender_name,
                each.name,
                f"{shortened(each.file)}:{each.line}",
                "async" if each.is_async else "sync",
                "weak" if each.is_weak else "strong",
                ", ".join(
                    ["after commit"] * each.after_commit
                    + ["batched"] * each.batched
                    + [f"priority {each.priority}"] * bool(each.priority)
                ),
            )
            for each in found
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def shortened(file: str) -> str:
    """Return a file's name as seen from here, if it is below."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
