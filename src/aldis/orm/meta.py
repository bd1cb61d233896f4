"""``Model.meta``: the signals and the database of one model class."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from .. import signals as lifecycle
from ..dispatch.broadcaster import Broadcaster
from ..errors import ConfigurationError
from .database import Database, Using
from .mapping.table import TableMapping, mapping_of
from .transactions.after_commit import queue_of
from .transactions.ambient import Operation
from .transactions.given_connections import begun_by_hand, engine_of, on_connection
from .transactions.rollback import RollbackScope
from .transactions.savepoints import Transaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .model import Model

__all__ = ["Meta", "MetaAttribute", "meta_of"]

DEFAULTS: Final = Broadcaster()
DEFAULTS.set_lifecycle_signals_from(lifecycle)


class Meta:
    """The signals and the database of a model class.

    Example:
        >>> import aldis
        >>> from aldis.signals import post_save
        >>> class Base(aldis.Model): ...
        >>> Base.meta.signals.post_save is post_save
        True
    """

    signals: Broadcaster
    """The class's signals; it sees those of its bases until it sets its own."""

    def __init__(self, model: type[Model], signals: Broadcaster) -> None:
        self._model = model
        self.signals = signals

    @cached_property
    def _mapping(self) -> TableMapping:
        """The mapping of the class."""
        return mapping_of(self._model)

    @property
    def database(self) -> Database:
        """The database that the class is saved to.

        Raises:
            ConfigurationError: Neither the class nor a base of it has one.
        """
        database = getattr(self._model, "database", None)
        if not isinstance(database, Database):
            raise without_database(self._model)
        return database

    def operation(
        self, using: Using | None, scope: RollbackScope | None = None
    ) -> AbstractAsyncContextManager[Transaction]:
        """Return the transaction of one operation of the class: its own, or a savepoint of the one that is open.

        The operations of receivers on the class's database meanwhile are in the same transaction, on a connection
        given by hand too.

        Args:
            using: Where to run it, instead of the class's database.
            scope: The instances that are put back with the operation; not when a receiver raises after the commit.

        Raises:
            ConfigurationError: The class has no database.
            ClosedDatabaseError: Its database was closed.
        """
        model, scope = self._model, scope or RollbackScope()
        own = getattr(model, "database", None)
        if using is None and isinstance(own, Database):
            return Operation(own.engine.sync_engine, scope, model, None, own)
        database = own if isinstance(own, Database) and own is not using else None
        if isinstance(using, Database):
            return Operation(using.engine.sync_engine, scope, model, engine_of(database), using)
        if isinstance(using, AsyncConnection):
            return on_connection(database, using, scope, model)
        if isinstance(using, AsyncSession):
            return in_session(database, using, scope, model)
        scope.undo()  # the instance may have been given its new values
        if using is None:
            raise without_database(model)
        raise ConfigurationError(f"using is {using!r}: give an aldis.Database, an AsyncConnection or an AsyncSession.")

    def __repr__(self) -> str:
        return f"<Meta of {self._model.__name__}: {self.signals!r}>"


def without_database(model: type[Any]) -> ConfigurationError:
    """Return the error of a class that has no database."""
    return ConfigurationError(
        f"{model.__name__} has no database: set `database = aldis.Database(url)` on it or on its base class, or pass "
        "`using=`."
    )


def meta_of(model: type[Any]) -> Meta:
    """Return the :class:`Meta` of a model class, made when it is first asked for."""
    found: Meta | None = model.__dict__.get("_aldis_meta")
    if found is None:
        bases = [base for base in model.__bases__ if is_derived(base)]
        parents = [meta_of(base).signals for base in bases] or [DEFAULTS]
        found = Meta(model, Broadcaster(parents=parents))
        type.__setattr__(model, "_aldis_meta", found)
    return found


class MetaAttribute:
    """``Model.meta``, of the class that it is read from."""

    def __get__(self, instance: object, owner: type[Any]) -> Meta:
        return meta_of(owner)


def is_derived(model: type[Any]) -> bool:
    """Tell whether a class is derived from ``Model``, which has the attribute itself."""
    return any(isinstance(each.__dict__.get("meta"), MetaAttribute) for each in model.__mro__[1:])


@asynccontextmanager
async def in_session(
    database: Database | None, session: AsyncSession, scope: RollbackScope, name: type
) -> AsyncIterator[Transaction]:
    """Run a block in a savepoint of a session's transaction."""
    connection = await session.connection()
    queue = queue_of(session.sync_session, connection.sync_connection)
    async with begun_by_hand(database, connection, queue, scope, name) as transaction:
        yield transaction
