"""The instance that is written while a receiver runs. And the switch that turns the signals off."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Generic, TypeVar

__all__ = [
    "CURRENT",
    "CURRENT_INSTANCE",
    "CURRENT_MODEL_INSTANCE",
    "CurrentValue",
    "DISABLED",
    "EXPLICIT_SPECIFIED_VALUES",
    "NONE",
    "STRICT",
    "current",
    "signals_disabled",
    "strict",
]

T = TypeVar("T")

CURRENT: Final[ContextVar[tuple[Any, Any, frozenset[str] | None] | None]] = ContextVar("CURRENT", default=None)
"""All that the three below hold: to set one variable costs a row less than to set three."""


class CurrentValue(Generic[T]):
    """A value that is held while receivers run; read as a :class:`~contextvars.ContextVar` is.

    Example:
        >>> from aldis.context import CURRENT_INSTANCE
        >>> CURRENT_INSTANCE.get() is None  # no receiver runs
        True
    """

    __slots__ = ("name", "position")

    def __init__(self, name: str, position: int) -> None:
        self.name = name
        self.position = position

    def get(self, default: T | None = None) -> T | None:
        """Return the value of the row whose receivers run, or the default where none do."""
        current: tuple[Any, ...] | None = CURRENT.get()
        return default if current is None else current[self.position]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


CURRENT_INSTANCE: Final[CurrentValue[Any]] = CurrentValue("CURRENT_INSTANCE", 0)
"""The object whose method was called: the model instance, or the queryset."""

CURRENT_MODEL_INSTANCE: Final[CurrentValue[Any]] = CurrentValue("CURRENT_MODEL_INSTANCE", 1)
"""The model instance that is written; ``None`` where a queryset writes many rows at once."""

EXPLICIT_SPECIFIED_VALUES: Final[CurrentValue[frozenset[str]]] = CurrentValue("EXPLICIT_SPECIFIED_VALUES", 2)
"""The names of the attributes that the caller named: ``create(...)``, ``save(values=...)``, ``update(...)``."""

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
    update signals, for a DELETE to the delete signals, for an INSERT to the save signals. Receivers that were connected
    with ``rows=True`` are told of each row, and nothing is refused for them. Nothing is fired and nothing is written
    then. ``Database(strict=True)`` does so for all that its engine runs.

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
    """Set the three values for a block, and put the old ones back after it.

    A class, since a generator's context manager costs as much as a save's ten receivers.

    Args:
        instance: The object whose method was called.
        model_instance: The instance that is written.
        values: The names of the attributes that the caller named.
    """

    __slots__ = ("token",)

    def __init__(self, instance: object, model_instance: object, values: Collection[str] | None) -> None:
        named = frozenset(values) if values else None if values is None else NONE
        self.token = CURRENT.set((instance, model_instance, named))

    def __enter__(self) -> None:
        """Nothing is left to do."""

    def __exit__(self, *exc_info: object) -> None:
        CURRENT.reset(self.token)


NONE: Final[frozenset[str]] = frozenset()
