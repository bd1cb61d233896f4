"""``QuerySet``: the rows of a model, found, created, updated and deleted through ``Model.query``.

The methods for many rows import their module when they are first called: a program needs few of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..progress import BATCH_SIZE, Progress
from .mapping.settable import new_instance
from .meta import meta_of
from .query import Query
from .saving import instance as saving
from .saving.raw_values import Rows

if TYPE_CHECKING:
    from .model import Model
    from .transactions.savepoints import Transaction

__all__ = ["QuerySet"]

M = TypeVar("M", bound="Model")


class QuerySet(Query[M]):
    """The rows of a model class. Immutable and lazy: each method that narrows it returns another, and asks nothing.

    No session holds the instances that it returns, as after a save.

    Args:
        model: The mapped class.
        select: The rows to find; by default all.
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

    __slots__ = ()

    def _operation(self) -> AbstractAsyncContextManager[Transaction]:
        return meta_of(self.model).operation(self._using)

    async def create(self, **values: Any) -> M:
        """Insert one row. Fires the save signals, with the queryset as ``instance``.

        Args:
            values: The attributes of the new instance, by name.

        Returns:
            The instance, saved; ``None`` when a receiver raised :class:`SkipOperation`, which the type leaves out: who
            skips knows.

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
        instance = new_instance(self.model, values)
        saved = await saving.save(self, instance, values, self._using)
        return cast("M", saved)

    async def bulk_create(
        self,
        rows: Rows,
        *,
        batch_size: int = BATCH_SIZE,
        ignore_conflicts: bool = False,
        progress: Progress = False,
    ) -> list[M]:
        """Insert many rows, in one transaction. Fires the bulk signals once, and the save signals for each row.

        Args:
            rows: Instances, or their attributes by name; any iterable or async iterable, read batch by batch.
            batch_size: How many rows are written at once.
            ignore_conflicts: Pass over rows that are in conflict with others (``ON CONFLICT DO NOTHING``; MariaDB's
                ``INSERT IGNORE``, which passes over other mistakes too). ``post_save`` then says ``row_count=0``.
            progress: ``True`` for a bar on the terminal (rich's), or a function that is called after each batch with
                the number of rows done and of all, ``None`` where they have no length.

        Returns:
            The instances, saved, their keys set; those aside for which a receiver raised :class:`SkipOperation`, or a
            conflict was ignored.

        Raises:
            TypeError: A row is no instance of the class, nor a mapping of its attributes.
            AlreadyStoredError: A row is stored already.
            ConfigurationError: A row belongs to a session, or the class has no database.
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
        from .saving.create import bulk_create

        return await bulk_create(self, rows, batch_size, ignore_conflicts, progress, self._using)

    def bulk_create_stream(
        self,
        rows: Rows,
        *,
        batch_size: int = BATCH_SIZE,
        commit_every: int | None = None,
        ignore_conflicts: bool = False,
        progress: Progress = False,
    ) -> AbstractAsyncContextManager[AsyncIterator[list[M]]]:
        """Insert rows batch by batch, and hand each batch over when it is saved: a load of any size in constant memory.

        As :meth:`bulk_create`, whose signals it fires, but for the instances: they are the caller's, batch by batch,
        and nobody keeps them. Rows that the caller saves meanwhile are in the same transaction. Leaving the block
        early, other than by an exception, keeps the rows that were saved so far and reads no more.

        Args:
            rows: As in :meth:`bulk_create`.
            batch_size: How many rows are written at once.
            commit_every: Commit after each batch that completes so many rows, instead of all at the end. When
                something fails, a note tells how many rows were committed, as does the exception's
                ``rows_committed``: go on with the row of that number.
            ignore_conflicts: As in :meth:`bulk_create`.
            progress: As in :meth:`bulk_create`.

        Returns:
            A context manager, whose block gets an async iterator of the saved batches.

        Raises:
            TypeError: As in :meth:`bulk_create`.
            ConfigurationError: As in :meth:`bulk_create`; or ``commit_every`` was given inside a transaction.
            ValueError: ``batch_size`` or ``commit_every`` is not positive.

        Example:
            >>> import asyncio  # Base and User are those of Model's own example
            >>> async def main():
            ...     async with Base.database:
            ...         async with Base.database.transaction() as connection:
            ...             await connection.run_sync(Base.metadata.create_all)
            ...             rows = ({"name": f"user {number}"} for number in range(5))
            ...             async with User.query.bulk_create_stream(rows, batch_size=2) as batches:
            ...                 return [[user.id for user in batch] async for batch in batches]
            >>> asyncio.run(main())
            [[1, 2], [3, 4], [5]]
        """
        from .saving.stream import bulk_create_stream

        return bulk_create_stream(self, rows, batch_size, commit_every, ignore_conflicts, progress, self._using)

    async def bulk_update(
        self,
        rows: Rows,
        update_fields: Sequence[str] | None = None,
        *,
        batch_size: int = BATCH_SIZE,
        progress: Progress = False,
    ) -> int:
        """Update many stored rows, each with its own values. Fires the bulk signals once, the update signals a row.

        Args:
            rows: Stored instances, or mappings of attributes with the primary key; as in :meth:`bulk_create`.
            update_fields: The attributes to write; by default those that were changed on each instance.
            batch_size: How many rows are written at once.
            progress: As in :meth:`bulk_create`.

        Returns:
            The number of rows updated.

        Raises:
            TypeError: A row is neither.
            UnknownAttributeError: A name is no column.
            NotSavedError: An instance is not stored.
            ConfigurationError: An instance belongs to a session, or a mapping lacks the primary key.
            ObjectNotFound: A row is gone; nothing is written then.

        Example:
            >>> import asyncio  # Base and User are those of Model's own example
            >>> async def main():
            ...     async with Base.database, Base.database.transaction() as connection:
            ...         await connection.run_sync(Base.metadata.create_all)
            ...         users = await User.query.bulk_create([{"name": "Ada"}, {"name": "Bob"}])
            ...         for user in users:
            ...             user.name = user.name.upper()
            ...         return await User.query.bulk_update(users)
            >>> asyncio.run(main())
            2
        """
        from .saving.update import bulk_update

        return await bulk_update(self, rows, update_fields, batch_size, progress, self._using)

    async def bulk_get_or_create(
        self,
        rows: Rows,
        *,
        unique_fields: Sequence[str] | None = None,
        create_params: Mapping[str, Any] | None = None,
        batch_size: int = BATCH_SIZE,
        progress: Progress = False,
    ) -> list[M]:
        """Find the stored row of each row, and create those that there are none of.

        Fires the bulk signals once, and the save signals for each row that is created.

        Args:
            rows: As in :meth:`bulk_create`.
            unique_fields: The attributes that tell rows apart; by default the primary key.
            create_params: Further attributes of those that are created.
            batch_size: How many rows are looked up and written at once.
            progress: As in :meth:`bulk_create`.

        Returns:
            The stored instances, in the order of the rows; a row that is there twice is created once.

        Raises:
            TypeError: As in :meth:`bulk_create`.
            ConfigurationError: A row lacks one of the ``unique_fields``.
            MultipleObjectsReturned: Two stored rows share their values.

        Example:
            >>> import asyncio  # Base and User are those of Model's own example
            >>> async def main():
            ...     async with Base.database, Base.database.transaction() as connection:
            ...         await connection.run_sync(Base.metadata.create_all)
            ...         await User.query.create(name="Ada")
            ...         rows = [{"name": "Ada"}, {"name": "Bob"}]
            ...         return [user.id for user in await User.query.bulk_get_or_create(rows, unique_fields=["name"])]
            >>> asyncio.run(main())
            [1, 2]
        """
        from .saving.find_or_create import bulk_get_or_create

        return await bulk_get_or_create(self, rows, unique_fields, create_params, batch_size, progress, self._using)

    async def bulk_update_or_create(
        self,
        rows: Rows,
        update_fields: Sequence[str] | None = None,
        *,
        unique_fields: Sequence[str] | None = None,
        create_params: Mapping[str, Any] | None = None,
        update_params: Mapping[str, Any] | None = None,
        batch_size: int = BATCH_SIZE,
        progress: Progress = False,
    ) -> list[M]:
        """Update the stored row of each row, and create those that there are none of.

        Fires the bulk signals once, the update signals for each row that is found, the save signals for the others.
        Where nobody listens to these, nor to ``post_bulk``, mappings are written by one upsert a batch.

        Args:
            rows: As in :meth:`bulk_create`.
            update_fields: The attributes to write of a row that is found; by default all that were given.
            unique_fields: The attributes that tell rows apart; by default the primary key.
            create_params: Further attributes of those that are created.
            update_params: Further attributes of those that are found.
            batch_size: How many rows are looked up and written at once.
            progress: As in :meth:`bulk_create`.

        Returns:
            The stored instances, in the order of the rows.

        Raises:
            TypeError: As in :meth:`bulk_create`.
            UnknownAttributeError: A name is no column.
            ConfigurationError: A row lacks one of the ``unique_fields``, or two have the same.
            MultipleObjectsReturned: Two stored rows share their values.

        Example:
            >>> import asyncio  # Base and User are those of Model's own example
            >>> async def main():
            ...     async with Base.database, Base.database.transaction() as connection:
            ...         await connection.run_sync(Base.metadata.create_all)
            ...         await User.query.create(id=1, name="Ada")
            ...         users = await User.query.bulk_update_or_create(
            ...             [{"id": 1, "name": "Eve"}, {"id": 2, "name": "Bob"}]
            ...         )
            ...         return [user.name for user in users]
            >>> asyncio.run(main())
            ['Eve', 'Bob']
        """
        from .saving.find_or_create import bulk_update_or_create

        params = update_fields, unique_fields, create_params, update_params
        return await bulk_update_or_create(self, rows, *params, batch_size, progress, self._using)

    async def get_or_create(self, defaults: Mapping[str, Any] | None = None, **equals: Any) -> tuple[M, bool]:
        """Return the one instance that has these values; where there is none, create it with the ``defaults`` too.

        Where somebody else creates it at the same moment, and a unique constraint says so, theirs is returned.

        Args:
            defaults: Further attributes of a new instance.
            equals: The values that attributes must equal, by name.

        Returns:
            The instance, and whether it was created.

        Raises:
            SkipOperation: A receiver of ``pre_save`` raised it: there is nothing to return.
        """
        from .saving.find_or_create import get_or_create

        return await get_or_create(self, defaults, equals)

    async def update_or_create(self, defaults: Mapping[str, Any] | None = None, **equals: Any) -> tuple[M, bool]:
        """Update the one instance that has these values with the ``defaults``; where there is none, create it.

        Args:
            defaults: The attributes to set.
            equals: The values that attributes must equal, by name.

        Returns:
            The instance, and whether it was created.

        Raises:
            SkipOperation: A receiver of ``pre_save`` raised it, and there is nothing to return.
        """
        from .saving.find_or_create import update_or_create

        return await update_or_create(self, defaults, equals)

    async def update(self, **values: Any) -> int:
        """Update all rows with one statement. Fires the update signals once, with no ``model_instance``.

        Args:
            values: The new values, by attribute name; SQL expressions too.

        Returns:
            The number of rows; 0 when a receiver raised :class:`SkipOperation`.

        Raises:
            TypeError: No name was given.
            UnknownAttributeError: A name is no attribute that is a column.
        """
        from .saving.update import update_rows

        return await update_rows(self, values, self._using)

    async def delete(self) -> int:
        """Delete all rows with one statement. Fires the delete signals once, with no ``model_instance``.

        Returns:
            The number of rows; 0 when a receiver raised :class:`SkipOperation`.

        Raises:
            TypeError: A receiver injected a filter that is neither an expression nor a dict of attributes.
        """
        from .saving.delete import delete_rows

        return await delete_rows(self, self._using)
