"""``QuerySet``: the rows of a model, found, created, updated and deleted through ``Model.query``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, not_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import instance_state

from ..errors import MultipleObjectsReturned, ObjectNotFound, SkipOperation
from .bulk import bulk_create
from .database import Database, reading, session_on
from .meta import meta_of, operation
from .shape import attribute, mapper_of
from .snapshot import Snapshot
from .sqlite import whole
from .statements import delete_rows, update_rows

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.sql.base import ExecutableOption

    from .model import Model
    from .transaction import Transaction

__all__ = ["QuerySet"]

M = TypeVar("M", bound="Model")


class QuerySet(Generic[M]):
    """The rows of a model class. Immutable and lazy: each method that narrows it returns another, and asks nothing.

    What it returns are instances that no session holds, as after a save.

    Args:
        model: The mapped class.
        select: What to find; by default all rows.
        using: Where to read and write, instead of the class's database.

    Example:
        >>> import asyncio  # Base and User are those of Model's own example
        >>> async def main():
        ...     async with Base.database, Base.database.transaction() as connection:
        ...         await connection.run_sync(Base.metadata.create_all)
        ...         await User.query.bulk_create([{"name": name} for name in ("Ada", "Bob", "Eve")])
        ...         found = await User.query.filter(User.name > "B").order_by("-name").all()
        ...         return [user.name for user in found]
        >>> asyncio.run(main())
        ['Eve', 'Bob']
    """

    __slots__ = ("_select", "_using", "model")

    model: type[M]
    """The mapped class."""

    def __init__(
        self, model: type[M], select: Select[Any] | None = None, using: Database | AsyncConnection | None = None
    ) -> None:
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

    def using(self, target: Database | AsyncConnection) -> Self:
        """Return the same queryset on another database or connection."""
        return type(self)(self.model, self._select, target)

    @property
    def _target(self) -> Database | AsyncConnection:
        return self._using or meta_of(self.model).database

    def _operation(self) -> AbstractAsyncContextManager[Transaction]:
        return operation(self.model, self._using)

    def _conditions(self, expressions: tuple[Any, ...], equals: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        return [*expressions, *(attribute(self.model, name) == value for name, value in equals.items())]

    def filter(self, *expressions: ColumnElement[bool], **equals: Any) -> Self:
        """Return the queryset of the rows that meet all conditions.

        Args:
            expressions: SQLAlchemy expressions.
            equals: Attributes and what they must equal; ``None`` means NULL.

        Raises:
            TypeError: A name is no attribute of the class.
        """
        return self._with(self.select.where(*self._conditions(expressions, equals)))

    def exclude(self, *expressions: ColumnElement[bool], **equals: Any) -> Self:
        """Return the queryset without the rows that meet all conditions; arguments as for :meth:`filter`."""
        conditions = self._conditions(expressions, equals)
        return self._with(self.select.where(not_(and_(*conditions)))) if conditions else self

    def order_by(self, *clauses: str | ColumnElement[Any]) -> Self:
        """Return the queryset in an order: expressions, or attributes' names, with ``-`` before one for descending."""
        order = [
            clause
            if not isinstance(clause, str)
            else attribute(self.model, clause[1:]).desc()
            if clause.startswith("-")
            else attribute(self.model, clause)
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
        async with self._session() as (connection, session):
            return list((await whole(connection, session.scalars(select))).unique().all())

    async def all(self) -> list[M]:
        """Return the instances of all rows."""
        return await self._fetch(self.select)

    async def __aiter__(self) -> AsyncIterator[M]:
        """Stream the instances: rows are fetched as they are asked for, where the driver can."""
        async with self._session() as (_, session):
            async for instance in await session.stream_scalars(self.select):
                session.expunge(instance)
                yield instance

    async def first(self) -> M | None:
        """Return the first instance, or ``None``."""
        found = await self._fetch(self._at_most(1))
        return found[0] if found else None

    def _at_most(self, count: int) -> Select[Any]:
        return self.select if self.select._limit_clause is not None else self.select.limit(count)

    async def get(self, *expressions: ColumnElement[bool], **equals: Any) -> M:
        """Return the one instance; arguments as for :meth:`filter`.

        Raises:
            ObjectNotFound: There is none.
            MultipleObjectsReturned: There are several.
        """
        found = await self.get_or_none(*expressions, **equals)
        if found is None:
            raise ObjectNotFound(f"no {self.model.__name__} meets {self._told(expressions, equals)}.")
        return found

    async def get_or_none(self, *expressions: ColumnElement[bool], **equals: Any) -> M | None:
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
        async with reading(self._target) as connection:
            return (await whole(connection, connection.execute(statement))).scalar_one()

    async def exists(self) -> bool:
        """Tell whether there is a row."""
        async with reading(self._target) as connection:
            return (await whole(connection, connection.execute(select(self.select.exists())))).scalar_one()

    async def values(self, *names: str) -> list[dict[str, Any]]:
        """Return dicts of attributes instead of instances; by default of all columns.

        Raises:
            TypeError: A name is no attribute of the class.
        """
        wanted = names or tuple(each.key for each in mapper_of(self.model).column_attrs)
        columns = [attribute(self.model, name).label(name) for name in wanted]
        async with reading(self._target) as connection:
            result = await whole(connection, connection.execute(self.select.with_only_columns(*columns)))
            return [dict(row) for row in result.mappings()]

    async def create(self, **values: Any) -> M | None:
        """Insert one row. Fires the save signals, with the queryset as ``instance``.

        Args:
            values: The attributes of the new instance, by name.

        Returns:
            The instance, saved; ``None`` when a receiver raised :class:`SkipOperation`.

        Raises:
            TypeError: A name is no attribute of the class.
            ConfigurationError: The class has no database.

        Example:
            >>> import asyncio  # Base and User are those of Model's own example
            >>> async def main():
            ...     async with Base.database, Base.database.transaction() as connection:
            ...         await connection.run_sync(Base.metadata.create_all)
            ...         return (await User.query.create(name="Ada")).id
            >>> asyncio.run(main())
            1
        """
        from .model import save

        instance = self.model(**values)
        return await save(self, instance, values, False, self._using, Snapshot(instance_state(instance)))

    async def bulk_create(self, rows: Iterable[M | Mapping[str, Any]], *, batch_size: int = 5000) -> list[M]:
        """Insert many rows, in one transaction. Fires the bulk signals once, and the save signals for each row.

        Args:
            rows: Instances, or their attributes by name; any iterable, read batch by batch.
            batch_size: How many rows are written at once.

        Returns:
            The instances, saved, their keys set; those aside for which a receiver raised :class:`SkipOperation`.

        Raises:
            TypeError: A row is no instance of the class, nor a mapping of its attributes.
            ConfigurationError: A row is stored already, or belongs to a session, or the class has no database.
            ValueError: ``batch_size`` is not positive.

        Example:
            >>> import asyncio  # Base and User are those of Model's own example
            >>> async def main():
            ...     async with Base.database, Base.database.transaction() as connection:
            ...         await connection.run_sync(Base.metadata.create_all)
            ...         users = await User.query.bulk_create([User(name="Ada"), {"name": "Bob"}])
            ...         return [user.id for user in users]
            >>> asyncio.run(main())
            [1, 2]
        """
        return await bulk_create(self, rows, batch_size, self._using)

    async def get_or_create(self, defaults: Mapping[str, Any] | None = None, **equals: Any) -> tuple[M, bool]:
        """Return the one instance that has these values; where there is none, create it with the ``defaults`` too.

        Where somebody else creates it at the same moment, and a unique constraint says so, theirs is returned.

        Args:
            defaults: Further attributes of a new instance.
            equals: Attributes and what they must equal.

        Returns:
            The instance, and whether it was created.

        Raises:
            SkipOperation: A receiver of ``pre_save`` raised it: there is nothing to return.
        """
        found = await self.get_or_none(**equals)
        if found is not None:
            return found, False
        try:
            created = await self.create(**{**equals, **(defaults or {})})
        except IntegrityError:
            # A locking read sees what others have committed, where MariaDB's ordinary one shows an older state.
            found = await self._with(self.select.with_for_update(read=True)).get_or_none(**equals)
            if found is None:
                raise
            return found, False
        if created is None:
            raise SkipOperation(f"a receiver skipped the creation of the {self.model.__name__}.")
        return created, True

    async def update_or_create(self, defaults: Mapping[str, Any] | None = None, **equals: Any) -> tuple[M, bool]:
        """Update the one instance that has these values with the ``defaults``; where there is none, create it.

        Args:
            defaults: The attributes to set.
            equals: Attributes and what they must equal.

        Returns:
            The instance, and whether it was created.

        Raises:
            SkipOperation: A receiver of ``pre_save`` raised it, and there is nothing to return.
        """
        async with self._operation() as transaction:
            connection = transaction.connection
            found, created = await self.using(connection).get_or_create(defaults, **equals)
            if not created:
                await found.update(using=connection, **(defaults or {}))
            return found, created

    async def update(self, **values: Any) -> int:
        """Update all rows with one statement. Fires the update signals once, with no ``model_instance``.

        Args:
            values: The new values, by attribute name; SQL expressions too.

        Returns:
            The number of rows; 0 when a receiver raised :class:`SkipOperation`.

        Raises:
            TypeError: A name is no attribute that is a column, or there is none.
        """
        return await update_rows(self, values, self._using)

    async def delete(self) -> int:
        """Delete all rows with one statement. Fires the delete signals once, with no ``model_instance``.

        Returns:
            The number of rows; 0 when a receiver raised :class:`SkipOperation`.

        Raises:
            TypeError: A receiver injected a filter that is neither an expression nor a dict of attributes.
        """
        return await delete_rows(self, self._using)
