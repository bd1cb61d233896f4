"""The fixture ``signals``, for tests of applications. pytest finds it by itself once aldis is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    """What fired while a test runs; who was connected before is connected after, and nobody else."""
    from .testing import Signals

    with Signals() as recorded:
        yield recorded
