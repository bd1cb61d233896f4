"""The names that the source text of classes and values may use: SQLAlchemy's own, and a few of the judge's."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import functools
import uuid
from dataclasses import dataclass
from types import CodeType
from typing import Any, Optional

import sqlalchemy
import sqlalchemy.orm
from sqlalchemy import JSON, String, TypeDecorator, func
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.ext.mutable import MutableDict, MutableList

__all__ = ["NAMES", "evaluate"]


class Color(enum.Enum):
    """Stored by name."""

    red = 1
    green = 2


class Lowered(TypeDecorator[str]):
    """The database lowers bound values."""

    impl = String(20)
    cache_ok = True

    def bind_expression(self, bindparam):
        return func.lower(bindparam)


class Uppered(TypeDecorator[str]):
    """The database uppers values that are read."""

    impl = String(20)
    cache_ok = True

    def column_expression(self, column):
        return func.upper(column)


class NoneAsDash(TypeDecorator[str]):
    """None is stored as a dash, and a dash is read as None."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return "-" if value is None else value

    def process_result_value(self, value, dialect):
        return None if value == "-" else value


class Cents(TypeDecorator[decimal.Decimal]):
    """A decimal number, stored as an integer number of hundredths."""

    impl = sqlalchemy.Integer
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else int(value * 100)

    def process_result_value(self, value, dialect):
        return None if value is None else decimal.Decimal(value) / 100


class Refusing(TypeDecorator[str]):
    """A type that refuses values which begin with an exclamation mark."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        if isinstance(value, str) and value.startswith("!"):
            raise ValueError(value)
        return value


def context_default(context):
    """Return a default that is made of the row's other parameters."""
    return f"of {context.get_current_parameters()['tag']}"


@dataclass(frozen=True)
class Point:
    """The value of a composite attribute."""

    x: int | None
    y: int | None


class Text(str):
    """A string of a class derived from str."""

    __slots__ = ()


NAMES: dict[str, Any] = {
    **{name: getattr(sqlalchemy, name) for name in dir(sqlalchemy) if not name.startswith("_")},
    **{name: getattr(sqlalchemy.orm, name) for name in dir(sqlalchemy.orm) if not name.startswith("_")},
    "Any": Any,
    "Optional": Optional,
    "JSON": JSON,
    "DICT_AS_JSON": MutableDict.as_mutable(JSON),  # once: each call gives every mapper of the process a listener more
    "LIST_AS_JSON": MutableList.as_mutable(JSON),
    "hybrid_property": hybrid_property,
    "mysql": mysql,
    "postgresql": postgresql,
    "Decimal": decimal.Decimal,
    "datetime": dt.datetime,
    "date": dt.date,
    "time": dt.time,
    "timedelta": dt.timedelta,
    "timezone": dt.timezone,
    "UUID": uuid.UUID,
    "Color": Color,
    "Lowered": Lowered,
    "Uppered": Uppered,
    "NoneAsDash": NoneAsDash,
    "Cents": Cents,
    "Refusing": Refusing,
    "TextOfAClass": Text,
    "Point": Point,
    "context_default": context_default,
}


@functools.cache
def code_of(source: str) -> CodeType:
    return compile(source, f"<{source}>", "eval")


def evaluate(source: str, names: dict[str, Any], tag: int) -> Any:
    """Return a new value of an expression, which may use ``names`` and the row's ``tag``."""
    return eval(code_of(source), names, {"tag": tag})
