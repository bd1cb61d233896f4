"""``Model.meta``: the signals and the database of one model class."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from .. import signals as lifecycle
from ..dispatch.broadcaster import Broadcaster
from ..dispatch.deferral import AFTER_COMMIT
from ..errors import ConfigurationError
from .database import AMBIENT, Database, Unmanaged, after_commit, ambient, nothing, savepoint, undoing
from .sqlite import begin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from .model import Model

__all__ = ["Meta", "meta_of", "operation"]

DEFAULTS: Final = Broadcaster()
DEFAULTS.set_lifecycle_signals_from(lifecycle)


class Meta:
    """What aldis knows of a model class.

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

    @property
    def database(self) -> Database:
        """The database that the class is saved to.

        Raises:
            ConfigurationError: Neither the class nor a base of it has one.
        """
        database = getattr(self._model, "database", None)
        if not isinstance(database, Database):
            raise ConfigurationError(
                f"{self._model.__name__} has no database: set `database = aldis.Database(url)` on it or on its "
                "base class, or pass `using=`."
            )
        return database

    def __repr__(self) -> str:
        return f"<Meta of {self._model.__name__}: {self.signals!r}>"


def meta_of(model: type[Any]) -> Meta:
    """Return the :class:`Meta` of a model class, made when it is first asked for."""
    from .model import Model

    found: Meta | None = model.__dict__.get("_aldis_meta")
    if found is None:
        bases = [base for base in model.__bases__ if issubclass(base, Model) and base is not Model]
        parents = [meta_of(base).signals for base in bases] or [DEFAULTS]
        found = Meta(model, Broadcaster(parents=parents))
        model._aldis_meta = found
    return found


@asynccontextmanager
async def operation(
    model: type[Any], using: Database | AsyncConnection | None, on_rollback: Callable[[], None] = nothing
) -> AsyncIterator[AsyncConnection]:
    """Run one operation of a model in a transaction of its own, or in a savepoint of the one that is open.

    What receivers do with the model's database meanwhile is in the same transaction, on a connection given by hand too.

    Args:
        model: The model class.
        using: Where to run it, instead of the class's database.
        on_rollback: Called when the operation was undone; not when a receiver raises after the commit.
    """
    if using is None or isinstance(using, Database):
        async with (using or meta_of(model).database).transaction(on_rollback) as connection:
            yield connection
        return
    async with nested(using, on_rollback) if using.in_transaction() else begun(using, on_rollback):
        database = getattr(model, "database", None)
        if isinstance(database, Database):
            async with ambient(database, using):
                yield using
        else:
            yield using


@asynccontextmanager
async def begun(connection: AsyncConnection, on_rollback: Callable[[], None]) -> AsyncIterator[None]:
    """Run a block in a transaction of a connection that has none."""
    async with after_commit(), undoing(on_rollback), connection.begin():
        await begin(connection)
        yield


@asynccontextmanager
async def nested(connection: AsyncConnection, on_rollback: Callable[[], None]) -> AsyncIterator[None]:
    """Run a block in a savepoint of a transaction, which aldis may have begun or not."""
    await begin(connection)
    mine = any(scope.is_open and scope.connection is connection for scope in (AMBIENT.get() or {}).values())
    token = None if mine else AFTER_COMMIT.set(Unmanaged())
    try:
        async with savepoint(connection, on_rollback):
            yield
    finally:
        if token is not None:
            AFTER_COMMIT.reset(token)
