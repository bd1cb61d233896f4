"""The site: its links lead somewhere, its contents are complete, and its notebook runs. `make docs` builds it."""

from __future__ import annotations

import ast
import asyncio
import inspect
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
