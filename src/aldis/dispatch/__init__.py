"""Signals without a database: the compiled core or the pure one, chosen here, once."""

from __future__ import annotations

import importlib
import os
import warnings
from typing import TYPE_CHECKING, Literal

__all__ = ["backend"]

if TYPE_CHECKING:
    from . import _pure as core


def _choose() -> Literal["compiled", "pure"]:
    if os.environ.get("ALDIS_PURE_PYTHON", "0") not in {"", "0"}:
        return "pure"
    try:
        importlib.import_module(f"{__name__}._compiled")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}._compiled":
            raise
        return "pure"
    except ImportError as error:
        advice = (
            "An interpreter with a GIL of its own cannot load it: set ALDIS_PURE_PYTHON=1 there."
            if "subinterpreter" in str(error)
            else "Install aldis again, or set ALDIS_PURE_PYTHON=1 to choose the pure core."
        )
        warnings.warn(
            f"aldis runs its pure-Python core, since the compiled one could not be loaded: {error}. {advice}",
            RuntimeWarning,
            stacklevel=3,
        )
        return "pure"
    return "compiled"


backend: Literal["compiled", "pure"] = _choose()
"""Which core runs: ``"compiled"``, or ``"pure"`` where none is installed or ``ALDIS_PURE_PYTHON=1`` is set."""

if not TYPE_CHECKING:
    core = importlib.import_module(f"{__name__}._{backend}")
