"""Render what repeats the lifecycle signals' parameters from the one list of them, ``signals.toml``.

``python cext/generate.py`` renders; ``python cext/generate.py --check`` fails when a rendering is stale.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import textwrap
import tomllib
from dataclasses import dataclass, replace
from itertools import chain, combinations
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent
ROOT = HERE.parent
WIDTH = 120

RENDERINGS = {
    "pure_emitters.py": "src/aldis/dispatch/_pure_emitters.py",
    "emitters.py": "src/aldis/dispatch/emitters.py",
    "signals.py": "src/aldis/signals.py",
    "typed.pyi": "src/aldis/_typed.pyi",
    "signals.md": "docs/reference/signals.md",
}
"""Each template (``cext/templates/NAME.jinja``), and the file that it renders."""


def camel(name: str) -> str:
    """Return a name in the form of a class's: ``is_update`` is ``IsUpdate``."""
    return name.title().replace("_", "")


def call_of(parameters: tuple[Parameter, ...]) -> str:
    """Return the ``__call__`` of a receiver that names these parameters, as the formatter has it."""
    named = "".join([", *" * bool(parameters), *(f", {each.name}: {each.type}" for each in parameters)])
    line = f"    def __call__(self, sender: Any, /{named}) -> object: ..."
    if len(line) <= WIDTH:
        return line
    line = f"        self, sender: Any, /{named}"
    if len(line) > WIDTH:
        names = ["self", "sender: Any", "/", "*", *(f"{each.name}: {each.type}" for each in parameters)]
        line = "\n".join(f"        {name}," for name in names)
    return f"    def __call__(\n{line}\n    ) -> object: ..."


@dataclass(frozen=True)
class Parameter:
    """What a signal sends beside the sender."""

    name: str
    type: str
    doc: str
    on_request: bool = False
    """A receiver gets it only if it names it."""


@dataclass(frozen=True)
class Emitter:
    """A function that sends a signal: the signal's own, or one for each set of senders with parameters of its own."""

    name: str
    senders: tuple[str, ...]
    parameters: tuple[Parameter, ...]

    @property
    def on_request(self) -> tuple[str, ...]:
        """The names of those that a receiver gets only if it names them."""
        return tuple(each.name for each in self.parameters if each.on_request)

    @property
    def constant(self) -> str:
        """The name of the tuple of its keywords."""
        return self.name.upper()


@dataclass(frozen=True)
class Signal:
    """A lifecycle signal, as the list tells it."""

    name: str
    doc: str
    fired_by: str
    emitters: tuple[Emitter, ...]

    @property
    def title(self) -> str:
        """Its name as a class has it."""
        return camel(self.name)

    @property
    def protocol(self) -> str:
        """The name of the type of its receivers."""
        return f"{self.title}Receiver"

    def type_of(self, parameter: Parameter) -> str:
        """Return the type of a parameter, where the model is ``M_contra``."""
        if parameter.name == "model_instance":
            return "M_contra" if self.name.endswith("save") else "M_contra | None"
        return parameter.type

    @property
    def choices(self) -> tuple[tuple[Parameter, ...], ...]:
        """The few parameters that a receiver may name instead of all: up to three of them."""
        return tuple(chain.from_iterable(combinations(self.parameters, count) for count in range(4)))

    @property
    def by_sender(self) -> bool:
        """Its parameters depend on the sender."""
        return bool(self.emitters[0].senders)

    @property
    def is_of_rows(self) -> bool:
        """A statement over many rows fires it once, and for each row to receivers that ask for that."""
        return self.name.endswith(("_update", "_delete"))

    @property
    def common_parameters(self) -> tuple[Parameter, ...]:
        """What it sends whatever the sender."""
        return tuple(each for each in self.parameters if all(each in emitter.parameters for emitter in self.emitters))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All that it may send, whatever the sender."""
        return tuple(dict.fromkeys(parameter for emitter in self.emitters for parameter in emitter.parameters))


def read(path: Path) -> list[Signal]:
    """Return the signals that the list at ``path`` tells of."""
    document = tomllib.loads(path.read_text("utf-8"))
    known = {name: Parameter(name, **told) for name, told in document["parameters"].items()}
    signals = []
    for name, told in document["signals"].items():
        own = {each: replace(known[each], doc=doc) for each, doc in told.get("docs", {}).items()}
        groups: dict[tuple[str, ...], list[str]] = {}
        for sender, parameters in told.get("senders", {}).items():
            groups.setdefault(tuple(parameters), []).append(sender)
        emitters = [
            Emitter(f"{name}_{senders[0]}", tuple(senders), tuple(known[each] for each in parameters))
            for parameters, senders in groups.items()
        ] or [Emitter(name, (), tuple({**known, **own}[each] for each in told["parameters"]))]
        signals.append(Signal(name, told["doc"], told["fired_by"], tuple(emitters)))
    return signals


def render(signals: list[Signal]) -> dict[Path, str]:
    """Return the text of each rendering, by its path."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["wrap"] = lambda text, indent, hang=4: textwrap.fill(
        text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + hang)
    ).lstrip()
    environment.filters["call"] = call_of
    environment.filters["camel"] = lambda parameters: "".join(camel(each.name) for each in parameters) or "SenderAlone"
    return {
        ROOT / target: environment.get_template(f"{template}.jinja").render(
            signals=signals, made_from=f"cext/signals.toml and cext/templates/{template}.jinja"
        )
        for template, target in RENDERINGS.items()
    }


def main() -> int:
    """Render, or with ``--check`` compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a rendering is stale")
    check = parser.parse_args().check
    stale = False
    for path, text in render(read(HERE / "signals.toml")).items():
        found = path.read_text("utf-8") if path.exists() else ""
        if found == text:
            continue
        stale = True
        name = str(path.relative_to(ROOT))
        if check:
            sys.stdout.writelines(
                difflib.unified_diff(found.splitlines(True), text.splitlines(True), name, "rendered now")
            )
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"rendered {name}")
    if check and stale:
        print("stale renderings: run `make generate` and commit what it changes.", file=sys.stderr)
    return int(check and stale)


if __name__ == "__main__":
    sys.exit(main())
