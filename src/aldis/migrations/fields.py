"""Fields that are named on the command line and in migrations: ``"User.email"``, or ``":email"`` for every model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from alembic.util import CommandError
from sqlalchemy import Column, MetaData, Table
from sqlalchemy import inspect as inspected
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Mapper

from ..orm.model import Model
from ..suggestions import did_you_mean

__all__ = ["Field", "fields_named", "model_of_table", "models"]

Metadata: TypeAlias = "MetaData | Collection[MetaData] | None"


class Field(NamedTuple):
    """An attribute of a model that is a column."""

    model: type[Any]
    name: str
    column: Column[Any]

    @property
    def table(self) -> Table:
        """The table that the column is in."""
        table = self.column.table
        assert isinstance(table, Table)
        return table

    def is_in(self, metadata: Metadata) -> bool:
        """Tell whether the table is there."""
        among = as_collection(metadata)
        return among is None or self.table.metadata in among


def models(metadata: Metadata = None) -> list[type[Any]]:
    """Return the mapped classes, bases before those that derive from them.

    Args:
        metadata: Only those whose tables are there: Alembic's ``target_metadata``.
    """
    among = as_collection(metadata)
    found = {model: mapper for model in below(Model) if (mapper := mapper_of(model)) is not None}
    return [
        model
        for model, mapper in found.items()
        if among is None or any(table.metadata in among for table in mapper.tables if isinstance(table, Table))
    ]


def as_collection(metadata: Metadata) -> Collection[MetaData] | None:
    """Return the metadata in Alembic's ``target_metadata``: several, or one."""
    return [metadata] if isinstance(metadata, MetaData) else metadata


def below(of: type[Any]) -> Iterator[type[Any]]:
    """Yield the classes below a class."""
    for model in of.__subclasses__():
        yield model
        yield from below(model)


def mapper_of(model: type[Any]) -> Mapper[Any] | None:
    """Return the mapper of a class, if it has one."""
    try:
        found: Mapper[Any] = inspected(model)
    except NoInspectionAvailable:
        return None
    return found


def fields_named(named: str, metadata: Metadata = None) -> list[Field]:
    """Return the fields that a name stands for, each column once: of the base class that maps it.

    Args:
        named: ``"User.email"``, ``"shop.models.User.email"``, or ``":email"``.
        metadata: As for :func:`models`.

    Raises:
        CommandError: It names no model, or no column of one, or a class name that two modules have.
    """
    model_name, name = split(named)
    among = known_models = models(metadata)
    if model_name:
        among = [model for model in among if model_name in {model.__name__, full_name(model)}]
        if not among:
            known = sorted({model.__name__ for model in known_models})
            raise CommandError(f"null field {named!r}: no model is called {model_name!r}.{near(model_name, known)}")
        if len({full_name(model) for model in among}) > 1:
            full = ", ".join(sorted(f"{full_name(model)}.{name}" for model in among))
            raise CommandError(f"null field {named!r}: several models are called {model_name!r}. Give one of: {full}.")
    found: dict[Column[Any], Field] = {}
    for model in among:
        for field in fields_of(model):
            if field.name == name:
                found.setdefault(field.column, field)
    if not found:
        known = sorted({field.name for model in among for field in fields_of(model)})
        where = f"{model_name} has" if model_name else "the models have"
        raise CommandError(f"null field {named!r}: {where} no column {name!r}.{near(name, known)}")
    return list(found.values())


def fields_of(model: type[Any]) -> Iterator[Field]:
    """Yield the columns of a model."""
    mapper = mapper_of(model)
    assert mapper is not None
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        if isinstance(column, Column):
            yield Field(model, attribute.key, column)


def split(named: str) -> tuple[str, str]:
    """Return the model's name, if there is one, and the field's.

    Raises:
        CommandError: It has not the form of a field's name.
    """
    place = max(named.rfind("."), named.rfind(":")) if isinstance(named, str) else -1
    if place < 0 or not named[place + 1 :]:
        raise CommandError(f"null field {named!r}: give 'Model.field', or ':field' for every model that has it.")
    return named[:place], named[place + 1 :]


def full_name(model: type[Any]) -> str:
    """Return a class's name with its module's."""
    return f"{model.__module__}.{model.__qualname__}"


def near(name: str, known: Iterable[str]) -> str:
    """Return a sentence after a blank: the name that may have been meant, or the names that there are."""
    known = list(known)
    close = did_you_mean(name, known)
    if close or known:
        return close or f" There are {', '.join(known)}."
    return " There are none: does env.py import your models?"


def model_of_table(name: str, table: str, schema: str | None, metadata: Metadata) -> type[Any] | None:
    """Return the model of that name that has columns in that table."""
    for model in models(metadata):
        mapper = mapper_of(model)
        if mapper is not None and name in {model.__name__, full_name(model)}:
            tables = {(each.name, each.schema) for each in mapper.tables if isinstance(each, Table)}
            if (table, schema) in tables:
                return model
    return None
