"""The site: its links lead somewhere, its contents are complete, and its notebook runs. `make docs` builds it."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
LINK = re.compile(r"(?<!!)\[[^\]^]+\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    heads = re.findall(r"^#{1,4} (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize(
    "page", [*PAGES, DOCS.parent / "README.md", DOCS.parent / "CHANGELOG.md"], ids=lambda page: page.name
)
def test_links_between_pages_lead_somewhere(page) -> None:
    for target in LINK.findall(page.read_text("utf-8")):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name} leads to {target}"
        if anchor:
            assert anchor in anchors(there), f"{page.name} leads to {target}"


def test_every_page_is_in_the_contents() -> None:
    listed = set(re.findall(r"^([\w\-/]+)$", (DOCS / "index.md").read_text("utf-8"), re.MULTILINE))
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in PAGES}
    assert pages - listed == {"index"}
    assert listed - pages == set()


def test_notebook_cell_runs_after_the_models(monkeypatch) -> None:
    text = (DOCS / "frameworks.md").read_text("utf-8")
    models = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    cell = re.search(r"```\{code-block\} python\n(.*?)```", text, re.DOTALL)
    assert models is not None
    assert cell is not None
    printed = []
    monkeypatch.setitem(sys.modules, "notebook", module := ModuleType("notebook"))  # where SQLAlchemy looks for types
    namespace = module.__dict__
    namespace["print"] = lambda *words: printed.append(words)
    exec(models[1], namespace)
    code = compile(cell[1], "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def run() -> None:
        value = eval(code, namespace)
        assert inspect.iscoroutine(value)
        await value
        await namespace["Base"].database.dispose()

    try:
        asyncio.run(run())
        assert printed == [("saved", "Uma")]
    finally:
        namespace["post_save"].disconnect(namespace["show"])


def test_benchmarks_page_agrees_with_its_json() -> None:
    page = (DOCS / "benchmarks.md").read_text("utf-8")
    kept = json.loads((DOCS / "dispatch.json").read_text("utf-8"))
    shown = {}
    for core, part in (("compiled", "## One send of six"), ("pure", "## The pure core")):
        text = page.partition(part)[2].partition("\n## ")[0]
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            head, _, *rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()]
            for name, *cells in rows:
                for size, cell in zip(head[1:], cells, strict=True):
                    where = (core, head[0], int(size.removeprefix("N = ")), name.endswith(", weak"))
                    shown[*where, name.removesuffix(", weak")] = int(cell.replace(",", ""))
    told = {
        (each["core"], each["kind"], each["size"], each["weak"], each["library"]): each["nanoseconds"]
        for each in kept["nanoseconds"]
    }
    assert shown.keys() == told.keys()
    assert all(abs(shown[what] - nanoseconds) <= 0.6 for what, nanoseconds in told.items())
