"""The fixture ``signals``, for tests of applications. pytest finds it by itself once aldis is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import Signals


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Iterator[None]:
    """Record which receivers write which models, for ``aldis signals --graph --watch``."""
    folder = os.environ.get("ALDIS_RECORDING")
    if not folder:
        return (yield)
    from .recording import Recorder

    with Recorder() as recorder:
        try:
            return (yield)
        finally:
            recorder.write(folder)


@pytest.fixture
def signals() -> Iterator[Signals]:
    """The signals that fire while a test runs. Receivers connected before it are connected after it, and no others."""
    from .testing import Signals

    with Signals() as recorded:
        yield recorded
