"""``aldis signals``: the modules that were imported, and every signal with its receivers."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import blinker
from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from ..discovery import offered_plugins
from ..dispatch.connections import Connection, connections
from ..dispatch.signal import LifecycleSignal, Signal, default_namespace
from ..migrations.fields import full_name, models
from ..migrations.project import Loaded
from ..orm.meta import meta_of
from ..signals import LIFECYCLE

__all__ = ["all_signals", "is_anybody_connected", "json_lines", "text_lines"]


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


def is_anybody_connected() -> bool:
    """Tell whether any signal has a receiver."""
    return any(signal.receivers for _, signal in all_signals())


def receivers_by_file() -> Counter[str]:
    """Count the connections of all signals by the file in which each was made."""
    return Counter(
        each.file for _, signal in all_signals() if isinstance(signal, Signal) for each in connections(signal)
    )


def counted(loaded: Loaded) -> tuple[list[tuple[str, str, int]], Counter[str]]:
    """Return a row for each imported module, its reason and its number of receivers; and the other files' numbers."""
    rest = receivers_by_file()
    rows = [
        (each.module, each.reason, rest.pop(getattr(sys.modules[each.module], "__file__", None) or "", 0))
        for each in loaded.modules
    ]
    return rows, rest


def json_lines(loaded: Loaded) -> Iterator[dict[str, Any]]:
    """Yield the objects of ``--json``: the imported modules, the plugins, and the signals with their connections."""
    rows, rest = counted(loaded)
    for module, reason, count in rows:
        yield {"imported": module, "reason": reason, "receivers": count}
    for file, count in rest.items():
        yield {"file": file, "receivers": count}
    names = {each.module for each in loaded.modules}
    for plugin in offered_plugins():
        yield {"plugin": plugin.name, "module": plugin.module, "loaded": plugin.module in names}
    for name, signal in all_signals():
        if isinstance(signal, Signal):
            yield {"signal": name, "receivers": [as_json(signal, each) for each in connections(signal)]}
        else:
            yield {
                "signal": name,
                "receivers": [{"receiver": repr(each)} for each in signal.receivers_for(blinker.ANY)],
            }


def as_json(signal: Signal, connection: Connection) -> dict[str, Any]:
    """Return a connection as JSON has it."""
    sender = connection.sender
    values = {
        **connection._asdict(),
        "receiver": connection.name,
        "sender": full_name(sender) if isinstance(sender, type) else sender,
        "when": None if connection.when is None else str(connection.when),
        "unmapped": is_unmapped(signal, connection),
    }
    return {name.removeprefix("is_"): value for name, value in values.items()}


def text_lines(loaded: Loaded) -> Iterator[str]:
    """Yield the lines for a person: the imported modules, then each signal with a line for each of its connections."""
    yield from imported_lines(loaded)
    silent = []
    for name, signal in all_signals():
        if isinstance(signal, Signal):
            rows = [row_of(signal, each) for each in connections(signal)]
        else:
            rows = [(repr(each),) for each in signal.receivers_for(blinker.ANY)]
        if not rows:
            silent.append(name)
            continue
        yield ""
        yield name
        yield from aligned(rows)
    if silent:
        yield ""
        yield f"Without receivers: {', '.join(silent)}"


def imported_lines(loaded: Loaded) -> Iterator[str]:
    """Yield the lines that tell of the imported modules and of the plugins."""
    rows, rest = counted(loaded)
    if rows:
        yield "Imported"
        yield from aligned([(module, reason, receivers(count)) for module, reason, count in rows])
    else:
        yield "Imported nothing. Name the models: --app PACKAGE.MODULE:BASE, or app in [tool.aldis] of pyproject.toml."
    if rest:
        yield "Connected by other files"
        yield from aligned([(shortened(file), receivers(count)) for file, count in rest.items()])
    names = {each.module for each in loaded.modules}
    offered = [each for each in offered_plugins() if each.module not in names]
    if offered:
        yield "Plugins that are not loaded (plugins in [tool.aldis] names those that are)"
        yield from aligned([(each.name, each.module) for each in offered])


def receivers(count: int) -> str:
    """Return a count in words."""
    return f"{count} receiver" if count == 1 else f"{count or 'no'} receivers"


def row_of(signal: Signal, connection: Connection) -> tuple[str, ...]:
    """Return the columns of a connection's line."""
    options = [
        name.replace("_", " ")
        for name in ("after_commit", "after_rollback", "batched", "rows", "subclasses")
        if getattr(connection, name, False)
    ]
    if (when := getattr(connection, "when", None)) is not None:
        options.append(f"when {when}")
    if connection.priority:
        options.append(f"priority {connection.priority}")
    if is_unmapped(signal, connection):
        options.append("NOT MAPPED: no session fires for this class")
    return (
        connection.sender_name,
        connection.name,
        f"{shortened(connection.file)}:{connection.line}",
        "async" if connection.is_async else "sync",
        "weak" if connection.is_weak else "strong",
        ", ".join(options),
    )


def is_unmapped(signal: Signal, connection: Connection) -> bool:
    """Tell whether the sender is a class that is not mapped, of a signal that mapped classes send."""
    return (
        isinstance(signal, LifecycleSignal)
        and isinstance(connection.sender, type)
        and not getattr(connection, "subclasses", False)
        and not isinstance(inspect(connection.sender, raiseerr=False), Mapper)
    )


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows as indented lines, their columns one below the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def shortened(file: str) -> str:
    """Return a file's name relative to the current folder, if it is in it."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
