"""A mapped class on aldis's base and its plain twin, each with a table of its own, and the databases for them."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import LargeBinary, Table, event, inspect, make_url, text
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
    classes: list[Any]
    """The mapped classes of the text, bases first."""
    events: list[tuple[str, Any]]
    """The events that the class's own listeners have heard, with the instance."""

    @property
    def base(self) -> Any:
        """The class whose query the bulk methods are called on."""
        return self.names["Thing"]

    @property
    def mapper(self) -> Any:
        return inspect(self.base)

    @property
    def tables(self) -> list[Table]:
        """Return the tables, those that others refer to first."""
        mine = {mapped.__table__ for mapped in self.classes}
        return [table for table in self.base.metadata.sorted_tables if table in mine]

    @property
    def row_tables(self) -> list[Table]:
        """Return the tables that one row may be spread over."""
        mine = {mapped.__table__ for mapped in self.classes if issubclass(mapped, self.base)}
        return [table for table in self.tables if table in mine]

    def labels(self) -> list[tuple[Table, str, str]]:
        """Return each column of a row's tables, with the name of the attribute that it is mapped to."""
        attributes = {
            column: attribute.key
            for mapped in self.classes
            for attribute in inspect(mapped).column_attrs
            for column in attribute.columns
        }
        return [
            (table, column.name, attributes.get(column, column.name))
            for table in self.row_tables
            for column in table.columns
        ]


def make_side(spec: Spec, table: str, base: Any) -> Side:
    events: list[tuple[str, Any]] = []
    names = {**NAMES, "Base": base, "EVENTS": events, "SQLMODEL_BASES": base.__bases__[:-1]}
    exec(compile(spec.source(table), f"<{table}>", "exec", dont_inherit=True), names)
    configure_mappers()
    mapped = {value: None for value in names.values() if isinstance(value, type) and hasattr(value, "__table__")}
    return Side(names, list(mapped), events)


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
        self.owners: AsyncEngine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        self.dialect = make_url(url).get_dialect()()
        role = make_url(url)
        if self.dialect.name == "postgresql":
            # Not the owner, nor a superuser: rights and the security of rows count.
            role = role.set(username=f"{role.database}_role")
        self.role = role.username
        self.database = aldis.Database(role)
        self.plain: AsyncEngine = create_async_engine(role)
        """SQLAlchemy's own, for the plain sessions."""
        if self.dialect.name == "sqlite":
            begin_as_documented(self.plain)
        self.owner: AsyncConnection
        """The connection that makes, alters and empties the tables, and reads the stored rows; open from the beginning
        to the end, and each statement of it is committed."""
        self.pairs: dict[Spec, Pair] = {}
        self.numbers = itertools.count()

    async def begin(self) -> None:
        """Open the owner's connection, and make the role and the types that the tables need."""
        self.owner = await self.owners.connect()
        if self.dialect.name == "postgresql":
            password, database = self.owners.url.password, self.owners.url.database
            is_secret = f" PASSWORD '{password}'" if password else ""
            for statement in (
                f"CREATE ROLE {self.role} LOGIN{is_secret}",
                f"ALTER DATABASE {database} SET synchronous_commit = off",
                *PREPARED_ON_POSTGRESQL,
            ):
                await self.owner.exec_driver_sql(statement)

    async def end(self) -> None:
        """Close the connections, and drop the role."""
        await self.database.dispose()
        await self.plain.dispose()
        if self.dialect.name == "postgresql":
            for statement in (f"DROP OWNED BY {self.role}", f"DROP ROLE {self.role}"):
                await self.owner.exec_driver_sql(statement)
        await self.owner.close()
        await self.owners.dispose()

    async def pair(self, spec: Spec) -> Pair:
        """Return the pair of a spec, made and created when it is first asked for."""
        if spec.tables.alter is not None:
            return await self.make(spec)
        if spec not in self.pairs:
            self.pairs[spec] = await self.make(spec)
        return self.pairs[spec]

    async def make(self, spec: Spec) -> Pair:
        number = next(self.numbers)
        database = self.database

        class Bound(aldis.Model):
            pass

        Bound.database = database

        class Ours(Bound, DeclarativeBase):
            pass

        class Shadow(DeclarativeBase):
            pass

        class Theirs(DeclarativeBase):
            pass

        ours, theirs = f"ours_{number}", f"theirs_{number}"
        pair = Pair(spec, make_side(spec, ours, Ours), make_side(spec, ours, Shadow), make_side(spec, theirs, Theirs))
        for side in (pair.shadow, pair.theirs):
            await self.create(spec, side)
        return pair

    async def create(self, spec: Spec, side: Side) -> None:
        for table in side.tables:
            create = str(CreateTable(table).compile(dialect=self.dialect)).strip()
            for statement in spec.tables.ddl(create, table.name) if table is side.base.__table__ else [create]:
                await self.run(statement)
            if self.dialect.name == "postgresql":
                await self.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table.name} TO {self.role}")
        if self.dialect.name == "postgresql" and spec.table_kind != "table_rights_only":
            own = f"relkind = 'S' AND relname ~ '^{side.base.__table__.name}_'"
            found = await self.owner.exec_driver_sql(f"SELECT quote_ident(relname) FROM pg_class WHERE {own}")
            for name in found.scalars().all():
                await self.run(f"GRANT USAGE, SELECT ON SEQUENCE {name} TO {self.role}")

    async def run(self, statement: str) -> None:
        is_sqlite = self.dialect.name == "sqlite"
        await self.owner.exec_driver_sql(
            statement if is_sqlite or self.driver == "asyncpg" else statement.replace("%", "%%")
        )

    async def alter(self, pair: Pair) -> None:
        """Do as a migration of another process."""
        if pair.spec.tables.alter is not None:
            for side in (pair.shadow, pair.theirs):
                for statement in pair.spec.tables.alter(side.base.__table__.name):
                    await self.run(statement)
        # The plain sessions begin anew, as if SQLAlchemy's program were started again: it remembers with a statement
        # which types its result had.
        await self.plain.dispose()
        self.plain.sync_engine.clear_compiled_cache()

    async def empty(self, pair: Pair) -> None:
        """Delete all rows of both sides."""
        for side in (pair.shadow, pair.theirs):
            for table in reversed(side.tables):
                await self.owner.exec_driver_sql(f"DELETE FROM {table.name}")
            for statement in pair.spec.tables.when_empty(side.base.__table__.name):
                await self.owner.exec_driver_sql(statement)

    async def stored(self, side: Side) -> list[tuple[int, dict[str, str | None]]]:
        """Return the tag of each row, and the row as text, as another connection reads them.

        A call that finds no row may insert a second one with the same tag.
        """
        first = side.base.__table__
        labels = [
            (name if table is first else f"{name} of {table.name.split('_')[-1]}", self.as_text(table, column))
            for table, column, name in side.labels()
        ]
        joins = "".join(
            f" LEFT JOIN {table.name} ON "
            + " AND ".join(f"{table.name}.{key.name} = {first.name}.{key.name}" for key in table.primary_key)
            for table in side.row_tables
            if table is not first
        )
        chosen = ", ".join(sql for _, sql in labels)
        quote = self.dialect.identifier_preparer.quote
        keys = ", ".join(f"{first.name}.{quote(key.name)}" for key in first.primary_key)
        rows = f"{first.name}{joins} WHERE {first.name}.tag >= 0 ORDER BY {keys}"
        found = await self.owner.execute(text(f"SELECT {first.name}.tag, {chosen} FROM {rows}"))
        return [(row[0], dict(zip([label for label, _ in labels], row[1:], strict=True))) for row in found]

    def as_text(self, table: Table, column: str) -> str:
        quote = self.dialect.identifier_preparer.quote
        name = f"{table.name}.{quote(column)}"
        if self.driver == "aiosqlite":
            return f"quote({name})"
        if self.driver == "asyncmy":
            return f"HEX({name})" if isinstance(table.columns[column].type, LargeBinary) else f"CAST({name} AS CHAR)"
        return f"CAST({name} AS text)"


def begin_as_documented(engine: AsyncEngine) -> None:
    """Let transactions of SQLite begin before their first savepoint, whose release is a COMMIT otherwise.

    It is the recipe of SQLAlchemy's documentation: Python's driver begins a transaction ahead of an INSERT alone.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")


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
    couples = [
        (class_kind, table_kind)
        for class_kind in CLASSES.values()
        for table_kind in TABLES.values()
        if class_kind.fits(driver) and table_kind.fits(driver, class_kind.name)
    ]
    # Each column kind is in three pairs of a class kind's plain table, and the odd tables have two pairs each.
    couples = [couple for couple in couples for _ in range(4 if couple[1].name == "plain" else couple[1].pairs)]
    specs = []
    for class_kind, table_kind in couples:
        fitting = [
            kind
            for kind in chance.sample(kinds, len(kinds))
            if class_kind.columns(kind) and not (table_kind.avoids and table_kind.avoids in kind.name)
        ]
        fitting.sort(
            key=lambda kind: (
                kind.name not in table_kind.columns,
                tried[class_kind.name, kind.name],
                tried[table_kind.name, kind.name],
            )
        )
        # One of the two pairs of an odd table is narrow: what only a row of the right kinds shows is shown there.
        narrow = len(specs) % 2 == 0 and table_kind.name != "plain" and table_kind.alter is None
        columns = sorted((kind.name for kind in fitting[: 3 if narrow else width]), key=list(COLUMNS).index)
        tried.update((name, column) for column in columns for name in (class_kind.name, table_kind.name))
        specs.append(Spec(class_kind.name, table_kind.name, tuple(columns)))
    return specs
