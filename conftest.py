"""Run the snippets of the README and the docs, and give the docstrings' examples the model that they speak of."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from aldis import relay


def prepare(namespace: dict[str, object]) -> None:
    """Begin a page: Flask looks for the module that it is in, and a relay calls every receiver that there is."""
    namespace["__name__"] = "__main__"
    relay.RECEIVERS.clear()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["*.md"],
    # Programs of files, and of servers: tests/test_examples.py and tests/test_frameworks.py run them.
    excludes=["docs/tutorial.md", "docs/frameworks/*.md"],
    setup=prepare,
).pytest()


@pytest.fixture
def short_collections() -> Iterator[None]:
    """Let full collections pass over the objects of the whole suite: with these, one takes half a second and more."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def example_model(request: pytest.FixtureRequest) -> None:
    """Define ``Base`` and ``User`` anew for each docstring of the ORM and its errors."""
    if not request.node.name.startswith(("aldis.orm", "aldis.errors")):
        return
    from sqlalchemy import Integer, Text
    from sqlalchemy.orm import DeclarativeBase, mapped_column

    import aldis

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database("sqlite+aiosqlite://")

    class User(Base):
        __tablename__ = "user"
        id = mapped_column(Integer, primary_key=True)
        name = mapped_column(Text)

    request.getfixturevalue("doctest_namespace").update(Base=Base, User=User)
