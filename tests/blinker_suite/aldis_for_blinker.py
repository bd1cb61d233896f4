"""A pytest plugin that puts aldis in blinker's place, for blinker's own tests: ``-p aldis_for_blinker``."""

from __future__ import annotations

import sys
from types import ModuleType

import aldis
from aldis.dispatch import signal as signals

stand_in = ModuleType("blinker", "aldis, under blinker's name")
stand_in.__path__ = sys.modules["blinker"].__path__
for name in ("ANY", "NamedSignal", "Namespace", "Signal", "default_namespace", "signal"):
    setattr(stand_in, name, getattr(signals, name))
sys.modules["blinker"] = stand_in


def pytest_report_header() -> str:
    """Say which core is tested."""
    return f"aldis in blinker's place: {aldis.backend} core"
