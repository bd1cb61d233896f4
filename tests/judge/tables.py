"""The kinds of tables: changes by a database administrator to the table that the class speaks of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .columns import DRIVERS, POSTGRESQL

__all__ = ["TABLES", "TableKind"]

Statements = Callable[[str, str], list[str]]
SQLITE = ("aiosqlite",)
MARIADB = ("asyncmy",)


def as_it_is(create: str, table: str) -> list[str]:
    return [create]


def nothing(table: str) -> list[str]:
    return []


@dataclass(frozen=True)
class TableKind:
    """A kind of table."""

    name: str
    ddl: Statements = as_it_is
    """Makes the statements from SQLAlchemy's CREATE TABLE and the name of the table."""
    when_empty: Callable[[str], list[str]] = nothing
    """The statements after the table was emptied."""
    alter: Callable[[str], list[str]] | None = None
    """The statements of another process between two calls: the table is made anew for each example."""
    drivers: tuple[str, ...] = DRIVERS
    classes: tuple[str, ...] | None = ("plain", "listened", "eager_defaults", "mutable")
    """The class kinds that it is tried with; None for all."""
    makes_keys: bool = False
    """The table makes other keys than its sequence gives: their order is its own."""
    drops_rows: bool = False
    """It drops some of the rows."""
    has_other_types: bool = False
    """Its columns have other types than the class says."""
    columns: tuple[str, ...] = ()
    """Kinds of columns that it is about: they are there always."""
    pairs: int = 2
    """How many pairs it has with each of its class kinds."""
    makes_no_keys: bool = False
    """It makes none: rows that are there before are given theirs."""
    avoids: str = ""
    """A word in the names of the kinds of columns that are not tried with it."""

    def fits(self, driver: str, class_kind: str) -> bool:
        return driver in self.drivers and (self.classes is None or class_kind in self.classes)


def replacing(*pairs: tuple[str, str]) -> Statements:
    """Return a function that replaces types in the lines of the columns, but those of the key and the tag."""

    def ddl(create: str, table: str) -> list[str]:
        lines = []
        for line in create.splitlines():
            changed = line
            if not re.match(r"\s*(id|tag|CREATE|PRIMARY)\b", line):
                for old, new in pairs:
                    changed = re.sub(old, new, line)
                    if changed != line:
                        break
            lines.append(changed)
        return ["\n".join(lines)]

    return ddl


def followed_by(*statements: str) -> Statements:
    return lambda create, table: [create, *(statement.replace("TABLE_", table) for statement in statements)]


def postgresql_trigger(when: str, body: str) -> Statements:
    return followed_by(
        f"CREATE FUNCTION TABLE__f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
        f"CREATE TRIGGER TABLE__t {when} ON TABLE_ FOR EACH ROW EXECUTE FUNCTION TABLE__f()",
    )


def as_view(create: str, table: str) -> list[str]:
    return [
        create.replace(f"TABLE {table}", f"TABLE {table}_base"),
        f"CREATE VIEW {table} AS SELECT * FROM {table}_base",
    ]


def partitioned_on_postgresql(create: str, table: str) -> list[str]:
    return [
        f"{create.strip()} PARTITION BY RANGE (id)",
        f"CREATE TABLE {table}_1 PARTITION OF {table} FOR VALUES FROM (MINVALUE) TO (10)",
        f"CREATE TABLE {table}_2 PARTITION OF {table} FOR VALUES FROM (10) TO (MAXVALUE)",
    ]


def altering(*changes: str) -> Callable[[str], list[str]]:
    return lambda table: [change.replace("TABLE_", table) for change in changes]


WIDER = (
    (r"\bINTEGER\b", "BIGINT"),
    (r"\bSMALLINT\b", "INTEGER"),
    (r"\bVARCHAR\(20\)", "TEXT"),
    (r"\bJSON\b", "JSONB"),
    (r"\bFLOAT\b", "DOUBLE PRECISION"),
    (r"\bBIGINT\b", "NUMERIC"),
)
OTHER = (
    (r"TIMESTAMP WITHOUT TIME ZONE", "TIMESTAMP WITH TIME ZONE"),
    (r"TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITHOUT TIME ZONE"),
    (r"NUMERIC\(10, 2\)", "DOUBLE PRECISION"),
    (r"\bFLOAT\b", "NUMERIC"),
    (r"DOUBLE PRECISION", "REAL"),
    (r"\bINTEGER\b", "NUMERIC"),
    (r"\bBIGINT\b", "DOUBLE PRECISION"),
    (r"\bVARCHAR\(20\)", "CITEXT"),
    (r"\bDATE\b", "TIMESTAMP WITHOUT TIME ZONE"),
)
SCRAMBLED = "NEW.id := (NEW.id * 7919) % 10007 + 20000; RETURN NEW;"
ODD_TYPES = ("datetime_", "numeric", "float_", "integer", "big_integer", "date_")

TABLES = {
    kind.name: kind
    for kind in [
        TableKind("plain", classes=None),
        # SQLite
        TableKind(
            "autoincrement",
            lambda create, table: [
                re.sub(
                    r",\s*PRIMARY KEY \(id\)",
                    "",
                    create.replace("id INTEGER NOT NULL", "id INTEGER PRIMARY KEY AUTOINCREMENT"),
                )
            ],
            drivers=SQLITE,
        ),
        TableKind(
            "int_key",
            lambda create, table: [create.replace("id INTEGER NOT NULL", "id INT NOT NULL")],
            drivers=SQLITE,
            makes_no_keys=True,
        ),
        TableKind(
            "negative_key",
            when_empty=lambda table: [f"INSERT INTO {table} (id, tag) VALUES (-5, -1)"],
            drivers=SQLITE,
            avoids="not_null",
        ),
        TableKind(
            "strict",
            lambda create, table: [
                re.sub(
                    r"(VARCHAR\(20\)|DATETIME|DATE|TIME|JSON|CHAR\(32\)|VARCHAR\(5\))",
                    "TEXT",
                    re.sub(
                        r"FLOAT|DOUBLE|NUMERIC\(10, 2\)", "REAL", re.sub(r"BIGINT|SMALLINT|BOOLEAN", "INTEGER", create)
                    ),
                ).strip()
                + " STRICT"
            ],
            drivers=SQLITE,
        ),
        TableKind(
            "other_affinity", replacing((r"VARCHAR\(20\)", "INTEGER"), (r"INTEGER|FLOAT", "TEXT")), drivers=SQLITE
        ),
        TableKind(
            "log_trigger",
            followed_by(
                "CREATE TABLE TABLE__log (id INTEGER PRIMARY KEY, tag INTEGER)",
                "CREATE TRIGGER TABLE__t AFTER INSERT ON TABLE_ "
                "BEGIN INSERT INTO TABLE__log (tag) VALUES (NEW.tag); END",
            ),
            drivers=SQLITE,
        ),
        TableKind(
            "ignoring_trigger",
            followed_by(
                "CREATE TRIGGER TABLE__t BEFORE INSERT ON TABLE_ WHEN NEW.tag % 3 = 1 BEGIN SELECT RAISE(IGNORE); END"
            ),
            drivers=SQLITE,
            drops_rows=True,
        ),
        TableKind(
            "altered_column",
            alter=altering("ALTER TABLE TABLE_ ADD COLUMN added INTEGER DEFAULT 3"),
        ),
        # PostgreSQL
        TableKind(
            "wider_types",
            replacing(*WIDER),
            drivers=POSTGRESQL,
            classes=("plain",),
            has_other_types=True,
            columns=ODD_TYPES,
            pairs=6,
        ),
        TableKind(
            "other_types",
            replacing(*OTHER),
            drivers=POSTGRESQL,
            classes=("plain",),
            has_other_types=True,
            columns=ODD_TYPES,
            pairs=10,
        ),
        TableKind(
            "uuid_as_text",
            replacing((r"\bUUID\b", "TEXT")),
            drivers=POSTGRESQL,
            classes=("plain",),
            has_other_types=True,
            columns=("uuid_",),
        ),
        TableKind(
            "descending_keys",
            postgresql_trigger("BEFORE INSERT", "NEW.id := 1000000 - NEW.id; RETURN NEW;"),
            drivers=POSTGRESQL,
            makes_keys=True,
        ),
        TableKind(
            "scrambled_keys", postgresql_trigger("BEFORE INSERT", SCRAMBLED), drivers=POSTGRESQL, makes_keys=True
        ),
        TableKind(
            "dropping_trigger",
            postgresql_trigger("BEFORE INSERT", "IF NEW.tag % 3 = 1 THEN RETURN NULL; END IF; RETURN NEW;"),
            drivers=POSTGRESQL,
            drops_rows=True,
        ),
        TableKind(
            "filling_trigger",
            postgresql_trigger("BEFORE INSERT OR UPDATE", "NEW.string := 'by trigger'; RETURN NEW;"),
            drivers=POSTGRESQL,
            columns=("string",),
        ),
        TableKind("view", as_view, drivers=(*POSTGRESQL, "asyncmy")),
        TableKind("partitioned", partitioned_on_postgresql, drivers=POSTGRESQL),
        TableKind(
            "row_security",
            followed_by(
                "ALTER TABLE TABLE_ ENABLE ROW LEVEL SECURITY", "CREATE POLICY TABLE__p ON TABLE_ USING (tag < 1000)"
            ),
            drivers=POSTGRESQL,
        ),
        TableKind("table_rights_only", drivers=POSTGRESQL, classes=("identity", "identity_always", "two_keys")),
        TableKind(
            "altered_types",
            alter=altering(
                "ALTER TABLE TABLE_ ALTER COLUMN big_integer TYPE double precision",
                "ALTER TABLE TABLE_ ALTER COLUMN integer TYPE bigint",
                "ALTER TABLE TABLE_ ALTER COLUMN float_ TYPE numeric",
                "ALTER TABLE TABLE_ ALTER COLUMN string SET DEFAULT 'of the database'",
            ),
            drivers=POSTGRESQL,
            classes=("plain",),
            has_other_types=True,
            columns=("big_integer", "integer", "float_", "string"),
        ),
        # MariaDB
        TableKind(
            "other_types_of_mariadb",
            replacing(
                (r"\bDATETIME\b", "TIMESTAMP NULL"),
                (r"NUMERIC\(10, 2\)", "DOUBLE"),
                (r"\bFLOAT\b", "DECIMAL(30, 10)"),
                (r"\bINTEGER\b", "BIGINT"),
            ),
            drivers=MARIADB,
            classes=("plain",),
            columns=ODD_TYPES,
        ),
        TableKind(
            "filling_trigger_of_mariadb",
            followed_by("CREATE TRIGGER TABLE__t BEFORE INSERT ON TABLE_ FOR EACH ROW SET NEW.string = 'by trigger'"),
            drivers=MARIADB,
            columns=("string",),
        ),
        TableKind(
            "partitioned_of_mariadb",
            lambda create, table: [f"{create.strip()} PARTITION BY HASH (id) PARTITIONS 3"],
            drivers=MARIADB,
        ),
        TableKind(
            "other_keys_of_mariadb",
            followed_by("CREATE TRIGGER TABLE__t BEFORE INSERT ON TABLE_ FOR EACH ROW SET NEW.id = 1000 - NEW.tag"),
            drivers=MARIADB,
            makes_keys=True,
        ),
    ]
}
