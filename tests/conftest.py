"""The two cores, side by side: every test that asks for ``core`` runs on both."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from cores import core_of

if TYPE_CHECKING:
    from types import SimpleNamespace


MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory."""

if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4 * 2**30:
    # pytest's own variable for where ``tmp_path`` is: SQLite waits for the disk at each commit, in thousands of tests.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

settings.register_profile("aldis", deadline=None)  # a second core at work makes an example late, and not wrong
settings.load_profile("aldis")


@pytest.fixture(params=["compiled", "pure"])
def core(request: pytest.FixtureRequest) -> SimpleNamespace:
    """The dispatch half of aldis, on one core and then the other."""
    return core_of(request.param)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process even where a test has left a connection of aiosqlite open, whose thread waits for ever."""
    left = [each for each in threading.enumerate() if each is not threading.main_thread() and not each.daemon]
    session = config.pluginmanager.get_plugin("session")
    if left and session is not None:
        sys.stdout.write(f"threads that tests have left: {left}\n")
        sys.stdout.flush()
        os._exit(int(session.exitstatus))
