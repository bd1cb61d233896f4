"""The pages: their links lead somewhere, their contents are complete, and a code host can show them."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import aldis
from aldis import errors

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


def test_page_that_imports_the_relay_names_its_extra() -> None:
    pages = {str(page.relative_to(DOCS)): page.read_text("utf-8") for page in PAGES}
    importing = {
        name for name, text in pages.items() if re.search(r"from aldis import relay|import aldis\.relay", text)
    }
    assert len(importing) >= 3
    assert {name for name in importing if "pip install 'aldis[relay]'" not in pages[name]} == set()


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


def test_places_that_the_page_on_architecture_names_are_there() -> None:
    sources = {file: file.read_text("utf-8") for file in (DOCS.parent / "src/aldis").rglob("*.py")}
    rows = [line for line in (DOCS / "architecture.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    named = [each for row in rows for each in re.findall(r"`([^`]+)`", row)]
    missing = []
    for name in named:
        if name.endswith(".py"):
            is_there = any(file.as_posix().endswith(f"/{name}") for file in sources)
        elif re.fullmatch(r"[A-Za-z_][\w.]*", name):
            is_there = any(re.search(rf"\b{name.rpartition('.')[2]}\b", text) for text in sources.values())
        else:
            continue  # a call, a pattern, or a file of cext
        if not is_there:
            missing.append(name)
    assert len(named) > 40
    assert missing == []


def definitions(file: Path) -> set[str]:
    """Return the functions and classes of a file, methods with their class: `Scope.wait`."""
    tree = ast.parse(file.read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = {node.name for node in tree.body if isinstance(node, kinds)}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return found | {f"{each.name}.{node.name}" for each in classes for node in each.body if isinstance(node, kinds)}


QUESTIONS = re.findall(
    r"^(\d+)\. (.+\?) `([\w.]+)` in `([\w/]+\.py)`$",
    (DOCS.parent / "tests/prose/questions.md").read_text("utf-8"),
    re.MULTILINE,
)


def test_there_are_twenty_questions_for_readers() -> None:
    assert [int(number) for number, *_ in QUESTIONS] == list(range(1, 21))
    assert len({question for _, question, *_ in QUESTIONS}) == 20


@pytest.mark.parametrize(("number", "question", "name", "file"), QUESTIONS, ids=[each[0] for each in QUESTIONS])
def test_question_of_a_reader_has_its_answer_in_the_page_on_architecture(number, question, name, file) -> None:
    assert name in definitions(DOCS.parent / "src/aldis" / file), question
    page = (DOCS / "architecture.md").read_text("utf-8")
    assert f"`{name}`" in page, question
    assert f"`{file.removeprefix('orm/')}`" in page, question


def test_tree_of_errors_is_complete() -> None:
    tree = re.search(r"```text\n(.*?)```", (DOCS / "reference/errors.md").read_text("utf-8"), re.DOTALL)
    assert tree is not None
    parents, found = {}, {}
    for line in tree[1].splitlines():
        branch, name, other = re.fullmatch(r"([│├└─ ]*)(\w+)(?: \(an? (\w+)\))?(?: .*)?", line).groups()
        depth = len(branch) // 4
        parents[depth] = name
        found[name] = {parents[depth - 1] if depth else "Exception", *filter(None, [other])}
    classes = {name: getattr(errors, name) for name in errors.__all__}
    assert found == {name: {base.__name__ for base in each.__bases__} for name, each in classes.items()}
    assert all(getattr(aldis, name) is each for name, each in classes.items())


@pytest.fixture
def page_of_figures(monkeypatch) -> ModuleType:
    """Return the module that makes the page of figures; the benchmarks are no package."""
    monkeypatch.syspath_prepend(DOCS.parent / "benchmarks")
    return importlib.import_module("page")


def test_benchmarks_page_shows_the_figures_that_are_kept(page_of_figures) -> None:
    assert page_of_figures.page(*page_of_figures.read()) == (DOCS / "benchmarks.md").read_text("utf-8")


def test_readme_and_its_picture_show_the_figures_that_are_kept(page_of_figures) -> None:
    kept, sends, _, saving = page_of_figures.read()
    python = kept["machine"]["python"]
    readme = (DOCS.parent / "README.md").read_text("utf-8")
    assert page_of_figures.readme(readme, page_of_figures.three_figures(sends, saving, python)) == readme
    assert page_of_figures.picture(saving, python) == (DOCS / "_static/rows.svg").read_text("utf-8")


def test_readme_prints_the_output_that_it_shows() -> None:
    readme = (DOCS.parent / "README.md").read_text("utf-8")
    program = re.search(r"```python\n(import asyncio.*?)```", readme, re.DOTALL)
    output = re.search(r"```text\n(.*?)```", readme, re.DOTALL)
    assert program is not None
    assert output is not None
    done = subprocess.run([sys.executable, "-c", program[1]], capture_output=True, check=False, text=True)
    assert (done.stdout, done.stderr) == (output[1], "")
