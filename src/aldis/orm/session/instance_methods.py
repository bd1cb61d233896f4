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
from ..mapping.instance_state import Snapshot
from ..mapping.table import set_attributes
from .listeners import ask_later
from .row import ASKED, Asked, is_flushing

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["delete", "load", "save", "update"]

M = TypeVar("M")


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


async def save(instance: M, values: Mapping[str, Any], force_insert: bool) -> M | None:
    """Flush the session, with the instance's save signals; return the instance, or ``None`` if it was skipped."""
    session = session_of(instance)

    def change() -> None:
        set_attributes(instance, values)
        if force_insert and instance_state(instance).key is not None:
            session.expunge(instance)
            make_transient(instance)
            session.add(instance)

    return instance if await flush(session, instance, Asked("save", dict(values)), change) else None


async def update(instance: M, values: Mapping[str, Any]) -> M | None:
    """Flush the session, with the instance's update signals; return the instance, or ``None`` if it was skipped."""
    session = session_of(instance)
    asked = Asked("update", dict(values))
    return instance if await flush(session, instance, asked, lambda: set_attributes(instance, values)) else None


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

    When that fails, the session is what it was: what was pending in it is pending again.

    Args:
        session: The session.
        instance: The instance.
        asked: What is asked for.
        change: Changes the instance; what it returns is awaited, if it can be.
    """
    sync = session.sync_session
    if is_flushing(sync):
        # A receiver asks, in the middle of a flush: its end writes what is still to be written, with its signals.
        ask_later(sync, instance, asked)
        await done(change(), instance, asked)
        return True
    await begin(await session.connection())
    pending = Pending(session, instance)
    sync._flushing = True  # or begin_nested() writes what is pending, outside of the savepoint
    try:
        nested = await session.begin_nested()
    finally:
        sync._flushing = False
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


class Pending:
    """What waits in a session to be written, and an instance that is about to."""

    def __init__(self, session: AsyncSession, instance: object) -> None:
        self.session = session.sync_session
        instances = [instance, *session.new, *session.dirty, *session.deleted]
        self.before = {state: Snapshot(state) for state in map(instance_state, instances)}
        self.instances = instances
        """Held, so that none is gone when it is to be put back."""
        self.new = set(map(instance_state, session.new))
        self.deleted = set(map(instance_state, session.deleted))

    def put_back(self) -> None:
        """Let it wait again, after the rollback to the savepoint."""
        for state, before in self.before.items():
            before.put_back(state)
            state.modified = False  # so that the session takes note when it is flagged
            if state in self.new:
                self.session.add(state.obj())
            elif before.modified:
                flag_dirty(state.obj())
            if state in self.deleted:
                self.session._deleted[state] = state.obj()
