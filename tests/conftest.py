"""The two cores, side by side: every test that asks for ``core`` runs on both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cores import core_of

if TYPE_CHECKING:
    from types import SimpleNamespace


@pytest.fixture(params=["compiled", "pure"])
def core(request: pytest.FixtureRequest) -> SimpleNamespace:
    """The dispatch half of aldis, on one core and then the other."""
    return core_of(request.param)
