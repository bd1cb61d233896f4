"""The two cores, side by side: every test that asks for ``core`` runs on both."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from cores import core_of

if TYPE_CHECKING:
    from types import SimpleNamespace


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
