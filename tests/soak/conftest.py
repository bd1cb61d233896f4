"""What both soaks need among the other tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    """Let a run's own collections pass over the thousands of tests in memory: each would stop it for a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
