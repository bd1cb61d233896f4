"""How many functions of aldis one ``save()``, ``update()`` and ``delete()`` call: each takes time in every save."""

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

pytestmark = pytest.mark.asyncio

FOLDER = str(Path(aldis.__file__).parent)

MOST = {"save": (73, 47, 18), "update": (76, 48, 17), "delete": (59, 37, 17)}
"""The most functions, calls from another file, and files. These are figures of a day, and not what is aimed at: whoever
makes it fewer lowers them."""


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


@pytest.mark.usefixtures("nobody_asks")
@pytest.mark.skipif(aldis.backend == "pure", reason="the pure core calls more functions")
@pytest.mark.skipif(sys.version_info < (3, 12), reason="a comprehension is a function there")
@pytest.mark.skipif(sys.gettrace() is not None, reason="something else is looking at each call")
async def test_functions_that_one_write_calls() -> None:
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
    async with Base.database, Base.database.transaction() as connection:
        await connection.run_sync(Base.metadata.create_all)
        users = [await User(name="a").save() for _ in range(3)]
        new, names = [User(name="b") for _ in range(3)], iter("cde")
        found = {
            "save": await called_by(lambda: new.pop().save()),
            "update": await called_by(lambda: users[0].update(name=next(names))),
            "delete": await called_by(lambda: users.pop().delete()),
        }
    assert all(figure <= most for kind in MOST for figure, most in zip(found[kind], MOST[kind], strict=True)), found
