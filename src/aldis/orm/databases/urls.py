"""URLs of databases: read, shown without passwords, and refused with the reason and the advice.

``Database`` comes here with its URL, and migrations with that of ``alembic.ini``. No URL is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from inspect import signature
from typing import Any, Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from ...errors import ConfigurationError
from ...masking import masked_text, masked_url

__all__ = ["advice_on_parameters", "refuse_parameters", "shown_url", "unusable", "url_of", "why_no_engine"]

PACKAGES: Final = {
    "aiosqlite": "aiosqlite",
    "asyncmy": "aldis[mysql]",
    "asyncpg": "aldis[postgresql]",
    "psycopg": "psycopg[binary]",
}
"""What pip installs for each driver; aiosqlite comes with aldis, and psycopg has no extra of it."""

ASYNC_URLS: Final = {
    "mariadb": "mariadb+asyncmy",
    "mysql": "mysql+asyncmy",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}
"""How the URL of an async driver begins, for each database; hosting services give ``postgres://``."""

GENERAL_ADVICE: Final = "Give the URL of an async driver, such as 'sqlite+aiosqlite:///app.db', or an AsyncEngine."

TLS_OF_ASYNCMY: Final = "For TLS give connect_args={{'ssl': ssl.create_default_context()}} in the place of {name}"

PARAMETERS: Final[Mapping[str, Mapping[str, str]]] = {
    "asyncpg": {
        "sslmode": "Write ?ssl={value} in the place of ?sslmode={value}",
        **dict.fromkeys(
            ("sslcert", "sslkey", "sslpassword", "sslrootcert"),
            "Give connect_args={{'ssl': an ssl.SSLContext}} in the place of {name}",
        ),
        **dict.fromkeys(
            ("application_name", "options"),
            "Give connect_args={{'server_settings': ...}} in the place of {name}",
        ),
        "connect_timeout": "Give connect_args={{'timeout': seconds}} in the place of {name}",
        "channel_binding": "Leave {name} out",
        "gssencmode": "Leave {name} out",
    },
    "asyncmy": dict.fromkeys(("ssl-mode", "ssl_mode", "sslmode"), TLS_OF_ASYNCMY),
}
"""The advice on parameters of a URL's query that are another client's, by driver.

Those of libpq (PostgreSQL's manual, "Parameter Key Words") and of MySQL's client come with the URLs that hosting
services give. asyncpg takes libpq's words for ``sslmode`` as its ``ssl``.
"""


def url_of(target: str | URL) -> URL:
    """Return the URL of a database.

    Raises:
        ConfigurationError: It cannot be parsed, or is none at all.
    """
    if target is None or target == "":
        raise ConfigurationError(
            unusable(repr(target), f"is the environment variable set that the URL comes from? {GENERAL_ADVICE}")
        )
    if not isinstance(target, str | URL):
        raise ConfigurationError(
            unusable(f"an object of the type {type(target).__name__}", f"it is no URL. {GENERAL_ADVICE}")
        )
    try:
        return make_url(target)
    except (ArgumentError, ValueError):
        # Not "from error": the messages of SQLAlchemy and int() on such a text may have the password in them.
        raise ConfigurationError(
            unusable(masked_url(str(target)), f"it cannot be parsed as a URL. {GENERAL_ADVICE}")
        ) from None


def shown_url(url: URL) -> str:
    """Return a URL without its password, and without those in its query, which SQLAlchemy shows."""
    return masked_text(url.render_as_string())


def why_no_engine(url: URL, error: Exception) -> tuple[str, Exception | None]:
    """Return why SQLAlchemy makes no engine of a URL, with the advice; and the cause that may be shown with it.

    Args:
        url: The URL.
        error: SQLAlchemy's error, or that of the driver's import.

    Returns:
        The sentences; and the error, unless it has a password in it.
    """
    reason = masked_text(str(error))  # SQLAlchemy hides a URL's password, and not that of its query
    first_line = reason.strip().partition("\n")[0].removesuffix(".")
    return f"{first_line}.{advice_on(url, error)}", error if reason == str(error) else None


def advice_on(url: URL, error: Exception) -> str:
    """Return the advice on a URL of which SQLAlchemy makes no engine, after a blank; empty if its driver is right."""
    backend, _, driver = url.drivername.partition("+")
    if driver in PACKAGES and not isinstance(error, NoSuchModuleError):
        return f" Install the driver: pip install '{PACKAGES[driver]}'." if isinstance(error, ImportError) else ""
    if backend in ASYNC_URLS and ASYNC_URLS[backend] != url.drivername:
        return f" Give the URL of an async driver: {ASYNC_URLS[backend]}:// in the place of {url.drivername}://."
    return f" {GENERAL_ADVICE}"


def unusable(url: str, why: str) -> str:
    """Return the message for a database that cannot be used."""
    return f"{url} is not a database that aldis can use: {why}"


def refuse_parameters(url: URL) -> None:
    """Refuse parameters of a URL's query that its driver does not take; it would raise a ``TypeError`` at each connect.

    Args:
        url: The URL of an engine that was made, so that the driver is imported.

    Raises:
        ConfigurationError: There is one that is known to be another client's.
    """
    driver = url.drivername.partition("+")[2]
    advised = PARAMETERS.get(driver)
    if not advised or advised.keys().isdisjoint(url.query):
        return
    taken = signature(sys.modules[driver].connect).parameters
    values = {name: value for name, value in url.query.items() if name in advised and name not in taken}
    if values:
        names = ", ".join(repr(name) for name in values)
        raise ConfigurationError(
            unusable(shown_url(url), f"{driver} takes no {names}. {advice_on_parameters(driver, values)}")
        )


def advice_on_parameters(driver: str, values: Mapping[str, Any]) -> str:
    """Return the advice on another client's parameters, in sentences; empty if none is known to be one.

    Example:
        >>> advice_on_parameters("asyncpg", {"sslmode": "require", "host": "h"})
        'Write ?ssl=require in the place of ?sslmode=require.'
    """
    advised = PARAMETERS.get(driver, {})
    return " ".join(
        f"{advised[name].format(name=name, value=one_of(value))}." for name, value in values.items() if name in advised
    )


def one_of(value: str | Iterable[str]) -> str:
    """Return a parameter's value; of one that is given several times, the last."""
    return value if isinstance(value, str) else list(value)[-1]
