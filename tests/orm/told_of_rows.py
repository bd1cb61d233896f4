"""Accounts whose tables keep, by triggers, what has become of each row; and receivers that hear each row.

In a module of a name of its own: SQLAlchemy looks annotations up by it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

from sqlalchemy import String, delete, event, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.signals import LIFECYCLE

NAMES = {"account": ("id", "holder", "balance", "note"), "place": ("area", "number", "holder", "balance", "note")}
"""The columns of the tables."""


def trigger(dialect: str, table: str, kind: str) -> list[str]:
    """Return the statements that keep each row of a table that an UPDATE or a DELETE writes, old and new."""
    columns = NAMES[table]
    old = [f"OLD.{name}" for name in columns]
    new = [f"NEW.{name}" if kind == "update" else "NULL" for name in columns]
    names = [*(f"old_{name}" for name in columns), *(f"new_{name}" for name in columns)]
    keep = f"INSERT INTO kept_{table} ({', '.join(names)}) VALUES ({', '.join(old + new)})"
    name = f"keep_{table}_{kind}"
    if dialect == "postgresql":
        return [
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {keep}; RETURN NULL; END $$",
            f"CREATE TRIGGER {name} AFTER {kind} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
        ]
    body = f"BEGIN {keep}; END" if dialect == "sqlite" else keep
    return [f"CREATE TRIGGER {name} AFTER {kind} ON {table} FOR EACH ROW {body}"]


@asynccontextmanager
async def accounts_on(url, *, is_watched: bool = True):
    """Make models whose tables exist, and the triggers.

    Args:
        url: The database.
        is_watched: The statements are written down: they go through SQLAlchemy then, and not straight to the driver.
    """

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(url)
        type_annotation_map = {str: String(50)}  # noqa: RUF012

    for signal in LIFECYCLE:
        setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

    class Account(Base):
        __tablename__ = "account"
        id: Mapped[int] = mapped_column(primary_key=True)
        holder: Mapped[str]
        balance: Mapped[int] = mapped_column(default=0)
        note: Mapped[str | None]

    class Place(Base):
        __tablename__ = "place"
        area: Mapped[str] = mapped_column(primary_key=True)
        number: Mapped[int] = mapped_column(primary_key=True)
        holder: Mapped[str]
        balance: Mapped[int] = mapped_column(default=0)
        note: Mapped[str | None]

    database = Base.database
    dialect = database.engine.dialect.name
    dialect = "mariadb" if dialect == "mysql" else dialect
    serial = {"postgresql": "SERIAL", "sqlite": "INTEGER", "mariadb": "INTEGER AUTO_INCREMENT"}[dialect]
    statements = []
    sql = []
    if is_watched:
        event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *args: sql.append(args[2]))
    async with database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            for table, names in NAMES.items():
                columns = [f"{when}_{name} VARCHAR(50)" for when in ("old", "new") for name in names]
                statements.append(f"CREATE TABLE kept_{table} (serial {serial} PRIMARY KEY, {', '.join(columns)})")
                statements += [*trigger(dialect, table, "update"), *trigger(dialect, table, "delete")]
            for statement in statements:
                await connection.execute(text(statement))
        try:
            yield SimpleNamespace(Account=Account, Place=Place, Base=Base, database=database, sql=sql, dialect=dialect)
        finally:
            async with database.engine.begin() as connection:
                for table in NAMES:
                    await connection.execute(text(f"DROP TABLE kept_{table}"))
                await connection.run_sync(Base.metadata.drop_all)
                if dialect == "postgresql":
                    for table in NAMES:
                        for kind in ("update", "delete"):
                            await connection.execute(text(f"DROP FUNCTION keep_{table}_{kind}()"))


async def refill(accounts, model, rows) -> None:
    """Let a table have these rows, and its triggers nothing kept."""
    table = model.__table__
    async with accounts.database.engine.begin() as connection:
        await connection.execute(delete(table))
        await connection.execute(text(f"DELETE FROM kept_{table.name}"))
        await connection.execute(insert(table), rows)


async def stored(accounts, model) -> dict:
    """Return the rows of a table by their keys, read past the models."""
    table = model.__table__
    async with accounts.database.engine.connect() as connection:
        rows = await connection.execute(select(table).order_by(*table.primary_key))
        return {key_of(table, row._mapping): dict(row._mapping) for row in rows}


async def kept(accounts, model) -> dict:
    """Return what the triggers have kept of each row: pairs of old and new values, ``None`` for a deleted row's."""
    table, names = model.__table__, NAMES[model.__tablename__]
    async with accounts.database.engine.begin() as connection:
        rows = (await connection.execute(text(f"SELECT * FROM kept_{table.name} ORDER BY serial"))).all()
        await connection.execute(text(f"DELETE FROM kept_{table.name}"))
    found = {}
    for row in rows:
        old, new = (
            typed(dict(zip(names, values, strict=True))) for values in (row[1 : len(names) + 1], row[-len(names) :])
        )
        key = key_of(table, old)
        assert key not in found, f"{key} was written twice"
        found[key] = (old, None if new["holder"] is None else new)
    return found


def typed(row: dict) -> dict:
    """Return a row that was kept as text with its own types."""
    return {
        name: int(value) if name in {"id", "number", "balance"} and value is not None else value
        for name, value in row.items()
    }


def key_of(table, row) -> tuple:
    """Return the primary key of a row."""
    return tuple(row[column.name] for column in table.primary_key)


def values_of(instance) -> dict:
    """Return what an instance shows."""
    return {name: getattr(instance, name) for name in NAMES[type(instance).__tablename__]}


class Told:
    """Receivers of a model that hear each row, and what they have heard.

    Args:
        model: The model.
        skips: The keys of the rows that those before leave out.
        is_async: They are coroutine functions.
        options: More options of their connections.
    """

    def __init__(self, model, skips=(), is_async: bool = True, **options) -> None:
        self.model = model
        self.skips = set(skips)
        self.before: list = []
        """The key, the values and the ``changes`` of each row, in order; of a delete without the last."""
        self.after: list = []
        """The key, the values, the ``changes``, the row count, and whether it was skipped."""
        before = {"pre_update": self.pre_update, "pre_delete": self.pre_delete}
        after = {"post_update": self.post_update, "post_delete": self.post_delete}
        for name, receiver in (before | after).items():
            signal = getattr(model.meta.signals, name)
            signal.connect(as_async(receiver) if is_async else receiver, model, weak=False, rows=True, **options)

    def key(self, instance) -> tuple:
        return key_of(self.model.__table__, values_of(instance))

    def pre_update(self, sender, instance, model_instance, changes) -> None:
        assert sender is self.model
        assert instance is model_instance
        self.before.append((self.key(instance), values_of(instance), changes))
        self.skip(instance)

    def pre_delete(self, sender, instance, model_instance, injected_filters) -> None:
        assert instance is model_instance
        assert injected_filters is None
        self.before.append((self.key(instance), values_of(instance)))
        self.skip(instance)

    def skip(self, instance) -> None:
        if self.key(instance) in self.skips:
            raise aldis.SkipOperation

    def post_update(self, sender, instance, row_count, operation_skipped, changes) -> None:
        self.after.append((self.key(instance), values_of(instance), changes, row_count, operation_skipped))

    def post_delete(self, sender, instance, row_count, operation_skipped) -> None:
        self.after.append((self.key(instance), None, None, row_count, operation_skipped))


def as_async(receiver):
    """Return a coroutine function that does what a receiver does, with its signature."""
    if receiver.__name__ == "pre_update":

        async def told(sender, instance, model_instance, changes) -> None:
            receiver(sender, instance, model_instance, changes)

    elif receiver.__name__ == "pre_delete":

        async def told(sender, instance, model_instance, injected_filters) -> None:
            receiver(sender, instance, model_instance, injected_filters)

    elif receiver.__name__ == "post_update":

        async def told(sender, instance, row_count, operation_skipped, changes) -> None:
            receiver(sender, instance, row_count, operation_skipped, changes)

    else:

        async def told(sender, instance, row_count, operation_skipped) -> None:
            receiver(sender, instance, row_count, operation_skipped)

    return told
