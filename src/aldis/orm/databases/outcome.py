"""What a statement did, and the error that SQLAlchemy makes of one that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["Outcome", "raise_as_sqlalchemy"]


class Outcome(NamedTuple):
    """What a statement did."""

    row: Any
    """The first row that it returned, if it returns rows."""
    row_count: int
    """The number of rows that it wrote."""
    key: int | None
    """The key of the row that it inserted, where the driver tells it aside of the rows."""


async def raise_as_sqlalchemy(
    connection: AsyncConnection, error: BaseException, sql: str, parameters: tuple[Any, ...] | None
) -> NoReturn:
    """Raise a driver's error as SQLAlchemy would have, and have it give up a connection that is lost.

    A cancellation is such an error too: what the database has made of the statement is not known then.

    Raises:
        BaseException: Always.
    """
    await connection.run_sync(_raise, error, sql, parameters)
    raise AssertionError("unreachable") from error


def _raise(connection: Connection, error: BaseException, sql: str, parameters: tuple[Any, ...] | None) -> NoReturn:
    try:
        try:
            raise error  # noqa: TRY301 - SQLAlchemy reads it from where it is handled
        except Exception as failure:
            translate = getattr(connection.connection.dbapi_connection, "_handle_exception", None)
            if translate is not None:  # psycopg's errors need no translation
                translate(failure)
            raise
    except BaseException as failure:
        connection._handle_dbapi_exception(failure, sql, parameters, None, None)
