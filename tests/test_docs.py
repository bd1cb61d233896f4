"""The pages: their links lead somewhere, their contents are complete, and a code host can show them."""

from __future__ import annotations

import inspect
import json
import pkgutil
import re
from pathlib import Path

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
    contents = (DOCS / "index.md").read_text("utf-8").partition("## All pages")[2]
    listed = re.findall(r"^- \[(.+)\]\((.+)\.md\)$", contents, re.MULTILINE)
    pages = {str(page.relative_to(DOCS).with_suffix("")): page for page in PAGES}
    assert sorted(path for _, path in listed) == sorted(pages.keys() - {"index"})
    for title, path in listed:
        assert f"\n# {title}\n" in "\n" + pages[path].read_text("utf-8"), f"{path} has another title"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_is_plain_markdown(page) -> None:
    """A code host shows a directive of the site's as it is."""
    assert re.findall(r"^(?:`{3,}|:{3,})\{.*", page.read_text("utf-8"), re.MULTILINE) == []


@pytest.mark.parametrize("page", sorted((DOCS / "reference").glob("*.md")), ids=lambda page: page.name)
def test_names_of_the_reference_are_there(page) -> None:
    for comment in re.findall(r"<!-- autodoc\n(.*?)^-->$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        for kind, name, members in re.findall(
            r"^\.\. auto(\w+):: (\S+)(?:\n   :members: (.+))?", comment, re.MULTILINE
        ):
            current = pkgutil.resolve_name(name)
            assert inspect.ismodule(current) == (kind == "module"), name
            for member in filter(None, members.split(", ")):
                assert hasattr(current, member), f"{page.name}: {name} has no {member}"


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
