"""``aldis signals --graph``: models, receivers, and the writes that were seen while tests ran."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from aldis.cli.graph import Graph

MODELS = """
import aldis
from aldis.signals import post_delete, post_save
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(aldis.Model, DeclarativeBase):
    database = aldis.Database("sqlite+aiosqlite://")


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)


class Entry(Base):
    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)


@post_save.connect_via(User)
async def log(sender, instance):
    await Entry.query.create()


@post_delete.connect_via(User)
async def unlog(sender): ...
"""

TESTS = """
import asyncio

from shop import Base, User


def test_user_is_logged():
    async def main():
        async with Base.database, Base.database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await User.query.create()
            await User.query.bulk_create([User(), User()])

    asyncio.run(main())
"""


@pytest.fixture
def shop(tmp_path) -> Path:
    (tmp_path / "shop.py").write_text(MODELS)
    (tmp_path / "test_shop.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def graph_of(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aldis", "signals", "--app", "shop:Base", "--graph", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == code, done.stderr
    return done


def test_receivers_hang_on_the_models_that_they_hear(shop) -> None:
    assert graph_of(shop).stdout.splitlines() == [
        "flowchart LR",
        '  n0["shop.User"]',
        '  n1("shop.log")',
        '  n2("shop.unlog")',
        '  n0 -->|"post_save"| n1',
        '  n0 -->|"post_delete"| n2',
    ]


def test_writes_of_receivers_are_seen_while_tests_run(shop) -> None:
    done = graph_of(shop, "--watch", f"{sys.executable} -m pytest -q -p no:cacheprovider")
    assert "1 passed" in done.stderr, "the tests' own output is not the graph"
    lines = done.stdout.splitlines()
    (log,) = [line.split("(")[0].strip() for line in lines if "shop.log" in line]
    (entry,) = [line.split("[")[0].strip() for line in lines if '["shop.Entry"]' in line]
    assert f'  {log} ==>|"pre_save x 3"| {entry}' in lines
    assert "stroke" not in done.stdout, "there is no loop"
    said = graph_of(shop, "--watch", f"{sys.executable} -c pass", code=255).stderr
    assert "ended with code 0, and nothing was recorded: it has to run pytest" in said


def test_file_takes_mermaid_and_svg_needs_graphviz(shop) -> None:
    graph_of(shop, "graph.mmd")
    assert (shop / "graph.mmd").read_text().startswith("flowchart LR\n")
    if shutil.which("dot"):
        graph_of(shop, "graph.svg")
        assert "<svg" in (shop / "graph.svg").read_text()
    else:
        assert "Graphviz draws it, and there is no `dot` here" in graph_of(shop, "graph.svg", code=255).stderr


def test_loop_is_red() -> None:
    heard = {("User", "count"): ["post_save"], ("Entry", "log"): ["post_save"]}
    drawn = Graph(heard, {("count", "User"): Counter({"pre_save": 2}), ("log", "User"): Counter({"pre_save": 1})})
    assert drawn.in_loops() == {0, 2}, "User -> count -> User; Entry only leads to it"
    assert drawn.mermaid().count("stroke:#c00") == 2
    assert 'n1 -> n0 [label="pre_save x 2", penwidth=2, color=red];' in drawn.dot()
    assert drawn.dot().startswith("digraph signals {\n")
