"""``save()``, ``update()``, ``delete()`` and ``load()`` of an instance that a session holds: they go through it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import async_object_session
from sqlalchemy.orm import make_transient
from sqlalchemy.orm.attributes import flag_dirty, instance_state

from ...errors import ConfigurationError, ObjectNotFound
from ..databases.sqlite import begin
from ..internals import is_flushing, without_flush
from ..mapping.instance_state import is_in_session
from ..mapping.settable import set_attributes
from ..mapping.table import mapping_of
from .listeners import ask_later
from .pending import Pending
from .row import ASKED, Asked

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import InstanceState

__all__ = ["delete", "is_held", "load", "save", "session_of", "update"]

M = TypeVar("M")


async def is_held(state: InstanceState[Any]) -> bool:
    """Tell whether a session of the program's holds an instance; the flush of another task is waited for.

    Args:
        state: The state of the instance.

    Raises:
        TurnTimeoutError: The flush sent no statement for ``turn_timeout`` seconds.
    """
    from ..saving.unit_of_work import wait_for_flush

    await wait_for_flush(state)
    return is_in_session(state.obj())


def session_of(instance: object) -> AsyncSession:
    """Return the session that holds an instance.

    Raises:
        ConfigurationError: It is a plain one, which nobody can await.
    """
    session = async_object_session(instance)
    if session is None:
        raise ConfigurationError(
            f"{instance!r} belongs to a plain Session: save it with session.commit(), which fires the same signals, or "
            "use an AsyncSession."
        )
    return session


def session_to_write(instance: object) -> AsyncSession:
    """Return the session that holds an instance; it refuses one that it has deleted, as ``add()`` does.

    Raises:
        ConfigurationError: It is a plain one, which nobody can await.
        InvalidRequestError: The instance was deleted in the transaction of the session (SQLAlchemy's error).
    """
    session = session_of(instance)
    if instance_state(instance).was_deleted:
        session.add(instance)
    return session


async def save(instance: M, values: Mapping[str, Any], force_insert: bool) -> M | None:
    """Flush the session, with the instance's save signals; return the instance, or ``None`` if it was skipped."""
    session = session_to_write(instance)

    def change() -> None:
        set_attributes(mapping_of(type(instance)), instance, values)
        if force_insert and instance_state(instance).key is not None:
            session.expunge(instance)
            make_transient(instance)
            session.add(instance)

    return instance if await flush(session, instance, Asked("save", dict(values)), change) else None


async def update(instance: M, values: Mapping[str, Any]) -> M | None:
    """Flush the session, with the instance's update signals; return the instance, or ``None`` if it was skipped."""
    session = session_to_write(instance)
    asked, mapping = Asked("update", dict(values)), mapping_of(type(instance))
    return (
        instance if await flush(session, instance, asked, lambda: set_attributes(mapping, instance, values)) else None
    )


async def delete(instance: object) -> int:
    """Delete the instance and flush the session; return the number of rows."""
    session = session_of(instance)
    asked = Asked("delete", {})
    return int(await flush(session, instance, asked, lambda: session.delete(instance)))


async def load(instance: M) -> M:
    """Read the instance's row again.

    Raises:
        ObjectNotFound: Its row is gone.
    """
    session = session_of(instance)
    try:
        await session.refresh(instance)
    except InvalidRequestError as error:
        raise ObjectNotFound(
            f"{type(instance).__name__} {instance_state(instance).identity!r} cannot be loaded: its row is gone."
        ) from error
    return instance


async def flush(session: AsyncSession, instance: object, asked: Asked, change: Callable[[], object]) -> bool:
    """Change an instance and flush the session, in a savepoint; tell whether no receiver skipped it.

    When that fails, the session is as it was: its pending objects are pending again.

    Args:
        session: The session.
        instance: The instance.
        asked: The request.
        change: Changes the instance; its result is awaited, if it can be.
    """
    sync = session.sync_session
    if is_flushing(sync):
        # A receiver asks, in the middle of a flush: its end writes the rest, with its signals.
        ask_later(sync, instance, asked)
        await done(change(), instance, asked)
        return True
    await begin(await session.connection())
    pending = Pending(sync, instance)
    with without_flush(sync):  # or pending objects are written outside of the savepoint
        nested = await session.begin_nested()
    ASKED[instance_state(instance)] = asked
    try:
        await done(change(), instance, asked)
        await session.flush()
        await nested.commit()
    except BaseException:
        await nested.rollback()
        pending.put_back()
        raise
    finally:
        ASKED.pop(instance_state(instance), None)
    return not asked.skipped


async def done(change: object, instance: object, asked: Asked) -> None:
    """Wait for a change, and see to it that the flush looks at the instance even if nothing has changed."""
    if isinstance(change, Awaitable):
        await change
    if asked.kind != "delete" and instance_state(instance).key is not None:
        flag_dirty(instance)
