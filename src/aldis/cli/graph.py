"""``aldis signals --graph``: models, the receivers that hear them, and the models that receivers were seen to write."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from alembic.util import CommandError

from ..dispatch.connections import connections
from ..dispatch.receiver import name_of_sender
from ..dispatch.signal import Signal
from ..recording import VARIABLE, read_writes
from .listing import all_signals

__all__ = ["Graph", "draw", "watched"]


class Graph:
    """Models and receivers, and the arrows between them.

    Args:
        heard: The signals of each pair of a sender and the receiver that hears it.
        written: The signals of each pair of a receiver and the model that it was seen to write, with how often.
    """

    def __init__(
        self, heard: Mapping[tuple[str, str], list[str]], written: Mapping[tuple[str, str], Counter[str]]
    ) -> None:
        self.edges = [
            *((sender, receiver, ", ".join(signals), False) for (sender, receiver), signals in heard.items()),
            *(
                (receiver, model, ", ".join(f"{name} x {count}" for name, count in signals.items()), True)
                for (receiver, model), signals in written.items()
            ),
        ]
        self.receivers = {receiver for _, receiver in heard} | {receiver for receiver, _ in written}
        nodes = dict.fromkeys(name for edge in self.edges for name in edge[:2])
        self.ids = {name: f"n{number}" for number, name in enumerate(nodes)}

    def in_loops(self) -> set[int]:
        """Return the numbers of the arrows that are part of a loop: their end leads back to their beginning."""
        after = defaultdict(set)
        for begin, end, *_ in self.edges:
            after[begin].add(end)
        found = set()
        for number, (begin, end, *_) in enumerate(self.edges):
            reached, due = {end}, [end]
            while due:
                fresh = after[due.pop()] - reached
                reached |= fresh
                due += fresh
            if begin in reached:
                found.add(number)
        return found

    def mermaid(self) -> str:
        """Return the graph as Mermaid has it: models in boxes, receivers in round ones, loops in red."""
        lines = ["flowchart LR"]
        for name, key in self.ids.items():
            text = name.replace('"', "#quot;")
            lines.append(f'  {key}("{text}")' if name in self.receivers else f'  {key}["{text}"]')
        for begin, end, label, is_write in self.edges:
            arrow = "==>" if is_write else "-->"
            lines.append(f'  {self.ids[begin]} {arrow}|"{label}"| {self.ids[end]}')
        lines += [f"  linkStyle {number} stroke:#c00" for number in sorted(self.in_loops())]
        return "\n".join(lines) + "\n"

    def dot(self) -> str:
        """Return the graph as Graphviz takes it."""
        lines = [
            "digraph signals {",
            "  rankdir=LR; node [fontname=Helvetica]; edge [fontname=Helvetica, fontsize=10];",
        ]
        for name, key in self.ids.items():
            shape = "ellipse" if name in self.receivers else "box"
            lines.append(f"  {key} [label={quoted(name)}, shape={shape}];")
        loops = self.in_loops()
        for number, (begin, end, label, is_write) in enumerate(self.edges):
            look = f"label={quoted(label)}, penwidth={2 if is_write else 1}" + ", color=red" * (number in loops)
            lines.append(f"  {self.ids[begin]} -> {self.ids[end]} [{look}];")
        return "\n".join([*lines, "}"]) + "\n"


def quoted(text: str) -> str:
    """Return a text as Graphviz takes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def graph(writes: Mapping[tuple[str, str, str], int]) -> Graph:
    """Return the graph of the connected receivers, and of the writes that were seen."""
    heard: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, signal in all_signals():
        for each in connections(signal) if isinstance(signal, Signal) else ():
            sender = "any" if each.sender is None else name_of_sender(each.sender)
            heard[sender, each.name].append(name.rpartition(".")[2])
    written: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (receiver, name, sender), count in writes.items():
        written[receiver, sender][name] += count
    return Graph(heard, written)


def watched(command: str) -> Counter[tuple[str, str, str]]:
    """Run a command with the recording turned on; return the writes that its processes saw.

    Args:
        command: A command that runs pytest, ``"pytest -q tests"``.

    Raises:
        CommandError: It cannot be run, or nothing was recorded.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                shlex.split(command), env={**os.environ, VARIABLE: folder}, check=False, stdout=sys.stderr
            )
        except OSError as error:
            raise CommandError(f"--watch {command!r}: {error}") from error
        if not any(Path(folder).iterdir()):
            raise CommandError(
                f"--watch {command!r} ended with code {done.returncode}, and nothing was recorded: it has to run "
                "pytest, with the plugin of aldis."
            )
        return read_writes(folder)


def draw(file: str, watch: str | None) -> None:
    """Draw the graph.

    Args:
        file: ``-`` for Mermaid on standard output; a file that ends with ``.svg`` is drawn by Graphviz.
        watch: A command that runs pytest, to see which receiver writes which model.

    Raises:
        CommandError: Graphviz is not there, or the command cannot be run.
    """
    is_svg = file.endswith(".svg")
    dot = shutil.which("dot")
    if is_svg and dot is None:
        raise CommandError(
            f"--graph {file}: Graphviz draws it, and there is no `dot` here. --graph alone prints Mermaid."
        )
    found = graph(watched(watch) if watch else {})
    if file == "-":
        print(found.mermaid(), end="")  # noqa: T201
    elif is_svg and dot is not None:
        subprocess.run([dot, "-Tsvg", "-o", file], input=found.dot(), text=True, check=True)
    else:
        Path(file).write_text(found.mermaid(), "utf-8")
