"""How many functions of aldis a save, an update, a delete and a ``bulk_create()`` call: each takes its time."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis import signals
from aldis.dispatch.on_request import ASKED

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.usefixtures("nobody_asks"),
    pytest.mark.skipif(aldis.backend == "pure", reason="the pure core calls more functions"),
    pytest.mark.skipif(sys.version_info < (3, 12), reason="a comprehension is a function there"),
    pytest.mark.skipif(sys.gettrace() is not None, reason="something else is looking at each call"),
]

FOLDER = str(Path(aldis.__file__).parent)

MOST = {"save": (41, 25, 13), "update": (42, 27, 13), "delete": (35, 24, 12)}
"""The most functions, calls from another file, and files. Whoever makes it fewer lowers them."""

MOST_OF_BULK = {1: 48, 2: 155, 20: 197, 220: 197}
"""The most functions of a bulk_create, by its rows: one is a save, and of many no row costs a function."""


async def called_by(make: Callable[[], Awaitable[object]]) -> tuple[int, int, int]:
    """Return how many functions of aldis a call calls, how many of them from another file, and the number of files."""
    frames: dict[int, tuple[FrameType, str]] = {}

    def note(frame: FrameType, event: str, arg: object) -> None:
        # A coroutine that goes on is the same frame again; those that are kept keep their numbers.
        if event == "call" and frame.f_code.co_filename.startswith(FOLDER):
            back = frame.f_back
            frames.setdefault(id(frame), (frame, "" if back is None else back.f_code.co_filename))

    sys.setprofile(lambda *_: None)  # with a profiler, other functions call the receivers: these are made first
    try:
        await make()
        await make()
        coroutine = make()
        sys.setprofile(note)
        await coroutine
    finally:
        sys.setprofile(None)
    files = [(frame.f_code.co_filename, caller) for frame, caller in frames.values()]
    return len(files), sum(name != caller for name, caller in files), len({name for name, _ in files})


@pytest.fixture
def nobody_asks():
    """Let there be no receiver of another test that asks for ``changes``."""
    asked = set(ASKED)
    ASKED.clear()
    yield
    ASKED.update(asked)


@pytest.fixture
def model():
    """Return a model with one receiver before each write, and one after it."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database("sqlite+aiosqlite://")

    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    async def receiver(sender, instance, **kwargs) -> None: ...

    async def receiver_after(sender, instance, **kwargs) -> None: ...

    for kind in MOST:
        getattr(signals, f"pre_{kind}").connect(receiver, User)
        getattr(signals, f"post_{kind}").connect(receiver_after, User)
    yield User  # noqa: PT022 - the frame holds the receivers, which are connected weakly


async def test_functions_that_one_write_calls(model) -> None:
    async with model.database, model.database.transaction() as connection:
        await connection.run_sync(model.metadata.create_all)
        users = [await model(name="a").save() for _ in range(3)]
        new, names = [model(name="b") for _ in range(3)], iter("cde")
        found = {
            "save": await called_by(lambda: new.pop().save()),
            "update": await called_by(lambda: users[0].update(name=next(names))),
            "delete": await called_by(lambda: users.pop().delete()),
        }
    assert all(figure <= most for kind in MOST for figure, most in zip(found[kind], MOST[kind], strict=True)), found


async def test_functions_that_a_bulk_create_calls(model) -> None:
    async with model.database, model.database.transaction() as connection:
        await connection.run_sync(model.metadata.create_all)
        found = {}
        for size in MOST_OF_BULK:
            users = [[model(name="a") for _ in range(size)] for _ in range(3)]
            found[size] = (await called_by(lambda users=users: model.query.bulk_create(users.pop())))[0]
    assert all(found[size] <= most for size, most in MOST_OF_BULK.items()), found
    assert found[220] == found[20]
