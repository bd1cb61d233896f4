"""What is going on while a receiver runs: the context variables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

__all__ = ["CURRENT_INSTANCE", "CURRENT_MODEL_INSTANCE", "EXPLICIT_SPECIFIED_VALUES"]

EXPLICIT_SPECIFIED_VALUES: Final[ContextVar[frozenset[str] | None]] = ContextVar(
    "EXPLICIT_SPECIFIED_VALUES", default=None
)
"""The names of the attributes that the caller named: ``create(...)``, ``save(values=...)``, ``update(...)``."""

CURRENT_INSTANCE: Final[ContextVar[Any]] = ContextVar("CURRENT_INSTANCE", default=None)
"""What the call was made on: the model instance, or the queryset."""

CURRENT_MODEL_INSTANCE: Final[ContextVar[Any]] = ContextVar("CURRENT_MODEL_INSTANCE", default=None)
"""The model instance that is written; ``None`` where a queryset writes many rows at once."""


@contextmanager
def current(instance: object, model_instance: object, named: Iterable[str] | None) -> Iterator[None]:
    """Set the three variables for a block, and what they were after it.

    Args:
        instance: What the call was made on.
        model_instance: The instance that is written.
        named: The names of the attributes that the caller named.
    """
    instances = CURRENT_INSTANCE.set(instance), CURRENT_MODEL_INSTANCE.set(model_instance)
    names = EXPLICIT_SPECIFIED_VALUES.set(None if named is None else frozenset(named))
    try:
        yield
    finally:
        EXPLICIT_SPECIFIED_VALUES.reset(names)
        CURRENT_MODEL_INSTANCE.reset(instances[1])
        CURRENT_INSTANCE.reset(instances[0])
