"""``Model``, the mixin: save and delete one instance, with its signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstanceState, make_transient, undefer
from sqlalchemy.orm.attributes import instance_state

from ..context import current
from ..errors import ConfigurationError, ObjectNotFound
from . import flush
from .database import Database
from .firing import fire
from .flush import needs_flush
from .meta import Meta, meta_of, operation
from .queryset import QuerySet
from .shape import Shape, attribute, mapper_of, shape_of
from .snapshot import Snapshot, store
from .sqlite import whole

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Model"]

M = TypeVar("M", bound="Model")


class MetaAttribute:
    """``Model.meta``, of the class that it is read from."""

    def __get__(self, instance: object, owner: type[Any]) -> Meta:
        return meta_of(owner)


class QueryAttribute:
    """``Model.query``, of the class that it is read from."""

    def __get__(self, instance: object, owner: type[M]) -> QuerySet[M]:
        mapper_of(owner)
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

    async def save(
        self,
        force_insert: bool = False,
        values: Mapping[str, Any] | None = None,
        *,
        using: Database | AsyncConnection | None = None,
    ) -> Self | None:
        """Write the instance: INSERT a new one, UPDATE what has changed of a stored one. Fires the save signals.

        Everything happens in one transaction, the receivers included: when one raises, the row and the instance are
        as they were.

        Args:
            force_insert: INSERT a stored instance as well.
            values: Values to set first, by attribute name.
            using: Where to write, instead of the class's database.

        Returns:
            The instance; ``None`` when a receiver raised :class:`SkipOperation`.

        Raises:
            ConfigurationError: The class has no database, or is in a session, or needs SQLAlchemy's unit of work.
            ObjectNotFound: The row of a stored instance is gone.
            TypeError: ``values`` has a name that is no attribute.

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
        state = own_state(self)
        before = Snapshot(self)
        set_values(self, values or {}, before)
        is_update = state.key is not None and not force_insert
        return await save(self, self, dict(values or {}), is_update, using, before)

    async def update(self, *, using: Database | AsyncConnection | None = None, **values: Any) -> Self | None:
        """Write some attributes of a stored instance, and no other. Fires the update signals.

        Args:
            using: Where to write, instead of the class's database.
            values: The new values, by attribute name. What else was changed on the instance stays pending.

        Returns:
            The instance; ``None`` when a receiver raised :class:`SkipOperation`.

        Raises:
            ConfigurationError: The instance is not stored, or is in a session, or its class has no database.
            ObjectNotFound: Its row is gone.
            TypeError: A name is no attribute.

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
        state = own_state(self)
        if state.key is None:
            raise ConfigurationError(f"{self!r} cannot be updated: it has not been saved.")
        shape = shape_of(type(self))
        before = Snapshot(self)
        set_values(self, values, before)
        written = {
            key: value
            for key, value in changed(shape, state).items()
            if shape.attributes[key] in values or shape.attributes[key] not in before.committed
        }
        return await write(self, self, values, written, True, using, before, ("pre_update", "post_update"))

    async def load(self, *, using: Database | AsyncConnection | None = None) -> Self:
        """Read the instance's row again; what was changed and not saved is lost.

        Args:
            using: Where to read, instead of the class's database.

        Returns:
            The instance.

        Raises:
            ConfigurationError: The instance is not stored, or is in a session, or its class has no database.
            ObjectNotFound: Its row is gone.
        """
        state = own_state(self)
        if state.key is None:
            raise ConfigurationError(f"{self!r} cannot be loaded: it has not been saved.")
        shape = shape_of(type(self))
        query = QuerySet(type(self), None, using).filter(*shape.key_conditions(state))
        row = await query.options(undefer("*")).get_or_none()
        if row is None:
            raise ObjectNotFound(f"{type(self).__name__} {state.identity!r} cannot be loaded: its row is gone.")
        values = instance_state(row).dict
        store(self, {name: values[name] for name in shape.keys if name in values})
        return self

    async def delete(self, *, using: Database | AsyncConnection | None = None) -> int:
        """Delete the row of a stored instance. Fires the delete signals.

        Afterwards the instance is new again: saving it inserts it.

        Args:
            using: Where to delete, instead of the class's database.

        Returns:
            The number of rows deleted; 0 when the row was gone, or a receiver raised :class:`SkipOperation`.

        Raises:
            ConfigurationError: The instance is not stored, or is in a session, or its class has no database.
        """
        state = own_state(self)
        if state.key is None:
            raise ConfigurationError(f"{self!r} cannot be deleted: it has not been saved.")
        model = type(self)
        shape = shape_of(model)
        signals = meta_of(model).signals
        row_count = 0
        before = Snapshot(self)
        async with operation(model, using, before.put_back) as connection:
            with current(self, self, None):
                skipped = await fire(signals, "pre_delete", model, self, self, None)
                if not skipped and (shape.reason is not None or shape.has_dependents):
                    row_count = await flush.delete(connection, self, before.others)
                elif not skipped:
                    result = await connection.execute(delete(shape.table).where(*shape.key_conditions(state)))
                    row_count = result.rowcount
                await fire(signals, "post_delete", model, self, self, row_count, skipped)
                if not skipped:
                    make_transient(self)
        return row_count


def own_state(instance: Model) -> InstanceState[Any]:
    """Return SQLAlchemy's state of an instance that no session holds.

    Raises:
        ConfigurationError: Its class is not mapped, or a session holds it.
    """
    mapper_of(type(instance))
    state: InstanceState[Any] = instance_state(instance)
    if state.session is not None:
        raise ConfigurationError(f"{instance!r} belongs to a session: save it with `await session.commit()`.")
    return state


def set_values(instance: Model, values: Mapping[str, Any], before: Snapshot) -> None:
    """Set attributes by name; none, where one of them does not exist or refuses its value.

    Raises:
        TypeError: A name is no attribute of the class.
    """
    for name in values:
        if not hasattr(type(instance), name):
            attribute(type(instance), name)  # raises, with the nearest name
    try:
        for name, value in values.items():
            setattr(instance, name, value)
    except BaseException:
        before.put_back()
        raise


async def save(
    caller: object,
    instance: M,
    values: dict[str, Any],
    is_update: bool,
    using: Database | AsyncConnection | None,
    before: Snapshot,
) -> M | None:
    """Write one instance with its save signals; ``caller`` is what the call was made on."""
    shape = shape_of(type(instance))
    state: InstanceState[Any] = instance_state(instance)
    written = changed(shape, state) if is_update else shape.column_values(state.dict)
    return await write(caller, instance, values, written, is_update, using, before, ("pre_save", "post_save"))


async def write(
    caller: object,
    instance: M,
    values: dict[str, Any],
    written: dict[str, Any],
    is_update: bool,
    using: Database | AsyncConnection | None,
    before: Snapshot,
    names: tuple[str, str],
) -> M | None:
    """Write one instance, with the signals of these names, in one transaction."""
    model = type(instance)
    shape = shape_of(model)
    signals = meta_of(model).signals
    told = (caller, instance, values, written, is_update, False)
    row_count = 0
    async with operation(model, using, before.put_back) as connection:
        with current(caller, instance, values):
            skipped = await fire(signals, names[0], model, *told)
            if skipped:
                pass
            elif needs_flush(shape, instance):
                row_count = await flush.write(connection, shape, [(instance, written)], is_update, before.others)
            elif is_update:
                row_count = await write_update(connection, shape, instance, written)
            else:
                row_count = await write_insert(connection, shape, instance, written)
            await fire(signals, names[1], model, *told, row_count, skipped)
    return None if skipped else instance


def changed(shape: Shape, state: InstanceState[Any]) -> dict[str, Any]:
    """Return what an UPDATE of a stored instance writes, by column key."""
    values = state.dict
    return {key: values[name] for name, key in shape.columns if name in state.committed_state and name in values}


async def write_insert(connection: AsyncConnection, shape: Shape, instance: Model, written: dict[str, Any]) -> int:
    """Insert the row, and give ``written`` and the instance what the database filled in; return the row count."""
    statement = connection.execute(shape.insert, written)
    result = await (whole(connection, statement) if shape.fetches else statement)
    written.update(shape.own(result.last_inserted_params()))
    if result.returned_defaults is not None:
        written.update(result.returned_defaults._mapping)
    written.update(zip(shape.primary_key, result.inserted_primary_key or (), strict=True))
    store(instance, shape.by_attribute(written))
    return result.rowcount if result.rowcount >= 0 else 1


async def write_update(connection: AsyncConnection, shape: Shape, instance: Model, written: dict[str, Any]) -> int:
    """Update the row, and give ``written`` and the instance what it has now; return the row count."""
    if not written:
        return 0
    state: InstanceState[Any] = instance_state(instance)
    statement = update(shape.table).where(*shape.key_conditions(state)).values(written)
    result = await connection.execute(statement)
    if result.rowcount == 0:
        raise ObjectNotFound(
            f"{type(instance).__name__} {state.identity!r} cannot be updated: its row is gone. "
            "Use save(force_insert=True) to insert it again."
        )
    written.update(shape.own(result.last_updated_params()))
    store(instance, shape.by_attribute(written))
    return result.rowcount
