"""The dispatch half of aldis on each of its cores, both in one process."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType, SimpleNamespace

import pytest

CORE_MODULES = (
    "aldis",
    "aldis.errors",
    "aldis.dispatch.signal",
    "aldis.dispatch.broadcaster",
    "aldis.dispatch.deferral",
    "aldis.dispatch.emitters",
    "aldis.dispatch.delivery",
    "aldis.dispatch.series",
    "aldis.dispatch.made_column",
    "aldis.dispatch.connections",
    "aldis.dispatch.conditions",
    "aldis.tracing",
)


def gather() -> SimpleNamespace:
    """Import the public names of the dispatch half from whatever copy of aldis is importable now."""
    modules: dict[str, ModuleType] = {name: importlib.import_module(name) for name in (*CORE_MODULES, "aldis.signals")}
    dispatch = modules["aldis.dispatch.signal"]
    return SimpleNamespace(
        backend=modules["aldis"].backend,
        Signal=dispatch.Signal,
        NamedSignal=dispatch.NamedSignal,
        LifecycleSignal=dispatch.LifecycleSignal,
        Namespace=dispatch.Namespace,
        ANY=dispatch.ANY,
        Broadcaster=modules["aldis.dispatch.broadcaster"].Broadcaster,
        emitters=modules["aldis.dispatch.emitters"],
        connections=modules["aldis.dispatch.connections"].connections,
        Condition=modules["aldis.dispatch.conditions"].Condition,
        Series=modules["aldis.dispatch.series"].Series,
        MadeColumn=modules["aldis.dispatch.made_column"].MadeColumn,
        signals=modules["aldis.signals"],
        SignalError=modules["aldis.errors"].SignalError,
        module=dispatch,
        LEDGER=importlib.import_module("aldis.dispatch.ledger").LEDGER,
        deferral=modules["aldis.dispatch.deferral"],
        delivery=modules["aldis.dispatch.delivery"],
        tracing=modules["aldis.tracing"],
        ConfigurationError=modules["aldis.errors"].ConfigurationError,
        SkipOperation=modules["aldis.errors"].SkipOperation,
    )


def load(backend: str) -> SimpleNamespace:
    """Return the dispatch half on the core that ``backend`` names: this process's own, or a second copy beside it."""
    import aldis

    if aldis.backend == backend:
        return gather()
    own = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "aldis"}
    wanted = os.environ.get("ALDIS_PURE_PYTHON", "")
    os.environ["ALDIS_PURE_PYTHON"] = "1" if backend == "pure" else "0"
    for name in own:
        del sys.modules[name]
    try:
        return gather()
    finally:
        os.environ["ALDIS_PURE_PYTHON"] = wanted
        for name in [name for name in sys.modules if name.split(".")[0] == "aldis"]:
            del sys.modules[name]
        sys.modules.update(own)


CORES = {backend: load(backend) for backend in ("compiled", "pure")}


def core_of(backend: str) -> SimpleNamespace:
    """Return a core, or skip where none was built; CI builds it, so there a missing one fails."""
    core = CORES[backend]
    if core.backend != backend:
        missing = "the compiled core is not built here; ALDIS_BUILD=require builds it"
        if os.environ.get("ALDIS_BUILD") == "require":
            pytest.fail(missing)
        pytest.skip(missing)
    return core
