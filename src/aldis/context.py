"""What is going on while a receiver runs: the context variables. And the switch that turns the signals off."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

__all__ = [
    "CURRENT_INSTANCE",
    "CURRENT_MODEL_INSTANCE",
    "DISABLED",
    "EXPLICIT_SPECIFIED_VALUES",
    "NONE",
    "STRICT",
    "signals_disabled",
    "strict",
]

EXPLICIT_SPECIFIED_VALUES: Final[ContextVar[frozenset[str] | None]] = ContextVar(
    "EXPLICIT_SPECIFIED_VALUES", default=None
)
"""The names of the attributes that the caller named: ``create(...)``, ``save(values=...)``, ``update(...)``."""

CURRENT_INSTANCE: Final[ContextVar[Any]] = ContextVar("CURRENT_INSTANCE", default=None)
"""What the call was made on: the model instance, or the queryset."""

CURRENT_MODEL_INSTANCE: Final[ContextVar[Any]] = ContextVar("CURRENT_MODEL_INSTANCE", default=None)
"""The model instance that is written; ``None`` where a queryset writes many rows at once."""

DISABLED: Final[ContextVar[bool]] = ContextVar("DISABLED", default=False)
"""Models fire no signals in this context."""


STRICT: Final[ContextVar[bool]] = ContextVar("STRICT", default=False)
"""Statements of which no signal tells row by row are refused in this context."""


@contextmanager
def strict() -> Iterator[None]:
    """Refuse statements over many rows of models, inside the block, where receivers would miss rows.

    Such a statement fires its signals once, and no signal tells of each row: ``query.update()``, ``query.delete()``,
    and a session's ``update(Model)``, ``delete(Model)`` and ``insert(Model).from_select(...)``. Each raises
    :class:`~aldis.RefusedError` if somebody listens to the model, or to a class below it: for an UPDATE to the save or
    update signals, for a DELETE to the delete signals, for an INSERT to the save signals. Nothing is fired and nothing
    is written then. ``Database(strict=True)`` does so for all that its engine runs.

    Statements on tables (``update(User.__table__)``), ``text()``, ``exec_driver_sql()`` and
    ``session.bulk_save_objects()`` are not seen; nor are those in a block or a session whose signals are turned off.

    Example:
        >>> import aldis
        >>> with aldis.strict():
        ...     pass  # call code that must not bypass receivers
    """
    token = STRICT.set(True)
    try:
        yield
    finally:
        STRICT.reset(token)


@contextmanager
def signals_disabled() -> Iterator[None]:
    """Let models fire no lifecycle signals inside the block, in this task and those that it starts.

    A signal that is sent by hand is not concerned. One signal is turned off by ``signal.muted()``, those of one
    SQLAlchemy session by ``session.info["aldis"] = False``.

    Example:
        >>> import aldis
        >>> with aldis.signals_disabled():
        ...     pass  # load fixtures, for example
    """
    token = DISABLED.set(True)
    try:
        yield
    finally:
        DISABLED.reset(token)


class current:  # noqa: N801 - as contextlib's own
    """Set the three variables for a block, and what they were after it.

    A class, since a generator's context manager costs as much as a save's ten receivers.

    Args:
        instance: What the call was made on.
        model_instance: The instance that is written.
        named: The names of the attributes that the caller named.
    """

    __slots__ = ("instance", "model_instance", "named")

    def __init__(self, instance: object, model_instance: object, named: Collection[str] | None) -> None:
        self.instance = CURRENT_INSTANCE.set(instance)
        self.model_instance = CURRENT_MODEL_INSTANCE.set(model_instance)
        self.named = EXPLICIT_SPECIFIED_VALUES.set(frozenset(named) if named else None if named is None else NONE)

    def __enter__(self) -> None:
        """Nothing is left to do."""

    def __exit__(self, *exc_info: object) -> None:
        EXPLICIT_SPECIFIED_VALUES.reset(self.named)
        CURRENT_MODEL_INSTANCE.reset(self.model_instance)
        CURRENT_INSTANCE.reset(self.instance)


NONE: Final[frozenset[str]] = frozenset()
