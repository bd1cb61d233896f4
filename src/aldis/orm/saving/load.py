"""``load()``: read the row of an instance that no session holds again, as a session refreshes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ..database import reading, session_on
from ..databases.sqlite import whole
from ..mapping.read_instances import refresh
from ..mapping.table import mapping_of
from ..transactions.ambient import turn_on
from .unit_of_work import flush_of_another, wait_for_flush

if TYPE_CHECKING:
    from ..database import Using
    from ..mapping.table import TableMapping

__all__ = ["load"]

EAGER: Final = {"joined", False, "selectin", "subquery", "immediate"}
"""The values of ``lazy`` of the relationships that are read together with their instance."""


async def load(instance: object, target: Using) -> bool:
    """Read the row of a stored instance again; return ``False`` if it is gone.

    The session reads into another instance, whose values this one gets at the end, at once: other tasks may read and
    save the instance meanwhile. Where the flush of one of them has begun, its end is waited for, and the row is read
    once more.

    Args:
        instance: The instance.
        target: Where to read.
    """
    mapping = mapping_of(type(instance))
    state: InstanceState[Any] = instance_state(instance)
    while True:
        other = mapping.mapper.class_manager.new_instance()
        read: InstanceState[Any] = instance_state(other)
        read.key, read.identity_token = state.key, state.identity_token
        read.load_options, read.load_path = state.load_options, state.load_path
        async with reading(target) as connection, session_on(connection) as session, turn_on(connection):
            session.add(other)
            try:
                await whole(connection, session.refresh(other, names_to_read(mapping, state)))
            except InvalidRequestError as error:
                if not str(error).startswith("Could not refresh instance"):
                    raise
                return False
            related = [instance_state(each) for each in session if each is not other]
            session.expunge_all()
            if flush_of_another(state) is None:
                refresh(state, read, related)
                return True
        await wait_for_flush(state)
        if state.key is None:
            return False


def names_to_read(mapping: TableMapping, state: InstanceState[Any]) -> list[str] | None:
    """Return the attributes to read; ``None`` for those that a session reads by itself: none that is deferred."""
    mapper = mapping.mapper
    if not any(each.deferred for each in mapper.column_attrs):
        return None
    related = [
        each.key
        for each in mapper.relationships
        if each.lazy in EAGER or (state.load_options and each.key in state.dict)
    ]
    return [*mapper.column_attrs.keys(), *related]
