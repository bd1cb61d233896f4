"""``Model``, the mixin: save and delete one instance, with its signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ..errors import ConfigurationError, NotSavedError, ObjectNotFound
from .database import Database, Using
from .mapping.instance_state import STATE
from .mapping.reserved_names import refuse_lost, reserve_names
from .mapping.table import mapper_of, mapping_of
from .mapping.unloaded import advise_of_unloaded
from .meta import MetaAttribute, meta_of
from .queryset import QuerySet
from .saving import instance as saving
from .session import instance_methods as held
from .session.listeners import listen
from .transactions.outermost import LOST

if TYPE_CHECKING:
    from typing import Self

    from .related import Relation

__all__ = ["Model"]

M = TypeVar("M", bound="Model")


class QueryAttribute:
    """``Model.query``, of the class that it is read from."""

    def __get__(self, instance: object, owner: type[M]) -> QuerySet[M]:
        try:
            mapper_of(owner)
        except ConfigurationError:
            refuse_lost(owner, Model)  # SQLAlchemy reads it while it maps a class with a column of that name
            raise
        return QuerySet(owner)


class Model:
    """A mixin for a SQLAlchemy declarative base: its classes can be saved, and saving them fires signals.

    Example:
        >>> import aldis
        >>> from sqlalchemy import Integer, Text
        >>> from sqlalchemy.orm import DeclarativeBase, mapped_column
        >>> class Base(aldis.Model, DeclarativeBase):
        ...     database = aldis.Database("sqlite+aiosqlite://")
        >>> class User(Base):
        ...     __tablename__ = "user"
        ...     id = mapped_column(Integer, primary_key=True)
        ...     name = mapped_column(Text)
        >>> User.meta.database is Base.database
        True
    """

    meta: ClassVar[MetaAttribute] = MetaAttribute()
    query: ClassVar[QueryAttribute] = QueryAttribute()
    if TYPE_CHECKING:
        database: ClassVar[Database]

    async def save(
        self,
        force_insert: bool = False,
        values: Mapping[str, Any] | None = None,
        *,
        using: Using | None = None,
    ) -> Self | None:
        """Write the instance: INSERT a new one, UPDATE the changed columns of a stored one. Fires the save signals.

        Everything happens in one transaction, the receivers included: when one raises, the row and the instance are
        as they were.

        Args:
            force_insert: INSERT a stored instance as well.
            values: Values to set first, by attribute name.
            using: Where to write, instead of the class's database; not of an instance that a session holds, which is
                written through that.

        Returns:
            The instance; ``None`` when a receiver raised :class:`SkipOperation`.

        Raises:
            ConfigurationError: The class has no database.
            ObjectNotFound: The row of a stored instance is gone.
            UnknownAttributeError: ``values`` has a name that is no attribute.
            TypeError: ``values`` is no mapping.
            InvalidRequestError: A session has deleted the instance, in a transaction that is open.

        Example:
            >>> import asyncio  # Base and User are those of Model's own example
            >>> async def main():
            ...     async with Base.database, Base.database.transaction() as connection:
            ...         await connection.run_sync(Base.metadata.create_all)
            ...         ada = await User(name="Ada").save()
            ...         return ada.id
            >>> asyncio.run(main())
            1
        """
        state: InstanceState[Any] = getattr(self, STATE, None) or state_of(self)  # a call less, for each save
        if values and not isinstance(values, Mapping):
            raise TypeError(
                f"values is {values!r}: save() takes new values by attribute name, values={{'name': ...}}. To write "
                "some attributes of a stored instance only, use update(name=...)."
            )
        if state.session_id is not None and await held.is_held(state):
            return await held.save(self, values or {}, force_insert)
        return await saving.save(self, self, dict(values or {}), using, force_insert=force_insert, to_set=values)

    async def update(self, *, using: Using | None = None, **values: Any) -> Self | None:
        """Write some attributes of a stored instance, and no other. Fires the update signals.

        Args:
            using: Where to write, instead of the class's database.
            values: The new values, by attribute name. Other changes of the instance stay pending.

        Returns:
            The instance; ``None`` when a receiver raised :class:`SkipOperation`.

        Raises:
            NotSavedError: The instance is not stored.
            ConfigurationError: A plain Session holds it, or its class has no database.
            ObjectNotFound: Its row is gone.
            UnknownAttributeError: A name is no attribute.
            InvalidRequestError: A session has deleted the instance, in a transaction that is open.

        Example:
            >>> import asyncio  # Base and User are those of Model's own example
            >>> async def main():
            ...     async with Base.database, Base.database.transaction() as connection:
            ...         await connection.run_sync(Base.metadata.create_all)
            ...         ada = await User(name="Ada").save()
            ...         await ada.update(name="Ada L.")
            ...         return ada.name
            >>> asyncio.run(main())
            'Ada L.'
        """
        state = stored_state(self, "updated")
        if state.session_id is not None and await held.is_held(state):
            return await held.update(self, values)
        return await saving.update(self, values, using)

    async def load(self, *, using: Using | None = None) -> Self:
        """Read the instance's row again; changes that were not saved are lost.

        Args:
            using: Where to read, instead of the class's database.

        Returns:
            The instance.

        Raises:
            NotSavedError: The instance is not stored.
            ConfigurationError: A plain Session holds it, or its class has no database.
            ObjectNotFound: Its row is gone.
        """
        state = state_of(self)
        lost = LOST.pop(state, None)  # of a COMMIT whose outcome nobody knows
        if lost is not None and state.key is None:
            state.key = lost
        state = stored_state(self, "loaded")
        if state.session_id is not None and await held.is_held(state):
            return await held.load(self)
        from .saving.load import load  # here: many programs load nothing again

        try:
            is_there = await load(self, using or meta_of(type(self)).database)
        except BaseException:
            if lost is not None:  # nobody knows still
                LOST[state], state.key = lost, None
            raise
        if not is_there:
            identity = state.identity
            if lost is not None:
                state.key = None
            raise ObjectNotFound(f"{type(self).__name__} {identity!r} cannot be loaded: its row is gone.")
        return self

    async def delete(self, *, using: Using | None = None) -> int:
        """Delete the row of a stored instance. Fires the delete signals.

        Afterwards the instance is new again: saving it inserts it.

        Args:
            using: Where to delete, instead of the class's database.

        Returns:
            The number of rows deleted; 0 when the row was gone, or a receiver raised :class:`SkipOperation`.

        Raises:
            NotSavedError: The instance is not stored.
            ConfigurationError: A plain Session holds it, or its class has no database.
        """
        state = stored_state(self, "deleted")
        if state.session_id is not None and await held.is_held(state):
            return await held.delete(self)
        return await saving.delete(self, using)

    def relation(self, name: str, *, using: Using | None = None) -> Relation[Any]:
        """Return the many-to-many relation of that name, to add to it and to remove from it, with its signals.

        Nothing has to be loaded for that, and no session is needed. Of an instance that a session holds, it goes
        through that session.

        Args:
            name: The name of the relationship.
            using: Where to read and write, instead of the class's database; not of an instance that a session holds.

        Raises:
            UnknownAttributeError: The class has no relationship of that name.
            ConfigurationError: It is no many-to-many relationship, or it is ``viewonly``.
        """
        from .related import Relation  # here: most programs have no many-to-many relationships

        state_of(self)
        return Relation(self, name, using)


def state_of(instance: Model) -> InstanceState[Any]:
    """Return SQLAlchemy's state of an instance.

    Raises:
        ConfigurationError: Its class is not mapped.
    """
    try:
        state: InstanceState[Any] = instance_state(instance)
    except AttributeError:
        mapping_of(type(instance))
        raise
    return state


def stored_state(instance: Model, verb: str) -> InstanceState[Any]:
    """Return SQLAlchemy's state of an instance that is stored; others cannot be ``verb``: "updated", "deleted".

    Raises:
        ConfigurationError: Its class is not mapped.
        NotSavedError: It has not been saved.
    """
    state: InstanceState[Any] = getattr(instance, STATE, None) or state_of(instance)
    if state.key is None:
        raise NotSavedError(f"{instance!r} cannot be {verb}: it has not been saved. Save it first.")
    return state


reserve_names(Model)
advise_of_unloaded(Model)
listen(Model)
