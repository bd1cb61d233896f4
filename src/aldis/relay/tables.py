"""The tables of the relay: the outbox, the inbox, and who works on them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    exists,
    insert,
    inspect,
    literal_column,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.mysql import LONGBLOB, VARCHAR
from sqlalchemy.schema import DDL

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Insert, Select

    from ..orm.database import Database

__all__ = [
    "CHANNEL",
    "add_tables",
    "create_tables",
    "delivery",
    "inbox",
    "insert_if_new",
    "is_numbered",
    "lane",
    "none_of",
    "outbox",
    "parked",
    "receiver",
    "require_tables",
]

CHANNEL: Final = "aldis_outbox"
"""Where PostgreSQL notifies the relays (NOTIFY)."""

metadata: Final = MetaData()

Number: Final = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite counts up only a column that is declared as INTEGER (its manual, "Rowid Tables")."""


def text(length: int) -> String:
    """Return the type of a text whose values are told apart by every character.

    By default MariaDB and MySQL take ``Mail`` for ``mail`` and for ``mäil``: two receivers would share their events.
    """
    return String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


Bytes: Final = LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")

outbox: Final = Table(
    "aldis_outbox",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("lane", SmallInteger, nullable=False),
    Column("sender", text(200), nullable=False),
    Column("signal", String(40), nullable=False),
    Column("version", Integer, nullable=False),
    Column("batch", String(32), nullable=False),
    Column("count", Integer, nullable=False),
    Column("keys", Bytes, nullable=False),
    Column("payload", Bytes, nullable=False),
    Column("rest", Bytes, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("ix_aldis_outbox_lane_sender", "lane", "sender", "id"),
)
"""A row is a batch of events of one lane: ``keys`` and ``payload`` are JSON arrays, ``rest`` ends each event.

Where there is no broker, a receiver walks its sender's rows in a lane by this index: the others may be many, since an
event that no receiver is known for stays for a week.
"""

is_numbered: Final = outbox.c.id > literal_column("0")
"""A condition of all rows, which only a relay to a broker asks for: see the index."""

Index("ix_aldis_outbox_lane", outbox.c.lane, outbox.c.id, postgresql_where=is_numbered)
# By this one, a relay to a broker walks a lane. PostgreSQL would take either for a receiver, as long as the table is
# young. It can take this one only for a statement that has its condition.


def compress_fast(table: Table) -> None:
    """Let PostgreSQL compress the events with lz4, or not at all where it was built without.

    By default it takes pglz, which is slow, for events that are sent once and deleted; with lz4 a bulk save is faster
    than without, since there is less to log.
    """
    column = f"ALTER TABLE {table.name} ALTER COLUMN payload SET"
    statement: DDL = DDL(  # type: ignore[no-untyped-call]
        f"DO $$ BEGIN {column} COMPRESSION lz4; EXCEPTION WHEN OTHERS THEN {column} STORAGE EXTERNAL; END $$"
    )
    event.listen(table, "after_create", statement.execute_if(dialect="postgresql"))


compress_fast(outbox)

lane: Final = Table(
    "aldis_lane",
    metadata,
    Column("receiver", text(200), primary_key=True),
    Column("lane", SmallInteger, primary_key=True, autoincrement=False),
    Column("owner", String(32), nullable=False, server_default=""),
    Column("until", Double, nullable=False, server_default="0"),
)
"""Who passes on the lane at the moment; the receiver is empty where a broker takes the events."""

receiver: Final = Table(
    "aldis_receiver",
    metadata,
    Column("name", text(200), primary_key=True),
    Column("sender", text(200), nullable=False),
    Column("signals", String(400), nullable=False),
)
"""The receivers that take events from the table, where there is no broker."""

delivery: Final = Table(
    "aldis_delivery",
    metadata,
    Column("receiver", text(200), primary_key=True),
    Column("outbox_id", Number, primary_key=True, autoincrement=False),
)
"""Rows of the outbox that a receiver has taken, where there is no broker."""

inbox: Final = Table(
    "aldis_inbox",
    metadata,
    Column("event_id", text(48), primary_key=True),
    Column("receiver", text(200), primary_key=True),
    Column("received_at", Double, nullable=False),
    Index("ix_aldis_inbox_received_at", "received_at"),
)
"""The events that have had their effect.

The event comes first in the key, here and in ``aldis_parked``. PostgreSQL plans without statistics while a table is
young: where the receiver comes first, it reads all events of a receiver to find one.
"""

parked: Final = Table(
    "aldis_parked",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("receiver", text(200), nullable=False),
    Column("key", text(400), nullable=False),
    Column("event_id", text(48), nullable=False),
    Column("event", Bytes, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Double, nullable=False),
    Column("error", Text, nullable=False),
    Column("dead_at", Double, nullable=True),
    UniqueConstraint("event_id", "receiver", name="uq_aldis_parked_event"),
    Index("ix_aldis_parked_key", "receiver", "dead_at", "key"),
)
"""Events that a receiver has raised on, and those after them of the same key; the dead ones are not tried again."""


def none_of(rows: Select[Any], dialect: str) -> ColumnElement[bool]:
    """Return the condition that there are no such rows: they are looked up for each row that it is asked of.

    PostgreSQL makes a join of it, which may read all of a young table each time. Not so of a subquery with an OFFSET.
    """
    return ~exists(rows.offset(literal_column("0")) if dialect == "postgresql" else rows)


@cache
def insert_if_new(table: Table, dialect: str) -> Insert:
    """Return an INSERT that passes over rows which are there already."""
    if dialect in {"mysql", "mariadb"}:
        return insert(table).prefix_with("IGNORE")
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def add_tables(target: MetaData) -> None:
    """Add the relay's tables to the tables of an application, so that its migrations make them.

    Whoever calls :func:`aldis.relay.forward` has them added already; the far side may have to.

    Args:
        target: The metadata: ``Base.metadata``.

    Example:
        >>> from sqlalchemy import MetaData
        >>> from aldis import relay
        >>> mine = MetaData()
        >>> relay.add_tables(mine)
        >>> sorted(mine.tables)[:3]
        ['aldis_delivery', 'aldis_inbox', 'aldis_lane']
    """
    for table in metadata.sorted_tables:
        if table.name not in target.tables:
            copy = table.to_metadata(target)
            if table is outbox:
                compress_fast(copy)


async def create_tables(database: Database) -> None:
    """Create the relay's tables where they are missing: for tests and for programs without migrations.

    Args:
        database: Where.
    """
    async with database.open_engine.begin() as connection:
        await connection.run_sync(metadata.create_all)


async def require_tables(database: Database) -> None:
    """Refuse a database that lacks the relay's tables.

    Raises:
        ConfigurationError: It does.
    """

    def missing(connection: Connection) -> list[str]:
        there = set(inspect(connection).get_table_names())
        return [table.name for table in metadata.sorted_tables if table.name not in there]

    async with database.open_engine.connect() as connection:
        names = await connection.run_sync(missing)
    if names:
        raise ConfigurationError(
            f"{database!r} has no table {', '.join(names)}: call relay.add_tables(Base.metadata) where the models are "
            "declared and migrate, or await relay.create_tables(database)."
        )
