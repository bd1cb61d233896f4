"""The kinds of columns: a type and its defaults, with values that are near its edges."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COLUMNS", "DRIVERS", "ColumnKind"]

DRIVERS = ("aiosqlite", "asyncpg", "psycopg", "asyncmy")
POSTGRESQL = ("asyncpg", "psycopg")


@dataclass(frozen=True)
class ColumnKind:
    """A kind of column. The attribute of a mapped class is named after it."""

    name: str
    source: str
    """The text of the attribute's right side."""
    values: tuple[str, ...]
    """Texts of values."""
    sql: tuple[str, ...] = ()
    """Texts of values that are SQL expressions."""
    odd: tuple[str, ...] = ()
    """Texts of values that some databases refuse: new rows have them now and then."""
    drivers: tuple[str, ...] = DRIVERS
    has_clock: bool = False
    """The database or the class stores the time of day: two outcomes are compared by presence only."""

    @property
    def has_default(self) -> bool:
        return "default" in self.source


STRINGS = ("'a'", "''", "'it\\'s \"b\"'", "'ünï\\\\n\\t%s:x'", "'-'")
SQL_STRING = ("func.lower('ABC')", "literal('l')", "literal('a').concat('b')")

STRING_KINDS = [
    ColumnKind(
        "string", "mapped_column(String(20))", STRINGS, SQL_STRING, ("TextOfAClass('t')", "Color.red", "5", "'x' * 30")
    ),
    ColumnKind("string_default", "mapped_column(String(20), default='d')", STRINGS, SQL_STRING),
    ColumnKind("string_callable", "mapped_column(String(20), default=lambda: 'called')", STRINGS, SQL_STRING),
    ColumnKind("string_context", "mapped_column(String(20), default=context_default)", STRINGS, SQL_STRING),
    ColumnKind("string_sql_default", "mapped_column(String(20), default=func.lower('D'))", STRINGS, SQL_STRING),
    ColumnKind("string_server_default", "mapped_column(String(20), server_default='s')", STRINGS, SQL_STRING),
    ColumnKind(
        "string_not_null_default", "mapped_column(String(20), nullable=False, default='n')", STRINGS, SQL_STRING
    ),
    ColumnKind("string_not_null", "mapped_column(String(20), nullable=False)", STRINGS, SQL_STRING),
    ColumnKind("string_onupdate", "mapped_column(String(20), onupdate='u')", STRINGS, SQL_STRING),
    ColumnKind("string_sql_onupdate", "mapped_column(String(20), onupdate=func.lower('U'))", STRINGS, SQL_STRING),
    ColumnKind("string_of_other_name", "mapped_column('another name', String(20))", STRINGS, SQL_STRING),
]

NUMBER_KINDS = [
    ColumnKind(
        "integer",
        "mapped_column(Integer)",
        ("0", "-1", "2**31 - 1", "True", "7"),
        ("literal(3) + 4", "func.abs(-5)"),
        ("'x'", "1.5", "2**31", "Decimal(7)", "'7'"),
    ),
    ColumnKind("integer_default", "mapped_column(Integer, default=0)", ("0", "-1", "8"), ("func.abs(-5)",)),
    ColumnKind("big_integer", "mapped_column(BigInteger)", ("2**40", "-(2**63)", "0"), ("func.abs(-5)",)),
    ColumnKind("small_integer", "mapped_column(SmallInteger)", ("-(2**15)", "2**15 - 1", "0")),
    ColumnKind(
        "float_", "mapped_column(Float)", ("0.1", "-2.5", "1e300", "3"), odd=("float('inf')", "Decimal('1.5')", "'1.5'")
    ),
    ColumnKind("double", "mapped_column(Double)", ("0.1", "1e-300", "2")),
    ColumnKind(
        "numeric",
        "mapped_column(Numeric(10, 2))",
        ("Decimal('1.10')", "Decimal('-0.01')", "5", "2.5"),
        odd=("Decimal('1.005')", "Decimal('NaN')", "10**9"),
    ),
    ColumnKind("boolean", "mapped_column(Boolean)", ("True", "False", "1"), ("true()", "false()"), ("2", "'x'")),
    ColumnKind("boolean_default", "mapped_column(Boolean, default=False)", ("True", "False")),
    ColumnKind("cents", "mapped_column(Cents)", ("Decimal('1.25')", "Decimal(0)")),
]

TIME_KINDS = [
    ColumnKind("date_", "mapped_column(Date)", ("date(2026, 1, 2)", "date(1, 1, 1)", "date(9999, 12, 31)")),
    ColumnKind(
        "datetime_",
        "mapped_column(DateTime)",
        ("datetime(2026, 1, 2, 3, 4, 5)", "datetime(1970, 1, 1, 0, 0, 0, 5)"),
        odd=("datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-5)))", "date(2026, 1, 2)"),
    ),
    ColumnKind(
        "datetime_of_zone",
        "mapped_column(DateTime(timezone=True))",
        (
            "datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)",
            "datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=-5)))",
        ),
        odd=("datetime(2026, 1, 2, 3)",),
    ),
    ColumnKind("time_", "mapped_column(Time)", ("time(1, 2, 3)", "time(0, 0)")),
    ColumnKind("interval", "mapped_column(Interval)", ("timedelta(days=2, seconds=3)", "timedelta(0)")),
    ColumnKind(
        "datetime_now",
        "mapped_column(DateTime, server_default=func.now())",
        ("datetime(2026, 1, 2)",),
        ("func.now()",),
        has_clock=True,
    ),
    ColumnKind(
        "datetime_default_now",
        "mapped_column(DateTime, default=func.now(), onupdate=func.now())",
        ("datetime(2026, 1, 2)",),
        ("func.now()",),
        has_clock=True,
    ),
]

OTHER_KINDS = [
    ColumnKind(
        "binary", "mapped_column(LargeBinary)", ("b'ab'", "b''", "b'\\x00\\xff\\\\'"), odd=("bytearray(b'q')", "'text'")
    ),
    ColumnKind("json_", "mapped_column(JSON)", ("{'a': [1, None]}", "[]", "'x'", "1", "{}"), ("null()", "JSON.NULL")),
    ColumnKind("json_none_as_null", "mapped_column(JSON(none_as_null=True))", ("{'a': 1}", "[]"), ("null()",)),
    ColumnKind("json_default", "mapped_column(JSON, default=dict)", ("{'a': 1}", "[1]")),
    ColumnKind("uuid_", "mapped_column(Uuid)", ("UUID(int=7)", "UUID(int=2**127 + 5)"), odd=("'7'",)),
    ColumnKind("enum_", "mapped_column(Enum(Color))", ("Color.red", "'green'", "Color.green"), odd=("'blue'",)),
    ColumnKind("lowered", "mapped_column(Lowered)", ("'AbC'", "''")),
    ColumnKind("uppered", "mapped_column(Uppered)", ("'AbC'", "''")),
    ColumnKind("none_as_dash", "mapped_column(NoneAsDash)", ("'a'", "'-'")),
    ColumnKind("refusing", "mapped_column(Refusing)", ("'a'", "'b'"), odd=("'!'",)),
]

COLUMNS = {kind.name: kind for kind in [*STRING_KINDS, *NUMBER_KINDS, *TIME_KINDS, *OTHER_KINDS]}
