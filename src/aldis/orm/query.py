"""``Query``: the reading half of a queryset."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, func, not_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import RelationshipDirection

from ..errors import MultipleObjectsReturned, ObjectNotFound, UnknownAttributeError
from .database import Using, reading, session_on
from .databases.sqlite import whole
from .internals import is_limited
from .mapping.table import attribute, mapper_of
from .meta import meta_of
from .transactions.ambient import fetched, turn_on

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.sql.base import ExecutableOption

    from .model import Model

__all__ = ["Query"]

M = TypeVar("M", bound="Model")


class Query(Generic[M]):
    """The conditions of a :class:`QuerySet`, and the rows that meet them."""

    __slots__ = ("_select", "_using", "model")

    model: type[M]
    """The mapped class."""

    def __init__(self, model: type[M], select: Select[Any] | None = None, using: Using | None = None) -> None:
        self.model = model
        self._select = select
        self._using = using

    @classmethod
    def from_select(cls, select: Select[Any]) -> Self:
        """Return the queryset of a SQLAlchemy ``select(Model)``.

        Raises:
            TypeError: It selects something else than one mapped class.
        """
        found = select.column_descriptions
        if len(found) != 1 or found[0].get("expr") is not found[0].get("entity"):
            raise TypeError(f"cannot make a QuerySet of {select}: it has to select one mapped class, select(Model).")
        return cls(found[0]["entity"], select)

    @property
    def select(self) -> Select[Any]:
        """The SQLAlchemy ``Select`` below, to go on with."""
        return select(self.model) if self._select is None else self._select

    def __repr__(self) -> str:
        return f"<QuerySet of {self.model.__name__}>"

    def _with(self, select: Select[Any]) -> Self:
        return type(self)(self.model, select, self._using)

    def using(self, target: Using) -> Self:
        """Return the same queryset on another database or connection."""
        return type(self)(self.model, self._select, target)

    @property
    def _target(self) -> Using:
        return self._using or meta_of(self.model).database

    def _conditions(self, expressions: tuple[Any, ...], equals: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        conditions = [*expressions]
        for name, value in equals.items():
            if name == "pk" and not hasattr(self.model, "pk"):
                conditions += key_equals(self.model, value)
            else:
                conditions.append(attribute(self.model, name) == value)
        return conditions

    if not TYPE_CHECKING:  # a type checker that sees it takes any misspelt name

        def __getattr__(self, name: str) -> Any:
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_") and name != "model" and hasattr(self.model, name):
                message = (
                    f"a {type(self).__name__} has no attribute {name!r}, and {self.model.__name__} has: in a receiver, "
                    "`instance` is what the call was made on, here the QuerySet. Take `model_instance`."
                )
            raise AttributeError(message, name=name, obj=self)

    def filter(self, *expressions: SQLColumnExpression[bool], **equals: Any) -> Self:
        """Return the queryset of the rows that meet all conditions.

        Args:
            expressions: SQLAlchemy expressions.
            equals: Attributes and the values that they must have; ``None`` means NULL. ``pk`` stands for the primary
                key: a tuple, where it has several columns.

        Raises:
            UnknownAttributeError: A name is no attribute of the class.
            TypeError: ``pk`` has not as many values as the primary key has columns.
        """
        return self._with(self.select.where(*self._conditions(expressions, equals)))

    def exclude(self, *expressions: SQLColumnExpression[bool], **equals: Any) -> Self:
        """Return the queryset without the rows that meet all conditions; arguments as for :meth:`filter`."""
        conditions = self._conditions(expressions, equals)
        return self._with(self.select.where(not_(and_(*conditions)))) if conditions else self

    def order_by(self, *clauses: str | SQLColumnExpression[Any]) -> Self:
        """Return the queryset in an order: expressions, or attributes' names, with ``-`` before one for descending.

        Raises:
            UnknownAttributeError: A name is no attribute of the class, or a relationship.
        """
        order = [
            clause
            if not isinstance(clause, str)
            else value_of(self.model, clause[1:]).desc()
            if clause.startswith("-")
            else value_of(self.model, clause)
            for clause in clauses
        ]
        return self._with(self.select.order_by(*order))

    def limit(self, count: int) -> Self:
        """Return the queryset of the first ``count`` rows."""
        return self._with(self.select.limit(count))

    def offset(self, count: int) -> Self:
        """Return the queryset without the first ``count`` rows."""
        return self._with(self.select.offset(count))

    def options(self, *options: ExecutableOption) -> Self:
        """Return the queryset with SQLAlchemy's loader options, such as ``selectinload(User.posts)``."""
        return self._with(self.select.options(*options))

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[tuple[AsyncConnection, AsyncSession]]:
        """Open a session for one statement; its instances leave it when it closes."""
        async with reading(self._target) as connection, session_on(connection) as session:
            yield connection, session
            session.expunge_all()

    async def _fetch(self, select: Select[Any]) -> list[M]:
        async with self._session() as (connection, session), turn_on(connection):
            return list((await whole(connection, session.scalars(select))).unique().all())

    async def all(self) -> list[M]:
        """Return the instances of all rows; ``await query`` does the same."""
        return await self._fetch(self.select)

    def __await__(self) -> Generator[Any, Any, list[M]]:
        return self.all().__await__()

    async def __aiter__(self) -> AsyncIterator[M]:
        """Stream the instances: rows are fetched as they are asked for, where the driver can."""
        async with self._session() as (connection, session):
            async for instance in fetched(connection, lambda: session.stream_scalars(self.select)):
                session.expunge(instance)
                yield instance

    async def first(self) -> M | None:
        """Return the first instance, or ``None``."""
        found = await self._fetch(self._at_most(1))
        return found[0] if found else None

    def _at_most(self, count: int) -> Select[Any]:
        return self.select if is_limited(self.select) else self.select.limit(count)

    async def get(self, *expressions: SQLColumnExpression[bool], **equals: Any) -> M:
        """Return the one instance; arguments as for :meth:`filter`.

        Raises:
            ObjectNotFound: There is none.
            MultipleObjectsReturned: There are several.
        """
        found = await self.get_or_none(*expressions, **equals)
        if found is None:
            raise ObjectNotFound(f"no {self.model.__name__} meets {self._told(expressions, equals)}.")
        return found

    async def get_or_none(self, *expressions: SQLColumnExpression[bool], **equals: Any) -> M | None:
        """Return the one instance, or ``None``; arguments as for :meth:`filter`.

        Raises:
            MultipleObjectsReturned: There are several.
        """
        found = await self._fetch(self.filter(*expressions, **equals)._at_most(2))
        if len(found) > 1:
            told = self._told(expressions, equals)
            raise MultipleObjectsReturned(
                f"more than one {self.model.__name__} meets {told}: narrow it, or use first() or all()."
            )
        return found[0] if found else None

    def _told(self, expressions: tuple[Any, ...], equals: Mapping[str, Any]) -> str:
        parts = [*map(str, expressions), *(f"{name}={value!r}" for name, value in equals.items())]
        return " and ".join(parts) or "the query"

    async def count(self) -> int:
        """Return the number of rows."""
        statement = select(func.count()).select_from(self.select.order_by(None).subquery())
        async with reading(self._target) as connection, turn_on(connection):
            return (await whole(connection, connection.execute(statement))).scalar_one()

    async def exists(self) -> bool:
        """Tell whether there is a row."""
        async with reading(self._target) as connection, turn_on(connection):
            return (await whole(connection, connection.execute(select(self.select.exists())))).scalar_one()

    async def values(self, *names: str) -> list[dict[str, Any]]:
        """Return dicts of attributes instead of instances; by default of all columns.

        Raises:
            UnknownAttributeError: A name is no attribute of the class, or a relationship.
        """
        wanted = names or tuple(each.key for each in mapper_of(self.model).column_attrs)
        columns = [value_of(self.model, name).label(name) for name in wanted]
        async with reading(self._target) as connection, turn_on(connection):
            result = await whole(connection, connection.execute(self.select.with_only_columns(*columns)))
            return [dict(row) for row in result.mappings()]


def value_of(model: type[Any], name: str) -> Any:
    """Return a mapped class's attribute, for SQL that reads its value or sorts by it.

    Raises:
        UnknownAttributeError: There is none of that name, or it is a relationship: SQLAlchemy would take all pairs of
            rows of the two tables, with the condition that joins them for a value.
    """
    found, mapper = attribute(model, name), mapper_of(model)
    relationship = mapper.relationships.get(name)
    if relationship is None:
        return found
    keys = ""
    if relationship.direction is RelationshipDirection.MANYTOONE:
        keys = " or ".join(sorted(mapper.get_property_by_column(each).key for each in relationship.local_columns))
    raise UnknownAttributeError(
        f"{name!r} is a relationship of {model.__name__}, and no value of its rows: "
        f"{f'name {keys}, or ' if keys else ''}load it with options(selectinload({model.__name__}.{name}))."
    )


def key_equals(model: type[Any], value: Any) -> list[Any]:
    """Return the conditions that find the row of a primary key.

    Args:
        model: The mapped class.
        value: The key; a tuple, where it has several columns.

    Raises:
        TypeError: It has not as many values as the primary key has columns.
    """
    mapper = mapper_of(model)
    columns = mapper.primary_key
    values = value if len(columns) > 1 and isinstance(value, tuple | list) else (value,)
    if len(values) != len(columns):
        names = [mapper.get_property_by_column(column).key for column in columns]
        raise TypeError(
            f"pk is {value!r}, and {model.__name__}'s primary key is {', '.join(names)}: give a tuple of these."
        )
    return [column == each for column, each in zip(columns, values, strict=True)]
