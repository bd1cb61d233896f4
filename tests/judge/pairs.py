"""A mapped class on aldis's base and its plain twin, each with a table of its own, and the databases for them."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import LargeBinary, Table, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, configure_mappers
from sqlalchemy.schema import CreateTable

import aldis

from .classes import CLASSES, ClassKind
from .columns import COLUMNS, ColumnKind
from .names import NAMES
from .tables import TABLES, TableKind

__all__ = ["Court", "Pair", "Side", "Spec", "stock"]


PREPARED_ON_POSTGRESQL = (
    "CREATE TYPE color AS ENUM ('red', 'green')",
    "CREATE EXTENSION IF NOT EXISTS citext",
    "CREATE EXTENSION IF NOT EXISTS hstore",
)


@dataclass(frozen=True)
class Spec:
    """Which class, table and columns a pair has, by the names of their kinds."""

    class_kind: str = "plain"
    table_kind: str = "plain"
    columns: tuple[str, ...] = ()

    @property
    def classes(self) -> ClassKind:
        return CLASSES[self.class_kind]

    @property
    def tables(self) -> TableKind:
        return TABLES[self.table_kind]

    @property
    def kinds(self) -> list[ColumnKind]:
        return [COLUMNS[name] for name in self.columns]

    def source(self, table: str) -> str:
        """Return the text of the class."""
        return self.classes.source(table, self.kinds)


@dataclass
class Side:
    """The classes of one side, made from the text."""

    names: dict[str, Any]
    """The names that the text of values may use, the classes among them."""
    events: list[tuple[str, Any]]
    """The events that the class's own listeners have heard, with the instance."""

    @property
    def base(self) -> Any:
        """The class whose query the bulk methods are called on."""
        return self.names["Thing"]

    @property
    def tables(self) -> list[Table]:
        return list(self.base.metadata.sorted_tables)

    def labels(self) -> list[tuple[Table, str, str]]:
        """Return each column of each table, with the name of the attribute that it is mapped to."""
        attributes = {
            column: attribute.key
            for mapper in self.base.registry.mappers
            for attribute in mapper.column_attrs
            for column in attribute.columns
        }
        return [
            (table, column.name, attributes.get(column, column.name))
            for table in self.tables
            for column in table.columns
        ]


def make_side(spec: Spec, table: str, base: Any) -> Side:
    events: list[tuple[str, Any]] = []
    names = {**NAMES, "Base": base, "EVENTS": events}
    exec(spec.source(table), names)
    configure_mappers()
    return Side(names, events)


@dataclass
class Pair:
    """The classes of a spec."""

    spec: Spec
    ours: Side
    """On aldis's base."""
    shadow: Side
    """Plain classes on the tables of ``ours``: they prepare rows, and read them again."""
    theirs: Side
    """Plain classes on tables of their own."""


class Court:
    """The databases of a run on one driver, and the pairs that were made there."""

    def __init__(self, driver: str, url: str) -> None:
        self.driver = driver
        self.database = aldis.Database(url)
        self.plain: AsyncEngine = create_async_engine(url)
        """SQLAlchemy's own: sessions of theirs, and the connection that reads what was stored."""
        self.dialect = make_url(url).get_dialect()()
        self.pairs: dict[Spec, Pair] = {}
        self.numbers = itertools.count()

    async def pair(self, spec: Spec) -> Pair:
        """Return the pair of a spec, made and created when it is first asked for."""
        if spec not in self.pairs:
            self.pairs[spec] = await self.make(spec)
        return self.pairs[spec]

    async def make(self, spec: Spec) -> Pair:
        number = next(self.numbers)
        database = self.database

        class Ours(aldis.Model, DeclarativeBase):
            pass

        Ours.database = database

        class Shadow(DeclarativeBase):
            pass

        class Theirs(DeclarativeBase):
            pass

        ours, theirs = f"ours_{number}", f"theirs_{number}"
        pair = Pair(spec, make_side(spec, ours, Ours), make_side(spec, ours, Shadow), make_side(spec, theirs, Theirs))
        async with self.plain.begin() as connection:
            for side in (pair.shadow, pair.theirs):
                await self.create(connection, spec, side)
        return pair

    async def begin(self) -> None:
        """Make the types that the columns need."""
        if self.dialect.name == "postgresql":
            async with self.plain.begin() as connection:
                for statement in PREPARED_ON_POSTGRESQL:
                    await connection.exec_driver_sql(statement)

    async def create(self, connection: AsyncConnection, spec: Spec, side: Side) -> None:
        for table in side.tables:
            create = str(CreateTable(table).compile(dialect=self.dialect))
            statements = spec.tables.ddl(create, table.name) if table is side.base.__table__ else [create]
            for statement in statements:
                await connection.exec_driver_sql(
                    statement.replace("%", "%%") if self.driver != "aiosqlite" else statement
                )

    async def empty(self, pair: Pair) -> None:
        """Delete all rows of both sides."""
        async with self.plain.begin() as connection:
            for side in (pair.shadow, pair.theirs):
                for table in reversed(side.tables):
                    await connection.exec_driver_sql(f"DELETE FROM {table.name}")
                for statement in pair.spec.tables.when_empty(side.base.__table__.name):
                    await connection.exec_driver_sql(statement)

    async def stored(self, side: Side) -> dict[int, dict[str, str | None]]:
        """Return the rows as text, by tag, as another connection reads them."""
        first = side.base.__table__
        labels = [
            (
                f"{name} of {table.name.rstrip('0123456789_')}" if table is not first else name,
                self.as_text(table, column),
            )
            for table, column, name in side.labels()
        ]
        joins = "".join(
            f" LEFT JOIN {table.name} ON "
            + " AND ".join(f"{table.name}.{key.name} = {first.name}.{key.name}" for key in table.primary_key)
            for table in side.tables
            if table is not first
        )
        async with self.plain.connect() as connection:
            found = await connection.execute(
                text(f"SELECT {first.name}.tag, {', '.join(sql for _, sql in labels)} FROM {first.name}{joins}")
            )
            return {row[0]: dict(zip([label for label, _ in labels], row[1:], strict=True)) for row in found}

    def as_text(self, table: Table, column: str) -> str:
        quote = self.dialect.identifier_preparer.quote
        name = f"{table.name}.{quote(column)}"
        if self.driver == "aiosqlite":
            return f"quote({name})"
        if self.driver == "asyncmy":
            return f"HEX({name})" if isinstance(table.columns[column].type, LargeBinary) else f"CAST({name} AS CHAR)"
        return f"CAST({name} AS text)"

    async def dispose(self) -> None:
        await self.database.dispose()
        await self.plain.dispose()


@contextmanager
def url_of(driver: str, folder: str) -> Iterator[str]:
    """Make a database of the run's own, and drop it."""
    if driver == "aiosqlite":
        yield f"sqlite+aiosqlite:///{folder}/judge.db"
        return
    from new_databases import database_on

    with database_on(driver) as url:
        yield url


def stock(driver: str, width: int = 8) -> list[Spec]:
    """Return the specs that the examples of a driver draw from.

    Each class kind is there with each table kind that fits it. The columns are those that were tried least, with the
    class kind and at all, so that each kind of column is in about as many pairs as the others.
    """
    chance = random.Random(driver)
    kinds = [kind for kind in COLUMNS.values() if driver in kind.drivers]
    tried: Counter[tuple[str, str]] = Counter()
    specs = []
    couples = [
        (class_kind, table_kind)
        for class_kind in CLASSES.values()
        for table_kind in TABLES.values()
        if driver in class_kind.drivers
        and driver in table_kind.drivers
        and (table_kind.classes is None or class_kind.name in table_kind.classes)
    ]
    for class_kind, table_kind in couples * max(1, 150 // len(couples)):
        order = chance.sample(kinds, len(kinds))
        order.sort(key=lambda kind: (tried[class_kind.name, kind.name], tried["", kind.name]))
        columns = sorted((kind.name for kind in order[:width]), key=list(COLUMNS).index)
        tried.update((name, column) for column in columns for name in (class_kind.name, ""))
        specs.append(Spec(class_kind.name, table_kind.name, tuple(columns)))
    return specs
