"""``QuerySet``: what is created, and one day found, through ``Model.query``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .bulk import bulk_create
from .database import Database

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from .model import Model

__all__ = ["QuerySet"]

M = TypeVar("M", bound="Model")


class QuerySet(Generic[M]):
    """The rows of a model class. Immutable: each method that narrows it returns another.

    Args:
        model: The mapped class.
        using: Where to read and write, instead of the class's database.
    """

    __slots__ = ("_using", "model")

    model: type[M]
    """The mapped class."""

    def __init__(self, model: type[M], using: Database | AsyncConnection | None = None) -> None:
        self.model = model
        self._using = using

    def __repr__(self) -> str:
        return f"<QuerySet of {self.model.__name__}>"

    def using(self, target: Database | AsyncConnection) -> QuerySet[M]:
        """Return the same queryset on another database or connection."""
        return QuerySet(self.model, target)

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

        return await save(self, self.model(**values), values, False, self._using)

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
