"""``Relation``: the instances that one instance is linked with by a many-to-many relationship."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy.orm.attributes import instance_state

from ..errors import ConfigurationError
from .internals import is_flushing
from .mapping.instance_state import is_in_session
from .mapping.relations import link_of, related_rows
from .queryset import QuerySet
from .saving.relation import RelationChange
from .saving.unit_of_work import flush_of_another
from .session.instance_methods import is_held, session_of

if TYPE_CHECKING:
    from .database import Using

__all__ = ["Relation"]

T = TypeVar("T", bound=Any)


class Relation(Generic[T]):
    """The instances that one instance is linked with: ``user.relation("friends")``.

    Each method writes the rows of the secondary table by one statement, in one transaction with its signals
    (``pre_relation_add`` and its kin). Nothing has to be loaded before. A collection that is loaded shows the change.

    Args:
        instance: The instance that has the relationship.
        name: The relationship's name.
        using: Where to read and write, instead of the class's database.

    Raises:
        UnknownAttributeError: The class has no relationship of that name.
        ConfigurationError: It is no many-to-many relationship, or it is ``viewonly``.

    Example:
        >>> import asyncio  # Base and User are those of Model's own example
        >>> from sqlalchemy import Column, ForeignKey, Integer, Table
        >>> from sqlalchemy.orm import relationship
        >>> friends = Table(
        ...     "friends",
        ...     Base.metadata,
        ...     Column("one", ForeignKey("user.id"), primary_key=True),
        ...     Column("other", ForeignKey("user.id"), primary_key=True),
        ... )
        >>> User.friends = relationship(
        ...     User,
        ...     secondary=friends,
        ...     primaryjoin=lambda: User.id == friends.c.one,
        ...     secondaryjoin=lambda: User.id == friends.c.other,
        ... )
        >>> async def main():
        ...     async with Base.database, Base.database.transaction() as connection:
        ...         await connection.run_sync(Base.metadata.create_all)
        ...         ada, bob, eve = [await User.query.create(name=name) for name in ("Ada", "Bob", "Eve")]
        ...         await ada.relation("friends").add(bob, eve)
        ...         await ada.relation("friends").remove(bob)
        ...         return [friend.name async for friend in ada.relation("friends")]
        >>> asyncio.run(main())
        ['Eve']
    """

    __slots__ = ("_instance", "_link", "_using")

    def __init__(self, instance: Any, name: str, using: Using | None = None) -> None:
        self._instance = instance
        self._link = link_of(type(instance), name)
        self._using = using

    def __repr__(self) -> str:
        return f"<Relation {self._link.name!r} of {self._instance!r}>"

    @property
    def query(self) -> QuerySet[T]:
        """The :class:`QuerySet` of the instances that are linked, in the order of the relationship.

        Raises:
            NotSavedError: The instance is not stored.
        """
        target = self._link.relationship.mapper.class_
        using, state = self._using, instance_state(self._instance)
        if using is None and is_in_session(self._instance) and flush_of_another(state) is None:
            using = session_of(self._instance)
        return QuerySet(target, related_rows(self._instance, self._link), using)

    async def __aiter__(self) -> AsyncIterator[T]:
        """Stream the instances that are linked."""
        async for each in self.query:
            yield each

    async def _change(self) -> RelationChange:
        """Return the change to write; pending changes of the instance's session are written first."""
        association = self._link.association
        associations = None if association is None else QuerySet(association)
        if not await is_held(instance_state(self._instance)):
            return RelationChange(self._instance, self._link, self._using, None, associations)
        session = session_of(self._instance)
        if not is_flushing(session.sync_session):
            await session.flush()
        return RelationChange(self._instance, self._link, session, session, associations)

    async def add(self, *related: T, ignore_conflicts: bool = False) -> int:
        """Link instances. Fires the signals ``pre_relation_add`` and ``post_relation_add``.

        Where the relationship has ``uselist=False``, the instance takes the place of the one that is linked, as it does
        when it is set; that fires the signals of its removal.

        Args:
            related: The instances; they have to be stored.
            ignore_conflicts: Pass over those that are linked already. ``post_relation_add`` tells of the others.

        Returns:
            The number of rows inserted; 0 when a receiver raised :class:`SkipOperation`.

        Raises:
            NotSavedError: The instance, or one of the others, is not stored.
            ConfigurationError: One of the others is of another class; a plain Session holds the instance; or there are
                several for a relationship with ``uselist=False``.
            IntegrityError: One is linked already (SQLAlchemy's error).
        """
        change = await self._change()
        found = change.keys_of(related, "add")
        change.refuse_several(found, "add")
        async with change.operation() as transaction:
            return await change.add_or_replace(transaction, found, ignore_conflicts)

    async def remove(self, *related: T) -> int:
        """Unlink instances; those that are not linked are passed over.

        Fires the signals ``pre_relation_remove`` and ``post_relation_remove``.

        Args:
            related: The instances.

        Returns:
            The number of rows deleted; 0 when a receiver raised :class:`SkipOperation`.

        Raises:
            NotSavedError: The instance, or one of the others, is not stored.
            ConfigurationError: One of the others is of another class; or a plain Session holds the instance.
        """
        change = await self._change()
        found = change.keys_of(related, "remove")
        async with change.operation() as transaction:
            return await change.remove(transaction, found)

    async def set(self, related: Iterable[T]) -> int:
        """Link these instances and no others, with the signals of the removal, and then of the addition.

        Args:
            related: The instances.

        Returns:
            The number of rows inserted and deleted.

        Raises:
            NotSavedError: The instance, or one of the others, is not stored.
            ConfigurationError: One of the others is of another class; or a plain Session holds the instance.
        """
        if not isinstance(related, Iterable):
            raise ConfigurationError(f"set() got {related!r}: it takes an iterable of instances, set([...]).")
        change = await self._change()
        found = change.keys_of(related, "set")
        change.refuse_several(found, "set")
        async with change.operation() as transaction:
            return sum(await change.replace(transaction, found))

    async def clear(self) -> int:
        """Unlink all instances, by one statement that reads none: the signals' ``related`` is ``None``.

        Fires the signals ``pre_relation_remove`` and ``post_relation_remove``.

        Returns:
            The number of rows deleted; 0 when a receiver raised :class:`SkipOperation`.

        Raises:
            NotSavedError: The instance is not stored.
            ConfigurationError: A plain Session holds the instance.
        """
        change = await self._change()
        async with change.operation() as transaction:
            return await change.clear(transaction)
