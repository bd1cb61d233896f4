"""Drivers that are talked to directly: a statement and the savepoints before it in as few round trips as there can be.

SQLAlchemy makes the SQL and knows the values' types; a driver here leaves out its machinery for one execution, 60 to
100 microseconds, and on SQLite trips to the driver's thread: four a statement, of 27 microseconds each, where one does.
A connection that is watched (``echo``, events of the engine, tracing) takes SQLAlchemy's own road instead, and so does
any driver that has no module here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sqlalchemy import Connection

    from ..saving.prepared import Prepared
    from ..transactions.savepoints import Transaction

__all__ = ["MYSQL", "Driver", "Outcome", "driver_for"]

MYSQL: Final = frozenset({"mysql", "mariadb"})
"""The names that SQLAlchemy has for the dialect of MySQL and MariaDB."""

DRIVERS: Final = frozenset({"aiosqlite", "asyncmy", "asyncpg", "psycopg"})
"""The drivers that have a module here, by SQLAlchemy's name of the driver."""


class Driver:
    """A connection of one driver."""

    __slots__ = ()

    def is_ready(self) -> bool:
        """Tell whether the transaction has begun in the database."""
        raise NotImplementedError

    def run(
        self, transaction: Transaction, prepared: Prepared, parameters: tuple[Any, ...]
    ) -> Coroutine[Any, Any, Outcome]:
        """Run the statements that are due for the transaction, and then a prepared one."""
        raise NotImplementedError

    async def run_each(
        self, transaction: Transaction, prepared: Prepared, rows: list[tuple[Any, ...]]
    ) -> list[Outcome] | None:
        """Run a prepared statement for each of many rows, in as few trips as there can be.

        ``None`` where each has to be run alone, since the driver would not tell their outcomes apart.
        """
        raise NotImplementedError

    async def run_alone(self, transaction: Transaction, statement: str) -> None:
        """Run a statement about savepoints."""
        raise NotImplementedError

    def hold_begin(self) -> None:
        """Let the BEGIN, which SQLAlchemy may send, go with the statement after it, if the driver can do that."""

    def hold_nothing(self) -> None:
        """End that, where there was no statement."""

    def ask_for_failure(self) -> None:
        """Ask, with the COMMIT that comes next, whether a statement has failed.

        PostgreSQL then answers the COMMIT by a ROLLBACK, and no error.
        """

    def has_failed(self) -> bool:
        """Tell whether one had, once the COMMIT is answered."""
        return False


def driver_for(connection: Connection) -> Driver | None:
    """Return the object that talks to the driver of a connection, where there is one."""
    if connection.get_execution_options().get("schema_translate_map"):
        return None
    name = connection.dialect.driver
    if name not in DRIVERS:
        return None
    found: Driver | None = import_module(f".{name}", __name__).driver_for(connection)
    return found
