"""The kinds of tables: what a database administrator has made of the table that the class speaks of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .columns import DRIVERS

__all__ = ["TABLES", "TableKind"]


@dataclass(frozen=True)
class TableKind:
    """A kind of table."""

    name: str
    ddl: Callable[[str, str], list[str]] = lambda create, table: [create]
    """Makes the statements from SQLAlchemy's CREATE TABLE and the name of the table."""
    when_empty: Callable[[str], list[str]] = lambda table: []
    """The statements after the table was emptied."""
    drivers: tuple[str, ...] = DRIVERS
    classes: tuple[str, ...] | None = None
    """The class kinds that it fits, where it does not fit all."""


TABLES = {kind.name: kind for kind in [TableKind("plain")]}
