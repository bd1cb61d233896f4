"""The two cores, side by side: every test that asks for ``core`` runs on both."""

from __future__ import annotations

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
