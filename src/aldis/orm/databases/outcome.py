"""The outcome of a statement, and the error that SQLAlchemy makes of one that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = [
    "Outcome",
    "concerns_values",
    "is_answered",
    "is_conflict",
    "is_deadlock",
    "lacks_rights",
    "raise_as_sqlalchemy",
]

UNRELATED_STATES: Final = frozenset({"08", "25", "40", "53", "55", "57", "58", "XX"})
"""Classes of SQLSTATE of which no value is the cause: connections, deadlocks, locks, resources, an administrator."""

UNRELATED_ERRNOS: Final = frozenset(
    {1020, 1040, 1053, 1158, 1159, 1160, 1161, 1180, 1205, 1213, 1317, 1927, 1969, 2006, 2013, 2014, 3024}
)
"""The same of MariaDB's error numbers."""

CONFLICTS: Final = frozenset({"23505", "23P01", 1555, 2067, 2579, 1062, 1586})
"""Of a row that another one excludes: SQLSTATEs of PostgreSQL, extended result codes of SQLite, errors of MariaDB."""

UNRELATED_CODES: Final = frozenset({5, 6, 7, 8, 9, 10, 11, 13, 14, 17})
"""The same of SQLite's result codes: busy, locked, out of memory, read-only, interrupted, no disk..."""


OF_MARIADB: Final = (range(1000, 2000), range(3000, 5000))
"""Error numbers of its server; those from 2000 on are its clients' own (its manual, "MariaDB Error Code Reference")."""


class Outcome(NamedTuple):
    """The outcome of a statement."""

    row: Any
    """The first row that it returned, if it returns rows."""
    row_count: int
    """The number of rows that it wrote."""


async def raise_as_sqlalchemy(
    connection: AsyncConnection,
    error: BaseException,
    sql: str,
    parameters: tuple[Any, ...] | None,
    is_of_driver: bool = False,
) -> NoReturn:
    """Raise an error as SQLAlchemy would have, and have it give up a connection that is lost.

    A cancellation is such an error too: then nobody knows the statement's outcome.

    Args:
        connection: The connection.
        error: The error.
        sql: The statement.
        parameters: Its parameters.
        is_of_driver: The driver has raised it. SQLAlchemy wraps an error of a type. It leaves alone an error of the
            driver that is no error of a database, such as a TypeError of psycopg's.

    Raises:
        BaseException: Always.
    """
    await connection.run_sync(_raise, error, sql, parameters, is_of_driver)
    raise AssertionError("unreachable") from error


def _raise(
    connection: Connection, error: BaseException, sql: str, parameters: tuple[Any, ...] | None, is_of_driver: bool
) -> NoReturn:
    try:
        try:
            raise error  # noqa: TRY301 - SQLAlchemy reads it from where it is handled
        except Exception as failure:
            translate = getattr(connection.connection.dbapi_connection, "_handle_exception", None)
            if is_of_driver and translate is not None:  # psycopg's errors need no translation
                translate(failure)
            raise
    except BaseException as failure:
        is_wrapped = not is_of_driver or isinstance(failure, connection.dialect.loaded_dbapi.Error)
        handle: Callable[..., NoReturn] | None = getattr(connection, "_handle_dbapi_exception", None)
        if handle is None:  # a later SQLAlchemy: the driver's own error
            raise
        handle(failure, sql if is_wrapped else None, parameters, None, None)


def concerns_values(error: Exception) -> bool:
    """Tell whether a statement failed for the sake of its values, and not of a connection, a lock or the server."""
    if not isinstance(error, DBAPIError):
        return True  # a value was refused before anything was sent
    original: Any = error.orig
    if error.connection_invalidated:
        return False
    first = original.args[0] if getattr(original, "args", ()) else None
    if isinstance(first, int):  # of MariaDB, which has one SQLSTATE, HY000, for many kinds
        return first not in UNRELATED_ERRNOS
    if state := getattr(original, "sqlstate", None):
        return state[:2] not in UNRELATED_STATES
    if code := getattr(original, "sqlite_errorcode", None):
        return code & 0xFF not in UNRELATED_CODES
    return True


def is_conflict(error: DBAPIError) -> bool:
    """Tell whether a row was refused because of another one: a key, or a value that has to be unique, is taken."""
    original: Any = error.orig
    codes = [getattr(original, name, None) for name in ("sqlstate", "sqlite_errorcode")]
    return not CONFLICTS.isdisjoint([*codes, *original.args[:1]])


def is_deadlock(error: DBAPIError) -> bool:
    """Tell whether the database has ended a deadlock by this error: PostgreSQL's SQLSTATE, MariaDB's error number."""
    original: Any = error.orig
    return getattr(original, "sqlstate", None) == "40P01" or original.args[:1] == (1213,)


def is_answered(error: DBAPIError) -> bool:
    """Tell whether the server itself has refused a statement; else it may be done, and its answer lost.

    Class 08 of SQLSTATE is a connection's (PostgreSQL's manual, "Error Codes"); asyncpg has it for its own errors too.
    """
    original: Any = error.orig
    if state := getattr(original, "sqlstate", None):
        return not str(state).startswith("08")
    first = original.args[0] if getattr(original, "args", ()) else None
    return isinstance(first, int) and any(first in each for each in OF_MARIADB)


def lacks_rights(error: Exception) -> bool:
    """Tell whether a statement failed for want of a right (PostgreSQL's ``insufficient_privilege``)."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) == "42501"
