"""The modules of aldis: each has a name of its own, and no circle of imports leaves a folder."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aldis

SOURCES = Path(aldis.__file__).parent


def name_of(path: Path) -> str:
    """Return the name of a module."""
    parts = path.relative_to(SOURCES.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCES.rglob("*.py")}


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in a node, functions' statements too, but for what is there for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from executed(child)


def imported_by(name: str, source: str, is_package: bool) -> set[str]:
    """Return the modules of aldis that one imports."""
    package = name if is_package else name.rpartition(".")[0]
    found = set()
    for node in executed(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - (node.level - 1)] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}.{each.name}" if f"{base}.{each.name}" in MODULES else base for each in node.names}
    return found & MODULES.keys()


def reached_from(name: str, imports: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [*imports[name]]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += imports[each]
    return found


def test_no_two_modules_have_one_name() -> None:
    counts = Counter(path.name for path in MODULES.values() if path.name != "__init__.py")
    assert counts
    assert [name for name, count in counts.items() if count > 1] == []


def test_imports_are_found() -> None:
    source = "import aldis.errors\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import masking\n"
    source += (
        "def function():\n    from .orm import query\n    from .orm.model import Model\n    from . import signals\n"
    )
    assert imported_by("aldis.progress", source, is_package=False) == {
        "aldis.errors",
        "aldis.orm.query",
        "aldis.orm.model",
        "aldis.signals",
    }


def test_no_circle_of_imports_leaves_a_folder() -> None:
    """Imports inside functions count, too."""
    imports = {name: imported_by(name, path.read_text(), path.name == "__init__.py") for name, path in MODULES.items()}
    reached = {name: reached_from(name, imports) for name in MODULES}
    circles = {
        tuple(sorted(each for each in reached[name] if name in reached[each]))
        for name in MODULES
        if name in reached[name]
    }
    folders = [{MODULES[each].parent for each in circle} for circle in circles]
    assert [circle for circle, of in zip(circles, folders, strict=True) if len(of) > 1] == []
