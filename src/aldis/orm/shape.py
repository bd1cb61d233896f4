"""The shape of a mapped class: which attribute is which column, and what defaults a row gets."""

from __future__ import annotations

import difflib
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import Column, Insert, Table, insert, inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import InstanceState, Mapper, RelationshipDirection
from sqlalchemy.sql.schema import CallableColumnDefault, ScalarElementColumnDefault

from ..errors import ConfigurationError

__all__ = ["Shape", "attribute", "mapper_of", "shape_of"]


class DefaultContext:
    """What a column's default callable gets for its context: the row's values so far.

    Stands for SQLAlchemy's ``DefaultExecutionContext``, which only a statement that runs has.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.current_parameters = values

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> Mapping[str, Any]:  # noqa: ARG002
        """Return the values of the row, by column key; there is one group of them, isolated or not."""
        return self.current_parameters


@dataclass(frozen=True)
class Shape:
    """A mapped class, read once."""

    mapper: Mapper[Any]
    table: Table
    """The class's table; the innermost, where it has several."""
    reason: str | None
    """Why its rows need SQLAlchemy's unit of work, if they do."""
    relationships: frozenset[str]
    """The attributes that are relationships to write."""
    has_dependents: bool
    """A delete may concern other rows."""
    columns: tuple[tuple[str, str], ...]
    """The attribute's name and the column's key, of each column that is mapped."""
    attributes: Mapping[str, str]
    """The attribute's name by the column's key."""
    keys: Mapping[str, str]
    """The column's key by the attribute's name."""
    defaults: tuple[tuple[str, Callable[[Any], Any]], ...]
    """The column's key, and what makes its default on the client."""
    primary_key: tuple[str, ...]
    """The keys of the primary key's columns."""
    fetches: bool
    """The database fills in more than the primary key."""
    insert: Insert
    """The INSERT of one row; it returns what the database fills in, where that is more than the primary key."""

    def column_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an INSERT of attribute ``values`` writes, by column key, with the client's defaults applied.

        A primary key that is ``None`` is left to the database.
        """
        written = {key: values[name] for name, key in self.columns if name in values}
        for key in self.primary_key:
            if written.get(key, 0) is None:
                del written[key]
        for key, default in self.defaults:
            if key not in written:
                written[key] = default(DefaultContext(written))
        return written

    def own(self, parameters: Any) -> dict[str, Any]:
        """Return, of a statement's parameters, those that are values of mapped columns."""
        return {key: value for key, value in parameters.items() if key in self.attributes}

    def by_attribute(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a row by attribute name instead of column key."""
        return {self.attributes[key]: value for key, value in written.items()}

    def key_conditions(self, state: InstanceState[Any]) -> list[Any]:
        """Return the conditions that find the stored row of an instance."""
        assert state.identity is not None
        return [column == value for column, value in zip(self.mapper.primary_key, state.identity, strict=True)]

    def refuse_core(self, what: str) -> None:
        """Refuse what works on one table only.

        Raises:
            ConfigurationError: The class needs SQLAlchemy's unit of work.
        """
        if self.reason is not None:
            name = self.mapper.class_.__name__
            raise ConfigurationError(f"{name} {self.reason}: {what} cannot do that with one statement. Use instances.")


SHAPES: Final[weakref.WeakKeyDictionary[Mapper[Any], Shape]] = weakref.WeakKeyDictionary()


def shape_of(model: type[Any]) -> Shape:
    """Return the shape of a mapped class.

    Raises:
        ConfigurationError: The class is not mapped, or not to a table.
    """
    mapper = mapper_of(model)
    shape = SHAPES.get(mapper)
    if shape is None:
        shape = SHAPES[mapper] = _read(mapper)
    return shape


def mapper_of(model: type[Any]) -> Mapper[Any]:
    """Return the mapper of a class.

    Raises:
        ConfigurationError: The class is not mapped.
    """
    try:
        mapper: Mapper[Any] = inspect(model)
    except NoInspectionAvailable:
        raise ConfigurationError(
            f"{model.__name__} is not mapped to a table: give it a __tablename__ and a primary key column."
        ) from None
    return mapper


def always(value: Any) -> Callable[[Any], Any]:
    """Return a default that is the same for every row."""
    return lambda _: value


def attribute(model: type[Any], name: str) -> Any:
    """Return a mapped class's attribute, for SQL.

    Raises:
        TypeError: There is none of that name.
    """
    known = mapper_of(model).all_orm_descriptors.keys()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(known))}."
        raise TypeError(f"{name!r} is no attribute of {model.__name__}; {hint}")
    return getattr(model, name)


def _read(mapper: Mapper[Any]) -> Shape:
    table = mapper.local_table
    if not isinstance(table, Table):
        raise ConfigurationError(f"{mapper.class_.__name__} is mapped to {type(table).__name__}, which is no table.")
    reason = (
        "is mapped to more than one table"
        if len(mapper.tables) > 1
        else "counts versions"
        if mapper.version_id_col is not None
        else None
    )
    related = [each for each in mapper.relationships if not each.viewonly]
    columns = tuple(
        (attribute.key, attribute.columns[0].key)
        for attribute in mapper.column_attrs
        if isinstance(attribute.columns[0], Column)
    )
    defaults: list[tuple[str, Callable[[Any], Any]]] = []
    for name, key in columns:
        default = mapper.columns[name].default
        if isinstance(default, ScalarElementColumnDefault):
            defaults.append((key, always(default.arg)))
        elif isinstance(default, CallableColumnDefault):
            defaults.append((key, cast("Callable[[Any], Any]", default.arg)))
    made = {key for key, _ in defaults}
    fetches = any(
        column.server_default is not None or (column.default is not None and column.key not in made)
        for column in table.columns
    )
    return Shape(
        mapper=mapper,
        table=table,
        reason=reason,
        relationships=frozenset(each.key for each in related),
        has_dependents=any(each.direction is not RelationshipDirection.MANYTOONE for each in related),
        columns=columns,
        attributes={key: name for name, key in columns},
        keys=dict(columns),
        defaults=tuple(defaults),
        fetches=fetches,
        insert=insert(table).return_defaults() if fetches else insert(table),
        primary_key=tuple(dict(columns)[mapper.get_property_by_column(column).key] for column in mapper.primary_key),
    )
