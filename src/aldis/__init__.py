"""Lifecycle signals for async SQLAlchemy models, with a compiled dispatch core."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import context, dispatch, migrations, orm, relay, signals, testing, tracing
    from .context import signals_disabled, strict
    from .discovery import autodiscover
    from .dispatch import backend
    from .dispatch.batching import Batch
    from .dispatch.broadcaster import Broadcaster
    from .dispatch.changes import Change, changed, created, updated
    from .dispatch.signal import ANY, NamedSignal, Namespace, Signal, signal
    from .errors import (
        AfterCommitError,
        AldisError,
        AlreadyStoredError,
        ClosedDatabaseError,
        ConfigurationError,
        EndlessFlushError,
        MultipleObjectsReturned,
        NotSavedError,
        ObjectNotFound,
        RefusedError,
        RowMismatchError,
        SignalError,
        SkipOperation,
        TransactionEndedError,
        TurnTimeoutError,
        UnknownAttributeError,
    )
    from .orm.database import Database
    from .orm.model import Model
    from .orm.queryset import QuerySet
    from .orm.transactions.ambient import detached

    slow_receiver_seconds: float | None

_WHERE = {
    "ANY": "dispatch.signal",
    "AfterCommitError": "errors",
    "AldisError": "errors",
    "AlreadyStoredError": "errors",
    "Batch": "dispatch.batching",
    "Broadcaster": "dispatch.broadcaster",
    "Change": "dispatch.changes",
    "ClosedDatabaseError": "errors",
    "ConfigurationError": "errors",
    "Database": "orm.database",
    "EndlessFlushError": "errors",
    "Model": "orm.model",
    "MultipleObjectsReturned": "errors",
    "NamedSignal": "dispatch.signal",
    "Namespace": "dispatch.signal",
    "NotSavedError": "errors",
    "ObjectNotFound": "errors",
    "QuerySet": "orm.queryset",
    "RefusedError": "errors",
    "RowMismatchError": "errors",
    "Signal": "dispatch.signal",
    "SignalError": "errors",
    "SkipOperation": "errors",
    "TransactionEndedError": "errors",
    "TurnTimeoutError": "errors",
    "UnknownAttributeError": "errors",
    "autodiscover": "discovery",
    "backend": "dispatch",
    "changed": "dispatch.changes",
    "created": "dispatch.changes",
    "detached": "orm.transactions.ambient",
    "signal": "dispatch.signal",
    "signals_disabled": "context",
    "strict": "context",
    "updated": "dispatch.changes",
}
"""Where each public name lives; it is imported when it is first used, so that signals alone need no SQLAlchemy."""

_MODULES = {"context", "dispatch", "migrations", "orm", "relay", "signals", "testing", "tracing"}

__all__ = [
    "ANY",
    "AfterCommitError",
    "AldisError",
    "Batch",
    "Broadcaster",
    "Change",
    "ConfigurationError",
    "Database",
    "Model",
    "MultipleObjectsReturned",
    "NamedSignal",
    "Namespace",
    "ObjectNotFound",
    "QuerySet",
    "RefusedError",
    "RowMismatchError",
    "Signal",
    "SignalError",
    "SkipOperation",
    "TransactionEndedError",
    "TurnTimeoutError",
    "__version__",
    "autodiscover",
    "backend",
    "changed",
    "context",
    "created",
    "detached",
    "dispatch",
    "migrations",
    "orm",
    "relay",
    "signal",
    "signals",
    "signals_disabled",
    "slow_receiver_seconds",
    "strict",
    "testing",
    "tracing",
    "AlreadyStoredError",
    "ClosedDatabaseError",
    "EndlessFlushError",
    "NotSavedError",
    "UnknownAttributeError",
    "updated",
]


if not TYPE_CHECKING:  # a type checker that sees it takes any misspelt name

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return importlib.import_module(f".{name}", __name__)
        if name in _WHERE:
            value = globals()[name] = getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Aldis(ModuleType):
    """The package, which has one name that can be set."""

    if not TYPE_CHECKING:

        @property
        def slow_receiver_seconds(self) -> float | None:
            """How many seconds a receiver may take before the logger ``aldis`` warns; ``None``, the default: any.

            Seconds of the clock, those that an async receiver waits included. While it is ``None``, no call is timed.
            """
            return importlib.import_module(".tracing", __name__).slow_receiver_seconds()

        @slow_receiver_seconds.setter
        def slow_receiver_seconds(self, seconds: float | None) -> None:
            importlib.import_module(".tracing", __name__).set_slow_receiver_seconds(seconds)


sys.modules[__name__].__class__ = _Aldis
