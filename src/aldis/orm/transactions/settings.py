"""A database's settings of transactions; kept by engine, since every database of an engine takes part in them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from ...errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["STRICT_ENGINES", "Settings", "is_autocommit", "refuse_meaningless", "settings_of", "settle"]


class Settings(NamedTuple):
    """The settings of an engine's transactions; ``aldis.Database`` explains each."""

    begin: Literal["immediate", "deferred"] = "immediate"
    strict: bool = False
    turn_timeout: float = 30
    commit_timeout: float = 10
    after_commit_errors: Literal["raise", "log"] = "raise"


def refuse_meaningless(settings: Settings) -> None:
    """Refuse values that mean nothing.

    Raises:
        ConfigurationError: One does.
    """
    if settings.begin not in {"immediate", "deferred"}:
        raise ConfigurationError(f'begin is {settings.begin!r}: give "immediate" or "deferred".')
    for name in ("turn_timeout", "commit_timeout"):
        seconds = getattr(settings, name)
        if not isinstance(seconds, int | float) or not seconds > 0:
            raise ConfigurationError(f"{name} is {seconds!r}: give a number of seconds, above 0.")
    if settings.after_commit_errors not in {"raise", "log"}:
        raise ConfigurationError(f'after_commit_errors is {settings.after_commit_errors!r}: give "raise" or "log".')


DEFAULT: Final = Settings()
SETTINGS: Final[weakref.WeakKeyDictionary[Engine, Settings]] = weakref.WeakKeyDictionary()

STRICT_ENGINES: Final[weakref.WeakSet[Engine]] = weakref.WeakSet()
"""The engines of strict databases; empty for nearly everybody, and then no statement is looked at."""


def settle(engine: Engine, settings: Settings) -> None:
    """Take note of the settings of an engine; another database with the default ones changes nothing."""
    if settings != DEFAULT or engine not in SETTINGS:
        SETTINGS[engine] = settings
        (STRICT_ENGINES.add if settings.strict else STRICT_ENGINES.discard)(engine)


def settings_of(engine: Engine) -> Settings:
    """Return the settings of an engine."""
    return SETTINGS.get(engine, DEFAULT)


def is_autocommit(connection: Connection) -> bool:
    """Tell whether SQLAlchemy was told to keep a connection in AUTOCOMMIT."""
    level = connection.get_execution_options().get("isolation_level")
    if level is None:
        level = getattr(connection.dialect, "_on_connect_isolation_level", None)
    return bool(level == "AUTOCOMMIT")
